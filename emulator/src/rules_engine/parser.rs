//! Tokens → [`Statement`]: the clauses. What stands between them is read in `expressions.rs`.
//!
//! Hostile text cannot bring it down: its size, its nesting and its chains are bounded.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html>.

use std::sync::Arc;

use crate::names::TopicFilter;
use crate::quotas::{TOPIC_BYTES, TOPIC_SLASHES};

use super::lexer::{Lexer, Symbol, Token, TokenKind};
use super::syntax::{
    Expression, Item, Kind, Nested, Selection, Span, SqlError, Statement, Variable, Version,
};

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-set.html
//# at most 10 variables, with names of at most 64 characters
const VARIABLES: usize = 10;
const VARIABLE_NAME_CHARACTERS: usize = 64;

//? assumed: AWS names no limit for nesting; these keep the stack safe
/// How many expressions may lie inside each other.
const NESTING: usize = 64;
/// How deep a tree may become by chains such as `a + b + c`.
const DEPTH: u16 = 200;
/// How many names a dotted alias may have.
const ALIAS_PARTS: usize = 32;

/// Reads one text.
#[derive(Debug)]
pub(super) struct Parser<'t> {
    lexer: Lexer<'t>,
    pub(super) current: Token,
    pub(super) version: Version,
    /// The names of the `SET` clause, as far as it has been read.
    variables: Vec<String>,
    nesting: usize,
    /// Inside a `WHERE` clause no `SELECT` may stand, unless `EXISTS` stands before it.
    pub(super) in_condition: bool,
}

impl Statement {
    /// Reads a rule's whole SQL.
    pub(super) fn parse(sql: &str, version: Version) -> Result<Self, SqlError> {
        let mut parser = Parser::new(sql, 0, version, Vec::new())?;
        let variables = if parser.take_keyword("SET")? { parser.variables()? } else { Vec::new() };
        parser.expect_keyword("SELECT")?;
        let selection = parser.selection()?;
        let from = if parser.take_keyword("FROM")? { Some(parser.topic_filter()?) } else { None };
        let condition =
            if parser.take_keyword("WHERE")? { Some(parser.condition()?) } else { None };
        if parser.current.kind != TokenKind::End {
            return Err(parser.unexpected());
        }
        Ok(Self { version, variables, selection, from, condition })
    }

    /// Reads one expression at byte `at` of `text`, up to a `}`; answers where the text goes on.
    pub(super) fn parse_template(
        &self,
        text: &str,
        at: usize,
    ) -> Result<(Expression, usize), SqlError> {
        let names = self.variables.iter().map(|variable| variable.name.clone()).collect();
        let mut parser = Parser::new(text, at, self.version, names)?;
        let expression = parser.expression(0)?;
        if !parser.at_symbol(Symbol::CloseBrace) {
            return Err(parser.unexpected());
        }
        Ok((expression, parser.current.span.end))
    }
}

impl<'t> Parser<'t> {
    fn new(
        text: &'t str,
        at: usize,
        version: Version,
        variables: Vec<String>,
    ) -> Result<Self, SqlError> {
        let mut lexer = Lexer::new(text, at);
        let current = lexer.next()?;
        Ok(Self { lexer, current, version, variables, nesting: 0, in_condition: false })
    }

    // === tokens ===

