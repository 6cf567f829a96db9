//! What would let somebody past the policies, each line of which the compiler must refuse.
//!
//! `tests/permits.rs` compiles this as a room of the crate, beside the others, and holds the
//! compiler's errors against the comments `//~`. What has no such comment must be right.

use crate::message_broker::{
    ConnectionId, Delivery, MessageBroker, Publication, SubscribeError, SubscribeOptions,
};
use crate::message::QoS;
use crate::names::{ClientId, Scope, TopicFilter, TopicName};
use crate::policy::{
    Connect, Context, Permit, PolicyInForce, Publish, Receive, Refusal, Subscribe, authorize,
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
) -> Result<QoS, SubscribeError> {
    broker.subscribe(connection, filter, options, now) //~ E0308
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
