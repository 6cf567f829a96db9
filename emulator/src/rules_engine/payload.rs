//! A payload, read as JSON no sooner and no more often than somebody asks.

use std::cell::OnceCell;

use bytes::Bytes;

use crate::json::{Json, Numbers};

use super::syntax::Version;

/// The payload of one message, for all the rules that it triggers.
#[derive(Debug)]
pub(super) struct Payload<'m> {
    bytes: &'m Bytes,
    as_written: OnceCell<Option<Json>>,
    whole_as_int: OnceCell<Option<Json>>,
}

impl<'m> Payload<'m> {
    /// Nothing is read yet.
    pub(super) fn new(bytes: &'m Bytes) -> Self {
        Self { bytes, as_written: OnceCell::new(), whole_as_int: OnceCell::new() }
    }

    //? assumed: an empty payload is no error
    /// Whether somebody looked for JSON in it, and there was none.
    pub(super) fn is_unparsable(&self) -> bool {
        let tried = [self.as_written.get(), self.whole_as_int.get()];
        !self.bytes.is_empty() && tried.into_iter().flatten().any(Option::is_none)
    }

    /// The payload as JSON, its numbers as `version` has them; `None` if it is none.
    pub(super) fn json(&self, version: Version) -> Option<&Json> {
        let (cell, numbers) = match version {
            Version::V2015 => (&self.as_written, Numbers::AsWritten),
            Version::V2016 | Version::Beta => (&self.whole_as_int, Numbers::WholeAsInt),
        };
        cell.get_or_init(|| Json::parse(self.bytes, numbers).ok()).as_ref()
    }
}
