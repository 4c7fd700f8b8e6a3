//! One log as the follower holds it: the live file, and those that had its name before and may still be written.
//! Reads what was appended and keeps the generations in order through rotations.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use memchr::memchr_iter;
use tracing::{debug, info, warn};

use super::append::{Block, Dormant, HeldFile, sentence};
use super::catalog::Log;
use super::change::{AtPath, Change, decide};
use super::content::Storage;
use super::folder::{Folders, Stamp};
use super::follow::{REPLACED_MAX, Settings};
use super::generation::{Generation, Late, Phase, open_identical};
use super::identity::FileIdentity;
use super::links::real_path;
use super::read::Trouble;
use super::siblings::{Home, SIBLINGS_MAX, Sibling};
use super::tail::Piece;
use super::watch::Watch;

/// How long a replaced file must be quiet before its writers are taken to have left it.
pub const SETTLE: Duration = Duration::from_secs(10);
/// How many replaced files of a log may be settling at a time: ids name them all.
const SETTLING_MAX: usize = 2;

/// What looking at any log takes.
pub(super) struct Kit {
    pub settings: Settings,
    /// The last serial that was given to a generation.
    pub serial: u64,
    pub block: Block,
    /// How many bytes of what was appended to a file are read at most, the newest; of a file that somebody may read, all.
    pub wanted: u64,
    pub folders: Folders,
    pub watch: Watch,
    /// Whether the live file of any log is in another place than when folders to watch were looked for last.
    pub moved_home: bool,
}

impl Kit {
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// One log as the follower holds it.
pub(super) struct Followed {
    pub log: Arc<Log>,
    /// Where its files lie.
    pub home: Home,
    /// Whether its file held more than one look reads.
    pub behind: bool,
    /// Whether the last look passed over some of what was written.
    pub passed_over: bool,
    /// Whether nothing is to be done while the live file and the names in its folders stay as they are.
    at_rest: bool,
    pub(super) live: Option<HeldFile>,
    /// The live file while it is closed; then `live` is none.
    pub(super) asleep: Option<Dormant>,
    pub(super) replaced: Vec<Replaced>,
    pub(super) siblings: Vec<Sibling>,
    /// Whether none is missing among them: it is not known where they were renamed all the time while they were listed.
    pub(super) all_siblings: bool,
    pub(super) folder_stamps: Vec<Stamp>,
    /// What is wrong with a rotated file, in words.
    pub(super) sibling_error: Option<String>,
    /// When to try again to read a rotated file that could not be read.
    pub(super) siblings_again: Option<Instant>,
    /// Whether nothing was in the live file when it was looked at last.
    pub(super) was_empty: bool,
    /// How often a file was removed from the log's name since it was last met there, as far as notifications tell; the
    /// greatest number where some of them were not heard.
    pub removals: usize,
    pub(super) awaited: Option<Awaited>,
    /// Whether all that there is was read once.
    caught_up: bool,
    /// Since when no file has the log's name, while the last one is held.
    pub(super) missing_since: Option<Instant>,
}

/// A file that has the log's name and is to be opened when it is heard how many had it before.
pub(super) struct Awaited {
    pub file: FileIdentity,
    /// When that is heard, by [`Watch::mark`].
    pub mark: u64,
    /// When the first file that was to be opened was met; others may have got the name since.
    pub since: Instant,
}

/// A file that lost the log's name and is still read, for late writers.
pub(super) struct Replaced {
    pub held: HeldFile,
    pub since: Instant,
    pub grew: Instant,
    /// Whether its writers are taken to have left it.
    pub settled: bool,
    /// Whether what stands behind its last terminator counts as a record.
    pub finished: bool,
}

impl Followed {
    pub fn new(log: Arc<Log>, rotated: Option<PathBuf>, bounds: Option<PathBuf>) -> Self {
        let live = real_path(&log.path());
        Followed {
            log,
            home: Home { live, rotated, bounds },
            behind: false,
            passed_over: false,
            at_rest: false,
            live: None,
            asleep: None,
            replaced: Vec::new(),
            siblings: Vec::new(),
            all_siblings: true,
            folder_stamps: Vec::new(),
            sibling_error: None,
            siblings_again: None,
            was_empty: false,
            removals: 0,
            awaited: None,
            caught_up: false,
            missing_since: None,
        }
    }

