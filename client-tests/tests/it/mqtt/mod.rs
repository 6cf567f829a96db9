//! MQTT as AWS speaks it, over sockets, fact by fact; each test names its requirement.

mod connect;
mod delivery;
mod https;
mod lifecycle;
mod packets;
mod properties;
mod publish;
mod reserved;
mod retained;
mod sessions;
mod shared;
mod subscribe;
mod wills;
