//! Which principals are attached to which things: AttachThingPrincipal, DetachThingPrincipal,
//! ListThingPrincipals, ListPrincipalThings and their V2, and the thing that a connection is.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::names::{ClientId, ThingName};

use super::paging::PageRequest;
use super::shelf::Shelf;
use super::{Concerned, Registry, Target, ThingPrincipalType};

/// AttachThingPrincipal's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AttachThingPrincipalRequest {
    pub(crate) thing_name: String,
    pub(crate) principal: String,
    pub(crate) thing_principal_type: Option<ThingPrincipalType>,
}

/// DetachThingPrincipal's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DetachThingPrincipalRequest {
    pub(crate) thing_name: String,
    pub(crate) principal: String,
}

/// ListThingPrincipals' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingPrincipalsRequest {
    pub(crate) thing_name: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// ListThingPrincipalsV2's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingPrincipalsV2Request {
    pub(crate) thing_name: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) thing_principal_type: Option<ThingPrincipalType>,
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

/// ListPrincipalThings' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPrincipalThingsRequest {
    pub(crate) principal: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// ListPrincipalThingsV2's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListPrincipalThingsV2Request {
    pub(crate) principal: String,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) thing_principal_type: Option<ThingPrincipalType>,
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

impl Registry {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# the texts for a principal and for a thing that do not exist
    //? assumed: the principal is looked for first
    /// Attaches a principal to a thing; once more changes the type at most.
    pub(crate) fn attach_thing_principal(
        &mut self,
        input: AttachThingPrincipalRequest,
    ) -> Result<(), ApiError> {
        let AttachThingPrincipalRequest { thing_name, principal, thing_principal_type } = input;
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
        //# NON_EXCLUSIVE_THING unless given
        let kind = thing_principal_type.unwrap_or(ThingPrincipalType::NonExclusive);
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
        self.check_attachable(&target)?;
        self.check_exclusive(&target, &thing_name, kind)?;
        let (position, concerned) = (self.next_position(), target.clone());
        if let Some(thing) = self.things.get_mut(thing_name.as_str()) {
            let things = self.principal_things.entry(target.clone()).or_default();
            if let Some(attached) = thing.principals.get_mut(&target) {
                *attached = kind;
                if let Some(attached) = things.get_mut(&thing.name) {
                    *attached = kind;
                }
            } else {
                thing.principals.insert(position, target, kind);
                things.insert(position, thing.name.clone(), kind);
            }
        }
        self.policies_may_decide_differently(Concerned::Principal(concerned));
        Ok(())
    }

    /// Detaches a principal from a thing.
    pub(crate) fn detach_thing_principal(
        &mut self,
        input: DetachThingPrincipalRequest,
    ) -> Result<(), ApiError> {
        let DetachThingPrincipalRequest { thing_name, principal } = input;
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
        self.policies_may_decide_differently(Concerned::Principal(target));
        Ok(())
    }

    /// The principals of a thing.
    pub(crate) fn list_thing_principals(
        &self,
        input: ListThingPrincipalsRequest,
    ) -> Result<ListThingPrincipalsResponse, ApiError> {
        let ListThingPrincipalsRequest { thing_name, next_token, max_results } = input;
        let thing_principal_type = None;
        let input = ListThingPrincipalsV2Request {
            thing_name,
            next_token,
            max_results,
            thing_principal_type,
        };
        let ListThingPrincipalsV2Response { thing_principal_objects, next_token } =
            self.list_thing_principals_v2(input)?;
        let principals = thing_principal_objects.into_iter().map(|object| object.principal);
        Ok(ListThingPrincipalsResponse { principals: principals.collect(), next_token })
    }

