//! Registered device certificates: DescribeCertificate, UpdateCertificate, DeleteCertificate,
//! ListCertificates.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html> and
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteCertificate.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Arn, CertificateId};
use crate::pki::Certificate;
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::transfers::{Transfer, TransferData, in_transfer};
use super::{
    CertificateMode, CertificateStatus, CertificateValidity, Change, Concerned, Registry, Target,
};

/// DescribeCertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DescribeCertificateRequest {
    pub(crate) certificate_id: String,
}

/// DescribeCertificate's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeCertificateResponse {
    pub(crate) certificate_description: CertificateDescription,
}

/// A device certificate as it is described.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateDescription {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certificate_id: Option<CertificateId>,
    pub(crate) status: CertificateStatus,
    pub(crate) certificate_pem: String,
    pub(crate) owned_by: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous_owned_by: Option<AccountId>,
    pub(crate) creation_date: Timestamp,
    pub(crate) last_modified_date: Timestamp,
    pub(crate) customer_version: u32,
    pub(crate) transfer_data: TransferData,
    pub(crate) generation_id: String,
    pub(crate) validity: CertificateValidity,
    pub(crate) certificate_mode: CertificateMode,
}

/// UpdateCertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateCertificateRequest {
    pub(crate) certificate_id: String,
    pub(crate) new_status: Option<CertificateStatus>,
}

/// DeleteCertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteCertificateRequest {
    pub(crate) certificate_id: String,
    pub(crate) force_delete: bool,
}

/// ListCertificates' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListCertificatesRequest {
    pub(crate) page_size: Option<i64>,
    pub(crate) marker: Option<String>,
    pub(crate) ascending_order: bool,
}

/// A device certificate in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateSummary {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
    pub(crate) status: CertificateStatus,
    pub(crate) certificate_mode: CertificateMode,
    pub(crate) creation_date: Timestamp,
}

/// A page of device certificates.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificatesPage {
    pub(crate) certificates: Vec<CertificateSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

/// A registered device certificate.
#[derive(Clone, Debug)]
pub(crate) struct CertificateRecord {
    pub(crate) certificate: Certificate,
    pub(crate) status: CertificateStatus,
    pub(crate) mode: CertificateMode,
    /// The CA under which it was registered.
    pub(crate) ca_certificate_id: Option<CertificateId>,
    pub(crate) created: Timestamp,
    /// As it was given, where that is not how we would write it.
    pub(super) pem: Option<Box<str>>,
    pub(super) modified: Timestamp,
    pub(super) customer_version: u32,
    pub(super) generation_id: String,
    /// Most certificates stay where they are.
    pub(super) transfer: Option<Box<Transfer>>,
}

impl CertificateRecord {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# the PEM comes back as it was given, white space and all
    fn pem(&self) -> String {
        self.pem.as_deref().map_or_else(|| self.certificate.pem(), str::to_owned)
    }
}

