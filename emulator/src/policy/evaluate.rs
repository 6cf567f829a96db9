//! What the policies in force say of one action on one resource.
//!
//! Two readings of one rule: [`decide`] answers at once and keeps nothing, [`evaluate`] names every
//! policy that had a say, as TestAuthorization reports it. A test holds them to each other.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html>.

use std::collections::BTreeSet;

use super::context::Context;
use super::document::{Effect, Statement};
use super::{Decision, PolicyInForce};

/// What each of the policies has to say.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    pub(crate) decision: Decision,
    /// The policies with a statement that allows it.
    pub(crate) allowed_by: Vec<&'a PolicyInForce>,
    /// The policies with a statement that denies it.
    pub(crate) explicitly_denied_by: Vec<&'a PolicyInForce>,
    /// The policies that say neither.
    pub(crate) implicitly_denied_by: Vec<&'a PolicyInForce>,
    /// The variables that statements on this action need and that have no value.
    pub(crate) missing_context_values: BTreeSet<String>,
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
//# nothing is allowed that no statement allows, and a statement that denies overrides all others
/// The decision on the action at `place` in `KNOWN`.
pub(super) fn decide(
    policies: &[PolicyInForce],
    context: &Context,
    place: u8,
    arn: &str,
) -> Decision {
    let mut allowed = false;
    for policy in policies {
        for statement in policy.document.speaking_of(place, arn) {
            if allowed && statement.effect == Effect::Allow {
                continue;
            }
            if applies_to_resource(statement, context, arn) {
                match statement.effect {
                    Effect::Deny => return Decision::ExplicitDeny,
                    Effect::Allow => allowed = true,
                }
            }
        }
    }
    if allowed { Decision::Allowed } else { Decision::ImplicitDeny }
}

/// Everything that the policies say of `action`, any action there is, on the resource `arn`.
pub(crate) fn evaluate<'a>(
    policies: &'a [PolicyInForce],
    context: &Context,
    action: &str,
    arn: &str,
) -> Evaluation<'a> {
    let action = action.to_ascii_lowercase();
    let mut evaluation = Evaluation {
        decision: Decision::ImplicitDeny,
        allowed_by: Vec::new(),
        explicitly_denied_by: Vec::new(),
        implicitly_denied_by: Vec::new(),
        missing_context_values: BTreeSet::new(),
    };
    for policy in policies {
        let (mut allows, mut denies) = (false, false);
        for statement in policy.document.statements() {
            if !statement.actions.covers(&action, context) {
                continue;
            }
            let missing = statement.missing(context).map(|name| name.written().to_owned());
            evaluation.missing_context_values.extend(missing);
            let applies = applies_to_resource(statement, context, arn);
            allows |= applies && statement.effect == Effect::Allow;
            denies |= applies && statement.effect == Effect::Deny;
        }
        if allows {
            evaluation.allowed_by.push(policy);
        }
        if denies {
            evaluation.explicitly_denied_by.push(policy);
        }
        if !allows && !denies {
            evaluation.implicitly_denied_by.push(policy);
        }
    }
    if !evaluation.explicitly_denied_by.is_empty() {
        evaluation.decision = Decision::ExplicitDeny;
    } else if !evaluation.allowed_by.is_empty() {
        evaluation.decision = Decision::Allowed;
    }
    evaluation
}

/// Whether a statement that speaks of the action also speaks of the resource, here and now.
pub(super) fn applies_to_resource(statement: &Statement, context: &Context, arn: &str) -> bool {
    statement.resources.covers(arn, context) && statement.conditions_hold(context)
}
