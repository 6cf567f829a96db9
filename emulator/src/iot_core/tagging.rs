//! Tags where two rooms meet: the registry keeps them all, the rules engine knows which rules there
//! are.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/tagging-iot.html>.

use percent_encoding::percent_decode_str;

use super::IotCore;
use crate::errors::ApiError;
use crate::registry::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest,
    UntagResourceRequest, check_new_tags,
};
use crate::rules_engine::{CreateTopicRuleRequest, DeleteTopicRuleRequest};

impl IotCore {
    /// The `TagResource` operation.
    pub(crate) fn tag_resource(&self, input: TagResourceRequest) -> Result<(), ApiError> {
        self.locked(|state, _| {
            state.registry.tag_resource(input, |name| state.rules.has_rule(name))
        })
    }

    /// The `UntagResource` operation.
    pub(crate) fn untag_resource(&self, input: UntagResourceRequest) -> Result<(), ApiError> {
        self.locked(|state, _| {
            state.registry.untag_resource(input, |name| state.rules.has_rule(name))
        })
    }

    /// The `ListTagsForResource` operation.
    pub(crate) fn list_tags_for_resource(
        &self,
        input: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, ApiError> {
        self.locked(|state, _| {
            state.registry.list_tags_for_resource(input, |name| state.rules.has_rule(name))
        })
    }

    /// The `CreateTopicRule` operation.
    pub(crate) fn create_topic_rule_with_tags(
        &self,
        input: CreateTopicRuleRequest,
    ) -> Result<(), ApiError> {
        let tags = read_tags(input.tags.as_deref())?;
        let arn = self.scope().iot_arn("rule", &input.rule_name);
        self.locked(|state, now| {
            state.rules.create_topic_rule(input, now)?;
            state.registry.tag_new(&arn, tags);
            Ok(())
        })
    }

    /// The `DeleteTopicRule` operation.
    pub(crate) fn delete_topic_rule(&self, input: DeleteTopicRuleRequest) -> Result<(), ApiError> {
        let arn = self.scope().iot_arn("rule", &input.rule_name);
        self.locked(|state, now| {
            state.rules.delete_topic_rule(input, now)?;
            state.registry.forget_tags(&arn);
            Ok(())
        })
    }
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateTopicRule.html
//# tags come in a header, as `key1=value1&key2=value2`
//? assumed: percent-encoded as in a query; the text for a pair without a key
fn read_tags(header: Option<&str>) -> Result<Vec<Tag>, ApiError> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = header.into_iter().flat_map(|header| header.split('&'));
    let mut tags = Vec::new();
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key.is_empty() {
            let text = "Tags must be of the form key=value&key=value";
            return Err(ApiError::invalid_request(text));
        }
        tags.push(Tag { key: decoded(key), value: Some(decoded(value)) });
    }
    check_new_tags(&tags)?;
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Emulator;

    #[test]
    fn a_rule_has_the_tags_it_was_made_with_until_it_goes() {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let payload = json!({ "sql": "SELECT * FROM 'a'", "actions": [] });
        let rule = json!({ "ruleName": "r", "tags": "team=a%20b&x=", "topicRulePayload": payload });
        iot.call("CreateTopicRule", rule.clone()).unwrap();
        let arn = "arn:aws:iot:us-east-1:000000000000:rule/r";
        let list = || iot.call("ListTagsForResource", json!({ "resourceArn": arn }));
        let tags = json!([{ "Key": "team", "Value": "a b" }, { "Key": "x", "Value": "" }]);
        assert_eq!(list().unwrap()["tags"], tags);
        let more = json!({ "resourceArn": arn, "tags": [{ "Key": "y", "Value": "1" }] });
        iot.call("TagResource", more).unwrap();
        iot.call("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["team"] })).unwrap();
        assert_eq!(list().unwrap()["tags"][1]["Key"], "y");
        iot.call("DeleteTopicRule", json!({ "ruleName": "r" })).unwrap();
        assert_eq!(list().unwrap_err().code().status(), 404);
        let again =
            json!({ "ruleName": "r", "tags": "=b", "topicRulePayload": rule["topicRulePayload"] });
        assert_eq!(iot.call("CreateTopicRule", again).unwrap_err().code().status(), 400);
    }
}
