//! The operations of the data endpoint over HTTP that are about messages: publish, and what is
//! retained.
//!
//! It decides which permission each needs; who has it is decided in `http_calls.rs`. How a request
//! is read and an answer is worded is decided in the shell's `data_plane/`; what there is to tell
//! is the broker's.
//! Truth:
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html>.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};

use super::http_calls::Call;
use super::metrics::Protocol;
use super::publishing::{Origin, check_sizes};
use super::refusals::Refused;
use super::requests::{HttpCaller, PublishRequest};
use super::{IotCore, topics};
use crate::errors::{ApiError, ErrorCode};
use crate::message_broker::{Message, Publication};
use crate::names::TopicName;
use crate::policy::{GetRetainedMessage, ListRetainedMessages, Publish, RetainPublish};

/// Which page of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// GetRetainedMessage's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetainedMessage {
    topic: TopicName,
    /// In base64.
    payload: String,
    qos: u8,
    last_modified_time: i64,
    /// In base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_properties: Option<String>,
}

/// ListRetainedMessages' answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetainedMessages {
    retained_topics: Vec<RetainedMessageSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RetainedMessageSummary {
    topic: TopicName,
    payload_size: usize,
    qos: u8,
    last_modified_time: i64,
}

impl IotCore {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
    //# iot:Publish is asked, iot:Connect is not; there is no client ID
    /// Publishes for a device with a certificate or a caller of the AWS API.
    pub(crate) fn publish_over_http(
        &self,
        caller: &HttpCaller,
        request: PublishRequest,
    ) -> Result<(), ApiError> {
        let PublishRequest { topic, payload, qos, retain, expiry_seconds, properties } = request;
        let qos = qos.ok_or_else(|| ApiError::invalid_request("QoS 2 is not served"))?;
        //? assumed: 413 for a payload that is too large, 400 for too large a property
        check_sizes(&payload, properties.as_deref()).map_err(|(refused, why)| match refused {
            Refused::PayloadTooLarge => {
                ApiError::new(ErrorCode::RequestEntityTooLargeException, why)
            }
            _ => ApiError::invalid_request(why),
        })?;
        let destination = topics::publish(&topic, retain);
        //= https://github.com/ministackorg/ministack/pull/1755
        //# publishing to a reserved topic is refused
        //? assumed: with 400; Basic Ingest and requests to shadows are taken as over MQTT
        let destination = destination.map_err(|refusal| ApiError::invalid_request(refusal.0))?;
        let scope = self.scope();
        self.locked(|state, now| {
            let mut call = Call::new(caller, "Publish-In", scope, now).retaining(retain);
            let permit = state.permit::<Publish>(&mut call, topic.clone())?;
            //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
            //# a retained publish needs iot:RetainPublish besides
            let retain =
                retain.then(|| state.permit::<RetainPublish>(&mut call, topic)).transpose()?;
            state.metrics.published(Protocol::Http, retain.is_some());
            //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
            //# Publish-In is logged for what is allowed too
            //? assumed: of our own, only if the logging options ask for it, or while a change of
            //? policies propagates, which is when one asks why
            if call.caveat().is_some() || state.logs_publish_of(caller) {
                let entry = call.success().member("topicName", permit.resource());
                let retained = retain.is_some();
                state.note(if retained { entry.member("retain", "True") } else { entry });
            }
            let origin = Origin {
                client_id: None,
                principal: caller.principal().map(|principal| principal as _),
                source_ip: Some(caller.address().ip()),
            };
            let publication =
                Publication { payload, qos, retain, expiry_seconds, properties, publisher: None };
            let sent = state.send(scope, destination, permit, publication, &origin, now);
            sent.map_err(|throttled| {
                let topic = throttled.topic.as_str();
                state.refuse_throttled(&call, throttled.rate, "topicName", topic)
            })
        })
    }

    /// `GetRetainedMessage`.
    pub(crate) fn retained_message(
        &self,
        caller: &HttpCaller,
        topic: TopicName,
    ) -> Result<RetainedMessage, ApiError> {
        self.locked(|state, now| {
            let mut call = Call::new(caller, "GetRetainedMessage", self.scope(), now);
            let permit = state.permit::<GetRetainedMessage>(&mut call, topic)?;
            //? assumed: the text
            let message = state.broker.retained_message(&permit, now).ok_or_else(|| {
                ApiError::not_found(format!("No retained message on topic {}", permit.resource()))
            })?;
            let found = RetainedMessage::new(message);
            //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
            //# with qos as text and lastModifiedDate as a date
            let entry = call.success().member("topicName", &found.topic).member("qos", found.qos);
            let modified = message.published.format("%Y-%m-%d %H:%M:%S%.3f");
            let entry = entry.member("lastModifiedDate", modified);
            state.note(entry);
            Ok(found)
        })
    }

