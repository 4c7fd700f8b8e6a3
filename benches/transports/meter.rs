//! The CPU time of a process, to the nanosecond: all its threads' `/proc/PID/task/*/schedstat`.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How much CPU time a process takes. To be sampled every second: threads that wait for work end after some seconds, and
/// with them what the system knows of them.
pub struct Meter {
    tasks: PathBuf,
    began: HashMap<String, u64>,
    latest: HashMap<String, u64>,
}

impl Meter {
    /// Counts from now on.
    pub fn start(process: u32) -> io::Result<Self> {
        let tasks = PathBuf::from(format!("/proc/{process}/task"));
        let mut meter = Meter { tasks, began: HashMap::new(), latest: HashMap::new() };
        meter.sample()?;
        meter.began.clone_from(&meter.latest);
        Ok(meter)
    }

    /// Reads the clock of every thread.
    pub fn sample(&mut self) -> io::Result<()> {
        for task in std::fs::read_dir(&self.tasks)? {
            let task = task?;
            // It may have ended since it was listed.
            let Ok(stat) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let spent = stat.split(' ').next().and_then(|spent| spent.parse().ok());
            let spent = spent.ok_or_else(|| io::Error::other(format!("{stat:?} in schedstat")))?;
            self.latest.insert(task.file_name().to_string_lossy().into_owned(), spent);
        }
        Ok(())
    }

    /// What was spent since the start.
    pub fn spent(&mut self) -> io::Result<Duration> {
        self.sample()?;
        let before = |task| self.began.get(task).copied().unwrap_or(0);
        Ok(Duration::from_nanos(self.latest.iter().map(|(task, &spent)| spent.saturating_sub(before(task))).sum()))
    }
}
