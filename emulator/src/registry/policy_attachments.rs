//! Which policies are attached to what: AttachPolicy, DetachPolicy, ListAttachedPolicies,
//! ListTargetsForPolicy, and the four older operations on principals.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_AttachPolicy.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{PolicyName, ThingName};
use crate::quotas::{POLICIES_PER_PRINCIPAL, POLICIES_PER_THING_GROUP};

use super::paging::PageRequest;
use super::policies::{PoliciesPage, Policy, policy_not_found};
use super::shelf::Shelf;
use super::targets::{NotATarget, unknown_certificate, unknown_thing_group};
use super::{Concerned, Registry, Target, ThingGroup};

/// AttachPolicy's and DetachPolicy's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PolicyTargetRequest {
    pub(crate) policy_name: String,
    pub(crate) target: String,
}

/// AttachPrincipalPolicy's and DetachPrincipalPolicy's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PrincipalPolicyRequest {
    pub(crate) policy_name: String,
    pub(crate) principal: String,
}

/// ListAttachedPolicies' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListAttachedPoliciesRequest {
    pub(crate) target: String,
    /// Adds the policies of the groups above a thing group; other targets have none.
    pub(crate) recursive: bool,
    pub(crate) marker: Option<String>,
    pub(crate) page_size: Option<i64>,
}

/// ListPrincipalPolicies' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPrincipalPoliciesRequest {
    pub(crate) principal: String,
    pub(crate) marker: Option<String>,
    pub(crate) page_size: Option<i64>,
    pub(crate) ascending_order: bool,
}

/// ListTargetsForPolicy's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListTargetsForPolicyRequest {
    pub(crate) policy_name: String,
    pub(crate) marker: Option<String>,
    pub(crate) page_size: Option<i64>,
}

/// ListTargetsForPolicy's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTargetsForPolicyResponse {
    pub(crate) targets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

/// ListPolicyPrincipals' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPolicyPrincipalsRequest {
    pub(crate) policy_name: String,
    pub(crate) marker: Option<String>,
    pub(crate) page_size: Option<i64>,
    pub(crate) ascending_order: bool,
}

/// ListPolicyPrincipals' answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPolicyPrincipalsResponse {
    pub(crate) principals: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

