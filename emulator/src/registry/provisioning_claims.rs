//! Provisioning claims: CreateProvisioningClaim, and what the holder of a claim may do.
//!
//! A claim is a certificate that counts for five minutes and that no operation lists or describes.
//! Its key is made and its certificate issued by `pki` before the registry is asked.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningClaim.html>
//! and <https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html>.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::errors::ApiError;
use crate::names::{CertificateId, PolicyName, Scope};
use crate::pki::{Certificate, DeviceKeyPair};
use crate::policy::{AttachedTo, Document, PolicyInForce, PolicyVersion};
use crate::time::Timestamp;

use super::{KeyPair, ProvisioningTemplateRequest, Registry};

/// CreateProvisioningClaim's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateProvisioningClaimResponse {
    pub(crate) certificate_id: CertificateId,
    pub(crate) certificate_pem: String,
    pub(crate) key_pair: KeyPair,
    pub(crate) expiration: Timestamp,
}

/// A claim to be provisioned by one template.
#[derive(Clone, Debug)]
pub(super) struct ProvisioningClaim {
    /// What its holder may do, until it expires.
    policy: PolicyInForce,
    expires: Timestamp,
}

impl Registry {
    //= https://docs.aws.amazon.com/cli/latest/reference/iot/create-provisioning-claim.html
    //# the claim expires when its certificate does
    //? assumed: a template that is not enabled has claims too, and so has one of the type JITP; the
    //? claims of a template outlive its deletion
    /// Keeps the claim that AWS's CA issued for `keys`, and forgets those that have expired.
    pub(crate) fn create_provisioning_claim(
        &mut self,
        input: ProvisioningTemplateRequest,
        keys: &DeviceKeyPair,
        certificate: Certificate,
        now: Timestamp,
    ) -> Result<CreateProvisioningClaimResponse, ApiError> {
        let name = self.existing_template(&input.template_name)?.name.as_str();
        let expires = certificate.not_after();
        let version = PolicyVersion {
            name: PolicyName::new("provisioning claim"),
            version_id: 1,
            document: permission(&self.scope, name, expires)?,
        };
        let attached_to = AttachedTo::ProvisioningClaim(Box::new(name.into()));
        let policy = PolicyInForce::new(Arc::new(version), attached_to);
        self.provisioning_claims.retain(|_, claim| now <= claim.expires);
        let certificate_id = certificate.id();
        self.provisioning_claims.insert(certificate_id, ProvisioningClaim { policy, expires });
        let key_pair =
            KeyPair { public_key: keys.public_key_pem(), private_key: keys.private_key_pem() };
        Ok(CreateProvisioningClaimResponse {
            certificate_id,
            certificate_pem: certificate.pem(),
            key_pair,
            expiration: expires,
        })
    }

    /// What the holder of a claim may do; `None` for a certificate that is no claim.
    pub(super) fn policy_of_claim(&self, certificate: CertificateId) -> Option<&PolicyInForce> {
        // Somebody may have registered the claim's certificate: then it is one like any other.
        let registered = self.certificates.contains_key(&certificate);
        let claim = self.provisioning_claims.get(&certificate).filter(|_| !registered);
        claim.map(|claim| &claim.policy)
    }

    /// Whether `certificate` is a claim that has not expired.
    pub(crate) fn holds_claim(&self, certificate: CertificateId, now: Timestamp) -> bool {
        self.provisioning_claims.get(&certificate).is_some_and(|claim| now <= claim.expires)
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html
//# connect with any client ID; publish and subscribe to what makes a certificate and to the
//# template's own topics, nothing else
//= https://github.com/ministackorg/ministack/pull/1755
//# a connection that outlives its claim gets no answer any more
//? assumed: receiving is for the same topics; the policy has no name that AWS shows
/// What the holder of a claim for `template` may do until `expires`.
fn permission(scope: &Scope, template: &str, expires: Timestamp) -> Result<Document, ApiError> {
    let topics = [
        "$aws/certificates/create/*".to_owned(),
        "$aws/certificates/create-from-csr/*".to_owned(),
        format!("$aws/provisioning-templates/{template}/provision/*"),
    ];
    let of = |kind: &str| topics.each_ref().map(|topic| scope.iot_arn(kind, topic).to_string());
    let until = expires.milliseconds().div_euclid(1000).to_string();
    let allow = |actions: &[&str], resources: &[String]| {
        json!({
            "Effect": "Allow",
            "Action": actions,
            "Resource": resources,
            "Condition": { "NumericLessThanEquals": { "aws:EpochTime": until } },
        })
    };
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [
            allow(&["iot:Connect"], &["*".to_owned()]),
            allow(&["iot:Publish", "iot:Receive"], &of("topic")),
            allow(&["iot:Subscribe"], &of("topicfilter")),
        ],
    });
    Ok(Document::parse(&document.to_string())?)
}
