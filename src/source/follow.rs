//! The follower: the one writer of the catalog. Looks at every log when something rang or its time has come, reads
//! what was appended, and keeps the generations in order through rotations. One thread; never knows who reads.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use super::append::{Block, HeldFile, sentence};
use super::catalog::{Log, LogState, Logs, Problem, Succession};
use super::change::{AtPath, Change, decide};
use super::generation::{Generation, Phase, Storage, not_regular, open_regular, storage_of};
use super::identity::FileIdentity;
use super::pattern::{Found, LogPattern};
use super::read::Trouble;
use super::siblings::{Sibling, is_copy, open_sibling, siblings};
use super::tail::Piece;
use super::watch::{Alarm, Rung, Watch, WatchMode};
use crate::event::{Continuity, RotateKind};

/// How the follower goes about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How changes are learnt of.
    pub watch: WatchMode,
    /// Bytes of memory for the newest records of all logs together.
    pub hot_tail_bytes: usize,
    /// How long a replaced file stays open.
    pub hold_time: Duration,
    /// How many bytes of replaced files stay open.
    pub hold_bytes: u64,
}

/// How long a replaced file must be quiet before its writers are taken to have left it.
pub const SETTLE: Duration = Duration::from_secs(10);
/// How long after a change a log is looked at often.
const HOT: Duration = Duration::from_secs(2);
/// The least time between two looks, so that a busy writer's lines are gathered.
const PACE: Duration = Duration::from_millis(2);
/// The coarsest clock by which a local file system dates its files.
const CLOCK_TICK: Duration = Duration::from_millis(20);
/// How often names are looked at without a notification.
const SCAN: Duration = Duration::from_secs(1);

/// A running follower; ends when dropped.
#[derive(Debug)]
pub struct Follower {
    alarm: Alarm,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.alarm.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed already.
            let _ = thread.join();
        }
    }
}

/// Starts to follow the logs that `patterns` mean.
///
/// # Errors
/// Where no thread can be started.
pub fn follow(patterns: Vec<LogPattern>, settings: Settings) -> std::io::Result<(Logs, Follower)> {
    let logs = Logs::new();
    let alarm = Alarm::default();
    let mut rounds = Rounds {
        watch: Watch::new(settings.watch, alarm.clone()),
        patterns,
        settings,
        logs: logs.clone(),
        followed: Vec::new(),
        by_path: HashMap::new(),
        serial: 0,
        block: Block::default(),
    };
    let bell = alarm.clone();
    let thread = std::thread::Builder::new().name("follow".into()).spawn(move || rounds.run(&bell))?;
    Ok((logs, Follower { alarm, thread: Some(thread) }))
}

/// One log as the follower holds it.
struct Followed {
    log: Arc<Log>,
    live: Option<HeldFile>,
    replaced: Vec<Replaced>,
    siblings: Vec<Sibling>,
    folder_modified: Option<SystemTime>,
    /// Since when no file has the log's name, while the last one is held.
    missing_since: Option<Instant>,
    due: Instant,
    hot_until: Instant,
}

/// A file that lost the log's name and is still read, for late writers.
struct Replaced {
    held: HeldFile,
    since: Instant,
    grew: Instant,
    settled: bool,
}

impl Followed {
    /// Whether names in the log's folder may have changed since the last time that this was asked.
    fn folder_changed(&mut self) -> bool {
        let folder = real_path(&self.log.path).parent().map(Path::to_path_buf);
        let modified = folder.and_then(|folder| std::fs::metadata(folder).ok()?.modified().ok());
        if modified.is_some() && modified == self.folder_modified {
            return false;
        }
        // Two changes within one tick of the file system's clock have the same time: ask again until it has passed.
        let settled = modified.is_some_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > CLOCK_TICK));
        self.folder_modified = modified.filter(|_| settled);
        true
    }
}

struct Rounds {
    watch: Watch,
    patterns: Vec<LogPattern>,
    settings: Settings,
    logs: Logs,
    followed: Vec<Followed>,
    by_path: HashMap<PathBuf, usize>,
    serial: u64,
    block: Block,
}

