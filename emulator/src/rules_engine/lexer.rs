//! SQL text → tokens, one at a time, so that what follows a template's `}` is never looked at.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html>.

use super::syntax::{Span, SqlError};

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// The kinds of token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name or a keyword: which of the two depends on where it stands.
    Word(String),
    /// `@name`, without the `@`.
    Variable(String),
    /// A string, without its quotes and escapes.
    String(String),
    /// A number that is never negative.
    Number(String),
    Symbol(Symbol),
    End,
}

/// Punctuation and operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Comma,
    Dot,
    Colon,
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
}

/// Reads tokens from a byte of a text on.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    pub(super) text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    /// Starts at byte `at` of `text`.
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, SqlError> {
        let spaces = self.rest().find(|character: char| !character.is_whitespace());
        self.at += spaces.unwrap_or(self.rest().len());
        let start = self.at;
        let kind = match self.rest().chars().next() {
            None => TokenKind::End,
            Some(quote @ ('\'' | '"')) => self.string(quote)?,
            Some('@') => {
                self.at += 1;
                TokenKind::Variable(self.word())
            }
            Some(first) if is_word_start(first) => TokenKind::Word(self.word()),
            Some('0'..='9') => self.number(),
            Some(other) => TokenKind::Symbol(self.symbol(other)?),
        };
        Ok(Token { kind, span: Span { start, end: self.at } })
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|character| !is_word_part(character)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn digits(&mut self) {
        let rest = self.rest();
        self.at += rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    }

    fn number(&mut self) -> TokenKind {
        let start = self.at;
        self.digits();
        let is_digit = |at: usize| self.text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        if self.rest().starts_with('.') && is_digit(self.at + 1) {
            self.at += 1;
            self.digits();
        }
        if self.rest().starts_with(['e', 'E']) {
            let is_digit = |at: usize| self.text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
            let sign = usize::from(self.rest()[1..].starts_with(['+', '-']));
            if is_digit(self.at + 1 + sign) {
                self.at += 1 + sign;
                self.digits();
            }
        }
        TokenKind::Number(self.text[start..self.at].to_owned())
    }

    //? assumed: a quote inside a string is doubled or has a backslash before it; a backslash before
    //? anything else stands for itself, so that `'\d'` is a regular expression
    fn string(&mut self, quote: char) -> Result<TokenKind, SqlError> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let rest = self.rest();
            let Some(plain) = rest.find([quote, '\\']) else {
                return Err(SqlError::new(self.text, start, "Unterminated string"));
            };
            text.push_str(&rest[..plain]);
            self.at += plain + 1;
            let next = self.rest().chars().next();
            if rest[plain..].starts_with(quote) {
                if next != Some(quote) {
                    return Ok(TokenKind::String(text));
                }
                text.push(quote);
                self.at += 1;
                continue;
            }
            match next {
                Some(escaped @ ('\'' | '"' | '\\')) => {
                    text.push(escaped);
                    self.at += 1;
                }
                _ => text.push('\\'),
            }
        }
    }

    fn symbol(&mut self, first: char) -> Result<Symbol, SqlError> {
        let second = self.rest().chars().nth(1);
        let (symbol, length) = match (first, second) {
            ('<', Some('>')) => (Symbol::NotEqual, 2),
            ('<', Some('=')) => (Symbol::LessOrEqual, 2),
            ('>', Some('=')) => (Symbol::GreaterOrEqual, 2),
            //= https://github.com/ministackorg/ministack/blob/main/CHANGELOG.md
            //# AWS refuses `==` and `!=`
            ('=', Some('=')) => return Err(self.unexpected("==")),
            ('!', Some('=')) => return Err(self.unexpected("!=")),
            ('<', _) => (Symbol::Less, 1),
            ('>', _) => (Symbol::Greater, 1),
            ('=', _) => (Symbol::Equal, 1),
            (',', _) => (Symbol::Comma, 1),
            ('.', _) => (Symbol::Dot, 1),
            (':', _) => (Symbol::Colon, 1),
            ('(', _) => (Symbol::OpenParenthesis, 1),
            (')', _) => (Symbol::CloseParenthesis, 1),
            ('[', _) => (Symbol::OpenBracket, 1),
            (']', _) => (Symbol::CloseBracket, 1),
            ('{', _) => (Symbol::OpenBrace, 1),
            ('}', _) => (Symbol::CloseBrace, 1),
            ('+', _) => (Symbol::Plus, 1),
            ('-', _) => (Symbol::Minus, 1),
            ('*', _) => (Symbol::Star, 1),
            ('/', _) => (Symbol::Slash, 1),
            ('%', _) => (Symbol::Percent, 1),
            _ => return Err(self.unexpected(&first.to_string())),
        };
        self.at += length;
        Ok(symbol)
    }

    fn unexpected(&self, token: &str) -> SqlError {
        SqlError::new(self.text, self.at, format!("Unexpected token, '{token}'"))
    }
}

fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn is_word_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
