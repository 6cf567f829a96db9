//! Things: CreateThing, DescribeThing, UpdateThing, DeleteThing, ListThings.
//!
//! What thing types and billing groups are is decided in `thing_types.rs` and `billing_groups.rs`,
//! who is attached to a thing in `thing_principals.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-registry.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::events::{Link, Operation};
use crate::names::{Arn, BillingGroupName, ThingName, ThingTypeName};
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::references::check_version;
use super::shelf::Shelf;
use super::thing_types::ThingType;
use super::{AttributePayload, Attributes, Registry, Target, ThingPrincipalType};

//= https://docs.aws.amazon.com/iot/latest/developerguide/thing-types.html
//# up to three attributes for a thing without a thing type, up to 50 with one
/// Attributes of a thing that has no thing type.
const ATTRIBUTES_WITHOUT_THING_TYPE: usize = 3;

/// Attributes of a thing that has a thing type.
const ATTRIBUTES_WITH_THING_TYPE: usize = 50;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thing_type_name: Option<ThingTypeName>,
    pub(crate) attributes: Attributes,
    pub(crate) version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billing_group_name: Option<BillingGroupName>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thing_type_name: Option<ThingTypeName>,
    pub(crate) thing_arn: Arn,
    pub(crate) attributes: Attributes,
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

/// A thing. Fleets have many: its names are shared, and its ID is derived when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) name: ThingName,
    pub(crate) attributes: Attributes,
    // INVARIANT: `ThingType::things` counts it; only `set_thing_type` changes either.
    thing_type: Option<ThingTypeName>,
    pub(super) billing_group: Option<BillingGroupName>,
    pub(super) version: i64,
    pub(super) principals: Shelf<Target, ThingPrincipalType>,
}

/// What an update may change of a thing.
#[derive(Clone, Debug)]
pub(crate) struct ThingBefore {
    attributes: Attributes,
    thing_type: Option<ThingTypeName>,
    version: i64,
}

impl Thing {
    /// The name of its thing type, if it has one.
    pub(crate) fn thing_type_name(&self) -> Option<&str> {
        self.thing_type.as_ref().map(ThingTypeName::as_str)
    }

    /// Its thing type, if it has one.
    pub(super) const fn thing_type(&self) -> Option<&ThingTypeName> {
        self.thing_type.as_ref()
    }

