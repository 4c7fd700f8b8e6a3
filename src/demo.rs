//! A small web shop that exists only in its logs: what `sidetail demo` follows, so that everything can be tried
//! without a log of one's own. It writes two rotating logs into a temporary folder of its own. It never writes
//! anywhere else, never talks to a network, and its names, addresses and orders are made up.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use story::Story;

mod story;

/// How much of the past is already there when the demo starts: enough for `app.log` to have been rotated once.
const HISTORY: Duration = Duration::from_secs(35);
const APP_ROTATES_EVERY: Duration = Duration::from_secs(20);
const WEB_ROTATES_EVERY: Duration = Duration::from_secs(30);
/// How many rotated files of a log are kept.
const ROTATED_FILES_MAX: u32 = 3;

/// A running demo: its folder is removed and its writer ended when this is dropped.
pub struct Demo {
    folder: TempDir,
    stop: Sender<()>,
    writer: Option<JoinHandle<()>>,
}

impl Demo {
    /// Creates the folder, writes the last half minute of the shop's life into it and goes on writing in a thread.
    ///
    /// Should a write fail later (the folder may have been removed by hand), the writer just ends: the logs stand
    /// still, which is what their readers then see.
    pub fn start() -> io::Result<Demo> {
        let folder = tempfile::Builder::new().prefix("sidetail-demo-").tempdir()?;
        let now = SystemTime::now();
        let mut at = now - HISTORY;
        let mut writer = Writer::create(folder.path(), at)?;
        while at < now {
            at += writer.step(at)?;
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("demo".into());
        // The result is dropped on purpose: see above.
        let writer = Some(thread.spawn(move || drop(writer.run(&stopped)))?);
        Ok(Demo { folder, stop, writer })
    }

    /// The logs' names and files: `app`, a service log, and `web`, an access log in nginx's combined form.
    pub fn logs(&self) -> Vec<(&'static str, PathBuf)> {
        ["app", "web"].map(|name| (name, self.folder.path().join(format!("{name}.log")))).into()
    }
}

impl Drop for Demo {
    /// Ends the writer before the folder goes, so that nothing is created in it meanwhile.
    fn drop(&mut self) {
        // An error of either means that the writer has ended already.
        let _ = self.stop.send(());
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

/// Puts the story into the files, each scene at its time.
struct Writer {
    story: Story,
    app: Rotating,
    web: Rotating,
}

impl Writer {
    fn create(folder: &Path, at: SystemTime) -> io::Result<Writer> {
        let app = Rotating::create(folder.join("app.log"), APP_ROTATES_EVERY, at)?;
        let web = Rotating::create(folder.join("web.log"), WEB_ROTATES_EVERY, at)?;
        Ok(Writer { story: Story::new(), app, web })
    }

    fn run(&mut self, stopped: &Receiver<()>) -> io::Result<()> {
        loop {
            let pause = self.step(SystemTime::now())?;
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return Ok(());
            }
        }
    }

    /// Writes the next scene as of `at`; returns the pause after it.
    fn step(&mut self, at: SystemTime) -> io::Result<Duration> {
        let scene = self.story.next(at);
        self.app.write(&scene.app, at)?;
        self.web.write(&scene.web, at)?;
        Ok(scene.pause)
    }
}

/// A log that is rotated by renaming: `app.log` becomes `app.log.1`, that `app.log.2`, and so on.
struct Rotating {
    path: PathBuf,
    file: File,
    every: Duration,
    rotated: SystemTime,
}

impl Rotating {
    fn create(path: PathBuf, every: Duration, at: SystemTime) -> io::Result<Rotating> {
        Ok(Rotating { file: File::create(&path)?, path, every, rotated: at })
    }

    fn write(&mut self, text: &str, at: SystemTime) -> io::Result<()> {
        if at.duration_since(self.rotated).unwrap_or_default() >= self.every {
            self.rotate()?;
            self.rotated = at;
        }
        self.file.write_all(text.as_bytes())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| match number {
            0 => self.path.clone(),
            _ => PathBuf::from(format!("{}.{number}", self.path.display())),
        };
        for number in (0..ROTATED_FILES_MAX).rev().filter(|&number| numbered(number).exists()) {
            fs::rename(numbered(number), numbered(number + 1))?;
        }
        self.file = File::create_new(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Instant, UNIX_EPOCH};

    #[test]
    fn a_demo_starts_with_a_past_and_takes_its_folder_along() {
        let demo = Demo::start().expect("a temporary folder can be written");
        let logs = demo.logs();
        let lines = |path: &Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
        let past: usize = ["app.log", "app.log.1", "web.log"].iter().map(|name| lines(&demo.folder.path().join(name))).sum();
        assert!(past > 150, "{past} lines");
        assert!(logs.iter().all(|(name, path)| path.ends_with(format!("{name}.log"))));
        assert!(lines(&demo.folder.path().join("app.log.1")) > 0);
        let started = Instant::now();
        drop(demo);
        assert!(started.elapsed() < Duration::from_millis(100));
        assert!(!logs[0].1.parent().expect("a log lies in a folder").exists());
    }

    #[test]
    fn rotation_keeps_three_files_and_drops_the_oldest() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let path = folder.path().join("app.log");
        let mut log = Rotating::create(path.clone(), Duration::from_secs(10), at(0)).expect("a file can be made");
        for life in 0..6 {
            log.write(&format!("life {life}\n"), at(life * 10)).expect("a line can be written");
        }
        let read = |suffix: &str| fs::read_to_string(format!("{}{suffix}", path.display())).ok();
        let lives = ["", ".1", ".2", ".3", ".4"].map(read);
        assert_eq!(
            lives,
            [5, 4, 3, 2].map(|life| Some(format!("life {life}\n"))).into_iter().chain([None]).collect::<Vec<_>>()[..]
        );
    }
}
