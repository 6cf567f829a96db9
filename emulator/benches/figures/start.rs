//! What it costs to start: one emulator, and a hundred in one process. The program's start is row 2
//! of the `rivals`.

use std::time::{Duration, Instant};

use iot_emulator::Emulator;

use crate::numbers::{Row, median, resident_bytes};

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

    let (before, begun) = (resident_bytes(), Instant::now());
    let emulators: Vec<Emulator> = (0..SIDE_BY_SIDE).map(|_| Emulator::start()).collect();
    let all = millis(begun.elapsed());
    let kibibytes = (resident_bytes() - before) / 1024.0 / SIDE_BY_SIDE as f64;
    drop(emulators);

    vec![
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
    ]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