    /// The files of this log, and how much of each it knows: no end where it hears of all that is written to it.
    pub fn files(&self) -> Vec<(FileIdentity, u64)> {
        let held = self.live_identity().into_iter().chain(self.replaced.iter().map(|replaced| replaced.held.identity));
        let heard: HashSet<FileIdentity> = held.chain(self.siblings.iter().map(|sibling| sibling.identity)).collect();
        let state = self.log.state();
        let left = state.generations.iter().filter(|left| left.storage != Storage::Lost && !heard.contains(&left.identity));
        left.map(|left| (left.identity, left.end)).chain(heard.iter().map(|&file| (file, u64::MAX))).collect()
    }

    /// How many files it holds open.
    pub fn open_files(&self) -> usize {
        usize::from(self.live.is_some()) + self.replaced.len()
    }

    /// The serial of the live file's generation.
    pub(super) fn live_serial(&self) -> Option<u64> {
        self.live.as_ref().map(|live| live.serial).or(self.asleep.as_ref().map(|asleep| asleep.serial))
    }

    pub(super) fn live_identity(&self) -> Option<FileIdentity> {
        self.live.as_ref().map(|live| live.identity).or(self.asleep.as_ref().map(|asleep| asleep.identity))
    }

    /// Closes what can be opened again: the live file, and replaced ones that nobody writes any more.
    pub fn sleep(&mut self) {
        let is_named = |file: &File| file.metadata().is_ok_and(|file| file.nlink() > 0);
        let done = |replaced: &Replaced| replaced.settled && replaced.finished && is_named(&replaced.held.file);
        let (done, replaced) = std::mem::take(&mut self.replaced).into_iter().partition(done);
        self.replaced = replaced;
        done.iter().for_each(|replaced: &Replaced| self.release(&replaced.held));
        let Some(asleep) = self.live.as_ref().filter(|_| !self.behind).and_then(HeldFile::sleep) else { return };
        self.asleep = Some(asleep);
        if let Some(live) = self.live.take() {
            self.log.update(|state| {
                if let Some(generation) = state.generation_mut(live.serial) {
                    generation.held = None;
                }
            });
        }
    }

    /// Opens the live file again if it has changed.
    fn wake(&mut self, kit: &mut Kit) -> Result<(), Trouble> {
        let unchanged = |asleep: &Dormant| std::fs::metadata(self.log.path()).is_ok_and(|metadata| asleep.is(&metadata));
        let Some(asleep) = self.asleep.take_if(|asleep| !unchanged(asleep)) else { return Ok(()) };
        match open_identical(&self.home.live, asleep.identity) {
            Ok(file) => {
                let live = asleep.wake(file);
                let file = live.file.clone();
                self.log.update(|state| {
                    if let Some(generation) = state.generation_mut(live.serial) {
                        generation.held = Some(file);
                    }
                });
                self.live = Some(live);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // It was deleted. What it got last may be in a compressed copy.
                self.log.update(|state| state.set_phase(asleep.serial, Phase::Settled));
                self.refresh_siblings(kit);
                self.log.update(|state| {
                    let packed = |generation: &&mut Generation| generation.storage.is_compressed();
                    if let Some(generation) = state.generation_mut(asleep.serial).filter(packed) {
                        (generation.end, generation.tip) = (Generation::UNKNOWN_END, None);
                    }
                });
                Ok(())
            }
            Err(error) => {
                self.asleep = Some(asleep);
                Err(error.into())
            }
        }
    }

