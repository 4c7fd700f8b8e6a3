//! How one file of a log follows another: begins, succeeds, comes back, is written anew, is cut. Decides what the next
//! generation is, and what may be missing before it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::append::HeldFile;
use super::catalog::Succession;
use super::change::AtPath;
use super::container;
use super::content::{Storage, storage_of};
use super::followed::{Awaited, Followed, Kit, live_generation, publish};
use super::generation::{Generation, Phase, open_regular};
use super::identity::FileIdentity;
use super::links::real_path;
use super::read::Trouble;
use crate::event::RotateKind;

/// How long it is waited at most to hear what happened to a log's name, while it goes from one file to the next.
const HEARING: Duration = Duration::from_secs(1);
/// How many blocks of a replaced file are read before its successor is opened; what is left counts as late.
const DRAIN_LOOKS_MAX: usize = 1000;

impl Followed {
    /// A file has the name, and none is held. Others may have had it since the last look.
    pub(super) fn arrive(&mut self, kit: &mut Kit, now: Instant) -> Result<bool, Trouble> {
        let Some(opened) = self.open_next()? else { return Ok(false) };
        let last = self.log.state().newest().map(|newest| newest.serial);
        let kind = self.kind_of_rotation(None);
        let succession = self.insert_missed(kit, last, &opened, kind, now);
        self.begin(kit, opened, last.map(|_| succession))
    }

    /// Goes on in the file that was opened at the path.
    pub(super) fn begin(
        &mut self,
        kit: &mut Kit,
        (file, identity): (File, FileIdentity),
        succession: Option<Succession>,
    ) -> Result<bool, Trouble> {
        if storage_of(&file)?.is_compressed() {
            return Err(Trouble::Unreadable("the live file is compressed; only rotated ones may be".into()));
        }
        // It may have had another life since the rotated files were listed; all of a new log's are yet to be listed.
        self.was_empty = succession.is_some();
        let serial = kit.next_serial();
        let (held, back) = match self.held_before(&file, identity, serial)? {
            Some(held) => (held, true),
            None => (HeldFile::open(file, identity, serial)?, false),
        };
        debug!(log = %self.log.name, serial, back, "a generation begins");
        let back = back.then(|| (held.end, held.tip.clone()));
        let generation = Generation { back, ..live_generation(&held, &self.log.path()) };
        self.log.update(|state| {
            if let Some(succession) = succession {
                self.log.counts.note_rotation(succession.kind);
                state.successions.insert(generation.serial, succession);
            }
            state.generations.push(generation);
        });
        self.live = Some(held);
        self.find_home(kit);
        self.read_live(kit)?;
        Ok(true)
    }

    /// Finds where the live file is.
    fn find_home(&mut self, kit: &mut Kit) {
        let live = real_path(&self.log.path());
        kit.moved_home |= live != self.home.live;
        self.home.live = live;
    }

    /// The file as it was known when it lost the log's name, which it has again, if it did.
    pub(super) fn held_before(&mut self, file: &File, identity: FileIdentity, serial: u64) -> Result<Option<HeldFile>, Trouble> {
        let replaced = self.replaced.iter().position(|replaced| replaced.held.identity == identity);
        let known = {
            let state = self.log.state();
            let mut known = state.generations.iter().rev().filter(|known| known.identity == identity);
            known.find(|known| known.storage == Storage::Plain && !known.is_empty() && known.tip.is_some()).cloned()
        };
        let Some(known) = known else { return Ok(None) };
        let held = HeldFile::known(file.try_clone()?, serial, &known)?;
        if let (Some(_), Some(replaced)) = (&held, replaced) {
            self.replaced.remove(replaced);
            self.log.update(|state| state.set_phase(known.serial, Phase::Settled));
        }
        Ok(held)
    }

    /// Whether it is known how many files had the log's name before the one that has it now: all that happened until it got
    /// it was heard. Where no notifications tell, there is nothing to wait for.
    pub(super) fn has_heard_of_others(&mut self, kit: &mut Kit, at_path: &AtPath, now: Instant) -> bool {
        let AtPath::File(file) = *at_path else { return true };
        let notified = self.home.live.parent().is_some_and(|folder| kit.watch.covers(folder));
        if !notified || self.log.state().generations.is_empty() {
            return true;
        }
        let since = match &self.awaited {
            Some(awaited) if awaited.file == file && kit.watch.has_heard(awaited.mark) => return true,
            Some(awaited) if now.duration_since(awaited.since) > HEARING => {
                self.removals = usize::MAX;
                return true;
            }
            Some(awaited) if awaited.file == file => return false,
            Some(awaited) => awaited.since,
            None => now,
        };
        self.awaited = kit.watch.mark().map(|mark| Awaited { file, mark, since });
        self.awaited.is_none()
    }

    /// Opens the file that has the log's name; `None` if that is not the one of which it was heard how many had the name
    /// before.
    fn open_next(&mut self) -> Result<Option<(File, FileIdentity)>, Trouble> {
        let opened = open_regular(&self.log.path(), self.home.bounds.as_deref())?;
        let is_another = self.awaited.as_ref().is_some_and(|awaited| awaited.file != opened.1) && self.removals < usize::MAX;
        self.behind |= is_another;
        if !is_another {
            self.awaited = None;
        }
        Ok((!is_another).then_some(opened))
    }

