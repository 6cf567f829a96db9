//! HTTPS on 8443 and 443: the identity is decided when a request has come in whole, and a refused
//! certificate gets no answer at all. Where SigV4 speaks, a connection may switch to a WebSocket.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html>; the silent close is
//! what the JITR article shows: `curl: (52) Empty reply from server`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::websocket::{self, NoUpgrade, WebSocket};
use super::{mqtt, peer_of};
use crate::caller::{Caller, Endpoint, Refused};
use crate::cloud::{Cloud, Meant};
use crate::data_plane;
use crate::http::{self, Answer, Limits, Over, Request, Response};
use crate::iot_core::{Decisions, HttpCaller, IotCore, Peer, Principal, authentication_error};
use crate::quotas::{PAYLOAD_BYTES, WEBSOCKET_LIFETIME};
use crate::tls::{self, Accepted};

/// A payload and a little more, so that a payload that is too large is refused in AWS's words.
const LIMITS: Limits = Limits { body_bytes: 2 * PAYLOAD_BYTES, head: Duration::from_secs(60) };

//= https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html
//# requests are signed for iotdevicegateway
//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
//# the model signs for iotdata
const SIGNING_NAMES: [&str; 2] = ["iotdevicegateway", "iotdata"];
//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-jobs-data/2017-09-29
//# jobs are signed for by a name of their own
const HTTPS_SIGNING_NAMES: [&str; 3] = ["iotdata", "iotdevicegateway", "iot-jobs-data"];

/// One connection with a client certificate.
pub(super) async fn serve(cloud: &Cloud, meant: Meant, accepted: Accepted) {
    let peer = peer_of(&accepted, meant.by_name, "HTTP");
    let Accepted { stream, chain, .. } = accepted;
    let iot_core = &meant.iot_core;
    let decisions = Decisions::default();
    let over = http::serve_until_over(stream, LIMITS, |request: Request| {
        let (peer, chain, decisions) = (&peer, &chain, &decisions);
        async move {
            let principal = match iot_core.present(chain, peer, None) {
                Ok(principal) => principal,
                //= https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
                //# a request triggers registration like a CONNECT; the connection is closed
                //# meanwhile
                Err(_rejection) => return Answer::HangUp,
            };
            let (peer, decisions) = (peer.clone(), decisions.clone());
            let caller = HttpCaller::Principal { principal, peer, decisions };
            let mut text = [0; 36];
            let trace_id = cloud.uuid().hyphenated().encode_lower(&mut text);
            data_plane::answer(iot_core, &caller, trace_id, &request).await.into()
        }
    })
    .await;
    note_unreadable(iot_core, &peer, "AWS_X509", &over);
    tls::hang_up(over.stream).await;
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
//# where HTTPS is spoken nothing else is; on 443 MQTT needs ALPN x-amzn-mqtt-ca
//? assumed: bytes that are no HTTP are answered 400 before the connection is closed
/// Traces bytes that are not HTTP, which are MQTT more often than not.
fn note_unreadable<S>(iot_core: &IotCore, peer: &Peer, by: &'static str, over: &Over<S>) {
    let Some(unreadable) = &over.unreadable else { return };
    let mqtt = "it may be MQTT, which this port speaks with ALPN x-amzn-mqtt-ca and a client \
                certificate, or over WebSocket; else there is the MQTT port";
    let looks_like_mqtt = over.ahead.first() == Some(&0x10);
    let entry = authentication_error(iot_core.scope(), peer, by, "CLIENT_ERROR");
    let entry = entry.details(format!("not HTTP: {unreadable}"));
    let entry = entry.why(looks_like_mqtt.then_some(mqtt));
    iot_core.note(entry.answer("HTTP 400, disconnects"));
}

/// Whether a connection may become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switching {
    Never,
    ToWebSocket,
}

