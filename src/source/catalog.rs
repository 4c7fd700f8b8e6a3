//! What is known of every log right now: its generations, its newest bytes, what is wrong with it. One writer, the
//! follower; any number of readers, each with a snapshot. Knows nothing of who reads.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use tokio::sync::watch;

use super::counts::Counts;
use super::generation::{Generation, Phase};
use super::tail::HotTail;
use super::watch::Alarm;
use crate::event::{Continuity, Reason, RotateKind};
use crate::format::Format;
use crate::position::{Hint, Position, SourceId};

/// One log: a name, and under it one life after another of one file.
#[derive(Debug)]
pub struct Log {
    /// Its name.
    pub name: Arc<str>,
    /// Its name as ids carry it.
    pub source: SourceId,
    /// Where its live file is, or will be. Only a container's moves, to the file of its next run.
    place: watch::Sender<PathBuf>,
    pattern: AtomicUsize,
    added_at: OnceLock<(u64, Position)>,
    /// What was counted of it.
    pub counts: Counts,
    state: watch::Sender<LogState>,
    /// Whether the state has changed since that was last asked.
    changed: AtomicBool,
    moved: watch::Sender<u64>,
}

/// What is known of a log.
#[derive(Debug, Default)]
pub struct LogState {
    /// Its generations that can still be read, the oldest first.
    pub generations: Vec<Generation>,
    /// When content arrived lately: the time, and the serial and offset from which on it came.
    arrivals: VecDeque<(SystemTime, u64, u64)>,
    caught_up: bool,
    /// Its newest bytes.
    pub tail: HotTail,
    /// Whether a file has its name.
    pub present: bool,
    /// What is wrong with it, in words.
    pub error: Option<String>,
    /// The newest of the rotated files that are none of its generations, as there are too many.
    pub left_out: Option<String>,
    /// How the latest generations came to follow the ones before them, by serial.
    pub successions: BTreeMap<u64, Succession>,
}

/// How one generation came to follow another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// What happened to the file.
    pub kind: RotateKind,
    /// Whether nothing can lie between the two.
    pub continuity: Continuity,
    /// What makes it possible that something lies between them: it was written just before a truncation, or in a file that
    /// came and went unseen.
    pub doubt: Option<Reason>,
}

impl Succession {
    /// How a life follows that began when the file was cut to nothing.
    pub fn truncation(kind: RotateKind) -> Self {
        Succession { kind, continuity: Continuity::Assumed, doubt: Some(Reason::Truncated) }
    }
}

impl Log {
    pub(super) fn new(name: &str, source: SourceId, path: PathBuf, pattern: usize) -> Self {
        Log {
            name: name.into(),
            source,
            place: watch::Sender::new(path),
            pattern: pattern.into(),
            added_at: OnceLock::new(),
            counts: Counts::default(),
            state: watch::Sender::default(),
            changed: AtomicBool::default(),
            moved: watch::Sender::default(),
        }
    }

    /// A log that is not followed and has these generations: for looking into files that nobody writes.
    pub fn still(name: &str, generations: Vec<Generation>) -> Self {
        let log = Log::new(name, SourceId::of(name), PathBuf::new(), 0);
        log.update(|state| state.generations = generations);
        log
    }

    /// Where its live file is, or will be.
    pub fn path(&self) -> PathBuf {
        self.place.borrow().clone()
    }

    pub(super) fn move_to(&self, path: PathBuf) {
        self.place.send_replace(path);
    }

    /// The number of the pattern that means it.
    pub fn pattern(&self) -> usize {
        self.pattern.load(Ordering::Relaxed)
    }

    pub(super) fn set_pattern(&self, number: usize) {
        self.pattern.store(number, Ordering::Relaxed);
    }

    /// Where streams begin that were open when the operator added the log, as serial and position; none where it appeared
    /// by itself, so that all of it is new.
    pub fn added_at(&self) -> Option<(u64, Position)> {
        self.added_at.get().copied()
    }

