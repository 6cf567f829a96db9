//! Policies and variables of one connection or request, worked out again only when something they
//! depend on has changed.
//!
//! It decides which thing belongs to a connection; what the policies say is decided in `policy/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html>.

use std::sync::Arc;

use super::http_calls::Asks;
use super::propagation::{Pending, Propagation};
use super::requests::Peer;
use crate::names::{ClientId, Scope, TopicName};
use crate::policy::{Action, Context, Decision, Permit, PolicyInForce, RecentlyAllowed, Refusal};
use crate::provisioning::Principal;
use crate::registry::{Registry, policy_of_iam_identities};
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
    pending: Option<Box<Pending>>,
    principal: Arc<Principal>,
    policies: Arc<[PolicyInForce]>,
    context: Context,
    recently: RecentlyAllowed,
}

impl Authorizer {
    /// For an MQTT connection with `client_id`, or an HTTP request without.
    pub(super) fn new(
        sources: Sources<'_>,
        principal: &Arc<Principal>,
        peer: &Peer,
        client_id: Option<&ClientId>,
    ) -> Self {
        let mut authorizer = Self {
            revision: 0,
            pending: None,
            principal: Arc::clone(principal),
            policies: Arc::default(),
            context: Context::new(),
            recently: RecentlyAllowed::default(),
        };
        let context = &mut authorizer.context;
        if let Some(certificate) = principal.certificate() {
            context.set_certificate(certificate);
        }
        context.set_source_ip(peer.address.ip());
        context.set_domain_name(peer.server_name.clone());
        match client_id {
            Some(client_id) => context.set_client_id(client_id),
            None => context.set_https(),
        }
        authorizer.refresh(sources);
        authorizer
    }

    /// Takes in what has changed since: in the registry, or earlier and counts by now.
    pub(super) fn bring_up_to_date(&mut self, sources: Sources<'_>) {
        if self.revision != sources.registry.policy_revision()
            || self.pending.as_ref().is_some_and(|pending| pending.is_over(sources.now))
        {
            self.refresh(sources);
        }
    }

