//! The program that all this is about.

use std::path::Path;
use std::process::Command;

use super::{Server, free_port};
use crate::Outcome;
use crate::bench::Bench;
use crate::load::target::Target;

/// Follows `log` under the name `app`.
pub fn start(bench: &Bench, log: &Path) -> Outcome<Server> {
    start_with(bench, &[&format!("app={}", log.display())])
}

/// With these arguments.
pub fn start_with(bench: &Bench, arguments: &[&str]) -> Outcome<Server> {
    let port = free_port()?;
    Server::start(command(bench, port, arguments), Target::http(port, "/events"))
}

/// The command that serves on `port`.
pub fn command(bench: &Bench, port: u16, arguments: &[&str]) -> Command {
    let mut command = bench.on_server_cpu(&bench.sidetail);
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--max-subscribers", "20000"]).args(arguments);
    command
}
