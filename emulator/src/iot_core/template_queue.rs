//! [`TemplateQueue`]: the certificates whose provisioning template is still to be run, and when.
//!
//! AWS runs the template after it has hung up, and takes its time. Here it runs at once, unless
//! `provisioning_delay_seconds` says otherwise: then so long after the connection that asked for
//! it, by the emulator's clock. Whoever connects meanwhile does not ask again. What a template
//! makes is decided in `provisioning/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::names::CertificateId;
use crate::provisioning::ProvisioningEffect;
use crate::time::Timestamp;

/// Whose template is to be run.
// INVARIANT: each of them is registered, so no device asks for more room than its certificate has.
#[derive(Debug)]
pub(super) struct TemplateQueue {
    delay: Duration,
    /// When it runs, or was due.
    waiting: HashMap<CertificateId, Timestamp>,
    /// Those that are not due yet, soonest first.
    later: BTreeSet<(Timestamp, CertificateId)>,
}

/// What becomes of a template that a connection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It is to be run now.
    Now,
    /// It runs at this moment.
    Later(Timestamp),
    /// An earlier connection asked for it; it runs at this moment, if that has not come yet.
    Already(Timestamp),
}

impl TemplateQueue {
    /// Templates run after `delay`.
    pub(super) fn new(delay: Duration) -> Self {
        Self { delay, waiting: HashMap::new(), later: BTreeSet::new() }
    }

    /// Takes the templates that are not to be run now out of `effects`, and says why.
    pub(super) fn hold_back(
        &mut self,
        effects: &mut Vec<ProvisioningEffect>,
        now: Timestamp,
    ) -> Option<String> {
        let mut why = None;
        effects.retain(|effect| match effect {
            ProvisioningEffect::RegisteredEvent { .. } => true,
            ProvisioningEffect::Provision { certificate_id, .. } => {
                let asked = self.ask(*certificate_id, now);
                why = self.why(asked);
                asked == Asked::Now
            }
        });
        why
    }

    //? assumed: a template runs once for all connections that came before it ran
    /// A connection asks for the template of `certificate_id`.
    fn ask(&mut self, certificate_id: CertificateId, now: Timestamp) -> Asked {
        if let Some(at) = self.waiting.get(&certificate_id) {
            return Asked::Already(*at);
        }
        let at = now + self.delay;
        self.waiting.insert(certificate_id, at);
        if self.delay.is_zero() {
            return Asked::Now;
        }
        self.later.insert((at, certificate_id));
        Asked::Later(at)
    }

    /// When the next template is due.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.later.first().map(|(at, _)| *at)
    }

    /// One certificate whose template is due by `now`; until it [ran](Self::ran) it asks in vain.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<CertificateId> {
        let (at, certificate_id) = *self.later.first()?;
        (at <= now).then(|| self.later.remove(&(at, certificate_id)))?;
        Some(certificate_id)
    }

    /// The template of `certificate_id` ran, or the certificate is gone: it may ask again.
    pub(super) fn ran(&mut self, certificate_id: CertificateId) {
        if let Some(at) = self.waiting.remove(&certificate_id) {
            self.later.remove(&(at, certificate_id));
        }
    }

    /// The line for the trace, if the template does not run at once.
    fn why(&self, asked: Asked) -> Option<String> {
        let (before, at) = match asked {
            Asked::Now => return None,
            Asked::Later(at) => ("", at),
            Asked::Already(_) if self.delay.is_zero() => {
                return Some("the template of its CA is about to run already".to_owned());
            }
            Asked::Already(at) => ("an earlier connection asked for it: ", at),
        };
        Some(format!(
            "{before}the template of its CA runs at {}, provisioning_delay_seconds = {}",
            at.format("%H:%M:%S"),
            self.delay.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn device(number: u8) -> CertificateId {
        CertificateId::from_digest([number; 32])
    }

    #[test]
    fn jp_7_without_a_delay_a_template_is_run_now_and_once() {
        let mut queue = TemplateQueue::new(Duration::ZERO);
        assert_eq!(queue.ask(device(1), at(0)), Asked::Now);
        assert_eq!(queue.ask(device(1), at(1)), Asked::Already(at(0)));
        assert_eq!((queue.next_deadline(), queue.take_due(at(9))), (None, None));
        queue.ran(device(1));
        assert_eq!(queue.ask(device(1), at(2)), Asked::Now, "JP-8: the next connect tries again");
        assert_eq!(queue.why(Asked::Now), None);
    }

    #[test]
    fn jp_7_a_template_runs_so_long_after_the_first_connection_that_asks_for_it() {
        let mut queue = TemplateQueue::new(Duration::from_secs(10));
        assert_eq!(queue.ask(device(2), at(0)), Asked::Later(at(10)));
        assert_eq!(queue.ask(device(1), at(3)), Asked::Later(at(13)));
        assert_eq!(queue.ask(device(2), at(9)), Asked::Already(at(10)));
        let why = queue.why(Asked::Already(at(10))).unwrap();
        assert_eq!(
            why,
            "an earlier connection asked for it: the template of its CA runs at 00:00:10, \
             provisioning_delay_seconds = 10"
        );
        assert_eq!(queue.take_due(at(9)), None);
        assert_eq!(queue.next_deadline(), Some(at(10)));
        assert_eq!(queue.take_due(at(13)), Some(device(2)));
        assert_eq!(queue.ask(device(2), at(13)), Asked::Already(at(10)), "it has not run yet");
        assert_eq!(queue.take_due(at(13)), Some(device(1)));
        assert_eq!((queue.take_due(at(13)), queue.next_deadline()), (None, None));
        queue.ran(device(2));
        assert_eq!(queue.ask(device(2), at(14)), Asked::Later(at(24)));
    }

    #[test]
    fn nothing_is_kept_of_a_certificate_that_connects_again_and_again_or_is_gone() {
        let mut queue = TemplateQueue::new(Duration::from_secs(10));
        for second in 0..10 {
            queue.ask(device(1), at(second));
        }
        assert_eq!((queue.waiting.len(), queue.later.len()), (1, 1));
        queue.ran(device(1));
        queue.ran(device(1));
        assert_eq!((queue.waiting.len(), queue.later.len()), (0, 0));
        let mut endless = TemplateQueue::new(Duration::from_secs(u64::MAX));
        assert!(matches!(endless.ask(device(1), at(0)), Asked::Later(_)));
        assert_eq!(endless.take_due(at(1_800_000_000)), None);
    }
}