impl Registry {
    /// A registered device certificate.
    pub(crate) fn describe_certificate(
        &self,
        input: DescribeCertificateRequest,
    ) -> Result<DescribeCertificateResponse, ApiError> {
        let record = self.certificate_record(&input.certificate_id)?;
        let id = record.certificate.id();
        Ok(DescribeCertificateResponse {
            certificate_description: CertificateDescription {
                certificate_arn: self.certificate_arn(id),
                certificate_id: id,
                ca_certificate_id: record.ca_certificate_id,
                status: record.status,
                certificate_pem: record.pem(),
                owned_by: record.offered_by().unwrap_or(&self.scope.account).clone(),
                previous_owned_by: record.previous_owner().cloned(),
                creation_date: record.created,
                last_modified_date: record.modified,
                customer_version: record.customer_version,
                transfer_data: record.transfer_data(),
                generation_id: record.generation_id.clone(),
                validity: CertificateValidity::of(&record.certificate),
                certificate_mode: record.mode,
            },
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html
    //# idempotent; setting PENDING_TRANSFER or PENDING_ACTIVATION throws an exception;
    //# REGISTER_INACTIVE is deprecated
    //? assumed: that exception is CertificateStateException; REVOKED may become ACTIVE again; a
    //? certificate in PENDING_TRANSFER keeps its status; REGISTER_INACTIVE may still be set
    /// Changes the status of a device certificate.
    pub(crate) fn update_certificate(
        &mut self,
        input: UpdateCertificateRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let record = self.certificate_record(&input.certificate_id)?;
        let (id, old) = (record.certificate.id(), record.status);
        let Some(status) = input.new_status else { return Ok(()) };
        let pending = [CertificateStatus::PendingTransfer, CertificateStatus::PendingActivation];
        if pending.contains(&status) {
            return Err(ApiError::new(
                ErrorCode::CertificateStateException,
                format!("Not allowed to set certificate status to {status}. Id: {id}"),
            ));
        }
        if old == CertificateStatus::PendingTransfer {
            return Err(in_transfer("update", id));
        }
        self.set_certificate_status(id, status, now);
        Ok(())
    }

    /// Sets the status, and tells whoever holds connections of the certificate.
    pub(crate) fn set_certificate_status(
        &mut self,
        id: CertificateId,
        status: CertificateStatus,
        now: Timestamp,
    ) {
        let Some(record) = self.certificates.get_mut(&id) else { return };
        let was = std::mem::replace(&mut record.status, status);
        if was == status {
            return;
        }
        record.modified = now;
        //? assumed: a change of status counts as a new version
        record.customer_version += 1;
        if was == CertificateStatus::Active {
            self.changes.push(Change::CertificateNoLongerActive(id));
        }
        self.policies_may_decide_differently(Concerned::Principal(id.into()));
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteCertificate.html
    //# not while it is ACTIVE or attached to a thing; policies hinder unless forceDelete
    //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
    //# the texts, and the order: status, things, policies
    //? assumed: one in PENDING_TRANSFER cannot be deleted in either account
    /// Deletes a device certificate.
    pub(crate) fn delete_certificate(
        &mut self,
        input: DeleteCertificateRequest,
    ) -> Result<(), ApiError> {
        let record = self.certificate_record(&input.certificate_id)?;
        let id = record.certificate.id();
        if record.status == CertificateStatus::Active {
            let message =
                format!("Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}");
            return Err(ApiError::new(ErrorCode::CertificateStateException, message));
        }
        if record.status == CertificateStatus::PendingTransfer {
            return Err(in_transfer("delete", id));
        }
        let arn = self.certificate_arn(id);
        let target = Target::Certificate(id);
        if self.principal_things.contains_key(&target) {
            let message = format!("Things must be detached before deletion (arn: {arn})");
            return Err(ApiError::new(ErrorCode::DeleteConflictException, message));
        }
        if self.has_policies(&target) && !input.force_delete {
            let message =
                format!("Certificate policies must be detached before deletion (arn: {arn})");
            return Err(ApiError::new(ErrorCode::DeleteConflictException, message));
        }
        self.detach_all_policies(&target);
        self.take_certificate(id);
        self.changes.push(Change::CertificateDeleted(id));
        self.policies_may_decide_differently(Concerned::Principal(target));
        Ok(())
    }

    /// The device certificates of this account and Region.
    pub(crate) fn list_certificates(
        &self,
        input: ListCertificatesRequest,
    ) -> Result<CertificatesPage, ApiError> {
        let request = PageRequest::marked(
            "listCertificates",
            input.page_size,
            input.marker.as_deref(),
            input.ascending_order,
        )?;
        let (certificates, next_marker) =
            request.page(&self.certificates, |_, record| Some(self.certificate_summary(record)));
        Ok(CertificatesPage { certificates, next_marker })
    }

    pub(super) fn certificate_summary(&self, record: &CertificateRecord) -> CertificateSummary {
        let id = record.certificate.id();
        CertificateSummary {
            certificate_arn: self.certificate_arn(id),
            certificate_id: id,
            status: record.status,
            certificate_mode: record.mode,
            creation_date: record.created,
        }
    }

    /// A registered device certificate.
    pub(crate) fn certificate(&self, id: CertificateId) -> Option<&CertificateRecord> {
        self.certificates.get(&id)
    }

    /// Puts a device certificate into the registry.
    pub(super) fn shelve(&mut self, position: u64, record: CertificateRecord) {
        let id = record.certificate.id();
        if let Some(ca) = record.ca_certificate_id {
            self.certificates_by_ca.entry(ca).or_default().insert(position, id, ());
        }
        self.transferred_away.remove(&id);
        self.certificates.insert(position, id, record);
        self.policies_may_decide_differently(Concerned::Principal(id.into()));
    }

    /// Takes a device certificate out of the registry.
    pub(super) fn take_certificate(&mut self, id: CertificateId) -> Option<CertificateRecord> {
        let record = self.certificates.remove(&id)?;
        if let Some(ca) = record.ca_certificate_id
            && let Some(of_ca) = self.certificates_by_ca.get_mut(&ca)
        {
            of_ca.remove(&id);
            if of_ca.is_empty() {
                self.certificates_by_ca.remove(&ca);
            }
        }
        Some(record)
    }

    pub(super) fn certificate_record(&self, text: &str) -> Result<&CertificateRecord, ApiError> {
        let record = text.parse().ok().and_then(|id| self.certificate(id));
        record.ok_or_else(|| unknown_certificate_id(text))
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# the text
pub(super) fn unknown_certificate_id(text: &str) -> ApiError {
    ApiError::not_found(format!("CertificateId {text} does not exist"))
}
