//! [`Target`]: where a device connects, and what it trusts there. An emulator, or AWS itself.

use std::net::SocketAddr;
use std::sync::Arc;

use iot_emulator::{Identity, IotCore};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// An endpoint that speaks MQTT over mutual TLS.
#[derive(Clone, Debug)]
pub struct Target {
    /// The host name: what the server's certificate is checked against, and what SNI carries.
    pub(crate) host: String,
    /// Where that host is, if the system's resolver does not know.
    pub(crate) address: Option<SocketAddr>,
    /// Used where there is no address.
    pub(crate) port: u16,
    /// Where that host speaks HTTPS, if it is not at its port 8443.
    pub(crate) https_address: Option<SocketAddr>,
    pub(crate) root_ca_pem: String,
}

impl Target {
    /// The endpoint of a real account; `root_ca_pem` is Amazon Root CA 1.
    pub fn aws(endpoint: &str, root_ca_pem: &str) -> Self {
        let (host, root_ca_pem) = (endpoint.to_owned(), root_ca_pem.to_owned());
        Self { host, address: None, port: 8883, https_address: None, root_ca_pem }
    }

    /// What a TLS client needs to shake hands here as `identity`; nothing of it is global.
    pub(crate) fn client_config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.root_ca_pem.as_bytes()) {
            roots.add(root.expect("the root CA is PEM")).expect("the root CA is a certificate");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let Some(identity) = identity else { return Arc::new(builder.with_no_client_auth()) };
        let chain = identity.chain_pem();
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .expect("an identity is made of certificates");
        let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem().as_bytes())
            .expect("an identity has a private key");
        let config = builder.with_client_auth_cert(chain, key);
        Arc::new(config.expect("the key is that of an X.509 v3 certificate"))
    }
}

/// The endpoint that `DescribeEndpoint` names, at the address where the emulator listens for it.
impl From<&IotCore> for Target {
    fn from(iot: &IotCore) -> Self {
        let address = iot.mqtt_address();
        Self {
            host: iot.endpoint().to_owned(),
            address: Some(address),
            port: address.port(),
            https_address: Some(iot.https_address()),
            root_ca_pem: iot.root_ca_pem().to_owned(),
        }
    }
}
