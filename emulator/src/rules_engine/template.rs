//! Substitution templates: action parameters with `${expression}` in them.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-substitution-templates.html>.

use super::evaluate::{Evaluation, Failure};
use super::syntax::{Expression, SqlError, Statement};

/// A parameter, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// An expression and how it was written.
    Expression(Expression, String),
}

impl Template {
    /// Takes `text` apart; the expressions may name the variables of `statement`.
    pub(super) fn parse(text: &str, statement: &Statement) -> Result<Self, SqlError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            if found > 0 {
                parts.push(Part::Text(text[at..start].to_owned()));
            }
            let (expression, end) = statement.parse_template(text, start + 2)?;
            parts.push(Part::Expression(expression, text[start..end].to_owned()));
            at = end;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether nothing is to be filled in.
    pub(super) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-substitution-templates.html
    //# the original payload is looked into; aliases of the SELECT clause mean nothing here
    //? assumed: Undefined and Null leave nothing in their place
    /// The parameter for one message.
    pub(super) fn fill(&self, evaluation: &Evaluation<'_>) -> Result<String, Failure> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Expression(expression, written) => {
                    let value = evaluation.value(expression, evaluation.message_row())?;
                    let text = match value {
                        Some(value) => evaluation.to_text(&value)?,
                        None => None,
                    };
                    match text {
                        Some(text) => filled.push_str(&text),
                        None => evaluation.note(format!("{written} has no value")),
                    }
                }
            }
            evaluation.bounded(filled.len())?;
        }
        Ok(filled)
    }
}
