//! HTTPS on 8443 and 443: the identity is decided when a request has come in whole, and a refused
//! certificate gets no answer at all. Where SigV4 speaks, a connection may switch to a WebSocket.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html>; the silent close is
//! what the JITR article shows: `curl: (52) Empty reply from server`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::mqtt;
use super::websocket::{self, NoUpgrade, WebSocket};
use crate::caller::{Caller, check_signature};
use crate::cloud::{Cloud, Meant};
use crate::data_plane;
use crate::http::{self, Answer, Limits, Request, Response};
use crate::iot_core::{HttpCaller, IotCore, Peer, Principal, authentication_error};
use crate::quotas::{PAYLOAD_BYTES, WEBSOCKET_LIFETIME};
use crate::tls::{self, Accepted};

/// A payload and a little more, so that a payload that is too large is refused in AWS's words.
const LIMITS: Limits = Limits { body_bytes: 2 * PAYLOAD_BYTES, head: Duration::from_secs(60) };

//= https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html
//# requests are signed for iotdevicegateway
//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
//# the model signs for iotdata
const SIGNING_NAMES: [&str; 2] = ["iotdevicegateway", "iotdata"];

const NOT_AUTHENTICATED: &str = "The credentials provided could not be authenticated";

/// One connection with a client certificate.
pub(super) async fn serve(cloud: &Cloud, meant: Meant, accepted: Accepted) {
    let Accepted { stream, server_name, chain, peer, local, .. } = accepted;
    let (by_name, protocol, ends) = (meant.by_name, "HTTP", None);
    let peer = Peer { address: peer, local, server_name, by_name, protocol, ends };
    let iot_core = &meant.iot_core;
    let stream = http::serve(stream, LIMITS, |request: Request| {
        let (peer, chain) = (&peer, &chain);
        async move {
            let principal = match iot_core.present(chain, peer, None) {
                Ok(principal) => principal,
                //= https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
                //# a request triggers registration like a CONNECT; the connection is closed
                //# meanwhile
                Err(_rejection) => return Answer::HangUp,
            };
            let caller = HttpCaller::Principal { principal, peer: peer.clone() };
            let trace_id = cloud.uuid().to_string();
            data_plane::answer(iot_core, &caller, &trace_id, &request).await.into()
        }
    })
    .await;
    tls::hang_up(stream).await;
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
    let Accepted { stream, server_name, peer, local, .. } = accepted;
    let (by_name, protocol, ends) = (meant.by_name, "HTTP", None);
    let peer = Peer { address: peer, local, server_name, by_name, protocol, ends };
    let iot_core = meant.iot_core;
    let switched = OnceLock::new();
    let door = Signed { cloud, iot_core: &iot_core, peer: &peer, switching, switched: &switched };
    let answer = |request: Request| async move { door.answer(&request).await.into() };
    let (stream, ahead) = http::serve_until_switched(stream, LIMITS, answer).await;
    match switched.into_inner() {
        Some(principal) => {
            let ends = Some(iot_core.now() + WEBSOCKET_LIFETIME);
            let peer = Peer { protocol: "MQTT", ends, ..peer };
            let carrier = WebSocket::new(stream, &ahead);
            mqtt::speak(cloud, iot_core, peer, carrier, |_| Ok(Arc::new(principal))).await;
        }
        None => tls::hang_up(stream).await,
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
        let caller = Caller::of(request, self.iot_core.scope());
        if caller.signing_name.is_none() {
            let why = "no SigV4 signature; a client certificate needs ALPN x-amzn-http-ca here, \
                       or the HTTPS port";
            self.note("NOT_AUTHENTICATED", NOT_AUTHENTICATED, why, 403);
            return data_plane::missing_authentication_token(&trace_id);
        }
        let principal = Principal::signed(&caller.access_key_id, caller.session_token.as_deref());
        if self.switching == Switching::ToWebSocket && request.uri.path() == "/mqtt" {
            return self.upgrade(request, principal, &trace_id);
        }
        let caller = HttpCaller::signed(principal, self.peer);
        data_plane::answer(self.iot_core, &caller, &trace_id, request).await
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
    //# MQTT over WebSocket with SigV4 is at the path /mqtt
    //? assumed: a signature that is none is answered 403 "Forbidden"
    fn upgrade(self, request: &Request, principal: Principal, trace_id: &str) -> Response {
        if let Err(why) = check_signature(request, &SIGNING_NAMES) {
            self.note("NOT_AUTHENTICATED", NOT_AUTHENTICATED, &why, 403);
            return data_plane::refused(403, "Forbidden", trace_id);
        }
        match websocket::switch(request) {
            Ok(response) => {
                // A connection switches once: nobody answers after that.
                let _first = self.switched.set(principal);
                response
            }
            Err(NoUpgrade { status, why }) => {
                self.note("CLIENT_ERROR", "not an upgrade to MQTT over WebSocket", why, status);
                let mut response = data_plane::refused(status, why, trace_id);
                if status == 426 {
                    http::set_header(&mut response, "upgrade", "websocket");
                    http::set_header(&mut response, "sec-websocket-version", "13");
                }
                response
            }
        }
    }

    fn note(self, reason: &'static str, details: &str, why: &str, status: u16) {
        let entry = authentication_error(self.iot_core.scope(), self.peer, "AWS_SIGV4", reason);
        let entry = entry.details(details).why([why]);
        self.iot_core.note(entry.answer(format!("HTTP {status}")));
    }
}
