//! Real clients against the emulator, over sockets only.

pub mod binary;
pub mod programs;
