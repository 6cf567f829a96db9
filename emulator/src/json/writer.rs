//! [`Json`] → text, without white space, escaped no more than JSON demands.

use std::fmt::Write as _;

use super::Json;

impl Json {
    /// The value as JSON text; `None` once it is longer than `limit` bytes.
    pub(crate) fn to_text_within(&self, limit: usize) -> Option<String> {
        let mut writer = Writer { text: String::new(), limit };
        writer.value(self)?;
        Some(writer.text)
    }

    /// The value as JSON text.
    pub(crate) fn to_text(&self) -> String {
        self.to_text_within(usize::MAX).unwrap_or_default()
    }
}

struct Writer {
    text: String,
    limit: usize,
}

impl Writer {
    /// Stops the writing where the text has become too long.
    fn check(&self) -> Option<()> {
        (self.text.len() <= self.limit).then_some(())
    }

    fn value(&mut self, value: &Json) -> Option<()> {
        match value {
            Json::Null => self.text.push_str("null"),
            Json::Boolean(true) => self.text.push_str("true"),
            Json::Boolean(false) => self.text.push_str("false"),
            Json::Number(number) => {
                let _infallible = write!(self.text, "{number}");
            }
            Json::String(text) => self.string(text),
            Json::Array(elements) => {
                self.text.push('[');
                for (index, element) in elements.iter().enumerate() {
                    self.separate(index);
                    self.value(element)?;
                }
                self.text.push(']');
            }
            Json::Object(object) => {
                self.text.push('{');
                for (index, (name, value)) in object.iter().enumerate() {
                    self.separate(index);
                    self.string(name);
                    self.text.push(':');
                    self.value(value)?;
                }
                self.text.push('}');
            }
        }
        self.check()
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut plain_from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                0x08 => "\\b",
                0x0c => "\\f",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..=0x1f => "",
                _ => continue,
            };
            self.text.push_str(&text[plain_from..at]);
            plain_from = at + 1;
            if escape.is_empty() {
                let _infallible = write!(self.text, "\\u{byte:04X}");
            } else {
                self.text.push_str(escape);
            }
        }
        self.text.push_str(&text[plain_from..]);
        self.text.push('"');
    }
}
