//! What it costs to start: one emulator, a hundred in one process, and the binary.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use iot_emulator::Emulator;

use crate::numbers::{Row, anonymous_bytes, median, resident_bytes};

const STARTS: usize = 51;
const SIDE_BY_SIDE: usize = 100;

pub(crate) fn rows() -> Vec<Row> {
    let first = Instant::now();
    drop(Emulator::start());
    let first = millis(first.elapsed());
    let starts = (0..STARTS).map(|_| {
        let begun = Instant::now();
        let emulator = Emulator::start();
        let took = begun.elapsed();
        drop(emulator);
        took
    });
    let p50 = millis(median(starts.collect()));

    let (before, begun) = (resident_bytes("self"), Instant::now());
    let emulators: Vec<Emulator> = (0..SIDE_BY_SIDE).map(|_| Emulator::start()).collect();
    let all = millis(begun.elapsed());
    let kibibytes = (resident_bytes("self") - before) / 1024.0 / SIDE_BY_SIDE as f64;
    drop(emulators);

    let mut rows = vec![
        Row {
            what: "1 Emulator::start()".to_owned(),
            figures: format!("p50 {p50:.2} ms (the first of the process {first:.1} ms)"),
            goal: "<= 1 ms".to_owned(),
            reached: p50 <= 1.0,
        },
        Row {
            what: "3 100 emulators in one process".to_owned(),
            figures: format!("{all:.0} ms, {kibibytes:.0} KiB each"),
            goal: "<= 100 ms, 256".to_owned(),
            reached: all <= 100.0 && kibibytes <= 256.0,
        },
    ];
    rows.extend(option_env!("CARGO_BIN_EXE_iot-emulator").map(binary));
    rows
}

/// The binary, from exec to its ready line, and what it holds when nobody asks anything.
fn binary(program: &str) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut resident, mut own) = (0.0_f64, 0.0_f64);
    let starts = (0..STARTS).map(|_| {
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(["--mqtt-port=0", "--https-port=0", "--tls-port=0", "--gateway-port=0"])
            .args(["--api-port=0", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary");
        let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
        said.find(|line| line.as_ref().is_ok_and(|line| line == "Ready.")).expect("Ready.").ok();
        let took = begun.elapsed();
        resident = resident.max(resident_bytes(&child.id().to_string()));
        own = own.max(anonymous_bytes(&child.id().to_string()));
        child.kill().expect("a child");
        child.wait().expect("its end");
        took
    });
    let p50 = millis(median(starts.collect()));
    let [mebibytes, own] = [resident, own].map(|bytes| bytes / f64::from(1 << 20));
    Row {
        what: "2 the binary: exec to ready, idle memory".to_owned(),
        figures: format!(
            "p50 {p50:.1} ms, {mebibytes:.1} MiB, {own:.1} of them not the program's file"
        ),
        goal: "<= 4 ms, 6 MiB".to_owned(),
        reached: p50 <= 4.0 && mebibytes <= 6.0,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
