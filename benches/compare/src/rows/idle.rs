//! Nothing happens.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{SIDETAIL, YARDSTICK};
use crate::Outcome;
use crate::bench::{Bench, Peer, Size, contender};
use crate::load::client::Client;
use crate::load::sequence::Expected;
use crate::machine::usage;
use crate::peer::{Server, sidetail, yardstick};
use crate::report::{Report, Target, Unit};

/// What rest costs.
struct Rest {
    resident_kib: f64,
    kib_each: f64,
    cpu_ms_a_second: f64,
}

pub fn run(bench: &Bench) -> Outcome<Report> {
    let readers = bench.sized(1000, 500, 20);
    // A heartbeat comes every 15 seconds, and costs; two seconds after the last client left memory is given back.
    let long = Duration::from_millis(bench.sized(15_000, 4000, 300));
    let short = Duration::from_millis(bench.sized(5000, 1000, 300));
    // First of all: names that have just changed are looked at for a while.
    let logs = ten_logs(bench)?;
    let mut contenders = vec![contender(SIDETAIL, || rest(&sidetail::start(bench, &bench.empty_log()?)?, readers, long))];
    if bench.size != Size::Quick && bench.has(Peer::Yardstick) {
        contenders.push(contender(YARDSTICK, || rest(&yardstick::start(bench, &bench.empty_log()?, 1024)?, readers, short)));
    }
    let subscribed = bench.in_turn(contenders)?;
    let quiet = bench.in_turn(vec![
        contender(SIDETAIL, || quiet_logs(bench, &logs, "notify", long)),
        contender("by polling", || quiet_logs(bench, &logs, "poll", long)),
    ])?;
    let each = |name| subscribed.get(name, |rest| rest.kib_each);
    let mut report = Report::new(format!("idle: {readers} subscribers of a quiet log; ten quiet logs and nobody"));
    let ours = each(SIDETAIL).unwrap_or_default();
    report.figure("memory a subscriber", Unit::Kib, &ours, Target::AtMost(11.0));
    report.ratio("memory a subscriber", YARDSTICK, Unit::Kib, &ours, each(YARDSTICK), Target::None);
    let cpu = subscribed.get(SIDETAIL, |rest| rest.cpu_ms_a_second).unwrap_or_default();
    report.figure(&format!("CPU with {readers} subscribers"), Unit::CpuMs, &cpu, Target::AtMost(1.0));
    let cpu = |name| quiet.get(name, |rest| rest.cpu_ms_a_second).unwrap_or_default();
    report.figure("CPU with ten quiet logs", Unit::CpuMs, &cpu(SIDETAIL), Target::AtMost(1.0));
    report.figure("the same by polling", Unit::CpuMs, &cpu("by polling"), Target::AtMost(1.0));
    let resident = quiet.get(SIDETAIL, |rest| rest.resident_kib).unwrap_or_default();
    report.figure("memory with ten quiet logs", Unit::Kib, &resident, Target::AtMost(6.0 * 1024.0));
    Ok(report)
}

/// Connects `readers` and waits.
fn rest(server: &Server, readers: usize, time: Duration) -> Outcome<Rest> {
    let failed = |error: std::io::Error| format!("idle subscribers: {error}");
    let processes = server.processes();
    let mut client = Client::new().map_err(failed)?;
    // What serving takes at all is not a reader's.
    for _ in 0..readers.min(1) {
        client.connect(&server.target, Expected::open()).map_err(failed)?;
    }
    client.settle().map_err(failed)?;
    let before = usage::resident_kib(&processes);
    for _ in 0..readers {
        client.connect(&server.target, Expected::open()).map_err(failed)?;
    }
    client.settle().map_err(failed)?;
    let cpu = usage::cpu_seconds(&processes);
    let began = Instant::now();
    while began.elapsed() < time {
        client.poll(Duration::from_millis(100)).map_err(failed)?;
    }
    let cpu = usage::cpu_seconds(&processes) - cpu;
    let resident = usage::resident_kib(&processes);
    if client.readers.iter().any(|reader| reader.is_over() || reader.status() != 200) {
        return Err("not every subscriber was served".to_owned());
    }
    Ok(Rest {
        resident_kib: resident as f64,
        kib_each: resident.saturating_sub(before) as f64 / readers.max(1) as f64,
        cpu_ms_a_second: cpu * 1e3 / began.elapsed().as_secs_f64(),
    })
}

/// A folder with ten logs that nobody has written for an hour.
fn ten_logs(bench: &Bench) -> Outcome<PathBuf> {
    let folder = bench.folder("quiet")?;
    // What was written a minute ago is looked at as if it went on.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..10 {
        let path = folder.join(format!("quiet-{number}.log"));
        let written = std::fs::write(&path, "2026-11-22T10:00:00Z INFO nothing more\n");
        let aged = written.and_then(|()| File::options().write(true).open(&path)?.set_modified(hour_ago));
        aged.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(folder)
}

fn quiet_logs(bench: &Bench, logs: &Path, watch: &str, time: Duration) -> Outcome<Rest> {
    let server = sidetail::start_with(bench, &[&logs.display().to_string(), "--watch", watch])?;
    std::thread::sleep(Duration::from_millis(300));
    rest(&server, 0, time)
}
