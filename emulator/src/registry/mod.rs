//! The registry of one account in one Region: CA certificates, certificates, policies, things with
//! their types and groups, provisioning templates, bulk registration tasks, domain configurations,
//! tags, and who is attached to what. Each operation of the AWS API on them is a method of
//! [`Registry`].
//!
//! It decides what AWS answers to an operation and which policies are in force for a certificate.
//! It does not decide what a presented chain means (`provisioning`), what a policy permits
//! (`policy`), or what crosses accounts. Whoever must react to a change (close the connections of a
//! certificate) takes it from [`Registry::take_changes`].
//! Truth: botocore's model of `iot` 2015-05-28 for shapes, and the sources beside each operation.

mod announcements;
mod attributes;
mod billing_groups;
mod ca_certificates;
mod ca_registration;
mod certificate_registration;
mod certificates;
mod domain_configurations;
mod domain_terms;
mod event_configurations;
mod logging;
mod outgoing_certificates;
mod ownership_tokens;
mod paging;
mod policies;
mod policy_attachments;
mod policy_versions;
mod provisioning_claims;
mod provisioning_template_versions;
mod provisioning_templates;
mod references;
mod registration_code;
mod registration_config;
mod registration_reports;
mod shelf;
mod signed_callers;
mod standing;
mod tags;
mod targets;
mod template_body;
mod thing_group_members;
mod thing_groups;
mod thing_principals;
mod thing_registration_tasks;
mod thing_types;
mod things;
mod transfers;
mod trial;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use crate::errors::{ApiError, ErrorCode};
use crate::events::Event;
use crate::names::{
    Arn, BillingGroupName, CertificateId, PolicyName, Scope, TemplateName, ThingGroupName,
    ThingName, ThingTypeName,
};
use crate::pki;
use crate::policy::PolicyInForce;
use crate::time::Timestamp;

pub(crate) use attributes::{AttributePayload, Attributes};
pub(crate) use billing_groups::*;
pub(crate) use ca_certificates::*;
pub(crate) use ca_registration::*;
pub(crate) use certificate_registration::*;
pub(crate) use certificates::*;
pub(crate) use domain_configurations::*;
pub(crate) use domain_terms::DomainTerms;
pub(crate) use logging::*;
pub(crate) use ownership_tokens::{OwnershipToken, TooManyTokens};

pub(crate) use policies::*;
pub(crate) use policy_attachments::*;
pub(crate) use provisioning_claims::*;
pub(crate) use provisioning_templates::*;
pub(crate) use registration_code::*;
#[cfg(test)]
pub(crate) use registration_config::RegistrationConfig;
pub(crate) use signed_callers::policy_of_iam_identities;
pub(crate) use standing::{Standing, Things};
pub(crate) use tags::*;
pub(crate) use targets::Target;
pub(crate) use thing_groups::*;
pub(crate) use thing_principals::*;
pub(crate) use thing_registration_tasks::*;
pub(crate) use thing_types::*;
pub(crate) use things::*;
pub(crate) use transfers::*;
pub(crate) use trial::{TestAuthorizationRequest, TestAuthorizationResponse};
pub(crate) use words::*;

use self::event_configurations::EventConfigurations;
use self::logging::Logging;
use self::ownership_tokens::OwnershipTokens;
use self::shelf::Shelf;
use self::thing_registration_tasks::RegistrationTasks;

