//! How slow this machine is, beside the one on which the goals in microseconds were found to be
//! possible.
//!
//! A neighbour or a lower clock makes every time of a run longer. A ratio to the rival survives
//! that and a time does not, so goals in time are held to what this machine needs for work that
//! never changes: the signature check that most of a handshake consists of.

use std::sync::OnceLock;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};

use crate::table::median;

/// What a check of a P-256 signature took there.
const VERIFICATION_MICROS: f64 = 33.0;
const ROUNDS: usize = 51;
const CHECKS: u32 = 20;

/// How many times as long as there a piece of work takes here.
pub(crate) fn slowness() -> f64 {
    static SLOWNESS: OnceLock<f64> = OnceLock::new();
    *SLOWNESS.get_or_init(|| verification_micros() / VERIFICATION_MICROS)
}

fn verification_micros() -> f64 {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let message = [7; 64];
    let signature = key.sign(&SystemRandom::new(), &message).expect("a signature");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key());
    let round = |_| {
        let begun = Instant::now();
        for _ in 0..CHECKS {
            public.verify(&message, signature.as_ref()).expect("our own signature");
        }
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS)
    };
    median((0..ROUNDS).map(round).collect())
}
