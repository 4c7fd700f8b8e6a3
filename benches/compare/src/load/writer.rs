//! Who writes the log while it is read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::clock::{now_ns, sleep_until};
use super::line;
use super::publisher::Publisher;

/// How fast lines come.
#[derive(Clone, Copy, Debug)]
pub enum Speed {
    /// So many lines a second, each millisecond its share.
    PerSecond(u64),
    /// As fast as it goes, 64 lines a write.
    FlatOut,
}

/// Where lines go.
pub enum Sink {
    /// To the end of these files, the same line to each.
    Files(Vec<File>),
    /// To a server that has to be told each line.
    Server(Publisher),
}

impl Sink {
    /// The end of a file.
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Sink::Files(vec![OpenOptions::new().append(true).create(true).open(path)?]))
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::Files(files) => files.iter_mut().try_for_each(|file| file.write_all(lines)),
            Sink::Server(publisher) => publisher.publish(lines),
        }
    }
}

/// Writes the lines 0 to `lines` in a thread of its own, until it is done or `stop` is set; gives the
/// time of the first line.
pub fn start<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    mut sink: Sink,
    speed: Speed,
    lines: u64,
    stop: &'scope AtomicBool,
) -> thread::ScopedJoinHandle<'scope, io::Result<u64>> {
    scope.spawn(move || {
        let began_ns = now_ns();
        let mut buffer = Vec::with_capacity(1 << 20);
        let (mut next, mut tick) = (0, 0);
        while next < lines && !stop.load(Ordering::Relaxed) {
            let until = match speed {
                Speed::FlatOut => next + 64,
                Speed::PerSecond(rate) => {
                    tick += 1;
                    let tick_ns = 1_000_000_000 / rate.min(1000);
                    sleep_until(began_ns + tick * tick_ns);
                    tick * tick_ns * rate / 1_000_000_000
                }
            };
            let until = until.min(lines);
            buffer.clear();
            let now = now_ns();
            (next..until).for_each(|sequence| line::push(&mut buffer, sequence, now));
            sink.write(&buffer)?;
            next = until;
        }
        Ok(began_ns)
    })
}

/// Makes a log of about `bytes` bytes; says how many lines and bytes it has.
pub fn fill(path: &Path, bytes: u64) -> io::Result<(u64, u64)> {
    let mut file = File::create(path)?;
    let mut buffer = Vec::with_capacity(1 << 20);
    let (mut lines, mut written) = (0, 0);
    while written < bytes {
        buffer.clear();
        while buffer.len() < 1 << 19 && written + (buffer.len() as u64) < bytes {
            line::push(&mut buffer, lines, 0);
            lines += 1;
        }
        file.write_all(&buffer)?;
        written += buffer.len() as u64;
    }
    // Writing it to the disk later would disturb what is measured.
    file.sync_all()?;
    Ok((lines, written))
}
