//! What every benchmark prints: a table for people, and with `KEYSTALL_BENCH_OUT=FILE` a line of JSON for each row of it, which
//! `benches/run` gathers.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]

use std::io::Write;
use std::time::Duration;

/// One measured goal of the catalogue. Ratios only compare what was measured side by side in this run.
#[derive(Debug, serde::Serialize)]
pub struct Row {
    /// Number in the catalogue: `P1`.
    pub id: &'static str,
    /// What was measured, and under which load.
    pub what: String,
    /// Ours, in `unit`.
    pub measured: f64,
    /// What it is held against, in the same unit; none where the goal is a plain bound.
    pub baseline: Option<f64>,
    /// Of both.
    pub unit: &'static str,
    /// The goal in words: `≥ 60 %`.
    pub goal: String,
    /// What is compared with the goal: the ratio, or `measured` itself.
    pub value: f64,
    /// The bound on `value`.
    pub bound: f64,
    /// Whether more is better.
    pub at_least: bool,
    /// Answers that were wrong.
    pub wrong: usize,
}

impl Row {
    /// Ours must be at least `share` of the baseline.
    pub fn at_least(
        id: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        (measured, baseline): (f64, f64),
        share: f64,
    ) -> Self {
        let goal = match share < 1.0 {
            true => format!("≥ {:.0} %", share * 100.0),
            false => format!("≥ {share} ×"),
        };
        Self::compared(
            id,
            what.into(),
            unit,
            (measured, baseline),
            goal,
            (share, true),
        )
    }

    /// Ours must be at most `times` the baseline.
    pub fn at_most(
        id: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        (measured, baseline): (f64, f64),
        times: f64,
    ) -> Self {
        Self::compared(
            id,
            what.into(),
            unit,
            (measured, baseline),
            format!("≤ {times} ×"),
            (times, false),
        )
    }

    /// Ours must be at most `bound`, whatever else is measured.
    pub fn below(
        id: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        measured: f64,
        bound: f64,
    ) -> Self {
        Self {
            id,
            what: what.into(),
            measured,
            baseline: None,
            unit,
            goal: format!("≤ {bound} {unit}"),
            value: measured,
            bound,
            at_least: false,
            wrong: 0,
        }
    }

    fn compared(
        id: &'static str,
        what: String,
        unit: &'static str,
        (measured, baseline): (f64, f64),
        goal: String,
        (bound, at_least): (f64, bool),
    ) -> Self {
        Self {
            id,
            what,
            measured,
            baseline: Some(baseline),
            unit,
            goal,
            value: measured / baseline,
            bound,
            at_least,
            wrong: 0,
        }
    }

    /// With answers that were wrong: then the goal is missed.
    pub fn wrong(mut self, wrong: usize) -> Self {
        self.wrong = wrong;
        self
    }

    /// Whether the goal is reached.
    pub fn reached(&self) -> bool {
        let kept = if self.at_least {
            self.value >= self.bound
        } else {
            self.value <= self.bound
        };
        kept && self.wrong == 0
    }
}

/// Prints one row, and keeps it for `benches/run`.
pub fn tell(row: &Row) {
    let baseline = row
        .baseline
        .map_or(String::from("–"), |baseline| format!("{baseline:.1}"));
    let ratio = row
        .baseline
        .map_or(String::new(), |_| format!("{:.2} ×", row.value));
    let verdict = if row.reached() { "reached" } else { "missed" };
    println!(
        "{:<4} {:<62} {:>12.1} {:>12} {:<8} {:>8}  goal {:<10} {verdict}",
        row.id, row.what, row.measured, baseline, row.unit, ratio, row.goal
    );
    if row.wrong > 0 {
        println!("     {} wrong", row.wrong);
    }
    let mut line = serde_json::to_value(row).unwrap();
    line["reached"] = row.reached().into();
    keep(&line);
}

/// Says that something is not measured on this machine, and what is missing.
pub fn leave_out(id: &'static str, what: &str, why: &str) {
    println!("{id:<4} {what:<62} left out: {why}");
    keep(&serde_json::json!({ "id": id, "what": what, "left_out": why }));
}

/// Keeps a line for `benches/run`.
fn keep(line: &serde_json::Value) {
    if let Some(path) = std::env::var_os("KEYSTALL_BENCH_OUT") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value below which `share` of all lie.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
    values[at - 1]
}

/// Events a second.
pub fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}
