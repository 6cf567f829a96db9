//! [`Standing`]: what the registry says of one principal at one moment, as far as policies go.
//!
//! It decides which policies are in force with which client ID, which thing belongs to a
//! connection, and tells why none does. What the policies say is decided in `policy/`; since when a
//! standing counts, in `iot_core/propagation.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html>.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::names::{ClientId, ThingName, ThingTypeName};
use crate::policy::evaluate::evaluate;
use crate::policy::{AttachedTo, Context, Decision, PolicyInForce};

use super::{Attributes, Registry, Target};

/// So many things of a principal are named where it is told why a connection is none of them:
/// whole fleets share a certificate.
const NAMED_THINGS: usize = 10;

/// Which things of a principal a [`Standing`] knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Things<'a> {
    /// The one that a connection with this client ID is; none over HTTPS.
    Of(Option<&'a ClientId>),
    /// All, for whichever client ID comes.
    All,
}

/// What counts for a principal: its policies, and its things with the policies of their groups.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    alone: InForce,
    things: BTreeMap<ThingName, AssociatedThing>,
    exclusive: Option<ThingName>,
    /// The principal, as the trace says it.
    whom: AttachedTo,
    /// The first things that it is attached to, and one more than are named.
    attached: Vec<ThingName>,
}

/// A thing, as policies see it.
#[derive(Clone, Debug, PartialEq)]
struct AssociatedThing {
    thing_type: Option<ThingTypeName>,
    attributes: Attributes,
    in_force: InForce,
}

/// Policies that count together.
#[derive(Clone, Debug)]
struct InForce(Arc<[PolicyInForce]>);

/// Whether they are the same versions of the same policies, from the same place.
impl PartialEq for InForce {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&*other.0).all(|(a, b)| a.is_the_same_as(b))
    }
}

impl Standing {
    /// The policies that count for a connection with `client_id`, or for an HTTPS request.
    pub(crate) fn policies(&self, client_id: Option<&ClientId>) -> Arc<[PolicyInForce]> {
        let thing = client_id.and_then(|client_id| self.thing(client_id));
        Arc::clone(&thing.map_or(&self.alone, |(_, thing)| &thing.in_force).0)
    }

    /// Sets the variables of the thing that a connection with `client_id` is.
    pub(crate) fn set_thing_variables(&self, context: &mut Context, client_id: &ClientId) {
        match self.thing(client_id) {
            Some((name, thing)) => {
                let attributes = thing.attributes.shared();
                context.set_thing(name.clone(), thing.thing_type.clone(), attributes);
            }
            None => context.set_no_thing(self.why_no_thing(client_id).into()),
        }
    }

    fn thing(&self, client_id: &ClientId) -> Option<(&ThingName, &AssociatedThing)> {
        let by_name = self.things.get_key_value(client_id.as_str());
        by_name.or_else(|| self.things.get_key_value(self.exclusive.as_ref()?))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    //# thing variables need a client ID that is the name of a thing the certificate is attached to
    pub(super) fn why_no_thing(&self, client_id: &ClientId) -> String {
        if self.attached.is_empty() {
            return format!("{} is attached to no thing", self.whom);
        }
        let named = self.attached.iter().take(NAMED_THINGS).map(|name| format!("`{name}`"));
        let others = if self.attached.len() > NAMED_THINGS { " and others" } else { "" };
        format!(
            "the client ID `{client_id}` differs from the thing name: {} is attached to {}{others}",
            self.whom,
            named.collect::<Vec<_>>().join(", ")
        )
    }
}

impl Registry {
    /// What counts for `principal` now.
    pub(crate) fn standing(&self, principal: &Target, things: Things<'_>) -> Standing {
        let alone = InForce(self.policies_in_force(principal, None).into());
        let read = |name: &ThingName| {
            let thing = self.thing(name)?;
            let grouped = self.group_policies_of_thing(name).next().is_some();
            let in_force = if grouped {
                InForce(self.policies_in_force(principal, Some(name)).into())
            } else {
                alone.clone()
            };
            let thing = AssociatedThing {
                thing_type: thing.thing_type().cloned(),
                attributes: thing.attributes.clone(),
                in_force,
            };
            Some((name.clone(), thing))
        };
        let things = match things {
            Things::All => self.things_of_principal(principal).filter_map(read).collect(),
            Things::Of(client_id) => {
                let thing = client_id.and_then(|id| self.associated_thing(principal, id));
                thing.as_ref().and_then(read).into_iter().collect()
            }
        };
        let attached = self.things_of_principal(principal).take(NAMED_THINGS + 1).cloned();
        Standing {
            whom: principal.attached_to(),
            attached: attached.collect(),
            exclusive: self.exclusive_thing(principal).cloned(),
            things,
            alone,
        }
    }

    /// Whether there is somebody of whom a [`Standing`] tells something.
    pub(crate) fn has_standing(&self, principal: &Target) -> bool {
        match principal {
            Target::Certificate(id) => {
                self.certificate(*id).is_some() || self.policy_of_claim(*id).is_some()
            }
            Target::CognitoIdentity(_) | Target::ThingGroup(_) => true,
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    //# for a group's policy to take effect, the client ID and the thing name must match
    //? assumed: over HTTPS no thing belongs to a request, not even one that the certificate is
    //? attached to exclusively: the guide speaks of MQTT connections
    /// Why a policy of a thing group that would allow `action` on `resource` does not count, in
    /// lines for the trace. It looks far, so it is asked for refusals only.
    pub(crate) fn groups_left_out(
        &self,
        principal: &Target,
        client_id: Option<&ClientId>,
        (context, action, resource): (&Context, &str, &str),
    ) -> Vec<String> {
        if client_id.is_some_and(|id| self.associated_thing(principal, id).is_some()) {
            return Vec::new();
        }
        let same_name = client_id.and_then(|id| self.things.get(id.as_str())).map(|it| &it.name);
        let own = self.things_of_principal(principal).take(NAMED_THINGS);
        let alone = self.policies_in_force(principal, None);
        let of_group = |policy: &PolicyInForce| alone.iter().all(|own| own.name != policy.name);
        let mut lines = Vec::new();
        for name in own.chain(same_name) {
            let Some(thing) = self.thing(name) else { continue };
            let mut context = context.clone();
            let attributes = thing.attributes.shared();
            context.set_thing(name.clone(), thing.thing_type().cloned(), attributes);
            let policies = self.policies_in_force(principal, Some(name));
            let said = evaluate(&policies, &context, action, resource);
            let allowing = said.allowed_by.iter().find(|policy| of_group(policy));
            let Some(policy) = allowing.filter(|_| said.decision == Decision::Allowed) else {
                continue;
            };
            let line = format!(
                "policies of {} are not in force because no thing belongs to the {}",
                policy.attached_to,
                if client_id.is_some() { "connection" } else { "request" }
            );
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        if !lines.is_empty() {
            lines.push(match client_id {
                Some(client_id) => {
                    let standing = self.standing(principal, Things::Of(Some(client_id)));
                    standing.why_no_thing(client_id)
                }
                None => "a thing belongs to an MQTT connection, never to a request over HTTPS"
                    .to_owned(),
            });
        }
        lines
    }
}
