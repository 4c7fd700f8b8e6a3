//! Which generation an id is of: judges the content of every candidate, and where a doubt is left, or nothing is found,
//! says so. Reads files: blocks. Never matches across logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::catalog::Log;
use super::content::Storage;
use super::generation::{Generation, Late};
use super::read::{Place, Trouble, at_base, place_at, start, tip_in_file, tip_in_memory};

use super::strength::is_strong;
use super::unpack::Budget;
use crate::event::Reason;
use crate::position::{Check, Hint, Position};

/// How long candidates are unpacked at most to find the places of one client's id in one log.
pub const RESOLVE_TIME_MAX: Duration = Duration::from_secs(10);
/// How many bytes of content are unpacked at most for that.
pub const RESOLVE_BYTES_MAX: u64 = 4 << 30;

/// Where a log's reading goes on for a client that came with an id.
#[derive(Debug)]
pub struct Resolved {
    /// The places, the oldest first; none where the log has no file.
    pub places: Vec<Place>,
    /// What could not be found.
    pub missing: Option<Missing>,
    /// The positions of the id in a generation, by its serial, where it names several: the farthest first. The place is at
    /// the last of them.
    pub several: BTreeMap<u64, Vec<Position>>,
    /// All places that the id names, as serial and offset.
    pub named: BTreeSet<(u64, u64)>,
    /// The generations among them, by serial, of which only a copy is left: more may have been behind their end.
    pub copies: Vec<u64>,
}

impl Resolved {
    /// At these places and no other, the oldest first.
    pub fn at(places: Vec<Place>) -> Self {
        Resolved { places, missing: None, several: BTreeMap::new(), named: BTreeSet::new(), copies: Vec::new() }
    }
}

/// What was asked for and can't be given.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Why.
    pub reason: Reason,
    /// The file concerned.
    pub file: Option<String>,
    /// Whether records are surely lost.
    pub certain: bool,
    /// Whether records may come twice.
    pub may_repeat: bool,
}

/// What is missing before the first generation of `log`, where rotated files are left out.
pub fn left_out(log: &Log) -> Option<Missing> {
    let file = log.state().left_out.clone()?;
    Some(Missing { reason: Reason::Budget, file: Some(file), certain: false, may_repeat: false })
}

/// What a generation says of a position.
enum Verdict {
    /// Its content is what the position was made from; `strong` if no other file has such content.
    Exact {
        strong: bool,
    },
    Short,
    Rewritten,
    Unreadable,
    OverBudget,
    Other,
}

