//! Why a text is no policy document: what AWS says, then where the fault is and what it is.
//!
//! It decides how a place in a document is spelt and how much of a stranger's text is quoted. What
//! is a fault is decided by whoever reads the document.

use std::fmt;

use crate::quotas::POLICY_DOCUMENT_CHARACTERS;
use crate::trace::on_one_line;

/// How many characters of a key or a value a fault quotes.
const QUOTED: usize = 64;

/// How many characters of the resources that are none AWS's sentence is left with here.
const RESOURCES: usize = 256;

/// Why a text is no policy document, in AWS's words; what stands in parentheses is our own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedDocument {
    /// It is no JSON.
    #[error("Policy document is Malformed ({0})")]
    NotJson(Fault),
    /// It is JSON, but no policy.
    #[error("Policy document is Malformed: Invalid policy syntax. ({0})")]
    Syntax(Fault),
    /// Some resources of a statement are neither ARNs nor `*`; the fault is the first one's.
    #[error(
        "Policy document is Malformed: The following resources are invalid : {resources} ({fault})"
    )]
    Resources { resources: String, fault: Fault },
    /// It is longer than AWS stores.
    //? assumed: AWS's wording for a document that is too long is not known
    #[error(
        "Policy document is Malformed: Cannot exceed {POLICY_DOCUMENT_CHARACTERS} characters \
         ({characters} characters without white space; {POLICY_DOCUMENT_CHARACTERS} at most)"
    )]
    TooLong { characters: usize },
}

impl MalformedDocument {
    //= https://github.com/aws-samples/simplerobotservice/issues/1
    //# a resource that is neither `*` nor an ARN is named in the refusal
    //? assumed: several are named with commas
    /// These resources are none, the first of them because of `fault`.
    pub(super) fn resources(resources: &[String], fault: Fault) -> Self {
        Self::Resources { resources: shortened(&resources.join(", "), RESOURCES), fault }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Empty for the document as a whole.
    at: String,
    what: String,
}

impl Fault {
    /// What is wrong with the text of a document, wherever in it.
    pub(super) fn in_text(line: usize, column: usize, what: impl fmt::Display) -> Self {
        Self { at: format!("line {line}, column {column}"), what: what.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.as_str() {
            "" => f.write_str(&self.what),
            at => write!(f, "at {at}: {}", self.what),
        }
    }
}

/// A place in a document: `Statement[1].Condition.StringEquals`. Costs nothing until it is spelt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    Document,
    Member(&'a Path<'a>, &'a str),
    /// Counts from 0.
    Element(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The member `name` of the object here.
    pub(super) fn member<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path::Member(self, name)
    }

    /// The element `index` of the list here.
    pub(super) fn element(&self, index: usize) -> Path<'_> {
        Path::Element(self, index)
    }

    /// What is wrong here.
    pub(super) fn fault(&self, what: impl fmt::Display) -> Fault {
        Fault { at: self.to_string(), what: what.to_string() }
    }

    /// The document is no policy because of what is wrong here.
    pub(super) fn says(&self, what: impl fmt::Display) -> MalformedDocument {
        MalformedDocument::Syntax(self.fault(what))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => Ok(()),
            Self::Element(list, index) => write!(f, "{list}[{index}]"),
            Self::Member(Path::Document, name) if is_plain(name) => {
                f.write_str(&shortened(name, QUOTED))
            }
            Self::Member(object, name) if is_plain(name) => {
                write!(f, "{object}.{}", shortened(name, QUOTED))
            }
            Self::Member(object, name) => write!(f, "{object}[\"{}\"]", shortened(name, QUOTED)),
        }
    }
}

/// Whether a name reads as one word within a path.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    !name.is_empty() && name.chars().all(plain)
}

/// A stranger's text, short enough to be quoted within a line.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text, QUOTED))
}

