//! A client whose connection is cut again and again: which lines it never gets, and which twice.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, open};
use crate::plan::Load;
use crate::relay::Relay;
use crate::server::Server;
use crate::transport::Transport;
use crate::wire::Target;
use crate::writer::{Writer, origin};

/// How long a client waits before it comes back.
const AWAY: Duration = Duration::from_millis(50);
/// How long a client may take to have all lines.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub cuts: usize,
    pub lost: usize,
    pub repeated: u64,
}

/// Reads a log through cuts. A client that `remembers` says after which id when it comes back, otherwise it only connects
/// again, as `new WebSocket(url)` does.
pub fn measure(transport: Transport, load: Load, remembers: bool) -> io::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("app.log");
    let mut writer = Writer::new(&log)?;
    let server = Server::start(transport, &log, None)?;
    let relay = Relay::start(server.port)?;
    let target = Target::new(relay.port);
    let (ready, is_ready) = mpsc::channel();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let seen = Reader { transport, target: &target, remembers, seen: vec![0; load.lines as usize] }.run(ready);
            done.store(true, Ordering::Relaxed);
            seen
        });
        // Without it the client has failed, and `join` says why.
        if is_ready.recv().is_ok() {
            writer.write(load)?;
            let cuts = relay.cuts();
            relay.calm();
            // A client that remembers nothing may be away for the last line; it is done with any line after that.
            while !done.load(Ordering::Relaxed) {
                writer.line()?;
                thread::sleep(Duration::from_millis(20));
            }
            let seen = reading.join().expect("the client does not panic")?;
            let lost = seen.iter().filter(|&&times| times == 0).count();
            let repeated = seen.iter().map(|&times| times.saturating_sub(1)).sum();
            return Ok(Outcome { cuts, lost, repeated });
        }
        Err(reading.join().expect("the client does not panic").err().unwrap_or_else(|| io::Error::other("no client")))
    })
}

struct Reader<'a> {
    transport: Transport,
    target: &'a Target,
    remembers: bool,
    /// How often each line came.
    seen: Vec<u64>,
}

impl Reader<'_> {
    /// Reads, and comes back whenever it is cut off, until a line comes that is not counted any more.
    fn run(mut self, ready: mpsc::Sender<()>) -> io::Result<Vec<u64>> {
        let began = Instant::now();
        let mut id: Option<String> = None;
        while began.elapsed() < PATIENCE {
            let after = id.as_deref().filter(|_| self.remembers);
            match open(self.transport, self.target, after) {
                Ok((mut client, start)) => {
                    id = Some(start);
                    // The first time only; later nobody listens.
                    let _ = ready.send(());
                    if self.read(&mut *client, &mut id)? {
                        return Ok(self.seen);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Other => return Err(error),
                Err(_) => {}
            }
            thread::sleep(AWAY);
        }
        Err(io::Error::other(format!("{}: not all lines in {} s", self.transport.name(), PATIENCE.as_secs())))
    }

    /// Reads until the connection is cut, or all is read; which of the two.
    fn read(&mut self, client: &mut dyn Client, id: &mut Option<String>) -> io::Result<bool> {
        loop {
            let event = match client.next() {
                Ok(event) => event,
                Err(error) if error.kind() == io::ErrorKind::Other => return Err(error),
                Err(_) => return Ok(false),
            };
            let (number, _) = origin(&event)?;
            match self.seen.get_mut(number as usize) {
                Some(times) => *times += 1,
                None => return Ok(true),
            }
            *id = Some(event.id);
        }
    }
}
