//! ListOutgoingCertificates: what this account offers to others.
//!
//! Truth:
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_ListOutgoingCertificates.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::names::{AccountId, Arn, CertificateId, Scope};
use crate::time::Timestamp;

use super::Registry;
use super::paging::PageRequest;

/// ListOutgoingCertificates' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListOutgoingCertificatesRequest {
    pub(crate) page_size: Option<i64>,
    pub(crate) marker: Option<String>,
    pub(crate) ascending_order: bool,
}

/// ListOutgoingCertificates' answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListOutgoingCertificatesResponse {
    pub(crate) outgoing_certificates: Vec<OutgoingCertificate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

/// A certificate that another account was offered and has not accepted yet.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutgoingCertificate {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
    pub(crate) transferred_to: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transfer_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transfer_message: Option<String>,
    pub(crate) creation_date: Timestamp,
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_ListOutgoingCertificates.html
    //# what is being transferred and not yet accepted, by creation date
    /// The certificates that this account offers to others.
    pub(crate) fn list_outgoing_certificates(
        &self,
        input: ListOutgoingCertificatesRequest,
    ) -> Result<ListOutgoingCertificatesResponse, ApiError> {
        let request = PageRequest::marked(
            "listOutgoingCertificates",
            input.page_size,
            input.marker.as_deref(),
            input.ascending_order,
        )?;
        let (outgoing_certificates, next_marker) = request.page(&self.outgoing, |id, ()| {
            let record = self.certificate(*id)?;
            let (target, data) = (record.offered_to()?, record.transfer_data());
            Some(OutgoingCertificate {
                certificate_arn: self.arn_at(target, *id),
                certificate_id: *id,
                transferred_to: target.clone(),
                transfer_date: data.transfer_date,
                transfer_message: data.transfer_message,
                creation_date: record.created,
            })
        });
        Ok(ListOutgoingCertificatesResponse { outgoing_certificates, next_marker })
    }

    //= https://docs.aws.amazon.com/cli/latest/reference/iot/transfer-certificate.html
    //# the ARN of a certificate on its way names the target account
    fn arn_at(&self, account: &AccountId, id: CertificateId) -> Arn {
        Scope::new(account.clone(), self.scope.region.clone()).iot_arn("cert", id)
    }
}
