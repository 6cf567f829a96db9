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

    /// The same to keep, without copying it; `None` for what is asked too rarely to be remembered.
    fn resource_to_remember(resource: &Self::Resource) -> Option<Arc<str>>;

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
pub(super) const KNOWN: [&str; 10] = [
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
];

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident $place:literal $kind:literal $resource:ty,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $action;

            impl Action for $action {
                const NAME: &'static str = concat!("iot:", stringify!($action));
                const PLACE: u8 = $place;
                const KIND: &'static str = $kind;
                type Resource = $resource;

                fn resource_name(resource: &$resource) -> &str {
                    resource.as_str()
                }

                fn resource_to_remember(resource: &$resource) -> Option<Arc<str>> {
                    Some(resource.clone().into())
                }
            }
        )*
    };
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
//# each action is compared with one kind of resource: client, topic or topic filter
actions! {
    /// Each CONNECT.
    Connect 0 "client" ClientId,
    /// Each PUBLISH, HTTPS publish and will.
    Publish 1 "topic" TopicName,
    /// Each PUBLISH with RETAIN, besides `iot:Publish`.
    RetainPublish 2 "topic" TopicName,
    /// Each filter of a SUBSCRIBE, as it was sent.
    Subscribe 3 "topicfilter" TopicFilter,
    /// Each delivery.
    Receive 4 "topic" TopicName,
    /// `GET /retainedMessage/{topic}`.
    GetRetainedMessage 5 "topic" TopicName,
    /// `DELETE /connections/{clientId}`.
    DeleteConnection 7 "client" ClientId,
    //? assumed: these two are actions of IoT policies as well, as DeleteConnection is
    /// `GET /connections/{clientId}`.
    GetConnection 8 "client" ClientId,
    /// `GET /connections/{clientId}/subscriptions`.
    ListSubscriptions 9 "client" ClientId,
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

    fn resource_to_remember((): &()) -> Option<Arc<str>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_compared_with_its_own_kind_of_arn() {
        let scope = Scope::new("123456789012", "eu-west-1");
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
        ];
        for (place, name) in places {
            assert_eq!(KNOWN[usize::from(place)], name);
        }
    }
}
