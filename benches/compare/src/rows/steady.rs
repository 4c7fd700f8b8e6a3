//! Live, at a steady rate, to many.

use std::path::Path;
use std::time::Duration;

use super::{FRONTAIL, NCHAN, SIDETAIL, WEBSOCKETD, YARDSTICK, encoded, note_losses};
use crate::Outcome;
use crate::bench::{Bench, Contender, Peer, Turns, contender};
use crate::load::line;
use crate::load::sequence::Expected;
use crate::load::target::Target as Stream;
use crate::load::writer::Speed;
use crate::measure::{Delivered, Live};
use crate::peer::{Server, frontail, nchan, sidetail, websocketd, yardstick};
use crate::report::{Report, Target, Unit};

/// So many readers, so many lines a second.
struct Load {
    readers: usize,
    rate: u64,
    lines: u64,
}

impl Load {
    fn run(&self, server: &Server, log: &Path) -> Outcome<Delivered> {
        let targets = vec![server.target.clone(); self.readers];
        self.run_with(server, log, targets, Expected::all(0, self.lines - 1), Speed::PerSecond(self.rate))
    }

    fn run_with(
        &self,
        server: &Server,
        log: &Path,
        targets: Vec<Stream>,
        expected: Expected,
        speed: Speed,
    ) -> Outcome<Delivered> {
        // Peers that fall behind are stopped after three times as long as it should take.
        let limit = Duration::from_secs(2 + 3 * self.lines / self.rate);
        Ok(Live { log, targets, expected, speed, lines: self.lines, limit, slow: None }.run(server)?.0)
    }

    fn sidetail<'a>(&'a self, bench: &'a Bench) -> Contender<'a, Delivered> {
        contender(SIDETAIL, move || {
            let log = bench.empty_log()?;
            self.run(&sidetail::start(bench, &log)?, &log)?.exact()
        })
    }

    fn yardstick<'a>(&'a self, bench: &'a Bench) -> Contender<'a, Delivered> {
        contender(YARDSTICK, move || {
            let log = bench.empty_log()?;
            self.run(&yardstick::start(bench, &log, self.lines)?, &log)?.exact()
        })
    }
}

/// 100 subscribers, 10,000 lines/s.
pub fn hundred(bench: &Bench) -> Outcome<Report> {
    let load = Load {
        readers: bench.sized(100, 100, 5),
        rate: bench.sized(10_000, 10_000, 1000),
        lines: bench.sized(30_000, 10_000, 500),
    };
    let mut contenders = vec![load.sidetail(bench)];
    if bench.has(Peer::Yardstick) {
        contenders.push(load.yardstick(bench));
    }
    if bench.has(Peer::Nchan) {
        contenders.push(contender(NCHAN, || load.run(&nchan::start(bench, load.lines)?, &bench.empty_log()?)));
    }
    if bench.has(Peer::Frontail) {
        contenders.push(contender(FRONTAIL, || {
            let log = bench.empty_log()?;
            load.run(&frontail::start(bench, &log)?, &log)
        }));
    }
    if bench.has(Peer::Websocketd) {
        contenders.push(contender(WEBSOCKETD, || {
            let log = bench.empty_log()?;
            load.run(&websocketd::start(bench, &log, "0")?, &log)
        }));
    }
    let turns = bench.in_turn(contenders)?;
    let mut report =
        Report::new(format!("live100: {} lines at {} a second, {} subscribers", load.lines, load.rate, load.readers));
    let targets = [(YARDSTICK, 3.0), (NCHAN, 10.0), (FRONTAIL, 25.0), (WEBSOCKETD, 25.0)];
    cost_and_delay(&mut report, &turns, &targets, Target::AtMost(5.0), Target::AtMost(30.0));
    Ok(report)
}

