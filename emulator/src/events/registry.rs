//! The events of the registry: a thing, a thing type or a thing group came, changed or went, or was
//! put together with another.
//!
//! Which of them are published is decided by the registry's event configurations.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/registry-events.html>.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{Event, json};
use crate::names::{AccountId, Arn, ThingName, TopicName};
use crate::time::Timestamp;

/// What every event of the registry carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    /// A UUID.
    pub(crate) event_id: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) account: &'a AccountId,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    Created,
    Updated,
    Deleted,
}

/// What happened between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Link {
    Added,
    Removed,
}

/// Names and values, in their order.
pub(crate) type Attributes<'a> = Vec<(&'a str, &'a str)>;

fn as_map<S: Serializer>(pairs: &Attributes<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

impl Operation {
    const fn level(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

impl Link {
    const fn level(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

impl Occasion<'_> {
    /// A thing as it is now, or was.
    pub(crate) fn thing(&self, operation: Operation, thing: ThingRecord<'_>) -> Event {
        let topic = format!("$aws/events/thing/{}/{}", thing.thing_name, operation.level());
        self.event(topic, &self.of_record("THING_EVENT", operation, thing))
    }

    /// A thing type as it is now, or was.
    pub(crate) fn thing_type(&self, operation: Operation, kind: ThingTypeRecord<'_>) -> Event {
        let (name, level) = (kind.thing_type_name, operation.level());
        let topic = format!("$aws/events/thingType/{name}/{level}");
        self.event(topic, &self.of_record("THING_TYPE_EVENT", operation, kind))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/registry-events.html
    //# the eventId of the example has no hyphens, unlike those of the other events
    /// A thing group as it is now, or was.
    pub(crate) fn thing_group(&self, operation: Operation, group: ThingGroupRecord<'_>) -> Event {
        let (name, level) = (group.thing_group_name, operation.level());
        let topic = format!("$aws/events/thingGroup/{name}/{level}");
        let event_id = &self.event_id.replace('-', "");
        let occasion = Occasion { event_id, ..*self };
        self.event(topic, &occasion.of_record("THING_GROUP_EVENT", operation, group))
    }

    /// A thing got a thing type, or lost it.
    pub(crate) fn thing_type_association(
        &self,
        link: Link,
        thing_id: &str,
        thing_name: &ThingName,
        thing_type_name: &str,
    ) -> Event {
        let topic = format!(
            "$aws/events/thingTypeAssociation/thing/{thing_name}/thingType/{thing_type_name}/{}",
            link.level()
        );
        let payload = Association {
            event_id: self.event_id,
            event_type: "THING_TYPE_ASSOCIATION_EVENT",
            operation: link,
            thing_id,
            thing_name,
            thing_type_name,
            timestamp: self.at.milliseconds(),
        };
        self.event(topic, &payload)
    }

    /// A thing came into a thing group, or left it.
    pub(crate) fn thing_group_membership(&self, link: Link, member: Membership<'_>) -> Event {
        let (group, thing, level) = (member.group_name, member.thing_name, link.level());
        let topic =
            format!("$aws/events/thingGroupMembership/thingGroup/{group}/thing/{thing}/{level}");
        self.event(topic, &self.of_link("THING_GROUP_MEMBERSHIP_EVENT", link, member))
    }

    /// A thing group came below another, or went from there.
    pub(crate) fn thing_group_hierarchy(&self, link: Link, hierarchy: Hierarchy<'_>) -> Event {
        let (parent, child) = (hierarchy.thing_group_name, hierarchy.child_group_name);
        let topic = format!(
            "$aws/events/thingGroupHierarchy/thingGroup/{parent}/childThingGroup/{child}/{}",
            link.level()
        );
        self.event(topic, &self.of_link("THING_GROUP_HIERARCHY_EVENT", link, hierarchy))
    }

    fn event(&self, topic: String, payload: &impl Serialize) -> Event {
        (TopicName::from(topic), json(payload))
    }

    fn of_record<R>(
        &self,
        event_type: &'static str,
        operation: Operation,
        record: R,
    ) -> Payload<'_, Operation, R> {
        self.payload(event_type, operation, record)
    }

    fn of_link<R>(&self, event_type: &'static str, link: Link, record: R) -> Payload<'_, Link, R> {
        self.payload(event_type, link, record)
    }

    fn payload<O, R>(&self, event_type: &'static str, operation: O, rest: R) -> Payload<'_, O, R> {
        let (event_id, timestamp) = (self.event_id, self.at.milliseconds());
        Payload { event_type, event_id, timestamp, operation, account_id: self.account, rest }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a, O, R> {
    event_type: &'static str,
    event_id: &'a str,
    timestamp: i64,
    operation: O,
    account_id: &'a AccountId,
    #[serde(flatten)]
    rest: R,
}

/// A thing, as its events show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingRecord<'a> {
    pub(crate) thing_id: &'a str,
    pub(crate) thing_name: &'a ThingName,
    pub(crate) version_number: i64,
    pub(crate) thing_type_name: Option<&'a str>,
    #[serde(serialize_with = "as_map")]
    pub(crate) attributes: Attributes<'a>,
}

/// A thing type, as its events show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingTypeRecord<'a> {
    pub(crate) thing_type_id: &'a str,
    pub(crate) thing_type_name: &'a str,
    pub(crate) is_deprecated: bool,
    //? assumed: in milliseconds, as the event's own timestamp
    pub(crate) deprecation_date: Option<i64>,
    pub(crate) searchable_attributes: Vec<&'a str>,
    pub(crate) description: Option<&'a str>,
}

/// A thing group, as its events show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingGroupRecord<'a> {
    pub(crate) thing_group_id: &'a str,
    pub(crate) thing_group_name: &'a str,
    pub(crate) version_number: i64,
    pub(crate) parent_group_name: Option<&'a str>,
    pub(crate) parent_group_id: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) root_to_parent_thing_groups: Vec<Ancestor<'a>>,
    #[serde(serialize_with = "as_map")]
    pub(crate) attributes: Attributes<'a>,
    /// Of dynamic groups only, which are not here.
    pub(crate) dynamic_group_mapping_id: Option<&'a str>,
}

/// A group above another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ancestor<'a> {
    pub(crate) group_arn: Arn,
    pub(crate) group_id: &'a str,
}

/// A thing in a thing group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Membership<'a> {
    #[serde(skip)]
    pub(crate) group_name: &'a str,
    #[serde(skip)]
    pub(crate) thing_name: &'a ThingName,
    pub(crate) group_arn: Arn,
    pub(crate) group_id: &'a str,
    pub(crate) thing_arn: Arn,
    pub(crate) thing_id: &'a str,
    /// A UUID that stays the same while the thing is in the group.
    pub(crate) membership_id: &'a str,
}

/// A thing group below another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hierarchy<'a> {
    pub(crate) thing_group_id: &'a str,
    pub(crate) thing_group_name: &'a str,
    pub(crate) child_group_id: &'a str,
    pub(crate) child_group_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Association<'a> {
    event_id: &'a str,
    event_type: &'static str,
    operation: Link,
    thing_id: &'a str,
    thing_name: &'a ThingName,
    thing_type_name: &'a str,
    timestamp: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_milliseconds(1_234_567_890_123);

    fn check((topic, payload): Event, expected_topic: &str, expected: &str) {
        assert_eq!(topic.as_str(), expected_topic);
        assert_eq!(std::str::from_utf8(&payload).unwrap(), expected.replace("\n", ""));
    }

    #[test]
    fn s4_3_the_payloads_are_those_of_the_guide() {
        let account = AccountId::new("123456789012");
        let occasion = Occasion { event_id: "e", at: AT, account: &account };
        let lamp = ThingName::new("lamp");
        let arn =
            |kind: &str| crate::names::Scope::new("123456789012", "us-east-1").iot_arn(kind, "x");
        check(
            occasion.thing(
                Operation::Created,
                ThingRecord {
                    thing_id: "t",
                    thing_name: &lamp,
                    version_number: 1,
                    thing_type_name: None,
                    attributes: vec![("b", "2"), ("a", "1")],
                },
            ),
            "$aws/events/thing/lamp/created",
            r#"{"eventType":"THING_EVENT","eventId":"e","timestamp":1234567890123,
"operation":"CREATED","accountId":"123456789012","thingId":"t","thingName":"lamp",
"versionNumber":1,"thingTypeName":null,"attributes":{"b":"2","a":"1"}}"#,
        );
        check(
            occasion.thing_type_association(Link::Removed, "t", &lamp, "Lamp"),
            "$aws/events/thingTypeAssociation/thing/lamp/thingType/Lamp/removed",
            r#"{"eventId":"e","eventType":"THING_TYPE_ASSOCIATION_EVENT","operation":"REMOVED",
"thingId":"t","thingName":"lamp","thingTypeName":"Lamp","timestamp":1234567890123}"#,
        );
        check(
            occasion.thing_group_membership(
                Link::Added,
                Membership {
                    group_name: "G",
                    thing_name: &lamp,
                    group_arn: arn("thinggroup"),
                    group_id: "g",
                    thing_arn: arn("thing"),
                    thing_id: "t",
                    membership_id: "m",
                },
            ),
            "$aws/events/thingGroupMembership/thingGroup/G/thing/lamp/added",
            r#"{"eventType":"THING_GROUP_MEMBERSHIP_EVENT","eventId":"e","timestamp":1234567890123,
"operation":"ADDED","accountId":"123456789012",
"groupArn":"arn:aws:iot:us-east-1:123456789012:thinggroup/x","groupId":"g",
"thingArn":"arn:aws:iot:us-east-1:123456789012:thing/x","thingId":"t","membershipId":"m"}"#,
        );
    }

    #[test]
    fn s4_3_the_event_of_a_thing_group_has_an_id_without_hyphens() {
        let account = AccountId::new("123456789012");
        let event_id = "8b9ea862-6aea-a1e4-2100-f3f32b975899";
        let occasion = Occasion { event_id, at: AT, account: &account };
        let scope = crate::names::Scope::new("123456789012", "us-east-1");
        let group_arn = scope.iot_arn("thinggroup", "x");
        let parent = Ancestor { group_arn, group_id: "p" };
        check(
            occasion.thing_group(
                Operation::Updated,
                ThingGroupRecord {
                    thing_group_id: "g",
                    thing_group_name: "G",
                    version_number: 3,
                    parent_group_name: Some("x"),
                    parent_group_id: Some("p"),
                    description: None,
                    root_to_parent_thing_groups: vec![parent],
                    attributes: vec![("a", "1")],
                    dynamic_group_mapping_id: None,
                },
            ),
            "$aws/events/thingGroup/G/updated",
            r#"{"eventType":"THING_GROUP_EVENT","eventId":"8b9ea8626aeaa1e42100f3f32b975899",
"timestamp":1234567890123,"operation":"UPDATED","accountId":"123456789012","thingGroupId":"g",
"thingGroupName":"G","versionNumber":3,"parentGroupName":"x","parentGroupId":"p",
"description":null,"rootToParentThingGroups":
[{"groupArn":"arn:aws:iot:us-east-1:123456789012:thinggroup/x","groupId":"p"}],
"attributes":{"a":"1"},"dynamicGroupMappingId":null}"#,
        );
    }
}