/// Finds the generations that `positions`, all of this log, are in.
pub fn resolve(log: &Log, positions: &[Position]) -> Resolved {
    let generations = log.state().generations.clone();
    let budget = Budget::new(RESOLVE_TIME_MAX, RESOLVE_BYTES_MAX);
    let mut places: Vec<Place> = Vec::new();
    let (mut missing, mut lost_empty) = (Vec::new(), false);
    // Lines that are open at the very beginning of a file are named behind what was had of it.
    let mut begun_again = Vec::new();
    for (index, position) in positions.iter().enumerate().filter(|(_, position)| !position.is_before_all()) {
        match find(log, &generations, position, &budget) {
            Ok(place) => {
                places.push(place);
                let behind = positions[index..].iter().any(|other| other.is_before_all() && other.hint == position.hint);
                begun_again.extend(generations.iter().find(|own| behind && own.serial == place.serial));
            }
            Err(why) => missing.push((*position, why)),
        }
    }
    // That was the end of all content: an empty file beside it came after it, or is an earlier one that may still grow.
    let end = places.iter().map(|place| place.serial).max();
    // Who had content names the end of it; who names none had nothing at all.
    let had_something = !positions.iter().all(Position::is_before_all);
    places.extend(begun_again.iter().map(|generation| at_base(log, generation)));
    let again = |position: &Position| begun_again.iter().any(|generation| generation.was_at(position.hint));
    for position in positions.iter().filter(|position| position.is_before_all() && had_something && !again(position)) {
        let fits = |generation: &&Generation| {
            generation.was_at(position.hint) && places.iter().all(|place| place.serial != generation.serial)
        };
        // The first of several lives of one file: the others began since.
        let after = generations.iter().filter(|generation| end.is_some_and(|end| generation.serial > end)).find(fits);
        match after.or_else(|| generations.iter().rev().find(fits)) {
            Some(generation) => places.push(at_base(log, generation)),
            // A file that was empty then can be known by nothing else; what it got since may be in any.
            None => lost_empty = true,
        }
    }
    // Without that end, an empty file that was truncated since may have been so before any of the copies.
    let in_place = |place: &Place| log.state().successions.get(&place.serial).is_some_and(|how| how.kind.is_in_place());
    if end.is_none() && !missing.is_empty() && places.iter().any(in_place) {
        places.clear();
    }
    places.sort_by_key(|place| (place.serial, place.position.offset));
    let named: BTreeSet<(u64, u64)> = places.iter().map(|place| (place.serial, place.position.offset)).collect();
    let mut several: BTreeMap<u64, Vec<Position>> = BTreeMap::new();
    for place in places.iter().rev() {
        several.entry(place.serial).or_default().push(place.position);
    }
    several.retain(|_, positions| positions.len() > 1);
    places.dedup_by_key(|place| place.serial);
    // Content between began since, too: what comes after it is come to through it.
    let begun = generations.iter().find(|generation| {
        let named = places.iter().any(|place| place.serial == generation.serial);
        end.is_some_and(|end| generation.serial > end) && !named && !generation.is_empty()
    });
    places.retain(|place| begun.is_none_or(|begun| place.serial < begun.serial));
    if let Some(&newest) = places.last() {
        places.extend(grown_since(log, &generations, &places, newest));
        places.sort_by_key(|place| place.serial);
    }
    if places.is_empty() {
        let first = missing.pop().map(|(_, why)| why).or_else(|| Some((vanished_empty(positions, &generations)?, None)));
        let first = first.or_else(|| Some((left_out(log).filter(|_| !names_first(positions, &generations))?, None)));
        let (missing, place) = first.map_or((None, None), |(missing, place)| (Some(missing), place.or_else(|| start(log))));
        let places = place.into_iter().collect();
        return Resolved { missing, ..Resolved::at(places) };
    }
    // One of several was not found. The first was the newest, unless the event was a late line; and retention deletes the
    // oldest first: if older ones are there it was a newer one.
    let oldest = generations.iter().find(|generation| generation.storage != Storage::Lost).map(|generation| generation.serial);
    let suspect = missing.into_iter().find(|(position, _)| {
        let rewritten = generations.iter().any(|generation| generation.was_at(position.hint));
        rewritten || positions.first() == Some(position) || places.first().map(|place| place.serial) != oldest
    });
    let suspect = suspect.map(|(_, (missing, _))| Missing { certain: false, ..missing });
    let ambiguous = Missing { reason: Reason::Ambiguous, file: None, certain: false, may_repeat: false };
    let missing = suspect.or(lost_empty.then_some(ambiguous));
    Resolved { copies: in_copies(&generations, &places), places, several, named, missing }
}

/// Those of `places` whose file is not the one that the id was minted in, though it holds the same: a copy. The original may
/// have got more before it was destroyed; not if the copy is dated like it, as a move to another file system leaves it.
fn in_copies(generations: &[Generation], places: &[Place]) -> Vec<u64> {
    let copies = places.iter().filter(|place| {
        let generation = generations.iter().find(|generation| generation.serial == place.serial);
        let plain = generation.filter(|generation| generation.storage == Storage::Plain && !place.position.is_before_all());
        let dated = |plain: &Generation| plain.identity.born().is_some_and(|born| plain.modified < born);
        plain.is_some_and(|plain| !plain.was_at(place.position.hint) && !dated(plain))
    });
    copies.map(|place| place.serial).collect()
}

/// What is missing for a client that had nothing of a file which is not there any more. A compressed one may be it.
fn vanished_empty(positions: &[Position], generations: &[Generation]) -> Option<Missing> {
    let there = |position: &Position| generations.iter().any(|generation| generation.was_at(position.hint));
    let vanished = positions.iter().all(|position| position.hint != Hint::NO_FILE && !there(position));
    let packed = generations.iter().any(|generation| generation.storage.is_compressed());
    (vanished && !packed).then_some(Missing { reason: Reason::Gone, file: None, certain: false, may_repeat: false })
}

/// Whether one of `positions` is at the beginning of the first file: what is missing before it was told then.
fn names_first(positions: &[Position], generations: &[Generation]) -> bool {
    let first = generations.iter().find(|generation| generation.storage != Storage::Lost && !generation.is_empty());
    first.is_some_and(|first| positions.iter().any(|position| first.was_at(position.hint)))
}

/// Places in earlier generations that grew after the id of the place `newest` was minted, which does not name them.
fn grown_since(log: &Log, generations: &[Generation], places: &[Place], newest: Place) -> Vec<Place> {
    let unnamed = generations
        .iter()
        .filter(|earlier| earlier.serial < newest.serial && places.iter().all(|place| place.serial != earlier.serial));
    let since = |earlier: &Generation| {
        let before = |late: &&Late| (newest.serial, newest.position.offset) <= late.since;
        let late = earlier.late.iter().find(before)?;
        place_at(log, earlier.serial, late.from).ok()
    };
    unnamed.filter_map(since).collect()
}

type NotFound = (Missing, Option<Place>);

