//! What runs beside the doors: deadlines, functions that rules invoke, waiting until all is
//! settled.
//!
//! It decides nothing of AWS's but that a rule needs the function's permission.

use std::time::Duration;

use bytes::Bytes;

use super::{Cloud, Regional};
use crate::emulator::{SETTLE_LIMIT, SettleError};
use crate::iot_core::IotCore;
use crate::lambda::{EventReport, Functions, QueuedEvent};
use crate::names::{Arn, Scope};
use crate::outbox::RuleInvocation;
use crate::time::{Clock, Timestamp};
use crate::trace::Entry;

impl Cloud {
    /// Sleeps until the nearest deadline of any account and Region, and lets it happen.
    pub(crate) async fn run_timers(&self) {
        loop {
            let changed = self.shared.timers.notified();
            let next = match self.shared.clock {
                Clock::System => self.next_deadline(),
                Clock::Manual(_) => None,
            };
            match next {
                None => changed.await,
                Some(deadline) => {
                    let wait = deadline.since(self.now()).max(Duration::from_millis(1));
                    let _early = tokio::time::timeout(wait, changed).await;
                    self.handle_timeouts();
                }
            }
        }
    }

    pub(crate) fn iot_cores(&self) -> Vec<IotCore> {
        self.regionals().all().map(|regional| regional.iot_core.clone()).collect()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.iot_cores().iter().filter_map(IotCore::next_deadline).min()
    }

    fn handle_timeouts(&self) {
        self.iot_cores().iter().for_each(IotCore::handle_timeout);
    }

    /// Moves the manual clock and returns when all that became due has happened.
    pub(crate) async fn advance(&self, duration: Duration) -> Result<(), SettleError> {
        if !self.shared.clock.advance(duration) {
            return Err(SettleError::SystemClock);
        }
        while self.next_deadline().is_some_and(|deadline| deadline <= self.now()) {
            self.handle_timeouts();
        }
        self.settled().await
    }

    /// Returns when nothing is under way.
    pub(crate) async fn settled(&self) -> Result<(), SettleError> {
        let activity = self.shared.outbox.activity();
        tokio::time::timeout(SETTLE_LIMIT, activity.settled()).await.map_err(|_elapsed| {
            SettleError::Unsettled {
                seconds: SETTLE_LIMIT.as_secs(),
                under_way: activity.count(),
                trace: self.trace().to_string(),
            }
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/lambda-rule-action.html
    //# the rule invokes asynchronously, and needs a permission in the function's resource policy
    /// Invokes a function for a topic rule.
    pub(crate) async fn invoke_for_rule(
        &self,
        scope: &Scope,
        rule_arn: &Arn,
        function_arn: &Arn,
        payload: Bytes,
        asked: Option<RuleInvocation>,
    ) {
        let iot_core = self.regional(scope).iot_core;
        let queued = self.functions_with(scope, rule_arn, function_arn).and_then(|functions| {
            let queued = functions.queue_event(function_arn.as_str(), payload);
            queued.map_err(|error| vec![error.to_string()])
        });
        let report = match (queued, asked) {
            (Err(why), Some(asked)) => return iot_core.rule_action_refused(&asked, &why),
            (Err(why), None) => {
                let entry = Entry::failure(scope, "RuleExecution", "ErrorActionFailed");
                return self.trace().record(entry.member("functionArn", function_arn).why(why));
            }
            (Ok(queued), asked) => {
                if let Some(asked) = &asked {
                    iot_core.rule_action_done(asked);
                }
                queued.run().await
            }
        };
        self.note_event(scope, &report);
    }

    /// The functions of the account and Region that has `function`, if AWS IoT may invoke it for
    /// `source` in `scope`; else why not.
    pub(super) fn functions_with(
        &self,
        scope: &Scope,
        source: &Arn,
        function: &Arn,
    ) -> Result<Functions, Vec<String>> {
        let target = function.scope().unwrap_or_else(|| scope.clone());
        let functions = self.regional(&target).functions;
        let (service, name) = ("iot.amazonaws.com", function.as_str());
        match functions.may_invoke(service, source, &scope.account, name) {
            Ok(()) => Ok(functions),
            Err(refused) => Err(refused.why),
        }
    }

    /// Traces an asynchronous invocation that failed in the end.
    fn note_event(&self, scope: &Scope, report: &EventReport) {
        let why = match &report.outcome {
            Ok(answer) if answer.function_error.is_none() => return,
            Ok(answer) => String::from_utf8_lossy(&answer.payload).into_owned(),
            Err(error) => error.to_string(),
        };
        let entry = Entry::failure(scope, "AsynchronousInvocation", "FunctionError")
            .member("functionArn", &report.function_arn)
            .member("requestId", &report.request_id);
        let details = format!("the function failed {} times", report.attempts);
        self.trace().record(entry.details(details).why([why]));
    }

    /// Runs an event that `lambda:Invoke` took.
    pub(crate) fn run_event(&self, queued: QueuedEvent) {
        let (cloud, scope) = (self.clone(), queued.scope().clone());
        let under_way = self.shared.outbox.activity().begin();
        tokio::spawn(async move {
            cloud.note_event(&scope, &queued.run().await);
            drop(under_way);
        });
    }

    /// Forgets all state of all accounts and Regions.
    pub(crate) fn reset(&self) {
        for regional in self.all() {
            regional.iot_core.reset();
            regional.functions.clear();
            regional.api_gateway.clear();
        }
        self.shared.buckets.clear();
        self.shared.ca_owners.forget_all();
        self.shared.domains.forget_all();
        self.trace().clear();
    }

    /// Lets go of users' closures, which may hold an `IotCore` and so keep all of this alive.
    pub(crate) fn forget_functions(&self) {
        self.shared.function_host.stop();
        for regional in self.all() {
            regional.functions.clear();
        }
    }

    /// Every account and Region, without the lock: what is dropped may ask the emulator something.
    pub(super) fn all(&self) -> Vec<Regional> {
        self.regionals().all().cloned().collect()
    }
}
