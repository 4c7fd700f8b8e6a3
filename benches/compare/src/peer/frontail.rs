//! frontail: a page of a log over socket.io, a message a line.

use std::path::Path;
use std::process::Command;

use super::{Server, free_port};
use crate::Outcome;
use crate::bench::Bench;
use crate::load::target::{Protocol, Target};

/// Follows `log`. Its namespace is the MD5 of the file's name.
pub fn start(bench: &Bench, log: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let name = log.display().to_string();
    let mut command = bench.on_server_cpu(&bench.frontail);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--disable-usage-stats", "--number", "0", &name]);
    let join = format!("40/{},", md5(&name)?);
    let path = "/socket.io/?EIO=3&transport=websocket".to_owned();
    Server::start(command, Target { port, path, protocol: Protocol::WebSocket(vec![join]) })
}

fn md5(text: &str) -> Outcome<String> {
    let script = format!("printf %s '{text}' | md5sum");
    let output = Command::new("sh").args(["-c", &script]).output().map_err(|error| format!("md5sum: {error}"))?;
    let hash = String::from_utf8_lossy(&output.stdout);
    hash.split(' ').next().filter(|hash| hash.len() == 32).map(str::to_owned).ok_or_else(|| format!("md5sum said {hash:?}"))
}
