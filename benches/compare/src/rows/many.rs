//! Ten thousand logs, found by polling, of which ten are busy.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use super::SIDETAIL;
use crate::Outcome;
use crate::bench::{Bench, contender};
use crate::load::client::{Client, Reader};
use crate::load::clock::now_ns;
use crate::load::line;
use crate::load::sequence::Expected;
use crate::load::target::Target as Stream;
use crate::load::writer::{self, Sink, Speed};
use crate::machine::usage;
use crate::peer::{Server, sidetail};
use crate::report::{Report, Target, Unit};

const BUSY: u64 = 10;
const RATE: u64 = 100;
const ALONE: &str = "the busy ones alone";

/// What it costs to follow them all.
struct Followed {
    cpu_ms_a_second: f64,
    /// From the writing of a new file's first line to its receipt.
    first_ms: f64,
    resident_kib: f64,
}

pub fn run(bench: &Bench) -> Outcome<Report> {
    let (quiet, lines) = (bench.sized(10_000, 10_000, 200) - BUSY, bench.sized(1000, 300, 50));
    let turns =
        bench.in_turn(vec![contender(SIDETAIL, || follow(bench, quiet, lines)), contender(ALONE, || follow(bench, 0, lines))])?;
    let mut report = Report::new(format!("many: {} logs by polling, {BUSY} of them with {RATE} lines/s", quiet + BUSY));
    let cpu = |name| turns.get(name, |one: &Followed| one.cpu_ms_a_second).unwrap_or_default();
    let for_quiet: Vec<_> = cpu(SIDETAIL).iter().zip(cpu(ALONE)).map(|(all, busy)| all - busy).collect();
    report.figure("CPU for the quiet ones", Unit::CpuMs, &for_quiet, Target::AtMost(50.0));
    report.ratio("CPU for all", ALONE, Unit::CpuMs, &cpu(SIDETAIL), turns.get(ALONE, |one| one.cpu_ms_a_second), Target::None);
    let first = turns.get(SIDETAIL, |one| one.first_ms).unwrap_or_default();
    report.figure("first record of a new file", Unit::Milliseconds, &first, Target::AtMost(1200.0));
    report.figure("memory", Unit::Kib, &turns.get(SIDETAIL, |one| one.resident_kib).unwrap_or_default(), Target::None);
    Ok(report)
}

fn follow(bench: &Bench, quiet: u64, lines: u64) -> Outcome<Followed> {
    let folder = bench.folder("many")?;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    // What was written a minute ago is looked at as if it went on.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..quiet {
        let mut file = File::create(folder.join(format!("quiet-{number:04}.log"))).map_err(failed)?;
        writeln!(file, "log {number} has one line").and_then(|()| file.set_modified(hour_ago)).map_err(failed)?;
    }
    // A stream may wait for logs that a glob will mean, if it means one already.
    fs::write(folder.join("new-0.log"), "").map_err(failed)?;
    let busy: Vec<_> = (0..BUSY).map(|number| folder.join(format!("busy-{number}.log"))).collect();
    busy.iter().try_for_each(|path| fs::write(path, "")).map_err(failed)?;
    let server = sidetail::start_with(bench, &[&folder.display().to_string(), "--watch", "poll"])?;
    let mut client = Client::new().map_err(failed)?;
    let all = Expected::all(0, lines - 1);
    for number in 0..BUSY {
        client.connect(&Stream::http(server.port, &format!("/events?log=busy-{number}.log")), all).map_err(failed)?;
    }
    client.settle().map_err(failed)?;
    served(&client)?;
    let cpu_ms_a_second = busy_time(&server, &mut client, &busy, lines).map_err(failed)?;
    if let Some(reader) = client.readers.iter().find(|reader| reader.sequence().missing() + reader.sequence().doubled > 0) {
        return Err(format!("no result: {} lines missing or doubled", reader.sequence().missing() + reader.sequence().doubled));
    }
    let resident_kib = usage::resident_kib(&server.processes()) as f64;
    Ok(Followed { cpu_ms_a_second, first_ms: first_of_new(&server, &folder)?, resident_kib })
}

fn served(client: &Client) -> Outcome<()> {
    match client.readers.iter().map(Reader::status).find(|status| *status != 200) {
        Some(status) => Err(format!("the server answered {status}")),
        None => Ok(()),
    }
}

/// Writes to the busy logs; milliseconds of the server's CPU a second.
fn busy_time(server: &Server, client: &mut Client, busy: &[std::path::PathBuf], lines: u64) -> std::io::Result<f64> {
    let files = busy.iter().map(|path| OpenOptions::new().append(true).open(path)).collect::<Result<_, _>>()?;
    let (stop, processes) = (AtomicBool::new(false), server.processes());
    let (cpu, began) = (usage::cpu_seconds(&processes), now_ns());
    std::thread::scope(|scope| {
        let writer = writer::start(scope, Sink::Files(files), Speed::PerSecond(RATE), lines, &stop);
        let deadline = began + 60_000_000_000;
        while !client.readers.iter().all(Reader::is_over) && now_ns() < deadline {
            client.poll(Duration::from_millis(20))?;
        }
        writer.join().map_err(|_| std::io::Error::other("the writer panicked"))??;
        Ok((usage::cpu_seconds(&processes) - cpu) * 1e12 / (now_ns() - began) as f64)
    })
}

/// How long the first line of a new file takes, in milliseconds.
fn first_of_new(server: &Server, folder: &Path) -> Outcome<f64> {
    let failed = |error: std::io::Error| format!("a new file: {error}");
    let mut client = Client::new().map_err(failed)?;
    client.connect(&Stream::http(server.port, "/events?log=new-*"), Expected::all(0, 0)).map_err(failed)?;
    client.settle().map_err(failed)?;
    served(&client)?;
    let mut text = Vec::new();
    line::push(&mut text, 0, now_ns());
    OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(folder.join("new-1.log"))
        .and_then(|mut file| file.write_all(&text))
        .map_err(failed)?;
    let deadline = now_ns() + 10_000_000_000;
    while !client.readers[0].is_over() && now_ns() < deadline {
        client.poll(Duration::from_millis(20)).map_err(failed)?;
    }
    if client.readers[0].sequence().missing() > 0 {
        return Err("the first line of a new file did not come within ten seconds".to_owned());
    }
    Ok(client.latency.quantile_ms(1.0))
}
