//! Things: CreateThing, DescribeThing, UpdateThing, DeleteThing, ListThings.
//!
//! There are no thing types, thing groups and billing groups yet: a request that names one is
//! answered as AWS answers a name that does not exist.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-registry.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, ThingName};
use crate::time::Timestamp;

use super::paging::{PageRequest, Shelf};
use super::{Registry, Target, ThingPrincipalType};

//= https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
//# up to three attributes for a thing without a thing type
/// Attributes of a thing that has no thing type.
const ATTRIBUTES_WITHOUT_THING_TYPE: usize = 3;

/// A thing's attributes, and whether they add to those that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AttributePayload {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) merge: bool,
}

/// CreateThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateThingRequest {
    pub(crate) thing_name: String,
    pub(crate) thing_type_name: Option<String>,
    pub(crate) attribute_payload: Option<AttributePayload>,
    pub(crate) billing_group_name: Option<String>,
}

/// CreateThing's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateThingResponse {
    pub(crate) thing_name: ThingName,
    pub(crate) thing_arn: Arn,
    pub(crate) thing_id: String,
}

/// DescribeThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DescribeThingRequest {
    pub(crate) thing_name: String,
}

/// DescribeThing's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeThingResponse {
    pub(crate) default_client_id: ThingName,
    pub(crate) thing_name: ThingName,
    pub(crate) thing_id: String,
    pub(crate) thing_arn: Arn,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) version: i64,
}

/// UpdateThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateThingRequest {
    pub(crate) thing_name: String,
    pub(crate) thing_type_name: Option<String>,
    pub(crate) attribute_payload: Option<AttributePayload>,
    pub(crate) expected_version: Option<i64>,
    pub(crate) remove_thing_type: bool,
}

/// DeleteThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteThingRequest {
    pub(crate) thing_name: String,
    pub(crate) expected_version: Option<i64>,
}

/// The empty answer of operations that answer an empty JSON structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct EmptyResponse {}

/// ListThings' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingsRequest {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) attribute_name: Option<String>,
    pub(crate) attribute_value: Option<String>,
    pub(crate) thing_type_name: Option<String>,
    pub(crate) use_prefix_attribute_value: bool,
}

/// A thing in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingAttribute {
    pub(crate) thing_name: ThingName,
    pub(crate) thing_arn: Arn,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) version: i64,
}

/// ListThings' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingsResponse {
    pub(crate) things: Vec<ThingAttribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A thing.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) name: ThingName,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) principals: Shelf<Target, ThingPrincipalType>,
}

impl Thing {
    /// The name of its thing type: none, since there are no thing types yet.
    pub(crate) const fn thing_type_name(&self) -> Option<&str> {
        None
    }
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html
    //# once more with the same configuration succeeds; with another it is 409
    /// Makes a thing.
    pub(crate) fn create_thing(
        &mut self,
        input: CreateThingRequest,
        _now: Timestamp,
    ) -> Result<CreateThingResponse, ApiError> {
        let attributes = input.attribute_payload.unwrap_or_default().attributes;
        if let Some(name) = &input.thing_type_name {
            return Err(self.unknown("Thing Type", name));
        }
        if let Some(name) = &input.billing_group_name {
            return Err(self.unknown("BillingGroup", name));
        }
        let attributes = without_empty(attributes);
        check_count(&attributes)?;
        let arn = self.scope.iot_arn("thing", &input.thing_name);
        let name = ThingName::from(input.thing_name);
        if let Some(thing) = self.things.get(&name) {
            if thing.attributes != attributes {
                //? assumed: the text
                let message =
                    format!("Thing {name} already exists in account with different attributes");
                return Err(Self::already_exists(message, &name, arn));
            }
            let thing_id = thing.id.clone();
            return Ok(CreateThingResponse { thing_name: name, thing_arn: arn, thing_id });
        }
        let position = self.next_position();
        let id = self.derive_uuid("thing", position);
        let thing = Thing {
            name: name.clone(),
            attributes,
            id: id.clone(),
            version: 1,
            principals: Shelf::default(),
        };
        self.things.insert(position, name.clone(), thing);
        self.policies_may_decide_differently();
        Ok(CreateThingResponse { thing_name: name, thing_arn: arn, thing_id: id })
    }

