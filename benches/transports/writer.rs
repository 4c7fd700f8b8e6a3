//! The log: numbered lines, each with the moment at which it was written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::event::Event;
use crate::plan::Load;

/// What the times in the lines count from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The writer of one log.
pub struct Writer {
    file: File,
    /// The number of the next line.
    pub next: u64,
    /// All bytes that were written.
    pub bytes: u64,
}

impl Writer {
    /// Begins an empty log.
    pub fn new(path: &Path) -> io::Result<Self> {
        LazyLock::force(&BEGAN);
        Ok(Writer { file: OpenOptions::new().create_new(true).append(true).open(path)?, next: 0, bytes: 0 })
    }

    /// Writes one line, as a program that logs does: at once.
    pub fn line(&mut self) -> io::Result<()> {
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        let (number, at) = (self.next, BEGAN.elapsed().as_nanos());
        let line = format!("{time} INFO seq={number:06} at={at:015} 10.0.0.7 \"GET /api/orders/4711 HTTP/1.1\" 200 5120 0.012\n");
        self.file.write_all(line.as_bytes())?;
        self.next += 1;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Writes the lines of a load, each when it is due.
    pub fn write(&mut self, load: Load) -> io::Result<()> {
        let began = Instant::now();
        for number in 0..load.lines {
            let due = Duration::from_secs_f64(number as f64 / load.rate as f64);
            thread::sleep(due.saturating_sub(began.elapsed()));
            self.line()?;
        }
        Ok(())
    }
}

/// The number of the line that an event carries, and how long ago it was written.
pub fn origin(event: &Event) -> io::Result<(u64, Duration)> {
    let now = BEGAN.elapsed();
    let field = |name: &str| event.data.split_once(name)?.1.split(' ').next()?.parse::<u64>().ok();
    match (field(" seq="), field(" at=")) {
        (Some(number), Some(at)) => Ok((number, now.saturating_sub(Duration::from_nanos(at)))),
        _ => Err(io::Error::other(format!("{:?} is no line of the writer", event.data))),
    }
}
