//! A moment → text, by a pattern of Joda-Time.
//!
//! Truth: <https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html>.

use std::fmt::Write as _;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::pattern::{MONTHS, Part, WEEKDAYS};

//= https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html
//# these letters have a meaning, all others are errors
const LETTERS: &str = "GCYxweEyDMdaKhHkmsSzZ";

/// Whether a moment can be written by these parts.
pub(super) fn check(parts: &[Part]) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Field('z', count) if *count > 3 => {
                return Err("asks for a time zone's long name, which iot-emulator does not \
                            know yet"
                    .to_owned());
            }
            Part::Field(letter, _) if !LETTERS.contains(*letter) => {
                return Err(format!("has the letter '{letter}', which means nothing"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes `moment` as the clocks of `zone` show it.
pub(super) fn write(parts: &[Part], moment: Timestamp, zone: &TimeZone) -> String {
    let zoned = moment.to_zoned(zone.clone());
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Field(letter, count) => field(&mut text, *letter, *count, &zoned),
        }
    }
    text
}

fn field(text: &mut String, letter: char, count: usize, zoned: &Zoned) {
    let year = i32::from(zoned.year());
    let of_era = if year > 0 { year } else { 1 - year };
    let hour = i32::from(zoned.hour());
    let week = zoned.date().iso_week_date();
    let number = match letter {
        'G' => return text.push_str(if year > 0 { "AD" } else { "BC" }),
        'a' => return text.push_str(if hour < 12 { "AM" } else { "PM" }),
        'M' if count > 2 => return name(text, MONTHS[usize_of(zoned.month()) - 1], count),
        'E' => {
            let day = usize_of(zoned.weekday().to_monday_zero_offset());
            return name(text, WEEKDAYS[day], count);
        }
        'S' => return fraction(text, zoned.millisecond(), count),
        'z' => return zone_name(text, zoned),
        'Z' => return zone_offset(text, zoned, count),
        'y' if count == 2 => year.rem_euclid(100),
        'Y' if count == 2 => of_era % 100,
        'x' if count == 2 => i32::from(week.year()).rem_euclid(100),
        'y' => year,
        'Y' => of_era,
        'C' => of_era / 100,
        'x' => i32::from(week.year()),
        'w' => i32::from(week.week()),
        'e' => i32::from(zoned.weekday().to_monday_one_offset()),
        'D' => i32::from(zoned.day_of_year()),
        'M' => i32::from(zoned.month()),
        'd' => i32::from(zoned.day()),
        'K' => hour % 12,
        'h' => (hour + 11) % 12 + 1,
        'k' => (hour + 23) % 24 + 1,
        'm' => i32::from(zoned.minute()),
        's' => i32::from(zoned.second()),
        _ => hour,
    };
    if number < 0 {
        text.push('-');
    }
    let _infallible = write!(text, "{:0>count$}", number.unsigned_abs());
}

fn usize_of(value: i8) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Four letters ask for the whole name, fewer for its first three.
fn name(text: &mut String, name: &str, count: usize) {
    text.push_str(if count > 3 { name } else { &name[..3] });
}

fn fraction(text: &mut String, milliseconds: i16, count: usize) {
    let digits = format!("{milliseconds:03}");
    let _infallible = write!(text, "{:0<count$}", &digits[..count.min(3)]);
}

fn zone_name(text: &mut String, zoned: &Zoned) {
    let info = zoned.time_zone().to_offset_info(zoned.timestamp());
    // A fixed offset has no abbreviation but itself.
    match zoned.time_zone().iana_name() {
        Some(_) => text.push_str(info.abbreviation()),
        None => offset(text, zoned.offset(), ":"),
    }
}

//= https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html
//# Z is +0100, ZZ is +01:00, ZZZ is the zone's ID
fn zone_offset(text: &mut String, zoned: &Zoned, count: usize) {
    match (count, zoned.time_zone().iana_name()) {
        (1, _) => offset(text, zoned.offset(), ""),
        (2, _) | (_, None) => offset(text, zoned.offset(), ":"),
        (_, Some(name)) => text.push_str(name),
    }
}

fn offset(text: &mut String, offset: Offset, colon: &str) {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    let _infallible = write!(text, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60);
}
