//! Certificate ownership tokens: what proves, in fleet provisioning, that a device was given a
//! certificate; and what becomes of a certificate that nobody provisions.
//!
//! A token is drawn outside, since the registry rolls no dice. What it is good for is decided in
//! `provisioning`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html>.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::names::CertificateId;
use crate::pki::Certificate;
use crate::time::Timestamp;

use super::{CertificateMode, CertificateStatus, DeleteCertificateRequest, Registry, Target};

//= https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
//# for security, an ownership token expires after an hour
const LIFETIME: Duration = Duration::from_secs(60 * 60);
//? assumed: so many tokens can count at once, which is ten a second for an hour; then devices are
//? told that there are too many requests
const AT_ONCE: usize = 10 * 60 * 60;
//? assumed: the form of a token of AWS as devices print it: 464 characters, which stand for a
//? version and 233 bytes of cipher
const CIPHER_BYTES: usize = 233;

/// What proves that whoever has it was given a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnershipToken(Arc<str>);

impl OwnershipToken {
    /// The token that `drawn` makes, which nobody can guess.
    pub(crate) fn new(mut drawn: impl FnMut(&mut [u8])) -> Self {
        let mut cipher = [0; CIPHER_BYTES];
        drawn(&mut cipher);
        let cipher = STANDARD.encode(cipher);
        let inside = format!(r#"{{"version":"20191023","cipher":"{cipher}"}}"#);
        Self(STANDARD.encode(inside).into())
    }

    /// The token as a device has it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tokens that count, and when they no longer do.
#[derive(Debug, Default)]
pub(super) struct OwnershipTokens {
    /// Those that nobody has used, with when they expire.
    unused: HashMap<OwnershipToken, (CertificateId, Timestamp)>,
    /// All, the soonest first.
    expire: VecDeque<(Timestamp, OwnershipToken, CertificateId)>,
}

/// More tokens than can count at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyTokens;

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
    //# the certificate is PENDING_ACTIVATION until RegisterThing says otherwise
    /// Stores a certificate that AWS's CA issued for a device that asked for it over MQTT.
    pub(crate) fn store_certificate_of_token(
        &mut self,
        certificate: Certificate,
        token: OwnershipToken,
        now: Timestamp,
    ) -> Result<(), TooManyTokens> {
        if self.ownership_tokens.expire.len() >= AT_ONCE {
            return Err(TooManyTokens);
        }
        let id = certificate.id();
        self.store_pending(certificate, CertificateMode::Default, None, now);
        let tokens = &mut self.ownership_tokens;
        let ends = now + LIFETIME;
        tokens.expire.push_back((ends, token.clone(), id));
        tokens.unused.insert(token, (id, ends));
        Ok(())
    }

    /// The certificate that `token` stands for; `None` if it does not count, or its certificate is
    /// gone.
    pub(crate) fn certificate_of_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Option<CertificateId> {
        let (id, ends) = *self.ownership_tokens.unused.get(&OwnershipToken(token.into()))?;
        (now < ends && self.certificates.contains_key(&id)).then_some(id)
    }

    //? assumed: a token counts once; a device whose provisioning was refused may use it again
    /// The token was used.
    pub(crate) fn spend_token(&mut self, token: &str) {
        self.ownership_tokens.unused.remove(&OwnershipToken(token.into()));
    }

    /// When the next token lapses.
    pub(crate) fn next_token_deadline(&self) -> Option<Timestamp> {
        self.ownership_tokens.expire.front().map(|(ends, ..)| *ends)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
    //# a certificate that was neither activated nor attached to a policy or a thing when its token
    //# expires is deleted
    /// Lets the tokens lapse whose time has come, and says which certificates went with them.
    pub(crate) fn lapse_tokens(&mut self, now: Timestamp) -> Vec<CertificateId> {
        let mut deleted = Vec::new();
        while let Some((ends, ..)) = self.ownership_tokens.expire.front()
            && *ends <= now
        {
            let Some((_, token, id)) = self.ownership_tokens.expire.pop_front() else { break };
            self.ownership_tokens.unused.remove(&token);
            if self.nobody_wants(id) && self.delete_unwanted(id) {
                deleted.push(id);
            }
        }
        deleted
    }

    fn nobody_wants(&self, id: CertificateId) -> bool {
        let target = Target::Certificate(id);
        let waits = self
            .certificate(id)
            .is_some_and(|record| record.status == CertificateStatus::PendingActivation);
        let has_thing = self.principal_things.contains_key(&target);
        waits && !has_thing && !self.has_policies(&target)
    }

    fn delete_unwanted(&mut self, id: CertificateId) -> bool {
        let certificate_id = id.to_string();
        let input = DeleteCertificateRequest { certificate_id, force_delete: false };
        self.delete_certificate(input).is_ok()
    }
}
