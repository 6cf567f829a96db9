//! What one decision costs: the time, the instructions, the allocations.
//!
//! Five policies of twenty statements each, the last of which allows what is asked: nothing is
//! found early. Instructions are counted by valgrind, in a process of its own that does nothing
//! else; two counts of different lengths, so that what comes before the loop drops out.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use iot_emulator::internals::PolicySession;
use iot_emulator::names::TopicName;
use serde_json::json;

use crate::numbers::{Row, median};

/// The part that valgrind runs: `counted again 1000`.
pub(crate) const COUNTED: &str = "counted";

const POLICIES: usize = 5;
const STATEMENTS: usize = 20;
const ROUNDS: usize = 31;
const LOOP: usize = 20_000;

/// A document that allows publishing to `POLICY-STATEMENT/CLIENT/…` for each of its statements.
fn document(policy: usize) -> String {
    let statement = |number: usize| {
        json!({
            "Effect": "Allow", "Action": "iot:Publish",
            "Resource": format!("arn:aws:iot:*:*:topic/{policy}-{number}/${{iot:ClientId}}/*"),
        })
    };
    let statements: Vec<_> = (0..STATEMENTS).map(statement).collect();
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn documents() -> Vec<String> {
    (0..POLICIES).map(document).collect()
}

fn topic() -> TopicName {
    TopicName::new(&format!("{}-{}/sensor-1/t", POLICIES - 1, STATEMENTS - 1))
}

pub(crate) fn rows() -> Vec<Row> {
    let (documents, topic) = (documents(), topic());
    let mut session = PolicySession::new(&documents, "sensor-1");
    assert!(session.decide(&topic) && session.decide_again(&topic));
    let first = nanos_each(LOOP, || session.decide(&topic));
    let again = nanos_each(LOOP, || session.decide_again(&topic));
    let parsed = nanos_each(50, || PolicySession::new(&documents, "sensor-1").decide(&topic));
    let what = format!("{POLICIES} policies of {STATEMENTS} statements");
    let (first_instructions, again_instructions) = (instructions("first"), instructions("again"));
    vec![
        Row {
            what: format!("6 first decision, {what}"),
            figures: format!("{first:.0} ns, {first_instructions}"),
            goal: "<= 250 ns".to_owned(),
            reached: first <= 250.0,
        },
        Row {
            what: "6 the same once more".to_owned(),
            figures: format!("{again:.0} ns, {again_instructions}"),
            goal: "<= 40 ns".to_owned(),
            reached: again <= 40.0,
        },
        Row {
            what: "6 if documents were read for each decision".to_owned(),
            figures: format!("{:.0} us, x{:.0}", parsed / 1e3, parsed / first),
            goal: String::new(),
            reached: true,
        },
        hostile(),
    ]
}

/// A pattern that fits everywhere but at its last letter, against text that it nearly matches.
fn hostile() -> Row {
    let nanos = |length: usize| {
        let resource = format!("arn:aws:iot:*:*:topic/*{}b*", "a".repeat(length));
        let document = json!({ "Version": "2012-10-17", "Statement":
            { "Effect": "Deny", "Action": "iot:Publish", "Resource": resource } });
        // Refused, so that nothing is remembered; the reason is worked out too.
        let session = PolicySession::new(&[document.to_string()], "sensor-1");
        let topic = TopicName::new(&"a".repeat(2 * length));
        nanos_each(20, || !session.decide(&topic))
    };
    let (short, long) = (nanos(300), nanos(600));
    let ratio = long / short;
    Row {
        what: "a resource *aa…ab*, twice as long, refused".to_owned(),
        figures: format!("{:.0} us, then {:.0} us: x{ratio:.1}", short / 1e3, long / 1e3),
        goal: "<= x4.8".to_owned(),
        reached: ratio <= 4.8,
    }
}

/// The median of several rounds, for one of the `count` calls of a round.
fn nanos_each(count: usize, mut ask: impl FnMut() -> bool) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        for _ in 0..count {
            assert!(black_box(ask()));
        }
        begun.elapsed()
    });
    let rounds: Vec<Duration> = rounds.collect();
    median(rounds).as_secs_f64() * 1e9 / count as f64
}

/// Instructions of one decision, if valgrind is here.
fn instructions(which: &str) -> String {
    let (few, many) = (1_000_u64, 11_000_u64);
    let count = |times: u64| {
        let program = std::env::current_exe().ok()?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args([COUNTED, which, &times.to_string()])
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = said.lines().find_map(|line| line.split_once("Collected : "))?;
        line.1.trim().parse::<u64>().ok()
    };
    match (count(few), count(many)) {
        (Some(less), Some(more)) => {
            format!("{} instructions", more.saturating_sub(less) / (many - few))
        }
        _ => "instructions not counted: no valgrind".to_owned(),
    }
}

/// Decides so often as the arguments say: `first 1000`.
pub(crate) fn counted(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (which, times) = (arguments.next(), arguments.next());
    let times: usize = times.and_then(|times| times.parse().ok()).unwrap_or_default();
    let topic = topic();
    let mut session = PolicySession::new(&documents(), "sensor-1");
    for _ in 0..times {
        black_box(match which.as_deref() {
            Some("again") => session.decide_again(&topic),
            _ => session.decide(&topic),
        });
    }
    ExitCode::SUCCESS
}