/// 1,000 subscribers, 1,000 lines/s.
pub fn thousand(bench: &Bench) -> Outcome<Report> {
    let load =
        Load { readers: bench.sized(1000, 1000, 20), rate: bench.sized(1000, 1000, 100), lines: bench.sized(5000, 3000, 50) };
    let mut contenders = vec![load.sidetail(bench)];
    if bench.has(Peer::Yardstick) {
        contenders.push(load.yardstick(bench));
    }
    let turns = bench.in_turn(contenders)?;
    let mut report =
        Report::new(format!("live1000: {} lines at {} a second, {} subscribers", load.lines, load.rate, load.readers));
    let busy = turns.get(SIDETAIL, |one| one.cpu_seconds / one.seconds * 1e3).unwrap_or_default();
    report.figure("CPU", Unit::CpuMs, &busy, Target::AtMost(500.0));
    cost_and_delay(&mut report, &turns, &[], Target::None, Target::AtMost(100.0));
    report.ratio(
        "CPU",
        YARDSTICK,
        Unit::PerMillion,
        &turns.get(SIDETAIL, Delivered::cpu_per_million).unwrap_or_default(),
        turns.get(YARDSTICK, Delivered::cpu_per_million),
        Target::None,
    );
    Ok(report)
}

/// CPU beside each peer's, at most the given part of it, and the delays.
fn cost_and_delay(report: &mut Report, turns: &Turns<Delivered>, parts: &[(&str, f64)], p50: Target, p99: Target) {
    let ours = turns.get(SIDETAIL, Delivered::cpu_per_million).unwrap_or_default();
    for (peer, part) in parts {
        report.ratio(
            "CPU",
            peer,
            Unit::PerMillion,
            &ours,
            turns.get(peer, Delivered::cpu_per_million),
            Target::AtMost(1.0 / part),
        );
    }
    delay(report, turns, "p50", |one| one.p50_ms, p50);
    delay(report, turns, "p99", |one| one.p99_ms, p99);
    note_losses(report, turns);
}

fn delay(report: &mut Report, turns: &Turns<Delivered>, name: &str, figure: fn(&Delivered) -> f64, target: Target) {
    let what = format!("from write to receipt, {name}");
    let ours = turns.get(SIDETAIL, figure).unwrap_or_default();
    report.figure(&what, Unit::Milliseconds, &ours, target);
    report.ratio(&what, YARDSTICK, Unit::Milliseconds, &ours, turns.get(YARDSTICK, figure), Target::None);
}

/// 100 subscribers without a filter, with one, with one each.
pub fn filters(bench: &Bench) -> Outcome<Report> {
    let load = Load {
        readers: bench.sized(100, 100, 5),
        rate: bench.sized(10_000, 10_000, 1000),
        lines: bench.sized(30_000, 10_000, 500),
    };
    let flat = Load { lines: bench.sized(300_000, 100_000, 2000), ..load };
    let all = Expected::all(0, load.lines - 1);
    let filtered = |server: &Server, filter: &dyn Fn(usize) -> String| -> Vec<Stream> {
        let path = |reader| format!("/events?match={}", encoded(&filter(reader)));
        (0..load.readers).map(|reader| Stream::http(server.port, &path(reader))).collect()
    };
    let turns = bench.in_turn(vec![
        load.sidetail(bench),
        contender("same", || {
            let log = bench.empty_log()?;
            let server = sidetail::start(bench, &log)?;
            let targets = filtered(&server, &|_| "GET /".to_owned());
            load.run_with(&server, &log, targets, all, Speed::PerSecond(load.rate))?.exact()
        }),
        contender("different", || {
            let log = bench.empty_log()?;
            let server = sidetail::start(bench, &log)?;
            let targets = filtered(&server, &|reader| format!("\" 503 |absent-{reader:03}"));
            flat.run_with(&server, &log, targets, Expected::errors(flat.lines), Speed::FlatOut)?.exact()
        }),
    ])?;
    let mut report = Report::new(format!("live-filters: {} subscribers with filters", load.readers));
    let same = turns.get("same", Delivered::cpu_per_million).unwrap_or_default();
    let what = format!("CPU with the same filter, which keeps all, {} lines/s", load.rate);
    report.ratio(
        &what,
        "no filter",
        Unit::PerMillion,
        &same,
        turns.get(SIDETAIL, Delivered::cpu_per_million),
        Target::AtMost(1.3),
    );
    let mut sample = Vec::new();
    (0..flat.lines).for_each(|sequence| line::push(&mut sample, sequence, 0));
    let scanned = (sample.len() * load.readers) as f64;
    let rate = turns.get("different", |one| scanned / one.cpu_seconds / 1e6).unwrap_or_default();
    let what = format!("scanned by {} filters, which keep 1 %, a CPU second; the writer flat out", load.readers);
    report.figure(&what, Unit::Megabytes, &rate, Target::AtLeast(1000.0));
    Ok(report)
}
