//! Regular expressions as Java has them, because AWS writes them so: in rules and in its service
//! models.
//!
//! The matcher takes time in proportion to the text, so that no expression can hang. What Java has
//! beyond that (looking around, references back) is refused by name.
//! Truth:
//! <https://docs.oracle.com/en/java/javase/11/docs/api/java.base/java/util/regex/Pattern.html>.

mod matcher;
mod program;
mod syntax;

pub(crate) use self::matcher::find;
pub(crate) use self::program::Program;
pub(crate) use self::syntax::NotUsable;

use self::program::Step;
use self::syntax::Set;

/// An expression that must fit a text from end to end.
#[derive(Debug)]
pub(crate) enum WholeMatch {
    /// So many characters of one set at least: most expressions of AWS's models.
    AllOf { set: Set, ascii: u128, least: usize },
    /// Any other.
    Program(Program),
}

impl WholeMatch {
    /// Understands `expression`.
    pub(crate) fn compile(expression: &str) -> Result<Self, NotUsable> {
        let bare = expression.strip_prefix('^').unwrap_or(expression);
        let bare = bare.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(bare);
        if let Some((inner, least)) = bare
            .strip_suffix('+')
            .map(|inner| (inner, 1))
            .or_else(|| bare.strip_suffix('*').map(|inner| (inner, 0)))
            && let Ok(Program { mut steps, ignore_case: false, .. }) = Program::compile(inner)
            && matches!(steps[..], [Step::Mark(_), Step::Take(_), Step::Mark(_), Step::Done])
            && let Step::Take(set) = steps.swap_remove(1)
        {
            let in_set = (0..128_u8).filter(|byte| set.has(char::from(*byte), false));
            let ascii = in_set.fold(0, |ascii, byte| ascii | 1_u128 << byte);
            return Ok(Self::AllOf { set, ascii, least });
        }
        Program::compile(&format!(r"\A(?:{expression})\z")).map(Self::Program)
    }

    /// Whether the expression fits `text` from end to end.
    pub(crate) fn fits(&self, text: &str) -> bool {
        match self {
            Self::AllOf { set, ascii, least } => {
                let has = |character| match u8::try_from(character) {
                    Ok(byte @ 0..128) => ascii >> byte & 1 == 1,
                    _ => set.has(character, false),
                };
                // A certificate's text is long, and anything is allowed in it.
                let anything = *ascii == u128::MAX && text.is_ascii();
                text.len() >= *least && (anything || text.chars().all(has))
            }
            Self::Program(program) => matcher::fits(program, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_of_a_service_model_fits_whole_texts() {
        let table = [
            (r"[a-zA-Z0-9:_-]+", "sensor-1:a_b", true),
            (r"[a-zA-Z0-9:_-]+", "", false),
            (r"[a-zA-Z0-9:_-]+", "a b", false),
            (r"(0x)?[a-fA-F0-9]+", "0xabc", true),
            (r"(0x)?[a-fA-F0-9]+", "abcg", false),
            (r"[\s\S]*", "", true),
            (r"[\s\S]*", "a\nb", true),
            (r"[\p{Graph}\x20]*", "a b", true),
            (r"[\p{Graph}\x20]*", "a\tb", false),
            (r"[^\p{C}]*", "Zürich", true),
            (r"[^\p{C}]*", "a\u{0}", false),
            (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "größe 1", true),
            (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "a!", false),
            (r"^[0-9A-Za-z_-]+$", "T_1", true),
            (r"^[0-9A-Za-z_-]+$", "T\n", false),
            (r"[A-Za-z0-9+/]+={0,2}", "YWJj==", true),
            (r"[A-Za-z0-9+/]+={0,2}", "YWJj===", false),
            (r"^arn:[!-~]+$", "arn:aws:acm:x", true),
            (r"a|ab", "ab", true),
            (r"a|b+", "a", true),
            (r"a|b+", "ab", false),
        ];
        for (expression, text, expected) in table {
            let fits = WholeMatch::compile(expression).expect(expression).fits(text);
            assert_eq!(fits, expected, "{expression} {text:?}");
        }
    }

    #[test]
    fn an_expression_that_ignores_case_is_not_run_as_one_that_does_not() {
        let compiled = WholeMatch::compile("(?i)[a-z]+");
        assert_eq!(compiled.err(), Some(NotUsable::NotRunYet("such a group")));
    }

    #[test]
    fn a_short_expression_cannot_ask_for_endless_work_or_memory() {
        let nothing = format!("{}{}", "(?:".repeat(20), "){1000}".repeat(20));
        assert!(Program::compile(&nothing).is_ok_and(|program| program.work() < 10));
        let set: String = ('\u{4000}'..).step_by(2).take(1000).collect();
        let large = Program::compile(&format!("[{set}]{{1000}}"));
        assert_eq!(large.err(), Some(NotUsable::NotRunYet("so many parts")));
        let work = |expression: &str| Program::compile(expression).unwrap().work();
        assert!(work(&format!("[{set}]")) > 100, "each range may be looked at");
    }
}
