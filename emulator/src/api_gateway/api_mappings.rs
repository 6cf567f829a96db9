//! API mappings: which stage of which API answers below which path of a custom domain name.

use serde::{Deserialize, Serialize};

use super::ApiGateway;
use super::page::{MaxResults, Page, page};
use super::refusals::{bad_request, conflict, not_found};
use crate::errors::ApiError;
use crate::time::Timestamp;

/// An API mapping as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiMapping {
    pub(crate) api_id: String,
    pub(crate) api_mapping_id: String,
    /// Empty for the mapping `(none)`.
    pub(crate) api_mapping_key: String,
    pub(crate) stage: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateApiMappingRequest {
    pub(crate) api_id: String,
    pub(crate) api_mapping_key: Option<String>,
    pub(crate) domain_name: String,
    pub(crate) stage: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct GetApiMappingsRequest {
    pub(crate) domain_name: String,
    pub(crate) max_results: Option<MaxResults>,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeleteApiMappingRequest {
    pub(crate) api_mapping_id: String,
    pub(crate) domain_name: String,
}

impl ApiGateway {
    /// `CreateApiMapping`.
    pub(crate) fn create_api_mapping(
        &self,
        input: CreateApiMappingRequest,
        _now: Timestamp,
    ) -> Result<ApiMapping, ApiError> {
        let key = input.api_mapping_key.unwrap_or_default();
        check_key(&key)?;
        let mut state = self.lock();
        let domain = state.domain_name(&input.domain_name)?;
        //= https://github.com/aws/aws-cdk/issues/22660
        //# 409 ConflictException: ApiMapping key already exists for this domain name
        if domain.mappings.values().any(|mapping| mapping.api_mapping_key == key) {
            return Err(conflict("ApiMapping key already exists for this domain name"));
        }
        let api = state.api(self.scope(), &input.api_id)?;
        if !api.stages.contains_key(&input.stage) {
            //= https://github.com/aws/aws-cdk/issues/9078
            //# 400 BadRequestException: Invalid stage identifier specified
            return Err(bad_request("Invalid stage identifier specified"));
        }
        let mapping = ApiMapping {
            api_id: input.api_id,
            api_mapping_id: state.identifiers.next(6),
            api_mapping_key: key,
            stage: input.stage,
        };
        let domain = state.domain_name_mut(&input.domain_name)?;
        domain.mappings.insert(mapping.api_mapping_id.clone(), mapping.clone());
        Ok(mapping)
    }

    /// `GetApiMappings`.
    pub(crate) fn get_api_mappings(
        &self,
        input: GetApiMappingsRequest,
    ) -> Result<Page<ApiMapping>, ApiError> {
        let state = self.lock();
        let mappings = &state.domain_name(&input.domain_name)?.mappings;
        let items = mappings.values().cloned().collect();
        page(items, input.max_results.as_ref(), input.next_token.as_deref())
    }

    /// `DeleteApiMapping`.
    pub(crate) fn delete_api_mapping(
        &self,
        input: DeleteApiMappingRequest,
        _now: Timestamp,
    ) -> Result<(), ApiError> {
        let mut state = self.lock();
        let mappings = &mut state.domain_name_mut(&input.domain_name)?.mappings;
        let removed = mappings.remove(&input.api_mapping_id);
        removed.map(drop).ok_or_else(|| not_found("ApiMapping", &input.api_mapping_id))
    }
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html
//# letters, digits and $-_.+!*'()/, at most 300 of them
fn check_key(key: &str) -> Result<(), ApiError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&byte);
    let levels = key.is_empty() || key.split('/').all(|level| !level.is_empty());
    if key.len() > 300 || !key.bytes().all(plain) || !levels {
        return Err(bad_request(
            "API mapping key must be at most 300 characters of a-zA-Z0-9$-_.+!*'()/",
        ));
    }
    Ok(())
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html
//# the mapping with the longest matching path is chosen, without a look at the routes; if none
//# matches, the mapping of the empty path
/// The mapping that `path` belongs to, and the path that the API sees.
pub(super) fn select<'a, 'p>(
    mappings: impl Iterator<Item = &'a ApiMapping>,
    path: &'p str,
) -> Option<(&'a ApiMapping, &'p str)> {
    let matching = mappings.filter_map(|mapping| {
        let key = &mapping.api_mapping_key;
        if key.is_empty() {
            return Some((mapping, path));
        }
        let rest = path.strip_prefix('/')?.strip_prefix(key.as_str())?;
        match rest {
            "" => Some((mapping, "/")),
            rest if rest.starts_with('/') => Some((mapping, rest)),
            _ => None,
        }
    });
    matching.max_by_key(|(mapping, _)| mapping.api_mapping_key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mapping_key_wins() {
        let keys = ["", "orders/v1/items", "orders/v2/items", "orders/v2/items/categories"];
        let mappings: Vec<_> = keys
            .iter()
            .map(|key| ApiMapping {
                api_id: String::new(),
                api_mapping_id: String::new(),
                api_mapping_key: (*key).to_owned(),
                stage: String::new(),
            })
            .collect();
        // The example of the developer guide, and the ends of a key.
        let table = [
            ("/orders/v1/items", "orders/v1/items", "/"),
            ("/orders/v2/items", "orders/v2/items", "/"),
            ("/orders/v1/items/123", "orders/v1/items", "/123"),
            ("/orders/v2/items/categories/5", "orders/v2/items/categories", "/5"),
            ("/customers", "", "/customers"),
            ("/orders/v1/items/", "orders/v1/items", "/"),
            ("/orders/v1/itemsandmore", "", "/orders/v1/itemsandmore"),
            ("/", "", "/"),
        ];
        for (path, key, rest) in table {
            let (mapping, seen) = select(mappings.iter(), path).unwrap();
            assert_eq!((mapping.api_mapping_key.as_str(), seen), (key, rest), "{path}");
        }
        assert!(select(mappings.iter().skip(1), "/customers").is_none());
    }
}