/// `text` on one line, `limit` characters of it and no more, counted as they are spelt.
fn shortened(text: &str, limit: usize) -> String {
    let first = |text: &str| text.char_indices().nth(limit).map(|(end, _)| end);
    let mut kept = on_one_line(text.get(..first(text).unwrap_or(text.len())).unwrap_or_default());
    let end = first(&kept);
    kept.truncate(end.unwrap_or(kept.len()));
    if end.is_some() || first(text).is_some() { kept + "…" } else { kept }
}

/// `; Effect is one` if `word` looks like one of `known`, misspelt, too short or too long; else
/// nothing.
pub(super) fn near_miss<T: AsRef<str>>(word: &str, known: impl IntoIterator<Item = T>) -> String {
    // What is longer than any word of ours is no misspelling, and would cost time.
    if word.len() > QUOTED {
        return String::new();
    }
    let word = word.to_ascii_lowercase();
    let near = known.into_iter().filter_map(|known| {
        let folded = known.as_ref().to_ascii_lowercase();
        let (shorter, longer) =
            if word.len() < folded.len() { (&word, &folded) } else { (&folded, &word) };
        let begins = shorter.len() >= 4 && longer.starts_with(shorter.as_str());
        let edits = edits(word.as_bytes(), folded.as_bytes());
        (begins || edits <= (folded.len() / 5).max(1)).then_some((edits, known))
    });
    let nearest = near.min_by_key(|(edits, _)| *edits);
    nearest.map_or_else(String::new, |(_, known)| format!("; {} is one", known.as_ref()))
}

/// How many bytes must be put in, left out or changed to make `b` of `a`.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, a) in a.iter().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        row[0] = left;
        for (b, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_spelt_as_a_reader_would_write_it() {
        let document = Path::Document;
        let statement = document.member("Statement");
        let second = statement.element(1);
        let condition = second.member("Condition");
        let operator = condition.member("Bool");
        let key = operator.member("iot:Connection.Thing.IsAttached");
        let table = [
            (document, ""),
            (document.member(""), "[\"\"]"),
            (statement, "Statement"),
            (second, "Statement[1]"),
            (operator, "Statement[1].Condition.Bool"),
            (key.element(2), "Statement[1].Condition.Bool[\"iot:Connection.Thing.IsAttached\"][2]"),
            (second.member("a\nb"), "Statement[1][\"a\\nb\"]"),
        ];
        for (path, spelt) in table {
            assert_eq!(path.to_string(), spelt);
        }
        assert_eq!(second.fault("x").to_string(), "at Statement[1]: x");
        assert_eq!(document.fault("x").to_string(), "x");
    }

    #[test]
    fn a_long_text_is_quoted_shortened_and_on_one_line() {
        assert_eq!(quoted("a\u{0}b"), "`a\\u{0}b`");
        assert_eq!(quoted(&"é".repeat(64)), format!("`{}`", "é".repeat(64)));
        assert_eq!(quoted(&"é".repeat(65)), format!("`{}…`", "é".repeat(64)));
        assert!(quoted(&"\u{7f}".repeat(64)).chars().count() <= 67, "as it is spelt");
        let long = "x".repeat(100_000);
        assert!(Path::Document.member(&long).to_string().chars().count() < 70);
    }

    #[test]
    fn a_near_miss_names_the_right_word() {
        let known = ["Effect", "Sid", "Statement", "StringEquals"];
        let table = [
            ("effect", "; Effect is one"),
            ("EFECT", "; Effect is one"),
            ("Statements", "; Statement is one"),
            ("stringEqual", "; StringEquals is one"),
            ("SID", "; Sid is one"),
            ("State", "; Statement is one"),
            ("EffectOfAll", "; Effect is one"),
            ("Sidelong", ""),
            ("Principal", ""),
            ("", ""),
        ];
        for (word, said) in table {
            assert_eq!(near_miss(word, known), said, "{word}");
        }
        assert_eq!(near_miss(&"Effect".repeat(100_000), known), "");
    }

    #[test]
    fn edits_are_counted() {
        let table =
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)];
        for (a, b, count) in table {
            assert_eq!(edits(a.as_bytes(), b.as_bytes()), count, "{a} {b}");
        }
    }
}