    /// One look at the log; whether anything of it changed, so that more may come soon. What an error kept from going further
    /// may have changed it, too.
    pub fn look(&mut self, kit: &mut Kit, now: Instant) -> bool {
        let metadata = std::fs::metadata(self.log.path());
        let (names_changed, names_differ) = self.folders_changed(kit);
        if self.at_rest && !names_changed && metadata.as_ref().is_ok_and(|metadata| self.is_unchanged(metadata)) {
            return false;
        }
        (self.behind, self.passed_over) = (false, false);
        let at_path = AtPath::from(metadata);
        let present = !matches!(at_path, AtPath::Nothing);
        let came_or_went = self.log.state().present != present;
        if came_or_went {
            self.log.update(|state| state.present = present);
        }
        let mut changed = came_or_went || names_differ;
        if let Err(trouble) = self.wake(kit) {
            return changed | self.report(Some(sentence(&trouble)));
        }
        if let AtPath::File(found) = at_path {
            self.renew_identity(found);
        }
        let mut error = None;
        let result = match decide(self.live_identity(), &at_path) {
            Change::Wait => Ok(false),
            Change::Begin | Change::Succeed if !self.has_heard_of_others(kit, &at_path, now) => {
                let read = self.read_live(kit);
                self.behind = true;
                read
            }
            Change::Begin => self.arrive(kit, now),
            Change::Read => {
                (self.missing_since, self.removals, self.awaited) = (None, 0, None);
                self.read_live(kit)
            }
            Change::Linger => self.linger(kit, now),
            Change::Succeed => self.succeed(kit, now),
            Change::Report(why) => {
                error = Some(why);
                self.read_live(kit)
            }
        };
        match result {
            Ok(result) => changed |= result,
            Err(trouble) => error = error.or_else(|| Some(sentence(&trouble))),
        }
        changed |= self.read_replaced(kit, now);
        changed |= self.let_go(kit, now);
        if names_changed {
            changed |= self.insert_unseen_lives(kit).unwrap_or(false);
            changed |= self.refresh_siblings(kit);
        }
        if !self.behind && !self.caught_up {
            self.caught_up = true;
            self.log.update(|state| state.note_caught_up(SystemTime::now()));
        }
        let error = error.or_else(|| self.sibling_error.clone());
        let nothing_to_come = !self.behind && self.replaced.is_empty() && self.siblings_again.is_none() && error.is_none();
        self.at_rest = nothing_to_come && self.missing_since.is_none() && self.awaited.is_none();
        let left_out = || self.log.state().left_out.is_some();
        let too_many = || format!("it has more than {SIBLINGS_MAX} rotated files: the oldest are left out");
        let error = error.or_else(|| left_out().then(too_many));
        changed | self.report(error)
    }

    /// Whether the live file is as it was when it was looked at last.
    fn is_unchanged(&self, metadata: &Metadata) -> bool {
        let asleep = self.asleep.as_ref().is_some_and(|asleep| asleep.is(metadata));
        asleep || self.live.as_ref().is_some_and(|live| live.is_unchanged(metadata))
    }

    /// Takes `found` for the identity of the live file if its descriptor says so by now: the first write to a file of a
    /// lower layer of an overlay gives it another time of birth.
    fn renew_identity(&mut self, found: FileIdentity) {
        let Some(live) = self.live.as_mut().filter(|live| live.identity != found) else { return };
        if !live.file.metadata().is_ok_and(|held| FileIdentity::of(&held) == found) {
            return;
        }
        live.identity = found;
        self.log.update(|state| {
            if let Some(generation) = state.generation_mut(live.serial) {
                generation.become_file(found);
            }
        });
    }

    fn report(&self, error: Option<String>) -> bool {
        if self.log.state().error == error {
            return false;
        }
        if let Some(error) = &error {
            warn!(log = %self.log.name, path = ?self.log.path(), error, "not all of it can be followed");
        }
        self.log.update(|state| state.error = error);
        true
    }

    /// Reads what was appended to the live file. What the replaced ones got before it is published before it.
    pub(super) fn read_live(&mut self, kit: &mut Kit) -> Result<bool, Trouble> {
        let Some(live) = &mut self.live else { return Ok(false) };
        let before = live.end;
        let (pieces, at_end) = match live.read_appended(&mut kit.block, kit.wanted) {
            Ok(read) => read,
            Err(Trouble::Changed(_)) => return self.truncated(kit),
            Err(trouble) => return Err(trouble),
        };
        self.behind |= !at_end;
        self.passed_over |= live.passed.bytes > 0;
        // A record that is longer than a block makes no piece.
        if pieces.is_empty() && live.end == before {
            self.was_empty |= live.end == live.head.base;
            return Ok(false);
        }
        if self.insert_unseen_lives(kit)? {
            return Ok(true);
        }
        self.was_empty = false;
        self.read_replaced(kit, Instant::now());
        let live = self.live.as_mut().expect("it was read just now");
        publish(&self.log, live, pieces, kit);
        Ok(true)
    }

