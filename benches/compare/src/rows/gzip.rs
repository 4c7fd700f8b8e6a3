//! A rotated and compressed file.

use std::process::Command;
use std::time::Duration;

use super::SIDETAIL;
use crate::Outcome;
use crate::bench::{Bench, contender};
use crate::load::sequence::Expected;
use crate::load::target::Target as Stream;
use crate::measure::replay;
use crate::peer::{pipe, sidetail};
use crate::report::{Report, Target, Unit};

const ZCAT: &str = "zcat";

pub fn run(bench: &Bench) -> Outcome<Report> {
    let log = bench.log(bench.sized(256, 64, 1))?;
    let rotated = log.path.with_extension("log.1");
    let packed = log.path.with_extension("log.1.gz").display().to_string();
    std::fs::rename(&log.path, &rotated).map_err(|error| format!("{}: {error}", rotated.display()))?;
    Command::new("gzip").arg(&rotated).status().map_err(|error| format!("gzip: {error}"))?;
    std::fs::write(&log.path, "").map_err(|error| format!("{}: {error}", log.path.display()))?;
    let expected = Expected::all(0, log.lines - 1);
    let turns = bench.in_turn(vec![
        contender(SIDETAIL, || {
            let server = sidetail::start(bench, &log.path)?;
            let stream = Stream::http(server.port, "/events?from=start");
            Ok(replay(&server, &stream, expected, Duration::from_secs(60))?.exact()?.seconds)
        }),
        contender(ZCAT, || pipe::run(bench, &[ZCAT, &packed], expected)),
    ])?;
    let rates = |name| turns.get(name, |seconds| log.bytes as f64 / seconds / 1e6);
    let ours = rates(SIDETAIL).unwrap_or_default();
    let mut report = Report::new(format!("gzip: a .gz of {} MiB unpacked, from=start, one client", log.bytes >> 20));
    report.ratio(
        "MB of unpacked log a second; zcat into a pipe",
        ZCAT,
        Unit::Megabytes,
        &ours,
        rates(ZCAT),
        Target::AtLeast(0.8),
    );
    Ok(report)
}