    /// Passes over the current token.
    pub(super) fn advance(&mut self) -> Result<Token, SqlError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.current, next))
    }

    /// The token after the current one, if it can be read.
    pub(super) fn next_kind(&self) -> Option<TokenKind> {
        self.lexer.clone().next().ok().map(|token| token.kind)
    }

    pub(super) fn at_keyword(&self, keyword: &str) -> bool {
        matches!(&self.current.kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> Result<bool, SqlError> {
        let found = self.at_keyword(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<(), SqlError> {
        if self.take_keyword(keyword)? { Ok(()) } else { Err(self.expected(keyword)) }
    }

    pub(super) fn at_symbol(&self, symbol: Symbol) -> bool {
        self.current.kind == TokenKind::Symbol(symbol)
    }

    pub(super) fn take_symbol(&mut self, symbol: Symbol) -> Result<bool, SqlError> {
        let found = self.at_symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_symbol(&mut self, symbol: Symbol, text: &str) -> Result<(), SqlError> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.expected(text)) }
    }

    // === errors ===

    pub(super) fn error(&self, span: Span, what: impl Into<String>) -> SqlError {
        SqlError::new(self.lexer.text, span.start, what)
    }

    fn current_text(&self) -> String {
        match self.current.kind {
            TokenKind::End => "Unexpected end of statement".to_owned(),
            _ => format!("Unexpected token, '{}'", self.text_of(self.current.span)),
        }
    }

    pub(super) fn unexpected(&self) -> SqlError {
        self.error(self.current.span, self.current_text())
    }

    pub(super) fn expected(&self, wanted: &str) -> SqlError {
        self.error(self.current.span, format!("{}, expected {wanted}", self.current_text()))
    }

    pub(super) fn text_of(&self, span: Span) -> &'t str {
        self.lexer.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Runs `read` one level deeper, if that is not too deep.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if self.nesting == NESTING {
            return Err(self.error(self.current.span, "The statement is nested too deeply"));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// An expression over `below` expressions of which the deepest has that depth.
    pub(super) fn node(
        &self,
        kind: Kind,
        start: usize,
        below: u16,
    ) -> Result<Expression, SqlError> {
        let span = Span { start, end: self.current.span.start };
        if below >= DEPTH {
            return Err(self.error(span, "The expression is too long"));
        }
        Ok(Expression { kind, span, depth: below + 1 })
    }

    // === clauses ===

    fn variables(&mut self) -> Result<Vec<Variable>, SqlError> {
        let mut variables = Vec::new();
        loop {
            let token = self.advance()?;
            let TokenKind::Variable(name) = token.kind else {
                return Err(self.error(token.span, "Expected a variable such as @name after SET"));
            };
            self.check_variable(&name, token.span)?;
            self.expect_symbol(Symbol::Equal, "=")?;
            let value = self.expression(0)?;
            self.variables.push(name.clone());
            variables.push(Variable { name, value });
            if !self.take_symbol(Symbol::Comma)? {
                return Ok(variables);
            }
        }
    }

    fn check_variable(&self, name: &str, span: Span) -> Result<(), SqlError> {
        let ascii = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(ascii) {
            return Err(self.error(span, "A variable's name has letters, digits and underscores"));
        }
        if name.len() > VARIABLE_NAME_CHARACTERS {
            return Err(self.error(span, "A variable's name has at most 64 characters"));
        }
        if self.variable(name).is_some() {
            return Err(self.error(span, format!("Variable '@{name}' is already assigned")));
        }
        if self.variables.len() == VARIABLES {
            return Err(self.error(span, "A statement has at most 10 variables"));
        }
        Ok(())
    }

    /// Where the variable `name` stands in the `SET` clause.
    pub(super) fn variable(&self, name: &str) -> Option<usize> {
        self.variables.iter().position(|variable| variable == name)
    }

    fn selection(&mut self) -> Result<Selection, SqlError> {
        if self.at_value_keyword() {
            self.advance()?;
            return self.star_or_expression().map(Selection::Value);
        }
        let mut items = Vec::new();
        loop {
            items.push(self.item()?);
            if !self.take_symbol(Symbol::Comma)? {
                return Ok(Selection::Items(items));
            }
        }
    }

    //? assumed: `value` is a member's name where an expression cannot begin after it
    fn at_value_keyword(&self) -> bool {
        if !self.at_keyword("VALUE") {
            return false;
        }
        let mut after = self.lexer.clone();
        let Ok(next) = after.next() else { return true };
        match next.kind {
            TokenKind::Word(word) => !is_reserved(&word) || begins_expression(&word),
            TokenKind::Variable(_) | TokenKind::String(_) | TokenKind::Number(_) => true,
            TokenKind::Symbol(Symbol::Star) => match after.next().map(|token| token.kind) {
                Ok(TokenKind::Word(word)) => word.eq_ignore_ascii_case("FROM"),
                Ok(kind) => {
                    matches!(kind, TokenKind::End | TokenKind::Symbol(Symbol::CloseParenthesis))
                }
                Err(_) => false,
            },
            TokenKind::Symbol(symbol) => {
                matches!(symbol, Symbol::OpenParenthesis | Symbol::OpenBrace | Symbol::OpenBracket)
            }
            TokenKind::End => false,
        }
    }

    /// `*` on its own, or any expression.
    pub(super) fn star_or_expression(&mut self) -> Result<Expression, SqlError> {
        if self.at_symbol(Symbol::Star) {
            let start = self.advance()?.span.start;
            return self.node(Kind::All, start, 0);
        }
        self.expression(0)
    }

    fn item(&mut self) -> Result<Item, SqlError> {
        let value = self.star_or_expression()?;
        if self.take_keyword("AS")? {
            return Ok(Item::Named { value, path: self.alias()? });
        }
        if matches!(value.kind, Kind::All) {
            return Ok(Item::All);
        }
        let path = vec![self.name_of(&value)];
        Ok(Item::Named { value, path })
    }

    fn alias(&mut self) -> Result<Vec<Arc<str>>, SqlError> {
        let mut path = Vec::new();
        loop {
            let token = self.advance()?;
            match token.kind {
                TokenKind::Word(word) => path.push(Arc::from(word)),
                //? assumed: an alias may stand in quotes, and is then one name with all its dots
                TokenKind::String(text) => path.push(Arc::from(text)),
                _ => return Err(self.error(token.span, "Expected an alias after AS")),
            }
            if path.len() > ALIAS_PARTS {
                return Err(self.error(token.span, "The alias has too many parts"));
            }
            if !self.take_symbol(Symbol::Dot)? {
                return Ok(path);
            }
        }
    }

    //? assumed: without an alias, a path goes by its last name and a function by its own; anything
    //? else by its text, for which no source was found
    fn name_of(&self, value: &Expression) -> Arc<str> {
        match &value.kind {
            Kind::Path(names) | Kind::Members(_, names) => match names.last() {
                Some(name) => Arc::clone(name),
                None => Arc::from(""),
            },
            Kind::Call(function, _) => Arc::from(function.name),
            Kind::Cast(..) => Arc::from("cast"),
            Kind::Variable(index) => {
                Arc::from(self.variables.get(*index).map_or("", String::as_str))
            }
            _ => Arc::from(self.text_of(value.span).trim()),
        }
    }

    fn condition(&mut self) -> Result<Expression, SqlError> {
        let outside = std::mem::replace(&mut self.in_condition, true);
        let condition = self.expression(0);
        self.in_condition = outside;
        condition
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-from.html
    //# the topic filter stands in single quotes
    fn topic_filter(&mut self) -> Result<TopicFilter, SqlError> {
        let token = self.advance()?;
        let single_quoted = self.text_of(token.span).starts_with('\'');
        let TokenKind::String(filter) = token.kind else {
            return Err(self.error(token.span, "Expected a topic filter in single quotes"));
        };
        if !single_quoted {
            return Err(self.error(token.span, "Expected a topic filter in single quotes"));
        }
        match check_filter(&filter) {
            Ok(()) => Ok(TopicFilter::from(filter)),
            Err(why) => Err(self.error(token.span, format!("Topic filter '{filter}' {why}"))),
        }
    }

    /// Reads on after `(SELECT`, up to the closing parenthesis.
    pub(super) fn nested_select(&mut self) -> Result<(Nested, u16), SqlError> {
        let outside = std::mem::replace(&mut self.in_condition, false);
        let selection = self.selection()?;
        self.expect_keyword("FROM")?;
        let from = self.operand()?;
        let name = match self.take_keyword("AS")? {
            true => self.alias()?.pop(),
            false => None,
        };
        let condition = if self.take_keyword("WHERE")? { Some(self.condition()?) } else { None };
        self.expect_symbol(Symbol::CloseParenthesis, ")")?;
        self.in_condition = outside;
        let selected = match &selection {
            Selection::Value(value) => value.depth,
            Selection::Items(items) => items.iter().map(Item::depth).max().unwrap_or(0),
        };
        let condition_depth = condition.as_ref().map_or(0, |condition| condition.depth);
        let depth = selected.max(from.depth).max(condition_depth);
        Ok((Nested { selection, from, name, condition }, depth))
    }
}

impl Item {
    fn depth(&self) -> u16 {
        match self {
            Self::All => 0,
            Self::Named { value, .. } => value.depth,
        }
    }
}

fn check_filter(filter: &str) -> Result<(), &'static str> {
    if filter.is_empty() {
        return Err("is empty");
    }
    if filter.len() > TOPIC_BYTES || filter.contains('\0') {
        return Err("is too long or has a null character");
    }
    if filter.matches('/').count() > TOPIC_SLASHES {
        return Err("has too many slashes");
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err("has a # that is not the last level");
        }
        if level.contains('+') && level != "+" {
            return Err("has a + that is not a whole level");
        }
    }
    Ok(())
}

/// Words that are never the first name of a path.
pub(super) fn is_reserved(word: &str) -> bool {
    const RESERVED: [&str; 18] = [
        "SELECT", "FROM", "WHERE", "AS", "AND", "OR", "NOT", "IN", "CASE", "WHEN", "THEN", "ELSE",
        "END", "TRUE", "FALSE", "NULL", "EXISTS", "CAST",
    ];
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

fn begins_expression(word: &str) -> bool {
    ["NOT", "CASE", "TRUE", "FALSE", "NULL", "EXISTS", "CAST"]
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}
