//! What a connection speaks and who speaks for its client: by port and ALPN, or by the domain
//! configuration that SNI names; and the terms of TLS that follow.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html>.

use crate::iot_core::{DomainAuthentication, DomainProtocol, DomainTerms, SecurityPolicy};
use crate::tls::{ClientCertificate, Hello, Terms, Versions};

const MQTT: &[u8] = b"x-amzn-mqtt-ca";
const HTTP: &[u8] = b"x-amzn-http-ca";
const CUSTOM_AUTHORIZER: &[u8] = b"mqtt";
const HTTP_1_1: &[u8] = b"http/1.1";

/// A port of the data endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// 8883.
    Mqtt,
    /// 8443.
    Https,
    /// 443.
    Tls,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// MQTT, with a client certificate.
    Mqtt,
    /// HTTPS, with a client certificate.
    Https,
    /// HTTPS, with SigV4.
    SignedHttps,
    /// HTTPS, with SigV4, and MQTT over WebSocket besides.
    SignedHttpsAndWss,
    /// Nothing that is served here, and why.
    Nothing(&'static str),
}

impl Speaks {
    /// As AWS's logs say it.
    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Self::Mqtt | Self::Nothing(_) => "MQTT",
            Self::Https | Self::SignedHttps | Self::SignedHttpsAndWss => "HTTP",
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# AWS_X509, AWS_SIGV4, CUSTOM_AUTH, and CUSTOM_AUTH_X509 for both
    //? assumed: CUSTOM_AUTH wherever neither a certificate nor SigV4 may speak
    /// How the client was to say who it is, as AWS's logs say it.
    pub(super) const fn authentication_type(self) -> &'static str {
        match self {
            Self::Mqtt | Self::Https => "AWS_X509",
            Self::SignedHttps | Self::SignedHttpsAndWss => "AWS_SIGV4",
            Self::Nothing(_) => "CUSTOM_AUTH",
        }
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
//# on 443 ALPN chooses: x-amzn-mqtt-ca and x-amzn-http-ca with a client certificate, mqtt with a
//# custom authorizer, and without ALPN HTTPS and WSS with SigV4; authenticationType and
//# applicationProtocol of a domain configuration decide instead unless they are DEFAULT
//? assumed: they do so on every port
/// What a client that came to `port` and says `hello` gets, where `domain` is what SNI names.
pub(super) fn choose(
    port: Port,
    hello: &Hello<'_>,
    domain: Option<DomainTerms>,
) -> (Speaks, Terms) {
    let domain = domain.unwrap_or_default();
    let versions = versions(domain.security_policy);
    let offers = |protocol: &[u8]| hello.alpn.contains(&protocol);
    let custom = port == Port::Tls && offers(CUSTOM_AUTHORIZER) && !offers(MQTT) && !offers(HTTP);
    let certificate = match domain.authentication {
        DomainAuthentication::X509 => true,
        DomainAuthentication::ByPort => port != Port::Tls || offers(MQTT) || offers(HTTP),
    };
    let mqtt = match domain.protocol {
        DomainProtocol::Mqtt => true,
        DomainProtocol::Https => false,
        DomainProtocol::ByPort => match port {
            Port::Mqtt => true,
            Port::Https => false,
            Port::Tls => offers(MQTT) || custom,
        },
    };
    let asked = |alpn| Terms { client_certificate: ClientCertificate::Asked, alpn, versions };
    let not_asked = Terms {
        client_certificate: ClientCertificate::NotAsked,
        alpn: &[CUSTOM_AUTHORIZER, HTTP_1_1],
        versions,
    };
    match (certificate, mqtt) {
        (true, true) => (Speaks::Mqtt, asked(&[MQTT])),
        (true, false) => (Speaks::Https, asked(&[HTTP_1_1, HTTP])),
        (false, _) if custom => {
            let why = "ALPN `mqtt` asks for a custom authorizer; iot-emulator has none yet";
            (Speaks::Nothing(why), not_asked)
        }
        (false, true) => {
            let why = "the domain speaks MQTT, for which nobody but a client certificate speaks \
                       here: ALPN x-amzn-mqtt-ca or the MQTT port asks for it";
            (Speaks::Nothing(why), not_asked)
        }
        //? assumed: a domain for HTTPS alone switches to no WebSocket
        (false, false) if domain.protocol == DomainProtocol::Https => {
            (Speaks::SignedHttps, not_asked)
        }
        (false, false) => (Speaks::SignedHttpsAndWss, not_asked),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
//# which versions each security policy has
//? assumed: the suites of a version are the same in all of them, since those in which they differ
//? (CBC and static RSA) are not here
fn versions(policy: SecurityPolicy) -> Versions {
    match policy {
        SecurityPolicy::Tls13 => Versions::Tls13,
        SecurityPolicy::Tls13And12 => Versions::Tls12And13,
        SecurityPolicy::Tls12 | SecurityPolicy::Tls12Of2016 | SecurityPolicy::Tls12Of2015 => {
            Versions::Tls12
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(authentication: DomainAuthentication, protocol: DomainProtocol) -> DomainTerms {
        DomainTerms { authentication, protocol, ..DomainTerms::default() }
    }

    #[test]
    fn c10_port_and_alpn_choose_unless_the_domain_does() {
        use Speaks::{Https, Mqtt, SignedHttps, SignedHttpsAndWss};
        let default = DomainTerms::default();
        let mqtt = domain(DomainAuthentication::X509, DomainProtocol::Mqtt);
        let https = domain(DomainAuthentication::X509, DomainProtocol::Https);
        let x509 = domain(DomainAuthentication::X509, DomainProtocol::ByPort);
        let signed = domain(DomainAuthentication::ByPort, DomainProtocol::Https);
        let table: [(Port, &[&[u8]], DomainTerms, Speaks); 17] = [
            (Port::Mqtt, &[], default, Mqtt),
            (Port::Mqtt, &[b"mqtt"], default, Mqtt),
            (Port::Https, &[HTTP_1_1], default, Https),
            (Port::Tls, &[MQTT], default, Mqtt),
            (Port::Tls, &[HTTP], default, Https),
            (Port::Tls, &[HTTP_1_1], default, SignedHttpsAndWss),
            (Port::Tls, &[], default, SignedHttpsAndWss),
            (Port::Tls, &[], signed, SignedHttps),
            (Port::Tls, &[], mqtt, Mqtt),
            (Port::Tls, &[HTTP], mqtt, Mqtt),
            (Port::Https, &[], mqtt, Mqtt),
            (Port::Tls, &[], https, Https),
            (Port::Tls, &[MQTT], https, Https),
            (Port::Mqtt, &[], https, Https),
            (Port::Tls, &[], x509, Https),
            (Port::Tls, &[MQTT], x509, Mqtt),
            (Port::Mqtt, &[], x509, Mqtt),
        ];
        for (port, alpn, terms, expected) in table {
            let hello = Hello { server_name: None, alpn: alpn.to_vec() };
            let (speaks, asked) = choose(port, &hello, Some(terms));
            assert_eq!(speaks, expected, "{port:?} {alpn:?} {terms:?}");
            let certificate = asked.client_certificate == ClientCertificate::Asked;
            let signed = matches!(speaks, SignedHttps | SignedHttpsAndWss);
            assert_eq!(certificate, !signed, "{port:?} {alpn:?} {terms:?}");
        }
    }

    #[test]
    fn what_nobody_speaks_for_says_so() {
        let mqtt = domain(DomainAuthentication::ByPort, DomainProtocol::Mqtt);
        let table: [(&[&[u8]], DomainTerms, &str); 2] = [
            (&[b"mqtt"], DomainTerms::default(), "custom authorizer"),
            (&[], mqtt, "client certificate"),
        ];
        for (alpn, terms, expected) in table {
            let hello = Hello { server_name: None, alpn: alpn.to_vec() };
            let (speaks, _) = choose(Port::Tls, &hello, Some(terms));
            assert!(matches!(speaks, Speaks::Nothing(why) if why.contains(expected)), "{speaks:?}");
        }
    }
}
