//! What a CA certificate says about provisioning its devices: a template and a role.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;

use super::{Registry, template_body};

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
    pub(super) fn check(&self, registry: &Registry) -> Result<(), ApiError> {
        if let Some(name) = &self.template_name {
            //? assumed: a template by name excludes an inline one, which the docs give as two ways
            if self.template_body.is_some() || self.role_arn.is_some() {
                return Err(ApiError::invalid_request(
                    "templateName cannot be specified together with templateBody or roleArn",
                ));
            }
            return registry.check_jitp_template(name);
        }
        //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
        //# an inline template comes with the role that AWS IoT takes to run it
        //? assumed: one without the other is refused here and not when a device connects
        let Some(body) = &self.template_body else {
            return Err(ApiError::invalid_request("registrationConfig must have a templateBody"));
        };
        let Some(role_arn) = &self.role_arn else {
            return Err(ApiError::invalid_request("registrationConfig must have a roleArn"));
        };
        check_role_arn("roleArn", role_arn)?;
        template_body::check_inline(body)
    }
}

//? assumed: a role is looked at as far as that it is an ARN, since there are no roles here
/// Whether `role` could be one.
pub(super) fn check_role_arn(member: &str, role: &str) -> Result<(), ApiError> {
    if role.starts_with("arn:") {
        return Ok(());
    }
    Err(ApiError::invalid_request(format!("Invalid {member}: {role}")))
}
