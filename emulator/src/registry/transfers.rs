//! Certificates between two accounts: what TransferCertificate, AcceptCertificateTransfer,
//! RejectCertificateTransfer and CancelCertificateTransfer do at either end.
//!
//! Each method is a step of one registry. Which end takes its step first is decided in
//! `iot_core/transfers.rs`; the list of what is offered stands in `outgoing_certificates.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transfer-cert.html> and
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_TransferCertificate.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Arn, CertificateId};
use crate::time::Timestamp;

use super::certificates::unknown_certificate_id;
use super::{CertificateRecord, CertificateStatus, Change, Concerned, Registry, Target};

/// TransferCertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TransferCertificateRequest {
    pub(crate) certificate_id: String,
    pub(crate) target_aws_account: String,
    pub(crate) transfer_message: Option<String>,
}

/// TransferCertificate's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferCertificateResponse {
    pub(crate) transferred_certificate_arn: Arn,
}

/// AcceptCertificateTransfer's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AcceptCertificateTransferRequest {
    pub(crate) certificate_id: String,
    pub(crate) set_as_active: bool,
}

/// RejectCertificateTransfer's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RejectCertificateTransferRequest {
    pub(crate) certificate_id: String,
    pub(crate) reject_reason: Option<String>,
}

/// CancelCertificateTransfer's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CancelCertificateTransferRequest {
    pub(crate) certificate_id: String,
}

//= https://docs.aws.amazon.com/cli/latest/reference/iot/describe-certificate.html
//# present and empty while the certificate was never transferred
//? assumed: it tells of the last transfer, also of one that was cancelled
/// What happened to a certificate between accounts.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transfer_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transfer_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_date: Option<Timestamp>,
}

/// What a record keeps of transfers.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    // INVARIANT: settled exactly if the status is not PENDING_TRANSFER.
    way: Way,
    /// Who had the certificate before it came here.
    previous_owner: Option<AccountId>,
    data: TransferData,
}

/// Which way a certificate is going.
#[derive(Clone, Debug, Default)]
enum Way {
    #[default]
    Settled,
    /// This account offers it to another.
    To(AccountId),
    /// Another account offers it to this one.
    From(AccountId),
}

/// A certificate that has left for another account and did not get there yet.
#[derive(Debug)]
pub(crate) struct Departure {
    id: CertificateId,
    source: AccountId,
    target: AccountId,
    /// As it was.
    before: CertificateRecord,
    /// As it waits now.
    waiting: CertificateRecord,
}

impl Departure {
    /// To whom it goes.
    pub(crate) fn target(&self) -> &AccountId {
        &self.target
    }
}

impl CertificateRecord {
    /// Whether another account offers it to this one, which does not own it yet.
    pub(crate) fn is_incoming(&self) -> bool {
        self.offered_by().is_some()
    }

    pub(super) fn offered_by(&self) -> Option<&AccountId> {
        match self.transfer.as_deref() {
            Some(Transfer { way: Way::From(source), .. }) => Some(source),
            _ => None,
        }
    }

    pub(super) fn offered_to(&self) -> Option<&AccountId> {
        match self.transfer.as_deref() {
            Some(Transfer { way: Way::To(target), .. }) => Some(target),
            _ => None,
        }
    }

    pub(super) fn previous_owner(&self) -> Option<&AccountId> {
        self.transfer.as_deref()?.previous_owner.as_ref()
    }

    pub(super) fn transfer_data(&self) -> TransferData {
        self.transfer.as_deref().map(|transfer| transfer.data.clone()).unwrap_or_default()
    }
}

