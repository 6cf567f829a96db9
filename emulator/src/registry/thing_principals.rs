//! Which principals are attached to which things: AttachThingPrincipal, DetachThingPrincipal,
//! ListThingPrincipals, ListPrincipalThings and their V2, and the thing that a connection is.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::names::{CertificateId, ClientId, ThingName};

use super::paging::PageRequest;
use super::things::EmptyResponse;
use super::validation::Constraints;
use super::{Registry, Target, ThingPrincipalType};

/// AttachThingPrincipal's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AttachThingPrincipalRequest {
    pub(crate) thing_name: String,
    pub(crate) principal: String,
    pub(crate) thing_principal_type: Option<String>,
}

/// DetachThingPrincipal's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DetachThingPrincipalRequest {
    pub(crate) thing_name: String,
    pub(crate) principal: String,
}

/// ListThingPrincipals' and ListThingPrincipalsV2's input; the type is V2's alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingPrincipalsRequest {
    pub(crate) thing_name: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) thing_principal_type: Option<String>,
}

/// ListThingPrincipals' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingPrincipalsResponse {
    pub(crate) principals: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// ListThingPrincipalsV2's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingPrincipalsV2Response {
    pub(crate) thing_principal_objects: Vec<ThingPrincipalObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A principal of a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThingPrincipalObject {
    pub(crate) principal: String,
    pub(crate) thing_principal_type: ThingPrincipalType,
}

/// ListPrincipalThings' and ListPrincipalThingsV2's input; the type is V2's alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPrincipalThingsRequest {
    pub(crate) principal: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) thing_principal_type: Option<String>,
}

/// ListPrincipalThings' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPrincipalThingsResponse {
    pub(crate) things: Vec<ThingName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// ListPrincipalThingsV2's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPrincipalThingsV2Response {
    pub(crate) principal_thing_objects: Vec<PrincipalThingObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A thing of a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrincipalThingObject {
    pub(crate) thing_name: ThingName,
    pub(crate) thing_principal_type: ThingPrincipalType,
}

/// How a principal is attached to a thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attachment {
    pub(super) kind: ThingPrincipalType,
    pub(super) position: u64,
}

impl Registry {
    /// Attaches a principal to a thing; once more changes the type at most.
    pub(crate) fn attach_thing_principal(
        &mut self,
        input: AttachThingPrincipalRequest,
    ) -> Result<EmptyResponse, ApiError> {
        let AttachThingPrincipalRequest { thing_name, principal, thing_principal_type } = input;
        let mut constraints = Constraints::new();
        constraints.registry_name("thingName", Some(&thing_name));
        constraints.required("principal", &principal);
        let kind = constraints.word("thingPrincipalType", thing_principal_type.as_deref());
        constraints.finish()?;
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
        //# NON_EXCLUSIVE_THING unless given
        let kind = kind.unwrap_or(ThingPrincipalType::NonExclusive);
        let target = self.existing_principal(&principal).ok_or_else(|| {
            ApiError::not_found(format!(
                "Can't attach the principal {principal} to thing {thing_name} because the \
                 principal does not exist in your account"
            ))
        })?;
        if !self.things.contains_key(thing_name.as_str()) {
            return Err(ApiError::not_found(format!(
                "Failed to attach the principal {principal} to thing {thing_name} because the \
                 thing does not exist in your account"
            )));
        }
        self.check_exclusive(&target, &thing_name, kind)?;
        let position = self.next_position();
        if let Some(thing) = self.things.get_mut(thing_name.as_str()) {
            let attachment = Attachment { kind, position };
            thing.principals.entry(target.clone()).or_insert(attachment).kind = kind;
            let things = self.principal_things.entry(target).or_default();
            things.entry(thing.name.clone()).or_insert(position);
        }
        self.policies_may_decide_differently();
        Ok(EmptyResponse {})
    }

