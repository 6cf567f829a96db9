//! What must happen after a decision, once the lock is released: the outbox, and who waits for it.
//!
//! It decides nothing: an [`Effect`] says what, the worker in `emulator.rs` does it. An
//! [`Activity`] counts all that is under way, so that `settled()` knows when nothing is.

mod fleet_call;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

pub(crate) use fleet_call::{FleetCall, Waiting};

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
    /// Serve what a device asked for by fleet provisioning, and answer it.
    ProvisionFleet(Box<FleetCall>),
    /// Work through the file of a bulk registration task.
    RegisterThings { scope: Scope, task_id: String },
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
        // Devices cannot ask for more provisioning than they can open connections, and an account
        // has one task at a time.
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
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    closed: Option<DisconnectReason>,
    unread: Option<UnderWay>,
    reader: Option<Waker>,
}

/// What the mailbox held. The emulator is unsettled until what it comes with is dropped.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Something waits in the session's queue.
    News(UnderWay),
    /// The broker ended the connection.
    Closed(DisconnectReason, UnderWay),
}

impl Mailbox {
    /// An empty mailbox whose unread news count in `activity`.
    pub(crate) fn new(activity: &Activity) -> Self {
        Self(Arc::new(Letters { activity: activity.clone(), slot: Mutex::default() }))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something waits in the session's queue.
    pub(crate) fn wake(&self) {
        self.put(None);
    }

    /// The broker ended the connection for `reason`.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        self.put(Some(reason));
    }

    fn put(&self, closed: Option<DisconnectReason>) {
        let mut slot = self.slot();
        if closed.is_none() && slot.unread.is_some() {
            return;
        }
        slot.closed = slot.closed.or(closed);
        slot.unread.get_or_insert_with(|| self.0.activity.begin());
        let reader = slot.reader.take();
        drop(slot);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// What is in it: the end of the connection before anything else, and news only if the reader
    /// takes news now. Wakes the reader when something comes.
    pub(crate) fn poll(&self, context: &mut Context<'_>, takes_news: bool) -> Poll<Letter> {
        let mut slot = self.slot();
        let takes = slot.closed.is_some() || takes_news;
        if let Some(unread) = takes.then(|| slot.unread.take()).flatten() {
            return Poll::Ready(match slot.closed {
                Some(reason) => Letter::Closed(reason, unread),
                None => Letter::News(unread),
            });
        }
        if !slot.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
            slot.reader = Some(context.waker().clone());
        }
        Poll::Pending
    }
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

    /// What a reader finds now.
    fn read(mailbox: &Mailbox, takes_news: bool) -> Option<Letter> {
        match mailbox.poll(&mut Context::from_waker(Waker::noop()), takes_news) {
            Poll::Ready(letter) => Some(letter),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn unread_news_keeps_the_emulator_unsettled() {
        let activity = Activity::default();
        let mailbox = Mailbox::new(&activity);
        mailbox.wake();
        mailbox.wake();
        assert_eq!(activity.count(), 1);
        assert!(read(&mailbox, false).is_none());
        let news = read(&mailbox, true);
        assert!(matches!(news, Some(Letter::News(_))), "{news:?}");
        assert_eq!(activity.count(), 1);
        mailbox.close(DisconnectReason::DuplicateClientId);
        drop(news);
        assert_eq!(activity.count(), 1);
        let closed = read(&mailbox, false);
        let taken_over = DisconnectReason::DuplicateClientId;
        assert!(matches!(closed, Some(Letter::Closed(reason, _)) if reason == taken_over));
        drop(closed);
        assert_eq!(activity.count(), 0);
        activity.settled().await;
    }

    #[test]
    fn an_end_overtakes_news_that_the_reader_has_no_room_for() {
        let mailbox = Mailbox::new(&Activity::default());
        mailbox.wake();
        mailbox.close(DisconnectReason::ApiInitiatedDisconnect);
        let closed = read(&mailbox, false);
        assert!(matches!(closed, Some(Letter::Closed(..))), "{closed:?}");
    }
}
