//! Decimal numbers of 34 digits, as the SQL of AWS IoT rules counts with.
//!
//! A value remembers how many places it was written with (`1.50` stays `1.50`), and prints as
//! Java's `BigDecimal` does, because that is what comes out of AWS.

use std::cmp::Ordering;
use std::fmt;

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-data-types.html
//# a Decimal has 34 digits and a magnitude between 1E-999 and 9.999…E999
/// How many digits a number may have.
pub(super) const DIGITS: u32 = 34;
const LARGEST_MAGNITUDE: i64 = 999;
/// 10^34: the coefficient stays below.
pub(super) const LIMIT: u128 = 10u128.pow(DIGITS);
const HALF_LIMIT: u128 = 10u128.pow(DIGITS / 2);

/// `coefficient` × 10^`exponent`, exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

impl Decimal {
    /// Rounds `coefficient` × 10^`exponent` to 34 digits, half to even; `None` if it is too large.
    /// `sticky` says that a little more than `coefficient` was meant.
    fn round(negative: bool, coefficient: u128, exponent: i64, sticky: bool) -> Option<Self> {
        let excess = digits(coefficient).saturating_sub(DIGITS);
        let (mut coefficient, mut exponent) = drop_digits(coefficient, exponent, excess, sticky);
        if coefficient == LIMIT {
            (coefficient, exponent) = (LIMIT / 10, exponent + 1);
        }
        let adjusted = exponent + i64::from(digits(coefficient)) - 1;
        if coefficient == 0 {
            exponent = exponent.clamp(-LARGEST_MAGNITUDE, 0);
        } else if adjusted > LARGEST_MAGNITUDE {
            return None;
        } else if adjusted < -LARGEST_MAGNITUDE {
            return Some(Self { negative: false, coefficient: 0, exponent: 0 });
        }
        let exponent = i32::try_from(exponent).ok()?;
        Some(Self { negative: negative && coefficient != 0, coefficient, exponent })
    }

    /// The whole number `value`; beyond 34 digits it is rounded.
    pub(crate) fn from_int(value: i128) -> Self {
        Self::round(value < 0, value.unsigned_abs(), 0, false)
            .expect("an i128 has 39 digits at most")
    }

    /// What `digits` says, with the decimal point before the last `places`, times 10^`exponent`.
    /// Takes any count of ASCII digits; `None` if the number is too large.
    pub(super) fn from_digits(
        negative: bool,
        digits: impl Iterator<Item = u8>,
        places: i64,
        exponent: i64,
    ) -> Option<Self> {
        let (mut coefficient, mut dropped, mut sticky) = (0u128, 0i64, false);
        for digit in digits {
            let digit = u128::from(digit - b'0');
            // Four digits beyond the 34 are more than rounding needs.
            if coefficient < LIMIT * 1000 {
                coefficient = coefficient * 10 + digit;
            } else {
                dropped += 1;
                sticky |= digit != 0;
            }
        }
        let exponent = exponent.saturating_sub(places).saturating_add(dropped);
        Self::round(negative, coefficient, exponent, sticky)
    }

    /// The shortest decimal that reads back as `value`, with at least one place, as Java prints a
    /// double; `None` if it is not finite.
    pub(crate) fn from_double(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.trim_start_matches('-').bytes().chain(places.bytes());
        let exponent: i64 = exponent.parse().ok()?;
        let places = i64::try_from(places.len()).ok()?;
        let decimal = Self::from_digits(value < 0.0, digits, places, exponent)?;
        // Java writes `32.0` and `0.5`, but `1.0E7` and `1.0E-4`.
        let plain = value == 0.0 || (1e-3..1e7).contains(&value.abs());
        let wider_by = match (plain, u32::try_from(decimal.exponent)) {
            (true, Ok(zeros)) => zeros + 1,
            (false, _) if decimal.coefficient < 10 => 1,
            _ => 0,
        };
        let coefficient = decimal.coefficient * 10u128.pow(wider_by);
        let exponent = decimal.exponent - i32::try_from(wider_by).ok()?;
        Some(Self { coefficient, exponent, ..decimal })
    }

