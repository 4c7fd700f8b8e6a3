//! The table in Markdown: a column for each transport.

use std::fmt;
use std::time::Duration;

use crate::buffered::Held;
use crate::cuts::Outcome;
use crate::plan::Load;
use crate::steady::Figures;
use crate::transport::Transport;

/// Rows of cells.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new(transports: &[Transport]) -> Self {
        let names = transports.iter().map(|transport| transport.name());
        Table(vec![std::iter::once("measured".to_owned()).chain(names).collect()])
    }

    /// Appends what was measured of each transport.
    pub fn row(&mut self, what: &str, cells: impl IntoIterator<Item = String>) {
        self.0.push(std::iter::once(what.to_owned()).chain(cells).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.0.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if number == 0 {
                writeln!(f, "|{}", " --- |".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}

/// `1.2 / 34 ms`
pub fn latency(figures: &Figures) -> String {
    format!("{} / {} ms", digits(ms(figures.p50)), digits(ms(figures.p99)))
}

/// `12 µs`
pub fn cpu(figures: &Figures) -> String {
    format!("{} µs", digits(figures.cpu.as_nanos() as f64 / 1e3))
}

/// `0 lost, 0 repeated`
pub fn cut(outcome: &Outcome) -> String {
    format!("{} lost, {} repeated ({} cuts)", outcome.lost, outcome.repeated, outcome.cuts)
}

/// `cut off after 60 s`
pub fn lasted(time: Option<Duration>) -> String {
    time.map_or("stays".to_owned(), |time| format!("cut off after {} s", digits(time.as_secs_f64())))
}

/// What a proxy that buffers does, in a sentence.
pub fn held(held: &Held, Load { rate, lines, .. }: Load) -> String {
    let what = match held.first {
        None => "nothing came at all".to_owned(),
        Some(first) => format!("the first event after {} s, and the last {} never", digits(first.as_secs_f64()), held.behind),
    };
    format!("Server-Sent Events without X-Accel-Buffering behind nginx, {lines} lines at {rate} a second: {what}.")
}

fn ms(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// Two digits that count, or all before the point.
pub fn digits(value: f64) -> String {
    let places = if value < 0.995 { 2 } else { usize::from(value < 9.95) };
    format!("{value:.places$}")
}
