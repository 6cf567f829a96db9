//! What an expression comes to for one message.
//!
//! It decides values only; `select.rs` puts them together, `run.rs` decides what a rule then does.
//! `None` is what AWS calls Undefined. Work and texts are bounded, so that a hostile statement ends
//! in a [`Failure`] and not in a standstill.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html>.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::json::{Json, Object};
use crate::names::AccountId;

use super::functions::Call;
use super::operators;
use super::payload::Payload;
use super::syntax::{Case, CastTo, Expression, Kind, Statement, Version};
use super::{RuleMessage, conversions};

//? assumed: AWS bounds a rule by time, an emulator by work, so that a test runs alike anywhere
/// How much work one rule may cost for one message.
const WORK: u64 = 2_000_000;
/// The longest text that an expression may make.
const TEXT_BYTES: usize = 1024 * 1024;
//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-set.html
//# the variables of a statement have 128 KiB, each and together
const VARIABLES_BYTES: usize = 128 * 1024;

/// Why a rule cannot be evaluated for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure(pub(super) String);

/// What an expression comes to; Undefined is `Ok(None)`.
pub(super) type Answer = Result<Option<Json>, Failure>;

/// One rule being evaluated for one message.
#[derive(Debug)]
pub(super) struct Evaluation<'m> {
    pub(super) message: &'m RuleMessage,
    pub(super) setting: Setting<'m>,
    pub(super) version: Version,
    payload: &'m Payload<'m>,
    variables: Vec<Option<Json>>,
    /// The state of the generator behind `newuuid()` and `rand()`.
    pub(super) random: Cell<u64>,
    work_left: Cell<u64>,
    /// What AWS does not say but a person wants to know.
    notes: RefCell<Vec<String>>,
}

/// What an evaluation knows besides the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'m> {
    pub(super) rule: &'m str,
    pub(super) account: &'m AccountId,
    /// The topic without `$aws/rules/NAME/`.
    pub(super) topic: &'m str,
}

/// What the names of a path are looked up in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'r> {
    pub(super) value: Option<&'r Json>,
    /// What a nested `FROM … AS name` calls it.
    pub(super) name: Option<&'r str>,
    /// Whether this is the whole message, which need not be JSON.
    pub(super) is_message: bool,
}

impl<'m> Evaluation<'m> {
    /// Starts with the `SET` clause of `statement`.
    pub(super) fn begin(
        statement: &Statement,
        setting: Setting<'m>,
        message: &'m RuleMessage,
        payload: &'m Payload<'m>,
    ) -> Result<Self, Failure> {
        // Two rules that one message triggers must not make the same UUID.
        let seed = setting.rule.bytes().fold(message.seed, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut evaluation = Self {
            message,
            setting,
            version: statement.version,
            payload,
            variables: Vec::new(),
            random: Cell::new(seed),
            work_left: Cell::new(WORK),
            notes: RefCell::default(),
        };
        let mut left = VARIABLES_BYTES;
        for variable in &statement.variables {
            let value = evaluation.value(&variable.value, evaluation.message_row())?;
            let length = value
                .as_ref()
                .map_or(Some(0), |value| value.to_text_within(left).map(|text| text.len()));
            let Some(length) = length else {
                let name = &variable.name;
                return Err(Failure(format!("Variable '@{name}' makes more than 128 KiB")));
            };
            evaluation.charge(length)?;
            left -= length.min(left);
            evaluation.variables.push(value);
        }
        Ok(evaluation)
    }

    /// The row of the whole message.
    pub(super) fn message_row(&self) -> Row<'m> {
        Row { value: self.payload(), name: None, is_message: true }
    }

