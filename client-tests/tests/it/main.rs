//! x
mod codec_second_reading;

/// For the codec's source, which `codec_second_reading` compiles and which says `crate::names`.
use iot_emulator::names;
