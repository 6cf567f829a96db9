//! The little XML that S3 answers with: elements and text, escaped, nothing read.

/// An XML document under construction.
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn document() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    pub(super) fn open(&mut self, element: &str, namespace: Option<&str>) {
        self.0.push('<');
        self.0.push_str(element);
        if let Some(namespace) = namespace {
            self.0.push_str(" xmlns=\"");
            self.0.push_str(namespace);
            self.0.push('"');
        }
        self.0.push('>');
    }

    pub(super) fn close(&mut self, element: &str) {
        self.0.push_str("</");
        self.0.push_str(element);
        self.0.push('>');
    }

    pub(super) fn text(&mut self, element: &str, text: &str) {
        self.open(element, None);
        for character in text.chars() {
            match character {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                // XML 1.0 has no way to write these; S3 would have them URL-encoded.
                '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => {
                    self.0.push('\u{fffd}');
                }
                '\r' => self.0.push_str("&#13;"),
                other => self.0.push(other),
            }
        }
        self.close(element);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}
