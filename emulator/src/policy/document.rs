//! A policy document: read once, kept in the form that decisions need.
//!
//! Skeleton: the signatures.

/// A policy document, compiled.
#[derive(Debug)]
pub(crate) struct Document {}

impl Document {
    /// Reads `text` as CreatePolicy would take it.
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedDocument> {
        let _ = text;
        Err(MalformedDocument("Policy document is Malformed".to_owned()))
    }
}

/// Why a text is no policy document, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct MalformedDocument(String);
