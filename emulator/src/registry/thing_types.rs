//! Thing types: CreateThingType, DescribeThingType, UpdateThingType, DeprecateThingType,
//! DeleteThingType, ListThingTypes.
//!
//! Which thing has which type is decided in `things.rs`. The propagating attributes of a type are
//! checked and kept, and described again; messages are not enriched with them.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/thing-types.html>.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::events::Operation;
use crate::names::{Arn, ThingTypeName};
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::tags::check_new_tags;
use super::{Registry, Tag};

//= https://docs.aws.amazon.com/iot/latest/developerguide/thing-types.html
//# five minutes must pass after the deprecation before a thing type can be deleted
/// How long a thing type must have been deprecated before it can be deleted.
const DEPRECATED_BEFORE_DELETION: Duration = Duration::from_secs(5 * 60);

/// The attribute names of a thing type that are searchable, at most.
const SEARCHABLE_ATTRIBUTES: usize = 3;

//= https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-iot-thingtype-propagatingattribute.html
//# connection attributes are `iot:ClientId` and `iot:Thing.ThingName`; the user property key is
//# required
/// What is known of a connection and can be propagated.
const CONNECTION_ATTRIBUTES: [&str; 2] = ["iot:ClientId", "iot:Thing.ThingName"];

/// What a thing type says of its things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ThingTypeProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thing_type_description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) searchable_attributes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mqtt5_configuration: Option<Mqtt5Configuration>,
}

/// What the messages of a type's things are enriched with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mqtt5Configuration {
    pub(crate) propagating_attributes: Vec<PropagatingAttribute>,
}

/// A user property, and where its value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PropagatingAttribute {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_property_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thing_attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection_attribute: Option<String>,
}

/// CreateThingType's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateThingTypeRequest {
    pub(crate) thing_type_name: String,
    pub(crate) thing_type_properties: ThingTypeProperties,
    pub(crate) tags: Vec<Tag>,
}

/// CreateThingType's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateThingTypeResponse {
    pub(crate) thing_type_name: ThingTypeName,
    pub(crate) thing_type_arn: Arn,
    pub(crate) thing_type_id: String,
}

/// DescribeThingType's and DeleteThingType's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ThingTypeRequest {
    pub(crate) thing_type_name: String,
}

/// DescribeThingType's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeThingTypeResponse {
    #[serde(flatten)]
    pub(crate) definition: ThingTypeDefinition,
    pub(crate) thing_type_id: String,
}

/// UpdateThingType's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateThingTypeRequest {
    pub(crate) thing_type_name: String,
    pub(crate) thing_type_properties: ThingTypeProperties,
}

/// DeprecateThingType's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeprecateThingTypeRequest {
    pub(crate) thing_type_name: String,
    pub(crate) undo_deprecate: bool,
}

/// ListThingTypes' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingTypesRequest {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) thing_type_name: Option<String>,
}

/// ListThingTypes' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingTypesResponse {
    pub(crate) thing_types: Vec<ThingTypeDefinition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A thing type as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingTypeDefinition {
    pub(crate) thing_type_name: ThingTypeName,
    pub(crate) thing_type_arn: Arn,
    pub(crate) thing_type_properties: ThingTypeProperties,
    pub(crate) thing_type_metadata: ThingTypeMetadata,
}

/// What became of a thing type, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingTypeMetadata {
    pub(crate) deprecated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deprecation_date: Option<Timestamp>,
    pub(crate) creation_date: Timestamp,
}

/// A thing type.
#[derive(Clone, Debug)]
pub(super) struct ThingType {
    pub(super) name: ThingTypeName,
    pub(super) id: String,
    pub(super) properties: ThingTypeProperties,
    pub(super) created: Timestamp,
    pub(super) deprecated: Option<Timestamp>,
    // INVARIANT: counts the things whose `thing_type` it is; only `things.rs` changes either.
    pub(super) things: usize,
}

