//! What a run of a template did, so that it can be taken back.
//!
//! Truth: <https://github.com/ministackorg/ministack/pull/1755>: nothing is changed by a request of
//! fleet provisioning that is rejected.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::names::ThingName;
use crate::registry::{PolicyTargetRequest, Registry, ThingBefore};
use crate::service_model::read;
use crate::time::Timestamp;

/// One step that was done.
#[derive(Debug)]
pub(super) enum Undo {
    /// A thing, with its groups and billing group.
    MakeThing(String),
    /// A thing that existed has another type or other attributes.
    ChangeThing(ThingName, Option<Box<ThingBefore>>),
    /// A thing is in a group.
    Join(String, String),
    /// A thing is in a group no more.
    Leave(String, String),
    MakePolicy(String),
    Attach(PolicyTargetRequest),
    AttachToThing {
        thing: String,
        principal: String,
    },
}

/// The steps that were done, oldest first.
#[derive(Debug, Default)]
pub(super) struct Journal(Vec<Undo>);

impl Journal {
    /// Remembers a step.
    pub(super) fn will_undo(&mut self, step: Undo) {
        self.0.push(step);
    }

    /// Takes back every step, the last first.
    pub(super) fn undo(&mut self, registry: &mut Registry, now: Timestamp) {
        for step in self.0.drain(..).rev() {
            // INVARIANT: in this order nothing hinders: what was made last depends on the rest.
            let _undone = step.undo(registry, now);
        }
    }
}

impl Undo {
    /// Whatever may be changed of the thing `name`.
    pub(super) fn change(registry: &Registry, name: &ThingName) -> Self {
        Self::ChangeThing(name.clone(), registry.thing_before(name).map(Box::new))
    }

    fn undo(self, registry: &mut Registry, now: Timestamp) -> Result<(), ApiError> {
        let member = |group: String, thing: String| -> Value {
            json!({ "thingGroupName": group, "thingName": thing })
        };
        match self {
            Self::MakeThing(thing) => {
                let input = read("DeleteThing", json!({ "thingName": thing }))?;
                registry.delete_thing(input, now)
            }
            Self::ChangeThing(name, before) => {
                if let Some(before) = before {
                    registry.put_back(&name, *before);
                }
                Ok(())
            }
            Self::Join(thing, group) => {
                let input = read("RemoveThingFromThingGroup", member(group, thing))?;
                registry.remove_thing_from_thing_group(input, now).map(drop)
            }
            Self::Leave(thing, group) => {
                let input = read("AddThingToThingGroup", member(group, thing))?;
                registry.add_thing_to_thing_group(input, now).map(drop)
            }
            Self::MakePolicy(name) => {
                registry.delete_policy(read("DeletePolicy", json!({ "policyName": name }))?)
            }
            Self::Attach(input) => registry.detach_policy(input),
            Self::AttachToThing { thing, principal } => {
                let input = json!({ "thingName": thing, "principal": principal });
                registry.detach_thing_principal(read("DetachThingPrincipal", input)?)
            }
        }
    }
}
