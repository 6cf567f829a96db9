//! The versions of a provisioning template: CreateProvisioningTemplateVersion,
//! DescribeProvisioningTemplateVersion, DeleteProvisioningTemplateVersion,
//! ListProvisioningTemplateVersions.
//!
//! Version IDs are numbers that start at 1 and are never used again.
//! Truth:
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningTemplateVersion.html>
//! and AWS's answers as <https://github.com/ministackorg/ministack/pull/1755> reports them.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, TemplateName};
use crate::quotas::PROVISIONING_TEMPLATE_VERSIONS;
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::provisioning_templates::ProvisioningTemplate;
use super::{Registry, template_body};

/// CreateProvisioningTemplateVersion's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateProvisioningTemplateVersionRequest {
    pub(crate) template_name: String,
    pub(crate) template_body: String,
    pub(crate) set_as_default: bool,
}

/// CreateProvisioningTemplateVersion's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateProvisioningTemplateVersionResponse {
    pub(crate) template_arn: Arn,
    pub(crate) template_name: TemplateName,
    pub(crate) version_id: i64,
    pub(crate) is_default_version: bool,
}

/// DescribeProvisioningTemplateVersion's and DeleteProvisioningTemplateVersion's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProvisioningTemplateVersionRequest {
    pub(crate) template_name: String,
    pub(crate) version_id: i64,
}

/// DescribeProvisioningTemplateVersion's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeProvisioningTemplateVersionResponse {
    pub(crate) version_id: i64,
    pub(crate) creation_date: Timestamp,
    pub(crate) template_body: String,
    pub(crate) is_default_version: bool,
}

/// ListProvisioningTemplateVersions' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListProvisioningTemplateVersionsRequest {
    pub(crate) template_name: String,
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProvisioningTemplateVersionSummary {
    pub(crate) version_id: i64,
    pub(crate) creation_date: Timestamp,
    pub(crate) is_default_version: bool,
}

/// ListProvisioningTemplateVersions' answer, which is one page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListProvisioningTemplateVersionsResponse {
    pub(crate) versions: Vec<ProvisioningTemplateVersionSummary>,
}

/// A version of a provisioning template.
#[derive(Clone, Debug)]
pub(crate) struct TemplateVersion {
    /// As it was given.
    pub(super) body: String,
    created: Timestamp,
}

impl TemplateVersion {
    pub(super) fn new(body: String, now: Timestamp) -> Self {
        Self { body, created: now }
    }
}

impl Registry {
    //? assumed: the order of the checks: template, body, number of versions
    /// Adds a version, which becomes the default only if asked for.
    pub(crate) fn create_provisioning_template_version(
        &mut self,
        input: CreateProvisioningTemplateVersionRequest,
        now: Timestamp,
    ) -> Result<CreateProvisioningTemplateVersionResponse, ApiError> {
        let name = input.template_name.as_str();
        let Some(template) = self.provisioning_templates.get_mut(name) else {
            return Err(ApiError::not_found(format!("Unable to find template named {name}")));
        };
        template_body::check_named(&input.template_body)?;
        if template.versions.len() >= PROVISIONING_TEMPLATE_VERSIONS {
            //= https://github.com/ministackorg/ministack/pull/1755
            //# the text for a sixth version
            let message = format!(
                "Can't create a template version for the template {name}, the maximum number of \
                 template versions has been reached"
            );
            return Err(ApiError::new(ErrorCode::VersionsLimitExceededException, message));
        }
        template.last_version += 1;
        let id = template.last_version;
        template.versions.insert(id, TemplateVersion::new(input.template_body, now));
        if input.set_as_default {
            template.default_version = id;
            template.modified = now;
        }
        Ok(CreateProvisioningTemplateVersionResponse {
            template_arn: template.arn.clone(),
            template_name: template.name.clone(),
            version_id: id,
            is_default_version: input.set_as_default,
        })
    }

    /// One version of a provisioning template.
    pub(crate) fn describe_provisioning_template_version(
        &self,
        input: ProvisioningTemplateVersionRequest,
    ) -> Result<DescribeProvisioningTemplateVersionResponse, ApiError> {
        let (name, id) = (&input.template_name, input.version_id);
        let template = self.provisioning_template(name).ok_or_else(|| {
            ApiError::not_found(format!("Unable to find a template named {name}"))
        })?;
        let version = template.versions.get(&id).ok_or_else(|| no_version(template, id))?;
        Ok(DescribeProvisioningTemplateVersionResponse {
            version_id: id,
            creation_date: version.created,
            template_body: version.body.clone(),
            is_default_version: id == template.default_version,
        })
    }

    /// Deletes a version that is not the default.
    pub(crate) fn delete_provisioning_template_version(
        &mut self,
        input: ProvisioningTemplateVersionRequest,
    ) -> Result<(), ApiError> {
        let (name, id) = (input.template_name.as_str(), input.version_id);
        let Some(template) = self.provisioning_templates.get_mut(name) else {
            return Err(ApiError::not_found(format!("Unable to find template named {name}")));
        };
        if id == template.default_version {
            //= https://github.com/ministackorg/ministack/pull/1755
            //# the default version stays: InvalidRequestException
            let message =
                format!("Unable to delete template version {id}, it is the default version");
            return Err(ApiError::invalid_request(message));
        }
        if template.versions.remove(&id).is_none() {
            return Err(no_version(template, id));
        }
        Ok(())
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# all versions come in one page, whatever maxResults says
    //? assumed: oldest first; a nextToken that somebody made up is refused
    /// The versions of a provisioning template.
    pub(crate) fn list_provisioning_template_versions(
        &self,
        input: ListProvisioningTemplateVersionsRequest,
    ) -> Result<ListProvisioningTemplateVersionsResponse, ApiError> {
        let ListProvisioningTemplateVersionsRequest { template_name, max_results, next_token } =
            input;
        PageRequest::tokened(
            "listProvisioningTemplateVersions",
            max_results,
            next_token.as_deref(),
        )?;
        let template = self.provisioning_template(&template_name).ok_or_else(|| {
            ApiError::not_found(format!("Template named {template_name} not found"))
        })?;
        let versions = template.versions.iter().map(|(id, version)| {
            let is_default_version = *id == template.default_version;
            let creation_date = version.created;
            ProvisioningTemplateVersionSummary {
                version_id: *id,
                creation_date,
                is_default_version,
            }
        });
        Ok(ListProvisioningTemplateVersionsResponse { versions: versions.collect() })
    }
}

//? assumed: exception and text
fn no_version(template: &ProvisioningTemplate, id: i64) -> ApiError {
    let name = &template.name;
    ApiError::not_found(format!("Unable to find version {id} of the template named {name}"))
}
