//! The device gateway: a device's bytes become requests on `IotCore`.
pub(crate) mod codec;