    /// Notes that the operator added it just now.
    pub(super) fn note_added(&self) {
        let state = self.state();
        if let Some((serial, position)) =
            state.newest().and_then(|newest| Some((newest.serial, state.end_position(self.source, newest)?)))
        {
            // It is added once.
            let _ = self.added_at.set((serial, position));
        }
    }

    /// The log as it is now. Held for a moment only: the follower waits meanwhile.
    pub fn state(&self) -> watch::Ref<'_, LogState> {
        self.state.borrow()
    }

    /// Wakes when it is announced that the log has changed.
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Changes what readers see from now on; who waits is woken by [`Log::announce`].
    pub(super) fn update(&self, change: impl FnOnce(&mut LogState)) {
        self.state.send_if_modified(|state| {
            change(state);
            false
        });
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Whether anything was changed since the last call, be it ever so small: who waits may have waited for just that.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    pub(super) fn announce(&self) {
        self.moved.send_modify(|round| *round += 1);
    }
}

/// How many samples of when content arrived are kept of a log.
const ARRIVALS_MAX: usize = 4096;
/// How long one of them is good for.
const ARRIVAL: Duration = Duration::from_secs(1);

impl LogState {
    /// Notes that all that there is was read once: what comes from now on arrives.
    pub(super) fn note_caught_up(&mut self, now: SystemTime) {
        if !std::mem::replace(&mut self.caught_up, true)
            && let Some((serial, end)) = self.newest().map(|newest| (newest.serial, newest.end))
        {
            self.note_arrival(serial, end, now);
        }
    }

    /// Notes that generation `serial` grows from `offset` on, now.
    pub(super) fn note_arrival(&mut self, serial: u64, offset: u64, now: SystemTime) {
        if !self.caught_up {
            return;
        }
        let last = self.arrivals.back().map(|(time, ..)| *time);
        if last.is_some_and(|last| now.duration_since(last).is_ok_and(|age| age < ARRIVAL)) {
            return;
        }
        // A clock that was set back makes the earlier ones worthless.
        if last.is_some_and(|last| last > now) {
            self.arrivals.clear();
        }
        if self.arrivals.len() >= ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((now, serial, offset));
    }

    /// Where the content begins that arrived at `time` or since, as serial and offset, to about a second; `None` where that
    /// was not seen.
    pub fn arrived_since(&self, time: SystemTime) -> Option<(u64, u64)> {
        let before = self.arrivals.partition_point(|(at, ..)| *at <= time);
        let (at, serial, offset) = *self.arrivals.get(before.checked_sub(1)?)?;
        // What came within the second after a sample is not told apart.
        if time.duration_since(at).is_ok_and(|since| since < ARRIVAL) {
            return Some((serial, offset));
        }
        let next = self.arrivals.get(before).map(|&(_, serial, offset)| (serial, offset));
        next.or_else(|| self.newest().map(|newest| (newest.serial, newest.end)))
    }

    /// The generation with this serial.
    pub fn generation(&self, serial: u64) -> Option<&Generation> {
        self.generations.iter().find(|generation| generation.serial == serial)
    }

    pub(super) fn generation_mut(&mut self, serial: u64) -> Option<&mut Generation> {
        self.generations.iter_mut().find(|generation| generation.serial == serial)
    }

    pub(super) fn set_phase(&mut self, serial: u64, phase: Phase) {
        if let Some(generation) = self.generation_mut(serial) {
            generation.phase = phase;
        }
    }

    /// The generation after `serial`.
    pub fn after(&self, serial: u64) -> Option<&Generation> {
        self.generations.iter().find(|generation| generation.serial > serial)
    }

    /// The newest generation: the live file, or the last that was one.
    pub fn newest(&self) -> Option<&Generation> {
        self.generations.last()
    }

    /// The serial of the newest generation, and its end.
    pub fn newest_end(&self) -> (u64, u64) {
        self.newest().map_or((0, 0), |newest| (newest.serial, newest.end))
    }

