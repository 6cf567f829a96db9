//! Fleet provisioning over MQTT: requests that connected clients publish, and the replies that they
//! get.
//!
//! What a request may have is decided in `provisioning`; keys and the hook are awaited outside
//! (`cloud/fleet_provisioning.rs`), which then calls back here. A reply goes to the connection that
//! asked, and to nobody else.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html>.

use std::sync::Arc;

use bytes::Bytes;

use super::held::Held;
use super::log::Who;
use super::{IotCore, State};
use crate::device_keys;
use crate::message::QoS;
use crate::message_broker::{Answered, ConnectionFacts, Publication};
use crate::names::{Scope, TopicName};
use crate::outbox::{Effect, FleetCall};
use crate::policy::{Permit, Publish};
use crate::provisioning::{
    CertificateReply, FleetCaller, FleetOperation, FleetRejection, FleetReply, FleetRequest,
    HookCall, HookOutcome, Registering,
};
use crate::registry::OwnershipToken;
use crate::time::Timestamp;
use crate::trace::Entry;

impl Held<'_> {
    /// The client published to a topic of fleet provisioning.
    pub(super) fn ask_fleet_provisioning(&mut self, topic: &TopicName, payload: &[u8]) {
        let Some(request) = FleetRequest::of(topic) else { return };
        let facts = Arc::clone(&self.facts);
        let Some(room) = self.state.fleet_waiting.room(payload) else {
            let why = "the requests that wait for an answer hold too much already";
            let rejection = FleetRejection::too_many_requests(why);
            let (scope, now) = (self.scope, self.now);
            return self.state.reject_fleet_request(scope, &request, &facts, &rejection, now);
        };
        // A copy, so that one small request does not keep all that came with it.
        let payload = Bytes::copy_from_slice(payload);
        let call = FleetCall::new(room, self.scope.clone(), request, facts, payload);
        self.state.after.effects.push(Effect::ProvisionFleet(Box::new(call)));
    }
}

impl IotCore {
    /// `CreateKeysAndCertificate` over MQTT. The key is there before the lock is taken.
    pub(crate) fn create_keys_for(&self, call: &FleetCall) {
        let keys = device_keys::take();
        let certificate = device_keys::issuer().issue(&keys.spki(), self.now());
        self.locked(|state, now| {
            let token = state.draw_token();
            let registry = &mut state.registry;
            let made = CertificateReply::store(registry, certificate, Some(&keys), token, now);
            state.answer_with_certificate(call, made, now);
        });
    }

    /// `CreateCertificateFromCsr` over MQTT. AWS's CA signs before the lock is taken.
    pub(crate) fn sign_request_for(&self, call: &FleetCall) {
        let request = call.request.signing_request(&call.payload);
        let signed = request.map(|request| device_keys::issuer().issue_for(&request, self.now()));
        self.locked(|state, now| {
            let made = signed.and_then(|certificate| {
                let token = state.draw_token();
                CertificateReply::store(&mut state.registry, certificate, None, token, now)
            });
            state.answer_with_certificate(call, made, now);
        });
    }

    /// The first part of `RegisterThing` over MQTT; `None` if it has been rejected.
    pub(crate) fn begin_registering(
        &self,
        call: &FleetCall,
    ) -> Option<(Registering, Option<HookCall>)> {
        let FleetOperation::RegisterThing(template) = &call.request.operation else { return None };
        let caller = FleetCaller {
            client_id: &call.facts.client_id,
            certificate_id: &call.facts.details.principal,
        };
        self.locked(|state, now| {
            let FleetCall { request, payload, .. } = call;
            let begun =
                Registering::begin(&state.registry, request, template, payload, caller, now);
            begun.map_err(|rejection| state.reject_call(call, &rejection, now)).ok()
        })
    }

