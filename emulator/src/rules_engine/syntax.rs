//! What a rule's SQL is made of, once it is understood.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html>.

use std::fmt;
use std::sync::Arc;

use crate::json::Json;
use crate::names::TopicFilter;

use super::functions::Function;

/// Which SQL a rule is written in.
//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-rule-sql-version.html
//# 2015-10-08 is the first version, 2016-03-23 the recommended one, `beta` whatever comes next
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V2015,
    V2016,
    /// Understood as the latest that is not a preview.
    Beta,
}

impl Version {
    /// The version that AWS calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "2015-10-08" => Some(Self::V2015),
            "2016-03-23" => Some(Self::V2016),
            "beta" => Some(Self::Beta),
            _ => None,
        }
    }

    /// AWS's name of the version.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V2015 => "2015-10-08",
            Self::V2016 => "2016-03-23",
            Self::Beta => "beta",
        }
    }
}

/// A whole statement.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) version: Version,
    /// The `SET` clause, in the order in which it is carried out.
    pub(super) variables: Vec<Variable>,
    pub(super) selection: Selection,
    /// Absent in a rule that only Basic Ingest triggers.
    pub(super) from: Option<TopicFilter>,
    pub(super) condition: Option<Expression>,
}

/// One variable of the `SET` clause.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// Without the `@`.
    pub(super) name: String,
    pub(super) value: Expression,
}

/// What stands between `SELECT` and `FROM`.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    /// `SELECT VALUE expression`.
    Value(Expression),
    /// `SELECT item, item …`.
    Items(Vec<Item>),
}

impl Selection {
    /// Whether this is `*` and nothing else, so that the payload passes through untouched.
    pub(super) fn is_whole_payload(&self) -> bool {
        match self {
            Self::Value(value) => matches!(value.kind, Kind::All),
            Self::Items(items) => matches!(items.as_slice(), [Item::All]),
        }
    }
}

/// One item of a `SELECT` list.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// `*`: every member of the message.
    All,
    /// An expression and where its value goes: `a.b` is the member `b` of the member `a`.
    Named { value: Expression, path: Vec<Arc<str>> },
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// How deep the tree below is, so that it can be bounded.
    pub(super) depth: u16,
}

/// Which bytes of the text something is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Literal(Json),
    /// `*` as an argument: the whole message.
    All,
    /// `a.b.c`: members of the message.
    Path(Vec<Arc<str>>),
    /// `@name`, by its place in the `SET` clause.
    Variable(usize),
    /// `expression.a.b`: members of a value.
    Members(Box<Expression>, Vec<Arc<str>>),
    Object(Vec<(Arc<str>, Expression)>),
    Array(Vec<Expression>),
    Call(&'static Function, Vec<Expression>),
    Cast(Box<Expression>, CastTo),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<(Expression, Expression)>),
    Case(Box<Case>),
    Nested(Box<Nested>),
    Exists(Box<Nested>),
}

/// `CASE subject WHEN … THEN … ELSE … END`.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) subject: Expression,
    pub(super) branches: Vec<(Expression, Expression)>,
    pub(super) otherwise: Option<Expression>,
}

/// `SELECT … FROM value AS name WHERE …` inside an expression.
#[derive(Clone, Debug)]
pub(super) struct Nested {
    pub(super) selection: Selection,
    pub(super) from: Expression,
    pub(super) name: Option<Arc<str>>,
    pub(super) condition: Option<Expression>,
}

/// The types that `cast` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CastTo {
    String,
    Int,
    /// A decimal of double precision.
    Double,
    Decimal,
    Boolean,
}

/// The operators between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// How tightly the operator binds; the tighter, the larger.
    pub(super) const fn binding(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::In => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
        }
    }
}

/// Why a statement cannot be understood, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SqlError {
    what: String,
    line: usize,
    column: usize,
}

impl SqlError {
    /// `what` is wrong at byte `at` of `text`.
    pub(super) fn new(text: &str, at: usize, what: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        Self { what: what.into(), line, column }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.what, self.line, self.column)
    }
}