    fn refresh(&mut self, sources: Sources<'_>) {
        let Sources { registry, propagation, now } = sources;
        self.revision = registry.policy_revision();
        self.recently.forget();
        let client_id = self.context.client_id().cloned();
        let Some(target) = self.principal.target() else {
            self.policies = [policy_of_iam_identities()].into();
            if client_id.is_some() {
                self.context.set_no_thing("an IAM identity is attached to no thing".into());
            }
            return;
        };
        let effective = propagation.effective(registry, &target, client_id.as_ref(), now);
        self.policies = effective.standing.policies(client_id.as_ref());
        self.pending = effective.pending.map(Box::new);
        if let Some(client_id) = &client_id {
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
        self.recently.forget();
    }

    /// Says what only this request has, so that nothing allowed before speaks for it.
    pub(super) fn set_request(&mut self, asks: Asks<'_>) {
        match asks {
            Asks::Nothing => return,
            Asks::Topic(topic) => self.context.set_topic(topic),
            Asks::SocketInformation(asked) => self.context.set_include_socket_information(asked),
        }
        self.recently.forget();
    }

    /// The client is connected: what only a CONNECT has is gone.
    pub(super) fn connected(&mut self) {
        self.context.set_connected();
        self.recently.forget();
    }

    /// May it?
    pub(super) fn ask<A: Action>(
        &mut self,
        scope: &Scope,
        resource: A::Resource,
        now: Timestamp,
    ) -> Result<Permit<A>, Refusal> {
        let Self { policies, context, recently, .. } = self;
        recently.authorize::<A>(policies, context, scope, resource, now)
    }

    /// Whether there is a [`Self::caveat`].
    pub(super) const fn has_caveat(&self) -> bool {
        self.pending.is_some()
    }

    /// What is to be known of any decision: that a newer policy does not count yet.
    pub(super) fn caveat(&self) -> Option<String> {
        self.pending.as_deref().map(Pending::why)
    }

    /// All lines that explain `refusal`: also the policies that do not count, or not yet.
    pub(super) fn why(&self, registry: &Registry, refusal: &Refusal) -> Vec<String> {
        let mut lines = refusal.why.clone();
        if refusal.decision == Decision::ImplicitDeny
            && let Some(target) = self.principal.target()
        {
            let question = (&self.context, refusal.action, refusal.resource.as_str());
            lines.extend(registry.groups_left_out(&target, self.context.client_id(), question));
        }
        lines.extend(self.caveat());
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::names::TopicName;
    use crate::pki::CertificateAuthority;
    use crate::policy::Publish;
    use crate::provisioning::{Presentation, present};
    use crate::service_model::read;

    /// Twenty statements, as few letters as the quota for a document wants.
    fn document(policy: usize) -> String {
        let statement = |number: usize| {
            json!({ "Effect": "Allow", "Action": "iot:*",
                    "Resource": format!("arn:aws:iot:*:*:*/{policy}{number}/${{iot:ClientId}}") })
        };
        let statements: Vec<_> = (0..20).map(statement).collect();
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    #[test]
    fn a_session_keeps_512_bytes_to_be_decided_about() {
        let scope = Scope::new("123456789012", "us-east-1");
        let now = Timestamp::from_seconds(1_800_000_000);
        let mut registry = Registry::new(scope.clone(), 7);
        let device = CertificateAuthority::new("CA").issue("sensor-1");
        let certificate = read(
            "RegisterCertificateWithoutCA",
            json!({ "certificatePem": device.certificate_pem(), "status": "ACTIVE" }),
        );
        let certificate = registry.register_certificate_without_ca(certificate.unwrap(), now);
        let arn = certificate.unwrap().certificate_arn;
        for policy in 0..5 {
            let (name, document) = (format!("P{policy}"), document(policy));
            let input = json!({ "policyName": name, "policyDocument": document });
            registry.create_policy(read("CreatePolicy", input).unwrap(), now).unwrap();
            let input = json!({ "policyName": name, "target": arn });
            registry.attach_policy(read("AttachPolicy", input).unwrap()).unwrap();
        }
        let thing = json!({ "thingName": "sensor-1",
                            "attributePayload": { "attributes": { "site": "Berlin" } } });
        registry.create_thing(read("CreateThing", thing).unwrap(), now).unwrap();
        let attachment = json!({ "thingName": "sensor-1", "principal": arn });
        let attachment = read("AttachThingPrincipal", attachment).unwrap();
        registry.attach_thing_principal(attachment).unwrap();
        let address = (IpAddr::from([127, 0, 0, 1]), 50_000).into();
        let peer = Peer {
            address,
            local: address,
            server_name: Some("a1b2c3-ats.iot.us-east-1.amazonaws.com".into()),
            by_name: true,
            protocol: "MQTT",
            ends: None,
        };
        let presentation = Presentation {
            chain: std::slice::from_ref(device.certificate()),
            by_name: true,
            source_ip: peer.address.ip(),
        };
        let principal = Arc::new(present(&mut registry, &presentation, now).unwrap());
        let client_id = ClientId::new("sensor-1");
        let topics: [TopicName; 2] = ["00/sensor-1".into(), "419/sensor-1".into()];

        // Room for the ARN, once a thread.
        let mut propagation = Propagation::new(Duration::ZERO);
        let mut authorizer = || {
            let sources = Sources { registry: &registry, propagation: &mut propagation, now };
            Authorizer::new(sources, &principal, &peer, Some(&client_id))
        };
        let mut other = authorizer();
        assert!(other.ask::<Publish>(&scope, topics[1].clone(), now).is_ok());
        let mut session = None;
        let kept = allocation_counter::measure(|| {
            let mut authorizer = authorizer();
            authorizer.set_connect_attributes(&scope, true, None);
            authorizer.connected();
            for topic in &topics {
                assert!(authorizer.ask::<Publish>(&scope, topic.clone(), now).is_ok());
            }
            session = Some(authorizer);
        });
        let bytes = kept.bytes_current + i64::try_from(size_of::<Authorizer>()).unwrap();
        drop(session);
        assert!(bytes <= 512, "{bytes}, {} of them within", size_of::<Authorizer>());
    }
}
