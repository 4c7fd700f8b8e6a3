//! The program that all this is about.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
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

/// How far it knows the only file of its log, in bytes, as it tells.
pub fn known_bytes(server: &Server) -> Outcome<u64> {
    let mut answer = String::new();
    let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).and_then(|mut socket| {
        socket.write_all(b"GET /logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        socket.read_to_string(&mut answer)
    });
    asked.map_err(|error| format!("/logs: {error}"))?;
    let digits =
        answer.split_once("\"last\":").map(|(_, rest)| rest.trim_start().split(|digit: char| !digit.is_ascii_digit()).next());
    digits.flatten().and_then(|digits| digits.parse().ok()).ok_or_else(|| format!("/logs tells no end: {answer}"))
}
