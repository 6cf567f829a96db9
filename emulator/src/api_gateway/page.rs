//! One page of a list: `maxResults` and `nextToken`.

use serde::{Deserialize, Serialize};

use super::refusals::bad_request;
use crate::errors::ApiError;

/// What every `Get…s` operation answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// A number as botocore sends it: `maxResults` is a string in the model of `apigatewayv2`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum MaxResults {
    Text(String),
    Number(usize),
}

/// The page of `items` that is asked for.
pub(super) fn page<T>(
    items: Vec<T>,
    max_results: Option<&MaxResults>,
    next_token: Option<&str>,
) -> Result<Page<T>, ApiError> {
    let most = match max_results {
        None => usize::MAX,
        Some(MaxResults::Number(number)) => *number,
        Some(MaxResults::Text(text)) => {
            text.parse().map_err(|_| bad_request("Invalid maxResults value"))?
        }
    };
    if most == 0 {
        return Err(bad_request("Invalid maxResults value"));
    }
    let start: usize = match next_token {
        None => 0,
        Some(token) => token.parse().map_err(|_| bad_request("Invalid nextToken value"))?,
    };
    let end = start.saturating_add(most);
    let next_token = (end < items.len()).then(|| end.to_string());
    let items = items.into_iter().skip(start).take(most).collect();
    Ok(Page { items, next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all: Vec<u32> = (0..5).collect();
        let two = MaxResults::Text("2".to_owned());
        let mut seen = Vec::new();
        let mut token = None;
        loop {
            let page = page(all.clone(), Some(&two), token.as_deref()).unwrap();
            seen.extend(page.items);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(page(all.clone(), Some(&MaxResults::Text("no".to_owned())), None).is_err());
        assert!(page(all.clone(), Some(&MaxResults::Number(0)), None).is_err());
        assert!(page(all, None, Some("what")).is_err());
    }
}
