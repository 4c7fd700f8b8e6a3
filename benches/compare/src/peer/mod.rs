//! The programs that are compared: each is started for one measurement, on the servers' processor, and ended after it.

pub mod frontail;
pub mod nchan;
pub mod nginx;
pub mod pipe;
pub mod sidetail;
pub mod websocketd;
pub mod yardstick;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::Outcome;
use crate::load::publisher::Publisher;
use crate::load::target::Target;
use crate::load::writer::Sink;
use crate::machine::usage;

/// How long a program may take to listen.
const START: Duration = Duration::from_secs(20);

/// A running server; ended, with the processes that it started, when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
    /// What a reader connects to unless a row says otherwise.
    pub target: Target,
    /// Where lines have to be posted, if it follows no file.
    publish: Option<String>,
}

impl Server {
    /// Starts `command` and waits until it listens on `port`.
    pub fn start(mut command: Command, target: Target) -> Outcome<Self> {
        let name = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let mut server = Server { child, port: target.port, target, publish: None };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{name} ended with {status}"));
            }
            if began.elapsed() > START {
                return Err(format!("{name} does not listen"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// It is told lines by posts to `path`.
    pub fn told_at(mut self, path: &str) -> Self {
        self.publish = Some(path.to_owned());
        self
    }

    /// Where the writer of `log` has to write for this server to know.
    pub fn sink(&self, log: &Path) -> io::Result<Sink> {
        match &self.publish {
            None => Sink::file(log),
            Some(path) => Ok(Sink::Server(Publisher::connect(self.port, path)?)),
        }
    }

    /// Its processes.
    pub fn processes(&self) -> Vec<u32> {
        usage::tree(self.child.id())
    }
}

impl Drop for Server {
    /// Ends all of it, and waits for all of it: so its time is not taken for that of other programs.
    fn drop(&mut self) {
        let processes: Vec<_> =
            self.processes().into_iter().filter_map(|process| Pid::from_raw(i32::try_from(process).ok()?)).collect();
        for &process in processes.iter().rev() {
            // It may have ended by itself.
            let _ = kill_process(process, Signal::KILL);
        }
        let _ = self.child.wait();
        for &process in &processes[1..] {
            // Its parent may have waited for it.
            let _ = waitpid(Some(process), WaitOptions::empty());
        }
    }
}

/// A port that nobody uses now.
pub fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("a free port: {error}"))?;
    Ok(listener.local_addr().map_err(|error| format!("a free port: {error}"))?.port())
}

/// Whether `program` is in a folder of PATH or is a path that exists.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Path::new(program).is_file() || std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
