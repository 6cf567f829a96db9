//! Billing groups: CreateBillingGroup, DescribeBillingGroup, UpdateBillingGroup,
//! DeleteBillingGroup, ListBillingGroups, and the things in them.
//!
//! A thing is in one billing group at most; CreateThing may put it there (`things.rs`).
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot-billing-groups.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::names::{Arn, BillingGroupName, ThingName};
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::references::{Unclear, check_version, meant};
use super::shelf::Shelf;
use super::tags::check_new_tags;
use super::{Registry, Tag};

/// What a billing group says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BillingGroupProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billing_group_description: Option<String>,
}

/// CreateBillingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateBillingGroupRequest {
    pub(crate) billing_group_name: String,
    pub(crate) billing_group_properties: BillingGroupProperties,
    pub(crate) tags: Vec<Tag>,
}

/// CreateBillingGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateBillingGroupResponse {
    pub(crate) billing_group_name: BillingGroupName,
    pub(crate) billing_group_arn: Arn,
    pub(crate) billing_group_id: String,
}

/// DescribeBillingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DescribeBillingGroupRequest {
    pub(crate) billing_group_name: String,
}

/// DescribeBillingGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeBillingGroupResponse {
    pub(crate) billing_group_name: BillingGroupName,
    pub(crate) billing_group_id: String,
    pub(crate) billing_group_arn: Arn,
    pub(crate) version: i64,
    pub(crate) billing_group_properties: BillingGroupProperties,
    pub(crate) billing_group_metadata: BillingGroupMetadata,
}

/// When a billing group was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BillingGroupMetadata {
    pub(crate) creation_date: Timestamp,
}

/// UpdateBillingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateBillingGroupRequest {
    pub(crate) billing_group_name: String,
    pub(crate) billing_group_properties: BillingGroupProperties,
    pub(crate) expected_version: Option<i64>,
}

/// UpdateBillingGroup's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UpdateBillingGroupResponse {
    pub(crate) version: i64,
}

/// DeleteBillingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteBillingGroupRequest {
    pub(crate) billing_group_name: String,
    pub(crate) expected_version: Option<i64>,
}

/// ListBillingGroups' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListBillingGroupsRequest {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) name_prefix_filter: Option<String>,
}

/// A billing group in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BillingGroupNameAndArn {
    pub(crate) group_name: BillingGroupName,
    pub(crate) group_arn: Arn,
}

/// ListBillingGroups' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListBillingGroupsResponse {
    pub(crate) billing_groups: Vec<BillingGroupNameAndArn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// The input of AddThingToBillingGroup and RemoveThingFromBillingGroup: each by name or by ARN.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ThingAndBillingGroupRequest {
    pub(crate) billing_group_name: Option<String>,
    pub(crate) billing_group_arn: Option<String>,
    pub(crate) thing_name: Option<String>,
    pub(crate) thing_arn: Option<String>,
}

/// ListThingsInBillingGroup's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingsInBillingGroupRequest {
    pub(crate) billing_group_name: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// ListThingsInBillingGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingsInBillingGroupResponse {
    pub(crate) things: Vec<ThingName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A billing group.
#[derive(Clone, Debug)]
pub(super) struct BillingGroup {
    pub(super) name: BillingGroupName,
    id: String,
    properties: BillingGroupProperties,
    version: i64,
    created: Timestamp,
    // INVARIANT: mirrors `Thing::billing_group`; only `put_in_billing_group` and
    // `take_from_billing_group` change either.
    things: Shelf<ThingName, ()>,
}

