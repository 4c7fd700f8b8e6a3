//! What one writes in an afternoon; `benches/yardstick`.

use std::path::Path;

use super::{Server, free_port};
use crate::Outcome;
use crate::bench::Bench;
use crate::load::target::Target;

/// Follows `log`, with a channel of `channel` lines: what does not fit is lost.
pub fn start(bench: &Bench, log: &Path, channel: u64) -> Outcome<Server> {
    let port = free_port()?;
    let mut command = bench.on_server_cpu(&bench.yardstick);
    command.arg(log).arg(port.to_string()).env("CHANNEL", channel.to_string());
    Server::start(command, Target::http(port, "/events"))
}
