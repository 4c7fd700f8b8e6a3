//! Many readers in one thread, by epoll: each checks every line it gets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::clock::now_ns;
use super::decoder::Decoder;
use super::histogram::Histogram;
use super::sequence::{Expected, Scanner, Sequence};
use super::target::Target;

/// As much as is read at once, in bytes.
const READ_BYTES: usize = 256 << 10;
/// The least that a slow reader takes, in bytes.
const SLOW_READ_BYTES: f64 = 512.0;

/// One reader.
pub struct Reader {
    socket: TcpStream,
    decoder: Decoder,
    scanner: Scanner,
    greeting: Vec<u8>,
    /// How much it takes, if it is slow.
    pace: Option<Pace>,
    open: bool,
    /// Bytes received, the head too.
    pub bytes: u64,
    /// When the last line that it waits for came; 0 before.
    pub done_at_ns: u64,
}

struct Pace {
    bytes_per_second: f64,
    budget: f64,
    since_ns: u64,
}

impl Reader {
    /// What it has seen.
    pub fn sequence(&self) -> &Sequence {
        &self.scanner.sequence
    }

    /// Whether it reads slowly.
    pub fn is_slow(&self) -> bool {
        self.pace.is_some()
    }

    /// Whether nothing more is to come: all was seen, or the server has hung up.
    pub fn is_over(&self) -> bool {
        self.scanner.sequence.done() || !self.open
    }

    /// The status of the answer; 0 before it came.
    pub fn status(&self) -> u16 {
        self.decoder.status
    }

    /// How many bytes it may read now.
    fn allowance(&mut self, now: u64) -> usize {
        let Some(pace) = &mut self.pace else { return READ_BYTES };
        let elapsed = (now - pace.since_ns) as f64 / 1e9;
        pace.since_ns = now;
        pace.budget = (pace.budget + elapsed * pace.bytes_per_second).min(pace.bytes_per_second);
        if pace.budget < SLOW_READ_BYTES { 0 } else { (pace.budget as usize).min(READ_BYTES) }
    }
}

/// Readers of one or more streams.
pub struct Client {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    /// The readers, in the order in which they came.
    pub readers: Vec<Reader>,
    /// From the writing of a line to its receipt, over all readers.
    pub latency: Histogram,
    /// When anybody last received anything.
    pub heard_at_ns: u64,
}

impl Client {
    /// Without readers.
    pub fn new() -> io::Result<Self> {
        Ok(Client {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(1024),
            buffer: vec![0; READ_BYTES],
            readers: Vec::new(),
            latency: Histogram::new(),
            heard_at_ns: now_ns(),
        })
    }

    /// Adds a reader.
    pub fn connect(&mut self, target: &Target, expected: Expected) -> io::Result<()> {
        self.add(target, expected, None)
    }

    /// Adds a reader that takes only `bytes_per_second`.
    pub fn connect_slow(&mut self, target: &Target, expected: Expected, bytes_per_second: f64) -> io::Result<()> {
        self.add(target, expected, Some(Pace { bytes_per_second, budget: bytes_per_second, since_ns: now_ns() }))
    }

    fn add(&mut self, target: &Target, expected: Expected, pace: Option<Pace>) -> io::Result<()> {
        let mut socket = TcpStream::connect(target.address())?;
        socket.set_nodelay(true)?;
        socket.write_all(target.request().as_bytes())?;
        socket.set_nonblocking(true)?;
        if pace.is_none() {
            self.watch(&socket, self.readers.len())?;
        }
        self.readers.push(Reader {
            socket,
            decoder: Decoder::new(),
            scanner: Scanner::new(expected),
            greeting: target.greeting(),
            pace,
            open: true,
            bytes: 0,
            done_at_ns: 0,
        });
        Ok(())
    }

    fn watch(&self, socket: &TcpStream, index: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?)
    }

    /// Slow readers become fast.
    pub fn speed_up(&mut self) -> io::Result<()> {
        for index in 0..self.readers.len() {
            if self.readers[index].pace.take().is_some() && self.readers[index].open {
                self.watch(&self.readers[index].socket, index)?;
            }
        }
        Ok(())
    }

    /// Reads what there is; waits at most `patience` for it.
    pub fn poll(&mut self, patience: Duration) -> io::Result<()> {
        let slow = self.readers.iter().any(Reader::is_slow);
        let patience = if slow { patience.min(Duration::from_millis(10)) } else { patience };
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for at in 0..self.events.len() {
            self.read(self.events[at].data.u64() as usize, READ_BYTES)?;
        }
        if slow {
            self.poll_slow()?;
        }
        Ok(())
    }

    fn poll_slow(&mut self) -> io::Result<()> {
        let now = now_ns();
        for index in 0..self.readers.len() {
            let reader = &mut self.readers[index];
            if !reader.is_slow() || !reader.open {
                continue;
            }
            let allowed = reader.allowance(now);
            if allowed > 0 {
                let taken = self.read(index, allowed)?;
                if let Some(pace) = &mut self.readers[index].pace {
                    pace.budget -= taken as f64;
                }
            }
        }
        Ok(())
    }

    /// Reads at most `most` bytes for one reader and says how many there were.
    fn read(&mut self, index: usize, most: usize) -> io::Result<usize> {
        let reader = &mut self.readers[index];
        let length = match reader.socket.read(&mut self.buffer[..most]) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(0),
            Err(_) => 0,
        };
        if length > 0 {
            self.take(index, length)?;
        }
        let reader = &mut self.readers[index];
        if (length == 0 || reader.decoder.ended()) && reader.open {
            reader.open = false;
            if !reader.is_slow() {
                epoll::delete(&self.epoll, &reader.socket)?;
            }
        }
        Ok(length)
    }

    /// Takes the first `length` bytes of the buffer for one reader.
    fn take(&mut self, index: usize, length: usize) -> io::Result<()> {
        let now = now_ns();
        self.heard_at_ns = now;
        let Reader { socket, decoder, scanner, greeting, bytes, done_at_ns, .. } = &mut self.readers[index];
        *bytes += length as u64;
        let in_head = !decoder.in_body();
        decoder.feed(&self.buffer[..length], |body| {
            scanner.feed(body, |written| self.latency.add(now.saturating_sub(written)));
        });
        if in_head && decoder.in_body() && !greeting.is_empty() {
            socket.write_all(greeting)?;
        }
        if *done_at_ns == 0 && scanner.sequence.done() {
            *done_at_ns = now;
        }
        Ok(())
    }

    /// Reads until every answer's head is there and nothing has come for a while.
    pub fn settle(&mut self) -> io::Result<()> {
        let deadline = now_ns() + 20_000_000_000;
        while self.readers.iter().any(|reader| !reader.decoder.in_body() && reader.open && !reader.is_slow()) {
            if now_ns() > deadline {
                return Err(io::Error::new(ErrorKind::TimedOut, "a server that does not answer every reader within 20 s"));
            }
            self.poll(Duration::from_millis(20))?;
        }
        let until = now_ns() + 300_000_000;
        while now_ns() < until {
            self.poll(Duration::from_millis(20))?;
        }
        Ok(())
    }
}