    /// The nearest double.
    pub(crate) fn to_double(self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// Whether the value is zero.
    pub(crate) const fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    /// Whether the value is below zero.
    pub(crate) const fn is_negative(self) -> bool {
        self.negative
    }

    /// The value without its sign.
    pub(crate) const fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    /// The value with the other sign.
    pub(crate) const fn negated(self) -> Self {
        Self { negative: !self.negative && self.coefficient != 0, ..self }
    }

    fn adjusted(self) -> i64 {
        i64::from(self.exponent) + i64::from(digits(self.coefficient)) - 1
    }

    /// The value cut off to `places` decimal places, without trailing zeros.
    pub(crate) fn truncated(self, places: u32) -> Self {
        let excess = i64::from(self.exponent) + i64::from(places);
        if excess >= 0 {
            return self.stripped(0);
        }
        let factor = u32::try_from(-excess).ok().and_then(|excess| 10u128.checked_pow(excess));
        let Some(factor) = factor else { return Self::from_int(0) };
        let coefficient = self.coefficient / factor;
        let exponent = -i32::try_from(places).unwrap_or(0);
        let negative = self.negative && coefficient != 0;
        Self { negative, coefficient, exponent }.stripped(0)
    }

    /// Drops trailing zeros of the coefficient while the exponent stays at most `exponent`.
    fn stripped(mut self, exponent: i32) -> Self {
        if self.coefficient == 0 {
            return Self { exponent: self.exponent.max(exponent).min(0), ..self };
        }
        while self.exponent < exponent && self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The value as a whole number of 34 digits at most, if it is one.
    pub(crate) fn to_int(self) -> Option<i128> {
        let whole = self.stripped(0);
        if whole.coefficient == 0 {
            return Some(0);
        }
        let factor = 10u128.checked_pow(u32::try_from(whole.exponent).ok()?)?;
        let magnitude = whole.coefficient.checked_mul(factor).filter(|value| *value < LIMIT)?;
        let magnitude = i128::try_from(magnitude).ok()?;
        Some(if whole.negative { -magnitude } else { magnitude })
    }

    /// Rounded to a whole number by `rounding`; what has more than 34 digits stays a decimal.
    pub(crate) fn rounded(self, rounding: Rounding) -> Self {
        let towards_zero = self.truncated(0);
        let fraction = self.sub(towards_zero).unwrap_or(towards_zero).abs();
        let half = Self { negative: false, coefficient: 5, exponent: -1 };
        let away = match rounding {
            Rounding::Down => self.negative && !fraction.is_zero(),
            Rounding::Up => !self.negative && !fraction.is_zero(),
            Rounding::HalfUp => fraction.compare(half) != Ordering::Less,
        };
        let one = Self { negative: self.negative, coefficient: 1, exponent: 0 };
        if away { towards_zero.add(one).unwrap_or(towards_zero) } else { towards_zero }
    }

    /// The sum; `None` if it is too large.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if high.coefficient == 0 {
            return Self::round(low.negative, low.coefficient, i64::from(low.exponent), false);
        }
        let gap = high.exponent.abs_diff(low.exponent);
        // 37 digits: the 34 of the result, two to round by, and one for a carry.
        let shift = gap.min(37 - digits(high.coefficient).min(37));
        let high_coefficient = high.coefficient * 10u128.pow(shift);
        let scale = 10u128.checked_pow(gap - shift).unwrap_or(u128::MAX);
        let (low_coefficient, sticky) =
            (low.coefficient / scale, !low.coefficient.is_multiple_of(scale));
        let exponent = i64::from(high.exponent) - i64::from(shift);
        if high.negative == low.negative {
            let sum = high_coefficient + low_coefficient;
            return Self::round(high.negative, sum, exponent, sticky);
        }
        // What was cut off `low` would have been taken away: take one more and keep the rest.
        let low_coefficient = low_coefficient + u128::from(sticky);
        let negative = high.negative == (high_coefficient >= low_coefficient);
        Self::round(negative, high_coefficient.abs_diff(low_coefficient), exponent, sticky)
    }

    /// The difference; `None` if it is too large.
    pub(crate) fn sub(self, other: Self) -> Option<Self> {
        self.add(other.negated())
    }

    /// The product; `None` if it is too large.
    pub(crate) fn mul(self, other: Self) -> Option<Self> {
        let negative = self.negative != other.negative;
        let exponent = i64::from(self.exponent) + i64::from(other.exponent);
        let (high, low) = wide_product(self.coefficient, other.coefficient);
        if high == 0 {
            return Self::round(negative, low, exponent, false);
        }
        // Keep 37 digits of the 68 and remember whether the rest was nothing.
        let kept = 37 - digits(high).min(37);
        let kept = kept.min(DIGITS);
        let scale = 10u128.pow(DIGITS - kept);
        let coefficient = high * 10u128.pow(kept) + low / scale;
        let exponent = exponent + i64::from(DIGITS - kept);
        Self::round(negative, coefficient, exponent, !low.is_multiple_of(scale))
    }

