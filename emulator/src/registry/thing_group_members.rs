//! Which things are in which static thing groups: AddThingToThingGroup, RemoveThingFromThingGroup,
//! UpdateThingGroupsForThing, ListThingGroupsForThing, ListThingsInThingGroup.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::events::Link;
use crate::names::{ThingGroupName, ThingName};
use crate::quotas::THING_GROUPS_PER_THING;
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::references::{Unclear, meant};
use super::shelf::Shelf;
use super::{Registry, ThingGroup, ThingGroupsPage};

/// AddThingToThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AddThingToThingGroupRequest {
    pub(crate) thing_group_name: Option<String>,
    pub(crate) thing_group_arn: Option<String>,
    pub(crate) thing_name: Option<String>,
    pub(crate) thing_arn: Option<String>,
    /// Has no effect: no dynamic group is there to give way.
    #[serde(rename = "overrideDynamicGroups")]
    pub(crate) _override_dynamic_groups: bool,
}

/// RemoveThingFromThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RemoveThingFromThingGroupRequest {
    pub(crate) thing_group_name: Option<String>,
    pub(crate) thing_group_arn: Option<String>,
    pub(crate) thing_name: Option<String>,
    pub(crate) thing_arn: Option<String>,
}

/// UpdateThingGroupsForThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateThingGroupsForThingRequest {
    pub(crate) thing_name: Option<String>,
    pub(crate) thing_groups_to_add: Vec<String>,
    pub(crate) thing_groups_to_remove: Vec<String>,
    /// Has no effect: no dynamic group is there to give way.
    #[serde(rename = "overrideDynamicGroups")]
    pub(crate) _override_dynamic_groups: bool,
}

/// ListThingGroupsForThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingGroupsForThingRequest {
    pub(crate) thing_name: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// ListThingsInThingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingsInThingGroupRequest {
    pub(crate) thing_group_name: String,
    pub(crate) recursive: bool,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// ListThingsInThingGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingsInThingGroupResponse {
    pub(crate) things: Vec<ThingName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

impl Registry {
    //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
    //# a thing that is in the group already is no error
    /// Puts a thing into a group.
    pub(crate) fn add_thing_to_thing_group(
        &mut self,
        input: AddThingToThingGroupRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let (name, arn) = (input.thing_group_name.as_deref(), input.thing_group_arn.as_deref());
        let group = self.existing_thing_group(self.named(THING_GROUP, name, arn)?)?.name.clone();
        let (name, arn) = (input.thing_name.as_deref(), input.thing_arn.as_deref());
        let thing = self.existing_thing(self.named(THING, name, arn)?)?.name.clone();
        let mut groups = self.direct_groups(&thing);
        self.check_room(&mut groups, &thing, &group)?;
        self.join(&thing, &group, now);
        Ok(())
    }

    //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
    //# a thing that is not in the group is no error
    /// Takes a thing out of a group.
    pub(crate) fn remove_thing_from_thing_group(
        &mut self,
        input: RemoveThingFromThingGroupRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let (name, arn) = (input.thing_group_name.as_deref(), input.thing_group_arn.as_deref());
        let group = self.existing_thing_group(self.named(THING_GROUP, name, arn)?)?.name.clone();
        let (name, arn) = (input.thing_name.as_deref(), input.thing_arn.as_deref());
        let thing = self.existing_thing(self.named(THING, name, arn)?)?.name.clone();
        self.leave(&thing, &group, now);
        Ok(())
    }

