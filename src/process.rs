//! What this process takes of the machine, as `/proc` tells.

mod code;

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

pub use code::give_back_code;

/// What this process takes now. What can't be told is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time of processors since it started, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory that it holds, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Descriptors that are open.
    pub open_files: Option<usize>,
    /// Descriptors that may be open; none where there is no limit.
    pub open_files_max: Option<u64>,
}

impl Usage {
    /// What it is now.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or(Vec::new(), |(_, fields)| fields.split(' ').collect());
        let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
        let ticks = field(14).zip(field(15)).map(|(user, system)| user + system);
        Usage {
            cpu_seconds: ticks.map(|ticks| ticks as f64 / clock_ticks_per_second() as f64),
            threads: field(20),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * page_size() as u64),
            // One of them is that of the listing itself.
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1)),
            open_files_max: getrlimit(Resource::Nofile).current,
        }
    }
}

/// Memory that this process has for itself and can't be taken back, in bytes.
pub fn private_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split(' ').skip(1).map_while(|pages| pages.parse::<u64>().ok());
    Some(pages.next()?.saturating_sub(pages.next()?) * page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_takes_something_of_everything() {
        let usage = Usage::now();
        assert!(usage.resident_bytes.is_some_and(|bytes| bytes > 100_000 && bytes < 1 << 32), "{usage:?}");
        assert!(usage.open_files.is_some_and(|files| files >= 3), "{usage:?}");
        assert!(usage.cpu_seconds.is_some() && usage.threads.is_some_and(|threads| threads > 0), "{usage:?}");
    }
}
