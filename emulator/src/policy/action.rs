//! The actions that a policy speaks of, and the resource that each acts on.
//!
//! It decides how a resource is spelt as an ARN. When an action is asked for is decided where a
//! packet or a request is handled.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html>.

use std::fmt;
use std::sync::Arc;

use crate::names::{ClientId, Scope, TopicFilter, TopicName};

/// Something that a device can be allowed to do.
pub(crate) trait Action: fmt::Debug {
    /// As a policy spells it, such as `iot:Publish`.
    const NAME: &'static str;
    /// The action's place in [`KNOWN`], by which a document has sorted its statements.
    const PLACE: u8;
    /// The ARN's part before the slash; empty where the resource is always `*`.
    const KIND: &'static str;
    /// What it acts on.
    type Resource;

    /// The ARN's part after the slash.
    fn resource_name(resource: &Self::Resource) -> &str;

    /// The same to keep, without copying it, if the action is asked so often that it is remembered.
    fn resource_to_remember(_resource: &Self::Resource) -> Option<Arc<str>> {
        None
    }

    /// The full ARN that a policy's resources are compared with.
    #[cfg(test)]
    fn resource_arn(scope: &Scope, resource: &Self::Resource) -> String {
        let mut arn = String::new();
        Self::write_resource_arn(scope, resource, &mut arn);
        arn
    }

    /// Puts the full ARN that a policy's resources are compared with into `arn`, so that a decision
    /// can use the same room again.
    fn write_resource_arn(scope: &Scope, resource: &Self::Resource, arn: &mut String) {
        arn.clear();
        if Self::KIND.is_empty() {
            arn.push('*');
            return;
        }
        let (region, account) = (scope.region.as_str(), scope.account.as_str());
        let name = Self::resource_name(resource);
        for part in ["arn:aws:iot:", region, ":", account, ":", Self::KIND, "/", name] {
            arn.push_str(part);
        }
    }
}

/// The actions that a document sorts its statements by when it is read; others are rarer.
pub(super) const KNOWN: [&str; 20] = [
    Connect::NAME,
    Publish::NAME,
    RetainPublish::NAME,
    Subscribe::NAME,
    Receive::NAME,
    GetRetainedMessage::NAME,
    ListRetainedMessages::NAME,
    DeleteConnection::NAME,
    GetConnection::NAME,
    ListSubscriptions::NAME,
    SendDirectMessage::NAME,
    GetThingShadow::NAME,
    UpdateThingShadow::NAME,
    DeleteThingShadow::NAME,
    ListNamedShadowsForThing::NAME,
    DescribeJobExecution::NAME,
    GetPendingJobExecutions::NAME,
    UpdateJobExecution::NAME,
    StartNextPendingJobExecution::NAME,
    AssumeRoleWithCertificate::NAME,
];

/// What `SendDirectMessage` acts on: a client, with the topic that `iot:Topic` was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectMessage {
    pub(crate) client_id: ClientId,
    pub(crate) topic: TopicName,
}

impl DirectMessage {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging-policy-examples.html
    //# the target client ID is the resource; the topic is the condition key `iot:Topic`
    fn as_str(&self) -> &str {
        self.client_id.as_str()
    }
}

/// A resource that nobody here keeps: a thing with its shadows and jobs, a role alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named(Box<str>);