impl Registry {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThingType.html
    //# once more with the same configuration succeeds; with another it is 409
    /// Makes a thing type.
    pub(crate) fn create_thing_type(
        &mut self,
        input: CreateThingTypeRequest,
        now: Timestamp,
    ) -> Result<CreateThingTypeResponse, ApiError> {
        let CreateThingTypeRequest { thing_type_name, thing_type_properties, tags } = input;
        thing_type_properties.check()?;
        check_new_tags(&tags)?;
        let arn = self.scope.iot_arn("thingtype", &thing_type_name);
        let name = ThingTypeName::from(thing_type_name);
        if let Some(present) = self.thing_types.get(&name) {
            //? assumed: tags are no part of the configuration; the text
            if !present.properties.same_as(&thing_type_properties) {
                let message = format!(
                    "Thing type {name} already exists in account with different properties"
                );
                return Err(Self::already_exists(message, &name, arn));
            }
            let thing_type_id = present.id.clone();
            return Ok(CreateThingTypeResponse {
                thing_type_name: name,
                thing_type_arn: arn,
                thing_type_id,
            });
        }
        let position = self.next_position();
        let id = self.derive_uuid("thing type", position);
        let record = ThingType {
            name: name.clone(),
            id: id.clone(),
            properties: thing_type_properties,
            created: now,
            deprecated: None,
            things: 0,
        };
        self.thing_types.insert(position, name.clone(), record);
        self.announce_thing_type(Operation::Created, name.as_str(), now);
        self.tag_new(&arn, tags);
        Ok(CreateThingTypeResponse {
            thing_type_name: name,
            thing_type_arn: arn,
            thing_type_id: id,
        })
    }

    /// A thing type.
    pub(crate) fn describe_thing_type(
        &self,
        input: ThingTypeRequest,
    ) -> Result<DescribeThingTypeResponse, ApiError> {
        let thing_type = self.existing_thing_type(&input.thing_type_name)?;
        let definition = self.definition(thing_type);
        Ok(DescribeThingTypeResponse { definition, thing_type_id: thing_type.id.clone() })
    }

