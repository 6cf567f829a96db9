//! `SendDirectMessage`: a message for one connected client, confirmed by its PUBACK if its sender
//! wants so.
//!
//! It decides AWS's checks, their order and their words. What becomes of the message is the
//! broker's to say; a sender who waits for that holds neither the lock nor a thread.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html>.

use std::time::Duration;

use tokio::sync::oneshot;

use super::http_calls::{Asks, Call, HttpRefusal, http_status};
use super::publishing::check_sizes;
use super::requests::{DirectMessageRequest, HttpCaller};
use super::{Delivered, IotCore, State, topics};
use crate::errors::{ApiError, ErrorCode};
use crate::message_broker::{DirectMessageId, Publication, Undelivered};
use crate::names::{Scope, TopicName};
use crate::policy::{DirectMessage, Permit, Receive, Refusal, SendDirectMessage};
use crate::quotas::rates::Rate;
use crate::quotas::{
    CLIENT_ID_BYTES, DIRECT_MESSAGE_TIMEOUT_DEFAULT_SECONDS, DIRECT_MESSAGE_TIMEOUT_SECONDS,
};
use crate::time::Timestamp;
use crate::trace::{Entry, Outcome};

const EVENT: &str = "SendDirectMessage";

/// Why a direct message fails, as the log and the answer say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reason(&'static str, ErrorCode, &'static str);

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the reasons of SendDirectMessage and their details
//= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html
//# 400, 403, 404, 429 and 504; the message of the answer is the log's details
//? assumed: that the details are the message word for word, and 429 for a client that owes PUBACKs
const MALFORMED_CLIENTID: Reason = Reason(
    "MALFORMED_CLIENTID",
    ErrorCode::InvalidRequestException,
    "This client ID isn't valid. Client IDs must not exceed 128 characters and can't start with a \
     dollar sign ($). Enter a different client ID",
);
const INVALID_TOPIC: Reason = Reason(
    "INVALID_TOPIC",
    ErrorCode::InvalidRequestException,
    "This topic isn't valid. Topics size needs to be within 256 bytes, should contain less than 9 \
     parts, and should not start with a dollar sign ($)",
);
const INVALID_TIMEOUT_PARAMETER: Reason = Reason(
    "INVALID_TIMEOUT_PARAMETER",
    ErrorCode::InvalidRequestException,
    "Invalid timeout value. Must be an integer between 1 and 15",
);
const INVALID_CONFIRMATION_PARAMETER: Reason = Reason(
    "INVALID_CONFIRMATION_PARAMETER",
    ErrorCode::InvalidRequestException,
    "Invalid confirmation value. Must be 'true' or 'false'",
);
const RECEIVE_AUTHORIZATION_FAILURE: Reason = Reason(
    "RECEIVE_AUTHORIZATION_FAILURE",
    ErrorCode::ForbiddenException,
    "Authorization failed for the target client. Verify that your policy grants the necessary \
     permissions",
);
const TARGET_CLIENT_ID_NOT_FOUND: Reason = Reason(
    "TARGET_CLIENT_ID_NOT_FOUND",
    ErrorCode::ResourceNotFoundException,
    "The client ID is not found. Verify that the client is connected and try again",
);
const TARGET_CLIENT_NOT_CONNECTED: Reason = Reason(
    "TARGET_CLIENT_NOT_CONNECTED",
    ErrorCode::ResourceNotFoundException,
    "The target client ID is not connected, but it has an active persistent session",
);
const SEND_DIRECT_MESSAGE_THROTTLED: Reason = Reason(
    "SEND_DIRECT_MESSAGE_THROTTLED",
    ErrorCode::ThrottlingException,
    "The request was denied due to send direct message request rate exceeded",
);
const RECEIVE_SESSION_THROTTLED: Reason = Reason(
    "RECEIVE_SESSION_THROTTLED",
    ErrorCode::ThrottlingException,
    "The request was denied because request rate exceeded the outbound publish requests per \
     second per connection",
);
const RECEIVER_MAX_UNACKED_QOS1_EXCEEDED: Reason = Reason(
    "RECEIVER_MAX_UNACKED_QOS1_EXCEEDED",
    ErrorCode::ThrottlingException,
    "The receiver client has reached the maximum number of unacknowledged QoS 1 messages",
);
const DELIVERY_CONFIRMATION_TIMEOUT: Reason = Reason(
    "DELIVERY_CONFIRMATION_TIMEOUT",
    ErrorCode::GatewayTimeoutException,
    "The delivery confirmation was not received within the specified timeout period",
);
const DELIVERY_CONFIRMATION_SENDER_DISCONNECT: Reason = Reason(
    "DELIVERY_CONFIRMATION_SENDER_DISCONNECT",
    ErrorCode::InternalFailureException,
    "The sender disconnected before the delivery confirmation was received",
);

