//! Live, the writer as fast as it can.

use std::time::Duration;

use super::{NCHAN, SIDETAIL, YARDSTICK, note_losses};
use crate::Outcome;
use crate::bench::{Bench, Peer, contender};
use crate::load::sequence::Expected;
use crate::load::writer::Speed;
use crate::measure::{Delivered, Live};
use crate::peer::{Server, nchan, sidetail, yardstick};
use crate::report::{Report, Target, Unit};

pub fn run(bench: &Bench) -> Outcome<Report> {
    let (readers, lines) = (bench.sized(100, 100, 5), bench.sized(200_000, 100_000, 2000));
    // What nchan takes in some seconds.
    let few = bench.sized(20_000, 10_000, 200);
    let run = |server: Server, log: &std::path::Path, lines: u64| -> Outcome<Delivered> {
        let targets = vec![server.target.clone(); readers];
        let expected = Expected::all(0, lines - 1);
        let live = Live { log, targets, expected, speed: Speed::FlatOut, lines, limit: Duration::from_secs(30), slow: None };
        Ok(live.run(&server)?.0)
    };
    let mut contenders = vec![contender(SIDETAIL, || {
        let log = bench.empty_log()?;
        run(sidetail::start(bench, &log)?, &log, lines)?.exact()
    })];
    if bench.has(Peer::Yardstick) {
        contenders.push(contender(YARDSTICK, || {
            let log = bench.empty_log()?;
            run(yardstick::start(bench, &log, lines)?, &log, lines)?.exact()
        }));
    }
    if bench.has(Peer::Nchan) {
        contenders.push(contender(NCHAN, || run(nchan::start(bench, few)?, &bench.empty_log()?, few)));
    }
    let turns = bench.in_turn(contenders)?;
    let cpu = |name| turns.get(name, Delivered::cpu_per_million);
    let rate = |name| turns.get(name, Delivered::lines_per_second);
    let mut report = Report::new(format!("live-flat: {lines} lines, the writer flat out, {readers} subscribers"));
    let ours = cpu(SIDETAIL).unwrap_or_default();
    report.ratio("CPU", NCHAN, Unit::PerMillion, &ours, cpu(NCHAN), Target::AtMost(1.0 / 30.0));
    report.ratio("CPU; a channel that loses nothing", YARDSTICK, Unit::PerMillion, &ours, cpu(YARDSTICK), Target::AtMost(0.2));
    let ours = rate(SIDETAIL).unwrap_or_default();
    report.ratio("delivered", NCHAN, Unit::Lines, &ours, rate(NCHAN), Target::AtLeast(30.0));
    report.ratio("delivered", YARDSTICK, Unit::Lines, &ours, rate(YARDSTICK), Target::None);
    note_losses(&mut report, &turns);
    Ok(report)
}
