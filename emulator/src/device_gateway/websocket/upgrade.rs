//! The request that turns an HTTPS connection into a WebSocket, and its answer.
//!
//! Who asks is decided before. Truth: <https://www.rfc-editor.org/rfc/rfc6455>, section 4.2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::{Method, Request, Response, StatusCode, set_header};
use crate::pki::{Sha, digest};

/// What the key is answered with, which RFC 6455 fixes.
const ACCEPT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request is no upgrade to MQTT over WebSocket, and the status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::device_gateway) struct NoUpgrade {
    pub(in crate::device_gateway) status: u16,
    pub(in crate::device_gateway) why: &'static str,
}

//= https://www.rfc-editor.org/rfc/rfc6455
//# a GET with Upgrade, Connection, a key of 16 bytes and version 13; another version is answered
//# 426 with the one that is spoken
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# the client offers the subprotocol `mqtt`, and the server answers it
//? assumed: AWS answers 400 to what is no upgrade, and offers no other subprotocol
/// The answer that switches the connection, if `request` asks for it as it should.
pub(in crate::device_gateway) fn switch(request: &Request) -> Result<Response, NoUpgrade> {
    let bad = |why| NoUpgrade { status: 400, why };
    if request.method != Method::GET {
        return Err(bad("an upgrade to a WebSocket is a GET"));
    }
    if !lists(request, "upgrade", |one| one.eq_ignore_ascii_case("websocket")) {
        return Err(bad("/mqtt speaks WebSocket: `Upgrade: websocket` is missing"));
    }
    if !lists(request, "connection", |one| one.eq_ignore_ascii_case("upgrade")) {
        return Err(bad("`Connection: Upgrade` is missing"));
    }
    if request.header("sec-websocket-version") != Some("13") {
        return Err(NoUpgrade { status: 426, why: "Sec-WebSocket-Version is not 13" });
    }
    let key = request.header("sec-websocket-key").unwrap_or_default();
    if !STANDARD.decode(key).is_ok_and(|key| key.len() == 16) {
        return Err(bad("Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    if !lists(request, "sec-websocket-protocol", |one| one == "mqtt") {
        return Err(bad("Sec-WebSocket-Protocol offers no `mqtt`"));
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = STANDARD.encode(digest(Sha::Sha1, format!("{key}{ACCEPT}").as_bytes()));
    let headers = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", accept.as_str()),
        ("sec-websocket-protocol", "mqtt"),
    ];
    for (name, value) in headers {
        set_header(&mut response, name, value);
    }
    Ok(response)
}

/// Whether one of the values that the header lists, by commas or by repetition, is the one.
fn lists(request: &Request, name: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let lines = request.headers.get_all(name).into_iter();
    let mut values = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    values.any(|value| is_it(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeaderMap;

    const HEADERS: [(&str, &str); 5] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "mqttv3.1, mqtt"),
    ];

    fn asked(method: Method, change: Option<(&str, &str)>) -> Result<Response, NoUpgrade> {
        let mut headers = HeaderMap::new();
        for (name, value) in HEADERS {
            let changed = change.filter(|(changed, _)| *changed == name);
            let value = changed.map_or(value, |(_, value)| value);
            headers.insert(name, value.parse().unwrap());
        }
        let (uri, body) = ("/mqtt".parse().unwrap(), Default::default());
        switch(&Request { method, uri, headers, body })
    }

    #[test]
    fn the_sample_of_the_rfc_is_answered_as_it_says() {
        let response = asked(Method::GET, None).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt");
    }

    #[test]
    fn what_is_no_upgrade_is_told_why() {
        let table = [
            (Method::POST, ("upgrade", "websocket"), 400, "is a GET"),
            (Method::GET, ("upgrade", "h2c"), 400, "Upgrade: websocket"),
            (Method::GET, ("connection", "close"), 400, "Connection: Upgrade"),
            (Method::GET, ("sec-websocket-version", "8"), 426, "not 13"),
            (Method::GET, ("sec-websocket-key", "c2hvcnQ="), 400, "16 bytes"),
            (Method::GET, ("sec-websocket-key", "-"), 400, "16 bytes"),
            (Method::GET, ("sec-websocket-protocol", "mqttv3.1"), 400, "no `mqtt`"),
        ];
        for (method, change, status, why) in table {
            let refused = asked(method, Some(change)).unwrap_err();
            assert_eq!(refused.status, status, "{change:?}");
            assert!(refused.why.contains(why), "{change:?}: {refused:?}");
        }
    }
}
