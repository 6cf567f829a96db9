//! What would let somebody past the policies, each line of which the compiler must refuse.
//!
//! `tests/permits.rs` compiles this as a room of the crate, beside the others, and holds the
//! compiler's errors against the comments `//~`. What has no such comment must be right.

use crate::message::QoS;
use crate::message_broker::{
    ConnectionId, Deleted, Delivery, MessageBroker, Publication, SubscribeOptions, Undelivered,
};
use crate::names::{ClientId, Scope, TopicFilter, TopicName};
use crate::policy::{
    ByAws, Connect, Context, DirectMessage, GetConnection, GetThingShadow, ListRetainedMessages,
    ListSubscriptions, Named, Permit, PolicyInForce, Publish, Receive, RecentlyAllowed, Refusal,
    SendDirectMessage, Subscribe, UpdateThingShadow, authorize,
};
use crate::time::Timestamp;

pub(crate) fn asking_first(
    broker: &mut MessageBroker,
    (policies, context, scope): (&[PolicyInForce], &Context, &Scope),
    (topic, publication, now): (TopicName, Publication, Timestamp),
) -> Result<(), Refusal> {
    let permit = authorize::<Publish>(policies, context, scope, topic)?;
    broker.publish(permit, publication, now);
    Ok(())
}

pub(crate) fn made_for_tests(topic: TopicName) -> Permit<Publish> {
    Permit::of_test(topic) //~ E0599
}

pub(crate) fn copied(permit: &Permit<Publish>) -> Permit<Publish> {
    permit.clone() //~ E0308
}

pub(crate) fn moved_to_another_topic(mut permit: Permit<Publish>, topic: TopicName) {
    permit.resource = topic; //~ E0616
}

pub(crate) fn connecting_as_aws(client_id: ClientId) -> Permit<Connect> {
    Permit::of_aws(client_id) //~ E0277
}

pub(crate) fn subscribing_as_aws(filter: TopicFilter) -> Permit<Subscribe> {
    Permit::of_aws(filter) //~ E0277
}

pub(crate) fn receiving_as_aws(topic: TopicName) -> Permit<Receive> {
    Permit::of_aws(topic) //~ E0277
}

pub(crate) fn reading_a_shadow_as_aws(thing: Named) -> Permit<GetThingShadow> {
    Permit::of_aws(thing) //~ E0277
}

impl ByAws for UpdateThingShadow {} //~ E0277

pub(crate) fn remembered_without_being_asked(recent: &mut RecentlyAllowed, topic: &TopicName) {
    recent.remember(1, topic.clone().into()); //~ E0624
}

pub(crate) fn publishing_without(
    broker: &mut MessageBroker,
    topic: TopicName,
    publication: Publication,
    now: Timestamp,
) {
    broker.publish(topic, publication, now); //~ E0308
}

pub(crate) fn publishing_by_leave_to_receive(
    broker: &mut MessageBroker,
    permit: Permit<Receive>,
    publication: Publication,
    now: Timestamp,
) {
    broker.publish(permit, publication, now); //~ E0308
}

pub(crate) fn publishing_twice(
    broker: &mut MessageBroker,
    permit: Permit<Publish>,
    (first, second): (Publication, Publication),
    now: Timestamp,
) {
    broker.publish(permit, first, now);
    broker.publish(permit, second, now); //~ E0382
}

pub(crate) fn subscribing_without(
    broker: &mut MessageBroker,
    connection: ConnectionId,
    (filter, options): (TopicFilter, SubscribeOptions),
    now: Timestamp,
) -> Option<QoS> {
    broker.subscribe(connection, filter, options, now).ok() //~ E0308
}

pub(crate) fn delivering_without(
    broker: &mut MessageBroker,
    connection: ConnectionId,
    topic: TopicName,
    now: Timestamp,
) -> Option<Delivery> {
    broker.next_delivery(connection, now)?.deliver(topic) //~ E0308
}

pub(crate) fn delivering_by_leave_to_publish(
    broker: &mut MessageBroker,
    connection: ConnectionId,
    permit: Permit<Publish>,
    now: Timestamp,
) -> Option<Delivery> {
    broker.next_delivery(connection, now)?.deliver(permit) //~ E0308
}

/// A direct message needs leave of both sides.
pub(crate) fn sending_directly(
    broker: &mut MessageBroker,
    (permit, receive): (Permit<SendDirectMessage>, Permit<Receive>),
    publication: Publication,
    now: Timestamp,
) -> bool {
    broker.send_direct_message(permit, receive, publication, None, now).is_ok()
}

pub(crate) fn sending_directly_without(
    broker: &mut MessageBroker,
    (message, receive): (DirectMessage, Permit<Receive>),
    publication: Publication,
    now: Timestamp,
) -> bool {
    broker.send_direct_message(message, receive, publication, None, now).is_ok() //~ E0308
}

pub(crate) fn sending_directly_to_whom_may_not_receive(
    broker: &mut MessageBroker,
    permit: Permit<SendDirectMessage>,
    (topic, publication): (TopicName, Publication),
    now: Timestamp,
) -> bool {
    broker.send_direct_message(permit, topic, publication, None, now).is_ok() //~ E0308
}

pub(crate) fn finding_a_receiver_without(
    broker: &MessageBroker,
    message: &DirectMessage,
) -> Result<ConnectionId, Undelivered> {
    broker.direct_receiver(message) //~ E0308
}

pub(crate) fn reading_retained_messages_without(
    broker: &MessageBroker,
    (topic, permit): (&TopicName, &Permit<ListRetainedMessages>),
    now: Timestamp,
) -> bool {
    let all = broker.retained_messages(permit, None, now).count() > 0;
    all && broker.retained_message(topic, now).is_some() //~ E0308
}

pub(crate) fn listing_retained_messages_without(broker: &MessageBroker, now: Timestamp) -> usize {
    broker.retained_messages(&(), None, now).count() //~ E0308
}

pub(crate) fn looking_at_a_client_by_leave_to_list_its_subscriptions(
    broker: &MessageBroker,
    permit: &Permit<ListSubscriptions>,
    now: Timestamp,
) -> bool {
    broker.client(permit, now).is_some() //~ E0308
}

pub(crate) fn ending_a_connection_by_leave_to_look_at_it(
    broker: &mut MessageBroker,
    permit: &Permit<GetConnection>,
    now: Timestamp,
) -> Option<Deleted> {
    broker.delete_connection(permit, false, false, now) //~ E0308
}
