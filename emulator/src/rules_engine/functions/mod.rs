//! The functions of rule SQL: one table of what each is called, since when, and what runs it.
//!
//! A call with wrong arguments, or with too few, is Undefined and no error. What AWS knows and this
//! emulator does not run is refused when the rule is created, never answered wrongly.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

mod collections;
mod encoding;
mod hashes;
mod math;
mod message;
mod regexp;
mod text;
mod time;

use std::sync::Arc;

use crate::json::{Json, Number};

use super::conversions;
use super::evaluate::{Answer, Evaluation, Failure, Row};
use super::syntax::{Expression, Kind};

/// A function that SQL can call.
#[derive(Debug)]
pub(super) struct Function {
    /// In lower case; SQL may write it in any.
    pub(super) name: &'static str,
    pub(super) availability: Availability,
    /// What is wrong with the arguments before any message has come.
    pub(super) check: Check,
    pub(super) run: fn(&Call<'_>) -> Answer,
}

type Check = fn(&[Expression]) -> Result<(), String>;

/// Which statements may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Always,
    Since2016,
    /// AWS has it, this emulator does not.
    Refused,
}

/// The function called `name`, in any case.
pub(super) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

const fn always(name: &'static str, run: fn(&Call<'_>) -> Answer) -> Function {
    Function { name, availability: Availability::Always, check: any_arguments, run }
}

const fn since_2016(name: &'static str, run: fn(&Call<'_>) -> Answer) -> Function {
    Function { name, availability: Availability::Since2016, check: any_arguments, run }
}

const fn checked(check: Check, function: Function) -> Function {
    Function { check, ..function }
}

const fn refused(name: &'static str) -> Function {
    let run: fn(&Call<'_>) -> Answer = |_| Ok(None);
    Function { name, availability: Availability::Refused, check: any_arguments, run }
}

fn any_arguments(_: &[Expression]) -> Result<(), String> {
    Ok(())
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# each function, and the version of SQL that first had it
static FUNCTIONS: &[Function] = &[
    always("abs", math::abs),
    always("accountid", message::account_id),
    always("acos", math::acos),
    always("asin", math::asin),
    always("atan", math::atan),
    always("atan2", math::atan2),
    refused("aws_lambda"),
    always("bitand", math::bit_and),
    always("bitnot", math::bit_not),
    always("bitor", math::bit_or),
    always("bitxor", math::bit_xor),
    always("ceil", math::ceil),
    always("chr", text::chr),
    always("clientid", message::client_id),
    always("concat", text::concat),
    always("cos", math::cos),
    always("cosh", math::cosh),
    checked(encoding::check_decode, since_2016("decode", encoding::decode)),
    since_2016("encode", encoding::encode),
    always("endswith", text::ends_with),
    always("exp", math::exp),
    always("floor", math::floor),
    always("get", collections::get),
    refused("get_dynamodb"),
    always("get_mqtt_property", message::mqtt_property),
    since_2016("get_or_default", collections::get_or_default),
    refused("get_registry_data"),
    refused("get_secret"),
    refused("get_thing_shadow"),
    always("get_user_properties", message::user_properties),
    since_2016("indexof", text::index_of),
    always("isnull", collections::is_null),
    since_2016("isundefined", collections::is_undefined),
    since_2016("length", text::length),
    always("ln", math::ln),
    always("log", math::log),
    always("lower", text::lower),
    always("lpad", text::lpad),
    always("ltrim", text::ltrim),
    refused("machinelearning_predict"),
    always("md2", hashes::md2),
    always("md5", hashes::md5),
    always("mod", math::remainder),
    always("nanvl", math::nanvl),
    always("newuuid", message::new_uuid),
    since_2016("numbytes", text::num_bytes),
    checked(time::check_parse_time, since_2016("parse_time", time::parse_time)),
    always("power", math::power),
    always("principal", message::principal),
    always("rand", math::rand),
    checked(regexp::check, always("regexp_matches", regexp::matches)),
    checked(regexp::check, always("regexp_replace", regexp::replace)),
    checked(regexp::check, always("regexp_substr", regexp::substr)),
    always("remainder", math::remainder),
    always("replace", text::replace),
    always("round", math::round),
    always("rpad", text::rpad),
    always("rtrim", text::rtrim),
    always("sha1", hashes::sha1),
    always("sha224", hashes::sha224),
    always("sha256", hashes::sha256),
    always("sha384", hashes::sha384),
    always("sha512", hashes::sha512),
    always("sign", math::sign),
    always("sin", math::sin),
    always("sinh", math::sinh),
    since_2016("sourceip", message::source_ip),
    always("sql_version", message::sql_version),
    always("sqrt", math::sqrt),
    always("startswith", text::starts_with),
    always("substring", text::substring),
    always("tan", math::tan),
    always("tanh", math::tanh),
    checked(time::check_time_to_epoch, since_2016("time_to_epoch", time::time_to_epoch)),
    always("timestamp", message::timestamp),
    always("topic", message::topic),
    always("traceid", message::trace_id),
    checked(collections::check_transform, since_2016("transform", collections::transform)),
    always("trim", text::trim),
    always("trunc", math::trunc),
    always("upper", text::upper),
];

/// One call of a function.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) evaluation: &'a Evaluation<'a>,
    pub(super) row: Row<'a>,
    pub(super) arguments: &'a [Expression],
}

impl Call<'_> {
    /// Whether there are `count` arguments.
    fn has(&self, count: usize) -> bool {
        self.arguments.len() == count
    }

    /// Whether the argument at `index` is `*`.
    fn is_all(&self, index: usize) -> bool {
        self.arguments.get(index).is_some_and(|argument| matches!(argument.kind, Kind::All))
    }

    /// The argument at `index`.
    fn value(&self, index: usize) -> Answer {
        match self.arguments.get(index) {
            Some(argument) => self.evaluation.value(argument, self.row),
            None => Ok(None),
        }
    }

    /// The argument at `index` as a number.
    fn number(&self, index: usize) -> Result<Option<Number>, Failure> {
        Ok(self.value(index)?.as_ref().and_then(conversions::to_number))
    }

    /// The argument at `index` as a string.
    fn text(&self, index: usize) -> Result<Option<Arc<str>>, Failure> {
        match self.value(index)? {
            Some(value) => self.evaluation.to_text(&value),
            None => Ok(None),
        }
    }
}

/// The text of an argument that is a string literal.
fn literal(arguments: &[Expression], index: usize) -> Option<&str> {
    match &arguments.get(index)?.kind {
        Kind::Literal(value) => value.as_str(),
        _ => None,
    }
}

/// A text as an answer.
fn text_answer(text: impl Into<Arc<str>>) -> Answer {
    Ok(Some(Json::string(text)))
}