    /// The payload, if it is JSON.
    pub(super) fn payload(&self) -> Option<&'m Json> {
        self.payload.json(self.version)
    }

    /// Counts work over `size` bytes or elements.
    pub(super) fn charge(&self, size: usize) -> Result<(), Failure> {
        let cost = 1 + u64::try_from(size / 32).unwrap_or(u64::MAX);
        match self.work_left.get().checked_sub(cost) {
            Some(left) => {
                self.work_left.set(left);
                Ok(())
            }
            None => Err(Failure("The rule takes too much work for one message".to_owned())),
        }
    }

    /// Leaves a line for the trace.
    pub(super) fn note(&self, line: impl Into<String>) {
        let line = line.into();
        let mut notes = self.notes.borrow_mut();
        if notes.len() < 16 && !notes.contains(&line) {
            notes.push(line);
        }
    }

    /// The lines left for the trace.
    pub(super) fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// A text, unless it is too long to be kept.
    pub(super) fn bounded(&self, length: usize) -> Result<(), Failure> {
        if length <= TEXT_BYTES { self.charge(length) } else { Err(too_long()) }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-data-types.html
    //# arrays and objects become JSON text; null becomes Undefined
    /// The value as a string.
    pub(super) fn to_text(&self, value: &Json) -> Result<Option<Arc<str>>, Failure> {
        let text = match value {
            Json::Null => return Ok(None),
            Json::String(text) => Arc::clone(text),
            value => Arc::from(value.to_text_within(TEXT_BYTES).ok_or_else(too_long)?),
        };
        self.charge(text.len())?;
        Ok(Some(text))
    }

    /// The payload that `value` makes; Undefined on its own is an empty text.
    pub(super) fn to_payload(&self, value: Option<&Json>) -> Result<String, Failure> {
        let Some(value) = value else { return Ok(String::new()) };
        value.to_text_within(TEXT_BYTES).ok_or_else(too_long)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-data-types.html
    //# since 2016-03-23 a whole number such as 10.0 is the Int 10
    fn normalised(&self, value: Json) -> Json {
        match value {
            Json::Number(number) if self.version >= Version::V2016 => number.whole_as_int().into(),
            value => value,
        }
    }

    /// What `expression` comes to.
    pub(super) fn value(&self, expression: &Expression, row: Row<'_>) -> Answer {
        self.charge(0)?;
        Ok(match &expression.kind {
            Kind::Literal(value) => Some(value.clone()),
            Kind::All => self.all(row),
            Kind::Path(names) => path(row, names).cloned(),
            Kind::Variable(index) => self.variables.get(*index).cloned().flatten(),
            Kind::Members(base, names) => {
                let base = self.value(base, row)?;
                base.and_then(|base| members(Some(&base), names).cloned())
            }
            Kind::Object(list) => Some(self.object(list, row)?),
            Kind::Array(list) => Some(self.array(list, row)?),
            Kind::Call(function, arguments) => {
                let call = Call { evaluation: self, row, arguments };
                (function.run)(&call)?.map(|value| self.normalised(value))
            }
            Kind::Cast(value, to) => self.cast(value, *to, row)?,
            Kind::Not(operand) => {
                let operand = self.value(operand, row)?;
                let operand = operand.as_ref().and_then(conversions::to_boolean);
                operand.map(|operand| Json::Boolean(!operand))
            }
            Kind::Negative(operand) => {
                let operand = self.value(operand, row)?;
                operand.as_ref().and_then(operators::negative)
            }
            Kind::Binary(operator, operands) => {
                let left = self.value(&operands.0, row)?;
                let right = self.value(&operands.1, row)?;
                let value = operators::apply(self, *operator, left.as_ref(), right.as_ref())?;
                value.map(|value| self.normalised(value))
            }
            Kind::Case(case) => self.case(case, row)?,
            Kind::Nested(nested) => self.nested(nested, row)?,
            Kind::Exists(nested) => Some(Json::Boolean(self.exists(nested, row)?)),
        })
    }

    //? assumed: `*` as an argument is Undefined where the payload is no JSON object or array;
    //? `encode` alone takes raw bytes
    fn all(&self, row: Row<'_>) -> Option<Json> {
        let value = row.value?;
        let whole = !row.is_message || matches!(value, Json::Object(_) | Json::Array(_));
        whole.then(|| value.clone())
    }

    fn object(&self, list: &[(Arc<str>, Expression)], row: Row<'_>) -> Result<Json, Failure> {
        let mut object = Object::default();
        for (name, value) in list {
            if let Some(value) = self.value(value, row)? {
                object.insert(Arc::clone(name), value);
            }
        }
        Ok(Json::object(object))
    }

    //? assumed: an Undefined element is left out, as an Undefined member is
    fn array(&self, list: &[Expression], row: Row<'_>) -> Result<Json, Failure> {
        let mut elements = Vec::with_capacity(list.len());
        for element in list {
            elements.extend(self.value(element, row)?);
        }
        Ok(Json::array(elements))
    }

    fn cast(&self, value: &Expression, to: CastTo, row: Row<'_>) -> Answer {
        let Some(value) = self.value(value, row)? else { return Ok(None) };
        if to == CastTo::String {
            return Ok(self.to_text(&value)?.map(Json::String));
        }
        Ok(conversions::cast(&value, to).map(|value| self.normalised(value)))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-case.html
    //# the first branch that equals the subject; an Undefined subject makes all Undefined
    fn case(&self, case: &Case, row: Row<'_>) -> Answer {
        let Some(subject) = self.value(&case.subject, row)? else { return Ok(None) };
        for (when, then) in &case.branches {
            let when = self.value(when, row)?;
            if let Some(when) = when
                && operators::equal(self, &subject, &when)?
            {
                return self.value(then, row);
            }
        }
        match &case.otherwise {
            Some(otherwise) => self.value(otherwise, row),
            None => Ok(None),
        }
    }

    /// Sixty-four random bits, the same for the same message.
    pub(super) fn random_bits(&self) -> u64 {
        // SplitMix64: any seed will do, and consecutive seeds share nothing.
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn too_long() -> Failure {
    Failure("A value is longer than 1 MiB".to_owned())
}

fn path<'r>(row: Row<'r>, names: &[Arc<str>]) -> Option<&'r Json> {
    match names {
        [first, rest @ ..] if row.name == Some(&**first) => members(row.value, rest),
        names => members(row.value, names),
    }
}

fn members<'r>(value: Option<&'r Json>, names: &[Arc<str>]) -> Option<&'r Json> {
    names.iter().try_fold(value?, |value, name| value.get(name))
}
