//! From the start of the program to the last ten lines of a very large log.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::SIDETAIL;
use crate::Outcome;
use crate::bench::{Bench, contender};
use crate::load::client::Client;
use crate::load::line;
use crate::load::sequence::Expected;
use crate::load::target::Target as Stream;
use crate::peer::{free_port, sidetail};
use crate::report::{Report, Target, Unit};

const BLOCK_LINES: u64 = 50_000;

pub fn run(bench: &Bench) -> Outcome<Report> {
    let bytes = bench.sized(10_000_000_000, 1_000_000_000, 20_000_000);
    let folder = bench.folder("large")?;
    let log = folder.join("app.log");
    fill(&log, bytes).map_err(|error| format!("{}: {error}", log.display()))?;
    let turns = bench.in_turn(vec![contender(SIDETAIL, || first_lines(bench, &log))]);
    bench.folder("large")?;
    let mut report = Report::new(format!("start: a log of {} MB, tail=10", bytes / 1_000_000));
    let ours = turns?.get(SIDETAIL, |milliseconds| *milliseconds).unwrap_or_default();
    report.figure("from the start of the program to the tenth line", Unit::Milliseconds, &ours, Target::AtMost(50.0));
    Ok(report)
}

/// One block of lines again and again.
fn fill(log: &Path, bytes: u64) -> std::io::Result<()> {
    let mut block = Vec::new();
    (0..BLOCK_LINES).for_each(|sequence| line::push(&mut block, sequence, 0));
    let mut file = File::create(log)?;
    for _ in 0..bytes.div_ceil(block.len() as u64) {
        file.write_all(&block)?;
    }
    file.sync_all()
}

/// Milliseconds from the start of the program to the last ten lines.
fn first_lines(bench: &Bench, log: &Path) -> Outcome<f64> {
    let failed = |error: std::io::Error| format!("starting: {error}");
    let port = free_port()?;
    let mut command = sidetail::command(bench, port, &[&format!("app={}", log.display())]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().map_err(failed)?;
    let outcome = last_ten(port, began);
    child.kill().and_then(|()| child.wait()).map_err(failed)?;
    outcome
}

fn last_ten(port: u16, began: Instant) -> Outcome<f64> {
    let failed = |error: std::io::Error| format!("the last ten lines: {error}");
    let target = Stream::http(port, "/events?tail=10");
    let mut client = Client::new().map_err(failed)?;
    while let Err(error) = client.connect(&target, Expected::all(BLOCK_LINES - 10, BLOCK_LINES - 1)) {
        if began.elapsed() > Duration::from_secs(20) {
            return Err(failed(error));
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    while !client.readers[0].is_over() && began.elapsed() < Duration::from_secs(20) {
        client.poll(Duration::from_millis(5)).map_err(failed)?;
    }
    let sequence = client.readers[0].sequence();
    if sequence.missing() + sequence.doubled + sequence.unwanted > 0 {
        return Err("no result: not the last ten lines".to_owned());
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
