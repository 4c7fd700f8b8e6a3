//! A log from its start to one client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{NGINX, SIDETAIL, WEBSOCKETD, YARDSTICK, note_losses};
use crate::Outcome;
use crate::bench::{Bench, Log, Peer, Turns, contender};
use crate::load::sequence::Expected;
use crate::load::target::Target as Stream;
use crate::measure::{Delivered, replay};
use crate::peer::{Server, nginx, sidetail, websocketd, yardstick};
use crate::report::{Report, Target, Unit};

/// The least that a server on actix-web has to do.
const ACTIX: &str = "actix-web";
/// sidetail, told that the lines are plain: what formats would cost a stream that does not ask for what lines say.
const PLAIN: &str = "format = \"plain\"";
const LIMIT: Duration = Duration::from_secs(60);

/// How fast bytes of the log's content are delivered, in MB/s.
fn rates(turns: &Turns<Delivered>, name: &str, log: &Log) -> Option<Vec<f64>> {
    turns.get(name, |one| log.bytes as f64 / one.seconds / 1e6)
}

pub fn run(bench: &Bench) -> Outcome<Report> {
    let log = bench.log(bench.sized(1024, 256, 4))?;
    let expected = Expected::all(0, log.lines - 1);
    let recorded = bench.has(Peer::Nginx).then(|| record(bench, &log)).transpose()?;
    let whole = |server: &Server, target: &Stream| replay(server, target, expected, LIMIT)?.exact();
    let config = bench.folder("plain")?.join("sidetail.toml");
    let plain = format!("[[log]]\nname = \"app\"\npath = \"{}\"\n{PLAIN}\n", log.path.display());
    std::fs::write(&config, plain).map_err(|error| format!("{}: {error}", config.display()))?;
    let from_start = |server: &Server| whole(server, &Stream::http(server.port, "/events?from=start"));
    let mut contenders = vec![
        contender(SIDETAIL, || from_start(&sidetail::start(bench, &log.path)?)),
        contender(PLAIN, || from_start(&sidetail::start_with(bench, &["--config", &config.display().to_string()])?)),
    ];
    if let Some(recorded) = &recorded {
        contenders.push(contender(NGINX, || {
            let server = nginx::serve(bench, recorded)?;
            whole(&server, &server.target)
        }));
    }
    if let Some(recorded) = recorded.as_ref().filter(|_| bench.has(Peer::Yardstick)) {
        contenders.push(contender(ACTIX, || {
            let server = yardstick::start(bench, recorded, 1024)?;
            whole(&server, &Stream::http(server.port, "/file"))
        }));
    }
    if bench.has(Peer::Yardstick) {
        contenders.push(contender(YARDSTICK, || {
            let server = yardstick::start(bench, &log.path, 1024)?;
            whole(&server, &Stream::http(server.port, "/events?from=0"))
        }));
    }
    let turns = bench.in_turn(contenders)?;

    let mut report = Report::new(format!("catchup: a log of {} MiB from=start, one client", log.bytes >> 20));
    let ours = rates(&turns, SIDETAIL, &log).unwrap_or_default();
    let (what, unit) = ("MB of log a second", Unit::Megabytes);
    report.ratio(
        &format!("{what}; nginx sends the same SSE bytes"),
        NGINX,
        unit,
        &ours,
        rates(&turns, NGINX, &log),
        Target::AtLeast(0.6),
    );
    let same = format!("{what}; actix-web reads and sends the same SSE bytes");
    report.ratio(&same, ACTIX, unit, &ours, rates(&turns, ACTIX, &log), Target::None);
    report.ratio(what, YARDSTICK, unit, &ours, rates(&turns, YARDSTICK, &log), Target::AtLeast(4.0));
    let same = format!("{what}; its format found by itself and said to be plain");
    report.ratio(&same, PLAIN, unit, &ours, rates(&turns, PLAIN, &log), Target::None);
    let wire = |name| turns.get(name, |one| one.bytes / one.seconds / 1e6);
    report.ratio("the same on the wire", NGINX, unit, &wire(SIDETAIL).unwrap_or_default(), wire(NGINX), Target::None);
    report.figure(
        "CPU of the server",
        Unit::Seconds,
        &turns.get(SIDETAIL, |one| one.cpu_seconds).unwrap_or_default(),
        Target::None,
    );
    if bench.has(Peer::Websocketd) {
        beside_websocketd(bench, &mut report)?;
    }
    Ok(report)
}

/// The bytes that sidetail sends for `log`, as a file.
fn record(bench: &Bench, log: &Log) -> Outcome<PathBuf> {
    let path = bench.folder("recorded")?.join("app.sse");
    let server = sidetail::start(bench, &log.path)?;
    let url = format!("http://127.0.0.1:{}/events?from=start&follow=false", server.port);
    fetch(&url, &path)?;
    std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn fetch(url: &str, path: &Path) -> Outcome<()> {
    let status = Command::new("curl").args(["--silent", "--show-error", "--fail", "--output"]).arg(path).arg(url).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("curl {url}: {status}")),
        Err(error) => Err(format!("curl: {error}")),
    }
}

/// websocketd is so slow that it gets a smaller log.
fn beside_websocketd(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let log = bench.log(bench.sized(64, 16, 1))?;
    let expected = Expected::all(0, log.lines - 1);
    let turns = bench.in_turn(vec![
        contender(SIDETAIL, || {
            let server = sidetail::start(bench, &log.path)?;
            replay(&server, &Stream::http(server.port, "/events?from=start"), expected, LIMIT)?.exact()
        }),
        contender(WEBSOCKETD, || {
            let server = websocketd::start(bench, &log.path, "+1")?;
            replay(&server, &server.target, expected, LIMIT)
        }),
    ])?;
    let what = format!("MB of log a second, of one of {} MiB", log.bytes >> 20);
    let ours = rates(&turns, SIDETAIL, &log).unwrap_or_default();
    report.ratio(&what, WEBSOCKETD, Unit::Megabytes, &ours, rates(&turns, WEBSOCKETD, &log), Target::AtLeast(40.0));
    note_losses(report, &turns);
    Ok(())
}
