//! A temporary folder with logs in it, and agents that follow them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::agent::{Agent, Setup};
use super::log::Log;

/// A folder of its own for one test, removed at its end.
pub struct World {
    folder: TempDir,
}

impl World {
    /// An empty folder.
    pub fn new() -> Self {
        World { folder: TempDir::with_prefix("world-").expect("a temporary folder") }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where `name` stands in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A log that is written at `name`, created (with its parents) if it is not there.
    pub fn log(&self, name: &str) -> Log {
        Log::open(self.path(name))
    }

    /// Writes a whole file, its parents too.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a path in the folder")).expect("parents");
        fs::write(&path, content).expect("a file");
        path
    }

    /// How an agent is to be started; `@` in an argument stands for the folder.
    pub fn setup(&self, args: &[&str]) -> Setup {
        Setup::new(self.folder(), args)
    }

    /// An agent that serves already; `@` in an argument stands for the folder.
    pub fn agent(&self, args: &[&str]) -> Agent {
        self.setup(args).start()
    }

    /// The names of all that is in the folder, sorted.
    pub fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).expect("the folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
