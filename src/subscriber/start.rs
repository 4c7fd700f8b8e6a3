//! Where a stream starts: now, at the oldest byte, some records back, or where an id says. Decides once, before the
//! first byte is sent.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;

use super::before::{Cut, before, end_at};
use super::keep::Throttle;
use super::lead::{self, LEAD_LINES, Told, WayOf, begin, growing_before, place_at, records};
use super::merge::TimeOf;
use super::reader::Reader;
use super::since;
use crate::event::{Basis, Reason};
use crate::position::{Cursor, Position};
use crate::source::catalog::Log;
use crate::source::generation::Generation;
use crate::source::read::{self, Last, Place};
use crate::source::resolve::{Missing, file_of, left_out, resolve};
use crate::source::split::Line;

/// What stands for the id of the last event that there is.
pub const END: &str = "end";

/// Where a client wants its stream to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the present end.
    Now,
    /// At the oldest byte that still exists.
    Oldest,
    /// So many matching records before the present end.
    Tail(usize),
    /// At the first record that is not older.
    Since(Timestamp),
    /// At the record that holds this byte of the live file of the one log asked for.
    Offset(u64),
    /// So many matching records before the event with this id and with it; the stream ends there.
    Before {
        /// The id, as the client sent it; or [`END`], which is the present end.
        id: String,
        /// How many records.
        count: usize,
    },
    /// After the event with this id; if it is no id, as if there had been none.
    After {
        /// The id, as the client sent it.
        id: String,
        /// What the request asks for apart from the id.
        otherwise: Box<Start>,
    },
}

/// A hole that is known before the stream starts.
pub struct EarlyGap {
    /// The log, where the id tells.
    pub log: Option<String>,
    /// What is missing.
    pub missing: Missing,
}

/// Readers at their starting places, and the holes before them.
pub struct Started {
    /// One for each log.
    pub readers: Vec<Reader>,
    /// What the id asked for and can't be given.
    pub gaps: Vec<EarlyGap>,
    /// Whether the stream goes on from an id.
    pub resumed: bool,
    /// What a start by time went by.
    pub basis: Option<Basis>,
}

/// How many places of lines a search remembers.
const REMEMBERED_MAX: usize = 10_000;

/// What a search came by before a record, as far as it says whether the client gets that.
#[derive(Default)]
pub struct Seen {
    /// What rules have let through.
    pub throttle: Throttle,
    /// Whether the last record that carries a time is behind the time at which the stream ends.
    pub is_late: bool,
}

/// How to judge records while counting back.
pub struct Counting<'a> {
    /// The longest line, in bytes.
    pub line_bytes_max: usize,
    /// Whether the client gets a record of a log, after what was seen before.
    pub keeps: &'a mut dyn FnMut(&Log, &Told<'_>, &mut Seen) -> bool,
    /// Whether rules about a log of this name let only so many through in a time.
    pub throttles: &'a dyn Fn(&str) -> bool,
    /// Whether records behind a time are not wanted.
    pub has_end: bool,
    /// How the lines of a generation of a log are put together.
    pub way: &'a WayOf<'a>,
    /// The time that a line carries.
    pub time_of: &'a TimeOf<'a>,
}

impl Counting<'_> {
    /// Whether records of a log can only be told reading forward.
    pub fn goes_forward(&self, log: &Log, newest: u64) -> bool {
        self.has_end || (self.throttles)(&log.name) || (self.way)(log, newest).joins()
    }

    /// How many lines of a log are read at first to find so many records.
    pub fn lines_for(&self, log: &Log, count: usize) -> usize {
        let more = if (self.throttles)(&log.name) { LEAD_LINES } else { 64 };
        count.saturating_mul(4).saturating_add(more)
    }
}

/// Finds the places where readers of `selected` start; `known` are all logs that their reader may know of. Reads files:
/// blocks.
pub fn start(known: &[Arc<Log>], selected: &[Arc<Log>], start: &Start, counting: &mut Counting<'_>) -> Started {
    let fresh = |readers, gaps| Started { readers, gaps, resumed: false, basis: None };
    let each = |places: &dyn Fn(&Log) -> Vec<Place>| {
        selected.iter().map(|log| Reader::new(log.clone(), places(log))).collect::<Vec<_>>()
    };
    match start {
        Start::Now | Start::Tail(0) => fresh(each(&read::ends), Vec::new()),
        Start::Oldest => fresh(
            each(&|log| read::start(log).into_iter().collect()),
            selected.iter().filter_map(|log| before_all(log)).collect(),
        ),
        Start::Offset(offset) => at_offset(selected, *offset, counting),
        Start::Since(time) => since(selected, *time, counting),
        Start::Tail(count) => {
            let (readers, gaps) = back_from_end(selected, *count, counting);
            fresh(readers, gaps)
        }
        Start::Before { id, count } => match Cut::of(id) {
            Some(cut) => before(selected, &cut, *count, counting),
            None => Started { gaps: vec![bad_id()], ..before(selected, &Cut::nowhere(), *count, counting) },
        },
        Start::After { id, otherwise } => match id.parse::<Cursor>() {
            Ok(cursor) => {
                let mut started = after(known, selected, &cursor);
                // A client that comes back on its way to the other id.
                if let Start::Before { id, .. } = &**otherwise {
                    let cut = Cut::of(id);
                    started.gaps.extend(cut.is_none().then(bad_id));
                    end_at(&mut started.readers, &cut.unwrap_or_else(Cut::nowhere), &mut started.gaps);
                }
                started
            }
            Err(_) => {
                let started = self::start(known, selected, otherwise, counting);
                Started { gaps: vec![bad_id()], resumed: true, ..started }
            }
        },
    }
}

