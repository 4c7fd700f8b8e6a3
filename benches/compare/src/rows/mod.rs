//! What is measured: a file for each kind of work, a row for each line of the table in `docs/performance.md`.

mod catchup;
mod filter;
mod flat;
mod gzip;
mod idle;
mod ingest;
mod latency;
mod many;
mod slow;
mod start;
mod steady;

use clap::ValueEnum;

use crate::Outcome;
use crate::bench::{Bench, Turns};
use crate::measure::Delivered;
use crate::report::Report;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// A large log from its start to one client
    Catchup,
    /// A compressed generation
    Gzip,
    /// Replay of a large log through filters that keep 1 %
    Filter,
    /// 100 subscribers, the writer flat out
    LiveFlat,
    /// 100 subscribers, 10,000 lines/s
    Live100,
    /// 1,000 subscribers, 1,000 lines/s
    Live1000,
    /// 100 subscribers with the same filter, with different ones
    LiveFilters,
    /// One subscriber, 100 lines/s, by notifications and by polling
    Latency,
    /// No subscriber, 500 MB/s written
    Ingest,
    /// 1,000 idle subscribers; ten quiet logs
    Idle,
    /// A slow reader beside ten fast ones
    Slow,
    /// 10,000 logs, ten of them busy, by polling
    Many,
    /// Start to the last ten lines of a 10 GB log
    Start,
    /// All of them
    All,
}

impl Row {
    /// Every row.
    pub fn each() -> Vec<Row> {
        Row::value_variants().iter().copied().filter(|&row| row != Row::All).collect()
    }

    /// Measures it.
    pub fn run(self, bench: &Bench) -> Outcome<Report> {
        match self {
            Row::Catchup => catchup::run(bench),
            Row::Gzip => gzip::run(bench),
            Row::Filter => filter::run(bench),
            Row::LiveFlat => flat::run(bench),
            Row::Live100 => steady::hundred(bench),
            Row::Live1000 => steady::thousand(bench),
            Row::LiveFilters => steady::filters(bench),
            Row::Latency => latency::run(bench),
            Row::Ingest => ingest::run(bench),
            Row::Idle => idle::run(bench),
            Row::Slow => slow::run(bench),
            Row::Many => many::run(bench),
            Row::Start => start::run(bench),
            Row::All => Err("`all` is no row".to_owned()),
        }
    }
}

/// How the contenders are called in tables.
const SIDETAIL: &str = "sidetail";
const YARDSTICK: &str = "yardstick";
const NGINX: &str = "nginx";
const NCHAN: &str = "nchan";
const WEBSOCKETD: &str = "websocketd";
const FRONTAIL: &str = "frontail";

/// Notes which contenders did not deliver all.
fn note_losses(report: &mut Report, turns: &Turns<Delivered>) {
    for (name, all) in turns.all() {
        let (missing, wrong): (u64, u64) =
            all.iter().fold((0, 0), |(missing, wrong), one| (missing + one.missing, wrong + one.wrong));
        if missing + wrong > 0 {
            let delivered: f64 = all.iter().map(|one| one.lines).sum();
            report.note(format!(
                "{name} delivered {delivered} lines in the time; {missing} were missing or not there yet, {wrong} doubled or late."
            ));
        }
    }
}

/// A query's value, with all that may mean something encoded.
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
