//! One subscriber of a log that grows slowly.

use std::time::Duration;

use super::{SIDETAIL, YARDSTICK};
use crate::Outcome;
use crate::bench::{Bench, Peer, Size, contender};
use crate::load::sequence::Expected;
use crate::load::writer::Speed;
use crate::measure::{Delivered, Live};
use crate::peer::{Server, sidetail, yardstick};
use crate::report::{Report, Target, Unit};

const POLLING: &str = "sidetail by polling";

pub fn run(bench: &Bench) -> Outcome<Report> {
    let (rate, lines) = (100, bench.sized(500, 100, 20));
    let run = |server: Server, log: &std::path::Path| -> Outcome<Delivered> {
        let (targets, speed) = (vec![server.target.clone()], Speed::PerSecond(rate));
        let expected = Expected::all(0, lines - 1);
        let limit = Duration::from_secs(60);
        Live { log, targets, expected, speed, lines, limit, slow: None }.run(&server)?.0.exact()
    };
    let watched = |mode: &str| {
        let log = bench.empty_log()?;
        run(sidetail::start_with(bench, &[&format!("app={}", log.display()), "--watch", mode])?, &log)
    };
    let mut contenders = vec![contender(SIDETAIL, || watched("notify")), contender(POLLING, || watched("poll"))];
    if bench.size != Size::Quick && bench.has(Peer::Yardstick) {
        contenders.push(contender(YARDSTICK, || {
            let log = bench.empty_log()?;
            run(yardstick::start(bench, &log, 1024)?, &log)
        }));
    }
    let turns = bench.in_turn(contenders)?;
    let p50 = |name| turns.get(name, |one| one.p50_ms);
    let p99 = |name| turns.get(name, |one| one.p99_ms);
    let mut report = Report::new(format!("latency: one subscriber, {lines} lines at {rate} a second, from write to receipt"));
    let unit = Unit::Milliseconds;
    report.figure("p50 with inotify", unit, &p50(SIDETAIL).unwrap_or_default(), Target::AtMost(1.5));
    report.figure("p99 with inotify", unit, &p99(SIDETAIL).unwrap_or_default(), Target::AtMost(6.0));
    report.figure("p50 by polling", unit, &p50(POLLING).unwrap_or_default(), Target::AtMost(30.0));
    report.figure("p99 by polling", unit, &p99(POLLING).unwrap_or_default(), Target::None);
    report.ratio("p50 with inotify", YARDSTICK, unit, &p50(SIDETAIL).unwrap_or_default(), p50(YARDSTICK), Target::None);
    report.ratio("p99 with inotify", YARDSTICK, unit, &p99(SIDETAIL).unwrap_or_default(), p99(YARDSTICK), Target::None);
    let busy = |name| turns.get(name, |one| one.cpu_seconds / one.seconds * 1e3);
    report.ratio(
        "CPU by polling; with inotify",
        SIDETAIL,
        Unit::CpuMs,
        &busy(POLLING).unwrap_or_default(),
        busy(SIDETAIL),
        Target::None,
    );
    Ok(report)
}
