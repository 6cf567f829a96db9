//! One line for each figure: the emulator beside its rival, and the goals.
//!
//! A ratio of the same run survives a slow or a busy machine, so each goal has a verdict of its
//! own.

use std::fmt;
use std::time::Duration;

use crate::machine::slowness;

/// What was done in one run, and what it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) operations: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// What one server makes of a load: medians of its runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) cpu_micros: f64,
    pub(crate) rate: f64,
}

impl Cost {
    pub(crate) fn of(runs: &[Spent]) -> Self {
        let each = |figure: fn(&Spent) -> f64| median(runs.iter().map(figure).collect());
        Self {
            cpu_micros: each(|run| run.cpu.as_secs_f64() * 1e6 / run.operations as f64),
            rate: each(|run| run.operations as f64 / run.wall.as_secs_f64()),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = if self.cpu_micros < 20.0 { 2 } else { 0 };
        write!(f, "{:.precision$} µs {:.0}/s", self.cpu_micros, self.rate)
    }
}

/// A figure, what it is held against, and whether it holds.
pub(crate) struct Goal {
    text: String,
    reached: bool,
}

impl Goal {
    pub(crate) fn at_most(figure: f64, most: f64, unit: &str) -> Self {
        Self { text: format!("<= {most}{unit}"), reached: figure <= most }
    }

    /// A time that was possible elsewhere, held to the speed of this machine.
    pub(crate) fn within(time: f64, most: f64, unit: &str) -> Self {
        let slowness = slowness();
        Self { text: format!("<= {most}{unit} x{slowness:.2}"), reached: time <= most * slowness }
    }

    /// The same for how often it was done in a time.
    pub(crate) fn rate(rate: f64, least: f64, unit: &str) -> Self {
        let slowness = slowness();
        Self { text: format!(">= {least}{unit} /{slowness:.2}"), reached: rate * slowness >= least }
    }

    pub(crate) fn at_least(figure: f64, least: f64, unit: &str) -> Self {
        Self { text: format!(">= {least}{unit}"), reached: figure >= least }
    }
}

/// One line of the table.
pub(crate) struct Line {
    /// The number of the goal.
    pub(crate) row: &'static str,
    pub(crate) what: String,
    pub(crate) figures: String,
    pub(crate) goals: Vec<Goal>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<3} {:<42} {}", self.row, self.what, self.figures)?;
        if !self.goals.is_empty() {
            write!(f, " | goal")?;
        }
        for (index, goal) in self.goals.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {} {}", goal.text, if goal.reached { "ok" } else { "MISSED" })?;
        }
        Ok(())
    }
}

/// The middle one, of times or rates.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    percentile(&mut figures, 0.5)
}

/// So large a part of them is smaller.
pub(crate) fn percentile(figures: &mut [f64], part: f64) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    let index = (figures.len() as f64 * part) as usize;
    figures.get(index.min(figures.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
