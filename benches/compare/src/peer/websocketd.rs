//! websocketd with `tail`: a process for each subscriber, a message a line.

use std::path::Path;

use super::{Server, free_port};
use crate::Outcome;
use crate::bench::Bench;
use crate::load::target::{Protocol, Target};

/// The program.
pub const PROGRAM: &str = "websocketd";

/// Runs `tail -n LINES -F` for each subscriber.
pub fn start(bench: &Bench, log: &Path, lines: &str) -> Outcome<Server> {
    let port = free_port()?;
    let mut command = bench.on_server_cpu(PROGRAM);
    command.args(["--address=127.0.0.1", &format!("--port={port}"), "--loglevel=fatal", "tail", "-n", lines, "-F"]).arg(log);
    Server::start(command, Target { port, path: "/".to_owned(), protocol: Protocol::WebSocket(Vec::new()) })
}
