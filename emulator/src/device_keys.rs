//! RSA keys for devices, made ahead of whoever asks, and the issuer that signs for them.
//!
//! It decides how many keys lie ready and when more are made: an RSA key takes a tenth of a second,
//! sometimes three. Nothing runs until the first key is asked for; then one key is made ahead for
//! each that was taken, four at most, by a thread of low priority that starts when half are gone
//! and ends when all lie ready.
//! What a key is, and what a certificate for it says, is decided in `pki`.
//!
//! Stock and issuer belong to the process: hundreds of emulators in one test run share the work,
//! and none has a thread of its own to wait for when it is dropped. Nobody can tell, since keys
//! follow from no seed, and AWS signs for all accounts with the same CA.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

use crate::pki::{AwsIssuer, DeviceKeyPair};

/// Keys that lie ready at most.
const READY: usize = 4;

static STOCK: Mutex<Stock> = Mutex::new(Stock { ready: Vec::new(), taken: 0, refilling: false });
static MAKERS: Semaphore = Semaphore::const_new(READY);
static ISSUER: AwsIssuer = AwsIssuer::new();

struct Stock {
    ready: Vec<DeviceKeyPair>,
    /// Counts to [`READY`].
    taken: usize,
    refilling: bool,
}

impl Stock {
    fn lock() -> MutexGuard<'static, Self> {
        STOCK.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Half is enough to go on with: whoever makes keys disturbs whoever asks for one.
    fn is_low(&self) -> bool {
        2 * self.ready.len() < self.taken
    }

    fn is_full(&self) -> bool {
        self.ready.len() >= self.taken
    }
}

/// The CA that stands for Amazon's.
pub(crate) fn issuer() -> &'static AwsIssuer {
    &ISSUER
}

/// A key that nobody else gets: one that lies ready, or else one that is made now.
pub(crate) fn take() -> DeviceKeyPair {
    let mut stock = Stock::lock();
    let ready = stock.ready.pop();
    stock.taken = (stock.taken + 1).min(READY);
    if stock.is_low() && !stock.refilling {
        // Without a thread, each key is made when it is asked for.
        stock.refilling = start("iot-emulator-keys", refill);
    }
    drop(stock);
    ready.unwrap_or_else(DeviceKeyPair::generate)
}

/// Returns when [`take`] and the issuer will answer at once: whoever serves others on the same
/// thread awaits it first.
pub(crate) async fn made_ahead() {
    if !Stock::lock().ready.is_empty() {
        return issuer_made_ahead().await;
    }
    // A fleet that asks all at once would else start a thread for each device.
    let _maker = MAKERS.acquire().await;
    off_this_thread(|| {
        ISSUER.make_key();
        let key = DeviceKeyPair::generate();
        Stock::lock().ready.push(key);
    })
    .await;
}

/// Returns when the issuer will answer at once.
pub(crate) async fn issuer_made_ahead() {
    if !ISSUER.has_key() {
        off_this_thread(|| ISSUER.make_key()).await;
    }
}

/// On a thread that nobody joins: an emulator that is dropped meanwhile does not wait for it.
async fn off_this_thread(work: impl FnOnce() + Send + 'static) {
    let (done, finished) = oneshot::channel();
    let started = start("iot-emulator-key", move || {
        work();
        let _gone = done.send(());
    });
    if started {
        let _done = finished.await;
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> bool {
    thread::Builder::new().name(name.to_owned()).spawn(work).is_ok()
}

/// Makes keys until enough lie ready.
fn refill() {
    // Elsewhere the priority belongs to the whole process, which is not ours.
    #[cfg(target_os = "linux")]
    let _refused = rustix::process::nice(19);
    loop {
        let key = DeviceKeyPair::generate();
        let mut stock = Stock::lock();
        stock.ready.push(key);
        if stock.is_full() {
            stock.refilling = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::Emulator;

    fn public_keys(calls: usize) -> Vec<String> {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let key = |_| {
            let made = iot.call("CreateKeysAndCertificate", json!({})).unwrap();
            made["keyPair"]["PublicKey"].as_str().unwrap().to_owned()
        };
        let keys = (0..calls).map(key).collect();
        // Right after a call, while keys are made.
        drop(emulator);
        keys
    }

    #[test]
    fn cert_1_nobody_gets_the_key_of_another() {
        let first = thread::spawn(|| public_keys(10));
        let mut keys = public_keys(10);
        keys.extend(first.join().unwrap());
        let different: BTreeSet<String> = keys.into_iter().collect();
        assert_eq!(different.len(), 20);
    }

    #[tokio::test]
    async fn what_was_awaited_is_there_and_one_key_is_wanted_for_each_taken() {
        made_ahead().await;
        assert!(ISSUER.has_key());
        let _key = take();
        let wanted = Stock::lock().taken;
        assert!((1..=READY).contains(&wanted), "{wanted}");
    }
}
