//! The root that devices trust, and the server certificates below it.
//!
//! It stands where Amazon Root CA 1 stands, and is honest about its name. A certificate is made for
//! every name that a client asks for, so aliases and `/etc/hosts` just work.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html>.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use super::AttributeKind;
use super::issue::{CertificateAuthority, Subject};
use super::key::{KeyKind, KeyPair, random_serial};
use super::write::{self, Draft, KeyUsage};
use crate::names::hex;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// With the day before it 397: some clients refuse a server certificate that is valid for longer.
const SERVER_DAYS: u32 = 396;
/// The file that devices are given.
/// The root's name in its folder: what AWS calls the root that devices trust.
pub(crate) const ROOT_FILE: &str = "AmazonRootCA1.pem";
/// The file that stays here: the private key, and the certificate once more.
const KEY_FILE: &str = "AmazonRootCA1.key.pem";

/// The emulator's root CA with the keys of its servers.
#[derive(Debug)]
pub(crate) struct ServerAuthority {
    root: CertificateAuthority,
    ecdsa: OnceLock<KeyPair>,
    rsa: OnceLock<KeyPair>,
}

/// Which of the server's keys a client can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ServerKey {
    /// P-256: what every client of the last ten years takes.
    Ecdsa,
    /// RSA-2048, for clients that offer only RSA.
    Rsa,
}

/// A server certificate with its key.
pub(crate) struct ServerCertificate {
    /// DER, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// PKCS#8 DER.
    pub(crate) private_key: Vec<u8>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

impl ServerAuthority {
    /// A new root in memory.
    pub(crate) fn generate() -> Self {
        let subject = Subject::new()
            .with(AttributeKind::Organization, "iot-emulator")
            .with(AttributeKind::CommonName, "iot-emulator Root CA");
        Self::of(CertificateAuthority::with_subject(subject))
    }

    fn of(root: CertificateAuthority) -> Self {
        Self { root, ecdsa: OnceLock::new(), rsa: OnceLock::new() }
    }

    /// The root that lies in `folder`, or a new one that will lie there from now on.
    ///
    /// The key is readable only by its owner. Two emulators that start at once end up with the same
    /// root: whoever links the finished key file into place first has made it.
    pub(crate) fn load_or_create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder).map_err(|error| about(folder, &error))?;
        let key_file = folder.join(KEY_FILE);
        if !key_file.exists() {
            let new = Self::generate();
            let text = new.root.private_key_pem() + &new.root.pem();
            let draft = folder.join(format!(".{KEY_FILE}.{}", hex(&random_serial())));
            write_private(&draft, &text).map_err(|error| about(&draft, &error))?;
            let linked = fs::hard_link(&draft, &key_file);
            let placed = match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    fs::rename(&draft, &key_file)
                }
                _ => fs::remove_file(&draft),
            };
            placed.map_err(|error| about(&key_file, &error))?;
        }
        let text = fs::read_to_string(&key_file).map_err(|error| about(&key_file, &error))?;
        let root = CertificateAuthority::from_pem(&text, &text).map_err(|error| {
            let hint = format!("{error}; delete the file to get a new root");
            about(&key_file, &io::Error::new(io::ErrorKind::InvalidData, hint))
        })?;
        let root_file = folder.join(ROOT_FILE);
        if fs::read_to_string(&root_file).ok().as_deref() != Some(&root.pem()) {
            fs::write(&root_file, root.pem()).map_err(|error| about(&root_file, &error))?;
        }
        Ok(Self::of(root))
    }

    /// The root certificate as PEM: what devices trust.
    pub(crate) fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// A certificate for `name`, a host name or an IP address, and for this machine.
    ///
    /// `now` is the machine's own time: clients hold the certificate against theirs.
    pub(crate) fn server_certificate(
        &self,
        name: &str,
        key: ServerKey,
        now: Timestamp,
    ) -> ServerCertificate {
        let (key, usage) = match key {
            ServerKey::Ecdsa => (self.ecdsa.get_or_init(generate_ecdsa), KeyUsage::Sign),
            ServerKey::Rsa => (self.rsa.get_or_init(generate_rsa), KeyUsage::SignAndEncipher),
        };
        let mut hosts = vec![name, "localhost", "127.0.0.1", "::1"];
        hosts.sort_unstable_by_key(|host| *host != name);
        hosts.dedup();
        // A common name has at most 64 characters; who reads it at all reads the others first.
        let common_name = if name.len() <= 64 { name } else { "iot-emulator" };
        let spki = key.spki();
        let draft = Draft {
            issuer: self.root.certificate().subject().der(),
            subject: &write::name([(AttributeKind::CommonName, common_name)]),
            spki: &spki,
            not_before: now - DAY,
            not_after: now + SERVER_DAYS * DAY,
            extensions: vec![
                write::basic_constraints(false),
                write::key_usage(usage),
                write::extended_key_usage(true),
                write::subject_key_identifier(&spki),
                write::authority_key_identifier(self.root.certificate().spki()),
                write::subject_alternative_names(&hosts),
            ],
        };
        let chain = vec![draft.sign(self.root.key())];
        ServerCertificate { chain, private_key: key.pkcs8() }
    }
}

fn generate_ecdsa() -> KeyPair {
    KeyPair::generate(KeyKind::P256)
}

fn generate_rsa() -> KeyPair {
    KeyPair::generate(KeyKind::Rsa2048)
}

/// Writes `text` to a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// The error with the path in front, as a person needs it.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
