//! The rotated files of a followed log: found when the log is first seen, and kept right while they are renamed,
//! compressed, copied and deleted.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tracing::debug;

use super::append::HeldFile;
use super::catalog::{LogState, Succession};
use super::change::AtPath;
use super::content::Storage;
use super::folder::Stamp;
use super::followed::{Followed, Kit, Replaced, SETTLE, at_path, live_generation, publish};
use super::generation::{Generation, Phase, open_regular};
use super::identity::FileIdentity;
use super::read::Trouble;
use super::siblings::{Likeness, OpenedSibling, SIBLINGS_MAX, Sibling, likeness, open_siblings};
use crate::event::{Continuity, Reason, RotateKind};

/// How many destroyed generations are remembered, so that readers in them learn what happened.
const LOST_MAX: usize = 64;
/// How long after a rotated file could not be read the next try is made.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);
/// In how many looks at most a file is read to its end that was found just now.
const LOOKS_MAX: usize = 16;

/// How long the rotated files of a new log are listed at most, while they are renamed all the time.
const LISTING_MAX: Duration = Duration::from_millis(500);

impl Followed {
    /// Whether names in the log's folders may have changed since the last time that this was asked, and whether they have
    /// for all that is known.
    pub(super) fn folders_changed(&mut self, kit: &mut Kit) -> (bool, bool) {
        let stamps: Vec<Stamp> = self.home.folders().map(|folder| kit.folders.stamp(folder)).collect();
        let again = self.siblings_again.is_some_and(|at| Instant::now() >= at);
        let differ = stamps != self.folder_stamps;
        let may_differ = differ || again || !stamps.iter().all(Option::is_some);
        self.folder_stamps = stamps;
        (may_differ, differ)
    }

    /// The generations of a log that is first seen: the live file, and the rotated ones that are older. The live file is
    /// held first, so that a rotation meanwhile is one like any other.
    pub(super) fn find_history(&mut self, kit: &mut Kit, now: Instant) {
        kit.serial += SIBLINGS_MAX as u64;
        let oldest = kit.serial - SIBLINGS_MAX as u64;
        if matches!(at_path(&self.log.path()), AtPath::File(_)) {
            // What is wrong with it the first look says.
            let _ = open_regular(&self.log.path(), self.home.bounds.as_deref())
                .map_err(Trouble::from)
                .and_then(|opened| self.begin(kit, opened, None));
        }
        let held = self.log.state().newest().map(|live| live.identity);
        let mut found = self.open_siblings(kit);
        while !self.all_siblings && now.elapsed() < LISTING_MAX {
            found = self.open_siblings(kit);
        }
        // Read on after the listing: it may be one of those listed by now, even compressed. All that is listed was missed.
        self.was_empty = false;
        let _ = self.read_live(kit);
        let live = self.log.state().newest().filter(|live| Some(live.identity) == held).cloned();
        let files: Vec<_> = self.siblings.iter().map(|sibling| (&sibling.path, sibling.identity)).collect();
        debug!(log = %self.log.name, live = ?live.as_ref().map(|live| live.identity), ?files, "rotated files, the oldest first");
        // Rotated while the files were listed: those that are listed behind it are younger.
        let moved = live.as_ref().is_some_and(|live| at_path(&self.log.path()) != AtPath::File(live.identity));
        let mut generations: Vec<Generation> = Vec::new();
        let mut newest = None;
        for ((sibling, opened), serial) in found.into_iter().zip(oldest + 1..) {
            let is_live = live.iter().any(|live| live.identity == sibling.identity);
            if is_live && moved {
                break;
            }
            let Some((generation, file)) = opened.filter(|_| !is_live) else { continue };
            let like = |other: &Generation| likeness(&generation, other, &self.log.state()) != Likeness::Other;
            // The live file itself, meanwhile rotated and compressed, or a copy of it.
            if live.iter().any(like) {
                if moved {
                    break;
                }
                continue;
            }
            if let Some(other) = generations.iter().position(like) {
                // A file beside its own compressed one is the one that may grow; of two plain ones the younger is a copy.
                if generations[other].storage.is_compressed() {
                    generations[other] = Generation { serial: generations[other].serial, ..generation };
                    continue;
                }
                if generation.storage.is_compressed() || generation.identity.born() >= generations[other].identity.born() {
                    continue;
                }
                generations.remove(other);
            }
            newest = file.filter(|_| generation.storage == Storage::Plain).map(|file| (file, generation.identity, serial));
            generations.push(Generation { serial, ..generation });
        }
        self.log.update(|state| {
            drop(state.generations.splice(..0, generations));
            tell_truncations(state);
        });
        if let Some((file, identity, serial)) = newest {
            self.hold(kit, file, identity, serial, now);
        }
    }

