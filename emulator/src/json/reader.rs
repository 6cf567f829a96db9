//! Bytes → [`Json`]: strict RFC 8259, of bounded depth. The last of two like-named members wins.

use std::sync::Arc;

use super::{Json, Number, Object};

//? assumed: AWS names no limit for a payload's depth; this one keeps the stack safe
/// How many arrays and objects may lie inside each other.
pub(crate) const DEPTH: usize = 128;

/// What becomes of `10.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// It stays a decimal.
    AsWritten,
    /// It is taken as the whole number 10.
    WholeAsInt,
}

/// Why bytes are not JSON, and at which byte that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} at byte {at}")]
pub(crate) struct NotJson {
    why: &'static str,
    at: usize,
}

impl Json {
    /// Reads one JSON value with nothing but white space around it.
    pub(crate) fn parse(bytes: &[u8], numbers: Numbers) -> Result<Self, NotJson> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| NotJson { why: "not UTF-8", at: error.valid_up_to() })?;
        let mut reader = Reader { text, at: 0, numbers };
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < text.len() {
            return Err(reader.fail("more than one value"));
        }
        Ok(value)
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    numbers: Numbers,
}

impl Reader<'_> {
    fn fail(&self, why: &'static str) -> NotJson {
        NotJson { why, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is not white space, if it is `wanted`, is passed over.
    fn take(&mut self, wanted: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, NotJson> {
        if depth > DEPTH {
            return Err(self.fail("nested too deeply"));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b't') => self.word("true", Json::Boolean(true)),
            Some(b'f') => self.word("false", Json::Boolean(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.fail("not a value")),
            None => Err(self.fail("a value is missing")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fail("not a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Json, NotJson> {
        self.at += 1;
        let mut object = Object::default();
        if self.take(b'}') {
            return Ok(Json::object(object));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.fail("a member's name is missing"));
            }
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.fail("a colon is missing"));
            }
            object.insert(name, self.value(depth + 1)?);
            if self.take(b'}') {
                return Ok(Json::object(object));
            }
            if !self.take(b',') {
                return Err(self.fail("a comma is missing"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, NotJson> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.take(b']') {
            return Ok(Json::array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Json::array(elements));
            }
            if !self.take(b',') {
                return Err(self.fail("a comma is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, NotJson> {
        let rest = &self.text[self.at..];
        let is_part = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let text = &rest[..length];
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            return Err(self.fail("a number starts with a zero"));
        }
        let Some(number) = Number::parse(text) else { return Err(self.fail("not a number")) };
        self.at += length;
        Ok(Json::Number(match self.numbers {
            Numbers::AsWritten => number,
            Numbers::WholeAsInt => number.whole_as_int(),
        }))
    }

    /// Reads a string, of which the opening quote is next.
    fn string(&mut self) -> Result<Arc<str>, NotJson> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    let text = Arc::from(&self.text[start..self.at]);
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => return self.escaped_string(start),
                0..=0x1f => return Err(self.fail("a control character in a string")),
                _ => self.at += 1,
            }
        }
        Err(self.fail("a string does not end"))
    }

    /// Reads on from the first backslash of a string that starts at `start`.
    fn escaped_string(&mut self, start: usize) -> Result<Arc<str>, NotJson> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let Some(plain) = plain else { return Err(self.fail("a string does not end")) };
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Arc::from(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.fail("a control character in a string")),
            }
        }
    }

    /// Reads an escape, of which the backslash is next.
    fn escape(&mut self) -> Result<char, NotJson> {
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        match letter {
            Some(plain @ (b'"' | b'\\' | b'/')) => Ok(char::from(plain)),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.unicode_escape(),
            _ => {
                self.at -= 1;
                Err(self.fail("not an escape"))
            }
        }
    }

    fn unicode_escape(&mut self) -> Result<char, NotJson> {
        let first = self.four_hex_digits()?;
        let second = match first {
            0xd800..=0xdbff if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                Some(self.four_hex_digits()?)
            }
            _ => None,
        };
        let units = [first, second.unwrap_or_default()];
        let units = &units[..1 + usize::from(second.is_some())];
        let character = char::decode_utf16(units.iter().copied()).next();
        character.and_then(Result::ok).ok_or_else(|| self.fail("half a surrogate pair"))
    }

    fn four_hex_digits(&mut self) -> Result<u16, NotJson> {
        let digits = self.text.get(self.at..self.at + 4);
        let hex = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = hex.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let Some(unit) = unit else { return Err(self.fail("four hex digits are wanted")) };
        self.at += 4;
        Ok(unit)
    }
}
