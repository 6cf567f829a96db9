//! `clientCert`: what a function is told of the client's certificate.

use serde_json::{Value, json};

use crate::pki::{Certificate, serial_text, validity_text};

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# clientCertPem, subjectDN, issuerDN, serialNumber, validity with notBefore and notAfter
//= https://github.com/RunQubit/bifrost
//# observed: names in the order of the certificate, joined by commas, with short names; the PEM of
//# the client's certificate alone
//? assumed: for HTTP APIs in both payload formats
pub(super) fn client_cert(certificate: &Certificate) -> Value {
    json!({
        "clientCertPem": certificate.pem(),
        "subjectDN": certificate.subject().to_string(),
        "issuerDN": certificate.issuer().to_string(),
        "serialNumber": serial_text(certificate.serial()),
        "validity": {
            "notBefore": validity_text(certificate.not_before()),
            "notAfter": validity_text(certificate.not_after()),
        },
    })
}
