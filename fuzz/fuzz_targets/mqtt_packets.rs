//! Any bytes as what a device sends, cut into reads at any place.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iot_emulator::internals::mqtt_packets(bytes));
