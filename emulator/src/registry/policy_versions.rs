//! The versions of a policy: CreatePolicyVersion, GetPolicyVersion, DeletePolicyVersion,
//! ListPolicyVersions, SetDefaultPolicyVersion.
//!
//! Version IDs are decimal texts that start at 1 and are never used again.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicyVersion.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, PolicyName};
use crate::policy::Document;
use crate::quotas::POLICY_VERSIONS;
use crate::time::Timestamp;

use super::policies::{Policy, PolicyVersion, policy_not_found};
use super::{Concerned, Registry};

/// CreatePolicyVersion's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreatePolicyVersionRequest {
    pub(crate) policy_name: String,
    pub(crate) policy_document: String,
    pub(crate) set_as_default: bool,
}

/// CreatePolicyVersion's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatePolicyVersionResponse {
    pub(crate) policy_arn: Arn,
    pub(crate) policy_document: String,
    pub(crate) policy_version_id: String,
    pub(crate) is_default_version: bool,
}

/// The input of the operations on one version: GetPolicyVersion, DeletePolicyVersion,
/// SetDefaultPolicyVersion.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PolicyVersionRequest {
    pub(crate) policy_name: String,
    pub(crate) policy_version_id: String,
}

/// GetPolicyVersion's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetPolicyVersionResponse {
    pub(crate) policy_arn: Arn,
    pub(crate) policy_name: PolicyName,
    pub(crate) policy_document: String,
    pub(crate) policy_version_id: String,
    pub(crate) is_default_version: bool,
    pub(crate) creation_date: Timestamp,
    pub(crate) last_modified_date: Timestamp,
    pub(crate) generation_id: String,
}

/// ListPolicyVersions' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPolicyVersionsRequest {
    pub(crate) policy_name: String,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyVersionSummary {
    pub(crate) version_id: String,
    pub(crate) is_default_version: bool,
    pub(crate) create_date: Timestamp,
}

/// ListPolicyVersions' answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPolicyVersionsResponse {
    pub(crate) policy_versions: Vec<PolicyVersionSummary>,
}

impl Registry {
    //? assumed: the document is read before the policy is looked for
    /// Adds a version, which becomes the default only if asked for.
    pub(crate) fn create_policy_version(
        &mut self,
        input: CreatePolicyVersionRequest,
        now: Timestamp,
    ) -> Result<CreatePolicyVersionResponse, ApiError> {
        let CreatePolicyVersionRequest { policy_name, policy_document, set_as_default } = input;
        let document = Document::parse(&policy_document)?;
        let policy = self.policies.get_mut(policy_name.as_str()).ok_or_else(policy_not_found)?;
        if policy.versions.len() >= POLICY_VERSIONS {
            //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/exceptions.py
            //# the text for a sixth version
            return Err(ApiError::new(
                ErrorCode::VersionsLimitExceededException,
                format!(
                    "The policy {policy_name} already has the maximum number of versions \
                     ({POLICY_VERSIONS})"
                ),
            ));
        }
        policy.last_version += 1;
        let id = policy.last_version;
        let (name, text) = (policy.name.clone(), policy_document.clone());
        let version = PolicyVersion::new(name, id, text, document, now);
        policy.versions.insert(id, version);
        if set_as_default {
            policy.default_version = id;
            policy.modified = now;
        }
        let policy_arn = policy.arn.clone();
        if set_as_default {
            self.policies_may_decide_differently(Concerned::Everybody);
        }
        Ok(CreatePolicyVersionResponse {
            policy_arn,
            policy_document,
            policy_version_id: id.to_string(),
            is_default_version: set_as_default,
        })
    }

    /// One version of a policy.
    pub(crate) fn get_policy_version(
        &self,
        input: PolicyVersionRequest,
    ) -> Result<GetPolicyVersionResponse, ApiError> {
        let policy = self.policy(&input.policy_name)?;
        let (id, version) = find(policy, &input.policy_version_id)?;
        Ok(GetPolicyVersionResponse {
            policy_arn: policy.arn.clone(),
            policy_name: policy.name.clone(),
            policy_document: version.text.clone(),
            policy_version_id: id.to_string(),
            is_default_version: id == policy.default_version,
            creation_date: version.created,
            last_modified_date: version.created,
            generation_id: policy.generation_id.clone(),
        })
    }

    /// Deletes a version that is not the default.
    pub(crate) fn delete_policy_version(
        &mut self,
        input: PolicyVersionRequest,
    ) -> Result<(), ApiError> {
        let policy = self.policy(&input.policy_name)?;
        let (id, _) = find(policy, &input.policy_version_id)?;
        if id == policy.default_version {
            //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeletePolicyVersion.html
            //# the default version cannot be deleted; the model answers with DeleteConflict
            //= https://github.com/ministackorg/ministack/pull/1755
            //# the text
            return Err(ApiError::new(
                ErrorCode::DeleteConflictException,
                format!(
                    "Cannot delete a default policy version (name={}, versionId={id})",
                    policy.name
                ),
            ));
        }
        if let Some(policy) = self.policies.get_mut(input.policy_name.as_str()) {
            policy.versions.remove(&id);
        }
        Ok(())
    }

    /// The versions of a policy, newest first.
    pub(crate) fn list_policy_versions(
        &self,
        input: ListPolicyVersionsRequest,
    ) -> Result<ListPolicyVersionsResponse, ApiError> {
        let policy = self.policy(&input.policy_name)?;
        let newest_first = policy.versions.iter().rev();
        let summaries = newest_first.map(|(id, version)| PolicyVersionSummary {
            version_id: id.to_string(),
            is_default_version: *id == policy.default_version,
            create_date: version.created,
        });
        Ok(ListPolicyVersionsResponse { policy_versions: summaries.collect() })
    }

    /// Makes another version the one that counts.
    pub(crate) fn set_default_policy_version(
        &mut self,
        input: PolicyVersionRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let (id, _) = find(self.policy(&input.policy_name)?, &input.policy_version_id)?;
        if let Some(policy) = self.policies.get_mut(input.policy_name.as_str()) {
            policy.default_version = id;
            policy.modified = now;
        }
        self.policies_may_decide_differently(Concerned::Everybody);
        Ok(())
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# the text for a version that does not exist
/// The version that AWS writes as `id`.
fn find<'a>(policy: &'a Policy, id: &str) -> Result<(u64, &'a PolicyVersion), ApiError> {
    let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id);
    let version = number.and_then(|number| Some((number, policy.versions.get(&number)?)));
    version.ok_or_else(|| {
        ApiError::not_found(format!(
            "Policy version does not exist (name={}, versionId={id})",
            policy.name
        ))
    })
}