    /// The name of its billing group, if it is in one.
    pub(crate) fn billing_group_name(&self) -> Option<&str> {
        self.billing_group.as_ref().map(BillingGroupName::as_str)
    }
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html
    //# once more with the same configuration succeeds; with another it is 409
    //= https://github.com/localstack/localstack/issues/10002
    //# observed: another thing type is another configuration
    //? assumed: so is another billing group
    /// Makes a thing.
    pub(crate) fn create_thing(
        &mut self,
        input: CreateThingRequest,
        now: Timestamp,
    ) -> Result<CreateThingResponse, ApiError> {
        let CreateThingRequest { thing_name, thing_type_name, attribute_payload, .. } = input;
        let attributes = Attributes::default().changed(attribute_payload);
        let wanted = thing_type_name.as_deref().map(|name| self.existing_thing_type(name));
        let thing_type = wanted.transpose()?;
        let wanted = input.billing_group_name.as_deref();
        let group = wanted.map(|name| self.existing_billing_group(name)).transpose()?;
        let thing_arn = self.scope.iot_arn("thing", &thing_name);
        let name = ThingName::from(thing_name);
        if let Some(thing) = self.things.get(&name) {
            let same = thing.attributes == attributes
                && thing.thing_type_name() == thing_type_name.as_deref()
                && thing.billing_group.as_ref() == group.map(|group| &group.name);
            if !same {
                //? assumed: the text where not the attributes differ
                let message =
                    format!("Thing {name} already exists in account with different attributes");
                return Err(Self::already_exists(message, &name, thing_arn));
            }
            let thing_id = self.thing_id(&name);
            return Ok(CreateThingResponse { thing_name: name, thing_arn, thing_id });
        }
        if let Some(thing_type) = thing_type.filter(|thing_type| thing_type.deprecated.is_some()) {
            //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
            //# AWS's text for a deprecated type, spelled as AWS spells it
            return Err(ApiError::invalid_request(format!(
                "Can not create new thing with depreated thing type:{}",
                thing_type.name
            )));
        }
        check_count(&attributes, thing_type)?;
        let thing_type = thing_type.map(|thing_type| thing_type.name.clone());
        let group = group.map(|group| group.name.clone());
        let thing = Thing {
            name: name.clone(),
            attributes,
            thing_type: None,
            billing_group: None,
            version: 1,
            principals: Shelf::default(),
        };
        let position = self.next_position();
        self.things.insert(position, name.clone(), thing);
        self.set_thing_type(name.as_str(), thing_type);
        if let Some(group) = group {
            self.put_in_billing_group(name.as_str(), group.as_str());
        }
        self.announce_thing(Operation::Created, &name, now);
        if let Some(thing_type) = thing_type_name {
            self.announce_type_of_thing(Link::Added, &name, &thing_type, now);
        }
        let thing_id = self.thing_id(&name);
        Ok(CreateThingResponse { thing_name: name, thing_arn, thing_id })
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
            thing_id: self.thing_id(&thing.name),
            thing_arn: self.scope.iot_arn("thing", &thing.name),
            thing_type_name: thing.thing_type.clone(),
            attributes: thing.attributes.clone(),
            version: thing.version,
            billing_group_name: thing.billing_group.clone(),
        })
    }

    /// Changes a thing's attributes and its thing type.
    pub(crate) fn update_thing(
        &mut self,
        input: UpdateThingRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        if input.remove_thing_type && input.thing_type_name.is_some() {
            //? assumed: the two exclude each other
            let message = "thingTypeName and removeThingType cannot be specified together";
            return Err(ApiError::invalid_request(message));
        }
        let thing = self.existing_thing(&input.thing_name)?;
        check_version("thing", &thing.name, thing.version, input.expected_version)?;
        let thing_type = match input.thing_type_name.as_deref() {
            None if input.remove_thing_type => None,
            None => thing.thing_type_name().and_then(|name| self.thing_types.get(name)),
            Some(name) => Some(self.not_deprecated(name)?),
        };
        let attributes = thing.attributes.changed(input.attribute_payload);
        //? assumed: with its type a thing must lose the attributes that it may have no longer
        check_count(&attributes, thing_type)?;
        let (name, old_type) = (thing.name.clone(), thing.thing_type.clone());
        let thing_type = thing_type.map(|thing_type| thing_type.name.clone());
        if let Some(thing) = self.things.get_mut(&name) {
            thing.attributes = attributes;
            thing.version += 1;
        }
        self.set_thing_type(name.as_str(), thing_type.clone());
        self.announce_thing(Operation::Updated, &name, now);
        if old_type != thing_type {
            let links = [(Link::Removed, old_type), (Link::Added, thing_type)];
            for (link, thing_type) in links {
                if let Some(thing_type) = thing_type {
                    self.announce_type_of_thing(link, &name, thing_type.as_str(), now);
                }
            }
        }
        self.policies_may_decide_differently_for(&name);
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteThing.html
    //# deleting a thing that does not exist succeeds
    //= https://github.com/rebuy-de/aws-nuke/issues/374
    //# `Cannot delete. Thing T is still attached to one or more principals`
    /// Deletes a thing that no principal is attached to.
    pub(crate) fn delete_thing(
        &mut self,
        input: DeleteThingRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(thing) = self.things.get(input.thing_name.as_str()) else {
            return Ok(());
        };
        check_version("thing", &thing.name, thing.version, input.expected_version)?;
        if !thing.principals.is_empty() {
            return Err(ApiError::invalid_request(format!(
                "Cannot delete. Thing {} is still attached to one or more principals",
                thing.name
            )));
        }
        let name = thing.name.clone();
        self.leave_every_group(name.as_str(), now);
        //? assumed: a thing that goes tells nothing of its thing type
        self.announce_thing(Operation::Deleted, &name, now);
        self.set_thing_type(name.as_str(), None);
        self.take_from_billing_group(name.as_str());
        self.things.remove(&name);
        Ok(())
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
                thing_type_name: thing.thing_type.clone(),
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

    /// The ID of a thing, which follows from its place in the order of creation.
    pub(super) fn thing_id(&self, name: &ThingName) -> String {
        self.derive_uuid("thing", self.things.position(name).unwrap_or_default())
    }

    /// What an update may change of a thing, as it is now; `None` if there is no such thing.
    pub(crate) fn thing_before(&self, name: &ThingName) -> Option<ThingBefore> {
        let Thing { attributes, thing_type, version, .. } = self.things.get(name)?.clone();
        Some(ThingBefore { attributes, thing_type, version })
    }

    /// Makes a thing again what it was, as if no update had been.
    pub(crate) fn put_back(&mut self, name: &ThingName, before: ThingBefore) {
        self.set_thing_type(name.as_str(), before.thing_type);
        if let Some(thing) = self.things.get_mut(name) {
            thing.attributes = before.attributes;
            thing.version = before.version;
        }
        self.policies_may_decide_differently_for(name);
    }

    /// A thing type that a thing can change to.
    fn not_deprecated(&self, name: &str) -> Result<&ThingType, ApiError> {
        let thing_type = self.existing_thing_type(name)?;
        if thing_type.deprecated.is_some() {
            //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
            //# the text for a deprecated type, also if the thing has it already
            return Err(ApiError::invalid_request(format!(
                "Can not update a thing to use deprecated thing type: {name}"
            )));
        }
        Ok(thing_type)
    }

    fn set_thing_type(&mut self, thing: &str, thing_type: Option<ThingTypeName>) {
        let Some(thing) = self.things.get_mut(thing) else { return };
        if let Some(new) = thing_type.as_ref().and_then(|name| self.thing_types.get_mut(name)) {
            new.things += 1;
        }
        let old = std::mem::replace(&mut thing.thing_type, thing_type);
        if let Some(old) = old.and_then(|name| self.thing_types.get_mut(&name)) {
            old.things -= 1;
        }
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# `Thing Type ACCOUNT:NAME not found.`, `ThingGroup ACCOUNT:NAME not found.`
    /// What AWS answers about a thing, thing type or group that does not exist.
    pub(crate) fn unknown(&self, kind: &str, name: &str) -> ApiError {
        ApiError::not_found(format!("{kind} {}:{name} not found.", self.scope.account))
    }
}

impl ListThingsRequest {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_ListThings.html
    //# every thing that has the attribute with the value, or with a value that begins with it
    //? assumed: also attributes that the thing type does not call searchable
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

fn check_count(attributes: &Attributes, thing_type: Option<&ThingType>) -> Result<(), ApiError> {
    let (limit, kind) = match thing_type {
        None => (ATTRIBUTES_WITHOUT_THING_TYPE, "without"),
        Some(_) => (ATTRIBUTES_WITH_THING_TYPE, "with"),
    };
    if attributes.len() > limit {
        //? assumed: exception and text
        return Err(ApiError::invalid_request(format!(
            "A thing {kind} a thing type can have up to {limit} attributes"
        )));
    }
    Ok(())
}
