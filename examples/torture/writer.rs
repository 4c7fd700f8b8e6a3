//! The writer: numbered lines with times, and every way to rotate a log.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use clap::ValueEnum;

/// A way to rotate a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Rotation {
    /// Renamed, and a new file created: logrotate's default.
    Rename,
    /// The same, but a writer goes on in the old file for a while.
    Late,
    /// Two rotations back to back.
    Double,
    /// Renamed, and the file before compressed.
    Compress,
    /// Copied and cut to nothing while lines are written.
    Copytruncate,
    /// Deleted and created anew.
    Recreate,
}

impl Rotation {
    pub const ALL: [Rotation; 6] =
        [Rotation::Rename, Rotation::Late, Rotation::Double, Rotation::Compress, Rotation::Copytruncate, Rotation::Recreate];

    /// What it is, for the table.
    pub fn describe(self) -> &'static str {
        match self {
            Rotation::Rename => "rename, create",
            Rotation::Late => "rename, create, late lines in the old file",
            Rotation::Double => "two renames back to back",
            Rotation::Compress => "rename, compress the file before",
            Rotation::Copytruncate => "copytruncate under a writer",
            Rotation::Recreate => "delete, create",
        }
    }
}

/// The writer of one log.
pub struct Writer {
    path: PathBuf,
    file: File,
    /// The number of the next line.
    pub next: u64,
    /// The numbers of lines that were written to a file after its successor had been begun, and of the line before that in
    /// the same file.
    pub late: BTreeMap<u64, u64>,
    pub rotations: u64,
    /// How many rotated files are kept.
    kept: usize,
}

impl Writer {
    pub fn new(path: PathBuf, kept: usize) -> io::Result<Self> {
        let file = append(&path)?;
        Ok(Writer { path, file, next: 0, late: BTreeMap::new(), rotations: 0, kept })
    }

    /// Writes so many lines, spread over the time that they take at `rate` lines a second.
    pub fn write(&mut self, count: u64, rate: u64) -> io::Result<()> {
        const AT_ONCE: u64 = 50;
        let began = Instant::now();
        for written in (0..count).step_by(AT_ONCE as usize) {
            let lines = self.lines(AT_ONCE.min(count - written));
            self.file.write_all(lines.as_bytes())?;
            if rate > 0 {
                let due = Duration::from_secs_f64((written + AT_ONCE) as f64 / rate as f64);
                sleep(due.saturating_sub(began.elapsed()));
            }
        }
        Ok(())
    }

    fn lines(&mut self, count: u64) -> String {
        let name = self.path.file_name().unwrap_or_default().display();
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let lines =
            (self.next..self.next + count).map(|number| format!("{now} INFO log={name} seq={number} the quick brown fox\n"));
        self.next += count;
        lines.collect()
    }

    pub fn rotate(&mut self, how: Rotation) -> io::Result<()> {
        self.rotations += 1;
        match how {
            Rotation::Rename => self.rename().map(drop),
            Rotation::Late => {
                let mut old = self.rename()?;
                let before = self.next.saturating_sub(1);
                for _ in 0..10 {
                    self.late.extend((self.next..self.next + 5).map(|number| (number, before)));
                    let lines = self.lines(5);
                    old.write_all(lines.as_bytes())?;
                    let lines = self.lines(5);
                    self.file.write_all(lines.as_bytes())?;
                    sleep(Duration::from_millis(1));
                }
                Ok(())
            }
            Rotation::Double => {
                self.rename()?;
                let lines = self.lines(20);
                self.file.write_all(lines.as_bytes())?;
                self.rename().map(drop)
            }
            Rotation::Compress => {
                self.rename()?;
                let before = self.rotated(2, "");
                if !before.exists() || Command::new("gzip").arg(&before).status()?.success() {
                    return Ok(());
                }
                Err(io::Error::other(format!("gzip {} failed", before.display())))
            }
            Rotation::Copytruncate => {
                let first = self.make_room()?;
                fs::copy(&self.path, first)?;
                let lines = self.lines(20);
                self.file.write_all(lines.as_bytes())?;
                self.file.set_len(0)
            }
            Rotation::Recreate => {
                fs::remove_file(&self.path)?;
                self.file = append(&self.path)?;
                Ok(())
            }
        }
    }

    /// The old file, as a writer still has it open.
    fn rename(&mut self) -> io::Result<File> {
        let first = self.make_room()?;
        fs::rename(&self.path, first)?;
        Ok(std::mem::replace(&mut self.file, append(&self.path)?))
    }

    /// Moves every rotated file up by one and forgets the oldest; the name that is free then.
    fn make_room(&self) -> io::Result<PathBuf> {
        for number in (1..self.kept).rev() {
            for end in ["", ".gz"] {
                let from = self.rotated(number, end);
                if from.exists() {
                    fs::rename(from, self.rotated(number + 1, end))?;
                }
            }
        }
        for end in ["", ".gz"] {
            // There may be none so old.
            let _ = fs::remove_file(self.rotated(self.kept, end));
        }
        Ok(self.rotated(1, ""))
    }

    fn rotated(&self, number: usize, end: &str) -> PathBuf {
        PathBuf::from(format!("{}.{number}{end}", self.path.display()))
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The log that a [`Writer`] wrote a line to, and the line's number.
pub fn origin(line: &str) -> Option<(&str, u64)> {
    let (log, rest) = line.split_once("log=")?.1.split_once(" seq=")?;
    Some((log, rest.split(' ').next()?.parse().ok()?))
}
