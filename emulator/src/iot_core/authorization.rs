//! Policies and variables of one connection or request, worked out again only when something they
//! depend on has changed.
//!
//! It decides which thing belongs to a connection; what the policies say is decided in `policy/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html>.

use std::sync::Arc;

use super::propagation::{Pending, Propagation};
use super::requests::Peer;
use crate::names::{CertificateId, ClientId, Scope, TopicName};
use crate::policy::{Action, Context, Decision, Permit, PolicyInForce, RecentlyAllowed, Refusal};
use crate::provisioning::Principal;
use crate::registry::Registry;
use crate::time::Timestamp;

/// Where an [`Authorizer`] learns what counts, and when it asks.
pub(super) struct Sources<'a> {
    pub(super) registry: &'a Registry,
    pub(super) propagation: &'a mut Propagation,
    pub(super) now: Timestamp,
}

/// What the checks of one connection need.
#[derive(Debug)]
pub(super) struct Authorizer {
    /// The registry's revision that the rest was worked out from.
    revision: u64,
    /// A change that counts only later.
    pending: Option<Pending>,
    certificate: CertificateId,
    /// None over HTTPS.
    client_id: Option<ClientId>,
    policies: Arc<[PolicyInForce]>,
    context: Context,
    /// Counts the contexts up, so that what an older one allowed is asked again.
    generation: u64,
    recently: RecentlyAllowed,
}

impl Authorizer {
    /// For an MQTT connection with `client_id`, or an HTTP request without.
    pub(super) fn new(
        sources: Sources<'_>,
        principal: &Principal,
        peer: &Peer,
        client_id: Option<&ClientId>,
    ) -> Self {
        let mut authorizer = Self {
            revision: 0,
            pending: None,
            certificate: principal.certificate_id(),
            client_id: client_id.cloned(),
            policies: Arc::default(),
            context: Context::new(),
            generation: 0,
            recently: RecentlyAllowed::default(),
        };
        let context = &mut authorizer.context;
        context.set_certificate(principal.certificate(), principal.certificate_id());
        context.set_source_ip(peer.address.ip());
        match &peer.server_name {
            Some(name) => context.set("iot:DomainName", name.as_str()),
            None => context.absent("iot:DomainName", "the client sent no host name in SNI"),
        }
        //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        //# aws:SecureTransport tells whether TLS was used; there is no door without it
        context.set("aws:SecureTransport", "true");
        match client_id {
            Some(client_id) => context.set_client_id(client_id),
            None => context.set_https(),
        }
        authorizer.refresh(sources);
        authorizer
    }

    /// Takes in what has changed since.
    pub(super) fn refresh(&mut self, sources: Sources<'_>) {
        let Sources { registry, propagation, now } = sources;
        self.revision = registry.policy_revision();
        self.generation += 1;
        let client_id = self.client_id.as_ref();
        let effective = propagation.effective(registry, self.certificate, client_id, now);
        self.policies = effective.standing.policies(client_id);
        self.pending = effective.pending;
        if let Some(client_id) = client_id {
            effective.standing.set_thing_variables(&mut self.context, client_id);
        }
    }

    /// Says what only a CONNECT has; afterwards it has it no longer.
    pub(super) fn set_connect_attributes(
        &mut self,
        scope: &Scope,
        persistent: bool,
        last_will: Option<&TopicName>,
    ) {
        self.context.set_connect_attributes(scope, persistent, last_will);
        self.generation += 1;
    }

    /// The client is connected: what only a CONNECT has is gone.
    pub(super) fn connected(&mut self) {
        self.context.set_connected();
        self.generation += 1;
    }

    /// Whether the registry has changed since, or an earlier change counts by `now`.
    pub(super) fn is_stale(&self, registry: &Registry, now: Timestamp) -> bool {
        self.revision != registry.policy_revision()
            || self.pending.as_ref().is_some_and(|pending| pending.is_over(now))
    }

    /// May it?
    pub(super) fn ask<A: Action>(
        &mut self,
        scope: &Scope,
        resource: A::Resource,
        now: Timestamp,
    ) -> Result<Permit<A>, Refusal> {
        self.context.set_now(now);
        let Self { policies, context, generation, recently, .. } = self;
        recently.authorize::<A>(*generation, policies, context, scope, resource)
    }

    /// What is to be known of any decision: that a newer policy does not count yet.
    pub(super) fn caveat(&self) -> Option<String> {
        self.pending.as_ref().map(Pending::why)
    }

    /// All lines that explain `refusal`: also the policies that do not count, or not yet.
    pub(super) fn why(&self, registry: &Registry, refusal: &Refusal) -> Vec<String> {
        let mut lines = refusal.why.clone();
        if refusal.decision == Decision::ImplicitDeny {
            let question = (&self.context, refusal.action, refusal.resource.as_str());
            let client_id = self.client_id.as_ref();
            lines.extend(registry.groups_left_out(self.certificate, client_id, question));
        }
        lines.extend(self.caveat());
        lines
    }
}
