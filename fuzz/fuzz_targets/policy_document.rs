//! Any bytes as a policy document.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iot_emulator::internals::policy_document(bytes));