    //= https://github.com/aws/aws-cli/issues/9884
    //# observed: for searchable attributes, `Can only update mqtt5Configuration.`
    //? assumed: the same for a description, and for what is as it was
    /// Changes what the messages of a type's things are enriched with.
    pub(crate) fn update_thing_type(
        &mut self,
        input: UpdateThingTypeRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let UpdateThingTypeRequest { thing_type_name, thing_type_properties } = input;
        let ThingTypeProperties {
            thing_type_description,
            searchable_attributes,
            mqtt5_configuration,
        } = thing_type_properties;
        self.existing_thing_type(&thing_type_name)?;
        if thing_type_description.is_some() || !searchable_attributes.is_empty() {
            return Err(ApiError::invalid_request("Can only update mqtt5Configuration."));
        }
        //? assumed: without a configuration nothing changes
        if let Some(configuration) = mqtt5_configuration {
            configuration.check()?;
            if let Some(thing_type) = self.thing_types.get_mut(thing_type_name.as_str()) {
                thing_type.properties.mqtt5_configuration = Some(configuration);
            }
            self.announce_thing_type(Operation::Updated, &thing_type_name, now);
        }
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeprecateThingType.html
    //# no thing gets a deprecated type any more, until the deprecation is undone
    /// Deprecates a thing type, or takes that back.
    pub(crate) fn deprecate_thing_type(
        &mut self,
        input: DeprecateThingTypeRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let name = input.thing_type_name.as_str();
        self.existing_thing_type(name)?;
        if let Some(thing_type) = self.thing_types.get_mut(name) {
            //? assumed: once more leaves the first date
            let since = thing_type.deprecated.unwrap_or(now);
            thing_type.deprecated = (!input.undo_deprecate).then_some(since);
        }
        self.announce_thing_type(Operation::Updated, name, now);
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteThingType.html
    //# deprecate it first, take it from all things, then delete it
    /// Deletes a thing type that has been deprecated for a while and has no things.
    pub(crate) fn delete_thing_type(
        &mut self,
        input: ThingTypeRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let thing_type = self.existing_thing_type(&input.thing_type_name)?;
        let name = &thing_type.name;
        let refused = |why: &str| {
            Err(ApiError::invalid_request(format!("Cannot delete thing type : {name}. {why}")))
        };
        //? assumed: the order of these checks, and the texts of the first and the last
        let Some(deprecated) = thing_type.deprecated else {
            return refused("Please deprecate the thing type and then retry");
        };
        if now.since(deprecated) < DEPRECATED_BEFORE_DELETION {
            //= https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/iot/thing_type.go
            //# observed: the text within five minutes, which clients wait for
            return refused("Please wait for 5 minutes after deprecation and then retry");
        }
        if thing_type.things > 0 {
            return refused("It is still associated with one or more things");
        }
        self.announce_thing_type(Operation::Deleted, &input.thing_type_name, now);
        self.thing_types.remove(input.thing_type_name.as_str());
        self.forget_tags(&self.scope.iot_arn("thingtype", &input.thing_type_name));
        Ok(())
    }

    /// The thing types of this account and Region.
    pub(crate) fn list_thing_types(
        &self,
        input: ListThingTypesRequest,
    ) -> Result<ListThingTypesResponse, ApiError> {
        let ListThingTypesRequest { next_token, max_results, thing_type_name } = input;
        let request = PageRequest::tokened("listThingTypes", max_results, next_token.as_deref())?;
        //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
        //# the name selects every thing type that begins with it
        let prefix = thing_type_name.unwrap_or_default();
        let (thing_types, next_token) = request.page(&self.thing_types, |name, thing_type| {
            name.as_str().starts_with(&prefix).then(|| self.definition(thing_type))
        });
        Ok(ListThingTypesResponse { thing_types, next_token })
    }

    pub(super) fn existing_thing_type(&self, name: &str) -> Result<&ThingType, ApiError> {
        self.thing_types.get(name).ok_or_else(|| self.unknown("Thing Type", name))
    }

    fn definition(&self, thing_type: &ThingType) -> ThingTypeDefinition {
        ThingTypeDefinition {
            thing_type_name: thing_type.name.clone(),
            thing_type_arn: self.scope.iot_arn("thingtype", &thing_type.name),
            thing_type_properties: thing_type.properties.clone(),
            thing_type_metadata: ThingTypeMetadata {
                deprecated: thing_type.deprecated.is_some(),
                deprecation_date: thing_type.deprecated,
                creation_date: thing_type.created,
            },
        }
    }
}

impl ThingTypeProperties {
    fn check(&self) -> Result<(), ApiError> {
        if self.searchable_attributes.len() > SEARCHABLE_ATTRIBUTES {
            //= https://thingrex.com/aws_iot_thing_type
            //# observed: the text for a fourth searchable attribute
            return Err(ApiError::invalid_request(
                "Only three searchable attributes are allowed for a thing type.",
            ));
        }
        self.mqtt5_configuration.as_ref().map_or(Ok(()), Mqtt5Configuration::check)
    }

    //= https://github.com/ministackorg/ministack/pull/1349
    //# searchable attributes are a set; absent and empty are the same
    fn same_as(&self, other: &Self) -> bool {
        fn sorted(names: &[String]) -> Vec<&str> {
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.sort_unstable();
            names.dedup();
            names
        }
        fn description(properties: &ThingTypeProperties) -> &str {
            properties.thing_type_description.as_deref().unwrap_or_default()
        }
        fn propagating(properties: &ThingTypeProperties) -> &[PropagatingAttribute] {
            let configuration = properties.mqtt5_configuration.as_ref();
            configuration.map_or(&[], |configuration| &configuration.propagating_attributes)
        }
        description(self) == description(other)
            && propagating(self) == propagating(other)
            && sorted(&self.searchable_attributes) == sorted(&other.searchable_attributes)
    }
}

impl Mqtt5Configuration {
    //? assumed: a property has one source, no more and no less; exception and texts
    fn check(&self) -> Result<(), ApiError> {
        for attribute in &self.propagating_attributes {
            let Some(key) = &attribute.user_property_key else {
                let message = "A propagating attribute must have a userPropertyKey";
                return Err(ApiError::invalid_request(message));
            };
            let connection = attribute.connection_attribute.as_deref();
            if attribute.thing_attribute.is_some() == connection.is_some() {
                return Err(ApiError::invalid_request(format!(
                    "Propagating attribute {key} must have either a thingAttribute or a \
                     connectionAttribute"
                )));
            }
            if let Some(name) = connection.filter(|name| !CONNECTION_ATTRIBUTES.contains(name)) {
                return Err(ApiError::invalid_request(format!(
                    "connectionAttribute {name} of propagating attribute {key} must be one of {}",
                    CONNECTION_ATTRIBUTES.join(", ")
                )));
            }
        }
        Ok(())
    }
}