/// What is missing before the first record that there is of a log.
pub(super) fn before_all(log: &Log) -> Option<EarlyGap> {
    left_out(log).map(|missing| EarlyGap { log: Some(log.name.to_string()), missing })
}

fn bad_id() -> EarlyGap {
    EarlyGap { log: None, missing: missing(Reason::BadId) }
}

fn missing(reason: Reason) -> Missing {
    Missing { reason, file: None, certain: false, may_repeat: true }
}

fn after(known: &[Arc<Log>], selected: &[Arc<Log>], cursor: &Cursor) -> Started {
    let (mut readers, mut gaps) = (Vec::new(), Vec::new());
    for log in selected {
        let own: Vec<Position> = cursor.positions().iter().filter(|position| position.source == log.source).copied().collect();
        if own.is_empty() {
            // The id's stream did not know this log: all of it is new.
            gaps.extend(before_all(log));
            readers.push(Reader::new(log.clone(), read::start(log).into_iter().collect()));
            continue;
        }
        let resolved = resolve(log, &own);
        let reader = Reader::resumed(log.clone(), &resolved);
        gaps.extend(resolved.missing.map(|missing| EarlyGap { log: Some(log.name.to_string()), missing }));
        readers.push(reader);
    }
    let is_known =
        |position: &Position| *position == Position::of_no_log() || known.iter().any(|log| log.source == position.source);
    if !cursor.positions().iter().all(is_known) {
        gaps.push(EarlyGap { log: None, missing: missing(Reason::UnknownLog) });
    }
    Started { readers, gaps, resumed: true, basis: None }
}

fn at_offset(selected: &[Arc<Log>], offset: u64, counting: &Counting<'_>) -> Started {
    let (mut readers, mut gaps) = (Vec::new(), Vec::new());
    for log in selected {
        let live = log.state().newest().map(|newest| newest.serial);
        let place = live.map(|serial| read::place_at(log, serial, offset));
        readers.push(match place {
            None => Reader::new(log.clone(), Vec::new()),
            Some(Ok(place)) => begin(log, place, growing_before(log, place).into_iter().collect(), None, counting),
            Some(Err(_)) => {
                gaps.push(EarlyGap { log: Some(log.name.to_string()), missing: missing(Reason::BadId) });
                Reader::new(log.clone(), read::ends(log))
            }
        });
    }
    Started { readers, gaps, resumed: true, basis: None }
}

/// Counts back over all logs together, by the times in their records. Where a record's time is not known its file's is:
/// the records of the file that was written last are the last. A log that has not so many, and of which not all could be
/// looked through, has a gap.
fn back_from_end(selected: &[Arc<Log>], count: usize, counting: &mut Counting<'_>) -> (Vec<Reader>, Vec<EarlyGap>) {
    let (mut found, mut gaps, mut froms) = (Vec::new(), Vec::new(), Vec::new());
    for (index, log) in selected.iter().enumerate() {
        let line_bytes_max = counting.line_bytes_max;
        let newest = log.state().newest().map_or(0, |newest| newest.serial);
        let (Last { starts, stopped_by }, from) = if counting.goes_forward(log, newest) {
            last_forward(log, count, counting)
        } else {
            let mut seen = Seen::default();
            let keeps = &mut *counting.keeps;
            let keep = &mut |serial, line: &Line<'_>| keeps(log, &Told::of(serial, line), &mut seen);
            (read::last_records(log, count, line_bytes_max, keep), None)
        };
        froms.push(from);
        if starts.len() < count {
            let unread =
                stopped_by.map(|unread| Missing { file: file_of(&unread), may_repeat: false, ..missing(Reason::Unreadable) });
            let unread = unread.map(|missing| EarlyGap { log: Some(log.name.to_string()), missing });
            gaps.extend(unread.or_else(|| before_all(log)));
        }
        // Each log's records are in order already, whatever they say; a stable sort keeps them so.
        let mut latest: Option<Timestamp> = None;
        let times = if selected.len() > 1 { times(log, &starts, counting) } else { HashMap::new() };
        for start in starts {
            let modified = || Timestamp::try_from(log.state().generation(start.0)?.modified).ok();
            let time = times.get(&start).copied().or(latest).or_else(modified);
            latest = latest.map_or(time, |latest| time.map(|time| time.min(latest)));
            found.push((latest, index, start.0, start.1));
        }
        found.sort_by_key(|&(time, ..)| std::cmp::Reverse(time));
        found.truncate(count);
    }
    let place = |(index, log): (usize, &Arc<Log>)| {
        let first = found.iter().rfind(|found| found.1 == index);
        let place = first.and_then(|&(_, _, serial, offset)| place_at(log, (serial, offset)));
        let begin = |place| lead::begin(log, place, growing_before(log, place), froms[index], counting);
        place.map_or_else(|| Reader::new(log.clone(), read::ends(log)), begin)
    };
    (selected.iter().enumerate().map(place).collect(), gaps)
}