impl Registry {
    /// Attaches a policy; once more changes nothing.
    pub(crate) fn attach_policy(&mut self, input: PolicyTargetRequest) -> Result<(), ApiError> {
        let PolicyTargetRequest { policy_name, target } = input;
        let target = self.target(&target)?;
        self.attach(&policy_name, target)
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DetachPolicy.html
    //# the model lists no ResourceNotFoundException: what is not attached counts as detached
    /// Detaches a policy; one that is unknown or not attached is no error.
    pub(crate) fn detach_policy(&mut self, input: PolicyTargetRequest) -> Result<(), ApiError> {
        let PolicyTargetRequest { policy_name, target } = input;
        match Target::parse(&target, &self.scope) {
            Ok(target) => self.detach(&policy_name, &target),
            Err(NotATarget::UnknownCertificate) => {}
            Err(other) => return Err(other.error(&target)),
        }
        Ok(())
    }

    /// The older form of AttachPolicy, which takes no thing group.
    pub(crate) fn attach_principal_policy(
        &mut self,
        input: PrincipalPolicyRequest,
    ) -> Result<(), ApiError> {
        let PrincipalPolicyRequest { policy_name, principal } = input;
        let target = self.principal_target(&principal)?;
        self.attach(&policy_name, target)
    }

    /// The older form of DetachPolicy, which knows unknown policies.
    pub(crate) fn detach_principal_policy(
        &mut self,
        input: PrincipalPolicyRequest,
    ) -> Result<(), ApiError> {
        let PrincipalPolicyRequest { policy_name, principal } = input;
        self.policy(&policy_name)?;
        let target = self.principal_target(&principal)?;
        self.detach(&policy_name, &target);
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
    //# `recursive` adds the policies attached to the groups above a thing group
    /// The policies attached to a target.
    pub(crate) fn list_attached_policies(
        &self,
        input: ListAttachedPoliciesRequest,
    ) -> Result<PoliciesPage, ApiError> {
        let request = PageRequest::marked(
            "listAttachedPolicies",
            input.page_size,
            input.marker.as_deref(),
            true,
        )?;
        let target = self.target(&input.target)?;
        Ok(match &target {
            Target::ThingGroup(name) if input.recursive => {
                self.policies_page(&self.attached_up_from(name.as_str()), &request)
            }
            _ => self.policies_of(&target, &request),
        })
    }

    /// The older form of ListAttachedPolicies.
    pub(crate) fn list_principal_policies(
        &self,
        input: ListPrincipalPoliciesRequest,
    ) -> Result<PoliciesPage, ApiError> {
        let request = PageRequest::marked(
            "listPrincipalPolicies",
            input.page_size,
            input.marker.as_deref(),
            input.ascending_order,
        )?;
        let target = self.principal_target(&input.principal)?;
        Ok(self.policies_of(&target, &request))
    }

    /// What a policy is attached to.
    pub(crate) fn list_targets_for_policy(
        &self,
        input: ListTargetsForPolicyRequest,
    ) -> Result<ListTargetsForPolicyResponse, ApiError> {
        let request = PageRequest::marked(
            "listTargetsForPolicy",
            input.page_size,
            input.marker.as_deref(),
            true,
        )?;
        let (targets, next_marker) = self.targets_of(&input.policy_name, &request)?;
        Ok(ListTargetsForPolicyResponse { targets, next_marker })
    }

    /// The older form of ListTargetsForPolicy.
    pub(crate) fn list_policy_principals(
        &self,
        input: ListPolicyPrincipalsRequest,
    ) -> Result<ListPolicyPrincipalsResponse, ApiError> {
        let request = PageRequest::marked(
            "listPolicyPrincipals",
            input.page_size,
            input.marker.as_deref(),
            input.ascending_order,
        )?;
        let (principals, next_marker) = self.targets_of(&input.policy_name, &request)?;
        Ok(ListPolicyPrincipalsResponse { principals, next_marker })
    }

    /// The policies that are attached to `target`, by name.
    pub(super) fn policies_attached_to<'r>(
        &'r self,
        target: &Target,
    ) -> impl Iterator<Item = &'r Policy> + use<'r> {
        let names = self.attached_policies.get(target).into_iter().flat_map(Shelf::sorted_keys);
        names.filter_map(|name| self.policies.get(name))
    }

    /// The policies of a thing group and of the groups above it, each with its group.
    pub(super) fn policies_up_from<'r>(
        &'r self,
        group: &str,
    ) -> impl Iterator<Item = (&'r ThingGroup, &'r Policy)> + use<'r> {
        self.lineage(group).flat_map(|group| {
            self.policies_attached_to(&group.target()).map(move |policy| (group, policy))
        })
    }

    /// The policies that a thing has from its groups, each with the group that it comes from.
    pub(super) fn group_policies_of_thing<'r>(
        &'r self,
        thing: &ThingName,
    ) -> impl Iterator<Item = (&'r ThingGroup, &'r Policy)> + use<'r> {
        self.groups_of_thing(thing.as_str()).flat_map(|group| self.policies_up_from(group.as_str()))
    }

    /// What is attached to a thing group and to those above it; each policy once, at the place of
    /// the attachment that is nearest.
    fn attached_up_from(&self, group: &str) -> Shelf<PolicyName, ()> {
        let mut all = Shelf::default();
        for group in self.lineage(group) {
            let Some(attached) = self.attached_policies.get(&group.target()) else { continue };
            for name in attached.keys() {
                if let Some(position) = attached.position(name)
                    && !all.contains_key(name)
                {
                    all.insert(position, name.clone(), ());
                }
            }
        }
        all
    }

    fn policies_of(&self, target: &Target, request: &PageRequest) -> PoliciesPage {
        let none = Shelf::default();
        self.policies_page(self.attached_policies.get(target).unwrap_or(&none), request)
    }

    fn policies_page(
        &self,
        attached: &Shelf<PolicyName, ()>,
        request: &PageRequest,
    ) -> PoliciesPage {
        let (policies, next_marker) =
            request.page(attached, |name, ()| Some(self.policies.get(name)?.summary()));
        PoliciesPage { policies, next_marker }
    }

    fn targets_of(
        &self,
        policy_name: &str,
        request: &PageRequest,
    ) -> Result<super::paging::Page<String>, ApiError> {
        let targets = &self.policy(policy_name)?.targets;
        Ok(request.page(targets, |target, ()| Some(target.name(&self.scope))))
    }

    /// The target that `text` names, which exists.
    pub(super) fn target(&self, text: &str) -> Result<Target, ApiError> {
        let target = Target::parse(text, &self.scope).map_err(|wrong| wrong.error(text))?;
        match &target {
            Target::Certificate(id) if !self.certificates.contains_key(id) => {
                Err(unknown_certificate())
            }
            Target::ThingGroup(name) if !self.thing_groups.contains_key(name) => {
                Err(unknown_thing_group(name, &self.scope))
            }
            _ => Ok(target),
        }
    }

    //= https://github.com/aws/aws-cdk/issues/26166
    //# the older operations take no thing group: `The given ARN does not represent a cert`
    fn principal_target(&self, text: &str) -> Result<Target, ApiError> {
        match Target::parse(text, &self.scope) {
            Ok(Target::ThingGroup(_)) | Err(NotATarget::OtherKind) => {
                Err(ApiError::invalid_request("The given ARN does not represent a cert"))
            }
            _ => self.target(text),
        }
    }

    fn attach(&mut self, policy_name: &str, target: Target) -> Result<(), ApiError> {
        let name = self.policy(policy_name)?.name.clone();
        self.check_attachable(&target)?;
        let attached = self.attached_policies.get(&target);
        if attached.is_some_and(|attached| attached.contains_key(&name)) {
            return Ok(());
        }
        let most = match &target {
            Target::ThingGroup(_) => POLICIES_PER_THING_GROUP,
            Target::Certificate(_) | Target::CognitoIdentity(_) => POLICIES_PER_PRINCIPAL,
        };
        if attached.is_some_and(|attached| attached.len() >= most) {
            //? assumed: the text; the exception is in the model
            return Err(ApiError::new(
                ErrorCode::LimitExceededException,
                format!("The maximum number of policies ({most}) is attached"),
            ));
        }
        let position = self.next_position();
        let policy = self.policies.get_mut(&name).ok_or_else(policy_not_found)?;
        policy.targets.insert(position, target.clone(), ());
        self.attached_policies.entry(target.clone()).or_default().insert(position, name, ());
        self.policies_may_decide_differently(concerned(&target));
        Ok(())
    }

    fn detach(&mut self, policy_name: &str, target: &Target) {
        let Some(attached) = self.attached_policies.get_mut(target) else { return };
        if attached.remove(policy_name).is_none() {
            return;
        }
        if attached.is_empty() {
            self.attached_policies.remove(target);
        }
        if let Some(policy) = self.policies.get_mut(policy_name) {
            policy.targets.remove(target);
        }
        self.policies_may_decide_differently(concerned(target));
    }

    /// Whether the policy `name` is attached to `target`.
    pub(crate) fn has_policy(&self, target: impl Into<Target>, name: &str) -> bool {
        let attached = self.attached_policies.get(&target.into());
        attached.is_some_and(|attached| attached.contains_key(name))
    }

    /// Whether any policy is attached to `target`.
    pub(super) fn has_policies(&self, target: &Target) -> bool {
        self.attached_policies.contains_key(target)
    }

    /// Detaches every policy from `target`.
    pub(super) fn detach_all_policies(&mut self, target: &Target) {
        let attached = self.attached_policies.get(target).cloned().unwrap_or_default();
        for name in attached.keys() {
            self.detach(name.as_str(), target);
        }
    }
}

/// Whom it concerns what is attached to `target`.
fn concerned(target: &Target) -> Concerned {
    match target {
        Target::ThingGroup(_) => Concerned::Everybody,
        Target::Certificate(_) | Target::CognitoIdentity(_) => Concerned::Principal(target.clone()),
    }
}