    /// Holds a rotated file that may still be written: it was rotated while nobody was looking.
    fn hold(&mut self, kit: &mut Kit, file: File, identity: FileIdentity, serial: u64, now: Instant) {
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > kit.settings.hold_time) {
            return;
        }
        let opened = HeldFile::open(file, identity, serial).and_then(|mut held| {
            // What is left is read in turns, as what late writers add.
            let settled = read_to_end(&mut held, kit)? && age.is_none_or(|age| age > SETTLE);
            if settled {
                held.finish()?;
            }
            Ok((held, settled))
        });
        // It can't be read now: it stays a file among the rotated ones.
        let Ok((mut held, settled)) = opened else { return };
        publish(&self.log, &mut held, Vec::new(), kit);
        self.log.update(|state| {
            state.set_phase(serial, if settled { Phase::Settled } else { Phase::Settling });
            if let Some(generation) = state.generation_mut(serial) {
                generation.held = Some(held.file.clone());
            }
        });
        self.replaced.push(Replaced { held, since: now, grew: now, settled, finished: settled });
    }

    /// Lists the rotated files and opens those that are not known.
    fn open_siblings(&mut self, kit: &mut Kit) -> Vec<(Sibling, Option<OpenedSibling>)> {
        let state = self.log.state();
        let known: HashSet<FileIdentity> = state
            .generations
            .iter()
            .filter(|generation| !generation.is_unreadable())
            .map(|generation| generation.identity)
            .collect();
        drop(state);
        let found = open_siblings(&self.home, &mut kit.folders, |identity| known.contains(identity));
        self.siblings = found.siblings.iter().map(|(sibling, _)| sibling.clone()).collect();
        self.all_siblings = found.is_sure;
        self.sibling_error = found.error;
        if found.is_sure {
            self.leave_out(&found.older);
        }
        let pause = if found.is_sure { UNREADABLE_PAUSE } else { Duration::ZERO };
        self.siblings_again = (found.again || !found.is_sure).then(|| Instant::now() + pause);
        let at = |generation: &Generation| self.siblings.iter().find(|sibling| sibling.identity == generation.identity);
        let lies_elsewhere = |generation: &Generation| {
            generation.storage != Storage::Lost && at(generation).is_some_and(|sibling| *sibling.path != *generation.path)
        };
        if self.log.state().generations.iter().any(lies_elsewhere) {
            self.log.update(|state| {
                for generation in state.generations.iter_mut().filter(|generation| lies_elsewhere(generation)) {
                    if let Some(sibling) = at(generation) {
                        generation.path = sibling.path.as_path().into();
                    }
                }
            });
        }
        found.siblings
    }

    /// Lets go of what is in rotated files that are too many, and notes that they are there.
    fn leave_out(&self, older: &[Sibling]) {
        if older.is_empty() && self.log.state().left_out.is_none() {
            return;
        }
        let name = older.last().and_then(|newest| newest.path.file_name()).map(|name| name.to_string_lossy().into_owned());
        let older: HashSet<FileIdentity> = older.iter().map(|sibling| sibling.identity).collect();
        let stays = |generation: &Generation| {
            generation.phase != Phase::Settled || generation.held.is_some() || !older.contains(&generation.identity)
        };
        let is_known = |state: &LogState| state.left_out == name && state.generations.iter().all(stays);
        if is_known(&self.log.state()) {
            return;
        }
        self.log.update(|state| {
            state.left_out.clone_from(&name);
            state.generations.retain(stays);
        });
    }

    /// Takes in the generations that came and went between two looks, before `next`; how `next` follows the last of them.
    pub(super) fn insert_missed(
        &mut self,
        kit: &mut Kit,
        last: Option<u64>,
        next: &(File, FileIdentity),
        kind: RotateKind,
        now: Instant,
    ) -> Succession {
        let (continuity, missed) = self.missed(kit, last, next, kind);
        // Where rotated files are kept and the earlier one is not among them any more, others may have been between; and
        // others were there where more lost the name than are known.
        let removed = std::mem::take(&mut self.removals) > 1 + missed.len();
        let continuity = if self.all_siblings { continuity } else { Continuity::Assumed };
        let suspect = continuity == Continuity::Assumed && (removed || !self.siblings.is_empty());
        let renamed = Succession { kind, continuity, doubt: suspect.then_some(Reason::Overrun) };
        let first = if kind.is_in_place() { Succession::truncation(kind) } else { renamed };
        self.insert(kit, missed, first, now)
    }

    /// The generations that came and went between two looks: rotated files that are newer than `last`, the newest that is
    /// known, and older than `next`, which is open; and how sure it is that the first of them, or `next`, follows `last`.
    pub(super) fn missed(
        &mut self,
        kit: &mut Kit,
        last: Option<u64>,
        next: &(File, FileIdentity),
        kind: RotateKind,
    ) -> (Continuity, Vec<OpenedSibling>) {
        let born = next.1.born();
        // The truncation came after the copy.
        let copied_until = next.0.metadata().and_then(|file| file.modified()).ok().filter(|_| kind.is_in_place());
        let found = self.open_siblings(kit);
        // Read after the listing: it may be one of those listed by now, even compressed.
        let next = whole(kit, next, &self.log.path());
        let known = self.log.state().generations.clone();
        let last = last.and_then(|last| known.iter().find(|generation| generation.serial == last));
        let mut proved = last.is_none();
        let mut missed: Vec<OpenedSibling> = Vec::new();
        for (sibling, opened) in found {
            let like = |other: &&Generation| match &opened {
                Some((generation, _)) => likeness(generation, other, &self.log.state()) != Likeness::Other,
                None => other.identity == sibling.identity,
            };
            if next.iter().any(|next| sibling.identity == next.identity || like(&next)) {
                break;
            }
            match (known.iter().rev().find(like), &opened) {
                (Some(known), _) if last.is_some_and(|last| known.serial == last.serial) => {
                    proved = true;
                    missed.clear();
                }
                (None, Some((generation, _))) => {
                    let again = missed.iter().any(|(other, _)| like(&other));
                    // An empty one may have a late writer, but not if it is younger than its successor: a copy that is begun.
                    let older = sibling.identity.born() <= born;
                    let may_grow = generation.storage == Storage::Plain && older;
                    // Behind `last` the listing tells the order; without it only time does.
                    if copied_until.is_none_or(|until| sibling.modified <= until)
                        && (proved || last.is_some_and(|last| sibling.modified >= last.modified))
                        && (may_grow || !generation.is_empty())
                        && !again
                    {
                        missed.extend(opened);
                    }
                }
                _ => {}
            }
        }
        (if proved { Continuity::Proved } else { Continuity::Assumed }, missed)
    }

    /// Takes in generations that were missed, the first of which follows in this way what is known; how the next one follows
    /// them.
    pub(super) fn insert(&mut self, kit: &mut Kit, missed: Vec<OpenedSibling>, first: Succession, now: Instant) -> Succession {
        let mut succession = first;
        for (generation, file) in missed {
            let (serial, identity) = (kit.next_serial(), generation.identity);
            let plain = file.filter(|_| generation.storage == Storage::Plain);
            debug!(log = %self.log.name, serial, path = ?generation.path, "a generation came and went between two looks");
            self.log.counts.note_rotation(succession.kind);
            self.log.update(|state| {
                state.successions.insert(serial, succession);
                state.generations.push(Generation { serial, ..generation });
            });
            if let Some(file) = plain {
                self.hold(kit, file, identity, serial, now);
            }
            // Those that follow it in the listing follow it indeed; before each truncation something may be destroyed.
            succession = match first.kind.is_in_place() {
                true => Succession::truncation(first.kind),
                false => self.listed(first.kind),
            };
        }
        succession
    }

    /// How a file follows the one before it in the listing.
    pub(super) fn listed(&self, kind: RotateKind) -> Succession {
        match self.all_siblings {
            true => Succession { kind, continuity: Continuity::Proved, doubt: None },
            false => Succession { kind, continuity: Continuity::Assumed, doubt: Some(Reason::Overrun) },
        }
    }

    /// Keeps the paths of rotated files right: renamed, compressed, copied, deleted. Whether anything had changed.
    pub(super) fn refresh_siblings(&mut self, kit: &mut Kit) -> bool {
        let unknown: Vec<Generation> = self.open_siblings(kit).into_iter().filter_map(|(_, opened)| Some(opened?.0)).collect();
        if !self.all_siblings {
            // What is not listed may be there all the same: it is looked for again at the next look.
            return false;
        }
        let mut generations = self.log.state().generations.clone();
        let live = self.live_serial();
        let mut changed = false;
        for generation in generations.iter_mut().filter(|generation| Some(generation.serial) != live) {
            changed |= self.find_again(generation, &unknown);
        }
        if !changed {
            return false;
        }
        self.log.update(|state| {
            state.generations = generations;
            forget_lost(state);
        });
        true
    }

    /// Finds the file that has a generation now; whether anything of it is not as it was.
    fn find_again(&self, generation: &mut Generation, unknown: &[Generation]) -> bool {
        let mut changed = false;
        if generation.is_unreadable()
            && let Some(read) = unknown.iter().find(|read| read.identity == generation.identity)
        {
            changed = !read.is_unreadable() || read.end != generation.end;
            *generation = Generation { serial: generation.serial, ..read.clone() };
        }
        let was_lost = generation.storage == Storage::Lost;
        let there = self.siblings.iter().any(|sibling| sibling.identity == generation.identity);
        if there && !was_lost {
            return changed;
        }
        let whole = |copy: &&Generation| copy.end >= generation.end || was_lost;
        let copy = unknown.iter().filter(whole).find(|copy| likeness(copy, generation, &self.log.state()) == Likeness::Copy);
        match copy {
            Some(copy) => adopt(generation, copy),
            None if generation.held.is_some() || generation.open().is_ok() => return changed,
            // Nothing is left of it but what the hot tail has.
            None => generation.storage = Storage::Lost,
        }
        changed || !was_lost || generation.storage != Storage::Lost
    }
}