    /// The principals of a thing, and how they are attached.
    pub(crate) fn list_thing_principals_v2(
        &self,
        input: ListThingPrincipalsV2Request,
    ) -> Result<ListThingPrincipalsV2Response, ApiError> {
        let wanted = input.thing_principal_type;
        let request = PageRequest::tokened(
            "listThingPrincipals",
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let thing = self.existing_thing(&input.thing_name)?;
        let (thing_principal_objects, next_token) =
            request.page(&thing.principals, |target, kind| {
                wanted.is_none_or(|wanted| wanted == *kind).then(|| ThingPrincipalObject {
                    principal: target.name(&self.scope),
                    thing_principal_type: *kind,
                })
            });
        Ok(ListThingPrincipalsV2Response { thing_principal_objects, next_token })
    }

    /// The things of a principal.
    pub(crate) fn list_principal_things(
        &self,
        input: ListPrincipalThingsRequest,
    ) -> Result<ListPrincipalThingsResponse, ApiError> {
        let ListPrincipalThingsRequest { principal, next_token, max_results } = input;
        let thing_principal_type = None;
        let input = ListPrincipalThingsV2Request {
            principal,
            next_token,
            max_results,
            thing_principal_type,
        };
        let ListPrincipalThingsV2Response { principal_thing_objects, next_token } =
            self.list_principal_things_v2(input)?;
        let things = principal_thing_objects.into_iter().map(|object| object.thing_name);
        Ok(ListPrincipalThingsResponse { things: things.collect(), next_token })
    }

    /// The things of a principal, and how it is attached to them.
    pub(crate) fn list_principal_things_v2(
        &self,
        input: ListPrincipalThingsV2Request,
    ) -> Result<ListPrincipalThingsV2Response, ApiError> {
        let wanted = input.thing_principal_type;
        let request = PageRequest::tokened(
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
        let none = Shelf::default();
        let things = self.principal_things.get(&target).unwrap_or(&none);
        let (principal_thing_objects, next_token) = request.page(things, |name, kind| {
            wanted.is_none_or(|wanted| wanted == *kind).then(|| PrincipalThingObject {
                thing_name: name.clone(),
                thing_principal_type: *kind,
            })
        });
        Ok(ListPrincipalThingsV2Response { principal_thing_objects, next_token })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/exclusive-thing.html
    //# the thing that has the client's ID as its name and the certificate attached; else the thing
    //# that the certificate is attached to exclusively; else none
    /// The thing that a connection with `principal` and `client_id` is.
    pub(crate) fn associated_thing(
        &self,
        principal: impl Into<Target>,
        client_id: &ClientId,
    ) -> Option<ThingName> {
        let principal = principal.into();
        let things = self.principal_things.get(&principal)?;
        if things.contains_key(client_id.as_str()) {
            return Some(ThingName::new(client_id.as_str()));
        }
        self.exclusive_thing(&principal).cloned()
    }

    /// The things that the principal is attached to.
    pub(crate) fn things_of_principal(
        &self,
        principal: &Target,
    ) -> impl Iterator<Item = &ThingName> + use<'_> {
        self.principal_things.get(principal).into_iter().flat_map(|things| things.keys())
    }

    /// The only thing that the principal may be attached to, if it is attached exclusively.
    pub(crate) fn exclusive_thing(&self, principal: impl Into<Target>) -> Option<&ThingName> {
        // An exclusive thing is the only one.
        let (name, kind) = self.principal_things.get(&principal.into())?.iter().next()?;
        (*kind == ThingPrincipalType::Exclusive).then_some(name)
    }

    fn existing_principal(&self, text: &str) -> Option<Target> {
        let target = Target::parse(text, &self.scope).ok()?;
        match &target {
            Target::Certificate(id) => self.certificate(*id).map(|_| target),
            Target::CognitoIdentity(_) => Some(target),
            Target::ThingGroup(_) => None,
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
        if exclusive && !matches!(target, Target::Certificate(_)) {
            return refused("only X.509 certificates can be attached exclusively");
        }
        let attached = self.principal_things.get(target).into_iter().flat_map(Shelf::iter);
        let mut others = attached.filter(|(name, _)| name.as_str() != thing_name);
        match others.next() {
            Some(_) if exclusive => refused("it is attached to other things"),
            Some((_, ThingPrincipalType::Exclusive)) => {
                refused("it is attached to another thing exclusively")
            }
            _ => Ok(()),
        }
    }
}
