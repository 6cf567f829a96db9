//! What happened and why: the emulator's memory for assertions, `iot-emulator trace` and logs.
//!
//! AWS hangs up in silence and writes the reason to CloudWatch. Each [`Entry`] carries the words of
//! such a CloudWatch entry (`eventType`, `reason`, `details`) and, below them, what AWS never says:
//! which check failed and what came nearest.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html>.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::names::Scope;
use crate::time::{Clock, Timestamp};

/// Entries kept; the oldest go first.
const CAPACITY: usize = 10_000;

/// The longest text in an entry, in bytes: a stranger chooses client IDs and topics.
const TEXT_BYTES: usize = 4096;

/// Whether what was asked for happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It happened.
    Success,
    /// It was refused, or failed.
    Failure,
}

/// What a member says, with the type that it has in AWS's JSON.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MemberValue {
    /// Most members.
    Text(String),
    /// Ports and times, such as `sourcePort` and `keepAliveDuration`.
    Number(u64),
    /// `cleanSession` and `confirmation`.
    Boolean(bool),
    /// Lists and structures: `subscriptions` and `resources`.
    Json(Value),
}

impl MemberValue {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Boolean(yes) => (*yes).into(),
            Self::Json(json) => json.clone(),
        }
    }
}

impl fmt::Display for MemberValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(yes) => yes.fmt(f),
            Self::Json(json) => json.fmt(f),
        }
    }
}

/// One thing that happened.
///
/// A test asserts why something was refused, whatever the other side saw of it:
///
/// ```
/// use iot_emulator::{Emulator, Identity};
/// use serde_json::json;
///
/// let emulator = Emulator::start();
/// let iot = emulator.iot_core();
/// let lamp = Identity::self_signed("lamp");
/// let id = iot.register_certificate_without_ca(&lamp.certificate_pem());
/// // A device that connects with it sees a closed connection; this asks the same policies.
/// let client = format!("arn:aws:iot:us-east-1:{}:client/lamp", iot.scope().account);
/// let question = json!({
///     "principal": iot.certificate_arn(&id),
///     "authInfos": [{ "actionType": "CONNECT", "resources": [client] }],
/// });
/// iot.call("TestAuthorization", question)?;
///
/// let refusals = emulator.trace().refusals();
/// assert_eq!(refusals[0].reason, Some("IMPLICIT_DENY"));
/// assert!(refusals[0].why[1].contains("no policy is attached to the certificate"));
/// # Ok::<(), iot_emulator::ApiError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Counts up from 1 within one emulator.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// In which account and Region.
    pub scope: Scope,
    /// AWS's word for it: `Connect`, `Publish-In`, `Connection.AuthNError`, `RuleExecution` …
    pub event_type: &'static str,
    /// Whether it came about.
    pub outcome: Outcome,
    /// AWS's members, such as `clientId`, `principalId`, `topicName`, `sourceIp`.
    pub members: Vec<(&'static str, MemberValue)>,
    /// AWS's word for the reason, such as `AUTHORIZATION_FAILURE`.
    pub reason: Option<&'static str>,
    /// AWS's sentence for the reason.
    pub details: Option<String>,
    /// What AWS does not say, a line each: which check failed, what came nearest.
    pub why: Vec<String>,
    /// What the other side sees: `disconnects`, `PUBACK 0x87`, `HTTP 403`.
    pub answer: Option<String>,
}

impl Entry {
    /// An entry that says `event_type` succeeded in `scope`. [`Trace::record`] numbers it.
    pub(crate) fn success(scope: &Scope, event_type: &'static str) -> Self {
        Self {
            number: 0,
            at: Timestamp::default(),
            scope: scope.clone(),
            event_type,
            outcome: Outcome::Success,
            members: Vec::new(),
            reason: None,
            details: None,
            why: Vec::new(),
            answer: None,
        }
    }