    /// A thing.
    pub(crate) fn describe_thing(
        &self,
        input: DescribeThingRequest,
    ) -> Result<DescribeThingResponse, ApiError> {
        let thing = self.existing_thing(&input.thing_name)?;
        Ok(DescribeThingResponse {
            default_client_id: thing.name.clone(),
            thing_name: thing.name.clone(),
            thing_id: thing.id.clone(),
            thing_arn: self.scope.iot_arn("thing", &thing.name),
            attributes: thing.attributes.clone(),
            version: thing.version,
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
    //# without `merge` the attributes replace the old ones; an empty value removes an attribute
    /// Changes a thing's attributes.
    pub(crate) fn update_thing(
        &mut self,
        input: UpdateThingRequest,
        _now: Timestamp,
    ) -> Result<EmptyResponse, ApiError> {
        if input.remove_thing_type && input.thing_type_name.is_some() {
            //? assumed: the two exclude each other
            let message = "thingTypeName and removeThingType cannot be specified together";
            return Err(ApiError::invalid_request(message));
        }
        let thing = self.existing_thing(&input.thing_name)?;
        check_version(thing, input.expected_version)?;
        if let Some(name) = &input.thing_type_name {
            return Err(self.unknown("Thing Type", name));
        }
        let attributes = match input.attribute_payload {
            None => thing.attributes.clone(),
            Some(AttributePayload { attributes, merge: false }) => without_empty(attributes),
            Some(AttributePayload { attributes, merge: true }) => {
                let mut merged = thing.attributes.clone();
                merged.extend(attributes);
                without_empty(merged)
            }
        };
        check_count(&attributes)?;
        if let Some(thing) = self.things.get_mut(input.thing_name.as_str()) {
            thing.attributes = attributes;
            thing.version += 1;
        }
        self.policies_may_decide_differently();
        Ok(EmptyResponse {})
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteThing.html
    //# deleting a thing that does not exist succeeds
    //= https://github.com/rebuy-de/aws-nuke/issues/374
    //# `Cannot delete. Thing T is still attached to one or more principals`
    /// Deletes a thing that no principal is attached to.
    pub(crate) fn delete_thing(
        &mut self,
        input: DeleteThingRequest,
    ) -> Result<EmptyResponse, ApiError> {
        let Some(thing) = self.things.get(input.thing_name.as_str()) else {
            return Ok(EmptyResponse {});
        };
        check_version(thing, input.expected_version)?;
        if !thing.principals.is_empty() {
            return Err(ApiError::invalid_request(format!(
                "Cannot delete. Thing {} is still attached to one or more principals",
                thing.name
            )));
        }
        self.leave_every_group(&input.thing_name);
        self.things.remove(input.thing_name.as_str());
        self.policies_may_decide_differently();
        Ok(EmptyResponse {})
    }

    /// The things of this account and Region, or those that an attribute selects.
    pub(crate) fn list_things(
        &self,
        input: ListThingsRequest,
    ) -> Result<ListThingsResponse, ApiError> {
        let request =
            PageRequest::tokened("listThings", input.max_results, input.next_token.as_deref())?;
        let (things, next_token) = request.page(&self.things, |name, thing| {
            input.selects(thing).then(|| ThingAttribute {
                thing_name: name.clone(),
                thing_arn: self.scope.iot_arn("thing", name),
                attributes: thing.attributes.clone(),
                version: thing.version,
            })
        });
        Ok(ListThingsResponse { things, next_token })
    }

    /// A thing.
    pub(crate) fn thing(&self, name: &ThingName) -> Option<&Thing> {
        self.things.get(name)
    }

    pub(super) fn existing_thing(&self, name: &str) -> Result<&Thing, ApiError> {
        //? assumed: the text, by analogy with thing types
        self.things.get(name).ok_or_else(|| self.unknown("Thing", name))
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# `Thing Type ACCOUNT:NAME not found.`, `ThingGroup ACCOUNT:NAME not found.`
    /// What AWS answers about a thing, thing type or group that does not exist.
    pub(crate) fn unknown(&self, kind: &str, name: &str) -> ApiError {
        ApiError::not_found(format!("{kind} {}:{name} not found.", self.scope.account))
    }
}

impl ListThingsRequest {
    fn selects(&self, thing: &Thing) -> bool {
        if self.thing_type_name.as_deref().is_some_and(|name| thing.thing_type_name() != Some(name))
        {
            return false;
        }
        let Some(name) = &self.attribute_name else { return true };
        let Some(value) = thing.attributes.get(name) else { return false };
        match self.attribute_value.as_deref() {
            None => true,
            Some(wanted) if self.use_prefix_attribute_value => value.starts_with(wanted),
            Some(wanted) => value == wanted,
        }
    }
}

fn without_empty(mut attributes: BTreeMap<String, String>) -> BTreeMap<String, String> {
    attributes.retain(|_, value| !value.is_empty());
    attributes
}

fn check_count(attributes: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if attributes.len() > ATTRIBUTES_WITHOUT_THING_TYPE {
        //? assumed: exception and text
        return Err(ApiError::invalid_request(format!(
            "A thing without a thing type can have up to {ATTRIBUTES_WITHOUT_THING_TYPE} attributes"
        )));
    }
    Ok(())
}

fn check_version(thing: &Thing, expected: Option<i64>) -> Result<(), ApiError> {
    if expected.is_some_and(|expected| expected != thing.version) {
        //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/exceptions.py
        //# the text for an expectedVersion that is not the record's
        return Err(ApiError::new(
            ErrorCode::VersionConflictException,
            format!("The version for thing {} does not match the expected version.", thing.name),
        ));
    }
    Ok(())
}