    /// No file has the name: goes on reading the held one, and after a while as one that was replaced.
    fn linger(&mut self, kit: &mut Kit, now: Instant) -> Result<bool, Trouble> {
        let since = *self.missing_since.get_or_insert(now);
        let read = self.read_live(kit)?;
        if now.duration_since(since) > kit.settings.hold_time {
            self.retire(since);
        }
        Ok(read)
    }

    /// Makes the live file a replaced one; its serial.
    pub(super) fn retire(&mut self, since: Instant) -> Option<u64> {
        let held = self.live.take()?;
        let serial = held.serial;
        self.log.update(|state| state.set_phase(serial, Phase::Settling));
        self.replaced.push(Replaced { held, since, grew: Instant::now(), settled: false, finished: false });
        let surplus = self.replaced.len().saturating_sub(SETTLING_MAX);
        for replaced in self.replaced[..surplus].iter_mut().filter(|replaced| !replaced.settled) {
            replaced.settled = true;
            self.log.update(|state| state.set_phase(replaced.held.serial, Phase::Settled));
        }
        Some(serial)
    }

    /// Hears late writers of replaced files.
    pub(super) fn read_replaced(&mut self, kit: &mut Kit, now: Instant) -> bool {
        let mut changed = false;
        for replaced in &mut self.replaced {
            let (serial, before) = (replaced.held.serial, replaced.held.end);
            let (pieces, at_end) = match replaced.held.read_appended(&mut kit.block, kit.wanted) {
                Ok(read) => read,
                // Cut after it was replaced, by whoever frees space: what was read stays readable as far as memory has it.
                Err(trouble) => {
                    debug!(log = %self.log.name, error = sentence(&trouble), "a replaced file can't be read on");
                    replaced.since = now.checked_sub(kit.settings.hold_time).unwrap_or(now);
                    continue;
                }
            };
            self.behind |= !at_end;
            let quiet = at_end && now.duration_since(replaced.grew) > SETTLE;
            let last = (pieces.is_empty() && quiet && !replaced.finished).then(|| replaced.held.finish());
            replaced.finished |= last.is_some();
            if let Some(Err(trouble)) = &last {
                warn!(log = %self.log.name, error = sentence(trouble), "the last record of a replaced file is lost");
            }
            if replaced.held.end > before {
                if std::mem::take(&mut replaced.settled) {
                    note_late(&self.log, serial, before);
                }
                replaced.finished &= pieces.is_empty();
                replaced.grew = now;
                let last = last.and_then(Result::ok).flatten();
                publish(&self.log, &mut replaced.held, pieces.into_iter().chain(last).collect(), kit);
                changed = true;
            } else if quiet && !replaced.settled {
                replaced.settled = true;
                self.log.update(|state| state.set_phase(serial, Phase::Settled));
                changed = true;
            }
        }
        changed
    }

    /// Closes replaced files whose time is over, or that are too many: the oldest first.
    fn let_go(&mut self, kit: &mut Kit, now: Instant) -> bool {
        let keep = |(newer, replaced): &(usize, &Replaced)| {
            *newer < REPLACED_MAX && now.duration_since(replaced.since) < kit.settings.hold_time
        };
        let kept = self.replaced.iter().rev().enumerate().take_while(keep).count();
        let gone: Vec<Replaced> = self.replaced.drain(..self.replaced.len() - kept).collect();
        let is_none = gone.is_empty();
        gone.into_iter().for_each(|replaced| self.abandon(kit, replaced));
        if is_none {
            return false;
        }
        // What has them now, if anything has.
        self.refresh_siblings(kit);
        true
    }

    /// How many bytes of deleted files it keeps from being freed, and since when the oldest of them was replaced.
    pub fn held_bytes(&self) -> (u64, Option<Instant>) {
        // Only a file without a name takes space because it is held.
        let cost = |file: &File| file.metadata().map_or(0, |metadata| if metadata.nlink() == 0 { metadata.len() } else { 0 });
        let missing = self.live.iter().filter(|_| self.missing_since.is_some()).map(|live| cost(&live.file));
        let replaced = self.replaced.iter().map(|replaced| cost(&replaced.held.file));
        (replaced.chain(missing).sum(), self.replaced.first().map(|replaced| replaced.since).or(self.missing_since))
    }

