//! A permit that nobody gave. The compiler looks at private fields last, when all else is right.

use crate::names::TopicName;
use crate::policy::{Permit, Publish};

pub(crate) fn made_by_hand(topic: TopicName) -> Permit<Publish> {
    Permit { resource: topic } //~ E0451
}

pub(crate) fn taken_apart(permit: Permit<Publish>) -> TopicName {
    let Permit { resource } = permit; //~ E0451
    resource
}
