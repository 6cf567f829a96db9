//! Static thing groups, which can lie in one another: CreateThingGroup, DescribeThingGroup,
//! UpdateThingGroup, DeleteThingGroup, ListThingGroups.
//!
//! Which things are in a group is decided in `thing_group_members.rs`, which policies are attached
//! to it in `policy_attachments.rs`. There are no dynamic groups.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html>.

use std::collections::BTreeSet;
use std::iter::successors;

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::events::{Link, Operation};
use crate::names::{Arn, ThingGroupName, ThingName};
use crate::policy::AttachedTo;
use crate::quotas::{ATTRIBUTES_PER_THING_GROUP, CHILD_GROUPS_PER_THING_GROUP, THING_GROUP_LEVELS};
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::references::check_version;
use super::shelf::Shelf;
use super::tags::check_new_tags;
use super::{AttributePayload, Attributes, Registry, Tag, Target};

/// What a client says of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ThingGroupProperties {
    pub(crate) thing_group_description: Option<String>,
    pub(crate) attribute_payload: Option<AttributePayload>,
}

/// CreateThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateThingGroupRequest {
    pub(crate) thing_group_name: String,
    pub(crate) parent_group_name: Option<String>,
    pub(crate) thing_group_properties: ThingGroupProperties,
    pub(crate) tags: Vec<Tag>,
}

/// CreateThingGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateThingGroupResponse {
    pub(crate) thing_group_name: ThingGroupName,
    pub(crate) thing_group_arn: Arn,
    pub(crate) thing_group_id: String,
}

/// DescribeThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DescribeThingGroupRequest {
    pub(crate) thing_group_name: String,
}

/// DescribeThingGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeThingGroupResponse {
    pub(crate) thing_group_name: ThingGroupName,
    pub(crate) thing_group_id: String,
    pub(crate) thing_group_arn: Arn,
    pub(crate) version: i64,
    pub(crate) thing_group_properties: DescribedProperties,
    pub(crate) thing_group_metadata: ThingGroupMetadata,
}

/// What a client has said of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribedProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thing_group_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attribute_payload: Option<DescribedAttributes>,
}

/// A group's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DescribedAttributes {
    pub(crate) attributes: Attributes,
}

/// Where a group lies, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingGroupMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_group_name: Option<ThingGroupName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) root_to_parent_thing_groups: Vec<GroupNameAndArn>,
    pub(crate) creation_date: Timestamp,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupNameAndArn {
    pub(crate) group_name: ThingGroupName,
    pub(crate) group_arn: Arn,
}

/// UpdateThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateThingGroupRequest {
    pub(crate) thing_group_name: String,
    pub(crate) thing_group_properties: ThingGroupProperties,
    pub(crate) expected_version: Option<i64>,
}

/// UpdateThingGroup's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UpdateThingGroupResponse {
    pub(crate) version: i64,
}

/// DeleteThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteThingGroupRequest {
    pub(crate) thing_group_name: String,
    pub(crate) expected_version: Option<i64>,
}

/// ListThingGroups' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingGroupsRequest {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) parent_group: Option<String>,
    pub(crate) name_prefix_filter: Option<String>,
    pub(crate) recursive: Option<bool>,
}

/// ListThingGroups' and ListThingGroupsForThing's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingGroupsPage {
    pub(crate) thing_groups: Vec<GroupNameAndArn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A static thing group.
#[derive(Clone, Debug)]
pub(crate) struct ThingGroup {
    pub(crate) name: ThingGroupName,
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) parent: Option<ThingGroupName>,
    // INVARIANT: mirrors the `parent` of other groups.
    pub(super) children: BTreeSet<ThingGroupName>,
    pub(super) things: Shelf<ThingName, ()>,
    pub(super) description: Option<String>,
    pub(super) attributes: Attributes,
    created: Timestamp,
}

impl ThingGroup {
    /// As a policy is attached to it.
    pub(super) fn target(&self) -> Target {
        Target::ThingGroup(self.name.clone())
    }

