//! Policies: CreatePolicy, GetPolicy, DeletePolicy, ListPolicies.
//!
//! What a document says is `policy`'s business; here it is kept as it was given, and compiled.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html>.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, PolicyName, hex};
use crate::policy::{Document, PolicyInForce};
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::shelf::Shelf;
use super::tags::check_new_tags;
use super::{Registry, Tag, Target};

/// CreatePolicy's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreatePolicyRequest {
    pub(crate) policy_name: String,
    pub(crate) policy_document: String,
    pub(crate) tags: Vec<Tag>,
}

/// CreatePolicy's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatePolicyResponse {
    pub(crate) policy_name: PolicyName,
    pub(crate) policy_arn: Arn,
    pub(crate) policy_document: String,
    pub(crate) policy_version_id: String,
}

/// GetPolicy's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GetPolicyRequest {
    pub(crate) policy_name: String,
}

/// GetPolicy's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetPolicyResponse {
    pub(crate) policy_name: PolicyName,
    pub(crate) policy_arn: Arn,
    pub(crate) policy_document: String,
    pub(crate) default_version_id: String,
    pub(crate) creation_date: Timestamp,
    pub(crate) last_modified_date: Timestamp,
    pub(crate) generation_id: String,
}

/// DeletePolicy's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeletePolicyRequest {
    pub(crate) policy_name: String,
}

/// ListPolicies' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPoliciesRequest {
    pub(crate) marker: Option<String>,
    pub(crate) page_size: Option<i64>,
    pub(crate) ascending_order: bool,
}

/// A policy in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicySummary {
    pub(crate) policy_name: PolicyName,
    pub(crate) policy_arn: Arn,
}

/// A page of policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoliciesPage {
    pub(crate) policies: Vec<PolicySummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

/// A policy with its versions.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) name: PolicyName,
    pub(super) arn: Arn,
    pub(super) versions: BTreeMap<u64, PolicyVersion>,
    pub(super) default_version: u64,
    pub(super) last_version: u64,
    pub(super) targets: Shelf<Target, ()>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) generation_id: String,
}

/// A version of a policy.
#[derive(Clone, Debug)]
pub(super) struct PolicyVersion {
    /// As it was given.
    pub(super) text: String,
    pub(super) document: Arc<Document>,
    pub(super) created: Timestamp,
}

impl PolicyVersion {
    /// Reads a policy document.
    pub(super) fn new(text: String, now: Timestamp) -> Result<Self, ApiError> {
        let document = Document::parse(&text)?;
        Ok(Self { text, document: Arc::new(document), created: now })
    }
}

impl Policy {
    pub(super) fn summary(&self) -> PolicySummary {
        PolicySummary { policy_name: self.name.clone(), policy_arn: self.arn.clone() }
    }

    pub(super) fn default(&self) -> &PolicyVersion {
        // INVARIANT: the default version is never deleted.
        self.versions.get(&self.default_version).expect("a policy keeps its default version")
    }

    pub(super) fn in_force(&self, attached_to: &str) -> PolicyInForce {
        PolicyInForce {
            name: self.name.clone(),
            version_id: self.default_version.to_string(),
            document: Arc::clone(&self.default().document),
            attached_to: attached_to.to_owned(),
        }
    }
}

impl Registry {
    /// Makes a policy whose version 1 is the document.
    pub(crate) fn create_policy(
        &mut self,
        input: CreatePolicyRequest,
        now: Timestamp,
    ) -> Result<CreatePolicyResponse, ApiError> {
        let CreatePolicyRequest { policy_name, policy_document, tags } = input;
        check_new_tags(&tags)?;
        let arn = self.scope.iot_arn("policy", &policy_name);
        let version = PolicyVersion::new(policy_document, now)?;
        let name = PolicyName::from(policy_name);
        if self.policies.contains_key(&name) {
            //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
            //# the text for a name that is taken
            let message = format!("Policy cannot be created - name already exists (name={name})");
            return Err(Self::already_exists(message, &name, arn));
        }
        let position = self.next_position();
        let policy_document = version.text.clone();
        let policy = Policy {
            name: name.clone(),
            arn: arn.clone(),
            versions: BTreeMap::from([(1, version)]),
            default_version: 1,
            last_version: 1,
            targets: Shelf::default(),
            created: now,
            modified: now,
            generation_id: hex(&self.derive("policy", position)),
        };
        self.policies.insert(position, name.clone(), policy);
        self.tag_new(&arn, tags);
        Ok(CreatePolicyResponse {
            policy_name: name,
            policy_arn: arn,
            policy_document,
            policy_version_id: "1".to_owned(),
        })
    }

    /// A policy and its default version.
    pub(crate) fn get_policy(
        &self,
        input: GetPolicyRequest,
    ) -> Result<GetPolicyResponse, ApiError> {
        //= https://github.com/ministackorg/ministack/pull/1755
        //# GetPolicy speaks of the default version where the others say `Policy not found`
        let policy = self
            .policies
            .get(input.policy_name.as_str())
            .ok_or_else(|| ApiError::not_found("Policy default version not found"))?;
        Ok(GetPolicyResponse {
            policy_name: policy.name.clone(),
            policy_arn: policy.arn.clone(),
            policy_document: policy.default().text.clone(),
            default_version_id: policy.default_version.to_string(),
            creation_date: policy.created,
            last_modified_date: policy.modified,
            generation_id: policy.generation_id.clone(),
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeletePolicy.html
    //# non-default versions and attachments must go first
    //= https://github.com/ministackorg/ministack/pull/1755
    //# the texts, and that the versions are looked at first
    //? assumed: a policy that was detached can go at once, not only minutes later
    /// Deletes a policy that has one version and is attached to nothing.
    pub(crate) fn delete_policy(&mut self, input: DeletePolicyRequest) -> Result<(), ApiError> {
        let policy = self.policy(&input.policy_name)?;
        let name = &policy.name;
        let conflict = |message| Err(ApiError::new(ErrorCode::DeleteConflictException, message));
        if policy.versions.len() > 1 {
            return conflict(format!(
                "The policy cannot be deleted as multiple versions of the policy exist \
                 (name={name}). Use DeletePolicyVersion action to delete all non-default versions \
                 of the policy and retry."
            ));
        }
        if !policy.targets.is_empty() {
            return conflict(format!(
                "The policy cannot be deleted as the policy is attached to one or more principals \
                 (name={name})"
            ));
        }
        let arn = policy.arn.clone();
        self.policies.remove(input.policy_name.as_str());
        self.forget_tags(&arn);
        Ok(())
    }

    /// The policies of this account and Region.
    pub(crate) fn list_policies(
        &self,
        input: ListPoliciesRequest,
    ) -> Result<PoliciesPage, ApiError> {
        let ListPoliciesRequest { marker, page_size, ascending_order } = input;
        let request =
            PageRequest::marked("listPolicies", page_size, marker.as_deref(), ascending_order)?;
        let (policies, next_marker) =
            request.page(&self.policies, |_, policy| Some(policy.summary()));
        Ok(PoliciesPage { policies, next_marker })
    }

    pub(super) fn policy(&self, name: &str) -> Result<&Policy, ApiError> {
        self.policies.get(name).ok_or_else(policy_not_found)
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# the text
/// What most operations answer about a policy that does not exist.
pub(super) fn policy_not_found() -> ApiError {
    ApiError::not_found("Policy not found")
}
