//! A fast writer and nobody who reads.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::SIDETAIL;
use crate::Outcome;
use crate::bench::{Bench, bytes_of, contender};
use crate::load::clock::{now_ns, sleep_until};
use crate::load::line;
use crate::machine::usage;
use crate::peer::sidetail;
use crate::report::{Report, Target, Unit};

const TAIL: &str = "tail -F";
/// Written every two milliseconds: 500 MB/s.
const BLOCK_BYTES: usize = 1_000_000;
const BLOCK_NS: u64 = 2_000_000;

/// What following cost.
struct Followed {
    cpu_seconds: f64,
    /// From the end of the writing until all was read.
    behind_ms: f64,
    written_mb_per_second: f64,
}

pub fn run(bench: &Bench) -> Outcome<Report> {
    let blocks = bench.sized(2000, 1000, 20);
    let turns = bench.in_turn(vec![
        contender(SIDETAIL, || {
            let log = bench.empty_log()?;
            let server = sidetail::start(bench, &log)?;
            follow(&log, blocks, &server.processes(), || sidetail::known_bytes(&server))
        }),
        contender(TAIL, || {
            let log = bench.empty_log()?;
            let mut command = bench.on_server_cpu("tail");
            command.arg("-F").arg(&log).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().map_err(|error| format!("tail: {error}"))?;
            std::thread::sleep(Duration::from_millis(300));
            let before = read_bytes(child.id());
            let followed = follow(&log, blocks, &[child.id()], || Ok(read_bytes(child.id()) - before));
            child.kill().and_then(|()| child.wait()).map_err(|error| format!("tail: {error}"))?;
            followed
        }),
    ])?;
    bench.empty_log()?;
    let cpu = |name| turns.get(name, |one| one.cpu_seconds);
    let mut report =
        Report::new(format!("ingest: {} MB written at 500 MB/s, no subscriber", blocks as usize * BLOCK_BYTES / 1_000_000));
    report.ratio(
        "CPU; tail -F > /dev/null",
        TAIL,
        Unit::Seconds,
        &cpu(SIDETAIL).unwrap_or_default(),
        cpu(TAIL),
        Target::AtMost(0.5),
    );
    let behind = turns.get(SIDETAIL, |one| one.behind_ms).unwrap_or_default();
    report.figure("behind, when the writing ends", Unit::Milliseconds, &behind, Target::AtMost(100.0));
    report.figure(
        "written",
        Unit::Megabytes,
        &turns.get(SIDETAIL, |one| one.written_mb_per_second).unwrap_or_default(),
        Target::None,
    );
    Ok(report)
}

/// Writes, and waits until as much is known as was written.
fn follow(log: &Path, blocks: u64, processes: &[u32], known: impl Fn() -> Outcome<u64>) -> Outcome<Followed> {
    let failed = |error: std::io::Error| format!("{}: {error}", log.display());
    let mut block = Vec::with_capacity(BLOCK_BYTES + 256);
    for sequence in 0.. {
        line::push(&mut block, sequence, 0);
        if block.len() >= BLOCK_BYTES {
            break;
        }
    }
    let mut file = OpenOptions::new().append(true).open(log).map_err(failed)?;
    let cpu = usage::cpu_seconds(processes);
    let began = now_ns();
    for number in 0..blocks {
        sleep_until(began + number * BLOCK_NS);
        file.write_all(&block).map_err(failed)?;
    }
    let ended = now_ns();
    let written = bytes_of(log)?;
    while known()? < written {
        if now_ns() > ended + 10_000_000_000 {
            return Err(format!("of {written} bytes only {} were known ten seconds later", known()?));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Followed {
        behind_ms: (now_ns() - ended) as f64 / 1e6,
        cpu_seconds: usage::cpu_seconds(processes) - cpu,
        written_mb_per_second: written as f64 * 1e3 / (ended - began) as f64,
    })
}

/// What a process has read in all, in bytes.
fn read_bytes(process: u32) -> u64 {
    let said = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    said.lines().next().and_then(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap_or(0)
}
