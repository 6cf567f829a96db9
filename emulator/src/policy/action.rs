//! The actions that a policy speaks of, and the resource that each acts on.
//!
//! It decides how a resource is spelt as an ARN. When an action is asked for is decided where a
//! packet or a request is handled.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html>.

use std::fmt;

use crate::names::{ClientId, Scope, TopicFilter, TopicName};

/// Something that a device can be allowed to do.
pub(crate) trait Action: fmt::Debug {
    /// As a policy spells it, such as `iot:Publish`.
    const NAME: &'static str;
    /// The ARN's part before the slash; empty where the resource is always `*`.
    const KIND: &'static str;
    /// What it acts on.
    type Resource;

    /// The ARN's part after the slash.
    fn resource_name(resource: &Self::Resource) -> &str;

    /// The full ARN that a policy's resources are compared with.
    fn resource_arn(scope: &Scope, resource: &Self::Resource) -> String {
        let mut arn = String::new();
        Self::write_resource_arn(scope, resource, &mut arn);
        arn
    }

    /// Puts [`Action::resource_arn`] into `arn`, so that a decision can use the same room again.
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

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident $kind:literal $resource:ty,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $action;

            impl Action for $action {
                const NAME: &'static str = concat!("iot:", stringify!($action));
                const KIND: &'static str = $kind;
                type Resource = $resource;

                fn resource_name(resource: &$resource) -> &str {
                    resource.as_str()
                }
            }
        )*
    };
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
//# each action is compared with one kind of resource: client, topic or topic filter
actions! {
    /// Each CONNECT.
    Connect "client" ClientId,
    /// Each PUBLISH, HTTPS publish and will.
    Publish "topic" TopicName,
    /// Each PUBLISH with RETAIN, besides `iot:Publish`.
    RetainPublish "topic" TopicName,
    /// Each filter of a SUBSCRIBE, as it was sent.
    Subscribe "topicfilter" TopicFilter,
    /// Each delivery.
    Receive "topic" TopicName,
    /// `GET /retainedMessage/{topic}`.
    GetRetainedMessage "topic" TopicName,
}

/// `GET /retainedMessage`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListRetainedMessages;

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
//# listing retained messages names no resource: a policy must say `*`
impl Action for ListRetainedMessages {
    const NAME: &'static str = "iot:ListRetainedMessages";
    const KIND: &'static str = "";
    type Resource = ();

    fn resource_name((): &()) -> &str {
        "*"
    }
}