    /// An entry that says `event_type` failed for AWS's `reason`.
    pub(crate) fn failure(scope: &Scope, event_type: &'static str, reason: &'static str) -> Self {
        let mut entry = Self::success(scope, event_type);
        entry.outcome = Outcome::Failure;
        entry.reason = Some(reason);
        entry
    }

    /// Adds a member as AWS names it.
    #[must_use]
    pub(crate) fn member(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.members.push((name, MemberValue::Text(value.to_string())));
        self
    }

    /// Adds a member that is a number in AWS's JSON.
    #[must_use]
    pub(crate) fn number(mut self, name: &'static str, value: impl Into<u64>) -> Self {
        self.members.push((name, MemberValue::Number(value.into())));
        self
    }

    /// Adds a member that is `true` or `false` in AWS's JSON.
    #[must_use]
    pub(crate) fn boolean(mut self, name: &'static str, value: bool) -> Self {
        self.members.push((name, MemberValue::Boolean(value)));
        self
    }

    /// Adds a member that is a list or a structure in AWS's JSON.
    #[must_use]
    pub(crate) fn json(mut self, name: &'static str, value: Value) -> Self {
        self.members.push((name, MemberValue::Json(value)));
        self
    }

    /// Adds AWS's sentence for the reason.
    #[must_use]
    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Adds lines that explain.
    #[must_use]
    pub(crate) fn why(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.why.extend(lines.into_iter().map(Into::into));
        self
    }

    /// Adds what the other side sees.
    #[must_use]
    pub(crate) fn answer(mut self, answer: impl Into<String>) -> Self {
        self.answer = Some(answer.into());
        self
    }

    /// What AWS's member `name` says, if it is text; [`Entry::members`] has the others.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.members.iter().find(|(member, _)| *member == name) {
            Some((_, MemberValue::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// AWS's `logLevel`.
    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# a failure is ERROR, a Ping that was answered DEBUG, all else that succeeds INFO
    fn level(&self) -> &'static str {
        match (self.outcome, self.event_type) {
            (Outcome::Failure, _) => "ERROR",
            (Outcome::Success, "Ping") => "DEBUG",
            (Outcome::Success, _) => "INFO",
        }
    }

    //? assumed: how AWS derives it; here from when and as which entry something happened
    /// The `traceId` of what has no other.
    fn trace_id(&self) -> String {
        let mixed = |number: u64| {
            let number = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (number ^ (number >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
        };
        let first = mixed(mixed(self.number) ^ self.at.milliseconds().cast_unsigned());
        let both = (u128::from(first) << 64) | u128::from(mixed(first));
        uuid::Builder::from_random_bytes(both.to_be_bytes()).into_uuid().to_string()
    }

    /// The entry as CloudWatch's `AWSIotLogsV2` shows it, with our `why` and `answer` added.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        put("number", self.number.into());
        put("timestamp", self.at.format("%Y-%m-%d %H:%M:%S%.3f").into());
        put("logLevel", self.level().into());
        put("traceId", self.trace_id().into());
        put("accountId", self.scope.account.as_str().into());
        put("region", self.scope.region.as_str().into());
        put("status", format!("{:?}", self.outcome).into());
        put("eventType", self.event_type.into());
        for (name, value) in &self.members {
            put(name, value.to_json());
        }
        if let Some(reason) = self.reason {
            put("reason", reason.into());
        }
        if let Some(details) = &self.details {
            put("details", details.as_str().into());
        }
        if !self.why.is_empty() {
            put("why", self.why.clone().into());
        }
        if let Some(answer) = &self.answer {
            put("answer", answer.as_str().into());
        }
        Value::Object(json)
    }
}

/// As `iot-emulator trace` prints it: one line, and the explanation indented below.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.value("clientId").is_some() { "clientId" } else { "principalId" };
        let verb = match (self.outcome, self.event_type) {
            (Outcome::Success, _) if self.reason.is_some() => "partly ",
            (Outcome::Success, _) => "ok     ",
            (Outcome::Failure, "Disconnect") => "ended  ",
            (Outcome::Failure, _) => "refused",
        };
        let by = on_one_line(self.value(who).unwrap_or("-"));
        write!(f, "{}  {by}  {verb} {}", self.at.format("%H:%M:%S%.3f"), self.event_type)?;
        // The principal comes last, as it is longest.
        let (principal, others): (Vec<_>, Vec<_>) =
            self.members.iter().partition(|(name, _)| *name == "principalId");
        for (name, value) in others.into_iter().chain(principal) {
            let said_elsewhere = match *name {
                "sourceIp" | "sourcePort" | "targetIp" | "subscriptions" => true,
                "disconnectReason" => self.reason.is_some_and(|it| it == value.to_string()),
                name => name == who,
            };
            if !said_elsewhere {
                write!(f, " {name}={}", on_one_line(&value.to_string()))?;
            }
        }
        match (self.reason, self.details.as_deref().map(on_one_line)) {
            (Some(reason), Some(details)) => write!(f, "\n              {reason}: {details}")?,
            (Some(reason), None) => write!(f, "\n              {reason}")?,
            (None, Some(details)) => write!(f, "\n              {details}")?,
            (None, None) => {}
        }
        for line in &self.why {
            write!(f, "\n              {}", on_one_line(line))?;
        }
        if let Some(answer) = &self.answer {
            write!(f, "\n              AWS answers: {answer}")?;
        }
        Ok(())
    }
}