    /// The quotient to 34 digits; `None` for a division by zero or a quotient that is too large.
    pub(crate) fn div(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        let preferred = self.exponent - other.exponent;
        let mut quotient = self.coefficient / other.coefficient;
        let mut remainder = self.coefficient % other.coefficient;
        let mut exponent = i64::from(preferred);
        while remainder != 0 && quotient < LIMIT * 10 {
            remainder *= 10;
            quotient = quotient * 10 + remainder / other.coefficient;
            remainder %= other.coefficient;
            exponent -= 1;
        }
        let negative = self.negative != other.negative;
        let quotient = Self::round(negative, quotient, exponent, remainder != 0)?;
        Some(quotient.stripped(preferred))
    }

    /// What is left of a division that gives a whole number; `None` for a division by zero.
    pub(crate) fn rem(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        let gap = self.exponent.abs_diff(other.exponent);
        if self.exponent >= other.exponent {
            let mut remainder = self.coefficient % other.coefficient;
            for _ in 0..gap {
                remainder = remainder * 10 % other.coefficient;
            }
            let exponent = i64::from(other.exponent);
            return Self::round(self.negative, remainder, exponent, false);
        }
        let divisor = 10u128.checked_pow(gap).and_then(|by| by.checked_mul(other.coefficient));
        // A divisor that does not fit is larger than what it divides.
        let remainder = divisor.map_or(self.coefficient, |divisor| self.coefficient % divisor);
        Self::round(self.negative, remainder, i64::from(self.exponent), false)
    }

    /// Which of the two is larger, however they are written.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => {
                return if other.negative { Ordering::Greater } else { Ordering::Less };
            }
            (false, true) => {
                return if self.negative { Ordering::Less } else { Ordering::Greater };
            }
            (false, false) => {}
        }
        if self.negative != other.negative {
            return if self.negative { Ordering::Less } else { Ordering::Greater };
        }
        let magnitudes = self.adjusted().cmp(&other.adjusted()).then_with(|| {
            // Of one magnitude: the coefficients differ by 33 places at most.
            let lowest = self.exponent.min(other.exponent);
            let aligned = |of: Self| of.coefficient * 10u128.pow(of.exponent.abs_diff(lowest));
            aligned(self).cmp(&aligned(other))
        });
        if self.negative { magnitudes.reverse() } else { magnitudes }
    }
}

/// Where a number goes that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To the next lower number.
    Down,
    /// To the next higher number.
    Up,
    /// To the nearest; the half goes away from zero.
    HalfUp,
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

/// As `BigDecimal.toString()` prints it.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.to_string();
        if self.negative {
            f.write_str("-")?;
        }
        let adjusted = self.adjusted();
        if self.exponent == 0 {
            return f.write_str(&digits);
        }
        if self.exponent < 0 && adjusted >= -6 {
            let places = usize::try_from(-i64::from(self.exponent)).unwrap_or(0);
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            return write!(f, "{whole}.{fraction}");
        }
        let (first, rest) = digits.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        write!(f, "E{adjusted:+}")
    }
}

/// How many digits `value` is written with.
pub(super) fn digits(value: u128) -> u32 {
    value.checked_ilog10().map_or(1, |log| log + 1)
}

/// Drops the last `count` digits, half to even.
fn drop_digits(coefficient: u128, exponent: i64, count: u32, sticky: bool) -> (u128, i64) {
    if count == 0 {
        return (coefficient, exponent);
    }
    let scale = 10u128.pow(count);
    let (kept, dropped) = (coefficient / scale, coefficient % scale);
    let up = match dropped.cmp(&(scale / 2)) {
        Ordering::Greater => true,
        Ordering::Equal => sticky || kept % 2 == 1,
        Ordering::Less => false,
    };
    (kept + u128::from(up), exponent.saturating_add(i64::from(count)))
}

/// The product of two coefficients as `(high, low)`, meaning high × 10^34 + low.
fn wide_product(a: u128, b: u128) -> (u128, u128) {
    let (a_high, a_low) = (a / HALF_LIMIT, a % HALF_LIMIT);
    let (b_high, b_low) = (b / HALF_LIMIT, b % HALF_LIMIT);
    let middle = a_high * b_low + a_low * b_high;
    let low = a_low * b_low + middle % HALF_LIMIT * HALF_LIMIT;
    (a_high * b_high + middle / HALF_LIMIT + low / LIMIT, low % LIMIT)
}
