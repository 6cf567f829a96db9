//! What comes above one of AWS's rates: how the trace says it, and what HTTP answers.
//!
//! What counts where is decided by whoever counts: `message_broker/` for messages, and beside each
//! request for requests. The rates stand in `quotas/rates.rs`.
//! Truth: <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>.

use super::http_calls::Call;
use super::live::LiveConnections;
use super::log::Who;
use super::{IotCore, State};
use crate::errors::{ApiError, ErrorCode};
use crate::message_broker::{ConnectionId, Excess, Throttled};
use crate::names::{ClientId, Scope, TopicName};
use crate::quotas::rates::Rate;
use crate::time::Timestamp;
use crate::trace::Entry;

/// The reason of a CONNECT too soon after the last of the same client ID.
pub(super) const CLIENT_ID_THROTTLED: &str = "CLIENT_ID_THROTTLED";

//= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
//# Connect.ClientIDThrottle counts what is above the rate of a client ID, Connect.Throttle what is
//# above that of the account
//? assumed: both reasons, of which the log has to have two for the metrics to differ
/// The reason of a request above `rate`.
pub(super) const fn reason(rate: Rate) -> &'static str {
    match rate {
        Rate::ConnectsPerClientId => CLIENT_ID_THROTTLED,
        _ => "THROTTLED",
    }
}

impl State {
    /// Traces a message that a rate of the account or of its topic did not let through.
    pub(super) fn discard(&mut self, throttled: Throttled, now: Timestamp) {
        let Throttled { rate, topic } = throttled;
        let excess = match rate {
            Rate::RetainedPublishesPerTopic => Excess::OnTopic(topic.clone()),
            _ => Excess::OfAccount,
        };
        self.broker.discard(rate, excess, Some(&topic), now);
    }

    /// Counts a request over HTTP about `client_id`.
    pub(super) fn count_call(
        &mut self,
        call: &Call<'_>,
        of_account: Rate,
        of_client: Rate,
        client_id: &ClientId,
    ) -> Result<(), ApiError> {
        let named = Some((of_client, client_id.as_str()));
        let counted = self.broker.count(&[of_account], named, call.now());
        counted.map_err(|rate| self.refuse_throttled(call, rate, "clientId", client_id.as_str()))
    }

    //= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
    //# ThrottlingException, 429
    //? assumed: the text
    /// Traces a request over HTTP that `rate` does not let through, and says so.
    pub(super) fn refuse_throttled(
        &mut self,
        call: &Call<'_>,
        rate: Rate,
        member: &'static str,
        value: &str,
    ) -> ApiError {
        let entry = call.failure("THROTTLED").member(member, value).details(rate.to_string());
        self.note(entry.answer("HTTP 429"));
        ApiError::new(ErrorCode::ThrottlingException, "Rate exceeded")
    }
}