// === At the source ===

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_TransferCertificate.html
    //# it must not be ACTIVE and must not have policies attached
    //= https://docs.aws.amazon.com/iot/latest/developerguide/transfer-cert.html
    //# nor be attached to things
    //? assumed: the texts; things that are attached are TransferConflictException too, a transfer
    //? that is pending already CertificateStateException, the own account InvalidRequestException;
    //? any other status than ACTIVE may be transferred
    /// Offers a certificate to another account: from now on it waits in PENDING_TRANSFER.
    pub(crate) fn begin_transfer(
        &mut self,
        input: TransferCertificateRequest,
        now: Timestamp,
    ) -> Result<Departure, ApiError> {
        let record = self.certificate_record(&input.certificate_id)?;
        let (id, before) = (record.certificate.id(), record.clone());
        if before.status == CertificateStatus::Active {
            return Err(ApiError::new(
                ErrorCode::CertificateStateException,
                format!("Certificate must be deactivated (not ACTIVE) before transfer. Id: {id}"),
            ));
        }
        let arn = self.certificate_arn(id);
        let attached = Target::Certificate(id);
        let conflict = |what: &str| {
            let message = format!("{what} must be detached before transfer (arn: {arn})");
            Err(ApiError::new(ErrorCode::TransferConflictException, message))
        };
        if self.has_policies(&attached) {
            return conflict("Certificate policies");
        }
        if self.principal_things.contains_key(&attached) {
            return conflict("Things");
        }
        if before.status == CertificateStatus::PendingTransfer {
            return Err(in_transfer("transfer", id));
        }
        let target = AccountId::from(input.target_aws_account);
        if target == self.scope.account {
            let message = "A certificate cannot be transferred to the account that owns it";
            return Err(ApiError::invalid_request(message));
        }
        self.set_certificate_status(id, CertificateStatus::PendingTransfer, now);
        let waiting = self.offer(id, &target, input.transfer_message, now);
        let source = self.scope.account.clone();
        let waiting = waiting.ok_or_else(|| unknown_certificate_id(&input.certificate_id))?;
        Ok(Departure { id, source, target, before, waiting })
    }

    fn offer(
        &mut self,
        id: CertificateId,
        target: &AccountId,
        transfer_message: Option<String>,
        now: Timestamp,
    ) -> Option<CertificateRecord> {
        let position = self.certificates.position(&id)?;
        let record = self.certificates.get_mut(&id)?;
        let transfer_date = Some(now);
        record.transfer = Some(Box::new(Transfer {
            way: Way::To(target.clone()),
            previous_owner: record.previous_owner().cloned(),
            data: TransferData { transfer_message, transfer_date, ..TransferData::default() },
        }));
        let waiting = record.clone();
        self.outgoing.insert(position, id, ());
        Some(waiting)
    }

    /// The target would not take it: all is as it was.
    pub(crate) fn undo_transfer(&mut self, departure: Departure) {
        let Departure { id, target, before, .. } = departure;
        if self.outgoing_to(id, &target).is_some()
            && let Some(record) = self.certificates.get_mut(&id)
        {
            *record = before;
            self.outgoing.remove(&id);
            self.policies_may_decide_differently(Concerned::Principal(id.into()));
        }
    }

    //? assumed: who asks for a transfer that is the other side's to end is refused with
    //? InvalidRequestException
    /// The certificate whose transfer this account wants to cancel, and to whom it was offered.
    pub(crate) fn cancellable_transfer(
        &self,
        input: &CancelCertificateTransferRequest,
    ) -> Result<(CertificateId, AccountId), ApiError> {
        let record = self.transferred(&input.certificate_id)?;
        let id = record.certificate.id();
        if record.is_incoming() {
            let message = format!("Only the source account can cancel the transfer. Id: {id}");
            return Err(ApiError::invalid_request(message));
        }
        let target = record.offered_to().ok_or_else(|| completed(id))?;
        Ok((id, target.clone()))
    }

    /// The transfer to `target` was cancelled.
    pub(crate) fn transfer_cancelled(
        &mut self,
        id: CertificateId,
        target: &AccountId,
        now: Timestamp,
    ) {
        self.give_back(id, target, now, |_data| {});
    }

    /// `target` rejected the transfer.
    pub(crate) fn transfer_rejected(
        &mut self,
        id: CertificateId,
        target: &AccountId,
        reject_reason: Option<String>,
        now: Timestamp,
    ) {
        self.give_back(id, target, now, |data| {
            data.reject_reason = reject_reason;
            data.reject_date = Some(now);
        });
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CancelCertificateTransfer.html
    //# back at the source it is INACTIVE; the same after a rejection
    fn give_back(
        &mut self,
        id: CertificateId,
        target: &AccountId,
        now: Timestamp,
        note: impl FnOnce(&mut TransferData),
    ) {
        let Some(transfer) = self.outgoing_to(id, target) else { return };
        transfer.way = Way::Settled;
        note(&mut transfer.data);
        self.outgoing.remove(&id);
        self.set_certificate_status(id, CertificateStatus::Inactive, now);
    }

    /// `target` accepted the transfer: the certificate is no longer here.
    pub(crate) fn transfer_accepted(&mut self, id: CertificateId, target: &AccountId) {
        if self.outgoing_to(id, target).is_some() {
            self.outgoing.remove(&id);
            self.forget_transferred(id);
        }
    }

    fn outgoing_to(&mut self, id: CertificateId, target: &AccountId) -> Option<&mut Transfer> {
        let transfer = self.certificates.get_mut(&id)?.transfer.as_deref_mut()?;
        matches!(&transfer.way, Way::To(account) if account == target).then_some(transfer)
    }
}

// === At the target ===

