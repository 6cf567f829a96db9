//! What the registry tells of its things, thing types and thing groups, if anybody wants to hear.
//!
//! What an event says is decided in `events/`, whether it is wanted in `event_configurations.rs`;
//! here the records are put into it.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/registry-events.html>.

use crate::events::{
    Ancestor, Hierarchy, Link, Membership, Operation, ThingGroupRecord, ThingRecord,
    ThingTypeRecord,
};
use crate::names::{ThingGroupName, ThingName};
use crate::time::Timestamp;

use super::{EventType, Registry};

impl Registry {
    /// A thing was made or changed, or is about to be deleted.
    pub(super) fn announce_thing(
        &mut self,
        operation: Operation,
        name: &ThingName,
        now: Timestamp,
    ) {
        self.announce(EventType::Thing, now, |registry, occasion| {
            let thing = registry.things.get(name)?;
            let record = ThingRecord {
                thing_id: &registry.thing_id(name),
                thing_name: name,
                version_number: thing.version,
                thing_type_name: thing.thing_type_name(),
                attributes: thing.attributes.iter().collect(),
            };
            Some(occasion.thing(operation, record))
        });
    }

    /// A thing got a thing type, or lost it.
    pub(super) fn announce_type_of_thing(
        &mut self,
        link: Link,
        thing: &ThingName,
        thing_type: &str,
        now: Timestamp,
    ) {
        self.announce(EventType::ThingTypeAssociation, now, |registry, occasion| {
            let thing_id = registry.thing_id(thing);
            Some(occasion.thing_type_association(link, &thing_id, thing, thing_type))
        });
    }

    /// A thing type was made or changed, or is about to be deleted.
    pub(super) fn announce_thing_type(&mut self, operation: Operation, name: &str, now: Timestamp) {
        self.announce(EventType::ThingType, now, |registry, occasion| {
            let thing_type = registry.thing_types.get(name)?;
            let properties = &thing_type.properties;
            let searchable = properties.searchable_attributes.iter();
            let record = ThingTypeRecord {
                thing_type_id: &thing_type.id,
                thing_type_name: name,
                is_deprecated: thing_type.deprecated.is_some(),
                deprecation_date: thing_type.deprecated.map(Timestamp::milliseconds),
                searchable_attributes: searchable.map(String::as_str).collect(),
                description: properties.thing_type_description.as_deref(),
            };
            Some(occasion.thing_type(operation, record))
        });
    }

    /// A thing group was made or changed, or is about to be deleted.
    pub(super) fn announce_thing_group(
        &mut self,
        operation: Operation,
        name: &ThingGroupName,
        now: Timestamp,
    ) {
        self.announce(EventType::ThingGroup, now, |registry, occasion| {
            let group = registry.thing_groups.get(name)?;
            let mut above: Vec<_> = registry.lineage(name.as_str()).skip(1).collect();
            let parent_group_id = above.first().map(|parent| parent.id.as_str());
            above.reverse();
            let ancestors = above.into_iter().map(|group| Ancestor {
                group_arn: registry.scope.iot_arn("thinggroup", &group.name),
                group_id: &group.id,
            });
            let record = ThingGroupRecord {
                thing_group_id: &group.id,
                thing_group_name: name.as_str(),
                version_number: group.version,
                parent_group_name: group.parent.as_ref().map(ThingGroupName::as_str),
                parent_group_id,
                description: group.description.as_deref(),
                root_to_parent_thing_groups: ancestors.collect(),
                attributes: group.attributes.iter().collect(),
                dynamic_group_mapping_id: None,
            };
            Some(occasion.thing_group(operation, record))
        });
    }

    /// A thing group came below its parent, or is about to go.
    pub(super) fn announce_child_group(
        &mut self,
        link: Link,
        name: &ThingGroupName,
        now: Timestamp,
    ) {
        self.announce(EventType::ThingGroupHierarchy, now, |registry, occasion| {
            let child = registry.thing_groups.get(name)?;
            let parent = registry.thing_groups.get(child.parent.as_ref()?)?;
            let hierarchy = Hierarchy {
                thing_group_id: &parent.id,
                thing_group_name: parent.name.as_str(),
                child_group_id: &child.id,
                child_group_name: name.as_str(),
            };
            Some(occasion.thing_group_hierarchy(link, hierarchy))
        });
    }

    /// A thing came into a group, or is about to leave it.
    pub(super) fn announce_member(
        &mut self,
        link: Link,
        thing: &ThingName,
        group: &ThingGroupName,
        now: Timestamp,
    ) {
        self.announce(EventType::ThingGroupMembership, now, |registry, occasion| {
            let record = registry.thing_groups.get(group)?;
            let position = record.things.position(thing)?;
            let member = Membership {
                group_name: group.as_str(),
                thing_name: thing,
                group_arn: registry.scope.iot_arn("thinggroup", group),
                group_id: &record.id,
                thing_arn: registry.scope.iot_arn("thing", thing),
                thing_id: &registry.thing_id(thing),
                membership_id: &registry.derive_uuid("membership", position),
            };
            Some(occasion.thing_group_membership(link, member))
        });
    }
}
