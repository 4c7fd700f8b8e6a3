//! A log that says nothing for longer than nginx waits for its server: who is still there when the next line comes.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::open;
use crate::plan::Plan;
use crate::server::Server;
use crate::server::nginx::{Nginx, UPGRADE};
use crate::transport::Transport;
use crate::wire::Target;
use crate::writer::Writer;

/// How long after the silence the next line may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection lasted; `None` if it was there to the end.
pub fn measure(transport: Transport, plan: &Plan) -> io::Result<Option<Duration>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("app.log");
    let mut writer = Writer::new(&log)?;
    let server = Server::start(transport, &log, plan.heartbeat)?;
    let timeout = plan.proxy_timeout.map(|timeout| format!("proxy_read_timeout {}ms;", timeout.as_millis()));
    let upgrade = if transport == Transport::WebSocket { UPGRADE } else { "" };
    let nginx = Nginx::start(server.port, &format!("{} {upgrade}", timeout.unwrap_or_default()))?;
    let target = Target { patience: plan.silence + PATIENCE, ..Target::new(nginx.port) };
    let (mut client, _) = open(transport, &target, None)?;
    let began = Instant::now();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            thread::sleep(plan.silence);
            writer.line()
        });
        let lasted = match client.next() {
            Ok(_) => None,
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => Some(began.elapsed()),
            Err(error) => return Err(error),
        };
        writing.join().expect("the writer does not panic")?;
        Ok(lasted)
    })
}
