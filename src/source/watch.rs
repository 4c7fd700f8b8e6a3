//! The alarm clock: wakes the follower when a watched directory changed. A notification is a hint to look, never a
//! fact; without notifications everything works, later. The only place that names `notify`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use notify::event::{ModifyKind, RemoveKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::fs::{MemfdFlags, memfd_create};
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
    /// Whether some of what happened was not heard: `removed` tells too little then.
    pub deaf: bool,
    /// How many marks were heard.
    pub marks: u64,
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
pub struct Alarm(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<Rung>,
    rings: Condvar,
    /// Files whose changes ring.
    heeded: RwLock<HashSet<PathBuf>>,
}

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
        self.0.rings.notify_one();
        rung.asked
    }

    /// Waits until it rings or somebody asks after the first `answered` times, but not beyond `until`; takes what rang.
    pub fn wait(&self, until: Instant, answered: u64) -> Rung {
        let timeout = until.saturating_duration_since(Instant::now());
        let quiet = |rung: &mut Rung| {
            let nothing = rung.paths.is_empty() && rung.marks == 0 && !rung.names && !rung.all && !rung.stop;
            nothing && rung.asked == answered
        };
        let waited = self.0.rings.wait_timeout_while(self.lock(), timeout, quiet);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let asked = rung.asked;
        std::mem::replace(&mut *rung, Rung { asked, ..Rung::default() })
    }

    /// Rings for changes of the content of these files, and no others, from now on.
    pub fn heed(&self, paths: impl IntoIterator<Item = PathBuf>) {
        *self.0.heeded.write().unwrap_or_else(PoisonError::into_inner) = paths.into_iter().collect();
    }

    fn heeds(&self, path: &Path) -> bool {
        self.0.heeded.read().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn ring(&self, set: impl FnOnce(&mut Rung)) {
        set(&mut self.lock());
        self.0.rings.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How soon after another a change counts as one of many.
const BUSY: Duration = Duration::from_millis(5);
/// How soon after another it is one of those that wait already, and are to be heard before there are too many of them.
const WAITING: Duration = Duration::from_micros(20);
/// How long many changes are left to the system, which makes one of those that follow each other in one file.
const GATHER: Duration = Duration::from_millis(3);
/// How long all that was gathered is taken before that is done again.
const TAKE: Duration = Duration::from_micros(200);

/// What hears notifications, on the thread that gives them.
struct Ear {
    alarm: Alarm,
    mark: Option<PathBuf>,
    heard: Instant,
    open_until: Instant,
}

impl Ear {
    fn hear(&mut self, event: notify::Result<notify::Event>) {
        let Some(event) = event.ok().filter(|event| !event.need_rescan()) else {
            return self.alarm.ring(|rung| (rung.all, rung.deaf) = (true, true));
        };
        let names = match event.kind {
            // Every reader's own open would wake it.
            EventKind::Access(_) => return,
            _ if self.mark.is_some() && event.paths.first() == self.mark.as_ref() => {
                let is_written = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
                return self.alarm.ring(|rung| rung.marks += u64::from(is_written));
            }
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => false,
            _ => true,
        };
        let removed = match event.kind {
            // No log ever was in a folder's place.
            EventKind::Remove(kind) => kind != RemoveKind::Folder,
            kind => kind == EventKind::Modify(ModifyKind::Name(RenameMode::From)),
        };
        if !names && !event.paths.iter().any(|path| self.alarm.heeds(path)) {
            return self.gather();
        }
        self.alarm.ring(|rung| {
            rung.names |= names;
            rung.all |= rung.paths.len() >= PATHS_MAX;
            for path in event.paths.iter().filter(|_| removed) {
                rung.deaf |= rung.removed.len() >= PATHS_MAX;
                if !rung.deaf {
                    *rung.removed.entry(path.clone()).or_default() += 1;
                }
            }
            if !rung.all {
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
        let is_busy = (WAITING..BUSY).contains(&now.duration_since(self.heard));
        self.heard = now;
        if is_busy && now >= self.open_until {
            std::thread::sleep(GATHER);
            self.heard = Instant::now();
            self.open_until = self.heard + TAKE;
        }
    }
}

/// A file of our own that is watched like all others. Changes are heard in the order in which they happen, so whoever has
/// heard that it was written has heard of everything before.
struct Mark {
    file: File,
    path: PathBuf,
    /// How often it was written, and how often it is to be; it is written again when that was heard.
    written: u64,
    wanted: u64,
    heard: u64,
}

impl Mark {
    fn new() -> io::Result<Self> {
        let memory = memfd_create("sidetail", MemfdFlags::CLOEXEC)?;
        // Of what is written through the descriptor as it was made nothing is told.
        let file = File::options().write(true).open(format!("/proc/self/fd/{}", memory.as_raw_fd()))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Ok(Mark { file, path, written: 0, wanted: 0, heard: 0 })
    }

    fn write(&mut self) {
        if self.written == self.heard && self.written < self.wanted {
            self.written += 1;
            // It fails where no memory is left: then it is as if nothing more is heard.
            let _ = self.file.write_all_at(b"*", 0);
        }
    }
}

/// The directories that are watched.
pub struct Watch {
    mode: WatchMode,
    alarm: Alarm,
    watcher: Option<RecommendedWatcher>,
    mark: Option<Mark>,
    watched: HashMap<PathBuf, (u64, u64)>,
    /// Those that can't be watched, until they are tried again.
    failed: HashSet<PathBuf>,
    retry_at: Instant,
    degraded: Option<String>,
}

impl Watch {
    /// Watches nothing yet, and rings `alarm` when it does.
    pub fn new(mode: WatchMode, alarm: Alarm) -> Self {
        Watch {
            mode,
            alarm,
            watcher: None,
            mark: None,
            watched: HashMap::new(),
            failed: HashSet::new(),
            retry_at: Instant::now(),
            degraded: None,
        }
    }

    /// Watches exactly `directories`, as far as that can be had.
    pub fn set(&mut self, directories: &HashSet<PathBuf>) {
        if let Some(watcher) = &mut self.watcher {
            let is_stale = |(path, id): &(&PathBuf, &_)| !directories.contains(*path) || directory_id(path) != Some(**id);
            let stale: Vec<_> = self.watched.iter().filter(is_stale).map(|(path, _)| path.clone()).collect();
            for path in stale {
                self.watched.remove(&path);
                // It is gone, or was replaced by another of the same name: there may be nothing to end.
                let _ = watcher.unwatch(&path);
            }
        }
        if Instant::now() >= self.retry_at {
            self.failed.clear();
            self.degraded = None;
        }
        directories.iter().for_each(|directory| self.add(directory));
    }

    /// Watches `directory` too: before a file in it is opened, so that all that happens to its name since is heard.
    pub fn add(&mut self, directory: &Path) {
        if self.mode == WatchMode::Poll || self.failed.contains(directory) || self.watched.contains_key(directory) {
            return;
        }
        let Some(id) = directory_id(directory) else { return };
        if self.mode == WatchMode::Auto && is_remote(directory) {
            return;
        }
        if let Err(why) = self.watch(directory) {
            if self.failed.is_empty() {
                self.retry_at = Instant::now() + RETRY;
            }
            self.failed.insert(directory.to_path_buf());
            self.degraded = Some(why);
            return;
        }
        self.watched.insert(directory.to_path_buf(), id);
    }

    fn watch(&mut self, directory: &Path) -> Result<(), String> {
        if self.watcher.is_none() {
            self.watcher = Some(self.begin().map_err(|error| format!("notifications can't be had: {error}"))?);
        }
        let Some(watcher) = &mut self.watcher else { return Ok(()) };
        let watched = watcher.watch(directory, RecursiveMode::NonRecursive);
        watched.map_err(|error| format!("{}: can't be watched: {error}", directory.display()))
    }

    fn begin(&mut self) -> notify::Result<RecommendedWatcher> {
        let mark = Mark::new().ok();
        let path = mark.as_ref().map(|mark| mark.path.clone());
        let (alarm, now) = (self.alarm.clone(), Instant::now());
        let mut ear = Ear { alarm, mark: path.clone(), heard: now, open_until: now };
        let mut watcher = notify::recommended_watcher(move |event| ear.hear(event))?;
        // Where /proc is not there nothing can be marked.
        let is_watched = path.is_some_and(|path| watcher.watch(&path, RecursiveMode::NonRecursive).is_ok());
        self.mark = mark.filter(|_| is_watched);
        Ok(watcher)
    }

    /// Marks this moment: [`Watch::has_heard`] tells by the number that it gives when all that happened before was heard.
    /// `None` where that can't be told.
    pub fn mark(&mut self) -> Option<u64> {
        let mark = self.mark.as_mut()?;
        mark.wanted = mark.written + 1;
        mark.write();
        Some(mark.wanted)
    }

    /// Takes notice of what rang.
    pub fn hear(&mut self, rung: &Rung) {
        if let Some(mark) = &mut self.mark {
            mark.heard += rung.marks;
            mark.write();
        }
    }

    /// Whether all that happened before a mark was heard.
    pub fn has_heard(&self, number: u64) -> bool {
        self.mark.as_ref().is_none_or(|mark| mark.heard >= number)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_heard_after_all_that_happened_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let alarm = Alarm::default();
        let mut watch = Watch::new(WatchMode::Notify, alarm.clone());
        watch.set(&HashSet::from([folder.path().to_path_buf()]));
        let path = folder.path().join("a.log");
        for round in 1..=20 {
            for _ in 0..50 {
                std::fs::write(&path, "content").unwrap();
                std::fs::remove_file(&path).unwrap();
            }
            let (before, mark) = (watch.mark().unwrap(), watch.mark().unwrap());
            assert!(mark >= before && mark > round);
            let mut removed = 0;
            while !watch.has_heard(mark) {
                let rung = alarm.wait(Instant::now() + Duration::from_secs(10), 0);
                assert!(rung.marks > 0 || !rung.paths.is_empty(), "nothing was heard");
                removed += rung.removed.get(&path).copied().unwrap_or(0);
                watch.hear(&rung);
            }
            assert_eq!(removed, 50);
        }
    }
}
