//! MQTT over sockets, packet by packet: what each of the requirements says, in MQTT 3.1.1 and 5.

mod https;
mod packets;
mod properties;
mod publish;
mod reserved;
mod retained;
mod shared;
mod subscribe;
