//! One request over HTTP, as its checks, its answer and the trace see it.
//!
//! It decides that an IAM identity may do all, while a device and an Amazon Cognito identity may do
//! what their policies say. What a request then does stands beside it, in `data_plane.rs`,
//! `direct_messages.rs` and `absent.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html>.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::authorization::Authorizer;
use super::log::{Who, refused};
use super::requests::{HttpCaller, Peer};
use super::{IotCore, State};
use crate::errors::{ApiError, ErrorCode};
use crate::names::{Scope, TopicName};
use crate::policy::{Action, ByAws, Permit};
use crate::provisioning::Principal;
use crate::registry::{LogLevel, LogSubject};
use crate::time::Timestamp;
use crate::trace::Entry;

/// Why a request is refused, and how that is told.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    pub(crate) error: ApiError,
    /// Whether the trace says so already.
    pub(super) told: bool,
    /// Whether the answer has no body.
    pub(crate) wordless: bool,
}

impl From<ApiError> for HttpRefusal {
    fn from(error: ApiError) -> Self {
        // What a policy refuses is traced where it is asked, and a rate where it is counted.
        let told = [ErrorCode::ForbiddenException, ErrorCode::ThrottlingException];
        let told = told.contains(&error.code());
        Self { error, told, wordless: false }
    }
}

//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
//# the data plane answers ThrottlingException with 429, the control plane with 400
/// The status that the data plane answers with `code`.
pub(crate) const fn http_status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::ThrottlingException => 429,
        code => code.status(),
    }
}

impl IotCore {
    /// Traces a request that failed, unless that was done.
    pub(crate) fn note_http_failure(
        &self,
        caller: &HttpCaller,
        event_type: &'static str,
        path: &str,
        refusal: &HttpRefusal,
    ) {
        let HttpRefusal { error, told: false, .. } = refusal else { return };
        let entry = Entry::failure(self.scope(), event_type, error.code().name());
        let entry = Who::over_http(caller).signs(entry.member("uri", path));
        let entry = entry.details(error.message());
        self.note(entry.answer(format!("HTTP {}", http_status(error.code()))));
    }
}

/// What is known of a connection's caller from one request to the next, as a connected client has
/// it: that is worked out again when something has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions(Arc<Mutex<Option<Authorizer>>>);

impl Decisions {
    fn lock(&self) -> MutexGuard<'_, Option<Authorizer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What conditions can ask of one request alone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asks<'a> {
    Nothing,
    Topic(&'a TopicName),
    SocketInformation(bool),
}

/// One request, as the checks and the trace see it.
pub(super) struct Call<'a> {
    caller: &'a HttpCaller,
    event_type: &'static str,
    scope: &'a Scope,
    now: Timestamp,
    asks: Asks<'a>,
    /// It asks for a message to be retained.
    retain: bool,
    /// What is to be known of what was permitted.
    caveat: Option<String>,
}

impl<'a> Call<'a> {
    pub(super) const fn new(
        caller: &'a HttpCaller,
        event_type: &'static str,
        scope: &'a Scope,
        now: Timestamp,
    ) -> Self {
        Self { caller, event_type, scope, now, asks: Asks::Nothing, retain: false, caveat: None }
    }

    pub(super) const fn asking(mut self, asks: Asks<'a>) -> Self {
        self.asks = asks;
        self
    }

    pub(super) const fn retaining(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# each of these requests is logged, with protocol HTTP
    pub(super) fn success(&self) -> Entry {
        self.signed(Entry::success(self.scope, self.event_type)).why(self.caveat.clone())
    }

    /// The entry of a request that fails for `reason`.
    pub(super) fn failure(&self, reason: &'static str) -> Entry {
        self.signed(Entry::failure(self.scope, self.event_type, reason))
    }

    /// When it came.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// What is to be known of what was permitted: that a newer policy does not count yet.
    pub(super) fn caveat(&self) -> Option<&str> {
        self.caveat.as_deref()
    }

    fn signed(&self, entry: Entry) -> Entry {
        Who::over_http(self.caller).signs(entry)
    }
}

impl State {
    /// Whether the logging options ask for an entry of each message that `caller` publishes.
    pub(super) fn logs_publish_of(&self, caller: &HttpCaller) -> bool {
        self.registry.logs_more() && {
            let principal = caller.principal().map(ToString::to_string);
            let about = LogSubject {
                client_id: None,
                principal: principal.as_deref(),
                thing: None,
                source_ip: caller.address().ip(),
            };
            self.registry.logs("Publish-In", LogLevel::Info, &about)
        }
    }

    /// Leave to do `A`: the caller's policies decide, and an IAM identity may do all.
    pub(super) fn permit<A: ByAws>(
        &mut self,
        call: &mut Call<'_>,
        resource: A::Resource,
    ) -> Result<Permit<A>, ApiError> {
        match call.caller {
            HttpCaller::Principal { principal, peer, decisions } => {
                self.permit_principal(call, (principal, peer, decisions), resource)
            }
            //? assumed: an IAM identity may do all, since IAM is not here
            HttpCaller::AwsCaller { .. } => Ok(Permit::of_aws(resource)),
        }
    }

    /// Whether the caller's policies would let it do `A`, for operations that nobody serves.
    pub(super) fn ask_unserved<A: Action>(
        &mut self,
        call: &mut Call<'_>,
        resource: A::Resource,
    ) -> Result<(), ApiError> {
        match call.caller {
            HttpCaller::Principal { principal, peer, decisions } => {
                self.permit_principal::<A>(call, (principal, peer, decisions), resource).map(drop)
            }
            HttpCaller::AwsCaller { .. } => Ok(()),
        }
    }

    fn permit_principal<A: Action>(
        &mut self,
        call: &mut Call<'_>,
        (principal, peer, decisions): (&Arc<Principal>, &Peer, &Decisions),
        resource: A::Resource,
    ) -> Result<Permit<A>, ApiError> {
        let sources = self.sources(call.now);
        let remembered = decisions.lock().take();
        let mut authorizer = match remembered {
            Some(mut authorizer) => {
                authorizer.bring_up_to_date(sources);
                authorizer
            }
            None => Authorizer::new(sources, principal, peer, None),
        };
        authorizer.set_request(call.asks);
        call.caveat = authorizer.caveat();
        let name = A::resource_name(&resource).to_owned();
        let refusal = match authorizer.ask::<A>(call.scope, resource, call.now) {
            Ok(permit) => {
                // What only this request has does not count for the next.
                if matches!(call.asks, Asks::Nothing) {
                    *decisions.lock() = Some(authorizer);
                }
                return Ok(permit);
            }
            Err(refusal) => refusal,
        };
        let decided = (&authorizer, &self.registry);
        let entry = call.signed(refused(call.scope, call.event_type, &refusal, decided));
        let entry = if call.retain { entry.member("retain", "True") } else { entry };
        let entry = match A::KIND {
            "topic" => entry.member("topicName", name),
            "client" => entry.member("clientId", name),
            "thing" => match name.split_once('/') {
                Some((thing, shadow)) => {
                    entry.member("thingName", thing).member("deviceShadowName", shadow)
                }
                None => entry.member("thingName", name),
            },
            _ => entry,
        };
        let entry = match call.asks {
            Asks::Topic(topic) => entry.member("topicName", topic),
            Asks::Nothing | Asks::SocketInformation(_) => entry,
        };
        self.note(entry.answer("HTTP 403"));
        //= https://github.com/aws/aws-sdk-js-v3/issues/5562
        //# what is denied is answered 403 with the message Forbidden
        Err(ApiError::new(ErrorCode::ForbiddenException, "Forbidden"))
    }
}