    /// As a policy that is attached to it says it.
    pub(super) fn attached_to(&self) -> AttachedTo {
        AttachedTo::ThingGroup(Box::new(self.name.clone()))
    }
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThingGroup.html
    //# once more with exactly the same attributes succeeds
    //= https://github.com/getmoto/moto/pull/5316
    //# the same answer then; with another description it is 409, in these words
    /// Makes a group, for good below its parent.
    pub(crate) fn create_thing_group(
        &mut self,
        input: CreateThingGroupRequest,
        now: Timestamp,
    ) -> Result<CreateThingGroupResponse, ApiError> {
        let ThingGroupProperties { thing_group_description: description, attribute_payload } =
            input.thing_group_properties;
        check_new_tags(&input.tags)?;
        let attributes = Attributes::default().changed(attribute_payload);
        let name = ThingGroupName::from(input.thing_group_name);
        let arn = self.scope.iot_arn("thinggroup", &name);
        if let Some(group) = self.thing_groups.get(&name) {
            //? assumed: another parent is refused in the same words; tags do not count
            let parent = group.parent.as_ref().map(ThingGroupName::as_str);
            if group.description != description
                || group.attributes != attributes
                || parent != input.parent_group_name.as_deref()
            {
                let message = format!(
                    "Thing Group {name} already exists in current account with different properties"
                );
                return Err(Self::already_exists(message, &group.id, arn));
            }
            let thing_group_id = group.id.clone();
            return Ok(CreateThingGroupResponse {
                thing_group_name: name,
                thing_group_arn: arn,
                thing_group_id,
            });
        }
        check_count(&attributes)?;
        let parent = input.parent_group_name.map(|parent| self.parent_with_room(&parent));
        let parent = parent.transpose()?;
        let position = self.next_position();
        let id = self.derive_uuid("thing group", position);
        if let Some(parent) = parent.as_ref().and_then(|name| self.thing_groups.get_mut(name)) {
            parent.children.insert(name.clone());
        }
        let group = ThingGroup {
            name: name.clone(),
            id: id.clone(),
            version: 1,
            parent,
            children: BTreeSet::new(),
            things: Shelf::default(),
            description,
            attributes,
            created: now,
        };
        self.thing_groups.insert(position, name.clone(), group);
        self.announce_thing_group(Operation::Created, &name, now);
        self.announce_child_group(Link::Added, &name, now);
        self.tag_new(&arn, input.tags);
        Ok(CreateThingGroupResponse {
            thing_group_name: name,
            thing_group_arn: arn,
            thing_group_id: id,
        })
    }

    /// A group.
    pub(crate) fn describe_thing_group(
        &self,
        input: DescribeThingGroupRequest,
    ) -> Result<DescribeThingGroupResponse, ApiError> {
        let group = self.existing_thing_group(&input.thing_group_name)?;
        let above = self.lineage(group.name.as_str()).skip(1);
        let mut root_to_parent_thing_groups: Vec<_> =
            above.map(|group| self.name_and_arn(group)).collect();
        root_to_parent_thing_groups.reverse();
        let attributes = (!group.attributes.is_empty()).then(|| group.attributes.clone());
        Ok(DescribeThingGroupResponse {
            thing_group_name: group.name.clone(),
            thing_group_id: group.id.clone(),
            thing_group_arn: self.scope.iot_arn("thinggroup", &group.name),
            version: group.version,
            thing_group_properties: DescribedProperties {
                thing_group_description: group.description.clone(),
                attribute_payload: attributes.map(|attributes| DescribedAttributes { attributes }),
            },
            thing_group_metadata: ThingGroupMetadata {
                parent_group_name: group.parent.clone(),
                root_to_parent_thing_groups,
                creation_date: group.created,
            },
        })
    }