    //? assumed: a page holds 200 messages unless told otherwise, by topic
    /// `ListRetainedMessages`.
    pub(crate) fn retained_messages(
        &self,
        caller: &HttpCaller,
        page: &Page,
    ) -> Result<RetainedMessages, ApiError> {
        let (after, size) = page.read(200)?;
        let after = after.as_deref().map(TopicName::new);
        self.locked(|state, now| {
            let mut call = Call::new(caller, "ListRetainedMessage", self.scope(), now);
            let permit = state.permit::<ListRetainedMessages>(&mut call, ())?;
            let mut found = state.broker.retained_messages(&permit, after.as_ref(), now);
            let retained_topics: Vec<RetainedMessageSummary> =
                found.by_ref().take(size).map(|message| message.as_ref().into()).collect();
            let last = retained_topics.last().map(|last| last.topic.as_str());
            let next_token = found.next().and(last).map(token);
            drop(found);
            state.note(call.success());
            Ok(RetainedMessages { retained_topics, next_token })
        })
    }
}

impl RetainedMessage {
    fn new(message: &Message) -> Self {
        let properties = message.properties.as_deref();
        let pairs = properties.map(|properties| properties.user_properties.as_slice());
        let pairs = pairs.filter(|pairs| !pairs.is_empty());
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_GetRetainedMessage.html
        //# user properties: base64 of a JSON array of objects with one member each
        let user_properties = pairs.map(|pairs| {
            let pairs: Vec<Value> =
                pairs.iter().map(|(name, value)| json!({ name: value })).collect();
            STANDARD.encode(Value::from(pairs).to_string())
        });
        Self {
            topic: message.topic.clone(),
            payload: STANDARD.encode(&message.payload),
            qos: message.qos.into(),
            last_modified_time: message.published.milliseconds(),
            user_properties,
        }
    }
}

impl From<&Message> for RetainedMessageSummary {
    fn from(message: &Message) -> Self {
        Self {
            topic: message.topic.clone(),
            payload_size: message.payload.len(),
            qos: message.qos.into(),
            last_modified_time: message.published.milliseconds(),
        }
    }
}

impl Page {
    /// After which name the page begins, and how many items it has; `default` unless told.
    pub(super) fn read(&self, default: usize) -> Result<(Option<String>, usize), ApiError> {
        let size = match self.max_results {
            None => default,
            Some(size @ 1..=200) => usize::try_from(size).unwrap_or(default),
            Some(size) => {
                let constraint = if size < 1 {
                    "greater than or equal to 1"
                } else {
                    "less than or equal to 200"
                };
                return Err(ApiError::invalid_request(format!(
                    "1 validation error detected: Value at 'maxResults' failed to satisfy \
                     constraint: Member must have value {constraint}"
                )));
            }
        };
        //? assumed: the text for a token that is not ours
        let after = self.next_token.as_deref().filter(|token| !token.is_empty()).map(|token| {
            let name = URL_SAFE_NO_PAD.decode(token).ok();
            let name = name.and_then(|name| String::from_utf8(name).ok());
            name.ok_or_else(|| ApiError::invalid_request("Invalid nextToken"))
        });
        Ok((after.transpose()?, size))
    }
}