impl Rounds {
    fn run(&mut self, alarm: &Alarm) {
        let mut scan_due = Instant::now();
        let mut rung = Rung { all: true, ..Rung::default() };
        loop {
            let started = Instant::now();
            let mut changed = false;
            if rung.names || rung.all || started >= scan_due {
                changed = self.scan();
                scan_due = Instant::now() + SCAN;
            }
            self.mark_due(&rung, started);
            changed |= self.look_at_due(started);
            if changed {
                self.shed();
                self.logs.announce_moves();
            }
            self.logs.announce_looked();
            let next = self.followed.iter().map(|followed| followed.due).min().unwrap_or(scan_due).min(scan_due);
            rung = alarm.wait(next);
            if rung.stop {
                return;
            }
            // The first change after a pause is read at once, those that follow are gathered.
            std::thread::sleep(PACE.saturating_sub(started.elapsed()));
        }
    }

    fn mark_due(&mut self, rung: &Rung, now: Instant) {
        if rung.all || rung.names {
            self.followed.iter_mut().for_each(|followed| followed.due = now);
        }
        for path in &rung.paths {
            if let Some(&index) = self.by_path.get(path) {
                self.followed[index].due = now;
            }
        }
    }

    fn look_at_due(&mut self, now: Instant) -> bool {
        let mut followed = std::mem::take(&mut self.followed);
        let mut changed = false;
        for followed in followed.iter_mut().filter(|followed| followed.due <= now) {
            if self.look(followed, now) {
                changed = true;
                followed.hot_until = now + HOT;
            }
            followed.due = now + self.tick(followed, now);
        }
        self.followed = followed;
        changed
    }

    /// How long until the next look that nothing rings for.
    fn tick(&self, followed: &Followed, now: Instant) -> Duration {
        let notified = followed.log.path.parent().is_some_and(|folder| self.watch.covers(folder));
        let quiet = Duration::from_micros(100 * self.by_path.len() as u64).max(Duration::from_millis(250));
        match (now < followed.hot_until, notified) {
            (true, true) => Duration::from_millis(100),
            (true, false) => Duration::from_millis(20),
            (false, true) => quiet.max(Duration::from_secs(1)),
            (false, false) => quiet.min(Duration::from_secs(1)),
        }
    }

    /// Looks at names: new logs, and the folders to watch. Whether there is a new log.
    fn scan(&mut self) -> bool {
        let before = self.followed.len();
        let mut problems = Vec::new();
        for found in self.patterns.iter().flat_map(LogPattern::expand).collect::<Vec<_>>() {
            if let Err(error) = self.add(&found) {
                problems.push(Problem { path: found.path.display().to_string(), error });
            }
        }
        self.logs.set_problems(problems);
        let mut folders: HashSet<PathBuf> = self.patterns.iter().flat_map(LogPattern::directories).collect();
        self.by_path.clear();
        for (index, followed) in self.followed.iter().enumerate() {
            let real = real_path(&followed.log.path);
            folders.extend(real.parent().map(Path::to_path_buf));
            self.by_path.insert(followed.log.path.clone(), index);
            self.by_path.insert(real, index);
        }
        self.watch.set(&folders);
        self.logs.set_watching(self.watch.status());
        self.followed.len() > before
    }

    fn add(&mut self, found: &Found) -> Result<(), String> {
        if let Some(known) = self.logs.get(&found.name) {
            return if known.path == found.path {
                Ok(())
            } else {
                Err(format!(
                    "the name {} belongs to {} already; give this one another: NAME={}",
                    found.name,
                    known.path.display(),
                    found.path.display()
                ))
            };
        }
        let log = Log::new(&found.name, found.path.clone());
        if let Some(other) = self.followed.iter().find(|other| other.log.source == log.source) {
            return Err(format!(
                "the names {} and {} have the same hash; give this log another name",
                found.name, other.log.name
            ));
        }
        let now = Instant::now();
        let log = Arc::new(log);
        let mut followed = Followed {
            log: log.clone(),
            live: None,
            replaced: Vec::new(),
            siblings: Vec::new(),
            folder_modified: None,
            missing_since: None,
            due: now,
            hot_until: now + HOT,
        };
        self.find_history(&mut followed, now);
        self.look(&mut followed, now);
        info!(log = %found.name, path = %found.path.display(), "following");
        self.followed.push(followed);
        self.logs.add(log);
        Ok(())
    }

