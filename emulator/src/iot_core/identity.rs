//! A presented chain becomes a `Principal`; or it is rejected, traced, and what follows from it is
//! set going: the registered event, the provisioning template.
//!
//! What a chain means is decided in `provisioning/`.

use std::sync::Arc;

use super::log::authentication_error;
use super::publishing::Origin;
use super::requests::Peer;
use super::{IotCore, State};
use crate::events::CertificateRegistered;
use crate::message_broker::DisconnectReason;
use crate::names::{ClientId, Scope};
use crate::pki::Certificate;
use crate::provisioning::{self, Presentation, Principal, ProvisioningEffect, Rejected};
use crate::registry::Change;
use crate::time::Timestamp;
use crate::trace::Entry;

/// The client is nobody: hang up. Why stands in the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unknown;

impl IotCore {
    /// Who is this? Asked for each CONNECT and each HTTP request.
    pub(crate) fn present(
        &self,
        chain: &[Certificate],
        peer: &Peer,
        client_id: Option<&ClientId>,
    ) -> Result<Arc<Principal>, Unknown> {
        let presentation =
            Presentation { chain, by_name: peer.by_name, source_ip: peer.address.ip() };
        let now = self.now();
        let mut state = self.state();
        let rejected = match provisioning::present(&mut state.registry, &presentation, now) {
            // Nothing follows from an answer that changed nothing.
            Ok(principal) => return Ok(Arc::new(principal)),
            Err(rejected) => rejected,
        };
        let unknown = state.reject(self.scope(), *rejected, peer, client_id, now);
        self.unlock(state, now);
        Err(unknown)
    }
}

impl State {
    fn reject(
        &mut self,
        scope: &Scope,
        rejected: Rejected,
        peer: &Peer,
        client_id: Option<&ClientId>,
        now: Timestamp,
    ) -> Unknown {
        let rejection = rejected.rejection;
        let mut entry = authentication_error(scope, peer, "AWS_X509", rejection.reason);
        if let Some(client_id) = client_id.filter(|id| !id.as_str().is_empty()) {
            entry = entry.member("clientId", client_id);
        }
        if let Some(certificate_id) = rejection.certificate_id {
            entry = entry.member("principalId", certificate_id);
        }
        let mut effects = rejected.effects;
        let held_back = self.templates.hold_back(&mut effects, now);
        self.note(entry.why(rejection.why).why(held_back).answer("disconnects"));
        for effect in effects {
            self.set_going(scope, effect, client_id, now);
        }
        Unknown
    }

    fn set_going(
        &mut self,
        scope: &Scope,
        effect: ProvisioningEffect,
        client_id: Option<&ClientId>,
        now: Timestamp,
    ) {
        match effect {
            ProvisioningEffect::RegisteredEvent {
                certificate_id,
                ca_certificate_id,
                registration_timestamp,
                source_ip,
                ..
            } => {
                let event = CertificateRegistered {
                    certificate_id,
                    ca_certificate_id,
                    account: &scope.account,
                    registered: registration_timestamp,
                    source_ip,
                    at: now,
                };
                //= https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
                //# a rule on the event can ask clientid() for the client that connected
                let origin = Origin {
                    client_id: client_id.filter(|id| !id.as_str().is_empty()),
                    principal: Some(&certificate_id),
                    source_ip: Some(source_ip),
                };
                let entry = Entry::success(scope, "RegisterCertificateJustInTime");
                let entry = entry.member("principalId", certificate_id);
                self.note(entry.member("caCertificateId", ca_certificate_id));
                //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-events.html
                //# an event is published once at least, and in no order that is promised
                //? assumed: with QoS 0, exactly once and in order
                self.emit(scope, Some(event.event()), &origin, now);
            }
            ProvisioningEffect::Provision { certificate_id, .. } => {
                self.run_template(scope, certificate_id);
            }
        }
    }

    /// Ends the connections of certificates that are no longer ACTIVE.
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html
    //# moving a certificate from ACTIVE disconnects all devices that use it
    pub(super) fn react_to_changes(&mut self, scope: &Scope, now: Timestamp) {
        for change in self.registry.take_changes() {
            let id = match change {
                Change::CertificateNoLongerActive(id) => id,
                Change::CertificateDeleted(id) => {
                    self.templates.ran(id);
                    id
                }
                Change::CaCertificateDeleted(id) => {
                    self.after.released.push(id);
                    continue;
                }
                Change::Event(event) => {
                    self.emit(scope, Some(event), &Origin::default(), now);
                    continue;
                }
            };
            for connection in self.broker.connections_of(&id.to_string()) {
                let why = "its certificate is no longer ACTIVE";
                self.end(scope, connection, DisconnectReason::AuthError, Some(why), now);
            }
        }
    }
}