/// `line` with its control characters spelt out: what a device or a certificate says must not look
/// like a line of the trace.
pub(crate) fn on_one_line(line: &str) -> String {
    line.chars().fold(String::with_capacity(line.len()), |mut safe, character| {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
        safe
    })
}

/// Is told each entry as it happens: a printer, or whoever waits for news.
pub(crate) type Listener = Box<dyn Fn(&Entry) + Send + Sync>;

/// The trace of one emulator; clones share it.
#[derive(Clone)]
pub struct Trace {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    entries: Mutex<Entries>,
    /// Wakes whoever follows.
    news: Notify,
    listener: Option<Listener>,
}

#[derive(Default)]
struct Entries {
    recent: VecDeque<Arc<Entry>>,
    last_number: u64,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

impl Trace {
    /// An empty trace that takes its times from `clock` and tells `listener` each entry.
    pub(crate) fn new(clock: Clock, listener: Option<Listener>) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                entries: Mutex::default(),
                news: Notify::new(),
                listener,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers and keeps `entry`.
    pub(crate) fn record(&self, mut entry: Entry) {
        entry.at = self.shared.clock.now();
        for (_name, value) in &mut entry.members {
            match value {
                MemberValue::Text(text) => shorten(text),
                MemberValue::Json(json) => shorten_json(json),
                MemberValue::Number(_) | MemberValue::Boolean(_) => {}
            }
        }
        entry.details.iter_mut().chain(&mut entry.why).for_each(shorten);
        let kept = {
            let mut entries = self.lock();
            entries.last_number += 1;
            entry.number = entries.last_number;
            let kept = Arc::new(entry);
            if entries.recent.len() == CAPACITY {
                entries.recent.pop_front();
            }
            entries.recent.push_back(Arc::clone(&kept));
            kept
        };
        // A user's own subscriber sees it too; without one this costs a comparison.
        match kept.outcome {
            Outcome::Success => tracing::debug!(target: "iot_emulator", "{kept}"),
            Outcome::Failure => tracing::warn!(target: "iot_emulator", "{kept}"),
        }
        self.shared.news.notify_waiters();
        if let Some(listener) = &self.shared.listener {
            listener(&kept);
        }
    }

    /// Every entry kept, oldest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.after(0)
    }

    /// The entries with a number above `number`, oldest first.
    pub fn after(&self, number: u64) -> Vec<Arc<Entry>> {
        self.lock().recent.iter().filter(|entry| entry.number > number).cloned().collect()
    }

    /// The entries with a number above `number`, as soon as there are any.
    pub(crate) async fn next_after(&self, number: u64) -> Vec<Arc<Entry>> {
        loop {
            let news = self.shared.news.notified();
            let entries = self.after(number);
            if !entries.is_empty() {
                return entries;
            }
            news.await;
        }
    }