    /// One look at a log; whether anything of it changed.
    fn look(&mut self, followed: &mut Followed, now: Instant) -> bool {
        let at_path = at_path(&followed.log.path);
        let present = !matches!(at_path, AtPath::Nothing);
        let mut changed = followed.log.state().present != present;
        if changed {
            followed.log.update(|state| state.present = present);
        }
        let mut error = None;
        let result = match decide(followed.live.as_ref().map(|live| live.identity), at_path) {
            Change::Wait => Ok(false),
            Change::Begin => self.begin(followed, None),
            Change::Read => {
                followed.missing_since = None;
                self.read_live(followed)
            }
            Change::Linger => self.linger(followed, now),
            Change::Succeed => self.succeed(followed, now),
            Change::Report(why) => {
                error = Some(why);
                self.read_live(followed)
            }
        };
        match result {
            Ok(result) => changed |= result,
            Err(trouble) => error = error.or_else(|| Some(sentence(&trouble))),
        }
        changed |= self.read_replaced(followed, now);
        if followed.folder_changed() {
            changed |= self.refresh_siblings(followed);
        }
        if followed.log.state().error != error {
            if let Some(error) = &error {
                warn!(log = %followed.log.name, path = %followed.log.path.display(), error, "can't be followed now");
            }
            followed.log.update(|state| state.error = error);
            changed = true;
        }
        changed
    }

    /// Opens the file that is at the path.
    fn begin(&mut self, followed: &mut Followed, succession: Option<Succession>) -> Result<bool, Trouble> {
        let (file, identity) = open_regular(&followed.log.path)?;
        if storage_of(&file)? == Storage::Gzip {
            return Err(Trouble::Unreadable("the live file is compressed; only rotated ones may be".into()));
        }
        self.serial += 1;
        let held = HeldFile::open(file, identity, self.serial)?;
        debug!(log = %followed.log.name, serial = self.serial, "a generation begins");
        let generation = live_generation(&held, &followed.log.path);
        followed.log.update(|state| {
            if let Some(succession) = succession {
                state.successions.insert(generation.serial, succession);
            }
            state.generations.push(generation);
        });
        followed.live = Some(held);
        self.read_live(followed)?;
        Ok(true)
    }

    /// Reads what was appended to the live file. What the replaced ones got before it is published before it.
    fn read_live(&mut self, followed: &mut Followed) -> Result<bool, Trouble> {
        let Some(live) = &mut followed.live else { return Ok(false) };
        let (pieces, at_end) = match live.read_appended(&mut self.block) {
            Ok(read) => read,
            Err(Trouble::Changed(_)) => return self.truncated(followed),
            Err(trouble) => return Err(trouble),
        };
        if pieces.is_empty() {
            return Ok(false);
        }
        self.read_replaced(followed, Instant::now());
        let live = followed.live.as_ref().expect("it was read just now");
        publish(&followed.log, live, pieces, self.settings.hot_tail_bytes > 0);
        if !at_end {
            followed.hot_until = Instant::now() + HOT;
            followed.due = Instant::now();
        }
        Ok(true)
    }

    /// No file has the name: goes on reading the held one, and after a while as one that was replaced.
    fn linger(&mut self, followed: &mut Followed, now: Instant) -> Result<bool, Trouble> {
        let since = *followed.missing_since.get_or_insert(now);
        let read = self.read_live(followed)?;
        if now.duration_since(since) > self.settings.hold_time {
            self.retire(followed, since);
        }
        Ok(read)
    }

    /// Makes the live file a replaced one; its serial.
    fn retire(&mut self, followed: &mut Followed, since: Instant) -> Option<u64> {
        let held = followed.live.take()?;
        let serial = held.serial;
        set_phase(&followed.log, serial, Phase::Settling { from: None });
        followed.replaced.push(Replaced { held, since, grew: Instant::now(), settled: false });
        Some(serial)
    }

    /// Another file has the name: drains the held one, then opens the other.
    fn succeed(&mut self, followed: &mut Followed, now: Instant) -> Result<bool, Trouble> {
        followed.missing_since = None;
        while self.read_live(followed)? && followed.live.is_some() {}
        if self.continue_in_copy(followed)? {
            return Ok(true);
        }
        let mut continuity = Continuity::Proved;
        if let Some(serial) = self.retire(followed, now) {
            if !self.insert_missed(followed, serial) {
                continuity = Continuity::Assumed;
            }
        }
        self.begin(followed, Some(Succession { kind: RotateKind::Rename, continuity }))
    }

