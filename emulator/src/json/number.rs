//! A JSON number: whole, or a decimal.

use std::cmp::Ordering;
use std::fmt;

use super::decimal::{Decimal, LIMIT};

/// A number of 34 digits. AWS calls the two kinds `Int` and `Decimal`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// A whole number written without a decimal point.
    Int(i128),
    /// Any other number, `10.0` among them.
    Decimal(Decimal),
}

impl Number {
    /// The whole number `value`, which becomes a decimal beyond 34 digits.
    pub(crate) fn int(value: i128) -> Self {
        if value.unsigned_abs() < LIMIT {
            return Self::Int(value);
        }
        Self::Decimal(Decimal::from_int(value))
    }

    /// Reads a number as JSON writes it; `None` if `text` is none, or one that is too large.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (unsigned, negative) = match text.strip_prefix('-') {
            Some(unsigned) => (unsigned, true),
            None => (text, false),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(parse_exponent(exponent)?)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !fraction.is_none_or(all_digits) {
            return None;
        }
        if fraction.is_none() && exponent.is_none() && whole.len() <= 34 {
            let magnitude: i128 = whole.parse().ok()?;
            return Some(Self::Int(if negative { -magnitude } else { magnitude }));
        }
        let fraction = fraction.unwrap_or_default();
        let places = i64::try_from(fraction.len()).ok()?;
        let digits = whole.bytes().chain(fraction.bytes());
        let exponent = exponent.unwrap_or(0);
        Decimal::from_digits(negative, digits, places, exponent).map(Self::Decimal)
    }

    /// The number as a decimal.
    pub(crate) fn to_decimal(self) -> Decimal {
        match self {
            Self::Int(value) => Decimal::from_int(value),
            Self::Decimal(value) => value,
        }
    }

    /// The nearest double.
    pub(crate) fn to_double(self) -> f64 {
        self.to_decimal().to_double()
    }

    /// `10.0` as `10`; any other number as it is.
    pub(crate) fn whole_as_int(self) -> Self {
        match self {
            Self::Int(_) => self,
            Self::Decimal(value) => value.to_int().map_or(self, Self::Int),
        }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // An exponent beyond any meaning still has a sign.
    let magnitude = digits.parse().unwrap_or(i64::from(i32::MAX)).min(i64::from(i32::MAX));
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// By value: `10` equals `10.0`.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            _ => self.to_decimal().compare(other.to_decimal()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{value}"),
        }
    }
}
