//! What the clients talk to, each a process of its own: sidetail, the WebSocket bridge, and nginx before them.

pub mod bridge;
mod frames;
pub mod nginx;

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::cores::{self, SERVER_CORE};
use crate::transport::Transport;

/// A running server; ended when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts what serves `log` by a transport, on the servers' core.
    pub fn start(transport: Transport, log: &Path, heartbeat: Option<Duration>) -> io::Result<Self> {
        let mut command;
        if transport == Transport::WebSocket {
            command = cores::command(SERVER_CORE, &std::env::current_exe()?);
            command.arg("--bridge").arg(log);
        } else {
            command = cores::command(SERVER_CORE, Path::new(env!("CARGO_BIN_EXE_sidetail")));
            command.arg(format!("app={}", log.display())).args(["--listen", "127.0.0.1:0", "--log-level", "warn"]);
            if let Some(heartbeat) = heartbeat {
                command.arg("--heartbeat").arg(humantime::format_duration(heartbeat).to_string());
            }
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        let port = line.trim().trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        match port {
            Some(port) => Ok(Server { child, port }),
            None => Err(io::Error::other(format!("{} did not start: {}", transport.name(), child.wait()?))),
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
