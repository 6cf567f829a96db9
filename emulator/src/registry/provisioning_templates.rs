//! Provisioning templates: CreateProvisioningTemplate, DescribeProvisioningTemplate,
//! UpdateProvisioningTemplate, DeleteProvisioningTemplate, ListProvisioningTemplates.
//!
//! It decides which templates are kept. Whether AWS IoT may invoke the function of a hook is known
//! outside and asked through a function; what a template makes is decided in `provisioning`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningTemplate.html>
//! and AWS's answers as <https://github.com/ministackorg/ministack/pull/1755> reports them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, TemplateName};
use crate::time::Timestamp;

use super::paging::PageRequest;
pub(crate) use super::provisioning_template_versions::*;
use super::registration_config::check_role_arn;
use super::tags::check_new_tags;
use super::{Registry, Tag, TemplateType, template_body};

/// The only form in which a hook is asked.
const HOOK_VERSION: &str = "2020-04-01";

/// The function that is asked before a device is provisioned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProvisioningHook {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload_version: Option<String>,
    pub(crate) target_arn: String,
}

/// CreateProvisioningTemplate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateProvisioningTemplateRequest {
    pub(crate) template_name: String,
    pub(crate) description: Option<String>,
    pub(crate) template_body: String,
    pub(crate) enabled: bool,
    pub(crate) provisioning_role_arn: String,
    pub(crate) pre_provisioning_hook: Option<ProvisioningHook>,
    pub(crate) tags: Vec<Tag>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<TemplateType>,
}

/// CreateProvisioningTemplate's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateProvisioningTemplateResponse {
    pub(crate) template_arn: Arn,
    pub(crate) template_name: TemplateName,
    pub(crate) default_version_id: i64,
}

/// The input of DescribeProvisioningTemplate, DeleteProvisioningTemplate and
/// CreateProvisioningClaim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProvisioningTemplateRequest {
    pub(crate) template_name: String,
}

/// DescribeProvisioningTemplate's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeProvisioningTemplateResponse {
    pub(crate) template_arn: Arn,
    pub(crate) template_name: TemplateName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) creation_date: Timestamp,
    pub(crate) last_modified_date: Timestamp,
    pub(crate) default_version_id: i64,
    pub(crate) template_body: String,
    pub(crate) enabled: bool,
    pub(crate) provisioning_role_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pre_provisioning_hook: Option<ProvisioningHook>,
    #[serde(rename = "type")]
    pub(crate) kind: TemplateType,
}

/// UpdateProvisioningTemplate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateProvisioningTemplateRequest {
    pub(crate) template_name: String,
    pub(crate) description: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) default_version_id: Option<i64>,
    pub(crate) provisioning_role_arn: Option<String>,
    pub(crate) pre_provisioning_hook: Option<ProvisioningHook>,
    pub(crate) remove_pre_provisioning_hook: bool,
}

/// ListProvisioningTemplates' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListProvisioningTemplatesRequest {
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

//= https://github.com/ministackorg/ministack/pull/1755
//# the items of the list have no description
/// A template in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProvisioningTemplateSummary {
    pub(crate) template_arn: Arn,
    pub(crate) template_name: TemplateName,
    pub(crate) creation_date: Timestamp,
    pub(crate) last_modified_date: Timestamp,
    pub(crate) enabled: bool,
    #[serde(rename = "type")]
    pub(crate) kind: TemplateType,
}

/// ListProvisioningTemplates' answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListProvisioningTemplatesResponse {
    pub(crate) templates: Vec<ProvisioningTemplateSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A provisioning template with its versions.
#[derive(Clone, Debug)]
pub(crate) struct ProvisioningTemplate {
    pub(crate) enabled: bool,
    pub(super) name: TemplateName,
    pub(super) arn: Arn,
    pub(super) kind: TemplateType,
    pub(super) versions: BTreeMap<i64, TemplateVersion>,
    pub(super) default_version: i64,
    pub(super) last_version: i64,
    pub(super) modified: Timestamp,
    description: Option<String>,
    role_arn: String,
    hook: Option<ProvisioningHook>,
    created: Timestamp,
}

impl ProvisioningTemplate {
    pub(crate) const fn arn(&self) -> &Arn {
        &self.arn
    }

    pub(crate) const fn kind(&self) -> TemplateType {
        self.kind
    }

    /// The function that is asked first, if there is one.
    pub(crate) const fn hook(&self) -> Option<&ProvisioningHook> {
        self.hook.as_ref()
    }