impl From<Undelivered> for Reason {
    //? assumed: a client that goes before its PUBACK is answered as if it had not been there
    fn from(undelivered: Undelivered) -> Self {
        match undelivered {
            Undelivered::NotFound => TARGET_CLIENT_ID_NOT_FOUND,
            Undelivered::NotConnected => TARGET_CLIENT_NOT_CONNECTED,
            Undelivered::NotPermitted => RECEIVE_AUTHORIZATION_FAILURE,
            Undelivered::QueueFull | Undelivered::Throttled => RECEIVE_SESSION_THROTTLED,
            Undelivered::TooManyUnacknowledged => RECEIVER_MAX_UNACKED_QOS1_EXCEEDED,
            Undelivered::TimedOut => DELIVERY_CONFIRMATION_TIMEOUT,
        }
    }
}

impl Reason {
    fn refusal(self) -> HttpRefusal {
        let Self(_, code, details) = self;
        HttpRefusal { error: ApiError::new(code, details), told: true, wordless: false }
    }

    /// `described`, which did not come about.
    fn entry(self, mut described: Entry) -> Entry {
        let Self(name, code, details) = self;
        described.outcome = Outcome::Failure;
        described.reason = Some(name);
        let answer = match self {
            DELIVERY_CONFIRMATION_SENDER_DISCONNECT => "nothing: nobody waits".to_owned(),
            _ => format!("HTTP {}", http_status(code)),
        };
        described.details(details).answer(answer)
    }
}

/// A direct message that was not refused.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It is on its way, and nobody asks whether it arrives.
    Dispatched,
    /// Its sender waits.
    Awaited(Box<Confirmation>),
}

/// The wait for a PUBACK; dropping it says that the sender is gone.
#[derive(Debug)]
pub(crate) struct Confirmation {
    iot_core: IotCore,
    id: DirectMessageId,
    delivered: oneshot::Receiver<Delivered>,
    /// The entry for the trace, until it is written.
    described: Option<Entry>,
}

impl Confirmation {
    /// Waits for the PUBACK, the timeout, or the end of the connection.
    pub(crate) async fn received(mut self) -> Result<(), HttpRefusal> {
        // Everything was forgotten, and the connection closed, if nobody is there to tell.
        let delivered = (&mut self.delivered).await.unwrap_or(Err(Undelivered::NotFound));
        let failed = delivered.err().map(Reason::from);
        if let Some(described) = self.described.take() {
            let entry = match failed {
                None => described,
                Some(reason) => reason.entry(described),
            };
            self.iot_core.trace().record(entry);
        }
        failed.map_or(Ok(()), |reason| Err(reason.refusal()))
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        let Some(described) = self.described.take() else { return };
        self.iot_core.locked(|state, _now| {
            state.waiting.remove(&self.id);
            state.broker.withdraw_direct_message(self.id);
            state.note(DELIVERY_CONFIRMATION_SENDER_DISCONNECT.entry(described));
        });
    }
}

/// What a request asks for, once it is found legal.
struct Wanted {
    topic: TopicName,
    /// How long the sender waits for the PUBACK, if it wants one.
    confirmed_within: Option<Duration>,
}

