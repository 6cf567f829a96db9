//! Registered CA certificates: DescribeCACertificate, UpdateCACertificate, DeleteCACertificate,
//! ListCACertificates, ListCertificatesByCA.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Arn, CertificateId};
use crate::pki::Certificate;
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::registration_config::RegistrationConfig;
use super::shelf::Shelf;
use super::{
    AutoRegistrationStatus, CaCertificateStatus, CertificateMode, CertificateValidity,
    CertificatesPage, Change, Registry,
};

/// DescribeCACertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DescribeCaCertificateRequest {
    pub(crate) certificate_id: String,
}

/// DescribeCACertificate's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeCaCertificateResponse {
    pub(crate) certificate_description: CaCertificateDescription,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_config: Option<RegistrationConfig>,
}

/// A CA certificate as it is described.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaCertificateDescription {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
    pub(crate) status: CaCertificateStatus,
    pub(crate) certificate_pem: String,
    pub(crate) owned_by: AccountId,
    pub(crate) creation_date: Timestamp,
    pub(crate) auto_registration_status: AutoRegistrationStatus,
    pub(crate) last_modified_date: Timestamp,
    pub(crate) customer_version: u32,
    pub(crate) generation_id: String,
    pub(crate) validity: CertificateValidity,
    pub(crate) certificate_mode: CertificateMode,
}

/// UpdateCACertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateCaCertificateRequest {
    pub(crate) certificate_id: String,
    pub(crate) new_status: Option<CaCertificateStatus>,
    pub(crate) new_auto_registration_status: Option<AutoRegistrationStatus>,
    pub(crate) registration_config: Option<RegistrationConfig>,
    pub(crate) remove_auto_registration: bool,
}

/// DeleteCACertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteCaCertificateRequest {
    pub(crate) certificate_id: String,
}

/// ListCACertificates' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListCaCertificatesRequest {
    pub(crate) page_size: Option<i64>,
    pub(crate) marker: Option<String>,
    pub(crate) ascending_order: bool,
    pub(crate) template_name: Option<String>,
}

/// A CA certificate in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaCertificateSummary {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
    pub(crate) status: CaCertificateStatus,
    pub(crate) creation_date: Timestamp,
}

/// ListCACertificates' answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListCaCertificatesResponse {
    pub(crate) certificates: Vec<CaCertificateSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

/// ListCertificatesByCA's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListCertificatesByCaRequest {
    pub(crate) ca_certificate_id: String,
    pub(crate) page_size: Option<i64>,
    pub(crate) marker: Option<String>,
    pub(crate) ascending_order: bool,
}

/// A registered CA certificate.
#[derive(Clone, Debug)]
pub(crate) struct CaCertificate {
    pub(crate) certificate: Certificate,
    pub(crate) status: CaCertificateStatus,
    pub(crate) auto_registration: AutoRegistrationStatus,
    pub(crate) registration_config: Option<RegistrationConfig>,
    pub(crate) mode: CertificateMode,
    /// As it was given.
    pub(super) pem: String,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) customer_version: u32,
    pub(super) generation_id: String,
}