    /// A file that replaced a deleted one and holds all that was read of it is the same generation: an editor or
    /// `sed -i` wrote it anew.
    fn continue_in_copy(&mut self, followed: &mut Followed) -> Result<bool, Trouble> {
        let Some(live) = &mut followed.live else { return Ok(false) };
        if live.file.metadata()?.nlink() > 0 || !live.continues_in(&open_regular(&followed.log.path)?)? {
            return Ok(false);
        }
        let (serial, identity, file) = (live.serial, live.identity, live.file.clone());
        followed.log.update(|state| {
            if let Some(generation) = state.generations.iter_mut().find(|generation| generation.serial == serial) {
                (generation.identity, generation.held) = (identity, Some(file));
            }
        });
        self.read_live(followed)?;
        Ok(true)
    }

    /// The live file was cut or rewritten in place: what was in it is a generation of its own, of which a copy may exist.
    fn truncated(&mut self, followed: &mut Followed) -> Result<bool, Trouble> {
        let Some(old) = followed.live.take() else { return Ok(false) };
        info!(log = %followed.log.name, path = %followed.log.path.display(), "the file was truncated");
        let serial = old.serial;
        drop(old);
        followed.log.update(|state| {
            if let Some(generation) = state.generations.iter_mut().find(|generation| generation.serial == serial) {
                (generation.storage, generation.held, generation.phase) = (Storage::Lost, None, Phase::Settled);
            }
        });
        self.refresh_siblings(followed);
        self.begin(followed, Some(Succession { kind: RotateKind::Truncate, continuity: Continuity::Assumed }))
    }

    /// Hears late writers of replaced files, and lets go of those files in time.
    fn read_replaced(&mut self, followed: &mut Followed, now: Instant) -> bool {
        let mut changed = false;
        for replaced in &mut followed.replaced {
            let before = replaced.held.end;
            match replaced.held.read_appended(&mut self.block) {
                Ok((pieces, _)) if !pieces.is_empty() => {
                    if replaced.settled {
                        set_phase(&followed.log, replaced.held.serial, Phase::Settling { from: Some(before) });
                        replaced.settled = false;
                    }
                    replaced.grew = now;
                    publish(&followed.log, &replaced.held, pieces, self.settings.hot_tail_bytes > 0);
                    changed = true;
                }
                Ok(_) if !replaced.settled && now.duration_since(replaced.grew) > SETTLE => {
                    replaced.settled = true;
                    match replaced.held.finish() {
                        Ok(last) => {
                            publish(&followed.log, &replaced.held, last.into_iter().collect(), self.settings.hot_tail_bytes > 0)
                        }
                        Err(trouble) => {
                            warn!(log = %followed.log.name, error = sentence(&trouble), "the last record of a replaced file is lost")
                        }
                    }
                    set_phase(&followed.log, replaced.held.serial, Phase::Settled);
                    changed = true;
                }
                Ok(_) => {}
                // Cut after it was replaced, by whoever frees space: what was read stays readable as far as memory has it.
                Err(trouble) => {
                    debug!(log = %followed.log.name, error = sentence(&trouble), "a replaced file can't be read on");
                    replaced.since = now.checked_sub(self.settings.hold_time).unwrap_or(now);
                }
            }
        }
        let (time, mut budget) = (self.settings.hold_time, self.settings.hold_bytes);
        let kept = followed.replaced.iter().rev().map(|replaced| {
            let size = replaced.held.file.metadata().map_or(0, |metadata| metadata.len());
            budget = budget.saturating_sub(size);
            now.duration_since(replaced.since) < time && budget > 0
        });
        let mut kept: Vec<bool> = kept.collect();
        let log = followed.log.clone();
        followed.replaced.retain(|replaced| {
            let keep = kept.pop().unwrap_or(false);
            if !keep {
                let serial = replaced.held.serial;
                let exists = followed.siblings.iter().any(|sibling| sibling.identity == replaced.held.identity);
                log.update(|state| {
                    if let Some(generation) = state.generations.iter_mut().find(|generation| generation.serial == serial) {
                        (generation.held, generation.phase) = (None, Phase::Settled);
                    }
                    if !exists {
                        state.generations.retain(|generation| generation.serial != serial);
                    }
                });
                changed = true;
            }
            keep
        });
        changed
    }

