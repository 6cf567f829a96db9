//! Certificates: what one says, who issued it, and issuing new ones.
//!
//! Decides whether text is an X.509 certificate (version 1 or 3), whether one certificate issued
//! another, and what the certificates look like that the emulator or a test issues. Leaves to
//! others what AWS makes of it: registration (`registry`), identity (`provisioning`), policy
//! variables (`policy`), trust of an API Gateway (`api_gateway`), and the handshake (`tls`).
//! Only this room reads or writes X.509 and calls a cryptographic library.
//! Truth: RFC 5280, RFC 2986, and what AWS documents for client certificates:
//! <https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html>.

mod aws_issued;
mod certificate;
mod der;
mod digest;
mod issue;
mod key;
mod name;
mod pem;
mod server_authority;
mod verify;
mod write;

pub use issue::{CertificateAuthority, Identity, Leaf, Subject, UnusableAuthority};
pub use key::KeyKind;
pub use name::AttributeKind;

pub(crate) use aws_issued::{AwsIssuer, DeviceKeyPair, SigningRequest};
pub(crate) use certificate::{
    AlternativeNameKind, Certificate, Curve, MalformedCertificate, Party, PublicKey, serial_text,
    validity_text,
};
pub(crate) use digest::{Sha, digest, hmac_sha256, is_same, sha1_hex_upper, sha256};
pub(crate) use name::escape_rfc2253;
pub(crate) use server_authority::{ROOT_FILE, ServerAuthority, ServerKey};
pub(crate) use verify::IssuerMismatch;

#[cfg(test)]
mod tests;
