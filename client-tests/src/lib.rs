//! What the black-box tests hold in their hands: devices, and the programs that users run.
//!
//! Everything here reaches the emulator through sockets, as a device or an operator would. It
//! decides nothing about AWS; each wait in it is bounded, so that a test fails and never hangs.

pub mod binary;
pub mod programs;
