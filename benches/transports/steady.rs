//! Clients that read a log as it is written: bytes, latency and the server's CPU for each event. A run in which a client
//! misses a line, or has one twice, is an error and no result.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::client::open;
use crate::meter::Meter;
use crate::plan::Load;
use crate::server::Server;
use crate::server::nginx::Nginx;
use crate::transport::Transport;
use crate::wire::Target;
use crate::writer::{Writer, origin};

/// What an event costs.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Bytes through the sockets of the clients, in both directions.
    pub bytes: f64,
    /// Bytes of the line, its end included.
    pub line_bytes: f64,
    /// From write to receipt.
    pub p50: Duration,
    pub p99: Duration,
    /// CPU time of the server.
    pub cpu: Duration,
}

/// How often the server's threads are looked at.
const SAMPLE: Duration = Duration::from_millis(500);

/// What a client tells.
enum Report {
    /// It waits for the first line.
    Ready,
    /// It has all lines: how long each took.
    Done(Vec<Duration>),
    Failed(io::Error),
}

/// Measures a transport; behind an nginx with `proxy` in its `location`, if there is one.
pub fn measure(transport: Transport, load: Load, proxy: Option<&str>, patience: Duration) -> io::Result<Figures> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("app.log");
    let mut writer = Writer::new(&log)?;
    let server = Server::start(transport, &log, None)?;
    let nginx = proxy.map(|more| Nginx::start(server.port, more)).transpose()?;
    let target = Target { patience, ..Target::new(nginx.as_ref().map_or(server.port, |nginx| nginx.port)) };
    let (reports, from_clients) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..load.clients {
            // Clients of the same interval do not ask at the same time.
            let delay = transport.interval() * number / load.clients;
            let (target, reports) = (&target, reports.clone());
            scope.spawn(move || {
                thread::sleep(delay);
                let done = read(transport, target, load.lines, &reports);
                // Nobody listens any more once another client has failed.
                let _ = reports.send(done.map_or_else(Report::Failed, Report::Done));
            });
        }
        for _ in 0..load.clients {
            match from_clients.recv().map_err(io::Error::other)? {
                Report::Ready => {}
                Report::Done(_) => return Err(io::Error::other("a client was done before the first line")),
                Report::Failed(error) => return Err(error),
            }
        }
        target.bytes.store(0, Ordering::Relaxed);
        let mut meter = Meter::start(server.id())?;
        let writing = scope.spawn(|| writer.write(load).map(|()| writer.bytes));
        let mut delays = Vec::new();
        let mut left = load.clients;
        while left > 0 {
            match from_clients.recv_timeout(SAMPLE) {
                Ok(Report::Done(one)) => (delays.extend(one), left -= 1).1,
                Ok(Report::Failed(error)) => return Err(error),
                Ok(Report::Ready) => {}
                Err(RecvTimeoutError::Timeout) => meter.sample()?,
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("a client panicked")),
            }
        }
        let cpu = meter.spent()?;
        let written = writing.join().expect("the writer does not panic")?;
        delays.sort_unstable();
        let events = delays.len() as u64;
        Ok(Figures {
            bytes: target.bytes.load(Ordering::Relaxed) as f64 / events as f64,
            line_bytes: written as f64 / load.lines as f64,
            p50: percentile(&delays, 50),
            p99: percentile(&delays, 99),
            cpu: Duration::from_nanos(cpu.as_nanos() as u64 / events),
        })
    })
}

/// Reads all lines, in order; how long each took.
fn read(transport: Transport, target: &Target, lines: u64, reports: &Sender<Report>) -> io::Result<Vec<Duration>> {
    let (mut client, _) = open(transport, target, None)?;
    reports.send(Report::Ready).map_err(io::Error::other)?;
    let mut delays = Vec::with_capacity(lines as usize);
    for expected in 0..lines {
        let event = client.next().map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("nothing for {} s", target.patience.as_secs()),
                _ => error.to_string(),
            };
            io::Error::other(format!("{expected} of {lines} lines came, then {why}"))
        })?;
        let (number, delay) = origin(&event)?;
        if number != expected {
            return Err(io::Error::other(format!("line {number} instead of {expected}")));
        }
        delays.push(delay);
    }
    Ok(delays)
}

/// The value that so many of a hundred do not exceed, of `sorted` values.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let place = (sorted.len() * hundredths).div_ceil(100);
    sorted[place.saturating_sub(1)]
}