impl Wanted {
    fn read(request: &DirectMessageRequest) -> Result<Self, Reason> {
        let client_id = request.client_id.as_str();
        if client_id.is_empty() || client_id.len() > CLIENT_ID_BYTES || client_id.starts_with('$') {
            return Err(MALFORMED_CLIENTID);
        }
        let topic = request.topic.as_deref().unwrap_or_default();
        topics::direct(topic).map_err(|_why| INVALID_TOPIC)?;
        let confirmed = match request.confirmation.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(INVALID_CONFIRMATION_PARAMETER),
        };
        //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html
        //# without confirmation the timeout is ignored
        let within = request.timeout.as_deref().filter(|_| confirmed).map(|text| {
            let seconds = text.parse().ok();
            let seconds =
                seconds.filter(|seconds| DIRECT_MESSAGE_TIMEOUT_SECONDS.contains(seconds));
            seconds.ok_or(INVALID_TIMEOUT_PARAMETER)
        });
        let within = within.transpose()?.unwrap_or(DIRECT_MESSAGE_TIMEOUT_DEFAULT_SECONDS);
        let confirmed_within = confirmed.then_some(Duration::from_secs(within));
        Ok(Self { topic: TopicName::new(topic), confirmed_within })
    }
}

/// `call` as the trace shows it.
fn described(call: &Call<'_>, request: &DirectMessageRequest) -> Entry {
    let confirmed = request.confirmation.as_deref().unwrap_or("false");
    let entry = call.success().member("clientId", &request.client_id);
    let entry = entry.member("topicName", request.topic.as_deref().unwrap_or_default());
    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# confirmation is a boolean and timeout, which comes with it alone, a number
    //? assumed: what is neither stands as it was written
    let entry = match confirmed {
        "true" | "false" => entry.boolean("confirmation", confirmed == "true"),
        other => entry.member("confirmation", other),
    };
    match request.timeout.as_deref() {
        _ if confirmed != "true" => entry,
        None => entry.number("timeout", DIRECT_MESSAGE_TIMEOUT_DEFAULT_SECONDS),
        Some(text) => match text.parse::<u64>() {
            Ok(seconds) => entry.number("timeout", seconds),
            Err(_) => entry.member("timeout", text),
        },
    }
}

impl IotCore {
    /// `SendDirectMessage`.
    pub(crate) fn send_direct_message(
        &self,
        caller: &HttpCaller,
        request: DirectMessageRequest,
    ) -> Result<Sent, HttpRefusal> {
        let scope = self.scope();
        self.locked(|state, now| {
            let call = Call::new(caller, EVENT, scope, now);
            let described = described(&call, &request);
            let wanted = match Wanted::read(&request) {
                Ok(wanted) => wanted,
                Err(reason) => return Err(state.refuse_direct(reason, described, None)),
            };
            check_sizes(&request.payload, request.properties.as_deref()).map_err(|(_, why)| {
                ApiError::new(ErrorCode::RequestEntityTooLargeException, why)
            })?;
            if let Err(rate) = state.broker.count(&[Rate::SendDirectMessage], None, now) {
                let described = described.why([rate.to_string()]);
                return Err(state.refuse_direct(SEND_DIRECT_MESSAGE_THROTTLED, described, None));
            }
            let mut call = call.asking(Asks::Topic(&wanted.topic));
            let DirectMessageRequest { client_id, payload, properties, .. } = request;
            let resource = DirectMessage { client_id, topic: wanted.topic.clone() };
            //= https://github.com/strands-labs/robots
            //# observed: 403 has no body if the sender may not, and words if the receiver may not
            let permit = state.permit::<SendDirectMessage>(&mut call, resource);
            let permit = permit
                .map_err(|error| HttpRefusal { wordless: true, ..HttpRefusal::from(error) })?;
            let described = described.why(call.caveat());
            let receive = match state.permit_receive(scope, &permit, now) {
                Ok(receive) => receive,
                Err((undelivered, why)) => {
                    return Err(state.refuse_direct(undelivered.into(), described, why));
                }
            };
            let publication = Publication { payload, properties, ..Publication::default() };
            let within = wanted.confirmed_within;
            match state.broker.send_direct_message(permit, receive, publication, within, now) {
                Err(undelivered) => Err(state.refuse_direct(undelivered.into(), described, None)),
                Ok(None) => {
                    state.note(described);
                    Ok(Sent::Dispatched)
                }
                Ok(Some(id)) => {
                    let (sender, delivered) = oneshot::channel();
                    state.waiting.insert(id, sender);
                    let (iot_core, described) = (self.clone(), Some(described));
                    let awaited = Confirmation { iot_core, id, delivered, described };
                    Ok(Sent::Awaited(Box::new(awaited)))
                }
            }
        })
    }
}