    /// Detaches a principal from a thing.
    pub(crate) fn detach_thing_principal(
        &mut self,
        input: DetachThingPrincipalRequest,
    ) -> Result<EmptyResponse, ApiError> {
        let DetachThingPrincipalRequest { thing_name, principal } = input;
        let mut constraints = Constraints::new();
        constraints.registry_name("thingName", Some(&thing_name));
        constraints.required("principal", &principal).finish()?;
        //? assumed: the texts, by analogy with AttachThingPrincipal
        let target = self.existing_principal(&principal).ok_or_else(|| {
            ApiError::not_found(format!(
                "Can't detach the principal {principal} from thing {thing_name} because the \
                 principal does not exist in your account"
            ))
        })?;
        let Some(thing) = self.things.get_mut(thing_name.as_str()) else {
            return Err(ApiError::not_found(format!(
                "Failed to detach the principal {principal} from thing {thing_name} because the \
                 thing does not exist in your account"
            )));
        };
        thing.principals.remove(&target);
        if let Some(things) = self.principal_things.get_mut(&target) {
            things.remove(thing_name.as_str());
            if things.is_empty() {
                self.principal_things.remove(&target);
            }
        }
        self.policies_may_decide_differently();
        Ok(EmptyResponse {})
    }

    /// The principals of a thing.
    pub(crate) fn list_thing_principals(
        &self,
        input: ListThingPrincipalsRequest,
    ) -> Result<ListThingPrincipalsResponse, ApiError> {
        let input = ListThingPrincipalsRequest { thing_principal_type: None, ..input };
        let ListThingPrincipalsV2Response { thing_principal_objects, next_token } =
            self.list_thing_principals_v2(input)?;
        let principals = thing_principal_objects.into_iter().map(|object| object.principal);
        Ok(ListThingPrincipalsResponse { principals: principals.collect(), next_token })
    }

