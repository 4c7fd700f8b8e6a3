//! One measurement: readers, maybe a writer, and what it cost the server.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::Outcome;
use crate::load::client::{Client, Reader};
use crate::load::clock::now_ns;
use crate::load::sequence::Expected;
use crate::load::target::Target;
use crate::load::writer::{self, Speed};
use crate::machine::usage;
use crate::peer::Server;

const POLL: Duration = Duration::from_millis(20);
/// How long nothing may come before a reader that waits for more is taken to have lost it.
const QUIET_NS: u64 = 5_000_000_000;

/// What was delivered, and at what cost.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Lines, to all readers together.
    pub lines: f64,
    /// Bytes on the wire.
    pub bytes: f64,
    /// From the first request, or the first line's writing, to the last line's receipt.
    pub seconds: f64,
    /// Of the server.
    pub cpu_seconds: f64,
    /// From writing to receipt.
    pub p50_ms: f64,
    /// From writing to receipt.
    pub p99_ms: f64,
    /// The server's memory, at most.
    pub resident_kib: f64,
    /// Lines that never came.
    pub missing: u64,
    /// Lines that came twice, late, or that nobody wanted.
    pub wrong: u64,
}

impl Delivered {
    /// Itself, if every line came once and in order.
    pub fn exact(self) -> Outcome<Self> {
        if self.missing + self.wrong > 0 {
            return Err(format!("no result: {} lines missing, {} doubled, late or unwanted", self.missing, self.wrong));
        }
        Ok(self)
    }

    /// Processor seconds for a million lines.
    pub fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.lines
    }

    /// Lines a second.
    pub fn lines_per_second(&self) -> f64 {
        self.lines / self.seconds
    }
}

/// The server's cost since the start.
struct Meter {
    processes: Vec<u32>,
    cpu_seconds: f64,
    resident_kib: u64,
    due_ns: u64,
}

impl Meter {
    fn start(server: &Server) -> Self {
        let processes = server.processes();
        Meter { cpu_seconds: usage::cpu_seconds(&processes), resident_kib: 0, due_ns: 0, processes }
    }

    fn tick(&mut self) {
        let now = now_ns();
        if now >= self.due_ns {
            self.due_ns = now + 100_000_000;
            self.resident_kib = self.resident_kib.max(usage::resident_kib(&self.processes));
        }
    }

    /// What `readers` got between the time `began_ns` and now.
    fn delivered(&self, client: &Client, readers: &[&Reader], began_ns: u64) -> Delivered {
        let ended = readers.iter().map(|reader| if reader.done_at_ns > 0 { reader.done_at_ns } else { client.heard_at_ns });
        let sum = |of: fn(&Reader) -> u64| readers.iter().map(|reader| of(reader)).sum::<u64>();
        Delivered {
            lines: sum(|reader| reader.sequence().lines) as f64,
            bytes: sum(|reader| reader.bytes) as f64,
            seconds: ended.max().unwrap_or(0).saturating_sub(began_ns) as f64 / 1e9,
            cpu_seconds: usage::cpu_seconds(&self.processes) - self.cpu_seconds,
            p50_ms: client.latency.quantile_ms(0.5),
            p99_ms: client.latency.quantile_ms(0.99),
            resident_kib: self.resident_kib as f64,
            missing: sum(|reader| reader.sequence().missing()),
            wrong: sum(|reader| reader.sequence().doubled + reader.sequence().unwanted),
        }
    }
}

/// One reader gets what is there already; stops after `limit` in any case.
pub fn replay(server: &Server, target: &Target, expected: Expected, limit: Duration) -> Outcome<Delivered> {
    let failed = |error: std::io::Error| format!("reading {}: {error}", target.path);
    let mut meter = Meter::start(server);
    let mut client = Client::new().map_err(failed)?;
    let began = now_ns();
    client.connect(target, expected).map_err(failed)?;
    read(&mut client, &mut meter, began + limit.as_nanos() as u64, || true).map_err(failed)?;
    answered(&client)?;
    let readers: Vec<_> = client.readers.iter().collect();
    Ok(meter.delivered(&client, &readers, began))
}

/// Readers of a log that is being written.
pub struct Live<'a> {
    /// The log.
    pub log: &'a Path,
    /// What each reader asks for.
    pub targets: Vec<Target>,
    /// What each of them should get.
    pub expected: Expected,
    /// How fast the log grows.
    pub speed: Speed,
    /// How many lines it gets.
    pub lines: u64,
    /// After how long it is stopped in any case.
    pub limit: Duration,
    /// How many bytes a second one more reader takes.
    pub slow: Option<f64>,
}

impl Live<'_> {
    /// What the fast readers got; then what the slow one had in the end, after it was let go.
    pub fn run(&self, server: &Server) -> Outcome<(Delivered, Delivered)> {
        let failed = |error: std::io::Error| format!("a live run: {error}");
        let mut client = Client::new().map_err(failed)?;
        for target in &self.targets {
            client.connect(target, self.expected).map_err(failed)?;
        }
        if let Some(pace) = self.slow {
            client.connect_slow(&self.targets[0], self.expected, pace).map_err(failed)?;
        }
        client.settle().map_err(failed)?;
        answered(&client)?;
        let mut meter = Meter::start(server);
        let began = self.write_and_read(server, &mut client, &mut meter).map_err(failed)?;
        let fast: Vec<_> = client.readers.iter().filter(|reader| !reader.is_slow()).collect();
        let delivered = meter.delivered(&client, &fast, began);
        if self.slow.is_none() {
            return Ok((delivered, Delivered::default()));
        }
        client.speed_up().map_err(failed)?;
        client.heard_at_ns = now_ns();
        read(&mut client, &mut meter, now_ns() + self.limit.as_nanos() as u64, || true).map_err(failed)?;
        let slow: Vec<_> = client.readers.last().into_iter().collect();
        Ok((delivered, meter.delivered(&client, &slow, began)))
    }

    /// Says when the first line was written.
    fn write_and_read(&self, server: &Server, client: &mut Client, meter: &mut Meter) -> std::io::Result<u64> {
        let stop = AtomicBool::new(false);
        let sink = server.sink(self.log)?;
        thread::scope(|scope| {
            let writer = writer::start(scope, sink, self.speed, self.lines, &stop);
            let outcome = read(client, meter, now_ns() + self.limit.as_nanos() as u64, || writer.is_finished());
            stop.store(true, Ordering::Relaxed);
            let began = writer.join().map_err(|_| std::io::Error::other("the writer panicked"))??;
            outcome.map(|()| began)
        })
    }
}

/// Reads until every fast reader has all, the time is up, or all is `written` and nothing comes any more.
fn read(client: &mut Client, meter: &mut Meter, until_ns: u64, written: impl Fn() -> bool) -> std::io::Result<()> {
    loop {
        client.poll(POLL)?;
        meter.tick();
        let now = now_ns();
        let over = client.readers.iter().all(|reader| reader.is_slow() || reader.is_over());
        if over || now > until_ns || (written() && now > client.heard_at_ns + QUIET_NS) {
            return Ok(());
        }
    }
}

/// Whether the server has accepted every reader.
fn answered(client: &Client) -> Outcome<()> {
    match client.readers.iter().map(Reader::status).find(|status| !matches!(status, 0 | 101 | 200)) {
        Some(status) => Err(format!("the server answered {status}")),
        None => Ok(()),
    }
}
