//! MQTT as AWS speaks it, over sockets, fact by fact; each test names its requirement.

mod connect;
mod delivery;
mod lifecycle;
mod sessions;
mod wills;