    /// The principals of a thing, and how they are attached.
    pub(crate) fn list_thing_principals_v2(
        &self,
        input: ListThingPrincipalsRequest,
    ) -> Result<ListThingPrincipalsV2Response, ApiError> {
        let mut constraints = Constraints::new();
        constraints.registry_name("thingName", Some(&input.thing_name));
        let wanted = constraints.word("thingPrincipalType", input.thing_principal_type.as_deref());
        let request = PageRequest::tokened(
            &mut constraints,
            "listThingPrincipals",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let name = &input.thing_name;
        let thing = self.things.get(name.as_str());
        let thing = thing.ok_or_else(|| self.unknown("Thing", name))?;
        let of_type = thing
            .principals
            .iter()
            .filter(|(_, attachment)| wanted.is_none_or(|wanted| attachment.kind == wanted));
        let (thing_principal_objects, next_token) =
            request.page(of_type.map(|(target, attachment)| {
                let principal = target.name(&self.scope);
                let thing_principal_type = attachment.kind;
                (attachment.position, ThingPrincipalObject { principal, thing_principal_type })
            }));
        Ok(ListThingPrincipalsV2Response { thing_principal_objects, next_token })
    }

    /// The things of a principal.
    pub(crate) fn list_principal_things(
        &self,
        input: ListPrincipalThingsRequest,
    ) -> Result<ListPrincipalThingsResponse, ApiError> {
        let input = ListPrincipalThingsRequest { thing_principal_type: None, ..input };
        let ListPrincipalThingsV2Response { principal_thing_objects, next_token } =
            self.list_principal_things_v2(input)?;
        let things = principal_thing_objects.into_iter().map(|object| object.thing_name);
        Ok(ListPrincipalThingsResponse { things: things.collect(), next_token })
    }

    /// The things of a principal, and how it is attached to them.
    pub(crate) fn list_principal_things_v2(
        &self,
        input: ListPrincipalThingsRequest,
    ) -> Result<ListPrincipalThingsV2Response, ApiError> {
        let mut constraints = Constraints::new();
        constraints.required("principal", &input.principal);
        let wanted = constraints.word("thingPrincipalType", input.thing_principal_type.as_deref());
        let request = PageRequest::tokened(
            &mut constraints,
            "listPrincipalThings",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        //? assumed: a principal that does not exist is 404
        let target = self.existing_principal(&input.principal).ok_or_else(|| {
            let message =
                format!("The principal {} does not exist in your account", input.principal);
            ApiError::not_found(message)
        })?;
        let (principal_thing_objects, next_token) =
            request.page(self.things_of(&target).filter_map(|(name, attachment)| {
                let thing_principal_type = attachment.kind;
                let object =
                    PrincipalThingObject { thing_name: name.clone(), thing_principal_type };
                let passes = wanted.is_none_or(|wanted| attachment.kind == wanted);
                passes.then_some((attachment.position, object))
            }));
        Ok(ListPrincipalThingsV2Response { principal_thing_objects, next_token })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html
    //# the thing that has the client's ID as its name and the certificate attached; else the thing
    //# that the certificate is attached to exclusively; else none
    /// The thing that a connection with `certificate` and `client_id` is.
    pub(crate) fn associated_thing(
        &self,
        certificate: CertificateId,
        client_id: &ClientId,
    ) -> Option<ThingName> {
        let things = self.principal_things.get(&Target::Certificate(certificate))?;
        if let Some((name, _)) = things.get_key_value(client_id.as_str()) {
            return Some(name.clone());
        }
        self.exclusive_thing(certificate).cloned()
    }

    /// The things that the certificate is attached to.
    pub(crate) fn things_of_certificate(
        &self,
        certificate: CertificateId,
    ) -> impl Iterator<Item = &ThingName> {
        let target = Target::Certificate(certificate);
        self.principal_things.get(&target).into_iter().flat_map(|things| things.keys())
    }

    /// The only thing that the certificate may be attached to, if it is attached exclusively.
    pub(crate) fn exclusive_thing(&self, certificate: CertificateId) -> Option<&ThingName> {
        let target = Target::Certificate(certificate);
        let names = self.principal_things.get(&target)?.keys();
        let mut exclusive = names.filter(|name| {
            let attachment = self.things.get(*name).and_then(|thing| thing.principals.get(&target));
            attachment.is_some_and(|at| at.kind == ThingPrincipalType::Exclusive)
        });
        exclusive.next()
    }

    fn things_of<'a>(
        &'a self,
        target: &'a Target,
    ) -> impl Iterator<Item = (&'a ThingName, &'a Attachment)> + 'a {
        let names = self.principal_things.get(target).into_iter().flatten();
        names.filter_map(|(name, _)| Some((name, self.things.get(name)?.principals.get(target)?)))
    }

    fn existing_principal(&self, text: &str) -> Option<Target> {
        let target = Target::parse(text, &self.scope).ok()?;
        match &target {
            Target::Certificate(id) => self.certificate(*id).map(|_| target),
            Target::CognitoIdentity(_) => Some(target),
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
    //# an exclusive thing is the only one attached to its principal
    //= https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html
    //# only X.509 certificates can be attached exclusively
    //? assumed: what contradicts that is InvalidRequestException, in these words
    fn check_exclusive(
        &self,
        target: &Target,
        thing_name: &str,
        kind: ThingPrincipalType,
    ) -> Result<(), ApiError> {
        let exclusive = kind == ThingPrincipalType::Exclusive;
        let refused = |why: &str| {
            let principal = target.name(&self.scope);
            Err(ApiError::invalid_request(format!(
                "Can't attach the principal {principal} to thing {thing_name} because {why}"
            )))
        };
        if exclusive && matches!(target, Target::CognitoIdentity(_)) {
            return refused("only X.509 certificates can be attached exclusively");
        }
        let mut others = self.things_of(target).filter(|(name, _)| name.as_str() != thing_name);
        match others.next() {
            Some(_) if exclusive => refused("it is attached to other things"),
            Some((_, attachment)) if attachment.kind == ThingPrincipalType::Exclusive => {
                refused("it is attached to another thing exclusively")
            }
            _ => Ok(()),
        }
    }
}
