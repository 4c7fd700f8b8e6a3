//! One slow reader beside fast ones.

use std::time::Duration;

use super::SIDETAIL;
use crate::Outcome;
use crate::bench::{Bench, contender};
use crate::load::sequence::Expected;
use crate::load::writer::Speed;
use crate::measure::{Delivered, Live};
use crate::peer::sidetail;
use crate::report::{Report, Target, Unit};

const BESIDE: &str = "beside a slow reader";
const SLOW_BYTES_PER_SECOND: f64 = 10_000.0;

pub fn run(bench: &Bench) -> Outcome<Report> {
    let (readers, lines) = (10, bench.sized(2_000_000, 500_000, 5000));
    let run = |slow: Option<f64>| -> Outcome<(Delivered, Delivered)> {
        let log = bench.empty_log()?;
        let server = sidetail::start(bench, &log)?;
        let targets = vec![server.target.clone(); readers];
        let expected = Expected::all(0, lines - 1);
        let limit = Duration::from_secs(60);
        let live = Live { log: &log, targets, expected, speed: Speed::FlatOut, lines, limit, slow };
        let (fast, slow) = live.run(&server)?;
        Ok((fast.exact()?, slow.exact()?))
    };
    let turns = bench.in_turn(vec![contender(SIDETAIL, || run(None)), contender(BESIDE, || run(Some(SLOW_BYTES_PER_SECOND)))])?;
    let mut report = Report::new(format!("slow: {readers} subscribers, {lines} lines flat out, one more reads 10 kB/s"));
    let alone = "without it";
    let ratio = |report: &mut Report, what: &str, unit, figure: &dyn Fn(&(Delivered, Delivered)) -> f64, target| {
        report.ratio(what, alone, unit, &turns.get(BESIDE, figure).unwrap_or_default(), turns.get(SIDETAIL, figure), target);
    };
    ratio(&mut report, "delivered to the others", Unit::Lines, &|one| one.0.lines_per_second(), Target::AtLeast(0.98));
    ratio(&mut report, "CPU", Unit::Seconds, &|one| one.0.cpu_seconds, Target::AtMost(1.35));
    ratio(&mut report, "memory at most", Unit::Kib, &|one| one.0.resident_kib, Target::None);
    let memory = |name| turns.get(name, |one: &(Delivered, Delivered)| one.0.resident_kib).unwrap_or_default();
    let more: Vec<_> = memory(BESIDE).iter().zip(memory(SIDETAIL)).map(|(with, without)| with - without).collect();
    report.figure("more memory with it", Unit::Kib, &more, Target::AtMost(2048.0));
    let got = turns.get(BESIDE, |one| one.1.lines).unwrap_or_default();
    report.note(format!("The slow reader, let go at the end, got every one of {} lines.", got.first().copied().unwrap_or(0.0)));
    Ok(report)
}
