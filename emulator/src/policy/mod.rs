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
mod context;
mod document;
pub(crate) mod evaluate;
mod explain;
mod glance;
mod json;
mod malformed;
mod members;
mod moment;
mod nearness;
mod network;
mod operator;
mod pattern;
mod recent;
#[cfg(any(test, feature = "internals"))]
mod scrutiny;
#[cfg(any(test, feature = "internals"))]
mod session;
#[cfg(test)]
mod tests;
mod variable;

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub(crate) use action::*;
pub(crate) use context::Context;
pub(crate) use document::Document;
pub(crate) use malformed::MalformedDocument;
pub(crate) use recent::RecentlyAllowed;
#[cfg(any(test, feature = "internals"))]
pub(crate) use scrutiny::scrutinise;
#[cfg(any(test, feature = "internals"))]
pub(crate) use session::Session;

use crate::errors::{ApiError, ErrorCode};
use crate::names::{PolicyName, Scope, TemplateName, ThingGroupName};

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
/// This room alone says of an action that it is one.
pub(crate) trait ByAws: Action + sealed::ByAws {}

impl<A: Action + sealed::ByAws> ByAws for A {}

mod sealed {
    pub(crate) trait ByAws {}
}

impl sealed::ByAws for Publish {}
impl sealed::ByAws for RetainPublish {}
impl sealed::ByAws for GetRetainedMessage {}
impl sealed::ByAws for ListRetainedMessages {}
impl sealed::ByAws for DeleteConnection {}
impl sealed::ByAws for GetConnection {}
impl sealed::ByAws for ListSubscriptions {}
impl sealed::ByAws for SendDirectMessage {}

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

/// A version of a policy: read once, and shared by all for whom it counts.
#[derive(Debug)]
pub(crate) struct PolicyVersion {
    pub(crate) name: PolicyName,
    pub(crate) version_id: u64,
    pub(crate) document: Document,
}

/// A policy version that counts for a principal.
#[derive(Clone, Debug)]
pub(crate) struct PolicyInForce {
    version: Arc<PolicyVersion>,
    pub(crate) attached_to: AttachedTo,
}

impl PolicyInForce {
    /// `version` counts because it is attached to `attached_to`.
    pub(crate) const fn new(version: Arc<PolicyVersion>, attached_to: AttachedTo) -> Self {
        Self { version, attached_to }
    }

    /// Whether it is the same version of the same policy, from the same place. A policy that was
    /// deleted and made again is another one.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.version, &other.version) && self.attached_to == other.attached_to
    }
}

impl Deref for PolicyInForce {
    type Target = PolicyVersion;

    fn deref(&self) -> &PolicyVersion {
        &self.version
    }
}

/// Why a policy counts for a principal: what it is attached to. Small, as every session has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttachedTo {
    Certificate,
    ThingGroup(Box<ThingGroupName>),
    /// It comes with a claim for this template.
    ProvisioningClaim(Box<TemplateName>),
    /// An Amazon Cognito identity.
    Identity,
    IamIdentity,
    /// Nothing: TestAuthorization adds it.
    PolicyNamesToAdd,
}

impl fmt::Display for AttachedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate => f.write_str("the certificate"),
            Self::ThingGroup(name) => write!(f, "thing group `{name}`"),
            Self::ProvisioningClaim(name) => write!(f, "the provisioning claim for `{name}`"),
            Self::Identity => f.write_str("the identity"),
            Self::IamIdentity => f.write_str("the IAM identity"),
            Self::PolicyNamesToAdd => f.write_str("policyNamesToAdd"),
        }
    }
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

/// As the trace says it, after `refused`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)
    }
}

impl Refusal {
    /// Why `decision` was made, unless it allows `action` on `arn`.
    pub(crate) fn of(
        policies: &[PolicyInForce],
        context: &Context,
        action: &'static str,
        arn: &str,
        decision: Decision,
    ) -> Option<Self> {
        (decision != Decision::Allowed).then(|| {
            let why = explain::Question { policies, context, action, arn }.why(decision);
            Self { action, resource: arn.to_owned(), decision, why }
        })
    }
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
    let refusal = Refusal::of(policies, context, A::NAME, &arn, decision);
    ARN.set(arn);
    match refusal {
        None => Ok(Permit { resource }),
        Some(refusal) => Err(refusal),
    }
}