    /// The second part, with what became of the hook if there is one.
    pub(crate) fn finish_registering(
        &self,
        call: &FleetCall,
        mut registering: Registering,
        outcome: Option<HookOutcome>,
    ) {
        self.locked(|state, now| {
            let allowed = outcome.map_or(Ok(()), |outcome| registering.take_in(outcome));
            let request_id = state.uuid().to_string();
            let registered =
                allowed.and_then(|()| registering.finish(&mut state.registry, &request_id, now));
            match registered {
                Ok(registered) => {
                    let entry = about(
                        Entry::success(self.scope(), "RegisterThing"),
                        &call.request,
                        &call.facts,
                    );
                    let provisioned = &registered.provisioned;
                    let entry = match provisioned.certificate_id {
                        Some(id) => entry.member("certificateId", id),
                        None => entry,
                    };
                    let entry = entry.why(provisioned.lines.clone());
                    let reply = call.request.accept(&registered);
                    state.send_reply(&call.facts, reply, entry, now);
                }
                Err(rejection) => state.reject_call(call, &rejection, now),
            }
        });
    }
}

/// `entry` with who asked, and for which template.
fn about(entry: Entry, request: &FleetRequest, facts: &ConnectionFacts) -> Entry {
    let entry = Who::connected(facts).signs(entry);
    match &request.operation {
        FleetOperation::RegisterThing(template) => entry.member("templateName", template),
        _ => entry,
    }
}

impl State {
    /// Lets go of certificates that devices asked for and nobody provisioned.
    pub(super) fn lapse_tokens(&mut self, scope: &Scope, now: Timestamp) {
        for certificate_id in self.registry.lapse_tokens(now) {
            let entry = Entry::success(scope, "DeleteCertificate");
            let why = "its ownership token expired before it was activated, or attached to a \
                       policy or a thing";
            self.note(entry.member("certificateId", certificate_id).why([why]));
        }
    }

    fn draw_token(&mut self) -> OwnershipToken {
        OwnershipToken::new(|bytes| self.random.fill(bytes))
    }

    fn answer_with_certificate(
        &mut self,
        call: &FleetCall,
        made: Result<CertificateReply, FleetRejection>,
        now: Timestamp,
    ) {
        match made {
            Ok(reply) => {
                let entry = Entry::success(&call.scope, call.request.operation.name());
                let entry = about(entry, &call.request, &call.facts)
                    .member("certificateId", reply.certificate_id);
                self.send_reply(&call.facts, call.request.accept(&reply), entry, now);
            }
            Err(rejection) => self.reject_call(call, &rejection, now),
        }
    }

    fn reject_call(&mut self, call: &FleetCall, rejection: &FleetRejection, now: Timestamp) {
        self.reject_fleet_request(&call.scope, &call.request, &call.facts, rejection, now);
    }

    //? assumed: the words for the log: the operation, and AWS's errorCode as the reason
    fn reject_fleet_request(
        &mut self,
        scope: &Scope,
        request: &FleetRequest,
        facts: &ConnectionFacts,
        rejection: &FleetRejection,
        now: Timestamp,
    ) {
        let FleetRejection { error_code, error_message, why, step, .. } = rejection;
        let entry = Entry::failure(scope, request.operation.name(), error_code);
        let entry = about(entry, request, facts);
        let entry = match step {
            Some(step) => entry.member("step", step),
            None => entry,
        };
        let entry = entry.details(error_message).why(why.iter().cloned());
        self.send_reply(facts, request.reject(rejection), entry, now);
    }

    //= https://github.com/aws-samples/aws-iot-fleet-provisioning/issues/6
    //# the reply goes to the client that asked, even without a subscription
    //? assumed: at QoS 1 if it has one at QoS 1; other subscribers and rules do not see a reply,
    //? which may hold a private key
    fn send_reply(
        &mut self,
        facts: &ConnectionFacts,
        FleetReply { topic, payload }: FleetReply,
        entry: Entry,
        now: Timestamp,
    ) {
        let said = format!("a message on {topic}");
        let publication = Publication { payload, qos: QoS::AtLeastOnce, ..Publication::default() };
        let permit = Permit::<Publish>::of_aws(topic);
        let entry = match self.broker.answer(permit, publication, facts.connection, now) {
            Answered::Queued => entry.answer(said),
            Answered::Unsubscribed => {
                let why = "the client has not subscribed to the topic of the reply: AWS promises \
                           nothing then";
                entry.why([why]).answer(format!("{said}, at QoS 0"))
            }
            Answered::Gone => {
                let why = format!("nobody gets {said}: the connection that asked is over");
                entry.why([why]).answer("nothing")
            }
        };
        self.note(entry);
    }
}
