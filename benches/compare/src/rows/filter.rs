//! A log through filters that keep 1 % of its lines.

use std::time::Duration;

use super::{SIDETAIL, YARDSTICK, encoded};
use crate::Outcome;
use crate::bench::{Bench, Log, Peer, contender};
use crate::load::sequence::Expected;
use crate::load::target::Target as Stream;
use crate::measure::replay;
use crate::peer::{pipe, sidetail, yardstick};
use crate::report::{Report, Target, Unit};

const LIMIT: Duration = Duration::from_secs(60);
const RIPGREP: &str = "rg";
const PATTERNS: [(&str, &str); 4] = [
    ("literal", r#"" 503 "#),
    ("alternation", r#"" 502 |" 503 |" 504 "#),
    ("class", r#"" 5\d\d "#),
    ("case-insensitive", "(?i)firefox"),
];

pub fn run(bench: &Bench) -> Outcome<Report> {
    let log = bench.log(bench.sized(1024, 128, 4))?;
    let mut report = Report::new(format!("filter: a log of {} MiB from=start, match= keeps 1 %, one client", log.bytes >> 20));
    for (name, pattern) in PATTERNS {
        one(bench, &log, name, pattern, &mut report)?;
    }
    Ok(report)
}

fn one(bench: &Bench, log: &Log, name: &str, pattern: &str, report: &mut Report) -> Outcome<()> {
    let expected = Expected::errors(log.lines);
    let path = log.path.display().to_string();
    let mut contenders = vec![contender(SIDETAIL, || {
        let server = sidetail::start(bench, &log.path)?;
        let stream = Stream::http(server.port, &format!("/events?from=start&match={}", encoded(pattern)));
        Ok(replay(&server, &stream, expected, LIMIT)?.exact()?.seconds)
    })];
    if bench.has(Peer::Ripgrep) {
        contenders
            .push(contender(RIPGREP, || pipe::run(bench, &[RIPGREP, "--no-config", "-j1", "-e", pattern, &path], expected)));
    }
    if bench.has(Peer::Yardstick) {
        contenders.push(contender(YARDSTICK, || {
            let server = yardstick::start(bench, &log.path, 1024)?;
            let stream = Stream::http(server.port, &format!("/events?from=0&filter={}", encoded(pattern)));
            Ok(replay(&server, &stream, expected, LIMIT)?.exact()?.seconds)
        }));
    }
    let turns = bench.in_turn(contenders)?;
    let rates = |name| turns.get(name, |seconds| log.bytes as f64 / seconds / 1e6);
    let what = format!("MB of log a second, {name} `{}`", pattern.replace('|', "\\|"));
    let ours = rates(SIDETAIL).unwrap_or_default();
    report.ratio(&format!("{what}; rg -j1 into a pipe"), RIPGREP, Unit::Megabytes, &ours, rates(RIPGREP), Target::AtLeast(0.6));
    report.ratio(&what, YARDSTICK, Unit::Megabytes, &ours, rates(YARDSTICK), Target::AtLeast(8.0));
    Ok(())
}
