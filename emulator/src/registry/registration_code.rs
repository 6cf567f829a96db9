//! The registration code: what a verification certificate carries as its common name.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_GetRegistrationCode.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::names::hex;

use super::Registry;

/// GetRegistrationCode takes nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct GetRegistrationCodeRequest {}

/// GetRegistrationCode's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetRegistrationCodeResponse {
    pub(crate) registration_code: String,
}

/// DeleteRegistrationCode takes nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct DeleteRegistrationCodeRequest {}

/// The present code, and how many there were.
#[derive(Clone, Debug, Default)]
pub(super) struct RegistrationCodes {
    present: Option<String>,
    deleted: u64,
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_GetRegistrationCode.html
    //# one code for each account and Region, made when it is first asked for
    /// Makes the registration code on the first call, and repeats it afterwards.
    pub(crate) fn get_registration_code(
        &mut self,
        _input: GetRegistrationCodeRequest,
    ) -> Result<GetRegistrationCodeResponse, ApiError> {
        let derived = hex(&self.derive("registration code", self.registration_codes.deleted));
        let registration_code = self.registration_codes.present.get_or_insert(derived).clone();
        Ok(GetRegistrationCodeResponse { registration_code })
    }

    /// Discards the registration code; the next one is another. Registered CAs stay.
    pub(crate) fn delete_registration_code(
        &mut self,
        _input: DeleteRegistrationCodeRequest,
    ) -> Result<(), ApiError> {
        //? assumed: deleting a code that was never made is 404, as the model lists that exception
        if self.registration_codes.present.take().is_none() {
            return Err(ApiError::not_found("There is no registration code to delete."));
        }
        self.registration_codes.deleted += 1;
        Ok(())
    }

    /// Whether `name` is the registration code of this account and Region.
    pub(super) fn is_registration_code(&self, name: &str) -> bool {
        self.registration_codes.present.as_deref() == Some(name)
    }
}