impl Named {
    pub(crate) fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
    //# the thing's name, and the shadow's name, if applicable: `thing/thingOne/shadowOne`
    /// The same, or its shadow `name`.
    #[must_use]
    pub(crate) fn with_shadow(self, name: Option<&str>) -> Self {
        name.map_or(self.clone(), |name| Self::new(format!("{}/{name}", self.0)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! actions {
    ($service:literal: $(
        $(#[$doc:meta])*
        $action:ident $place:literal $kind:literal $resource:ident $($often:ident)?,
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $action;

            impl Action for $action {
                const NAME: &'static str = concat!($service, ":", stringify!($action));
                const PLACE: u8 = $place;
                const KIND: &'static str = $kind;
                type Resource = $resource;

                fn resource_name(resource: &$resource) -> &str {
                    resource.as_str()
                }

                $(fn resource_to_remember(resource: &$resource) -> Option<Arc<str>> {
                    actions!($often resource)
                })?
            }
        )*
    };
    (often $resource:ident) => { Some($resource.clone().into()) };
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
//# each action is compared with one kind of resource: client, topic or topic filter
actions! { "iot":
    /// Each CONNECT.
    Connect 0 "client" ClientId,
    /// Each PUBLISH, HTTPS publish and will.
    Publish 1 "topic" TopicName often,
    /// Each PUBLISH with RETAIN, besides `iot:Publish`.
    RetainPublish 2 "topic" TopicName often,
    /// Each filter of a SUBSCRIBE, as it was sent.
    Subscribe 3 "topicfilter" TopicFilter,
    /// Each delivery.
    Receive 4 "topic" TopicName often,
    /// `GET /retainedMessage/{topic}`.
    GetRetainedMessage 5 "topic" TopicName,
    /// `DELETE /connections/{clientId}`.
    DeleteConnection 7 "client" ClientId,
    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# GetConnection and ListSubscriptions need the action of their name on the client
    /// `GET /connections/{clientId}`.
    GetConnection 8 "client" ClientId,
    /// `GET /connections/{clientId}/subscriptions`.
    ListSubscriptions 9 "client" ClientId,
    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html
    //# the sender must have `iot:SendDirectMessage`, with the target client ID as the resource
    /// `POST /connections/{clientId}/messages`.
    SendDirectMessage 10 "client" DirectMessage,
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
    //# shadows over HTTPS; over MQTT publish, subscribe and receive on their topics are asked
    /// `GET /things/{thingName}/shadow`.
    GetThingShadow 11 "thing" Named,
    /// `POST /things/{thingName}/shadow`.
    UpdateThingShadow 12 "thing" Named,
    /// `DELETE /things/{thingName}/shadow`.
    DeleteThingShadow 13 "thing" Named,
    //? assumed: compared with the thing, which `*` covers too; AWS's table names no resource
    /// `GET /api/things/shadow/ListNamedShadowsForThing/{thingName}`.
    ListNamedShadowsForThing 14 "thing" Named,
    /// The credentials provider's `GET /role-aliases/{roleAlias}/credentials`.
    AssumeRoleWithCertificate 19 "rolealias" Named,
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-data-plane-jobs.html
//# over HTTPS, policies spell the actions of jobs with the prefix `iotjobsdata:`
actions! { "iotjobsdata":
    /// `GET /things/{thingName}/jobs/{jobId}`.
    DescribeJobExecution 15 "thing" Named,
    /// `GET /things/{thingName}/jobs`.
    GetPendingJobExecutions 16 "thing" Named,
    /// `POST /things/{thingName}/jobs/{jobId}`.
    UpdateJobExecution 17 "thing" Named,
    /// `PUT /things/{thingName}/jobs/$next`.
    StartNextPendingJobExecution 18 "thing" Named,
}

/// `GET /retainedMessage`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListRetainedMessages;

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
//# listing retained messages names no resource: a policy must say `*`
impl Action for ListRetainedMessages {
    const NAME: &'static str = "iot:ListRetainedMessages";
    const PLACE: u8 = 6;
    const KIND: &'static str = "";
    type Resource = ();

    fn resource_name((): &()) -> &str {
        "*"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_compared_with_its_own_kind_of_arn() {
        let scope = Scope::new("123456789012", "eu-west-1");
        let direct = DirectMessage { client_id: "c".into(), topic: "a/b".into() };
        let thing = Named::new("T").with_shadow(None);
        let shadow = Named::new("T").with_shadow(Some("s"));
        let table = [
            (Connect::resource_arn(&scope, &"c".into()), "client/c"),
            (Publish::resource_arn(&scope, &"a/b".into()), "topic/a/b"),
            (RetainPublish::resource_arn(&scope, &"a".into()), "topic/a"),
            (Subscribe::resource_arn(&scope, &"a/#".into()), "topicfilter/a/#"),
            (Receive::resource_arn(&scope, &"a".into()), "topic/a"),
            (GetRetainedMessage::resource_arn(&scope, &"a".into()), "topic/a"),
            (DeleteConnection::resource_arn(&scope, &"c".into()), "client/c"),
            (GetConnection::resource_arn(&scope, &"c".into()), "client/c"),
            (ListSubscriptions::resource_arn(&scope, &"c".into()), "client/c"),
            (SendDirectMessage::resource_arn(&scope, &direct), "client/c"),
            (GetThingShadow::resource_arn(&scope, &thing), "thing/T"),
            (UpdateThingShadow::resource_arn(&scope, &shadow), "thing/T/s"),
            (DeleteThingShadow::resource_arn(&scope, &shadow), "thing/T/s"),
            (ListNamedShadowsForThing::resource_arn(&scope, &thing), "thing/T"),
            (DescribeJobExecution::resource_arn(&scope, &thing), "thing/T"),
            (AssumeRoleWithCertificate::resource_arn(&scope, &thing), "rolealias/T"),
        ];
        for (arn, tail) in table {
            assert_eq!(arn, format!("arn:aws:iot:eu-west-1:123456789012:{tail}"));
        }
        assert_eq!(ListRetainedMessages::resource_arn(&scope, &()), "*");
    }

    #[test]
    fn each_action_knows_its_place() {
        let places = [
            (Connect::PLACE, Connect::NAME),
            (Publish::PLACE, Publish::NAME),
            (RetainPublish::PLACE, RetainPublish::NAME),
            (Subscribe::PLACE, Subscribe::NAME),
            (Receive::PLACE, Receive::NAME),
            (GetRetainedMessage::PLACE, GetRetainedMessage::NAME),
            (ListRetainedMessages::PLACE, ListRetainedMessages::NAME),
            (DeleteConnection::PLACE, DeleteConnection::NAME),
            (GetConnection::PLACE, GetConnection::NAME),
            (ListSubscriptions::PLACE, ListSubscriptions::NAME),
            (SendDirectMessage::PLACE, SendDirectMessage::NAME),
            (GetThingShadow::PLACE, GetThingShadow::NAME),
            (UpdateThingShadow::PLACE, UpdateThingShadow::NAME),
            (DeleteThingShadow::PLACE, DeleteThingShadow::NAME),
            (ListNamedShadowsForThing::PLACE, ListNamedShadowsForThing::NAME),
            (DescribeJobExecution::PLACE, DescribeJobExecution::NAME),
            (GetPendingJobExecutions::PLACE, GetPendingJobExecutions::NAME),
            (UpdateJobExecution::PLACE, UpdateJobExecution::NAME),
            (StartNextPendingJobExecution::PLACE, StartNextPendingJobExecution::NAME),
            (AssumeRoleWithCertificate::PLACE, AssumeRoleWithCertificate::NAME),
        ];
        for (place, name) in places {
            assert_eq!(KNOWN[usize::from(place)], name);
        }
        assert_eq!(places.len(), KNOWN.len());
        assert_eq!(UpdateJobExecution::NAME, "iotjobsdata:UpdateJobExecution");
    }
}
