//! Policies and variables of one connection or request, worked out again only when something they
//! depend on has changed.
//!
//! It decides which thing belongs to a connection; what the policies say is decided in `policy/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html>.

use super::requests::Peer;
use crate::names::{ClientId, Scope, TopicName};
use crate::policy::{
    Action, Context, NO_CERTIFICATE, Permit, PolicyInForce, RecentlyAllowed, Refusal,
};
use crate::provisioning::Principal;
use crate::registry::{Registry, policy_of_iam_identities};
use crate::time::Timestamp;

/// What the checks of one connection need.
#[derive(Debug)]
pub(super) struct Authorizer {
    /// The registry's revision that the rest was worked out from.
    revision: u64,
    policies: Vec<PolicyInForce>,
    context: Context,
    /// Counts the contexts up, so that what an older one allowed is asked again.
    generation: u64,
    recently: RecentlyAllowed,
}

impl Authorizer {
    /// For an MQTT connection with `client_id`, or an HTTP request without.
    pub(super) fn new(
        registry: &Registry,
        principal: &Principal,
        peer: &Peer,
        client_id: Option<&ClientId>,
    ) -> Self {
        let mut authorizer = Self {
            revision: 0,
            policies: Vec::new(),
            context: Context::new(),
            generation: 0,
            recently: RecentlyAllowed::default(),
        };
        let context = &mut authorizer.context;
        match principal.certificate() {
            Some(certificate) => context.set_certificate(certificate, certificate.id()),
            None => {
                for name in ["iot:Certificate.", "iot:CertificateId"] {
                    context.absent(name, NO_CERTIFICATE);
                }
            }
        }
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
        authorizer.refresh(registry, principal, client_id);
        authorizer
    }

    /// Takes in what has changed in the registry since.
    pub(super) fn refresh(
        &mut self,
        registry: &Registry,
        principal: &Principal,
        client_id: Option<&ClientId>,
    ) {
        self.revision = registry.policy_revision();
        self.generation += 1;
        let Some(target) = principal.target() else {
            self.policies = vec![policy_of_iam_identities()];
            if client_id.is_some() {
                self.context.set_no_thing("an IAM identity is attached to no thing");
            }
            return;
        };
        let thing = client_id.and_then(|client_id| registry.associated_thing(&target, client_id));
        self.policies = registry.policies_in_force(&target, thing.as_ref());
        if let Some(client_id) = client_id {
            registry.set_thing_variables(&mut self.context, &target, client_id);
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

    /// Whether the registry has changed since.
    pub(super) fn is_stale(&self, registry: &Registry) -> bool {
        self.revision != registry.policy_revision()
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
}