impl BillingGroup {
    fn check_version(&self, expected: Option<i64>) -> Result<(), ApiError> {
        check_version("billing group", &self.name, self.version, expected)
    }
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateBillingGroup.html
    //# once more with the same configuration succeeds; with another it is 409
    /// Makes a billing group.
    pub(crate) fn create_billing_group(
        &mut self,
        input: CreateBillingGroupRequest,
        now: Timestamp,
    ) -> Result<CreateBillingGroupResponse, ApiError> {
        let CreateBillingGroupRequest { billing_group_name, billing_group_properties, tags } =
            input;
        check_new_tags(&tags)?;
        let billing_group_arn = self.scope.iot_arn("billinggroup", &billing_group_name);
        let name = BillingGroupName::from(billing_group_name);
        let id = if let Some(present) = self.billing_groups.get(&name) {
            //? assumed: tags are no part of the configuration
            if present.properties != billing_group_properties {
                //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
                //# the text for a name that is taken
                let message = format!("Billing group {name} already exists.");
                return Err(Self::already_exists(message, &name, billing_group_arn));
            }
            present.id.clone()
        } else {
            let position = self.next_position();
            let id = self.derive_uuid("billing group", position);
            let record = BillingGroup {
                name: name.clone(),
                id: id.clone(),
                properties: billing_group_properties,
                version: 1,
                created: now,
                things: Shelf::default(),
            };
            self.billing_groups.insert(position, name.clone(), record);
            self.tag_new(&billing_group_arn, tags);
            id
        };
        Ok(CreateBillingGroupResponse {
            billing_group_name: name,
            billing_group_arn,
            billing_group_id: id,
        })
    }

    /// A billing group.
    pub(crate) fn describe_billing_group(
        &self,
        input: DescribeBillingGroupRequest,
    ) -> Result<DescribeBillingGroupResponse, ApiError> {
        let group = self.existing_billing_group(&input.billing_group_name)?;
        Ok(DescribeBillingGroupResponse {
            billing_group_name: group.name.clone(),
            billing_group_id: group.id.clone(),
            billing_group_arn: self.scope.iot_arn("billinggroup", &group.name),
            version: group.version,
            billing_group_properties: group.properties.clone(),
            billing_group_metadata: BillingGroupMetadata { creation_date: group.created },
        })
    }