/// One connection without a client certificate, where SigV4 speaks for the caller: HTTPS, until it
/// switches to MQTT over WebSocket.
pub(super) async fn serve_signed(
    cloud: &Cloud,
    meant: Meant,
    accepted: Accepted,
    switching: Switching,
) {
    let peer = peer_of(&accepted, meant.by_name, "HTTP");
    let stream = accepted.stream;
    let iot_core = meant.iot_core;
    let switched = OnceLock::new();
    let door = Signed { cloud, iot_core: &iot_core, peer: &peer, switching, switched: &switched };
    let answer = |request: Request| async move { door.answer(&request).await.into() };
    let over = http::serve_until_over(stream, LIMITS, answer).await;
    match switched.into_inner() {
        Some(principal) => {
            let ends = Some(iot_core.now() + WEBSOCKET_LIFETIME);
            let peer = Peer { protocol: "MQTT", ends, ..peer };
            let carrier = WebSocket::new(over.stream, &over.ahead);
            let identify = |_: &_| Ok(Arc::new(principal));
            let greeting = Box::pin(mqtt::greet(cloud, iot_core, peer, carrier, identify));
            if let Some(link) = greeting.await {
                link.run().await;
            }
        }
        None => {
            note_unreadable(&iot_core, &peer, "AWS_SIGV4", &over);
            tls::hang_up(over.stream).await;
        }
    }
}

/// What answers a signed request.
#[derive(Clone, Copy)]
struct Signed<'a> {
    cloud: &'a Cloud,
    iot_core: &'a IotCore,
    peer: &'a Peer,
    switching: Switching,
    /// Who switched the connection to a WebSocket.
    switched: &'a OnceLock<Principal>,
}

impl Signed<'_> {
    async fn answer(self, request: &Request) -> Response {
        let trace_id = self.cloud.uuid().to_string();
        let scope = self.iot_core.scope();
        let caller = Caller::of(request, scope, self.cloud.known_credentials());
        if caller.signing_name.is_none() {
            let why = "no SigV4 signature; a client certificate needs ALPN x-amzn-http-ca here, \
                       or the HTTPS port";
            self.note("NOT_AUTHENTICATED", None, [why], 403);
            return data_plane::missing_authentication_token(&trace_id);
        }
        let upgrades = self.switching == Switching::ToWebSocket && request.uri.path() == "/mqtt";
        let signing_names = if upgrades { &SIGNING_NAMES[..] } else { &HTTPS_SIGNING_NAMES };
        let endpoint = Endpoint { signing_names, region: Some(scope.region.as_str()) };
        if let Err(refused) = self.cloud.verify_signature(request, &caller, endpoint) {
            return self.refuse(&refused, upgrades, &trace_id);
        }
        let principal = Principal::signed(&caller.access_key_id, caller.session_token());
        if upgrades {
            return self.upgrade(request, &caller, principal, &trace_id);
        }
        let caller = HttpCaller::signed(principal, self.peer);
        data_plane::answer(self.iot_core, &caller, &trace_id, request).await
    }

    //= https://github.com/javaquery/Examples/issues/5
    //# the data endpoint refuses a signature with 403 and the sentence that other services have
    //= https://github.com/aws/aws-iot-device-sdk-js/issues/146
    //# as a ForbiddenException
    //? assumed: an upgrade is answered 403 "Forbidden" whatever is wrong with its signature
    fn refuse(self, refused: &Refused, upgrades: bool, trace_id: &str) -> Response {
        self.note(refused.reason(), None, refused.why(), 403);
        if upgrades {
            return data_plane::refused(403, "Forbidden", trace_id);
        }
        data_plane::refused(403, &refused.exception().1, trace_id)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
    //# MQTT over WebSocket with SigV4 is at the path /mqtt
    fn upgrade(
        self,
        request: &Request,
        caller: &Caller,
        principal: Principal,
        trace_id: &str,
    ) -> Response {
        if let Err(refused) = caller.check_form(&SIGNING_NAMES) {
            return self.refuse(&refused, true, trace_id);
        }
        match websocket::switch(request) {
            Ok(response) => {
                // A connection switches once: nobody answers after that.
                let _first = self.switched.set(principal);
                response
            }
            Err(NoUpgrade { status, why }) => {
                let details = "not an upgrade to MQTT over WebSocket";
                self.note("CLIENT_ERROR", Some(details), [why], status);
                let mut response = data_plane::refused(status, why, trace_id);
                if status == 426 {
                    http::set_header(&mut response, "upgrade", "websocket");
                    http::set_header(&mut response, "sec-websocket-version", "13");
                }
                response
            }
        }
    }

    fn note(
        self,
        reason: &'static str,
        details: Option<&str>,
        why: impl IntoIterator<Item = impl Into<String>>,
        status: u16,
    ) {
        let entry = authentication_error(self.iot_core.scope(), self.peer, "AWS_SIGV4", reason);
        // Where AWS has a sentence for the reason, the entry has it.
        let entry = match details {
            Some(details) => entry.details(details),
            None => entry,
        };
        self.iot_core.note(entry.why(why).answer(format!("HTTP {status}")));
    }
}