/// The token of the page that follows `last`.
pub(super) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use super::*;
    use crate::Emulator;
    use crate::iot_core::Peer;
    use crate::message::Properties;
    use crate::pki::Identity;

    const SIGNED: HttpCaller =
        HttpCaller::AwsCaller { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 49152) };

    fn retain(iot: &IotCore, topic: &str, payload: &'static str, pairs: &[(&str, &str)]) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let properties = Properties { user_properties: pairs.collect(), ..Properties::default() };
        let properties = properties.boxed();
        let request = PublishRequest {
            topic: topic.into(),
            payload: payload.into(),
            qos: Some(crate::message::QoS::AtLeastOnce),
            retain: true,
            expiry_seconds: None,
            properties,
        };
        iot.publish_over_http(&SIGNED, request).unwrap();
    }

    /// A device whose certificate has this one policy statement.
    fn device(iot: &IotCore, action: &str, resource: &str) -> HttpCaller {
        let identity = Identity::self_signed("lamp");
        let id = identity.certificate_id();
        let pem = json!({ "certificatePem": identity.certificate_pem(), "status": "ACTIVE" });
        iot.call("RegisterCertificateWithoutCA", pem).unwrap();
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resource }],
        });
        let name = format!("P{}", &id.to_string()[..8]);
        let policy = json!({ "policyName": name, "policyDocument": document.to_string() });
        iot.call("CreatePolicy", policy).unwrap();
        let attach = json!({ "policyName": name, "target": iot.certificate_arn(id) });
        iot.call("AttachPolicy", attach).unwrap();
        let peer = Peer {
            address: "127.0.0.1:49152".parse().unwrap(),
            local: "127.0.0.1:8443".parse().unwrap(),
            server_name: None,
            by_name: true,
            protocol: "HTTP",
            ends: None,
        };
        let principal = iot.present(&[identity.certificate().clone()], &peer, None).unwrap();
        HttpCaller::Principal {
            principal: Arc::clone(&principal),
            peer,
            decisions: Default::default(),
        }
    }

    fn status<T>(answer: &Result<T, ApiError>) -> u16 {
        answer.as_ref().map_or_else(|error| error.code().status(), |_| 200)
    }

    #[test]
    fn c22_a_retained_message_is_told_as_the_model_has_it() {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        retain(&iot, "a/b", "hello", &[("deviceName", "alpha"), ("deviceCnt", "45")]);
        let told = iot.retained_message(&SIGNED, "a/b".into()).unwrap();
        let told = serde_json::to_value(told).unwrap();
        assert_eq!((&told["topic"], &told["qos"]), (&json!("a/b"), &json!(1)));
        assert_eq!(told["payload"], STANDARD.encode("hello"));
        let pairs = STANDARD.decode(told["userProperties"].as_str().unwrap()).unwrap();
        assert_eq!(pairs, br#"[{"deviceName":"alpha"},{"deviceCnt":"45"}]"#);
        assert!(told["lastModifiedTime"].as_i64().unwrap() > 1_700_000_000_000);
        assert_eq!(status(&iot.retained_message(&SIGNED, "a".into())), 404);
    }

    #[test]
    fn c22_retained_messages_are_listed_page_by_page() {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        for topic in ["c", "a", "b/b"] {
            retain(&iot, topic, "12345", &[]);
        }
        let mut page = Page { next_token: None, max_results: Some(2) };
        let mut pages = Vec::new();
        loop {
            let found = iot.retained_messages(&SIGNED, &page).unwrap();
            assert!(found.retained_topics.iter().all(|found| found.payload_size == 5));
            let topics = found.retained_topics.iter().map(|found| found.topic.to_string());
            pages.push(topics.collect::<Vec<_>>());
            page.next_token = found.next_token;
            if page.next_token.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec!["a", "b/b"], vec!["c"]]);
        for (next_token, max_results) in [(None, 0), (None, 201), (Some("%"), 1), (Some("_w"), 1)] {
            let next_token = next_token.map(str::to_owned);
            let page = Page { next_token, max_results: Some(max_results) };
            assert_eq!(status(&iot.retained_messages(&SIGNED, &page)), 400, "{page:?}");
        }
    }

    #[test]
    fn c22_who_signs_may_do_all_and_a_device_what_its_policy_says() {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        retain(&iot, "a", "x", &[]);
        let page = Page::default();
        // Action and resource of the one policy; get, list, delete, status, subscriptions, publish.
        // A client that nobody knows is 404 for whoever may ask.
        let table = [
            (None, [200, 200, 404, 404, 404, 200]),
            (Some(("iot:GetRetainedMessage", "topic/a")), [200, 403, 403, 403, 403, 403]),
            (Some(("iot:GetRetainedMessage", "topic/b")), [403; 6]),
            (Some(("iot:ListRetainedMessages", "*")), [403, 200, 403, 403, 403, 403]),
            (Some(("iot:ListRetainedMessages", "topic/*")), [403; 6]),
            (Some(("iot:DeleteConnection", "client/c")), [403, 403, 404, 403, 403, 403]),
            (Some(("iot:GetConnection", "client/c")), [403, 403, 403, 404, 403, 403]),
            (Some(("iot:ListSubscriptions", "client/c")), [403, 403, 403, 403, 404, 403]),
            (Some(("iot:Publish", "topic/a")), [403, 403, 403, 403, 403, 403]),
            (Some(("iot:*Publish", "topic/a")), [403, 403, 403, 403, 403, 200]),
            (Some(("iot:*", "*")), [200, 200, 404, 404, 404, 200]),
        ];
        for (policy, expected) in table {
            let device = policy.map(|(action, resource)| {
                let front =
                    if resource == "*" { "" } else { "arn:aws:iot:us-east-1:000000000000:" };
                device(&iot, action, &format!("{front}{resource}"))
            });
            let caller = device.as_ref().unwrap_or(&SIGNED);
            let retained = PublishRequest {
                topic: "a".into(),
                payload: "x".into(),
                qos: Some(crate::message::QoS::AtMostOnce),
                retain: true,
                expiry_seconds: None,
                properties: None,
            };
            let found = [
                status(&iot.retained_message(caller, "a".into())),
                status(&iot.retained_messages(caller, &page)),
                status(&iot.delete_connection(caller, "c".into(), false, false)),
                status(&iot.connection(caller, "c".into(), false)),
                status(&iot.subscriptions(caller, "c".into(), &page)),
                status(&iot.publish_over_http(caller, retained)),
            ];
            assert_eq!(found, expected, "{policy:?}");
        }
        let refusals = emulator.trace().refusals();
        let listing = refusals.iter().find(|entry| entry.event_type == "ListRetainedMessage");
        assert!(listing.unwrap().why[0].contains("iot:ListRetainedMessages on *"));
    }

    #[test]
    fn c22_a_client_id_is_looked_at_before_anything_else() {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let table = [("", 400), ("$GEN/x", 400), (&"x".repeat(129), 400), (&"x".repeat(128), 404)];
        for (client_id, expected) in table {
            let answer = iot.connection(&SIGNED, client_id.into(), false);
            assert_eq!(status(&answer), expected, "{client_id}");
        }
    }
}
