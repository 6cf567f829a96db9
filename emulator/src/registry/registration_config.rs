//! What a CA certificate says about provisioning its devices: a template and a role.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;

use super::template_body;

/// `registrationConfig`: with it, devices of a CA are provisioned just in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegistrationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_name: Option<String>,
}

impl RegistrationConfig {
    /// Whether it says anything: an empty one counts as absent.
    pub(super) fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// What else AWS needs, or finds too much.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if let Some(name) = &self.template_name {
            //? assumed: a template by name excludes an inline one, which the docs give as two ways
            if self.template_body.is_some() || self.role_arn.is_some() {
                return Err(ApiError::invalid_request(
                    "templateName cannot be specified together with templateBody or roleArn",
                ));
            }
            //? assumed: the model's ResourceNotFoundException is for a template that does not exist
            return Err(ApiError::not_found(format!("Unable to find template named {name}")));
        }
        //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
        //# an inline template comes with the role that AWS IoT takes to run it
        //? assumed: one without the other is refused here and not when a device connects
        let Some(body) = &self.template_body else {
            return Err(ApiError::invalid_request("registrationConfig must have a templateBody"));
        };
        match &self.role_arn {
            None => Err(ApiError::invalid_request("registrationConfig must have a roleArn")),
            Some(arn) if !arn.starts_with("arn:") => {
                Err(ApiError::invalid_request(format!("Invalid roleArn: {arn}")))
            }
            Some(_) => template_body::check(body),
        }
    }
}
