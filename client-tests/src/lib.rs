//! What the black-box tests hold in their hands: devices, and the programs that users run.
//!
//! Everything here reaches the emulator through sockets, as a device or an operator would. It
//! decides nothing about AWS; each wait in it is bounded, so that a test fails and never hangs.

pub mod binary;
mod device;
mod mqtt;
pub mod packets;
pub mod programs;
mod raw;
mod rumqtt;
mod target;
mod tunnel;
pub mod websocket;
mod wire;

pub use device::{ConnectError, Connecting, Device, Version};
pub use mqtt::{Closed, Message, Mqtt, MqttError, Properties, Subscription};
pub use raw::Raw;
pub use target::Target;
pub use wire::{Ending, Wire};

use std::time::Duration;

/// How long anything may take that a test waits for; a loaded machine needs a fraction of it.
pub const PATIENCE: Duration = Duration::from_secs(20);
