//! Who runs on which core: servers on one, writer and clients on the other, so that neither takes the other's time.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The core of what is measured.
pub const SERVER_CORE: &str = "0";
/// The core of what measures.
pub const LOAD_CORE: &str = "1";

/// A command that runs `program` on `core`, where there are two.
pub fn command(core: &str, program: &Path) -> Command {
    if !are_two() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// Puts this process, and every thread that it starts from now on, on the load's core.
pub fn take_load_core() -> io::Result<()> {
    if !are_two() {
        eprintln!("only one core: servers and clients share it");
        return Ok(());
    }
    let id = std::process::id().to_string();
    let status = Command::new("taskset").args(["-c", "-p", LOAD_CORE, &id]).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("taskset failed")) }
}

/// Asked of the system once: the process itself may be on one core later.
fn are_two() -> bool {
    static TWO: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TWO.get_or_init(|| thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2))
}
