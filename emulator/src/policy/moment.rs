//! A date as a condition spells it: a profile of ISO 8601, or seconds since 1970.
//!
//! Truth: <https://www.w3.org/TR/NOTE-datetime>, to which
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
//! refers.

use crate::time::Timestamp;

/// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, the same with `Thh:mm[:ss[.s]]` and a zone, or seconds
/// since 1970; four digits are a year.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if text.len() != 4 && !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit())
    {
        return text.parse().ok().map(Timestamp::from_seconds);
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let day = day(date, time.is_some())?;
    let within = time.map_or(Some(0), within_day)?;
    Some(Timestamp::from_milliseconds(day * 86_400_000 + within))
}

/// Days since 1970; a date before a time must be whole.
fn day(date: &str, whole: bool) -> Option<i64> {
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(None), |text| digits(text, 2).map(Some))?;
    let day = parts.next().map_or(Some(None), |text| digits(text, 2).map(Some))?;
    if parts.next().is_some() || (whole && day.is_none()) {
        return None;
    }
    let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let valid = (1..=12).contains(&month) && (1..=length).contains(&day);
    valid.then(|| days_since_1970(year, month, day))
}

/// Counts years from March, so that the leap day is the last day of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * since_march + 2) / 5 + day - 1 - 719_468
}

/// Milliseconds since midnight UTC of `hh:mm[:ss[.s]]` with a zone.
fn within_day(text: &str) -> Option<i64> {
    let zone_at = text.find(['Z', '+', '-'])?;
    let (clock, zone) = text.split_at(zone_at);
    let mut parts = clock.split(':');
    let hours = below(parts.next()?, 24)?;
    let minutes = below(parts.next()?, 60)?;
    let milliseconds = parts.next().map_or(Some(0), seconds)?;
    if parts.next().is_some() {
        return None;
    }
    Some((hours * 60 + minutes) * 60_000 + milliseconds - offset(zone)?)
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = fraction.bytes().chain(*b"000").take(3);
    let milliseconds = thousandths.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(below(whole, 60)? * 1000 + milliseconds)
}

/// How far the zone is ahead of UTC, in milliseconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, zone) = match zone.strip_prefix('+') {
        Some(zone) => (1, zone),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = zone.split_once(':')?;
    Some(sign * (below(hours, 24)? * 60 + below(minutes, 60)?) * 60_000)
}

fn below(text: &str, limit: i64) -> Option<i64> {
    digits(text, 2).filter(|number| *number < limit)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let fit = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    fit.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_is_read_in_every_length_that_iso_8601_has() {
        let table = [
            ("1970", 0),
            ("1970-02", 31 * 86_400_000),
            ("2000-02-29", 951_782_400_000),
            ("2013-06-30T00:00:00Z", 1_372_550_400_000),
            ("2013-06-30T00:00Z", 1_372_550_400_000),
            ("2013-06-30T02:30:00.25+02:30", 1_372_550_400_250),
            ("2013-06-29T23:00:00-01:00", 1_372_550_400_000),
            ("1372550400", 1_372_550_400_000),
            ("-1", -1_000),
            ("0001-01-01", -62_135_596_800_000),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse(text), Some(Timestamp::from_milliseconds(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let table = [
            "",
            "-",
            "x",
            "2013-13",
            "2013-02-29",
            "2013-00-01",
            "2013-6-30",
            "2013-06-30T00:00:00",
            "2013-06T00:00Z",
            "2013-06-30T24:00Z",
            "2013-06-30T00:00:60Z",
            "2013-06-30T00:00:0.Z",
            "2013-06-30T00:00:00Zx",
            "2013-06-30T00:00+1:00",
            "2013-06-30 00:00:00Z",
            "1.5",
        ];
        for text in table {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_timestamp_is_read_as_it_is_printed(seconds in -62_135_596_800_i64..253_402_300_800) {
            let at = Timestamp::from_seconds(seconds);
            prop_assert_eq!(parse(&at.format("%Y-%m-%dT%H:%M:%SZ")), Some(at));
        }

        #[test]
        fn any_text_is_a_date_or_not(text in "[-0-9T:.Z+é]{0,30}") {
            let _either = parse(&text);
        }
    }
}
