//! The alarm clock: wakes the follower when a watched directory changed. A notification is a hint to look, never a
//! fact; without notifications everything works, later. The only place that names `notify`.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::Deserialize;

use super::catalog::Watching;

/// How changes are learnt of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// Notifications where the file system gives them, else polling.
    #[default]
    Auto,
    /// Notifications on every file system.
    Notify,
    /// Polling only.
    Poll,
}

/// How many changed paths are remembered until the follower wakes; beyond that it looks at everything.
const PATHS_MAX: usize = 4096;
/// How long after a failed try to watch the next one is made.
const RETRY: Duration = Duration::from_secs(60);
/// File systems on which other hosts write without a notification here (`statfs(2)`): NFS, CIFS, SMB2, 9p, FUSE, Ceph.
const REMOTE_FILE_SYSTEMS: [u32; 6] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546, 0x00c3_6400];

/// What rang.
#[derive(Debug, Default)]
pub struct Rung {
    /// Files whose content may have changed.
    pub paths: HashSet<PathBuf>,
    /// How often a file was deleted from a path, or moved away from it.
    pub removed: HashMap<PathBuf, usize>,
    /// Whether files may have come, gone or changed names.
    pub names: bool,
    /// Whether anything may have changed.
    pub all: bool,
    /// Whether the follower is to end.
    pub stop: bool,
    /// How many times somebody asked for a look until now.
    pub asked: u64,
}

/// The bell: rung from any thread, heard by the follower.
#[derive(Clone, Debug, Default)]
pub struct Alarm(Arc<(Mutex<Rung>, Condvar)>);

impl Alarm {
    /// Rings for the follower to end.
    pub fn stop(&self) {
        self.ring(|rung| rung.stop = true);
    }

    /// Asks for a look at the file at each of `paths`, and at names; which request this is.
    pub fn ask(&self, paths: impl IntoIterator<Item = PathBuf>) -> u64 {
        let mut rung = self.lock();
        rung.asked += 1;
        rung.paths.extend(paths);
        self.0.1.notify_one();
        rung.asked
    }

    /// Waits until it rings or somebody asks after the first `answered` times, but not beyond `until`; takes what rang.
    pub fn wait(&self, until: Instant, answered: u64) -> Rung {
        let timeout = until.saturating_duration_since(Instant::now());
        let quiet = |rung: &mut Rung| rung.paths.is_empty() && !rung.names && !rung.all && !rung.stop && rung.asked == answered;
        let waited = self.0.1.wait_timeout_while(self.lock(), timeout, quiet);
        let (mut rung, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        let asked = rung.asked;
        std::mem::replace(&mut *rung, Rung { asked, ..Rung::default() })
    }

    fn ring(&self, set: impl FnOnce(&mut Rung)) {
        set(&mut self.lock());
        self.0.1.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How soon after another a change counts as one of many.
const BUSY: Duration = Duration::from_millis(5);
/// How long many changes are left to the system, which makes one of those that follow each other in one file.
const GATHER: Duration = Duration::from_millis(3);
/// How long all that was gathered is taken before that is done again.
const TAKE: Duration = Duration::from_micros(200);

/// What hears notifications, on the thread that gives them.
struct Ear {
    alarm: Alarm,
    heard: Instant,
    open_until: Instant,
}

impl Ear {
    fn hear(&mut self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else { return self.alarm.ring(|rung| rung.all = true) };
        if event.need_rescan() {
            return self.alarm.ring(|rung| rung.all = true);
        }
        let names = match event.kind {
            // Every reader's own open would wake it.
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => false,
            _ => true,
        };
        let removed = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)));
        self.alarm.ring(|rung| {
            rung.names |= names;
            rung.all |= rung.paths.len() >= PATHS_MAX;
            if !rung.all {
                for path in event.paths.iter().filter(|_| removed) {
                    *rung.removed.entry(path.clone()).or_default() += 1;
                }
                rung.paths.extend(event.paths);
            }
        });
        if !names {
            self.gather();
        }
    }

    /// Hears nothing for a moment, if changes come thick: a writer of ten thousand lines a second would wake this thread as
    /// often.
    fn gather(&mut self) {
        let now = Instant::now();
        let is_busy = now.duration_since(self.heard) < BUSY;
        self.heard = now;
        if is_busy && now >= self.open_until {
            std::thread::sleep(GATHER);
            self.heard = Instant::now();
            self.open_until = self.heard + TAKE;
        }
    }
}

/// The directories that are watched.
pub struct Watch {
    mode: WatchMode,
    alarm: Alarm,
    watcher: Option<RecommendedWatcher>,
    watched: HashMap<PathBuf, (u64, u64)>,
    degraded: Option<String>,
    retry_at: Option<Instant>,
}

impl Watch {
    /// Watches nothing yet, and rings `alarm` when it does.
    pub fn new(mode: WatchMode, alarm: Alarm) -> Self {
        Watch { mode, alarm, watcher: None, watched: HashMap::new(), degraded: None, retry_at: None }
    }

    /// Watches exactly `directories`, as far as that can be had.
    pub fn set(&mut self, directories: &HashSet<PathBuf>) {
        if self.mode == WatchMode::Poll || self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        let wanted: HashMap<_, _> = directories.iter().filter_map(|path| Some((path.clone(), directory_id(path)?))).collect();
        let mut failed = None;
        if self.watcher.is_none() {
            let alarm = self.alarm.clone();
            let mut ear = Ear { alarm, heard: Instant::now(), open_until: Instant::now() };
            match notify::recommended_watcher(move |event| ear.hear(event)) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => failed = Some(format!("notifications can't be had: {error}")),
            }
        }
        if let Some(watcher) = &mut self.watcher {
            let stale: Vec<_> =
                self.watched.iter().filter(|(path, id)| wanted.get(*path) != Some(id)).map(|(path, _)| path.clone()).collect();
            for path in stale {
                self.watched.remove(&path);
                // It is gone, or was replaced by another of the same name: there may be nothing to end.
                let _ = watcher.unwatch(&path);
            }
            for (path, id) in wanted {
                if self.watched.contains_key(&path) || (self.mode == WatchMode::Auto && is_remote(&path)) {
                    continue;
                }
                match watcher.watch(&path, RecursiveMode::NonRecursive) {
                    Ok(()) => drop(self.watched.insert(path, id)),
                    Err(error) => failed = Some(format!("{}: can't be watched: {error}", path.display())),
                }
            }
        }
        self.retry_at = failed.is_some().then(|| Instant::now() + RETRY);
        self.degraded = failed;
    }

    /// Whether changes in `directory` ring the alarm.
    pub fn covers(&self, directory: &Path) -> bool {
        self.watched.contains_key(directory)
    }

    /// How changes are learnt of, for the status page.
    pub fn status(&self) -> Watching {
        let mode = if self.watched.is_empty() { "poll" } else { "notify" };
        Watching { mode, degraded: self.degraded.clone() }
    }
}

fn directory_id(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn is_remote(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|answer| REMOTE_FILE_SYSTEMS.contains(&(answer.f_type as u32)))
}