    //? assumed: removals count first, so that a thing can change its place in a hierarchy; if
    //? anything is refused, nothing is done. The text for a thing that is not named
    /// Takes a thing out of some groups and puts it into others.
    pub(crate) fn update_thing_groups_for_thing(
        &mut self,
        input: UpdateThingGroupsForThingRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(name) = input.thing_name.as_deref() else {
            return Err(ApiError::invalid_request("thingName is empty. Need to specify it"));
        };
        let thing = self.existing_thing(name)?.name.clone();
        let known = |name: &String| Ok(self.existing_thing_group(name)?.name.clone());
        let removed = input.thing_groups_to_remove.iter().map(known);
        let removed = removed.collect::<Result<Vec<_>, ApiError>>()?;
        let added = input.thing_groups_to_add.iter().map(known);
        let added = added.collect::<Result<Vec<_>, ApiError>>()?;
        let mut groups = self.direct_groups(&thing);
        groups.retain(|group| !removed.contains(group));
        for group in &added {
            self.check_room(&mut groups, &thing, group)?;
        }
        for group in removed.iter().filter(|group| !groups.contains(group)) {
            self.leave(&thing, group, now);
        }
        for group in &added {
            self.join(&thing, group, now);
        }
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
    //# the groups that the thing belongs to, with the groups above them
    /// The groups of a thing.
    pub(crate) fn list_thing_groups_for_thing(
        &self,
        input: ListThingGroupsForThingRequest,
    ) -> Result<ThingGroupsPage, ApiError> {
        let request = PageRequest::tokened(
            "listThingGroupsForThing",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        self.existing_thing(&input.thing_name)?;
        let mut groups = Shelf::default();
        let direct = self.groups_of_thing(&input.thing_name);
        for group in direct.flat_map(|group| self.lineage(group.as_str())) {
            if let Some(position) = self.thing_groups.position(&group.name) {
                groups.insert(position, &group.name, group);
            }
        }
        let (thing_groups, next_token) =
            request.page(&groups, |_, group| Some(self.name_and_arn(group)));
        Ok(ThingGroupsPage { thing_groups, next_token })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
    //# `recursive` adds the things of the groups below
    /// The things in a group.
    pub(crate) fn list_things_in_thing_group(
        &self,
        input: ListThingsInThingGroupRequest,
    ) -> Result<ListThingsInThingGroupResponse, ApiError> {
        let request = PageRequest::tokened(
            "listThingsInThingGroup",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let group = self.existing_thing_group(&input.thing_group_name)?;
        let groups = if input.recursive { self.downwards(group) } else { vec![group] };
        let members = groups.into_iter().map(|group| &group.things);
        let (things, next_token) = request.page_of_all(members, |name, ()| Some(name.clone()));
        Ok(ListThingsInThingGroupResponse { things, next_token })
    }

    /// The groups that a thing was put into, in that order; what lies above them is not among them.
    pub(crate) fn groups_of_thing<'r>(
        &'r self,
        thing: &str,
    ) -> impl Iterator<Item = &'r ThingGroupName> + use<'r> {
        self.groups_of_things.get(thing).into_iter().flatten()
    }

    //? assumed: a thing that goes is told to have left its groups
    /// Takes a thing out of all its groups.
    pub(super) fn leave_every_group(&mut self, thing: &str, now: Timestamp) {
        let Some((thing, groups)) = self.groups_of_things.get_key_value(thing) else { return };
        let (thing, groups) = (thing.clone(), groups.clone());
        for group in groups {
            self.leave(&thing, &group, now);
        }
    }

    //? assumed: the things of a group that goes are told to have left it
    /// Takes all things out of a group.
    pub(super) fn remove_every_thing(&mut self, group: &ThingGroupName, now: Timestamp) {
        let Some(record) = self.thing_groups.get(group) else { return };
        let things: Vec<ThingName> = record.things.keys().cloned().collect();
        for thing in things {
            self.leave(&thing, group, now);
        }
    }

    fn direct_groups(&self, thing: &ThingName) -> Vec<ThingGroupName> {
        self.groups_of_thing(thing.as_str()).cloned().collect()
    }

    /// A group and all groups below it.
    fn downwards<'r>(&'r self, group: &'r ThingGroup) -> Vec<&'r ThingGroup> {
        let mut found = vec![group];
        let mut looked_at = 0;
        while let Some(group) = found.get(looked_at) {
            let children: Vec<_> =
                group.children.iter().filter_map(|child| self.thing_groups.get(child)).collect();
            found.extend(children);
            looked_at += 1;
        }
        found
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
    //# up to ten groups for a thing, and only one of each hierarchy
    //? assumed: groups with the same root are of one hierarchy; exception and texts, for the model
    //? leaves only InvalidRequestException
    /// Adds `group` to the `groups` of `thing`, if it can be one of them.
    fn check_room(
        &self,
        groups: &mut Vec<ThingGroupName>,
        thing: &ThingName,
        group: &ThingGroupName,
    ) -> Result<(), ApiError> {
        if groups.contains(group) {
            return Ok(());
        }
        let refused = |why: String| {
            let message = format!("Cannot add thing {thing} to thing group {group}: {why}");
            Err(ApiError::invalid_request(message))
        };
        let root = |group: &ThingGroupName| self.lineage(group.as_str()).last().map(|it| &it.name);
        if let Some(other) = groups.iter().find(|other| root(other) == root(group)) {
            return refused(format!("it is in thing group {other} of the same hierarchy"));
        }
        if groups.len() >= THING_GROUPS_PER_THING {
            return refused(format!("it is in {THING_GROUPS_PER_THING} thing groups"));
        }
        groups.push(group.clone());
        Ok(())
    }

    fn join(&mut self, thing: &ThingName, group: &ThingGroupName, now: Timestamp) {
        if self.thing_groups.get(group).is_none_or(|record| record.things.contains_key(thing)) {
            return;
        }
        let position = self.next_position();
        let Some(record) = self.thing_groups.get_mut(group) else { return };
        record.things.insert(position, thing.clone(), ());
        self.groups_of_things.entry(thing.clone()).or_default().push(group.clone());
        self.announce_member(Link::Added, thing, group, now);
        self.members_changed(thing, group);
    }

    fn leave(&mut self, thing: &ThingName, group: &ThingGroupName, now: Timestamp) {
        if self.thing_groups.get(group).is_none_or(|record| !record.things.contains_key(thing)) {
            return;
        }
        self.announce_member(Link::Removed, thing, group, now);
        if let Some(record) = self.thing_groups.get_mut(group) {
            record.things.remove(thing);
        }
        if let Some(groups) = self.groups_of_things.get_mut(thing) {
            groups.retain(|other| other != group);
            if groups.is_empty() {
                self.groups_of_things.remove(thing);
            }
        }
        self.members_changed(thing, group);
    }

    /// Only a group with policies changes what its things may do.
    fn members_changed(&mut self, thing: &ThingName, group: &ThingGroupName) {
        if self.policies_up_from(group.as_str()).next().is_some() {
            self.policies_may_decide_differently_for(thing);
        }
    }

    /// The name of what a request means.
    //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
    //# neither, or two that differ, is 400 in these words
    //? assumed: an ARN of something else or from elsewhere is 400, in these words
    fn named<'a>(
        &self,
        Kind { in_arn, member, title }: Kind,
        name: Option<&'a str>,
        arn: Option<&'a str>,
    ) -> Result<&'a str, ApiError> {
        meant(&self.scope, in_arn, name, arn).map_err(|unclear| {
            ApiError::invalid_request(match unclear {
                Unclear::NotNamed => format!(
                    "Both {member}Arn and {member}Name are empty. Need to specify at least one of \
                     them"
                ),
                Unclear::OtherArn => format!("Invalid {member}Arn"),
                Unclear::TwoNames => format!(
                    "{title}Name {member}Arn does not match specified {member}Name in request"
                ),
            })
        })
    }
}

/// How requests and texts call what they name.
#[derive(Clone, Copy)]
struct Kind {
    in_arn: &'static str,
    member: &'static str,
    title: &'static str,
}

const THING: Kind = Kind { in_arn: "thing", member: "thing", title: "Thing" };
const THING_GROUP: Kind = Kind { in_arn: "thinggroup", member: "thingGroup", title: "ThingGroup" };