impl State {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging-policy-examples.html
    //# the receiver's policy must grant `iot:Receive` on the topic; `iot:Subscribe` is not asked
    /// Leave for the client that `permit` names to receive the message, or why it does not get it.
    fn permit_receive(
        &mut self,
        scope: &Scope,
        permit: &Permit<SendDirectMessage>,
        now: Timestamp,
    ) -> Result<Permit<Receive>, (Undelivered, Option<Refusal>)> {
        let receiver = self.broker.direct_receiver(permit).map_err(|why| (why, None))?;
        let (live, registry) = self.live_now(receiver, now).ok_or((Undelivered::NotFound, None))?;
        let topic = permit.resource().topic.clone();
        let asked = live.authorizer.ask::<Receive>(scope, topic, now);
        asked.map_err(|refusal| {
            let why = live.authorizer.why(registry, &refusal);
            (Undelivered::NotPermitted, Some(Refusal { why, ..refusal }))
        })
    }

    fn refuse_direct(
        &mut self,
        reason: Reason,
        described: Entry,
        why: Option<Refusal>,
    ) -> HttpRefusal {
        let entry = reason.entry(described);
        self.note(match why {
            None => entry,
            Some(refusal) => {
                entry.why([format!("the receiver is refused {refusal}")]).why(refusal.why)
            }
        });
        reason.refusal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client_id: &str, query: [Option<&str>; 3]) -> DirectMessageRequest {
        let [topic, confirmation, timeout] = query.map(|value| value.map(str::to_owned));
        let client_id = client_id.into();
        let (payload, properties) = ("x".into(), None);
        DirectMessageRequest { client_id, topic, confirmation, timeout, payload, properties }
    }

    #[test]
    fn c22_a_direct_message_that_cannot_be_is_refused_for_aws_reason() {
        let (long, deep) = ("x".repeat(257), "a/b/c/d/e/f/g/h/i");
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        let (topic, yes) = (Some("a/b"), Some("true"));
        let table = [
            ("c", [topic, None, None], Ok(None)),
            ("c", [topic, Some("false"), Some("never")], Ok(None)),
            ("c", [topic, yes, None], seconds(5)),
            ("c", [topic, yes, Some("1")], seconds(1)),
            ("c", [topic, yes, Some("15")], seconds(15)),
            ("c", [Some(&deep[..15]), None, None], Ok(None)),
            ("c", [topic, yes, Some("0")], Err(INVALID_TIMEOUT_PARAMETER)),
            ("c", [topic, yes, Some("16")], Err(INVALID_TIMEOUT_PARAMETER)),
            ("c", [topic, yes, Some("1.5")], Err(INVALID_TIMEOUT_PARAMETER)),
            ("c", [topic, Some("yes"), None], Err(INVALID_CONFIRMATION_PARAMETER)),
            ("c", [None, None, None], Err(INVALID_TOPIC)),
            ("c", [Some(""), None, None], Err(INVALID_TOPIC)),
            ("c", [Some("a/#"), None, None], Err(INVALID_TOPIC)),
            ("c", [Some("$aws/things/T/shadow/get"), None, None], Err(INVALID_TOPIC)),
            ("c", [Some(&long), None, None], Err(INVALID_TOPIC)),
            ("c", [Some(deep), None, None], Err(INVALID_TOPIC)),
            ("", [topic, None, None], Err(MALFORMED_CLIENTID)),
            ("$GEN/x", [topic, None, None], Err(MALFORMED_CLIENTID)),
            (&long[..129], [topic, None, None], Err(MALFORMED_CLIENTID)),
        ];
        for (client_id, query, expected) in table {
            let wanted = Wanted::read(&request(client_id, query));
            let found = wanted.map(|wanted| wanted.confirmed_within);
            assert_eq!(found, expected, "{client_id} {query:?}");
        }
    }
}