    /// The position at the end of what is known, where it can be told without reading a file.
    pub fn end_position(&self, source: SourceId, generation: &Generation) -> Option<Position> {
        if generation.end == generation.head.base && generation.back.is_none() {
            return Some(Position::before_all(source, generation.end, generation.hint));
        }
        let tip = generation.tip.as_ref()?;
        Some(generation.head.position(source, generation.hint, generation.end, tip))
    }
}

/// All logs of the agent: the readers' side of the catalog. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    logs: watch::Sender<BTreeMap<Arc<str>, Arc<Log>>>,
    moved: watch::Sender<u64>,
    /// How many requests for a look were answered; `None` until every log was looked at once.
    answered: watch::Sender<Option<u64>>,
    alarm: Alarm,
    watching: watch::Sender<Watching>,
    problems: watch::Sender<Vec<Problem>>,
    unmatched: watch::Sender<Vec<String>>,
    pace_us: AtomicU64,
    born: Instant,
    /// When the follower last turned to a log, in milliseconds since then.
    turned_ms: AtomicU64,
}

/// Whether logs have come or gone. Cheap to ask often.
#[derive(Debug)]
pub struct LogChanges(watch::Receiver<BTreeMap<Arc<str>, Arc<Log>>>);

impl LogChanges {
    /// Whether there may be other logs than when this was last asked.
    pub fn take(&mut self) -> bool {
        // The sender is gone only when the program ends.
        let any = self.0.has_changed().unwrap_or(false);
        if any {
            self.0.mark_unchanged();
        }
        any
    }

    /// Lets the next answer be yes.
    pub fn set(&mut self) {
        self.0.mark_changed();
    }
}

/// How the agent learns of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Watching {
    /// `notify`, or `poll` where no notifications can be had.
    pub mode: &'static str,
    /// Why it is not as asked for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
}

/// A file that a pattern means and that is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub path: String,
    /// Why, in words.
    pub error: String,
}

impl Logs {
    pub(super) fn new(alarm: Alarm) -> Self {
        Logs(Arc::new(Shared {
            alarm,
            logs: watch::Sender::default(),
            moved: watch::Sender::default(),
            answered: watch::Sender::default(),
            watching: watch::Sender::default(),
            problems: watch::Sender::default(),
            unmatched: watch::Sender::default(),
            pace_us: AtomicU64::default(),
            born: Instant::now(),
            turned_ms: AtomicU64::default(),
        }))
    }

    /// The logs that are known now, by name.
    pub fn all(&self) -> Vec<Arc<Log>> {
        self.0.logs.borrow().values().cloned().collect()
    }

    /// Tells of logs that come and go from here on, and of those that there are.
    pub fn changes(&self) -> LogChanges {
        let mut logs = self.0.logs.subscribe();
        logs.mark_changed();
        LogChanges(logs)
    }

    /// The log called `name`.
    pub fn get(&self, name: &str) -> Option<Arc<Log>> {
        self.0.logs.borrow().get(name).cloned()
    }