/// The registry of one account in one Region.
#[derive(Debug)]
pub(crate) struct Registry {
    scope: Scope,
    seed: u64,
    /// Counts up with everything that is created: the position of a record in lists, and what
    /// makes derived IDs differ.
    last_position: u64,
    registration_codes: RegistrationCodes,
    ca_certificates: Shelf<CertificateId, CaCertificate>,
    // INVARIANT: mirrors the subjects of `ca_certificates`, each in DER.
    ca_certificates_by_subject: BTreeMap<Vec<u8>, Shelf<CertificateId, ()>>,
    certificates: Shelf<CertificateId, CertificateRecord>,
    // INVARIANT: mirrors `CertificateRecord::ca_certificate_id`.
    certificates_by_ca: BTreeMap<CertificateId, Shelf<CertificateId, ()>>,
    // INVARIANT: the certificates that are offered to another account, at their positions.
    outgoing: Shelf<CertificateId, ()>,
    /// What is not here any more since a transfer ended.
    transferred_away: BTreeSet<CertificateId>,
    policies: Shelf<PolicyName, Policy>,
    // INVARIANT: mirrors `Policy::targets`; only `attach` and `detach` change either.
    attached_policies: BTreeMap<Target, Shelf<PolicyName, ()>>,
    things: Shelf<ThingName, Thing>,
    // INVARIANT: mirrors `Thing::principals`; only `thing_principals.rs` changes either.
    principal_things: BTreeMap<Target, Shelf<ThingName, ThingPrincipalType>>,
    domain_configurations: Shelf<String, DomainConfiguration>,
    thing_groups: Shelf<ThingGroupName, ThingGroup>,
    // INVARIANT: mirrors `ThingGroup::things`; only `thing_group_members.rs` changes either. What
    // is in no group is not here.
    groups_of_things: BTreeMap<ThingName, Vec<ThingGroupName>>,
    thing_types: Shelf<ThingTypeName, ThingType>,
    billing_groups: Shelf<BillingGroupName, BillingGroup>,
    provisioning_templates: Shelf<TemplateName, ProvisioningTemplate>,
    provisioning_claims: BTreeMap<CertificateId, ProvisioningClaim>,
    ownership_tokens: OwnershipTokens,
    registration_tasks: RegistrationTasks,
    tags: Tags,
    event_configurations: EventConfigurations,
    logging: Logging,
    changes: Vec<Change>,
    policy_revision: u64,
    /// Whom the last changes concerned that made the revision what it is, oldest first.
    policy_changes: VecDeque<Concerned>,
}

/// So many changes of what policies decide are remembered one by one.
const POLICY_CHANGES: usize = 64;

/// Whom a change concerns that could change a policy decision.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Concerned {
    Everybody,
    Principal(Target),
}

/// What others must know of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Connections that authenticated with the certificate must end.
    CertificateNoLongerActive(CertificateId),
    /// The certificate is gone.
    CertificateDeleted(CertificateId),
    /// The CA certificate is gone: another account may own it in `DEFAULT` mode now.
    CaCertificateDeleted(CertificateId),
    /// AWS publishes an event.
    Event(Event),
}

impl Registry {
    /// The empty registry of `scope`. What AWS draws at random follows from `seed`.
    pub(crate) fn new(scope: Scope, seed: u64) -> Self {
        Self {
            domain_configurations: default_domain_configurations(&scope),
            scope,
            seed,
            last_position: 0,
            registration_codes: RegistrationCodes::default(),
            ca_certificates: Shelf::default(),
            ca_certificates_by_subject: BTreeMap::new(),
            certificates: Shelf::default(),
            certificates_by_ca: BTreeMap::new(),
            outgoing: Shelf::default(),
            transferred_away: BTreeSet::new(),
            policies: Shelf::default(),
            attached_policies: BTreeMap::new(),
            things: Shelf::default(),
            principal_things: BTreeMap::new(),
            thing_groups: Shelf::default(),
            groups_of_things: BTreeMap::new(),
            thing_types: Shelf::default(),
            billing_groups: Shelf::default(),
            provisioning_templates: Shelf::default(),
            provisioning_claims: BTreeMap::new(),
            ownership_tokens: OwnershipTokens::default(),
            registration_tasks: RegistrationTasks::default(),
            tags: Tags::new(),
            event_configurations: EventConfigurations::default(),
            logging: Logging::default(),
            changes: Vec::new(),
            policy_revision: 0,
            policy_changes: VecDeque::new(),
        }
    }

    /// The account and Region.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What changed since the last call, oldest first.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// How many changes nobody has taken yet.
    pub(crate) const fn changes_so_far(&self) -> usize {
        self.changes.len()
    }

