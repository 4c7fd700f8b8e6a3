//! Server and load on processors of their own.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getpid, getrlimit, set_child_subreaper, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processor of the servers.
pub const SERVER_CPU: usize = 0;
/// The processor of writer and readers.
pub const LOAD_CPU: usize = 1;

/// Puts this process on the load's processor and lets it, and what it starts, open as many files as the system allows.
/// Processes that lose their parent become children of this one. Says whether there are two processors to keep apart.
pub fn prepare() -> Result<bool, String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|error| format!("raising the limit of open files: {error}"))?;
    set_child_subreaper(Some(getpid())).map_err(|error| format!("becoming the parent of orphans: {error}"))?;
    let available = sched_getaffinity(None).map_err(|error| format!("the processors: {error}"))?;
    let two = available.is_set(SERVER_CPU) && available.is_set(LOAD_CPU);
    if two {
        let mut own = CpuSet::new();
        own.set(LOAD_CPU);
        sched_setaffinity(None, &own).map_err(|error| format!("choosing a processor: {error}"))?;
    }
    Ok(two)
}

/// A command that runs on the servers' processor, if that is one of its own.
pub fn on_server_cpu(program: &str, pinned: bool) -> Command {
    if !pinned {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &SERVER_CPU.to_string(), program]);
    command
}