    /// Changes what a billing group says of itself.
    pub(crate) fn update_billing_group(
        &mut self,
        input: UpdateBillingGroupRequest,
    ) -> Result<UpdateBillingGroupResponse, ApiError> {
        let name = input.billing_group_name.as_str();
        self.existing_billing_group(name)?.check_version(input.expected_version)?;
        let group = self.billing_groups.get_mut(name);
        let version = group.map_or(0, |group| {
            group.properties = input.billing_group_properties;
            group.version += 1;
            group.version
        });
        Ok(UpdateBillingGroupResponse { version })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteBillingGroup.html
    //# the operation declares no ResourceNotFoundException
    //? assumed: so deleting a billing group that does not exist succeeds
    /// Deletes a billing group that has no things.
    pub(crate) fn delete_billing_group(
        &mut self,
        input: DeleteBillingGroupRequest,
    ) -> Result<(), ApiError> {
        let Some(group) = self.billing_groups.get(input.billing_group_name.as_str()) else {
            return Ok(());
        };
        group.check_version(input.expected_version)?;
        if !group.things.is_empty() {
            //? assumed: exception and text
            return Err(ApiError::invalid_request(format!(
                "Cannot delete billing group {}. There are still things in it",
                group.name
            )));
        }
        self.billing_groups.remove(input.billing_group_name.as_str());
        self.forget_tags(&self.scope.iot_arn("billinggroup", &input.billing_group_name));
        Ok(())
    }

    /// The billing groups of this account and Region.
    pub(crate) fn list_billing_groups(
        &self,
        input: ListBillingGroupsRequest,
    ) -> Result<ListBillingGroupsResponse, ApiError> {
        let ListBillingGroupsRequest { next_token, max_results, name_prefix_filter } = input;
        let request =
            PageRequest::tokened("listBillingGroups", max_results, next_token.as_deref())?;
        let prefix = name_prefix_filter.unwrap_or_default();
        let (billing_groups, next_token) = request.page(&self.billing_groups, |name, _| {
            name.as_str().starts_with(&prefix).then(|| BillingGroupNameAndArn {
                group_name: name.clone(),
                group_arn: self.scope.iot_arn("billinggroup", name),
            })
        });
        Ok(ListBillingGroupsResponse { billing_groups, next_token })
    }

    /// Puts a thing into a billing group.
    pub(crate) fn add_thing_to_billing_group(
        &mut self,
        input: ThingAndBillingGroupRequest,
    ) -> Result<(), ApiError> {
        let (thing, group) = self.thing_and_billing_group(&input)?;
        let present = self.existing_thing(&thing)?.billing_group.as_ref();
        match present.map(BillingGroupName::as_str) {
            None => self.put_in_billing_group(&thing, &group),
            //? assumed: once more succeeds
            Some(present) if present == group => {}
            //? assumed: a thing leaves a billing group before it joins another; exception and text
            Some(present) => {
                return Err(ApiError::invalid_request(format!(
                    "Thing {thing} is already in billing group {present}"
                )));
            }
        }
        Ok(())
    }

    /// Takes a thing out of a billing group.
    pub(crate) fn remove_thing_from_billing_group(
        &mut self,
        input: ThingAndBillingGroupRequest,
    ) -> Result<(), ApiError> {
        let (thing, group) = self.thing_and_billing_group(&input)?;
        let present = self.existing_thing(&thing)?.billing_group.as_ref();
        //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
        //# taking out a thing that is not in the billing group succeeds
        if present.is_some_and(|present| present.as_str() == group) {
            self.take_from_billing_group(&thing);
        }
        Ok(())
    }

    /// The things in a billing group.
    pub(crate) fn list_things_in_billing_group(
        &self,
        input: ListThingsInBillingGroupRequest,
    ) -> Result<ListThingsInBillingGroupResponse, ApiError> {
        let request = PageRequest::tokened(
            "listThingsInBillingGroup",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let group = self.existing_billing_group(&input.billing_group_name)?;
        let (things, next_token) = request.page(&group.things, |name, ()| Some(name.clone()));
        Ok(ListThingsInBillingGroupResponse { things, next_token })
    }

    pub(super) fn existing_billing_group(&self, name: &str) -> Result<&BillingGroup, ApiError> {
        //? assumed: the text, by analogy with thing groups
        self.billing_groups.get(name).ok_or_else(|| self.unknown("BillingGroup", name))
    }

    /// Puts a thing that is in no billing group into one.
    pub(super) fn put_in_billing_group(&mut self, thing: &str, group: &str) {
        let position = self.next_position();
        let Some(thing) = self.things.get_mut(thing) else { return };
        let Some(group) = self.billing_groups.get_mut(group) else { return };
        thing.billing_group = Some(group.name.clone());
        group.things.insert(position, thing.name.clone(), ());
    }

    /// Takes a thing out of the billing group that it is in, if any.
    pub(super) fn take_from_billing_group(&mut self, thing: &str) {
        let Some(record) = self.things.get_mut(thing) else { return };
        let Some(group) = record.billing_group.take() else { return };
        if let Some(group) = self.billing_groups.get_mut(&group) {
            group.things.remove(thing);
        }
    }

    /// The names of the thing and of the billing group, which exists.
    fn thing_and_billing_group(
        &self,
        input: &ThingAndBillingGroupRequest,
    ) -> Result<(String, String), ApiError> {
        let ThingAndBillingGroupRequest {
            billing_group_name,
            billing_group_arn,
            thing_name,
            thing_arn,
        } = input;
        let (name, arn) = (billing_group_name.as_deref(), billing_group_arn.as_deref());
        let group = meant(&self.scope, "billinggroup", name, arn)
            .map_err(|unclear| refused("billingGroup", unclear))?;
        self.existing_billing_group(group)?;
        let (name, arn) = (thing_name.as_deref(), thing_arn.as_deref());
        let thing =
            meant(&self.scope, "thing", name, arn).map_err(|unclear| refused("thing", unclear))?;
        Ok((thing.to_owned(), group.to_owned()))
    }
}

//= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
//# the text for a request with neither name nor ARN
//? assumed: an ARN of another kind, account or Region is InvalidRequestException, and so are a name
//? and an ARN that differ; the texts
/// What AWS answers to a request that does not say clearly which `member` it means.
fn refused(member: &str, unclear: Unclear) -> ApiError {
    ApiError::invalid_request(match unclear {
        Unclear::NotNamed => format!("Both {member}Name and {member}Arn cannot be null"),
        Unclear::OtherArn => format!("Invalid {member}Arn"),
        Unclear::TwoNames => format!("{member}Name and {member}Arn do not name the same"),
    })
}