    /// Nobody need know of the changes after the first `count`: they were taken back.
    pub(crate) fn forget_changes_since(&mut self, count: usize) {
        self.changes.truncate(count);
    }

    /// Grows with every change that could change a policy decision.
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    //# AWS caches for minutes; since when a change counts is decided in `iot_core/propagation.rs`
    pub(crate) const fn policy_revision(&self) -> u64 {
        self.policy_revision
    }

    /// The principals that changes since `revision` concern; `None` if it may be everybody.
    pub(crate) fn concerned_since(&self, revision: u64) -> Option<BTreeSet<&Target>> {
        let count = usize::try_from(self.policy_revision.saturating_sub(revision)).ok()?;
        let first = self.policy_changes.len().checked_sub(count)?;
        let concerned = self.policy_changes.range(first..).map(|concerned| match concerned {
            Concerned::Everybody => None,
            Concerned::Principal(principal) => Some(principal),
        });
        concerned.collect()
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    //# in force are the default versions of the policies attached to the certificate, and those
    //# attached to the groups of the thing and to all groups above them
    //= https://docs.aws.amazon.com/iot/latest/developerguide/cog-iot-policies.html
    //# an authenticated Amazon Cognito identity needs a policy attached to the identity itself
    //? assumed: the groups of its thing give it nothing
    /// The policies that count for a connection of `principal` whose thing is `thing`, by name as
    /// TestAuthorization lists them: of several that deny, a reason names the first.
    pub(crate) fn policies_in_force(
        &self,
        principal: impl Into<Target>,
        thing: Option<&ThingName>,
    ) -> Vec<PolicyInForce> {
        let principal = principal.into();
        let attached = self.policies_attached_to(&principal);
        let mut policies: Vec<_> =
            attached.map(|policy| policy.in_force(principal.attached_to())).collect();
        let Target::Certificate(certificate) = principal else { return policies };
        if let Some(policy) = self.policy_of_claim(certificate) {
            return vec![policy.clone()];
        }
        let of_groups = thing.into_iter().flat_map(|thing| self.group_policies_of_thing(thing));
        for (group, policy) in of_groups {
            if !policies.iter().any(|known| known.name == policy.name) {
                policies.push(policy.in_force(group.attached_to()));
            }
        }
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        policies
    }

    fn policies_may_decide_differently(&mut self, concerned: Concerned) {
        self.policy_revision += 1;
        if self.policy_changes.len() == POLICY_CHANGES {
            self.policy_changes.pop_front();
        }
        self.policy_changes.push_back(concerned);
    }

    /// The same for whoever is attached to `thing`.
    fn policies_may_decide_differently_for(&mut self, thing: &ThingName) {
        let Some(thing) = self.things.get(thing) else { return };
        for principal in thing.principals.keys().cloned().collect::<Vec<_>>() {
            self.policies_may_decide_differently(Concerned::Principal(principal));
        }
    }

    fn next_position(&mut self) -> u64 {
        self.last_position += 1;
        self.last_position
    }

    /// A digest that follows from the seed, the account, the Region, `kind` and `number`.
    fn derive(&self, kind: &str, number: u64) -> [u8; 32] {
        let Scope { account, region } = &self.scope;
        pki::sha256(format!("{kind}\n{account}\n{region}\n{}\n{number}", self.seed).as_bytes())
    }

    /// A UUID for the record at `position`.
    fn derive_uuid(&self, kind: &str, position: u64) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.derive(kind, position)[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn certificate_arn(&self, id: CertificateId) -> Arn {
        self.scope.iot_arn("cert", id)
    }

    fn already_exists(
        message: impl Into<String>,
        id: impl std::fmt::Display,
        arn: Arn,
    ) -> ApiError {
        ApiError::new(ErrorCode::ResourceAlreadyExistsException, message).with_resource(id, arn)
    }
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateValidity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl CertificateValidity {
    fn of(certificate: &pki::Certificate) -> Self {
        Self { not_before: certificate.not_before(), not_after: certificate.not_after() }
    }
}

#[cfg(test)]
mod tests;
