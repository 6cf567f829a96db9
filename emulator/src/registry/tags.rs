//! Tags of resources: TagResource, UntagResource, ListTagsForResource; and those that a resource is
//! created with. They are kept by ARN.
//!
//! Which kinds of resources can have tags is decided in [`Registry::taggable`] alone.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot.html>.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::Arn;

use super::Registry;
use super::paging::PageRequest;
use super::shelf::Shelf;

//= https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot.html
//# a resource can have up to 50 tags
/// Tags of one resource.
const TAGS_PER_RESOURCE: usize = 50;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

/// TagResource's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TagResourceRequest {
    pub(crate) resource_arn: String,
    pub(crate) tags: Vec<Tag>,
}

/// UntagResource's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UntagResourceRequest {
    pub(crate) resource_arn: String,
    pub(crate) tag_keys: Vec<String>,
}

/// ListTagsForResource's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListTagsForResourceRequest {
    pub(crate) resource_arn: String,
    pub(crate) next_token: Option<String>,
}

/// A page of tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTagsForResourceResponse {
    pub(crate) tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// The tags of every resource that has any.
pub(super) type Tags = BTreeMap<Arn, Shelf<String, String>>;

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot-billing-groups.html
    //# things have no tags; their billing groups have
    /// Whether `arn` names a resource that is here and can have tags. Rules are kept elsewhere.
    fn taggable(&self, arn: &Arn, is_rule: impl FnOnce(&str) -> bool) -> bool {
        let Some((kind, name)) = arn.tail().and_then(|tail| tail.split_once('/')) else {
            return false;
        };
        let exists = match kind {
            "billinggroup" => self.billing_groups.contains_key(name),
            "domainconfiguration" => {
                let record = name.split('/').next().unwrap_or_default();
                return self.domain_configuration_arn(record) == Some(arn);
            }
            "provisioningtemplate" => self.provisioning_templates.contains_key(name),
            "rule" => is_rule(name),
            "thinggroup" => self.thing_groups.contains_key(name),
            "cacert" => name.parse().is_ok_and(|id| self.ca_certificates.contains_key(&id)),
            "policy" => self.policies.contains_key(name),
            "thingtype" => self.thing_types.contains_key(name),
            _ => false,
        };
        exists && self.scope.iot_arn(kind, name) == *arn
    }

    fn existing_taggable(
        &self,
        text: &str,
        is_rule: impl FnOnce(&str) -> bool,
    ) -> Result<Arn, ApiError> {
        let arn = Arn::from(text);
        if self.taggable(&arn, is_rule) {
            return Ok(arn);
        }
        //? assumed: what is no ARN is InvalidRequestException, every other ARN 404; the texts
        Err(match arn.tail().filter(|_| text.starts_with("arn:")) {
            None => ApiError::invalid_request(format!("Invalid resource ARN: {text}")),
            Some(_) => ApiError::not_found(format!("Resource {text} not found.")),
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_TagResource.html
    //# adds tags, or changes those with the same key; too many are LimitExceededException
    /// Gives a resource tags.
    pub(crate) fn tag_resource(
        &mut self,
        input: TagResourceRequest,
        is_rule: impl FnOnce(&str) -> bool,
    ) -> Result<(), ApiError> {
        let arn = self.existing_taggable(&input.resource_arn, is_rule)?;
        check_reserved(&input.tags)?;
        let present = self.tags.get(&arn);
        let new: BTreeSet<&str> = input.tags.iter().map(|tag| tag.key.as_str()).collect();
        let new = new.into_iter().filter(|key| present.is_none_or(|tags| !tags.contains_key(*key)));
        if present.map_or(0, Shelf::len) + new.count() > TAGS_PER_RESOURCE {
            return Err(ApiError::new(ErrorCode::LimitExceededException, too_many(&arn)));
        }
        self.put_tags(&arn, input.tags);
        Ok(())
    }

    /// Takes tags from a resource.
    pub(crate) fn untag_resource(
        &mut self,
        input: UntagResourceRequest,
        is_rule: impl FnOnce(&str) -> bool,
    ) -> Result<(), ApiError> {
        let arn = self.existing_taggable(&input.resource_arn, is_rule)?;
        //? assumed: a key that the resource does not have is passed over
        if let Some(tags) = self.tags.get_mut(&arn) {
            for key in &input.tag_keys {
                tags.remove(key);
            }
            if tags.is_empty() {
                self.tags.remove(&arn);
            }
        }
        Ok(())
    }

    /// The tags of a resource.
    pub(crate) fn list_tags_for_resource(
        &self,
        input: ListTagsForResourceRequest,
        is_rule: impl FnOnce(&str) -> bool,
    ) -> Result<ListTagsForResourceResponse, ApiError> {
        let arn = self.existing_taggable(&input.resource_arn, is_rule)?;
        //? assumed: pages of 25, oldest first
        let request =
            PageRequest::tokened("listTagsForResource", None, input.next_token.as_deref())?;
        let none = Shelf::default();
        let (tags, next_token) = request
            .page(self.tags.get(&arn).unwrap_or(&none), |key, value| {
                Some(Tag { key: key.clone(), value: Some(value.clone()) })
            });
        Ok(ListTagsForResourceResponse { tags, next_token })
    }

    /// Gives a new resource its tags, which [`check_new_tags`] has allowed.
    pub(crate) fn tag_new(&mut self, resource: &Arn, tags: Vec<Tag>) {
        self.put_tags(resource, tags);
    }

    /// A resource is gone, and its tags with it.
    pub(crate) fn forget_tags(&mut self, resource: &Arn) {
        self.tags.remove(resource);
    }

    fn put_tags(&mut self, resource: &Arn, tags: Vec<Tag>) {
        for Tag { key, value } in tags {
            let position = self.next_position();
            let tags = self.tags.entry(resource.clone()).or_default();
            //= https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot.html
            //# a value may be empty but not null; the value of a key that is there is overwritten
            let value = value.unwrap_or_default();
            match tags.get_mut(&key) {
                Some(present) => *present = value,
                None => tags.insert(position, key, value),
            }
        }
    }
}

/// Whether a resource may be created with `tags`.
pub(crate) fn check_new_tags(tags: &[Tag]) -> Result<(), ApiError> {
    check_reserved(tags)?;
    if tags.len() > TAGS_PER_RESOURCE {
        //? assumed: InvalidRequestException, as creations declare no other
        return Err(ApiError::invalid_request(too_many("the new resource")));
    }
    Ok(())
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot.html
//# names and values that begin with `aws:` are AWS's own
//? assumed: exception and text
fn check_reserved(tags: &[Tag]) -> Result<(), ApiError> {
    let reserved =
        |text: &str| text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"));
    let found =
        tags.iter().find(|tag| reserved(&tag.key) || tag.value.as_deref().is_some_and(reserved));
    match found {
        None => Ok(()),
        Some(tag) => Err(ApiError::invalid_request(format!(
            "Tag {} is reserved: keys and values must not begin with aws:",
            tag.key
        ))),
    }
}

/// The text of a refusal because of too many tags.
//? assumed: the text
fn too_many(resource: impl std::fmt::Display) -> String {
    format!("There can be up to {TAGS_PER_RESOURCE} tags on {resource}")
}