impl Registry {
    //? assumed: a target that has the same certificate already hinders the transfer with
    //? TransferConflictException
    //? assumed: the certificate keeps mode, creation date, generation and caCertificateId, also
    //? where that CA is not registered; it counts as the source's until it is accepted
    /// Takes in a certificate that another account offers.
    pub(crate) fn receive_transfer(
        &mut self,
        departure: &Departure,
    ) -> Result<TransferCertificateResponse, ApiError> {
        let id = departure.id;
        if self.certificates.contains_key(&id) {
            let account = &self.scope.account;
            let message = format!("The certificate is registered in {account} already. Id: {id}");
            return Err(ApiError::new(ErrorCode::TransferConflictException, message));
        }
        let mut record = departure.waiting.clone();
        if let Some(transfer) = record.transfer.as_deref_mut() {
            transfer.way = Way::From(departure.source.clone());
        }
        let position = self.next_position();
        self.shelve(position, record);
        Ok(TransferCertificateResponse { transferred_certificate_arn: self.certificate_arn(id) })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_AcceptCertificateTransfer.html
    //# it becomes INACTIVE, or ACTIVE with setAsActive
    /// Makes an offered certificate this account's own; answers its ID and who had it.
    pub(crate) fn accept_transfer(
        &mut self,
        input: &AcceptCertificateTransferRequest,
        now: Timestamp,
    ) -> Result<(CertificateId, AccountId), ApiError> {
        let (id, source) = self.incoming(&input.certificate_id)?;
        if let Some(record) = self.certificates.get_mut(&id)
            && let Some(transfer) = record.transfer.as_deref_mut()
        {
            transfer.way = Way::Settled;
            transfer.previous_owner = Some(source.clone());
            transfer.data.accept_date = Some(now);
        }
        let status = if input.set_as_active {
            CertificateStatus::Active
        } else {
            CertificateStatus::Inactive
        };
        self.set_certificate_status(id, status, now);
        Ok((id, source))
    }

    /// Declines an offered certificate; answers its ID and whose it stays.
    pub(crate) fn reject_transfer(
        &mut self,
        input: &RejectCertificateTransferRequest,
    ) -> Result<(CertificateId, AccountId), ApiError> {
        let (id, source) = self.incoming(&input.certificate_id)?;
        self.forget_transferred(id);
        Ok((id, source))
    }

    /// `source` wants its offer back.
    pub(crate) fn withdraw_transfer(
        &mut self,
        id: CertificateId,
        source: &AccountId,
    ) -> Result<(), ApiError> {
        let offered_by = self.certificate(id).and_then(CertificateRecord::offered_by);
        if offered_by != Some(source) {
            return Err(completed(id));
        }
        self.forget_transferred(id);
        Ok(())
    }

    /// The certificate that is offered to this account, and by whom.
    fn incoming(&self, text: &str) -> Result<(CertificateId, AccountId), ApiError> {
        let record = self.transferred(text)?;
        let id = record.certificate.id();
        if record.offered_to().is_some() {
            let message =
                format!("Only the target account can accept or reject the transfer. Id: {id}");
            return Err(ApiError::invalid_request(message));
        }
        let source = record.offered_by().ok_or_else(|| completed(id))?;
        Ok((id, source.clone()))
    }
}

// === At either end ===

impl Registry {
    /// The certificate of a transfer; one that a transfer took from here is not unknown.
    fn transferred(&self, text: &str) -> Result<&CertificateRecord, ApiError> {
        let gone = text.parse().ok().filter(|id| self.transferred_away.contains(id));
        self.certificate_record(text).map_err(|unknown| gone.map_or(unknown, completed))
    }

    /// The certificate of a transfer is at the other end from now on.
    fn forget_transferred(&mut self, id: CertificateId) {
        if self.take_certificate(id).is_some() {
            self.transferred_away.insert(id);
            self.changes.push(Change::CertificateDeleted(id));
            self.policies_may_decide_differently(Concerned::Principal(id.into()));
        }
    }

    //? assumed: nothing is attached to a certificate in PENDING_TRANSFER: InvalidRequestException
    pub(super) fn check_attachable(&self, target: &Target) -> Result<(), ApiError> {
        let Target::Certificate(id) = target else { return Ok(()) };
        let status = self.certificate(*id).map(|record| record.status);
        if status == Some(CertificateStatus::PendingTransfer) {
            return Err(ApiError::invalid_request(format!(
                "Not allowed to attach to a certificate in PENDING_TRANSFER status. Id: {id}"
            )));
        }
        Ok(())
    }
}

/// What a certificate in PENDING_TRANSFER answers to who would `verb` it.
pub(super) fn in_transfer(verb: &str, id: CertificateId) -> ApiError {
    let message =
        format!("Not allowed to {verb} a certificate in PENDING_TRANSFER status. Id: {id}");
    ApiError::new(ErrorCode::CertificateStateException, message)
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_RejectCertificateTransfer.html
//# 410, `TransferAlreadyCompletedException`: a transfer that is complete cannot be reverted
//? assumed: the text; a certificate that was never transferred answers the same
fn completed(id: CertificateId) -> ApiError {
    let message = format!("The transfer of the certificate is already complete. Id: {id}");
    ApiError::new(ErrorCode::TransferAlreadyCompletedException, message)
}
