//! HTTPS on 8443: the identity is decided when a request has come in whole, and a refused
//! certificate gets no answer at all.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html>; the silent close is
//! what the JITR article shows: `curl: (52) Empty reply from server`.

use std::time::Duration;

use super::authentication_error;
use crate::caller::Caller;
use crate::cloud::{Cloud, Meant};
use crate::data_plane;
use crate::http::{self, Answer, Limits, Request};
use crate::iot_core::{HttpCaller, Peer};
use crate::quotas::PAYLOAD_BYTES;
use crate::tls::{self, Accepted};

/// A payload and a little more, so that a payload that is too large is refused in AWS's words.
const LIMITS: Limits = Limits { body_bytes: 2 * PAYLOAD_BYTES, head: Duration::from_secs(60) };

/// One connection with a client certificate.
pub(super) async fn serve(cloud: &Cloud, meant: Meant, accepted: Accepted) {
    let Accepted { stream, server_name, chain, peer, local, .. } = accepted;
    let peer = Peer { address: peer, local, server_name, by_name: meant.by_name, protocol: "HTTP" };
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
            let caller = HttpCaller::Device { principal, peer: peer.clone() };
            let trace_id = cloud.uuid().to_string();
            data_plane::answer(iot_core, &caller, &trace_id, &request).into()
        }
    })
    .await;
    tls::hang_up(stream).await;
}

/// One connection without a client certificate, where SigV4 speaks for the caller.
pub(super) async fn serve_signed(cloud: &Cloud, meant: Meant, accepted: Accepted) {
    let address = accepted.peer;
    let iot_core = &meant.iot_core;
    let stream = http::serve(accepted.stream, LIMITS, |request: Request| async move {
        let trace_id = cloud.uuid().to_string();
        if Caller::of(&request, iot_core.scope()).signing_name.is_none() {
            let entry = authentication_error(iot_core.scope(), "NOT_AUTHENTICATED")
                .member("protocol", "HTTP")
                .member("authenticationType", "AWS_SIGV4")
                .member("sourceIp", address.ip())
                .member("sourcePort", address.port())
                .details("The credentials provided could not be authenticated");
            let why = "no SigV4 signature; a client certificate needs ALPN x-amzn-http-ca here, \
                       or the HTTPS port";
            cloud.trace().record(entry.why([why]).answer("HTTP 403"));
            return data_plane::missing_authentication_token(&trace_id).into();
        }
        let caller = HttpCaller::AwsCaller { address };
        data_plane::answer(iot_core, &caller, &trace_id, &request).into()
    })
    .await;
    tls::hang_up(stream).await;
}
