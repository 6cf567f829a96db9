//! The thing of a template: made, or found and held against what the template says of it.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::errors::ApiError;
use crate::names::ThingName;
use crate::service_model::read;

use super::resources::ThingResource;
use super::run::Run;
use super::template::Override;
use super::undo::Undo;

impl Run<'_> {
    /// Makes the thing, or lets the one that exists be as the template says.
    pub(super) fn thing(&mut self, thing: &ThingResource) -> Result<(), ApiError> {
        let name = ThingName::new(&thing.name);
        let arn = self.registry.scope().iot_arn("thing", &name);
        let exists = self.registry.thing(&name).is_some();
        //? assumed: groups are looked at first, so that no thing is made without them and the next
        //? run finds what it expects
        if !(exists && thing.groups_override == Override::DoNothing) {
            for group in &thing.groups {
                self.registry.existing_thing_group(group)?;
            }
        }
        if exists {
            self.existing_thing(thing, &name)?;
        } else {
            let attributes = thing.attributes.clone().unwrap_or_default();
            let input = json!({
                "thingName": thing.name,
                "thingTypeName": thing.thing_type,
                "attributePayload": { "attributes": attributes },
                "billingGroupName": thing.billing_group,
            });
            self.registry.create_thing(read("CreateThing", input)?, self.now)?;
            self.did(format!("made thing `{name}`"));
            self.journal.will_undo(Undo::MakeThing(thing.name.clone()));
            self.join_groups(&thing.name, thing.groups.iter().map(String::as_str))?;
        }
        self.provisioned.thing_name = Some(name);
        self.provisioned.resource_arns.insert(thing.logical_id.clone(), arn);
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# a thing that differs: leave it, replace, merge, or fail; it fails unless told otherwise
    fn existing_thing(&mut self, thing: &ThingResource, name: &ThingName) -> Result<(), ApiError> {
        let before = self.provisioned.lines.len();
        self.journal.will_undo(Undo::change(self.registry, name));
        self.existing_type(thing, name)?;
        self.existing_attributes(thing, name)?;
        self.existing_billing_group(thing, name)?;
        self.existing_groups(thing)?;
        if self.provisioned.lines.len() == before {
            self.did(format!("thing `{name}` exists and is kept"));
        }
        Ok(())
    }

    fn existing_type(&mut self, thing: &ThingResource, name: &ThingName) -> Result<(), ApiError> {
        let Some(wanted) = &thing.thing_type else { return Ok(()) };
        let existing = self.registry.thing(name).and_then(|thing| thing.thing_type_name());
        if existing == Some(wanted.as_str()) || thing.thing_type_override == Override::DoNothing {
            return Ok(());
        }
        if thing.thing_type_override == Override::Fail {
            return Err(conflict("ThingType", existing.unwrap_or("null"), wanted));
        }
        let input = json!({ "thingName": thing.name, "thingTypeName": wanted });
        self.registry.update_thing(read("UpdateThing", input)?, self.now)?;
        self.did(format!("changed the type of thing `{name}`"));
        Ok(())
    }

    fn existing_attributes(
        &mut self,
        thing: &ThingResource,
        name: &ThingName,
    ) -> Result<(), ApiError> {
        let Some(wanted) = &thing.attributes else { return Ok(()) };
        let existing = self.registry.thing(name).map(|thing| thing.attributes.to_map());
        let existing = existing.unwrap_or_default();
        let merge = match thing.attributes_override {
            Override::DoNothing => return Ok(()),
            _ if *wanted == existing => return Ok(()),
            Override::Replace => false,
            Override::Merge => true,
            Override::Fail => {
                return Err(conflict("AttributePayload", &printed(&existing), &printed(wanted)));
            }
        };
        let payload = json!({ "attributes": wanted, "merge": merge });
        let input = json!({ "thingName": thing.name, "attributePayload": payload });
        self.registry.update_thing(read("UpdateThing", input)?, self.now)?;
        self.did(format!("changed the attributes of thing `{name}`"));
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# a billing group is no setting that can be overridden
    //? assumed: so a thing of another billing group, or of none, fails
    fn existing_billing_group(
        &self,
        thing: &ThingResource,
        name: &ThingName,
    ) -> Result<(), ApiError> {
        let Some(wanted) = &thing.billing_group else { return Ok(()) };
        match self.registry.thing(name).and_then(|thing| thing.billing_group_name()) {
            Some(existing) if existing == wanted => Ok(()),
            existing => Err(conflict("BillingGroup", existing.unwrap_or("null"), wanted)),
        }
    }

    fn existing_groups(&mut self, thing: &ThingResource) -> Result<(), ApiError> {
        let wanted: BTreeSet<&str> = thing.groups.iter().map(String::as_str).collect();
        if wanted.is_empty() || thing.groups_override == Override::DoNothing {
            return Ok(());
        }
        let existing: Vec<String> =
            self.registry.groups_of_thing(&thing.name).map(ToString::to_string).collect();
        if existing.len() == wanted.len() && existing.iter().all(|it| wanted.contains(&**it)) {
            return Ok(());
        }
        match thing.groups_override {
            Override::Replace => {
                let gone = existing.iter().filter(|group| !wanted.contains(group.as_str()));
                for group in gone {
                    let input = json!({ "thingGroupName": group, "thingName": thing.name });
                    let input = read("RemoveThingFromThingGroup", input)?;
                    self.registry.remove_thing_from_thing_group(input, self.now)?;
                    self.journal.will_undo(Undo::Leave(thing.name.clone(), group.clone()));
                    self.did(format!("took thing `{}` out of group `{group}`", thing.name));
                }
            }
            Override::Merge => {}
            Override::DoNothing | Override::Fail => {
                let scope = self.registry.scope();
                let shown = existing.iter().map(|group| {
                    let arn = scope.iot_arn("thinggroup", group);
                    format!("{{GroupName: {group},GroupArn: {arn}}}")
                });
                let shown: Vec<String> = shown.collect();
                //= https://github.com/ministackorg/ministack/pull/1755
                //# of groups the text says `conflict`, and shows the existing ones with their ARN
                return Err(ApiError::invalid_request(format!(
                    "Existing ThingGroups: [{}] conflict with ThingGroups: [{}] in Template.",
                    shown.join(", "),
                    thing.groups.join(", "),
                )));
            }
        }
        let missing = wanted.into_iter().filter(|group| !existing.iter().any(|it| it == group));
        self.join_groups(&thing.name, missing)
    }

    fn join_groups<'g>(
        &mut self,
        thing: &str,
        groups: impl Iterator<Item = &'g str>,
    ) -> Result<(), ApiError> {
        for group in groups {
            let input = json!({ "thingGroupName": group, "thingName": thing });
            let input = read("AddThingToThingGroup", input)?;
            self.registry.add_thing_to_thing_group(input, self.now)?;
            self.journal.will_undo(Undo::Join(thing.to_owned(), group.to_owned()));
            self.did(format!("put thing `{thing}` into group `{group}`"));
        }
        Ok(())
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# `Existing ThingType: X conflicts with ThingType: Y in Template.`, and alike for attributes
fn conflict(what: &str, existing: &str, wanted: &str) -> ApiError {
    ApiError::invalid_request(format!(
        "Existing {what}: {existing} conflicts with {what}: {wanted} in Template."
    ))
}

/// A map as AWS prints one.
fn printed(attributes: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> =
        attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