impl IotCore {
    /// So many bytes went over a connection; `true` if nothing more should for now, and then its
    /// mailbox tells when to ask again.
    pub(crate) fn moved(&self, connection: ConnectionId, bytes: usize) -> bool {
        self.locked(|state, now| state.broker.moved(connection, bytes, now))
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# what is not stored above the rate is logged as Queued: Throttled while queueing offline message
//? assumed: the reason THROTTLED, and how all others are logged
/// The entry of `count` messages above `rate`, or of a connection that was held back so often.
pub(super) fn entry(
    scope: &Scope,
    live: &LiveConnections,
    (rate, excess): (Rate, &Excess),
    topic: Option<TopicName>,
    count: u32,
) -> Entry {
    let (event_type, answer) = match (rate, excess) {
        (Rate::ThroughputPerConnection, _) => ("Throughput", "nothing: what follows is delayed"),
        (Rate::QueuedMessagesPerAccount, _) => ("Queued", "nothing: the message is not stored"),
        (_, Excess::ToConnection(_) | Excess::ToClient(_) | Excess::ToGroup(_)) => {
            ("Publish-Out", "nothing: the message is discarded")
        }
        _ => ("Publish-In", "nothing: the publish is discarded, without PUBACK"),
    };
    let entry = Entry::failure(scope, event_type, "THROTTLED");
    let entry = match excess {
        Excess::OfConnection(connection) | Excess::ToConnection(connection) => {
            match live.get(*connection) {
                Some(live) => Who::connected(&live.facts).signs(entry),
                None => entry,
            }
        }
        Excess::ToClient(client_id) => entry.member("clientId", client_id),
        Excess::ToGroup(filter) => entry.member("topicFilter", filter),
        Excess::OnTopic(topic) => entry.member("topicName", topic),
        Excess::OfAccount => entry,
    };
    let entry = match topic.filter(|_| !matches!(excess, Excess::OnTopic(_))) {
        Some(topic) => entry.member("topicName", topic),
        None => entry,
    };
    let entry = match rate {
        Rate::QueuedMessagesPerAccount => {
            entry.details("Throttled while queueing offline message").why([rate.to_string()])
        }
        _ => entry.details(rate.to_string()),
    };
    let more = (count > 1).then(|| format!("{count} times in the last second"));
    entry.why(more).answer(answer)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::*;
    use crate::Emulator;
    use crate::iot_core::{DirectMessageRequest, HttpCaller, PublishRequest};
    use crate::message::QoS;
    use crate::quotas::Quotas;

    const SIGNED: HttpCaller =
        HttpCaller::AwsCaller { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 49152) };

    fn strict() -> Emulator {
        Emulator::builder().manual_clock(true).quotas(Quotas::Strict).start().unwrap()
    }

    /// Uses up what an account may do in this second, but one.
    fn spend(iot: &IotCore, rate: Rate) {
        iot.locked(|state, now| {
            for _ in 1..rate.per_second() {
                state.broker.count(&[rate], None, now).unwrap();
            }
        });
    }

    /// The last entry, as people read it.
    fn last(emulator: &Emulator) -> String {
        emulator.trace().entries().last().map(|entry| entry.to_string()).unwrap_or_default()
    }

    fn publish(iot: &IotCore, topic: &str, retain: bool) -> Result<(), ApiError> {
        let request = PublishRequest {
            topic: topic.into(),
            payload: "x".into(),
            qos: Some(QoS::AtLeastOnce),
            retain,
            expiry_seconds: None,
            properties: None,
        };
        iot.publish_over_http(&SIGNED, request)
    }

    #[test]
    fn c22_what_is_above_a_rate_of_the_account_is_answered_429_and_named() {
        type Ask = fn(&IotCore) -> Result<(), ApiError>;
        let table: [(Rate, Ask); 5] = [
            (Rate::InboundPublishesPerAccount, |iot| publish(iot, "a", false)),
            (Rate::RetainedPublishesPerAccount, |iot| publish(iot, "a", true)),
            (Rate::GetConnection, |iot| iot.connection(&SIGNED, "c".into(), false).map(drop)),
            (Rate::DeleteConnection, |iot| {
                iot.delete_connection(&SIGNED, "c".into(), false, false)
            }),
            (Rate::ListSubscriptions, |iot| {
                iot.subscriptions(&SIGNED, "c".into(), &Default::default()).map(drop)
            }),
        ];
        for (rate, ask) in table {
            let emulator = strict();
            let iot = emulator.iot_core();
            spend(&iot, rate);
            let first = ask(&iot).map_err(|error| error.code());
            assert_ne!(first, Err(ErrorCode::ThrottlingException), "{rate}");
            let error = ask(&iot).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ThrottlingException, "{rate}");
            let said = last(&emulator);
            assert!(said.contains(&format!("THROTTLED: {rate}")), "{said}");
            assert!(said.contains("AWS answers: HTTP 429"), "{said}");
        }
    }

    #[test]
    fn c22_direct_messages_of_an_account_have_a_rate() {
        let emulator = strict();
        let iot = emulator.iot_core();
        let send = || {
            let request = DirectMessageRequest {
                client_id: "c".into(),
                topic: Some("t".to_owned()),
                confirmation: None,
                timeout: None,
                payload: "x".into(),
                properties: None,
            };
            iot.send_direct_message(&SIGNED, request).unwrap_err().error.code()
        };
        spend(&iot, Rate::SendDirectMessage);
        assert_eq!(send(), ErrorCode::ResourceNotFoundException);
        assert_eq!(send(), ErrorCode::ThrottlingException);
        let said = last(&emulator);
        let reason = "SEND_DIRECT_MESSAGE_THROTTLED: The request was denied due to send direct \
                      message request rate exceeded";
        assert!(said.contains(reason) && said.contains(&Rate::SendDirectMessage.to_string()));
    }

    #[test]
    fn what_a_rule_republishes_above_the_rate_is_discarded_and_told() {
        let emulator = strict();
        let iot = emulator.iot_core();
        let republish = serde_json::json!({ "roleArn": "arn:aws:iam::000000000000:role/r",
                                            "topic": "copy" });
        let rule = serde_json::json!({ "ruleName": "copy", "topicRulePayload": {
            "sql": "SELECT * FROM 'a'", "actions": [{ "republish": republish }] } });
        iot.call("CreateTopicRule", rule).unwrap();
        spend(&iot, Rate::InboundPublishesPerAccount);
        assert_eq!(publish(&iot, "a", false), Ok(()));
        let said = last(&emulator);
        let quota = format!("THROTTLED: {}", Rate::InboundPublishesPerAccount);
        assert!(said.contains(&quota) && said.contains("topicName=copy"), "{said}");
    }
}
