//! Server-Sent Events through an nginx that buffers, as it does for servers which do not say `X-Accel-Buffering: no`.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::open;
use crate::plan::Load;
use crate::server::Server;
use crate::server::nginx::{BUFFERING, Nginx};
use crate::transport::Transport;
use crate::wire::Target;
use crate::writer::{Writer, origin};

/// How long a client that hears nothing waits after the last line.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a client had of a log.
#[derive(Clone, Debug)]
pub struct Held {
    /// How long after the first line the client heard anything at all; nothing if it never did.
    pub first: Option<Duration>,
    /// How many of the last lines were still held back when nothing was written any more.
    pub behind: u64,
}

/// Reads a log while it is written, and for a while after.
pub fn measure(load: Load) -> io::Result<Held> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("app.log");
    let mut writer = Writer::new(&log)?;
    let server = Server::start(Transport::Sse, &log, None)?;
    let nginx = Nginx::start(server.port, BUFFERING)?;
    let writing_time = Duration::from_secs_f64(load.lines as f64 / load.rate as f64);
    let target = Target { patience: writing_time + PATIENCE, ..Target::new(nginx.port) };
    thread::scope(|scope| {
        let reading = scope.spawn(|| read(&target));
        writer.write(load)?;
        let (first, had) = reading.join().expect("the client does not panic")?;
        Ok(Held { first, behind: load.lines - had })
    })
}

/// How long it took until something came, and the number after that of the last line that did.
fn read(target: &Target) -> io::Result<(Option<Duration>, u64)> {
    let began = Instant::now();
    let silent = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let mut client = match open(Transport::Sse, target, None) {
        Ok((client, _)) => client,
        Err(error) if silent(&error) => return Ok((None, 0)),
        Err(error) => return Err(error),
    };
    let (first, mut had) = (began.elapsed(), 0);
    loop {
        match client.next() {
            Ok(event) => had = origin(&event)?.0 + 1,
            Err(error) if silent(&error) => return Ok((Some(first), had)),
            Err(error) => return Err(error),
        }
    }
}
