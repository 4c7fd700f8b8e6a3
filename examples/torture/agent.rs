//! The real sidetail as a child process.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Options;

/// A running sidetail; killed when dropped.
pub struct Agent {
    program: PathBuf,
    folder: PathBuf,
    log_level: String,
    subscribers: usize,
    child: Child,
    pub port: u16,
}

impl Agent {
    /// Starts `sidetail` on all logs in `folder`.
    pub fn start(options: &Options, folder: &Path) -> io::Result<Self> {
        let program = match &options.sidetail {
            Some(program) => program.clone(),
            None => beside_this_one()?,
        };
        let log_level = options.log_level.clone();
        // Those of before a cut may not be gone yet.
        let subscribers = options.clients * 2;
        let (child, port) = spawn(&program, folder, &log_level, subscribers, 0)?;
        Ok(Agent { program, folder: folder.to_path_buf(), log_level, subscribers, child, port })
    }

    /// Ends it as `kill -9` does and starts it again on the same port.
    pub fn kill_and_start(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        (self.child, _) = spawn(&self.program, &self.folder, &self.log_level, self.subscribers, self.port)?;
        Ok(())
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().map(drop)
    }

    /// Its memory in MiB and its open files.
    pub fn takes(&self) -> (u64, usize) {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<u64>().ok());
        (kib.unwrap_or(0) / 1024, std::fs::read_dir(process.join("fd")).map_or(0, Iterator::count))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn beside_this_one() -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let beside = this.parent().and_then(Path::parent).map(|folder| folder.join("sidetail")).filter(|path| path.exists());
    beside.ok_or_else(|| io::Error::other("sidetail is not built: cargo build --release, or say --sidetail PATH"))
}

fn spawn(program: &Path, folder: &Path, log_level: &str, subscribers: usize, port: u16) -> io::Result<(Child, u16)> {
    let mut command = Command::new(program);
    command.arg(folder).args([
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--log-level",
        log_level,
        "--max-subscribers",
        &subscribers.to_string(),
    ]);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
    let port = line.trim().trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
    Ok((child, port.ok_or_else(|| io::Error::other("sidetail did not start"))?))
}