    /// The generations that rotated files hold when a log is first seen.
    fn find_history(&mut self, followed: &mut Followed, now: Instant) {
        followed.siblings = siblings(&real_path(&followed.log.path));
        let live = open_regular(&followed.log.path).ok().and_then(|(file, identity)| {
            let held = HeldFile::open(file, identity, u64::MAX).ok()?;
            Some(live_generation(&held, &followed.log.path))
        });
        let mut generations: Vec<Generation> = Vec::new();
        let mut newest = None;
        for sibling in &followed.siblings {
            self.serial += 1;
            match open_sibling(sibling, self.serial) {
                Ok((generation, file)) => {
                    // A copy that is being made of the live file, or a plain file beside its own compressed one.
                    let twin = live.iter().find(|live| live.identity == generation.identity || is_copy(&generation, live));
                    if twin.is_some() || generation.head.bytes().is_empty() {
                        continue;
                    }
                    if let Some(at) = generations.iter().position(|other| is_copy(&generation, other)) {
                        if generation.storage == Storage::Plain && generations[at].storage == Storage::Gzip {
                            generations[at] = Generation { serial: generations[at].serial, ..generation };
                        }
                        continue;
                    }
                    newest = (generation.storage == Storage::Plain).then_some((file, generation.identity, generation.serial));
                    generations.push(generation);
                }
                Err(trouble) => {
                    warn!(log = %followed.log.name, path = %sibling.path.display(), error = sentence(&trouble), "can't be read")
                }
            }
        }
        followed.log.update(|state| state.generations = generations);
        if let Some((file, identity, serial)) = newest {
            self.hold_newest(followed, file, identity, serial, now);
        }
    }

    /// The newest rotated file may still be written: it was rotated while no agent was looking.
    fn hold_newest(&mut self, followed: &mut Followed, file: std::fs::File, identity: FileIdentity, serial: u64, now: Instant) {
        let age = file
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        let settled = age.is_none_or(|age| age > SETTLE);
        let opened = HeldFile::open(file, identity, serial).and_then(|mut held| {
            while !held.read_appended(&mut self.block)?.1 {}
            if settled {
                held.finish()?;
            }
            Ok(held)
        });
        let Ok(held) = opened else { return };
        let phase = if settled { Phase::Settled } else { Phase::Settling { from: Some(held.end) } };
        publish(&followed.log, &held, Vec::new(), false);
        set_phase(&followed.log, serial, phase);
        followed.log.update(|state| {
            if let Some(generation) = state.generations.iter_mut().find(|generation| generation.serial == serial) {
                generation.held = Some(held.file.clone());
            }
        });
        followed.replaced.push(Replaced { held, since: now, grew: now, settled });
    }

    /// Takes in the generations that came and went between two looks: rotated files that are newer than `last`.
    /// Whether nothing else can have been between them.
    fn insert_missed(&mut self, followed: &mut Followed, last: u64) -> bool {
        followed.siblings = siblings(&real_path(&followed.log.path));
        let known = followed.log.state().generations.clone();
        let Some(last) = known.iter().find(|generation| generation.serial == last) else { return false };
        let at = followed.siblings.iter().position(|sibling| sibling.identity == last.identity);
        let first = at.map_or(0, |at| at + 1);
        for sibling in followed.siblings.split_off(first).into_iter().chain([]) {
            followed.siblings.push(sibling.clone());
            let older = at.is_none() && sibling_is_older(&sibling, last);
            if older || known.iter().any(|generation| generation.identity == sibling.identity) {
                continue;
            }
            self.serial += 1;
            let Ok((generation, _)) = open_sibling(&sibling, self.serial) else { continue };
            if !generation.head.bytes().is_empty() && !known.iter().any(|other| is_copy(&generation, other)) {
                let succession = Succession { kind: RotateKind::Rename, continuity: Continuity::Proved };
                followed.log.update(|state| {
                    state.successions.insert(generation.serial, succession);
                    state.generations.push(generation);
                });
            }
        }
        at.is_some()
    }

