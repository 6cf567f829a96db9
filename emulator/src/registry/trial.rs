//! What would be permitted: TestAuthorization and GetEffectivePolicies.
//!
//! It decides which policies and which policy variables a question is asked with; what the policies
//! say is decided in `policy/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html>.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::names::{Arn, ClientId, PolicyName};
use crate::policy::evaluate::evaluate;
use crate::policy::{
    Action, AttachedTo, Connect, Context, Decision, PolicyInForce, Publish, Receive, Refusal,
    Subscribe,
};
use crate::time::Timestamp;

use super::policies::PolicySummary;
use super::words::ActionType;
use super::{Registry, Standing, Target, Things};

/// TestAuthorization's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TestAuthorizationRequest {
    pub(crate) principal: Option<String>,
    pub(crate) cognito_identity_pool_id: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) auth_infos: Vec<AuthInfo>,
    pub(crate) policy_names_to_add: Vec<String>,
    pub(crate) policy_names_to_skip: Vec<String>,
}

/// A question of TestAuthorization, which its answer repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AuthInfo {
    pub(crate) action_type: Option<ActionType>,
    pub(crate) resources: Vec<String>,
}

/// TestAuthorization's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestAuthorizationResponse {
    pub(crate) auth_results: Vec<AuthResult>,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthResult {
    pub(crate) auth_info: AuthInfo,
    pub(crate) allowed: Policies,
    pub(crate) denied: Denied,
    pub(crate) auth_decision: &'static str,
    pub(crate) missing_context_values: BTreeSet<String>,
    /// Why each resource that is denied is, for the trace: AWS's answer has no room for it.
    #[serde(skip)]
    pub(crate) refusals: Vec<Refusal>,
}

/// Policies that had the same say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Policies {
    pub(crate) policies: Vec<PolicySummary>,
}

/// The policies that did not allow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Denied {
    pub(crate) implicit_deny: Policies,
    pub(crate) explicit_deny: Policies,
}

/// GetEffectivePolicies' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GetEffectivePoliciesRequest {
    pub(crate) principal: Option<String>,
    pub(crate) cognito_identity_pool_id: Option<String>,
    pub(crate) thing_name: Option<String>,
}

/// GetEffectivePolicies' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetEffectivePoliciesResponse {
    pub(crate) effective_policies: Vec<EffectivePolicy>,
}