    /// The body of its default version.
    pub(crate) fn body(&self) -> &str {
        // INVARIANT: the default version is never deleted.
        let default = self.versions.get(&self.default_version);
        &default.expect("a template keeps its default version").body
    }
}

/// Whether AWS IoT may invoke the function `.0` on behalf of the template `.1`.
pub(crate) type MayInvoke<'a> = &'a dyn Fn(&str, &Arn) -> bool;

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningTemplate.html
    //# FLEET_PROVISIONING unless given, and not enabled unless asked for
    //? assumed: the order of the checks: body, role, hook, name
    /// Makes a provisioning template whose version 1 is the body.
    pub(crate) fn create_provisioning_template(
        &mut self,
        input: CreateProvisioningTemplateRequest,
        may_invoke: MayInvoke<'_>,
        now: Timestamp,
    ) -> Result<CreateProvisioningTemplateResponse, ApiError> {
        let kind = input.kind.unwrap_or(TemplateType::FleetProvisioning);
        let arn = self.scope.iot_arn("provisioningtemplate", &input.template_name);
        template_body::check_named(&input.template_body)?;
        check_role_arn("provisioningRoleArn", &input.provisioning_role_arn)?;
        check_new_tags(&input.tags)?;
        let hook = input.pre_provisioning_hook;
        let hook = hook.map(|hook| self.sound_hook(hook, kind, &arn, may_invoke)).transpose()?;
        let name = TemplateName::from(input.template_name);
        if self.provisioning_templates.contains_key(&name) {
            //= https://github.com/ministackorg/ministack/pull/1755
            //# the text for a name that is taken
            let message = format!("Template with name {name} already exists");
            return Err(Self::already_exists(message, &name, arn));
        }
        let position = self.next_position();
        let template = ProvisioningTemplate {
            enabled: input.enabled,
            name: name.clone(),
            arn: arn.clone(),
            kind,
            versions: BTreeMap::from([(1, TemplateVersion::new(input.template_body, now))]),
            default_version: 1,
            last_version: 1,
            modified: now,
            description: input.description,
            role_arn: input.provisioning_role_arn,
            hook,
            created: now,
        };
        self.provisioning_templates.insert(position, name.clone(), template);
        self.tag_new(&arn, input.tags);
        Ok(CreateProvisioningTemplateResponse {
            template_arn: arn,
            template_name: name,
            default_version_id: 1,
        })
    }

    /// A provisioning template and the body of its default version.
    pub(crate) fn describe_provisioning_template(
        &self,
        input: ProvisioningTemplateRequest,
    ) -> Result<DescribeProvisioningTemplateResponse, ApiError> {
        let template = self.existing_template(&input.template_name)?;
        Ok(DescribeProvisioningTemplateResponse {
            template_arn: template.arn.clone(),
            template_name: template.name.clone(),
            description: template.description.clone(),
            creation_date: template.created,
            last_modified_date: template.modified,
            default_version_id: template.default_version,
            template_body: template.body().to_owned(),
            enabled: template.enabled,
            provisioning_role_arn: template.role_arn.clone(),
            pre_provisioning_hook: template.hook.clone(),
            kind: template.kind,
        })
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# the answer has an empty body
    /// Changes what the request names, all of it or nothing.
    pub(crate) fn update_provisioning_template(
        &mut self,
        input: UpdateProvisioningTemplateRequest,
        may_invoke: MayInvoke<'_>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let template = self.existing_template(&input.template_name)?;
        if let Some(role_arn) = &input.provisioning_role_arn {
            check_role_arn("provisioningRoleArn", role_arn)?;
        }
        if input.remove_pre_provisioning_hook && input.pre_provisioning_hook.is_some() {
            //? assumed: the two exclude each other
            let message = "preProvisioningHook and removePreProvisioningHook cannot be specified \
                           together";
            return Err(ApiError::invalid_request(message));
        }
        let hook = input.pre_provisioning_hook;
        let hook = hook
            .map(|hook| self.sound_hook(hook, template.kind, &template.arn, may_invoke))
            .transpose()?;
        let version = input.default_version_id;
        if let Some(version) = version.filter(|version| !template.versions.contains_key(version)) {
            return Err(ApiError::invalid_request(format!(
                "Unable to set version {version} as the default, version does not exist"
            )));
        }
        let Some(template) = self.provisioning_templates.get_mut(input.template_name.as_str())
        else {
            return Ok(());
        };
        template.enabled = input.enabled.unwrap_or(template.enabled);
        template.default_version = version.unwrap_or(template.default_version);
        if input.description.is_some() {
            template.description = input.description;
        }
        if let Some(role_arn) = input.provisioning_role_arn {
            template.role_arn = role_arn;
        }
        if input.remove_pre_provisioning_hook || hook.is_some() {
            template.hook = hook;
        }
        template.modified = now;
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteProvisioningTemplate.html
    //# what another resource is attached to cannot be deleted: DeleteConflictException
    //? assumed: the CA certificate that names the template is such a resource; several versions are
    //? no hindrance; the text
    /// Deletes a provisioning template with all its versions.
    pub(crate) fn delete_provisioning_template(
        &mut self,
        input: ProvisioningTemplateRequest,
    ) -> Result<(), ApiError> {
        let name = input.template_name.as_str();
        let Some(template) = self.provisioning_templates.get(name) else {
            return Err(ApiError::not_found("Unable to delete template, template not found"));
        };
        let of_template = self.ca_certificates().find(|ca| {
            let config = ca.registration_config.as_ref();
            config.is_some_and(|config| config.template_name.as_deref() == Some(name))
        });
        if let Some(ca) = of_template {
            let message = format!(
                "Unable to delete template {name}, it is used by the CA certificate {}",
                ca.certificate.id()
            );
            return Err(ApiError::new(ErrorCode::DeleteConflictException, message));
        }
        let arn = template.arn.clone();
        self.provisioning_templates.remove(name);
        self.forget_tags(&arn);
        Ok(())
    }

    /// The provisioning templates of this account and Region.
    pub(crate) fn list_provisioning_templates(
        &self,
        input: ListProvisioningTemplatesRequest,
    ) -> Result<ListProvisioningTemplatesResponse, ApiError> {
        let request = PageRequest::tokened(
            "listProvisioningTemplates",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let (templates, next_token) = request.page(&self.provisioning_templates, |_, template| {
            Some(ProvisioningTemplateSummary {
                template_arn: template.arn.clone(),
                template_name: template.name.clone(),
                creation_date: template.created,
                last_modified_date: template.modified,
                enabled: template.enabled,
                kind: template.kind,
            })
        });
        Ok(ListProvisioningTemplatesResponse { templates, next_token })
    }

    /// A provisioning template.
    pub(crate) fn provisioning_template(&self, name: &str) -> Option<&ProvisioningTemplate> {
        self.provisioning_templates.get(name)
    }

    //? assumed: the model's ResourceNotFoundException is for a template that does not exist, and
    //? one of the other type is refused
    /// Whether a CA certificate may name the template `name`.
    pub(super) fn check_jitp_template(&self, name: &str) -> Result<(), ApiError> {
        match self.existing_template(name)?.kind {
            TemplateType::Jitp => Ok(()),
            other => Err(ApiError::invalid_request(format!(
                "The template {name} has the type {other}, not JITP"
            ))),
        }
    }

    pub(super) fn existing_template(&self, name: &str) -> Result<&ProvisioningTemplate, ApiError> {
        let template = self.provisioning_templates.get(name);
        template.ok_or_else(|| ApiError::not_found(format!("Unable to find template named {name}")))
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# the texts; the version of the payload is 2020-04-01 unless given
    //? assumed: a function of another Region is refused like what is no function
    /// The hook as it is kept, if a template of this type may have it.
    fn sound_hook(
        &self,
        hook: ProvisioningHook,
        kind: TemplateType,
        template: &Arn,
        may_invoke: MayInvoke<'_>,
    ) -> Result<ProvisioningHook, ApiError> {
        if kind == TemplateType::Jitp {
            let message = "Provisioning hook is not supported for template type: JITP";
            return Err(ApiError::invalid_request(message));
        }
        let version = hook.payload_version.unwrap_or_else(|| HOOK_VERSION.to_owned());
        if version != HOOK_VERSION {
            return Err(ApiError::invalid_request(format!(
                "The hook version cannot be supported by AWS Iot, the supported versions are: \
                 [{HOOK_VERSION}]"
            )));
        }
        let target_arn = hook.target_arn;
        let function = Arn::new(&target_arn);
        let is_here = function.scope().is_some_and(|scope| scope.region == self.scope.region);
        let is_function = function.tail().is_some_and(|tail| tail.starts_with("function:"));
        if !is_here || !is_function || target_arn.split(':').nth(2) != Some("lambda") {
            return Err(ApiError::invalid_request("Invalid arguments in the call"));
        }
        if !may_invoke(&target_arn, template) {
            return Err(ApiError::invalid_request(format!(
                "Access denied during lambda validation: {target_arn}"
            )));
        }
        Ok(ProvisioningHook { payload_version: Some(version), target_arn })
    }
}
