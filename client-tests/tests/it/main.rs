//! Every black-box test in one binary: it links once.

mod bad_input;
mod codec_second_reading;
mod common;
mod events;
mod in_process;
mod multi_account;
mod policies;
mod takeover;
mod trace;

/// For the codec's source, which `codec_second_reading` compiles and which says `crate::names`.
use iot_emulator::names;
#[expect(dead_code, reason = "written for the library, of which it is a part")]
#[path = "../../../emulator/src/message.rs"]
mod message;
