//! Tokens → [`Expression`], by the binding power of its operators.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html>.

use std::sync::Arc;

use crate::json::{Json, Number};

use super::functions::{self, Availability};
use super::lexer::{Symbol, TokenKind};
use super::parser::{Parser, is_reserved};
use super::syntax::{Case, CastTo, Expression, Kind, Nested, Operator, Span, SqlError, Version};

/// `NOT` binds more tightly than `AND` and less so than a comparison.
const NOT_BINDING: u8 = 3;
/// A sign binds more tightly than any operator.
const SIGN_BINDING: u8 = 7;

impl Parser<'_> {
    /// Reads an expression whose operators bind more tightly than `binding`.
    pub(super) fn expression(&mut self, binding: u8) -> Result<Expression, SqlError> {
        self.nested(|parser| {
            let mut left = parser.prefix()?;
            while let Some(operator) = parser.operator() {
                if operator.binding() <= binding {
                    break;
                }
                parser.advance()?;
                let right = parser.expression(operator.binding())?;
                let (start, below) = (left.span.start, left.depth.max(right.depth));
                let kind = Kind::Binary(operator, Box::new((left, right)));
                left = parser.node(kind, start, below)?;
            }
            Ok(left)
        })
    }

    fn operator(&self) -> Option<Operator> {
        Some(match &self.current.kind {
            TokenKind::Symbol(symbol) => match symbol {
                Symbol::Equal => Operator::Equal,
                Symbol::NotEqual => Operator::NotEqual,
                Symbol::Greater => Operator::Greater,
                Symbol::GreaterOrEqual => Operator::GreaterOrEqual,
                Symbol::Less => Operator::Less,
                Symbol::LessOrEqual => Operator::LessOrEqual,
                Symbol::Plus => Operator::Add,
                Symbol::Minus => Operator::Subtract,
                Symbol::Star => Operator::Multiply,
                Symbol::Slash => Operator::Divide,
                Symbol::Percent => Operator::Remainder,
                _ => return None,
            },
            TokenKind::Word(_) if self.at_keyword("AND") => Operator::And,
            TokenKind::Word(_) if self.at_keyword("OR") => Operator::Or,
            TokenKind::Word(_) if self.at_keyword("IN") => Operator::In,
            _ => return None,
        })
    }

    fn prefix(&mut self) -> Result<Expression, SqlError> {
        let start = self.current.span.start;
        if self.take_keyword("NOT")? {
            let operand = self.expression(NOT_BINDING)?;
            let below = operand.depth;
            return self.node(Kind::Not(Box::new(operand)), start, below);
        }
        if self.take_symbol(Symbol::Minus)? {
            let operand = self.expression(SIGN_BINDING)?;
            let below = operand.depth;
            return self.node(Kind::Negative(Box::new(operand)), start, below);
        }
        self.operand()
    }

    /// Reads what stands between operators, with the members asked of it.
    pub(super) fn operand(&mut self) -> Result<Expression, SqlError> {
        let operand = self.primary()?;
        if !self.at_symbol(Symbol::Dot) {
            return Ok(operand);
        }
        let mut names = Vec::new();
        while self.take_symbol(Symbol::Dot)? {
            let TokenKind::Word(name) = &self.current.kind else {
                return Err(self.expected("a name"));
            };
            names.push(Arc::from(name.as_str()));
            self.advance()?;
        }
        let (start, below) = (operand.span.start, operand.depth);
        let kind = match operand.kind {
            Kind::Path(mut path) => {
                path.append(&mut names);
                Kind::Path(path)
            }
            _ => Kind::Members(Box::new(operand), names),
        };
        self.node(kind, start, below)
    }

    fn primary(&mut self) -> Result<Expression, SqlError> {
        let start = self.current.span.start;
        match self.current.kind.clone() {
            TokenKind::String(text) => {
                self.advance()?;
                self.node(Kind::Literal(Json::string(text)), start, 0)
            }
            TokenKind::Number(text) => self.number(&text),
            TokenKind::Variable(name) => {
                let Some(index) = self.variable(&name) else {
                    let what = format!("Variable '@{name}' is not defined");
                    return Err(self.error(self.current.span, what));
                };
                self.advance()?;
                self.node(Kind::Variable(index), start, 0)
            }
            TokenKind::Symbol(Symbol::OpenParenthesis) => self.parenthesised(),
            TokenKind::Symbol(Symbol::OpenBracket) => self.array(),
            TokenKind::Symbol(Symbol::OpenBrace) => self.object(),
            TokenKind::Word(word) => self.word(&word),
            TokenKind::Symbol(_) | TokenKind::End => Err(self.expected("an expression")),
        }
    }

    fn number(&mut self, text: &str) -> Result<Expression, SqlError> {
        let span = self.current.span;
        let Some(number) = Number::parse(text) else {
            return Err(self.error(span, format!("Number '{text}' is out of range")));
        };
        self.advance()?;
        let number = if self.version == Version::V2015 { number } else { number.whole_as_int() };
        self.node(Kind::Literal(Json::Number(number)), span.start, 0)
    }

    fn parenthesised(&mut self) -> Result<Expression, SqlError> {
        let start = self.advance()?.span.start;
        if self.at_keyword("SELECT") {
            //= https://github.com/ministackorg/ministack/blob/main/CHANGELOG.md
            //# in a WHERE clause AWS refuses a nested SELECT with `Unexpected token, 'SELECT'`
            if self.in_condition {
                return Err(self.unexpected());
            }
            let (nested, below) = self.select()?;
            return self.node(Kind::Nested(Box::new(nested)), start, below);
        }
        let inner = self.expression(0)?;
        self.expect_symbol(Symbol::CloseParenthesis, ")")?;
        let span = Span { start, end: self.current.span.start };
        Ok(Expression { span, ..inner })
    }

    /// Reads `SELECT … )`.
    fn select(&mut self) -> Result<(Nested, u16), SqlError> {
        self.only_since_2016("A nested SELECT")?;
        self.advance()?;
        self.nested(Self::nested_select)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-literals.html
    //# literal objects and arrays come with version 2016-03-23
    fn only_since_2016(&self, what: &str) -> Result<(), SqlError> {
        if self.version >= Version::V2016 {
            return Ok(());
        }
        let name = self.version.name();
        let what = format!("{what} is not supported by SQL version {name}");
        Err(self.error(self.current.span, what))
    }

    fn array(&mut self) -> Result<Expression, SqlError> {
        self.only_since_2016("An array literal")?;
        let start = self.advance()?.span.start;
        let elements = self.list(Symbol::CloseBracket, "]", Self::star_or_expression)?;
        let below = elements.iter().map(|element| element.depth).max().unwrap_or(0);
        self.node(Kind::Array(elements), start, below)
    }

    fn object(&mut self) -> Result<Expression, SqlError> {
        self.only_since_2016("An object literal")?;
        let start = self.advance()?.span.start;
        let members = self.list(Symbol::CloseBrace, "}", |parser| {
            let name = match &parser.current.kind {
                TokenKind::String(name) => Arc::from(name.as_str()),
                _ => return Err(parser.expected("a name in quotes")),
            };
            parser.advance()?;
            parser.expect_symbol(Symbol::Colon, ":")?;
            Ok((name, parser.star_or_expression()?))
        })?;
        let below = members.iter().map(|(_, value)| value.depth).max().unwrap_or(0);
        self.node(Kind::Object(members), start, below)
    }

    /// Reads `item, item … end`.
    fn list<T>(
        &mut self,
        end: Symbol,
        end_text: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut items = Vec::new();
        if self.take_symbol(end)? {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take_symbol(end)? {
                return Ok(items);
            }
            self.expect_symbol(Symbol::Comma, &format!(", or {end_text}"))?;
        }
    }

    fn word(&mut self, word: &str) -> Result<Expression, SqlError> {
        let start = self.current.span.start;
        let literal = match word.to_ascii_uppercase().as_str() {
            "TRUE" => Some(Json::Boolean(true)),
            "FALSE" => Some(Json::Boolean(false)),
            "NULL" => Some(Json::Null),
            "CASE" => return self.case(),
            _ => None,
        };
        if let Some(literal) = literal {
            self.advance()?;
            return self.node(Kind::Literal(literal), start, 0);
        }
        if self.next_kind() == Some(TokenKind::Symbol(Symbol::OpenParenthesis)) {
            return self.call(word);
        }
        if is_reserved(word) {
            return Err(self.expected("an expression"));
        }
        self.advance()?;
        self.node(Kind::Path(vec![Arc::from(word)]), start, 0)
    }

    fn call(&mut self, word: &str) -> Result<Expression, SqlError> {
        match word.to_ascii_uppercase().as_str() {
            "EXISTS" => return self.exists(),
            "CAST" => return self.cast(),
            _ if is_reserved(word) => return Err(self.unexpected()),
            _ => {}
        }
        let span = self.current.span;
        let Some(function) = functions::named(word) else {
            return Err(self.error(span, format!("Unknown function '{word}'")));
        };
        if let Availability::Refused = function.availability {
            let what = format!("iot-emulator does not run the function '{}' yet", function.name);
            return Err(self.error(span, what));
        }
        if function.availability == Availability::Since2016 {
            self.only_since_2016(&format!("Function '{}'", function.name))?;
        }
        self.advance()?;
        self.advance()?;
        let arguments = self.list(Symbol::CloseParenthesis, ")", Self::star_or_expression)?;
        (function.check)(&arguments).map_err(|what| self.error(span, what))?;
        let below = arguments.iter().map(|argument| argument.depth).max().unwrap_or(0);
        self.node(Kind::Call(function, arguments), span.start, below)
    }

    fn exists(&mut self) -> Result<Expression, SqlError> {
        let start = self.advance()?.span.start;
        self.advance()?;
        if !self.at_keyword("SELECT") {
            return Err(self.expected("SELECT"));
        }
        let (nested, below) = self.select()?;
        self.node(Kind::Exists(Box::new(nested)), start, below)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
    //# the words that may follow `as`, of which Decimal, Bool and Boolean came with 2016-03-23
    fn cast(&mut self) -> Result<Expression, SqlError> {
        let start = self.advance()?.span.start;
        self.advance()?;
        let value = self.star_or_expression()?;
        self.expect_keyword("AS")?;
        let TokenKind::Word(name) = &self.current.kind else {
            return Err(self.expected("a type"));
        };
        let to = match name.to_ascii_lowercase().as_str() {
            "string" | "nvarchar" | "text" | "ntext" | "varchar" => CastTo::String,
            "int" | "integer" => CastTo::Int,
            "double" => CastTo::Double,
            "decimal" => CastTo::Decimal,
            "bool" | "boolean" => CastTo::Boolean,
            _ => return Err(self.expected("a type")),
        };
        if matches!(to, CastTo::Decimal | CastTo::Boolean) {
            self.only_since_2016(&format!("A cast to {name}"))?;
        }
        self.advance()?;
        self.expect_symbol(Symbol::CloseParenthesis, ")")?;
        let below = value.depth;
        self.node(Kind::Cast(Box::new(value), to), start, below)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-case.html
    //# at least one WHEN; ELSE may be left out
    fn case(&mut self) -> Result<Expression, SqlError> {
        let start = self.advance()?.span.start;
        let subject = self.expression(0)?;
        let mut branches = Vec::new();
        while self.take_keyword("WHEN")? {
            let when = self.expression(0)?;
            self.expect_keyword("THEN")?;
            branches.push((when, self.expression(0)?));
        }
        if branches.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let otherwise = if self.take_keyword("ELSE")? { Some(self.expression(0)?) } else { None };
        self.expect_keyword("END")?;
        let depths = branches.iter().map(|(when, then)| when.depth.max(then.depth));
        let below = depths.chain(otherwise.iter().map(|otherwise| otherwise.depth));
        let below = below.max().unwrap_or(0).max(subject.depth);
        self.node(Kind::Case(Box::new(Case { subject, branches, otherwise })), start, below)
    }
}