    //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
    //# what the request does not name stays: the description, the attributes
    /// Changes a group's description and attributes.
    pub(crate) fn update_thing_group(
        &mut self,
        input: UpdateThingGroupRequest,
        now: Timestamp,
    ) -> Result<UpdateThingGroupResponse, ApiError> {
        let group = self.existing_thing_group(&input.thing_group_name)?;
        check_version("thing", &group.name, group.version, input.expected_version)?;
        let ThingGroupProperties { thing_group_description, attribute_payload } =
            input.thing_group_properties;
        let attributes = group.attributes.changed(attribute_payload);
        check_count(&attributes)?;
        let (name, version) = (group.name.clone(), group.version + 1);
        if let Some(group) = self.thing_groups.get_mut(&name) {
            group.attributes = attributes;
            group.version = version;
            if thing_group_description.is_some() {
                group.description = thing_group_description;
            }
        }
        self.announce_thing_group(Operation::Updated, &name, now);
        Ok(UpdateThingGroupResponse { version })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
    //# children must go first, in these words; things and policies need not, and what the policies
    //# permitted is permitted no longer
    //= https://github.com/getmoto/moto/pull/3367
    //# deleting a group that does not exist succeeds
    /// Deletes a group that has no children.
    pub(crate) fn delete_thing_group(
        &mut self,
        input: DeleteThingGroupRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(group) = self.thing_groups.get(input.thing_group_name.as_str()) else {
            return Ok(());
        };
        check_version("thing", &group.name, group.version, input.expected_version)?;
        let name = group.name.clone();
        if !group.children.is_empty() {
            return Err(ApiError::invalid_request(format!(
                "Cannot delete thing group : {name} when there are still child groups attached to \
                 it"
            )));
        }
        let (target, parent) = (group.target(), group.parent.clone());
        self.remove_every_thing(&name, now);
        self.detach_all_policies(&target);
        self.announce_child_group(Link::Removed, &name, now);
        self.announce_thing_group(Operation::Deleted, &name, now);
        self.thing_groups.remove(&name);
        if let Some(parent) = parent.and_then(|parent| self.thing_groups.get_mut(&parent)) {
            parent.children.remove(&name);
        }
        self.forget_tags(&self.scope.iot_arn("thinggroup", &name));
        Ok(())
    }

    //= https://github.com/getmoto/moto/issues/2961
    //# unless `recursive` is given, a parent's list holds its children's children too
    //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
    //# `recursive` false: the children of the parent, or without one the groups that have none
    /// The groups of this account and Region, or those below a group.
    pub(crate) fn list_thing_groups(
        &self,
        input: ListThingGroupsRequest,
    ) -> Result<ThingGroupsPage, ApiError> {
        let request = PageRequest::tokened(
            "listThingGroups",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let wanted = input.parent_group.as_deref();
        wanted.map(|parent| self.existing_thing_group(parent)).transpose()?;
        let prefix = input.name_prefix_filter.as_deref().unwrap_or_default();
        let lies_there = |group: &ThingGroup| match (wanted, input.recursive.unwrap_or(true)) {
            (None, true) => true,
            (wanted, false) => group.parent.as_ref().map(ThingGroupName::as_str) == wanted,
            (Some(wanted), true) => {
                self.lineage(group.name.as_str()).skip(1).any(|it| it.name.as_str() == wanted)
            }
        };
        let (thing_groups, next_token) = request.page(&self.thing_groups, |name, group| {
            (name.as_str().starts_with(prefix) && lies_there(group))
                .then(|| self.name_and_arn(group))
        });
        Ok(ThingGroupsPage { thing_groups, next_token })
    }

    /// A group and those above it, from the group to the root.
    pub(super) fn lineage<'r>(
        &'r self,
        name: &str,
    ) -> impl Iterator<Item = &'r ThingGroup> + use<'r> {
        successors(self.thing_groups.get(name), |group| {
            self.thing_groups.get(group.parent.as_ref()?)
        })
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# a group that does not exist: `ThingGroup ACCOUNT:NAME not found.`
    /// A group, or AWS's words about one that is not there.
    pub(crate) fn existing_thing_group(&self, name: &str) -> Result<&ThingGroup, ApiError> {
        self.thing_groups.get(name).ok_or_else(|| self.unknown("ThingGroup", name))
    }

    pub(super) fn name_and_arn(&self, group: &ThingGroup) -> GroupNameAndArn {
        GroupNameAndArn {
            group_name: group.name.clone(),
            group_arn: self.scope.iot_arn("thinggroup", &group.name),
        }
    }

    //= https://github.com/ministackorg/ministack/pull/1638
    //# a parent that does not exist is ResourceNotFoundException, which the model does not declare
    //? assumed: a hierarchy that is too deep or too wide is InvalidRequestException, the only
    //? exception that the model leaves for it, in these words
    /// The parent of a new group, if it can take one more.
    fn parent_with_room(&self, name: &str) -> Result<ThingGroupName, ApiError> {
        let parent = self.existing_thing_group(name)?;
        if self.lineage(name).count() >= THING_GROUP_LEVELS {
            return Err(ApiError::invalid_request(format!(
                "A thing group hierarchy can have up to {THING_GROUP_LEVELS} levels"
            )));
        }
        if parent.children.len() >= CHILD_GROUPS_PER_THING_GROUP {
            return Err(ApiError::invalid_request(format!(
                "A thing group can have up to {CHILD_GROUPS_PER_THING_GROUP} direct child groups"
            )));
        }
        Ok(parent.name.clone())
    }
}

fn check_count(attributes: &Attributes) -> Result<(), ApiError> {
    if attributes.len() > ATTRIBUTES_PER_THING_GROUP {
        //? assumed: exception and text
        return Err(ApiError::invalid_request(format!(
            "A thing group can have up to {ATTRIBUTES_PER_THING_GROUP} attributes"
        )));
    }
    Ok(())
}