/// The times of the records of a log that start at `starts`, the newest first, where they carry one.
fn times(log: &Log, starts: &[(u64, u64)], counting: &Counting<'_>) -> HashMap<(u64, u64), Timestamp> {
    let (Some(&newest), Some(&(serial, offset))) = (starts.first(), starts.last()) else { return HashMap::new() };
    let Ok(from) = read::place_at(log, serial, offset) else { return HashMap::new() };
    let (wanted, mut times) = (starts.iter().copied().collect::<HashSet<_>>(), HashMap::new());
    read::scan(log, from, counting.line_bytes_max, &mut |serial, line, _| {
        let start = (serial, line.start);
        let time = wanted.contains(&start).then(|| (counting.time_of)(log, serial, line.known));
        times.extend(time.flatten().map(|time| (start, time)));
        if start >= newest { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    times
}

/// The starts of the last `count` records of a log, the newest first, where lines before a record tell what it is. Reads more
/// and more of its last lines until they hold so many; and where it began to in the end.
fn last_forward(log: &Log, count: usize, counting: &mut Counting<'_>) -> (Last, Option<Place>) {
    let mut lines = counting.lines_for(log, count);
    loop {
        // Not all of them are remembered.
        let (step, mut passed) = (lines.div_ceil(REMEMBERED_MAX), 0_usize);
        let mut each = |_, _: &Line<'_>| {
            passed += 1;
            passed.is_multiple_of(step)
        };
        let Last { starts, stopped_by } = read::last_records(log, lines / step, counting.line_bytes_max, &mut each);
        let is_all = starts.len() < lines / step;
        let place = if is_all { read::start(log).filter(|_| stopped_by.is_none()) } else { None };
        let place = place.or_else(|| place_at(log, *starts.last()?));
        let Some(from) = place else { return (Last { starts: Vec::new(), stopped_by }, None) };
        let (mut seen, mut found) = (Seen::default(), Vec::new());
        let (way, line_bytes_max, keeps) = (counting.way, counting.line_bytes_max, &mut *counting.keeps);
        records(log, from, None, (way, line_bytes_max), &mut |told| {
            found.extend(keeps(log, told, &mut seen).then_some(told.start));
            ControlFlow::Continue(())
        });
        // The first may be the end of one that begins before.
        if is_all || found.len() > count {
            // In the order in which they begin: of interleaved ones the first to begin may be the last to end.
            found.sort_unstable_by_key(|&start| Reverse(start));
            found.truncate(count);
            return (Last { starts: found, stopped_by }, Some(from));
        }
        lines = lines.saturating_mul(4);
    }
}

/// The first records that are not older than a time.
fn since(selected: &[Arc<Log>], time: Timestamp, counting: &Counting<'_>) -> Started {
    let (mut basis, mut gaps) = (None, Vec::new());
    let reader = |log: &Arc<Log>| {
        let since::Found { place, from, basis: by } = since::find(log, time, counting);
        // What is older may be late enough, too.
        if place.is_some() && place.map(|place| (place.serial, place.position.offset)) == first(log) {
            gaps.extend(before_all(log));
        }
        // Of several logs the least sure is told; one without a record is none.
        basis = if log.state().generations.iter().all(Generation::is_empty) { basis } else { basis.max(Some(by)) };
        let begin = |place| lead::begin(log, place, growing_before(log, place), from, counting);
        place.map_or_else(|| Reader::new(log.clone(), read::ends(log)), begin)
    };
    let readers = selected.iter().map(reader).collect();
    Started { readers, gaps, resumed: false, basis: basis.or(Some(Basis::Arrival)) }
}

/// Where a log begins, as serial and offset.
fn first(log: &Log) -> Option<(u64, u64)> {
    read::start(log).map(|place| (place.serial, place.position.offset))
}
