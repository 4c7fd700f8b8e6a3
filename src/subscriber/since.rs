//! Where the records begin that are not older than a time: by when they arrived, where this agent saw that; else by the
//! times that they carry; else by the times of their files. Reads files: blocks.

use std::ops::ControlFlow;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

use super::join::Spot;
use super::lead::{LEAD_LINES, lead_in, lead_time, place_at, records};
use super::start::Counting;
use crate::event::Basis;
use crate::source::catalog::Log;
use crate::source::content::Storage;
use crate::source::generation::Generation;
use crate::source::read::{self, Place};

/// A search stops to halve the content where no more than this is left, in bytes.
const HALVED_BYTES_MIN: u64 = 64 << 10;
/// How far times may be out of order, where several write one log, so that none is missed by halving.
const DISORDER: SignedDuration = SignedDuration::from_secs(5);
/// How far back is looked from where halving ends, for a clock that was put back there, in bytes.
const LOOK_BACK_BYTES: u64 = 64 << 10;
/// How many lines may have no time until a place counts as one without.
const PROBED_LINES_MAX: usize = 200;

/// What looking for a time in a log came to.
pub struct Found {
    /// The place of the first record that is not older; none at all where that is its end.
    pub place: Option<Place>,
    /// A place before it from which on records of several lines were looked at.
    pub from: Option<Place>,
    /// What it went by.
    pub basis: Basis,
}

/// Finds the first record of a log that is not older than `since`.
pub fn find(log: &Log, since: Timestamp, counting: &Counting<'_>) -> Found {
    let at = |place, basis| Found { place, from: None, basis };
    let time = SystemTime::from(since);
    if let Some((serial, offset)) = log.state().arrived_since(time)
        && let Ok(place) = read::place_at(log, serial, offset)
    {
        return at(Some(place), Basis::Arrival);
    }
    let generations = log.state().generations.clone();
    let kept = |generation: &&Generation| generation.storage != Storage::Lost && !generation.is_empty();
    // Nothing in a file is younger than its last write.
    let Some(first) = generations.iter().filter(kept).find(|generation| generation.modified >= time) else {
        return at(None, Basis::Mtime);
    };
    let from = halve(log, first, since, counting).unwrap_or_else(|| read::at_base(log, first));
    let joins = (counting.way)(log, first.serial).joins();
    let from = if joins { lead_in(log, from, counting.line_bytes_max, lead_time()) } else { from };
    let Searched { found, timed, passed } = (if joins { first_record } else { first_line })(log, from, since, counting);
    let basis = if timed { Basis::Time } else { Basis::Mtime };
    let spot = |place: &Place| (place.serial, place.position.offset);
    match (found, passed) {
        // It may hold what is late enough: who begins there is told.
        (found, Some(unread)) if found.is_none_or(|found| spot(&unread) < spot(&found)) => at(Some(unread), basis),
        (Some(_), _) => Found { place: found, from: joins.then_some(from), basis },
        (None, _) if timed => at(None, basis),
        (None, _) => at(Some(read::at_base(log, first)), basis),
    }
}

/// What a search by the times in records came to.
struct Searched {
    /// The first that is not older.
    found: Option<Place>,
    /// Whether any carried a time.
    timed: bool,
    /// Where something could not be read first, and was passed over.
    passed: Option<Place>,
}

/// The first line from `from` on that is not older than `since`.
fn first_line(log: &Log, from: Place, since: Timestamp, counting: &Counting<'_>) -> Searched {
    let (mut found, mut timed) = (None, false);
    let passed = read::scan(log, from, counting.line_bytes_max, &mut |serial, line, position| {
        let time = (counting.time_of)(log, serial, line.known);
        timed |= time.is_some();
        if time.is_none_or(|time| time < since) {
            return ControlFlow::Continue(());
        }
        found = Some(Place { serial, position });
        ControlFlow::Break(())
    });
    Searched { found, timed, passed }
}

/// The same of records of several lines, which are as old as their first one.
fn first_record(log: &Log, from: Place, since: Timestamp, counting: &Counting<'_>) -> Searched {
    let (mut found, mut timed, mut behind) = (None::<Spot>, false, 0);
    // What stands in the middle of a file may be the end of a record.
    let torn = (!from.position.is_before_all()).then_some((from.serial, from.position.offset));
    let passed = records(log, from, None, (counting.way, counting.line_bytes_max), &mut |told| {
        let time = told.time.or_else(|| (counting.time_of)(log, told.start.0, told.line.known));
        timed |= time.is_some();
        if time.is_some_and(|time| time >= since) && torn != Some(told.start) {
            found = Some(found.map_or(told.start, |found| found.min(told.start)));
        }
        // One that began earlier may still end.
        behind += usize::from(found.is_some());
        let is_first = found.is_some_and(|found| told.open_from.is_none_or(|open| open >= found)) || behind > LEAD_LINES;
        if is_first { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    Searched { found: found.and_then(|found| place_at(log, found)), timed, passed }
}

/// A place in a plain generation before its first record since then, found by halving. Right where times are in order but for
/// [`DISORDER`]; a clock that was put back further away than [`LOOK_BACK_BYTES`] can hide what came before.
fn halve(log: &Log, generation: &Generation, since: Timestamp, counting: &Counting<'_>) -> Option<Place> {
    if generation.storage != Storage::Plain {
        return None;
    }
    let way = (counting.way)(log, generation.serial);
    let surely_before = since.checked_sub(DISORDER).unwrap_or(Timestamp::MIN);
    let (mut low, mut high) = (generation.first(), generation.end);
    while high - low > HALVED_BYTES_MIN {
        let middle = low + (high - low) / 2;
        let place = read::place_at(log, generation.serial, middle).ok()?;
        let (mut lines, mut time) = (0, None);
        read::scan(log, place, 0, &mut |serial, line, _| {
            lines += 1;
            time = (counting.time_of)(log, serial, line.known).filter(|_| way.may_begin(line.known));
            if time.is_some() || lines > PROBED_LINES_MAX || serial != generation.serial {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if time? < surely_before {
            low = middle;
        } else {
            high = middle;
        }
    }
    let from = low.saturating_sub(LOOK_BACK_BYTES).max(generation.first());
    read::place_at(log, generation.serial, from).ok()
}