impl Registry {
    /// A registered CA certificate.
    pub(crate) fn describe_ca_certificate(
        &self,
        input: DescribeCaCertificateRequest,
    ) -> Result<DescribeCaCertificateResponse, ApiError> {
        let id = self.ca_certificate_id(&input.certificate_id)?;
        let ca = self.ca_certificate(id).ok_or_else(ca_not_found)?;
        Ok(DescribeCaCertificateResponse {
            certificate_description: CaCertificateDescription {
                certificate_arn: self.scope.iot_arn("cacert", id),
                certificate_id: id,
                status: ca.status,
                certificate_pem: ca.pem.clone(),
                owned_by: self.scope.account.clone(),
                creation_date: ca.created,
                auto_registration_status: ca.auto_registration,
                last_modified_date: ca.modified,
                customer_version: ca.customer_version,
                generation_id: ca.generation_id.clone(),
                validity: CertificateValidity::of(&ca.certificate),
                certificate_mode: ca.mode,
            },
            registration_config: ca.registration_config.clone(),
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
    //# every member is optional, and each counts by itself
    /// Changes status, auto-registration and provisioning of a CA certificate.
    pub(crate) fn update_ca_certificate(
        &mut self,
        input: UpdateCaCertificateRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let config = input.registration_config.filter(|config| !config.is_empty());
        let id = self.ca_certificate_id(&input.certificate_id)?;
        if let Some(config) = &config {
            config.check(self)?;
        }
        let ca = self.ca_certificates.get_mut(&id).ok_or_else(ca_not_found)?;
        ca.status = input.new_status.unwrap_or(ca.status);
        ca.auto_registration = input.new_auto_registration_status.unwrap_or(ca.auto_registration);
        if config.is_some() {
            ca.registration_config = config;
        }
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
        //# `removeAutoRegistration`: if true, removes auto registration
        //? assumed: the registrationConfig goes with it
        if input.remove_auto_registration {
            ca.auto_registration = AutoRegistrationStatus::Disable;
            ca.registration_config = None;
        }
        //? assumed: every update counts as a new version
        ca.customer_version += 1;
        ca.modified = now;
        Ok(())
    }

    //? assumed: device certificates of a CA that goes stay, and still name it
    /// Deletes a CA certificate that is not ACTIVE. Its device certificates stay as they are.
    pub(crate) fn delete_ca_certificate(
        &mut self,
        input: DeleteCaCertificateRequest,
    ) -> Result<(), ApiError> {
        let id = self.ca_certificate_id(&input.certificate_id)?;
        let ca = self.ca_certificate(id).ok_or_else(ca_not_found)?;
        if ca.status == CaCertificateStatus::Active {
            //= https://github.com/ministackorg/ministack/pull/1755
            //# measured 2026-08-26: an ACTIVE CA certificate is not deleted
            let message = format!(
                "CA Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}"
            );
            return Err(ApiError::new(ErrorCode::CertificateStateException, message));
        }
        let Some(ca) = self.ca_certificates.remove(&id) else { return Err(ca_not_found()) };
        self.forget_tags(&self.scope.iot_arn("cacert", id));
        let subject = ca.certificate.subject().der();
        if let Some(same_subject) = self.ca_certificates_by_subject.get_mut(subject) {
            same_subject.remove(&id);
            if same_subject.is_empty() {
                self.ca_certificates_by_subject.remove(subject);
            }
        }
        self.changes.push(Change::CaCertificateDeleted(id));
        Ok(())
    }

    /// The CA certificates of this account and Region.
    pub(crate) fn list_ca_certificates(
        &self,
        input: ListCaCertificatesRequest,
    ) -> Result<ListCaCertificatesResponse, ApiError> {
        let request = PageRequest::marked(
            "listCACertificates",
            input.page_size,
            input.marker.as_deref(),
            input.ascending_order,
        )?;
        let template = |ca: &CaCertificate| {
            ca.registration_config.as_ref().and_then(|config| config.template_name.clone())
        };
        let (certificates, next_marker) = request.page(&self.ca_certificates, |_, ca| {
            let wanted = input.template_name.is_none() || template(ca) == input.template_name;
            wanted.then(|| self.ca_summary(ca))
        });
        Ok(ListCaCertificatesResponse { certificates, next_marker })
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# measured: all statuses, newest first; not those registered without a CA; a CA that is not
    //# registered has an empty list
    //? assumed: the items have a certificateMode, as in ListCertificates
    /// The device certificates that were registered under a CA certificate.
    pub(crate) fn list_certificates_by_ca(
        &self,
        input: ListCertificatesByCaRequest,
    ) -> Result<CertificatesPage, ApiError> {
        let request = PageRequest::marked(
            "listCertificateByCA",
            input.page_size,
            input.marker.as_deref(),
            input.ascending_order,
        )?;
        let ca = input.ca_certificate_id.parse::<CertificateId>().ok();
        let none = Shelf::default();
        let of_ca = ca.and_then(|ca| self.certificates_by_ca.get(&ca)).unwrap_or(&none);
        let (certificates, next_marker) = request.page(of_ca, |id, ()| {
            self.certificate(*id).map(|record| self.certificate_summary(record))
        });
        Ok(CertificatesPage { certificates, next_marker })
    }

    fn ca_summary(&self, ca: &CaCertificate) -> CaCertificateSummary {
        let id = ca.certificate.id();
        CaCertificateSummary {
            certificate_arn: self.scope.iot_arn("cacert", id),
            certificate_id: id,
            status: ca.status,
            creation_date: ca.created,
        }
    }

    /// A registered CA certificate.
    pub(crate) fn ca_certificate(&self, id: CertificateId) -> Option<&CaCertificate> {
        self.ca_certificates.get(&id)
    }

    /// Every registered CA certificate, oldest first.
    pub(crate) fn ca_certificates(&self) -> impl Iterator<Item = &CaCertificate> {
        self.ca_certificates.values()
    }

    /// The registered CA certificates whose subject is `subject`, in DER; oldest first.
    pub(super) fn ca_certificates_named(
        &self,
        subject: &[u8],
    ) -> impl Iterator<Item = &CaCertificate> {
        let ids = self.ca_certificates_by_subject.get(subject).into_iter().flat_map(Shelf::keys);
        ids.filter_map(|id| self.ca_certificate(*id))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html
    //# in DEFAULT mode one account of a Region may register a CA, in SNI_ONLY mode any number
    /// Whether this account owns the CA certificate in `DEFAULT` mode, so that no other account of
    /// the Region may.
    pub(crate) fn owns_ca_by_default(&self, id: CertificateId) -> bool {
        self.ca_certificate(id).is_some_and(|ca| ca.mode == CertificateMode::Default)
    }

    fn ca_certificate_id(&self, text: &str) -> Result<CertificateId, ApiError> {
        let id = text.parse().map_err(|_| ca_not_found())?;
        if self.ca_certificates.contains_key(&id) { Ok(id) } else { Err(ca_not_found()) }
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# the text
fn ca_not_found() -> ApiError {
    ApiError::not_found("Requested CA Certificate does not exist.")
}