/// A policy that counts for a principal, with its default version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectivePolicy {
    pub(crate) policy_name: PolicyName,
    pub(crate) policy_arn: Arn,
    pub(crate) policy_document: String,
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html
    //# one result for each authInfo, in their order; at most ten
    /// What the policies of a principal say about actions that nobody performs.
    pub(crate) fn test_authorization(
        &self,
        input: TestAuthorizationRequest,
        now: Timestamp,
    ) -> Result<TestAuthorizationResponse, ApiError> {
        refuse_identity_pool(input.cognito_identity_pool_id.as_deref())?;
        let target = input.principal.as_deref().map(|principal| self.target(principal));
        let target = target.transpose()?;
        let client_id = input.client_id.as_deref().map(ClientId::new);
        let client_id = client_id.as_ref();
        let principal = target.as_ref().filter(|it| !matches!(it, Target::ThingGroup(_)));
        let standing = principal.map(|it| self.standing(it, Things::Of(client_id)));
        //? assumed: a thing group brings the policies of the groups above it too
        let attached = match (&target, &standing) {
            (Some(Target::ThingGroup(name)), _) => {
                let attached = self.policies_up_from(name.as_str());
                attached.map(|(group, policy)| policy.in_force(group.attached_to())).collect()
            }
            (_, Some(standing)) => standing.policies(client_id).to_vec(),
            (_, None) => Vec::new(),
        };
        let policies = self.policies_on_trial(&input, attached)?;
        let context = self.context_of_trial(target.as_ref(), standing.as_ref(), client_id, now);
        let answer = |info| self.result(info, &policies, &context);
        let auth_results = input.auth_infos.into_iter().map(answer).collect::<Result<_, _>>()?;
        Ok(TestAuthorizationResponse { auth_results })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html
    //# policies are taken as if they were attached, or as if they were not
    //? assumed: a policy to be added that does not exist is 404, one to be skipped is none
    fn policies_on_trial(
        &self,
        input: &TestAuthorizationRequest,
        attached: Vec<PolicyInForce>,
    ) -> Result<Vec<PolicyInForce>, ApiError> {
        let mut policies: BTreeMap<PolicyName, PolicyInForce> =
            attached.into_iter().map(|policy| (policy.name.clone(), policy)).collect();
        for name in &input.policy_names_to_add {
            let policy = self.policy(name)?;
            let added = || policy.in_force(AttachedTo::PolicyNamesToAdd);
            policies.entry(policy.name.clone()).or_insert_with(added);
        }
        policies
            .retain(|name, _| !input.policy_names_to_skip.iter().any(|skip| skip == name.as_str()));
        Ok(policies.into_values().collect())
    }

    /// The policy variables as far as they are known without a connection.
    fn context_of_trial(
        &self,
        target: Option<&Target>,
        standing: Option<&Standing>,
        client_id: Option<&ClientId>,
        now: Timestamp,
    ) -> Context {
        let mut context = Context::new();
        context.set_now(now);
        if let Some(client_id) = client_id {
            context.set_client_id(client_id);
        }
        if let Some(Target::Certificate(id)) = target
            && let Some(record) = self.certificate(*id)
        {
            context.set_certificate(&record.certificate);
        }
        if let (Some(standing), Some(client_id)) = (standing, client_id) {
            standing.set_thing_variables(&mut context, client_id);
        }
        context
    }

    //? assumed: of several resources all must be allowed; one that is denied explicitly denies all.
    //? The model requires no actionType; a question without one, or without a resource, is refused
    fn result(
        &self,
        auth_info: AuthInfo,
        policies: &[PolicyInForce],
        context: &Context,
    ) -> Result<AuthResult, ApiError> {
        let action = match auth_info.action_type {
            Some(ActionType::Publish) => Publish::NAME,
            Some(ActionType::Subscribe) => Subscribe::NAME,
            Some(ActionType::Receive) => Receive::NAME,
            Some(ActionType::Connect) => Connect::NAME,
            None => return Err(ApiError::invalid_request("An authInfo must have an actionType")),
        };
        if auth_info.resources.is_empty() {
            return Err(ApiError::invalid_request("An authInfo must have a resource"));
        }
        let mut auth_decision = Decision::Allowed;
        let (mut allowed, mut denied) = (BTreeSet::new(), BTreeSet::new());
        let (mut silent, mut missing_context_values) = (BTreeSet::new(), BTreeSet::new());
        let mut refusals = Vec::new();
        for resource in &auth_info.resources {
            let said = evaluate(policies, context, action, resource);
            refusals.extend(Refusal::of(policies, context, action, resource, said.decision));
            auth_decision = match (auth_decision, said.decision) {
                (Decision::ExplicitDeny, _) | (_, Decision::ExplicitDeny) => Decision::ExplicitDeny,
                (Decision::ImplicitDeny, _) | (_, Decision::ImplicitDeny) => Decision::ImplicitDeny,
                (Decision::Allowed, Decision::Allowed) => Decision::Allowed,
            };
            allowed.extend(said.allowed_by.iter().map(|policy| &policy.name));
            denied.extend(said.explicitly_denied_by.iter().map(|policy| &policy.name));
            silent.extend(said.implicitly_denied_by.iter().map(|policy| &policy.name));
            missing_context_values.extend(said.missing_context_values);
        }
        Ok(AuthResult {
            allowed: self.summaries(allowed),
            denied: Denied {
                implicit_deny: self.summaries(silent),
                explicit_deny: self.summaries(denied),
            },
            auth_decision: match auth_decision {
                Decision::Allowed => "ALLOWED",
                Decision::ExplicitDeny => "EXPLICIT_DENY",
                Decision::ImplicitDeny => "IMPLICIT_DENY",
            },
            missing_context_values,
            refusals,
            auth_info,
        })
    }

    fn summaries(&self, names: BTreeSet<&PolicyName>) -> Policies {
        let policies = names.into_iter().filter_map(|name| self.policies.get(name));
        Policies { policies: policies.map(super::policies::Policy::summary).collect() }
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_GetEffectivePolicies.html
    //# the policies of the principal, which may be a thing group, with their documents
    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
    //# a thing adds the policies of its groups and of all groups above them, up to the root
    /// The policies that count for a principal that is a thing.
    pub(crate) fn get_effective_policies(
        &self,
        input: GetEffectivePoliciesRequest,
    ) -> Result<GetEffectivePoliciesResponse, ApiError> {
        refuse_identity_pool(input.cognito_identity_pool_id.as_deref())?;
        let thing = input.thing_name.as_deref().map(|name| self.existing_thing(name));
        let thing = thing.transpose()?;
        let target = input.principal.as_deref().map(|principal| self.target(principal));
        let target = target.transpose()?;
        let of_principal = target.into_iter().flat_map(|target| match target {
            Target::ThingGroup(name) => {
                self.policies_up_from(name.as_str()).map(|(_, policy)| policy).collect()
            }
            target => self.policies_attached_to(&target).collect::<Vec<_>>(),
        });
        let of_groups = thing.into_iter().flat_map(|it| self.group_policies_of_thing(&it.name));
        let mut seen = BTreeSet::new();
        let policies = of_principal.chain(of_groups.map(|(_, policy)| policy));
        let policies = policies.filter(|policy| seen.insert(&policy.name));
        let effective = policies.map(|policy| EffectivePolicy {
            policy_name: policy.name.clone(),
            policy_arn: policy.arn.clone(),
            policy_document: policy.default().text.clone(),
        });
        Ok(GetEffectivePoliciesResponse { effective_policies: effective.collect() })
    }
}

/// What an identity pool permits stands in IAM, which is not here.
fn refuse_identity_pool(pool: Option<&str>) -> Result<(), ApiError> {
    match pool {
        None => Ok(()),
        Some(pool) => {
            let text = format!("iot-emulator knows no Amazon Cognito identity pool, nor `{pool}`");
            Err(ApiError::invalid_request(text))
        }
    }
}