    /// Another file has the name: drains the held one, then opens the other.
    pub(super) fn succeed(&mut self, kit: &mut Kit, now: Instant) -> Result<bool, Trouble> {
        self.missing_since = None;
        for _ in 0..DRAIN_LOOKS_MAX {
            if !self.read_live(kit)? {
                break;
            }
        }
        self.behind = false;
        self.insert_unseen_lives(kit)?;
        if self.continue_in_copy(kit)? {
            return Ok(true);
        }
        // Opened before the siblings are listed: a rotation in between is then one like any other.
        let Some(opened) = self.open_next()? else { return Ok(true) };
        // What late writers wrote until now is read before any of their files counts as settled.
        self.read_replaced(kit, now);
        let kind = self.kind_of_rotation(self.live.as_ref());
        let last = self.retire(now);
        if real_path(&self.log.path()).parent().is_some_and(container::is_folder) {
            // The files of the runs between stand beside the file of the newest.
            self.find_home(kit);
        }
        let succession = self.insert_missed(kit, last, &opened, kind, now);
        self.begin(kit, opened, Some(succession))
    }

    /// How the log's name came to another file than `held`.
    pub(super) fn kind_of_rotation(&self, held: Option<&HeldFile>) -> RotateKind {
        match held.map(|held| held.file.metadata()) {
            _ if real_path(&self.log.path()) != self.home.live => RotateKind::Symlink,
            Some(Ok(metadata)) if metadata.nlink() == 0 => RotateKind::Recreate,
            _ => RotateKind::Rename,
        }
    }

    /// A file that replaced another and holds all that was read of it is the same generation: an editor or
    /// `sed -i` wrote it anew.
    pub(super) fn continue_in_copy(&mut self, kit: &mut Kit) -> Result<bool, Trouble> {
        let Some(live) = &mut self.live else { return Ok(false) };
        if !live.continues_in(&open_regular(&self.log.path(), self.home.bounds.as_deref())?)? {
            return Ok(false);
        }
        let file = live.file.clone();
        self.log.update(|state| {
            if let Some(generation) = state.generation_mut(live.serial) {
                generation.held = Some(file);
                generation.become_file(live.identity);
            }
        });
        self.read_live(kit)?;
        Ok(true)
    }

    /// The live file was cut or rewritten in place: what was in it is a generation of its own, of which a copy may exist.
    pub(super) fn truncated(&mut self, kit: &mut Kit) -> Result<bool, Trouble> {
        let Some(live) = &self.live else { return Ok(false) };
        // The same file goes on, whatever has the name by now. First of all: where that fails, nothing has happened.
        let opened = (live.file.try_clone()?, live.identity);
        let Some(mut old) = self.live.take() else { return Ok(false) };
        let serial = old.serial;
        if old.cut_back(|offset| self.log.state().tail.tip(serial, offset)).unwrap_or(false) {
            self.log.update(|state| state.tail.cut_back(old.serial, old.end));
            publish(&self.log, &mut old, Vec::new(), kit);
            self.live = Some(old);
            return Ok(true);
        }
        info!(log = %self.log.name, path = ?self.log.path(), "the file was truncated");
        self.log.update(|state| {
            if let Some(generation) = state.generation_mut(serial) {
                (generation.storage, generation.held, generation.phase) = (Storage::Lost, None, Phase::Settled);
            }
        });
        self.refresh_siblings(kit);
        let copied = self.log.state().generation(serial).is_some_and(|copied| copied.storage != Storage::Lost);
        let kind = if copied { RotateKind::Copytruncate } else { RotateKind::Truncate };
        let succession = self.insert_missed(kit, Some(serial), &opened, kind, Instant::now());
        self.begin(kit, opened, Some(succession))
    }

    /// A file that was empty when it was looked at last may have been filled, copied and cut to nothing again since: takes
    /// in the copies of such lives. Whether there were any.
    pub(super) fn insert_unseen_lives(&mut self, kit: &mut Kit) -> Result<bool, Trouble> {
        // Of a deleted file nobody knows any more which of the others are younger.
        let named = |file: &HeldFile| file.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        let Some(live) = self.live.as_ref().filter(|live| self.was_empty && named(live)) else { return Ok(false) };
        let opened = (live.file.try_clone()?, live.identity);
        let Some(empty) = self.live.take() else { return Ok(false) };
        let serial = empty.serial;
        let before = self.log.state().generations.iter().rfind(|earlier| earlier.serial < serial).map(|earlier| earlier.serial);
        let (_, missed) = self.missed(kit, before, &opened, RotateKind::Copytruncate);
        if missed.is_empty() {
            self.live = Some(empty);
            return Ok(false);
        }
        self.log.update(|state| {
            if let Some(generation) = state.generation_mut(serial) {
                (generation.storage, generation.held, generation.phase) = (Storage::Lost, None, Phase::Settled);
            }
        });
        let first = self.listed(RotateKind::Copytruncate);
        let succession = self.insert(kit, missed, first, Instant::now());
        self.begin(kit, opened, Some(succession))
    }
}