/// The generation that `position` is in, the newest first; else why not, and where to go on if not at the start.
fn find(log: &Log, generations: &[Generation], position: &Position, budget: &Arc<Budget>) -> Result<Place, NotFound> {
    let mut exact: Vec<&Generation> = Vec::new();
    let mut all_strong = true;
    let mut near: Option<(&Generation, Verdict)> = None;
    for generation in generations.iter().rev() {
        match judge(log, generation, position, budget) {
            Verdict::Exact { .. } if exact.iter().any(|later| later.identity == generation.identity && later.back.is_some()) => {}
            Verdict::Exact { strong } => {
                exact.push(generation);
                all_strong &= strong;
            }
            Verdict::Other => {}
            verdict => near = near.or(Some((generation, verdict))),
        }
    }
    let hinted: Vec<&Generation> = exact.iter().filter(|generation| generation.was_at(position.hint)).copied().collect();
    let place = |generation: &Generation| Place { serial: generation.serial, position: *position };
    match (hinted.as_slice(), exact.as_slice()) {
        ([generation], _) => return at_record(log, generation, position),
        // No two files share such content: what there are several of are copies, and the newest is the longest.
        (_, [generation, ..]) if all_strong => return at_record(log, generation, position),
        (_, [.., oldest]) => {
            let missing = Missing { reason: Reason::Ambiguous, file: file_of(oldest), certain: false, may_repeat: true };
            return Err((missing, Some(place(oldest))));
        }
        (_, []) => {}
    }
    let Some((generation, verdict)) = near else {
        if let Some(missing) = left_out(log) {
            return Err((Missing { may_repeat: true, ..missing }, None));
        }
        let unreadable = generations.iter().find(|generation| generation.is_unreadable());
        let reason = if unreadable.is_some() { Reason::Unreadable } else { Reason::Gone };
        let missing = Missing { reason, file: unreadable.and_then(file_of), certain: false, may_repeat: true };
        return Err((missing, None));
    };
    let reason = match verdict {
        Verdict::Short => Reason::Truncated,
        Verdict::Unreadable => Reason::Unreadable,
        Verdict::OverBudget => Reason::Budget,
        _ => Reason::Rewritten,
    };
    // A copy that ends too early, or can't be read so far: what is left is behind it. A live file begins anew.
    let next = generations.iter().find(|next| next.serial > generation.serial).filter(|_| reason != Reason::Rewritten);
    let missing = Missing { reason, file: file_of(generation), certain: false, may_repeat: next.is_none() };
    Err((missing, Some(at_base(log, next.unwrap_or(generation)))))
}

/// The place at `position` in `generation`, if a record ends there. An id that ends within one was not minted of this
/// file: it goes on at the start of that record, so that rules see it whole.
fn at_record(log: &Log, generation: &Generation, position: &Position) -> Result<Place, NotFound> {
    let place = place_at(log, generation.serial, position.offset);
    match place {
        Ok(place) if place.position.offset == position.offset => Ok(Place { serial: generation.serial, position: *position }),
        Ok(place) => {
            let missing = Missing { reason: Reason::BadId, file: file_of(generation), certain: false, may_repeat: true };
            Err((missing, Some(place)))
        }
        // Its bytes were there a moment ago; reading on says what became of them.
        Err(_) => Ok(Place { serial: generation.serial, position: *position }),
    }
}

/// The name of the file that a generation was last seen in.
pub fn file_of(generation: &Generation) -> Option<String> {
    generation.path.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn judge(log: &Log, generation: &Generation, position: &Position, budget: &Arc<Budget>) -> Verdict {
    // What stands before is of an earlier generation of the same file, what stands behind of a later one.
    if generation.back.as_ref().is_some_and(|(from, _)| position.offset <= *from) {
        return Verdict::Other;
    }
    match generation.head.generation_at(position.offset) {
        Some(found) if found == position.generation => {}
        _ => return Verdict::Other,
    }
    let known = tip_in_memory(&log.state(), generation, position.offset);
    match known.map_or_else(|| tip_in_file(generation, position.offset, budget), Ok) {
        Ok(tip) if Check::of(position.offset, &tip) == position.check => {
            Verdict::Exact { strong: is_strong(&[generation.head.bytes_at(position.offset), &tip]) }
        }
        Ok(_) => Verdict::Rewritten,
        Err(Trouble::Changed(_)) => Verdict::Short,
        Err(Trouble::Unreadable(_) | Trouble::Damaged(_) | Trouble::Unfinished(_))
        | Err(Trouble::NoRoom | Trouble::OutOfReach) => Verdict::Unreadable,
        Err(Trouble::OverBudget) => Verdict::OverBudget,
        Err(Trouble::Gone) => Verdict::Other,
    }
}
