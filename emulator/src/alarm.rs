//! A timer that a connection looks at whenever it is woken, and that hardly ever goes off.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Ready at a moment that can be moved.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Whom the runtime wakes when it goes off.
    woken: Option<Waker>,
}

impl Alarm {
    pub(crate) fn at(moment: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(moment)), woken: None }
    }

    /// Ready once the moment has come that `until` gives, which is asked when the alarm goes off:
    /// if there is time left, it is moved on.
    pub(crate) fn poll_until(
        &mut self,
        context: &mut Context<'_>,
        until: impl Fn(Instant) -> Instant,
    ) -> Poll<()> {
        loop {
            ready!(self.poll(context));
            let now = Instant::now();
            let moment = until(now);
            if moment <= now {
                return Poll::Ready(());
            }
            self.move_to(moment);
        }
    }

    fn move_to(&mut self, moment: Instant) {
        self.sleep.as_mut().reset(moment);
        self.woken = None;
    }

    /// Ready once its moment has come.
    ///
    /// Who is to be woken is told to the runtime once: to tell it on each turn of a connection
    /// costs half as much as to decrypt a small packet.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let told = self.woken.as_ref().is_some_and(|woken| woken.will_wake(context.waker()));
        if told && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.woken = Some(context.waker().clone());
        self.sleep.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_wakes_whoever_asked_last_and_no_sooner_than_it_is_moved_to() {
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        let mut alarm = Alarm::at(begun + 10 * second);
        assert!(timeout(3 * second, poll_fn(|context| alarm.poll(context))).await.is_err());
        alarm.move_to(begun + 20 * second);
        assert!(timeout(10 * second, poll_fn(|context| alarm.poll(context))).await.is_err());
        // Another task, whose waker is another.
        let (alarm, rung) = tokio::spawn(async move {
            for _ in 0..3 {
                let pending = poll_fn(|context| Poll::Ready(alarm.poll(context).is_pending()));
                assert!(pending.await);
            }
            poll_fn(|context| alarm.poll(context)).await;
            (alarm, Instant::now())
        })
        .await
        .unwrap();
        assert_eq!(rung - begun, 20 * second);
        drop(alarm);
    }
}