/// Reads a held file to its present end, or as far as there is time for; whether it was the end.
fn read_to_end(held: &mut HeldFile, kit: &mut Kit) -> Result<bool, Trouble> {
    for _ in 0..LOOKS_MAX {
        if held.read_appended(&mut kit.block, u64::MAX)?.1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The generation in a file that was opened at `path`, read to its present end if that is near; `None` where it can't be read.
fn whole(kit: &mut Kit, (file, identity): &(File, FileIdentity), path: &Path) -> Option<Generation> {
    let mut held = HeldFile::open(file.try_clone().ok()?, *identity, 0).ok()?;
    read_to_end(&mut held, kit).ok()?;
    Some(live_generation(&held, path))
}

/// Lets a compressed or copied file take the place of the one whose content it holds. While that one is held it is
/// still read.
fn adopt(generation: &mut Generation, copy: &Generation) {
    let truncated = generation.storage == Storage::Lost;
    (generation.path, generation.identity, generation.storage) = (copy.path.clone(), copy.identity, copy.storage);
    if generation.held.is_some() {
        return;
    }
    generation.former.push(generation.hint);
    generation.hint = copy.hint;
    if copy.head.bytes().len() > generation.head.bytes().len() {
        generation.head = copy.head.clone();
    }
    if (copy.storage == Storage::Plain && copy.end > generation.end) || (copy.storage.is_compressed() && truncated) {
        (generation.end, generation.tip) = (copy.end, copy.tip.clone());
    }
}

/// Notes which of a newly found log's generations ended by a truncation: their files are copies.
fn tell_truncations(state: &mut LogState) {
    let copied = (0..state.generations.len()).filter(|&index| is_copy(&state.generations[index..]));
    let ends = copied.filter_map(|index| state.generations.get(index + 1)).map(|next| next.serial);
    let ends: Vec<_> = ends.map(|serial| (serial, Succession::truncation(RotateKind::Copytruncate))).collect();
    state.successions.extend(ends);
}

/// Whether the first generation's file is a copy: a file was there already when it was made that came to hold a later one.
fn is_copy(generations: &[Generation]) -> bool {
    let [first, later @ ..] = generations else { return false };
    let Some(born) = first.identity.born() else { return false };
    // A compressed file is made later in any case, but may be dated like its source; only late writers write that when
    // another file has its name. A plain one that is dated like its source was put there by a backup or an operator.
    let packed = first.storage.is_compressed();
    if packed == (first.modified >= born) {
        return false;
    }
    later.iter().zip(0..).filter(|(later, _)| !later.storage.is_compressed()).any(|(later, distance)| {
        let late = if packed && distance == 0 { SETTLE } else { Duration::ZERO };
        let made = if packed { first.modified } else { born };
        later.identity.born().is_some_and(|there| made.duration_since(there).is_ok_and(|after| after > late))
    })
}

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