    /// Keeps the paths of rotated files right: renamed, compressed, copied, deleted.
    fn refresh_siblings(&mut self, followed: &mut Followed) -> bool {
        followed.siblings = siblings(&real_path(&followed.log.path));
        let mut generations = followed.log.state().generations.clone();
        for generation in &mut generations {
            if let Some(sibling) = followed.siblings.iter().find(|sibling| sibling.identity == generation.identity) {
                if generation.storage != Storage::Lost {
                    generation.path = sibling.path.as_path().into();
                }
            }
        }
        let known: HashSet<FileIdentity> = generations.iter().map(|generation| generation.identity).collect();
        let live = followed.live.as_ref().map(|live| live.serial);
        let unknown = followed.siblings.iter().filter(|sibling| !known.contains(&sibling.identity));
        let unknown: Vec<Generation> = unknown.filter_map(|sibling| Some(open_sibling(sibling, 0).ok()?.0)).collect();
        generations.retain_mut(|generation| {
            let there = followed.siblings.iter().any(|sibling| sibling.identity == generation.identity);
            if Some(generation.serial) == live || (there && generation.storage != Storage::Lost) {
                return true;
            }
            match unknown.iter().find(|copy| copy.end >= generation.end && is_copy(copy, generation)) {
                Some(copy) => {
                    adopt(generation, copy);
                    true
                }
                None => generation.held.is_some() || generation.storage == Storage::Lost,
            }
        });
        followed.log.update(|state| {
            // Nothing is remembered of a destroyed generation but what the hot tail has of it.
            state.generations = generations;
            forget_lost(state);
        });
        true
    }

    /// Keeps the newest records of all logs within the memory they may take.
    fn shed(&mut self) {
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        let total: usize = self.followed.iter().map(|followed| followed.log.state().tail.bytes()).sum();
        let mut excess = total.saturating_sub(self.settings.hot_tail_bytes);
        while excess > 0 {
            sizes.clear();
            sizes.extend(self.followed.iter().enumerate().map(|(index, followed)| (followed.log.state().tail.bytes(), index)));
            let Some((_, &largest)) = sizes.last_key_value() else { return };
            let mut freed = 0;
            self.followed[largest].log.update(|state| freed = state.tail.shed());
            if freed == 0 {
                return;
            }
            excess = excess.saturating_sub(freed);
        }
    }
}

/// Lets a compressed or copied file take the place of the one whose content it holds.
fn adopt(generation: &mut Generation, copy: &Generation) {
    generation.path = copy.path.clone();
    if generation.held.is_none() {
        generation.identity = copy.identity;
        generation.storage = copy.storage;
        generation.tip = None;
        generation.end = if copy.storage == Storage::Plain { copy.end } else { generation.end };
    }
}

/// How many destroyed generations are remembered, so that readers in them learn what happened.
const LOST_MAX: usize = 16;

fn forget_lost(state: &mut LogState) {
    let lost = state.generations.iter().filter(|generation| generation.storage == Storage::Lost).count();
    let mut surplus = lost.saturating_sub(LOST_MAX);
    state.generations.retain(|generation| {
        let forget = generation.storage == Storage::Lost && surplus > 0;
        surplus -= usize::from(forget);
        !forget
    });
    let oldest = state.generations.first().map_or(u64::MAX, |generation| generation.serial);
    state.successions.retain(|&serial, _| serial >= oldest);
}

fn sibling_is_older(sibling: &Sibling, last: &Generation) -> bool {
    std::fs::metadata(&sibling.path).and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified < last.modified)
}

fn live_generation(held: &HeldFile, path: &Path) -> Generation {
    Generation {
        serial: held.serial,
        identity: held.identity,
        path: path.into(),
        held: Some(held.file.clone()),
        storage: Storage::Plain,
        head: held.head.clone(),
        end: held.end,
        tip: Some(held.tip.clone()),
        phase: Phase::Live,
        modified: SystemTime::now(),
    }
}

/// Makes what was read of a held file known to readers.
fn publish(log: &Log, held: &HeldFile, pieces: Vec<Piece>, keep: bool) {
    log.update(|state| {
        if let Some(generation) = state.generations.iter_mut().find(|generation| generation.serial == held.serial) {
            generation.head = held.head.clone();
            generation.end = held.end;
            generation.tip = Some(held.tip.clone());
            generation.modified = SystemTime::now();
        }
        if keep {
            pieces.into_iter().for_each(|piece| state.tail.push(piece));
        }
    });
}

fn set_phase(log: &Log, serial: u64, phase: Phase) {
    log.update(|state| {
        if let Some(generation) = state.generations.iter_mut().find(|generation| generation.serial == serial) {
            generation.phase = phase;
        }
    });
}

fn at_path(path: &Path) -> AtPath {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => AtPath::File(FileIdentity::of(&metadata)),
        Ok(metadata) => AtPath::Unusable(not_regular(&metadata)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => AtPath::Nothing,
        Err(error) => AtPath::Unusable(error.to_string()),
    }
}

/// Where a path leads when its symbolic links are followed; rotated files lie beside the target.
fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
