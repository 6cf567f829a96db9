//! What `scripts/bench` can ask for by name.

mod compare;
mod first_connack;
mod half_open;
mod idle;
mod instructions;
mod just_in_time;
mod round_trip;

use crate::table::Line;

pub(crate) const NAMES: [&str; 11] = [
    "connect",
    "publish",
    "fan",
    "takeover",
    "round_trip",
    "idle",
    "https",
    "half_open",
    "first_connack",
    "just_in_time",
    "instructions",
];

/// Runs the part of this name, if there is one.
pub(crate) async fn run(part: &str) -> bool {
    match part {
        "connect" => compare::run(compare::CONNECT).await,
        "publish" => compare::run(compare::PUBLISH).await,
        "fan" => compare::run(compare::FAN).await,
        "takeover" => compare::run(compare::TAKEOVER).await,
        "round_trip" => round_trip::run(),
        "idle" => idle::run().await,
        "https" => compare::run(compare::HTTPS).await,
        "half_open" => half_open::run().await,
        "first_connack" => first_connack::run(),
        "just_in_time" => just_in_time::run().await,
        "instructions" => instructions::run().await,
        _ => return false,
    }
    true
}

/// Says a figure as soon as it is known: a run takes minutes.
fn say(line: &Line) {
    println!("{line}");
}

/// Whether a figure was asked for: all are, unless somebody steers by a few.
fn is_wanted(what: &str) -> bool {
    std::env::var("RIVALS_ONLY").map_or(true, |only| what.contains(&only))
}