    /// Sets the least time from one announcement of changes to the next: the more there are who are woken, the longer it
    /// is worth to gather. The first change after a pause is announced at once.
    pub fn set_pace(&self, pace: Duration) {
        self.0.pace_us.store(u64::try_from(pace.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn pace(&self) -> Duration {
        Duration::from_micros(self.0.pace_us.load(Ordering::Relaxed))
    }

    /// Notes that the follower turns to a log, or to the next round: whatever it did before is done.
    pub(super) fn note_turn(&self) {
        self.0.turned_ms.store(u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// For how long the follower has been at one thing; it turns to the next at least every second or so.
    pub fn since_turn(&self) -> Duration {
        self.0.born.elapsed().saturating_sub(Duration::from_millis(self.0.turned_ms.load(Ordering::Relaxed)))
    }

    /// Whether there is anybody who reads: who waits for changes, or will.
    pub(super) fn are_read(&self) -> bool {
        self.0.moved.receiver_count() > 0
    }

    /// Wakes when it is announced that any log has changed.
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.0.moved.subscribe()
    }

    /// Whether every log has been looked at once.
    pub fn looked(&self) -> bool {
        self.0.answered.borrow().is_some()
    }

    /// Waits until names and the files of `logs` have been looked at after this call: what was written before is known then.
    pub async fn look(&self, logs: &[Arc<Log>]) {
        let asked = self.0.alarm.ask(logs.iter().map(|log| log.path()));
        // The sender lives as long as `self`, so this can't fail.
        let _ = self.0.answered.subscribe().wait_for(|answered| answered.is_some_and(|answered| answered >= asked)).await;
    }

    /// How changes are learnt of.
    pub fn watching(&self) -> Watching {
        self.0.watching.borrow().clone()
    }

    /// Files that patterns mean and that are not followed.
    pub fn problems(&self) -> Vec<Problem> {
        self.0.problems.borrow().clone()
    }

    /// Patterns that no file fits, as they were written.
    pub fn unmatched(&self) -> Vec<String> {
        self.0.unmatched.borrow().clone()
    }

    pub(super) fn add(&self, log: Arc<Log>) {
        self.0.logs.send_modify(|logs| {
            logs.insert(log.name.clone(), log);
        });
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.logs.send_modify(|logs| {
            logs.remove(name);
        });
    }

    pub(super) fn announce_moves(&self) {
        self.0.moved.send_modify(|round| *round += 1);
    }

    /// Wakes everybody who waits for any log.
    pub fn wake_all(&self) {
        self.all().iter().for_each(|log| log.announce());
        self.announce_moves();
    }

    pub(super) fn announce_answered(&self, asked: u64) {
        self.0.answered.send_if_modified(|answered| answered.replace(asked) != Some(asked));
    }

    pub(super) fn set_watching(&self, watching: Watching) {
        self.0.watching.send_if_modified(|now| std::mem::replace(now, watching.clone()) != watching);
    }

    pub(super) fn set_problems(&self, problems: Vec<Problem>) {
        self.0.problems.send_replace(problems);
    }

    pub(super) fn set_unmatched(&self, patterns: Vec<String>) {
        self.0.unmatched.send_replace(patterns);
    }
}

/// A log as `GET /logs` shows it.
#[derive(Debug, Serialize)]
pub struct LogStatus {
    /// Its name.
    pub name: String,
    /// Where its live file is, or will be.
    pub path: String,
    /// Whether a file is there.
    pub present: bool,
    /// The position at its head: what a stream that starts now starts with.
    pub head: Option<String>,
    /// The generations that can be read, the oldest first.
    pub generations: Vec<GenerationStatus>,
    /// How many bytes of deleted files are not freed yet, because they are held open for late writers and lagging readers.
    pub held_bytes: u64,
    /// How many of its newest bytes are in memory.
    pub hot_bytes: usize,
    /// What is wrong with it.
    pub error: Option<String>,
    /// How its lines are written, by the beginning of its newest file.
    pub format: Format,
}

/// A generation as `GET /logs` shows it.
#[derive(Debug, Serialize)]
pub struct GenerationStatus {
    /// Where its file is, or was last seen.
    pub file: String,
    /// The file's size in bytes, if it can be told.
    pub size: Option<u64>,
    /// The last part of ids in it, as it is in those of one position.
    pub hint: String,
    /// Whether it is compressed.
    pub compressed: bool,
    /// Offset of its first byte of content.
    pub first: u64,
    /// Offset after its last whole record; absent for a compressed one.
    pub last: Option<u64>,
    /// Whether its file is held open.
    pub held: bool,
    /// `live`, `settling` (replaced, may still be written) or `settled`.
    pub phase: &'static str,
}

impl Log {
    /// The log as `GET /logs` shows it.
    pub fn status(&self) -> LogStatus {
        let state = self.state();
        let head = match state.newest() {
            Some(live) => state.end_position(self.source, live),
            None => Some(Position::before_all(self.source, 0, Hint::NO_FILE)),
        };
        let (generations, present) = (state.generations.clone(), state.present);
        let format = state.newest().map_or(Format::Plain, |newest| newest.head.format);
        let (hot_bytes, error) = (state.tail.bytes(), state.error.clone());
        // The follower waits while the state is held, and what follows asks the file system.
        drop(state);
        let deleted = |file: &Arc<File>| file.metadata().ok().filter(|file| file.nlink() == 0);
        let held = generations.iter().filter_map(|generation| deleted(generation.held.as_ref()?));
        LogStatus {
            name: self.name.to_string(),
            path: self.path().display().to_string(),
            present,
            head: head.map(|position| crate::position::Cursor::new(vec![position]).to_string()),
            held_bytes: held.map(|file| file.len()).sum(),
            generations: generations.iter().map(GenerationStatus::of).collect(),
            hot_bytes,
            error,
            format,
        }
    }
}

/// The numbers of a log, as they are now.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Its name.
    pub name: Arc<str>,
    /// Bytes of whole records that were read.
    pub bytes: u64,
    /// Records, as lines of the file.
    pub records: u64,
    /// Bytes of whole records that were passed over while nobody read.
    pub passed_bytes: u64,
    /// How often it went on in another file.
    pub rotations: Vec<(RotateKind, u64)>,
    /// Bytes of the live file behind the last whole record that was read.
    pub unread_bytes: u64,
    /// Bytes of deleted files that are held open.
    pub held_bytes: u64,
    /// Bytes in memory.
    pub hot_bytes: u64,
    /// Generations that can be read.
    pub generations: u64,
    /// Whether a file has its name.
    pub present: bool,
    /// Whether something is wrong with it.
    pub error: bool,
}

impl Log {
    /// The numbers of the log. Asks the file system for the size of every file that is held.
    pub fn measures(&self) -> Measures {
        let state = self.state();
        let held = |generation: &Generation| Some((generation.held.clone()?, generation.phase, generation.end));
        let held: Vec<_> = state.generations.iter().filter_map(held).collect();
        let (hot_bytes, generations) = (state.tail.bytes() as u64, state.generations.len() as u64);
        let (present, error) = (state.present, state.error.is_some());
        // The follower waits while the state is held.
        drop(state);
        let (mut unread_bytes, mut held_bytes) = (0, 0);
        for (file, phase, end) in held {
            let Ok(metadata) = file.metadata() else { continue };
            unread_bytes += if phase == Phase::Live { metadata.len().saturating_sub(end) } else { 0 };
            held_bytes += if metadata.nlink() == 0 { metadata.len() } else { 0 };
        }
        Measures {
            name: self.name.clone(),
            bytes: self.counts.bytes(),
            records: self.counts.records(),
            passed_bytes: self.counts.passed(),
            rotations: self.counts.rotations().collect(),
            unread_bytes,
            held_bytes,
            hot_bytes,
            generations,
            present,
            error,
        }
    }
}

impl GenerationStatus {
    fn of(generation: &Generation) -> Self {
        let size = match &generation.held {
            Some(file) => file.metadata().ok(),
            None => std::fs::metadata(&generation.path).ok(),
        };
        GenerationStatus {
            file: generation.path.display().to_string(),
            size: size.map(|metadata| metadata.len()),
            hint: generation.hint.to_string(),
            compressed: generation.storage.is_compressed(),
            first: generation.head.base,
            last: (generation.end != Generation::UNKNOWN_END).then_some(generation.end),
            held: generation.held.is_some(),
            phase: match generation.phase {
                Phase::Live => "live",
                Phase::Settling => "settling",
                Phase::Settled => "settled",
            },
        }
    }
}
