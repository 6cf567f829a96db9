//! Which documents are taken, and what the others are told: `fixtures/policies/documents.json`.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::super::{Document, MalformedDocument};
use crate::errors::{ApiError, ErrorCode};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "what")]
    _what: String,
    documents: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "source")]
    _source: String,
    text: Option<String>,
    document: Option<Value>,
    error: Option<String>,
}

impl Case {
    /// The text as it stands in the table, or the document as JSON.
    fn into_text(self) -> String {
        self.text.unwrap_or_else(|| self.document.unwrap().to_string())
    }
}

fn table() -> Vec<Case> {
    let text =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/policies/documents.json"));
    serde_json::from_str::<Table>(text).unwrap().documents
}

#[test]
fn pol_6_a_malformed_document_is_told_so_in_awss_words_and_then_where() {
    let table = table();
    assert!(table.len() >= 240, "documents have gone from the table");
    for case in table {
        let (name, error) = (case.name.clone(), case.error.clone());
        let text = case.into_text();
        let said = Document::parse(&text).err().map(|error| error.to_string());
        assert_eq!(said, error, "{name}: {text}");
    }
}

#[test]
fn pol_7_white_space_does_not_count_towards_the_size() {
    let with_sid = |length: usize, space: &str| {
        let sid = "é".repeat(length);
        format!(
            r#"{{"Statement":{{"Sid":"{sid}","Effect":"Allow",{space}"Action":"*","Resource":"*"}}}}"#
        )
    };
    let most = 2048 - with_sid(0, "").len();
    assert!(Document::parse(&with_sid(most, "")).is_ok());
    assert!(Document::parse(&with_sid(most, &" \n\r\t".repeat(5000))).is_ok());
    assert!(Document::parse(&with_sid(most, "").replace("\"S", "\"    S")).is_err());
    assert_eq!(
        Document::parse(&with_sid(most + 1, "")).unwrap_err(),
        MalformedDocument::TooLong { characters: 2049 }
    );
    // No-break spaces and their like are characters as any other.
    let spaces = with_sid(most, "").replace("\"Sid\":\"", "\"Sid\":\"\u{a0}\u{2003}");
    assert_eq!(
        Document::parse(&spaces).unwrap_err().to_string(),
        "Policy document is Malformed: Cannot exceed 2048 characters \
         (2050 characters without white space; 2048 at most)"
    );
}

#[test]
fn a_malformed_document_becomes_awss_exception() {
    let error = ApiError::from(Document::parse("{}").unwrap_err());
    assert_eq!(error.code(), ErrorCode::MalformedPolicyException);
    assert_eq!(
        error.message(),
        "Policy document is Malformed: Invalid policy syntax. (Statement is missing)"
    );
}

#[test]
fn a_hostile_document_is_answered_in_one_short_line() {
    let long = "\\n\\u0000é".repeat(150);
    let table = [
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{"Version":"{long}","Statement":[]}}"#),
        format!(r#"{{"Statement":{{"{long}":1,"{long}":2}}}}"#),
        format!(r#"{{"Statement":{{"Effect":"{long}","Action":"*","Resource":"*"}}}}"#),
        format!(r#"{{"Statement":{{"Effect":"Deny","Action":"*","Resource":["{long}","a"]}}}}"#),
        format!(
            r#"{{"Statement":{{"Effect":"Deny","Action":"*","Resource":"*",
            "Condition":{{"Bool":{{"{long}":"{long}"}}}}}}}}"#
        ),
    ];
    for text in table {
        let said = Document::parse(&text).unwrap_err().to_string();
        assert!(said.chars().count() <= 1000, "{said}");
        assert!(!said.contains(char::is_control), "{said}");
    }
}

proptest! {
    #[test]
    fn a_document_with_bytes_missing_is_taken_or_told_why_not(
        index in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(),
        length in 1..20_usize,
    ) {
        let cases = table();
        let text = index.get(&cases).text.clone();
        let mut characters: Vec<char> = text.unwrap_or_default().chars().collect();
        let from = from.index(characters.len().max(1)).min(characters.len());
        characters.drain(from..(from + length).min(characters.len()));
        if let Err(error) = Document::parse(&characters.into_iter().collect::<String>()) {
            let said = error.to_string();
            prop_assert!(said.starts_with("Policy document is Malformed"), "{}", said);
            prop_assert!(said.chars().count() <= 1000 && !said.contains(char::is_control));
        }
    }
}
