//! Text → a moment, by a pattern of `java.time`.
//!
//! Truth:
//! <https://docs.oracle.com/en/java/javase/11/docs/api/java.base/java/time/format/DateTimeFormatter.html>.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::pattern::{MONTHS, Part, WEEKDAYS};
use super::zone;

/// What a text can be read by.
const LETTERS: &str = "GuyMLdDEahKkHmsSVzOXxZ";
/// How many digits a number has at most.
const DIGITS: usize = 18;

/// Whether a text can be read by these parts.
pub(super) fn check(parts: &[Part]) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Field(letter, _) if !LETTERS.contains(*letter) => {
                let what = format!("has the letter '{letter}', which iot-emulator does not read");
                return Err(what + " yet");
            }
            Part::Text(text) if text.contains(['[', ']', '{', '}', '#']) => {
                return Err("has brackets, which iot-emulator does not read yet".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a text says.
#[derive(Debug, Default)]
struct Fields {
    before_christ: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    weekday: Option<i64>,
    afternoon: Option<bool>,
    /// 0 to 23.
    hour: Option<i64>,
    /// 0 to 11.
    half_day_hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    nanosecond: Option<i64>,
    zone: Option<TimeZone>,
    offset: Option<Offset>,
}

/// Reads the whole of `text`.
pub(super) fn read(parts: &[Part], text: &str) -> Result<Timestamp, String> {
    let mut fields = Fields::default();
    let mut rest = text;
    for (index, part) in parts.iter().enumerate() {
        let read = match part {
            Part::Text(wanted) => rest.strip_prefix(wanted.as_str()),
            Part::Field(letter, count) => {
                let reserved = parts[index + 1..].iter().map_while(fixed_width).sum();
                fields.read(*letter, *count, reserved, rest)
            }
        };
        let at = text.len() - rest.len();
        rest = read.ok_or_else(|| format!("'{text}' does not follow the pattern at byte {at}"))?;
    }
    if !rest.is_empty() {
        return Err(format!("'{text}' is longer than the pattern"));
    }
    fields.moment().ok_or_else(|| format!("'{text}' is no moment"))
}

/// How many digits a field takes that directly follows another and always takes as many.
fn fixed_width(part: &Part) -> Option<usize> {
    match part {
        Part::Field('u' | 'y', 2) => Some(2),
        Part::Field('M' | 'L' | 'd' | 'h' | 'K' | 'k' | 'H' | 'm' | 's', 2) => Some(2),
        Part::Field('D', 3) => Some(3),
        Part::Field('S', count) => Some(*count),
        _ => None,
    }
}

/// Between `least` and `most` digits, which leave `reserved` to the fields behind.
fn digits(text: &str, least: usize, most: usize, reserved: usize) -> Option<(i64, &str)> {
    let found = text.bytes().take_while(u8::is_ascii_digit).count();
    let length = found.saturating_sub(reserved).clamp(least, most.max(least));
    let number = text.get(..length)?.bytes().try_fold(0i64, |number, byte| {
        byte.is_ascii_digit().then(|| number.saturating_mul(10) + i64::from(byte - b'0'))
    })?;
    Some((number, &text[length..]))
}

fn named<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(i64, &'t str)> {
    let mut numbered = (1i64..).zip(names.iter());
    numbered.find_map(|(number, name)| {
        let name = if short { &name[..3] } else { name };
        text.strip_prefix(name).map(|rest| (number, rest))
    })
}

impl Fields {
    /// Reads one field off `text` and answers what is left.
    fn read<'t>(
        &mut self,
        letter: char,
        count: usize,
        reserved: usize,
        text: &'t str,
    ) -> Option<&'t str> {
        match letter {
            'G' => {
                let after = text.strip_prefix("BC");
                self.before_christ = after.is_some();
                return after.or_else(|| text.strip_prefix("AD"));
            }
            'a' => {
                let after = text.strip_prefix("PM");
                self.afternoon = Some(after.is_some());
                return after.or_else(|| text.strip_prefix("AM"));
            }
            'V' | 'z' => return self.read_zone(text),
            'O' | 'X' | 'x' | 'Z' => return self.read_offset(letter, count, text),
            _ => {}
        }
        let (number, rest) = match letter {
            'M' | 'L' if count > 2 => named(text, &MONTHS, count == 3)?,
            'E' => named(text, &WEEKDAYS, count < 4)?,
            'u' | 'y' if count == 2 => digits(text, 2, 2, 0)?,
            'S' => digits(text, count, count, 0)?,
            _ if count == 1 => digits(text, 1, DIGITS, reserved)?,
            'u' | 'y' => digits(text, count, DIGITS, reserved)?,
            _ => digits(text, count, count, 0)?,
        };
        let field = match letter {
            'u' | 'y' => &mut self.year,
            'M' | 'L' => &mut self.month,
            'd' => &mut self.day,
            'D' => &mut self.day_of_year,
            'E' => &mut self.weekday,
            'h' | 'K' => &mut self.half_day_hour,
            'H' | 'k' => &mut self.hour,
            'm' => &mut self.minute,
            's' => &mut self.second,
            _ => &mut self.nanosecond,
        };
        *field = Some(match (letter, count) {
            ('u' | 'y', 2) => 2000 + number,
            // The clock that starts at 12, and the one that starts at 24.
            ('h', _) if (1..=12).contains(&number) => number % 12,
            ('k', _) if (1..=24).contains(&number) => number % 24,
            ('h' | 'k', _) => return None,
            ('S', 1..=9) => number * 10i64.pow(9 - u32::try_from(count).ok()?),
            ('S', _) => return None,
            _ => number,
        });
        Some(rest)
    }

    fn read_zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let is_part = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '/' | '_' | '+' | '-' | ':')
        };
        let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
        self.zone = Some(zone::named(&text[..end])?);
        Some(&text[end..])
    }

    fn read_offset<'t>(&mut self, letter: char, count: usize, text: &'t str) -> Option<&'t str> {
        if (letter == 'X' || (letter, count) == ('Z', 5))
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.offset = Some(Offset::UTC);
            return Some(rest);
        }
        let text = if letter == 'O' || (letter, count) == ('Z', 4) {
            let rest = text.strip_prefix("GMT")?;
            if !rest.starts_with(['+', '-']) {
                self.offset = Some(Offset::UTC);
                return Some(rest);
            }
            rest
        } else {
            text
        };
        let (offset, rest) = zone::leading_offset(text)?;
        self.offset = Some(offset);
        Some(rest)
    }

    fn moment(&self) -> Option<Timestamp> {
        let local = DateTime::from_parts(self.date()?, self.time()?);
        let zone = match (&self.offset, &self.zone) {
            (Some(offset), _) => TimeZone::fixed(*offset),
            (None, Some(zone)) => zone.clone(),
            (None, None) => TimeZone::UTC,
        };
        zone.to_ambiguous_timestamp(local).compatible().ok()
    }

    fn date(&self) -> Option<Date> {
        let year = self.year?;
        let year = i16::try_from(if self.before_christ { 1 - year } else { year }).ok()?;
        let first = Date::new(year, 1, 1).ok()?;
        let date = match (self.day_of_year, self.month, self.day) {
            (Some(day), None, None) => {
                let day = i16::try_from(day).ok()?;
                first.with().day_of_year(day).build().ok()?
            }
            (_, Some(month), Some(day)) if (1..=31).contains(&day) => {
                let month = Date::new(year, i8::try_from(month).ok()?, 1).ok()?;
                // java.time takes the last day of the month for one that the month lacks.
                let day = i8::try_from(day).ok()?.min(month.days_in_month());
                month.with().day(day).build().ok()?
            }
            _ => return None,
        };
        let weekday = i64::from(date.weekday().to_monday_one_offset());
        self.weekday.is_none_or(|wanted| wanted == weekday).then_some(date)
    }

    fn time(&self) -> Option<Time> {
        let hour = match (self.hour, self.half_day_hour, self.afternoon) {
            (Some(hour), ..) => hour,
            (None, Some(hour), Some(afternoon)) if hour < 12 => hour + 12 * i64::from(afternoon),
            (None, None, _) => 0,
            _ => return None,
        };
        let part = |value: Option<i64>| i8::try_from(value.unwrap_or(0)).ok();
        let nanosecond = i32::try_from(self.nanosecond.unwrap_or(0)).ok()?;
        Time::new(part(Some(hour))?, part(self.minute)?, part(self.second)?, nanosecond).ok()
    }
}