    /// What was refused or failed, oldest first.
    pub fn refusals(&self) -> Vec<Arc<Entry>> {
        let mut entries = self.entries();
        // Of a SUBSCRIBE that was granted in part, the reason tells of the other part.
        entries.retain(|entry| entry.outcome == Outcome::Failure || entry.reason.is_some());
        entries
    }

    /// Forgets all entries; numbers go on counting.
    pub(crate) fn clear(&self) {
        self.lock().recent.clear();
    }
}

/// Cuts what would fill the memory.
fn shorten(text: &mut String) {
    if text.len() > TEXT_BYTES {
        let end = (0..=TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
        text.shrink_to_fit();
    }
}

fn shorten_json(json: &mut Value) {
    match json {
        Value::String(text) => shorten(text),
        Value::Array(items) => items.iter_mut().for_each(shorten_json),
        Value::Object(members) => members.values_mut().for_each(shorten_json),
        _ => {}
    }
}

/// The whole trace, as a failing test wants to print it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries().iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_of_a_stranger_is_cut() {
        let trace = Trace::new(Clock::System, None);
        let scope = Scope::new("000000000000", "us-east-1");
        let long = "é".repeat(60_000);
        let entry = Entry::failure(&scope, "Connect", "CLIENT_ERROR").member("clientId", &long);
        trace.record(entry.details(long.as_str()).why([long.as_str()]));
        let kept = trace.entries().pop().unwrap();
        let texts = [kept.value("clientId"), kept.details.as_deref(), Some(&*kept.why[0])];
        for text in texts.map(Option::unwrap) {
            assert!(text.len() <= TEXT_BYTES + 3 && text.ends_with("é…"), "{}", text.len());
        }
    }

    #[test]
    fn c50_members_have_the_types_that_aws_json_has() {
        let trace = Trace::new(Clock::System, None);
        let scope = Scope::new("000000000000", "us-east-1");
        let subscriptions = serde_json::json!([{ "topicName": "a", "reasonCode": 1 }]);
        for event_type in ["Connect", "Ping"] {
            let entry = Entry::success(&scope, event_type).member("qos", 1);
            let entry = entry.number("sourcePort", 8883_u16).boolean("cleanSession", true);
            trace.record(entry.json("subscriptions", subscriptions.clone()));
        }
        trace.record(Entry::failure(&scope, "Connect", "CLIENT_ERROR").member("traceId", "mine"));
        let told: Vec<Value> = trace.entries().iter().map(|entry| entry.to_json()).collect();
        assert_eq!(told[0]["qos"], "1");
        assert_eq!(
            (&told[0]["sourcePort"], &told[0]["cleanSession"]),
            (&8883.into(), &true.into())
        );
        assert_eq!(told[0]["subscriptions"], subscriptions);
        let levels: Vec<_> = told.iter().map(|entry| entry["logLevel"].as_str()).collect();
        assert_eq!(levels, [Some("INFO"), Some("DEBUG"), Some("ERROR")]);
        let ids: Vec<_> = told.iter().map(|entry| entry["traceId"].as_str().unwrap()).collect();
        assert!(uuid::Uuid::parse_str(ids[0]).is_ok() && ids[0] != ids[1] && ids[2] == "mine");
        assert_eq!(told[0]["traceId"], trace.entries()[0].to_json()["traceId"]);
    }

    #[test]
    fn a_text_of_a_stranger_starts_no_line_of_the_trace() {
        let scope = Scope::new("000000000000", "us-east-1");
        let forged = "x\n12:00:00.000  lamp  ok      Connect";
        let entry = Entry::failure(&scope, "RegisterThing", "InvalidRequestException");
        let entry = entry.member("principalId", forged).member("step", forged);
        let printed = entry.details(forged).why([forged]).to_string();
        assert_eq!(printed.lines().count(), 3, "{printed}");
    }
}