    /// Closes the file that lost the log's name first, before its time is over.
    pub fn let_go_of_oldest(&mut self, kit: &mut Kit) {
        if let Some(since) = self.missing_since.take_if(|_| self.replaced.is_empty()) {
            self.retire(since);
        }
        if !self.replaced.is_empty() {
            let oldest = self.replaced.remove(0);
            info!(log = %self.log.name, serial = oldest.held.serial, "a deleted file is let go of: more is held than may be");
            self.abandon(kit, oldest);
            self.refresh_siblings(kit);
        }
    }

    /// Lets go of a replaced file, whether its writers have left it or not. What stands behind its last terminator counts as a
    /// record from now on: nobody will hear of its end.
    fn abandon(&self, kit: &mut Kit, mut replaced: Replaced) {
        let held = &mut replaced.held;
        let before = held.end;
        let read = held.read_appended(&mut kit.block, kit.wanted).and_then(|(mut pieces, at_end)| {
            pieces.extend(if at_end { held.finish()? } else { None });
            Ok(pieces)
        });
        match read {
            Ok(_) if held.end == before => {}
            Ok(pieces) => {
                if replaced.settled {
                    note_late(&self.log, held.serial, before);
                }
                publish(&self.log, held, pieces, kit);
            }
            Err(trouble) if !replaced.finished => {
                warn!(log = %self.log.name, error = sentence(&trouble), "the last record of a replaced file is lost");
            }
            Err(_) => {}
        }
        self.release(held);
    }

    fn release(&self, held: &HeldFile) {
        self.log.update(|state| {
            state.set_phase(held.serial, Phase::Settled);
            if let Some(generation) = state.generation_mut(held.serial) {
                generation.release();
            }
        });
    }
}

/// A held file as readers see it.
pub(super) fn live_generation(held: &HeldFile, path: &Path) -> Generation {
    Generation {
        serial: held.serial,
        identity: held.identity,
        hint: held.identity.hint(),
        former: Vec::new(),
        back: None,
        late: Vec::new(),
        path: path.into(),
        held: Some(held.file.clone()),
        storage: Storage::Plain,
        head: held.head.clone(),
        end: held.end,
        tip: Some(held.tip.clone()),
        phase: Phase::Live,
        modified: held.modified,
    }
}

/// Makes what was read of a held file known to readers.
pub(super) fn publish(log: &Log, held: &mut HeldFile, pieces: Vec<Piece>, kit: &Kit) {
    let passed = std::mem::take(&mut held.passed);
    let records = passed.long_records + pieces.iter().map(|piece| lines_in(piece.records())).sum::<u64>();
    log.update(|state| {
        let before = state.generation(held.serial).map(|generation| generation.end);
        if let Some(before) = before.filter(|before| *before < held.end) {
            log.counts.note_read((held.end - before).saturating_sub(passed.bytes), records);
            log.counts.note_passed(passed.bytes);
            state.note_arrival(held.serial, before, SystemTime::now());
        }
        if let Some(generation) = state.generation_mut(held.serial) {
            generation.head = held.head.clone();
            generation.end = held.end;
            generation.tip = Some(held.tip.clone());
            generation.modified = held.modified;
        }
        if kit.settings.hot_tail_bytes > 0 {
            pieces.into_iter().for_each(|piece| state.tail.push(piece));
        }
    });
}

/// Notes that generation `serial`, which had been settled at `from`, grew all the same.
fn note_late(log: &Log, serial: u64, from: u64) {
    log.update(|state| {
        let since = state.newest_end();
        state.set_phase(serial, Phase::Settling);
        if let Some(generation) = state.generation_mut(serial) {
            generation.late.push(Late { from, since });
        }
    });
}

/// How many lines there are; the last may lack its end.
fn lines_in(records: &[u8]) -> u64 {
    memchr_iter(b'\n', records).count() as u64 + u64::from(!records.is_empty() && !records.ends_with(b"\n"))
}

/// What is at a path, without opening it: opening a FIFO would wake its writer.
pub(super) fn at_path(path: &Path) -> AtPath {
    AtPath::from(std::fs::metadata(path))
}
