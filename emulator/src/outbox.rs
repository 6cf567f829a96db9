//! What must happen after a decision, once the lock is released: the outbox, and who waits for it.
//!
//! It decides nothing: an [`Effect`] says what, the worker in `emulator.rs` does it. An
//! [`Activity`] counts all that is under way, so that `settled()` knows when nothing is.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::message_broker::DisconnectReason;
use crate::names::{Arn, CertificateId, Scope};
use crate::rules_engine::{Execution, RuleMessage};

/// Invocations that may wait; AWS would throttle a rule long before.
const PENDING_LIMIT: usize = 10_000;

/// Something to do after a decision, outside the lock.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A topic rule's `lambda` action: invoke the function with the rule's result.
    Invoke {
        scope: Scope,
        rule_arn: Arn,
        function_arn: Arn,
        payload: Bytes,
        /// Whose error action runs if the function cannot be invoked; an error action has none.
        asked: Option<RuleInvocation>,
    },
    /// Run the provisioning template of the CA that signed this certificate.
    Provision { scope: Scope, certificate_id: CertificateId },
}

/// The action of a rule, for one message.
#[derive(Clone, Debug)]
pub(crate) struct RuleInvocation {
    pub(crate) execution: Arc<Execution>,
    pub(crate) message: Arc<RuleMessage>,
    /// Which of the rule's actions.
    pub(crate) action: usize,
    /// How often the message had been republished, so that a loop through here ends too.
    pub(crate) depth: u8,
}

/// An effect that counts as under way until it is dropped.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) effect: Effect,
    pub(crate) under_way: UnderWay,
}

/// Where effects are put; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    sender: mpsc::UnboundedSender<Job>,
    activity: Activity,
}

impl Outbox {
    /// An outbox, and the end that the worker reads.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, activity: Activity::default() }, receiver)
    }

    /// Puts `effect` in line; gives an invocation back if too many wait already.
    pub(crate) fn send(&self, effect: Effect) -> Result<(), Box<Effect>> {
        // Devices cannot ask for more provisioning than they can open connections.
        let bounded = matches!(effect, Effect::Invoke { .. });
        if bounded && self.activity.count() >= PENDING_LIMIT {
            return Err(Box::new(effect));
        }
        let job = Job { effect, under_way: self.activity.begin() };
        self.sender.send(job).map_err(|refused| Box::new(refused.0.effect))
    }

    /// What is under way.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }
}

/// Counts what is under way in one emulator; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Activity(Arc<Counted>);

#[derive(Default)]
struct Counted {
    count: AtomicUsize,
    settled: Notify,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} under way", self.count())
    }
}

impl Activity {
    /// Says that something began; it ends when the answer is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        UnderWay(self.clone())
    }

    /// How many things are under way.
    pub(crate) fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Returns when nothing is under way.
    pub(crate) async fn settled(&self) {
        loop {
            let settled = self.0.settled.notified();
            if self.count() == 0 {
                return;
            }
            settled.await;
        }
    }
}

/// Something is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Activity);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.settled.notify_waiters();
        }
    }
}

/// How the core reaches the task of one connection: "there is news", or "you are closed".
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(Arc<Letters>);

#[derive(Debug)]
struct Letters {
    activity: Activity,
    arrived: Notify,
    ended: Notify,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    closed: Option<DisconnectReason>,
    unread: Option<UnderWay>,
}

impl Mailbox {
    /// An empty mailbox whose unread news count in `activity`.
    pub(crate) fn new(activity: &Activity) -> Self {
        let (arrived, ended) = (Notify::new(), Notify::new());
        let (activity, slot) = (activity.clone(), Mutex::default());
        Self(Arc::new(Letters { activity, arrived, ended, slot }))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something waits in the session's queue.
    pub(crate) fn wake(&self) {
        let mut slot = self.slot();
        if slot.unread.is_none() {
            slot.unread = Some(self.0.activity.begin());
            self.0.arrived.notify_one();
        }
    }

    /// The broker ended the connection for `reason`.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        self.slot().closed = Some(reason);
        self.0.ended.notify_one();
        self.wake();
    }

    /// Waits until the broker has ended the connection, for whoever is too busy to read news.
    pub(crate) async fn closed(&self) -> DisconnectReason {
        loop {
            if let Some(reason) = self.slot().closed {
                return reason;
            }
            self.0.ended.notified().await;
        }
    }

    /// Waits for news. The answer keeps the emulator unsettled until all of it is written.
    pub(crate) async fn news(&self) -> News {
        loop {
            self.0.arrived.notified().await;
            let mut slot = self.slot();
            if let Some(unread) = slot.unread.take() {
                return News { closed: slot.closed, _unread: unread };
            }
        }
    }
}

/// What the mailbox held.
#[derive(Debug)]
pub(crate) struct News {
    /// Why the connection was ended, if it was.
    pub(crate) closed: Option<DisconnectReason>,
    _unread: UnderWay,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_provisioned_however_many_invocations_wait() {
        let (outbox, mut jobs) = Outbox::new();
        let waiting: Vec<UnderWay> =
            (0..PENDING_LIMIT).map(|_| outbox.activity().begin()).collect();
        let scope = Scope::new("000000000000", "us-east-1");
        let certificate_id = CertificateId::from_digest([7; 32]);
        assert!(outbox.send(Effect::Provision { scope, certificate_id }).is_ok());
        assert!(jobs.try_recv().is_ok());
        drop(waiting);
    }

    #[tokio::test]
    async fn unread_news_keeps_the_emulator_unsettled() {
        let activity = Activity::default();
        let mailbox = Mailbox::new(&activity);
        mailbox.wake();
        mailbox.wake();
        assert_eq!(activity.count(), 1);
        let news = mailbox.news().await;
        assert_eq!(activity.count(), 1);
        mailbox.close(DisconnectReason::DuplicateClientId);
        drop(news);
        assert_eq!(activity.count(), 1);
        assert_eq!(mailbox.news().await.closed, Some(DisconnectReason::DuplicateClientId));
        assert_eq!(activity.count(), 0);
        activity.settled().await;
    }
}
