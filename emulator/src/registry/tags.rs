//! Tags of resources, kept by ARN.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::Arn;

use super::Registry;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

/// The tags of every resource that has any.
pub(super) type Tags = BTreeMap<Arn, BTreeMap<String, Option<String>>>;

impl Registry {
    /// Gives a new resource its tags.
    pub(super) fn tag_new(&mut self, resource: &Arn, tags: Vec<Tag>) {
        if !tags.is_empty() {
            let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            self.tags.insert(resource.clone(), tags);
        }
    }

    /// A resource is gone, and its tags with it.
    pub(super) fn forget_tags(&mut self, resource: &Arn) {
        self.tags.remove(resource);
    }
}
