//! May this principal do this? The answer is a [`Permit`], or a [`Refusal`] that says why.
//!
//! It decides by the policies in force and the values of the policy variables. Which policies are
//! in force, which thing belongs to a connection, and what the other side sees of a refusal are
//! decided elsewhere. Nobody else can make a `Permit`, so a forgotten check does not compile.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html>, and where it
//! refers to IAM, <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies.html>.

mod action;
mod certificate;
mod condition;
#[cfg(test)]
mod condition_tests;
mod context;
mod document;
#[cfg(test)]
mod document_tests;
pub(crate) mod evaluate;
mod explain;
mod json;
mod malformed;
mod members;
mod moment;
mod network;
mod operator;
mod pattern;
mod recent;
#[cfg(any(test, feature = "internals"))]
mod scrutiny;
#[cfg(test)]
mod tests;
mod variable;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

pub(crate) use action::*;
pub(crate) use context::Context;
pub(crate) use document::Document;
pub(crate) use malformed::MalformedDocument;
pub(crate) use recent::RecentlyAllowed;
#[cfg(any(test, feature = "internals"))]
pub(crate) use scrutiny::scrutinise;

use crate::errors::{ApiError, ErrorCode};
use crate::names::{PolicyName, Scope};

/// Leave to do `A` to one resource, once. Only this module makes one.
// INVARIANT: the field stays private. Outside tests, a permit comes from `authorize`, from what
// `recent` remembers of it, or from `of_aws`; no other module of this room makes one.
#[must_use]
pub(crate) struct Permit<A: Action> {
    resource: A::Resource,
}

impl<A: Action> Permit<A> {
    /// What may be acted on.
    pub(crate) fn resource(&self) -> &A::Resource {
        &self.resource
    }

    /// Spends the permit for its resource.
    pub(crate) fn into_resource(self) -> A::Resource {
        self.resource
    }

    /// A permit out of thin air, for tests of the rooms that demand one.
    #[cfg(test)]
    pub(crate) fn of_test(resource: A::Resource) -> Self {
        Self { resource }
    }
}

/// What AWS itself does (events, republish actions), and callers of the AWS API, who may do all.
pub(crate) trait ByAws: Action {}

impl ByAws for Publish {}
impl ByAws for RetainPublish {}
impl ByAws for GetRetainedMessage {}
impl ByAws for ListRetainedMessages {}
impl ByAws for DeleteConnection {}
impl ByAws for GetConnection {}
impl ByAws for ListSubscriptions {}

impl<A: ByAws> Permit<A> {
    /// AWS does it, or somebody who may do all.
    pub(crate) fn of_aws(resource: A::Resource) -> Self {
        Self { resource }
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit<{}>({})", A::NAME, A::resource_name(&self.resource))
    }
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html
//# a document that is no policy is refused with MalformedPolicyException
impl From<MalformedDocument> for ApiError {
    fn from(malformed: MalformedDocument) -> Self {
        Self::new(ErrorCode::MalformedPolicyException, malformed.to_string())
    }
}

/// A policy version that counts for a principal.
#[derive(Clone, Debug)]
pub(crate) struct PolicyInForce {
    pub(crate) name: PolicyName,
    pub(crate) version_id: String,
    pub(crate) document: Arc<Document>,
    /// As the trace says it: `the certificate`, `thing group G`.
    pub(crate) attached_to: String,
}

/// What the policies say, in the words of TestAuthorization's `authDecision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Some statement allows it and none denies it.
    Allowed,
    /// Some statement denies it.
    ExplicitDeny,
    /// No statement speaks of it.
    ImplicitDeny,
}

/// An action that was not permitted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Such as `iot:Publish`.
    pub(crate) action: &'static str,
    /// The full ARN.
    pub(crate) resource: String,
    pub(crate) decision: Decision,
    /// Lines for the trace.
    pub(crate) why: Vec<String>,
}

thread_local! {
    /// Room for the ARN of a request, so that a decision allocates nothing.
    static ARN: Cell<String> = const { Cell::new(String::new()) };
}

/// Whether the policies let `A` be done to `resource` in `scope`.
pub(crate) fn authorize<A: Action>(
    policies: &[PolicyInForce],
    context: &Context,
    scope: &Scope,
    resource: A::Resource,
) -> Result<Permit<A>, Refusal> {
    let mut arn = ARN.take();
    A::write_resource_arn(scope, &resource, &mut arn);
    let decision = evaluate::decide(policies, context, A::PLACE, &arn);
    let refusal = (decision != Decision::Allowed).then(|| {
        let question = explain::Question { policies, context, action: A::NAME, arn: &arn };
        let why = question.why(decision);
        Refusal { action: A::NAME, resource: arn.clone(), decision, why }
    });
    ARN.set(arn);
    match refusal {
        None => Ok(Permit { resource }),
        Some(refusal) => Err(refusal),
    }
}
