//! Where a stream starts: now, at the oldest byte, some records back, or where an id says. Decides once, before the
//! first byte is sent.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;

use super::before::{Cut, before};
use super::keep::Throttle;
use super::lead::{self, LEAD_LINES, Told, WayOf, records, with_growing};
use super::merge::TimeOf;
use super::reader::Reader;
use super::since;
use crate::event::{Basis, Reason};
use crate::position::{Cursor, Position};
use crate::source::catalog::Log;
use crate::source::generation::Generation;
use crate::source::read::{self, Last, Place};
use crate::source::resolve::{Missing, file_of, left_out, resolve};

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

/// How to judge records while counting back.
pub struct Counting<'a> {
    /// The longest line, in bytes.
    pub line_bytes_max: usize,
    /// Whether the client gets a record of a log, after those that this throttle has seen.
    pub keeps: &'a mut dyn FnMut(&Log, &Told<'_>, &mut Throttle) -> bool,
    /// Whether that goes by the records before it.
    pub throttles: bool,
    /// How the lines of a generation of a log are put together.
    pub way: &'a WayOf<'a>,
    /// The time that a line carries.
    pub time_of: &'a TimeOf<'a>,
}

impl Counting<'_> {
    /// Whether records of a log can only be told reading forward.
    pub fn goes_forward(&self, log: &Log, newest: u64) -> bool {
        self.throttles || (self.way)(log, newest).joins()
    }

    /// How many lines are read at first to find so many records.
    pub fn lines_for(&self, count: usize) -> usize {
        let more = if self.throttles { LEAD_LINES } else { 64 };
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
        Start::Offset(offset) => at_offset(selected, *offset),
        Start::Since(time) => since(selected, *time, counting),
        Start::Tail(count) => {
            let (readers, gaps) = back_from_end(selected, *count, counting);
            fresh(readers, gaps)
        }
        Start::Before { id, count } if id == END => before(selected, &Cut::End, *count, counting),
        Start::Before { id, count } => match id.parse::<Cursor>() {
            Ok(cursor) => before(selected, &Cut::At(cursor), *count, counting),
            Err(_) => {
                let gaps = vec![EarlyGap { log: None, missing: missing(Reason::BadId) }];
                Started { gaps, ..before(selected, &Cut::At(Cursor::new(vec![Position::of_no_log()])), *count, counting) }
            }
        },
        Start::After { id, otherwise } => match id.parse::<Cursor>() {
            Ok(cursor) => after(known, selected, &cursor),
            Err(_) => {
                let gap = missing(Reason::BadId);
                let started = self::start(known, selected, otherwise, counting);
                Started { gaps: vec![EarlyGap { log: None, missing: gap }], resumed: true, ..started }
            }
        },
    }
}

/// What is missing before the first record that there is of a log.
pub(super) fn before_all(log: &Log) -> Option<EarlyGap> {
    left_out(log).map(|missing| EarlyGap { log: Some(log.name.to_string()), missing })
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

fn at_offset(selected: &[Arc<Log>], offset: u64) -> Started {
    let (mut readers, mut gaps) = (Vec::new(), Vec::new());
    for log in selected {
        let live = log.state().newest().map(|newest| newest.serial);
        let place = live.map(|serial| read::place_at(log, serial, offset));
        let places = match place {
            None => Vec::new(),
            Some(Ok(place)) => with_growing(log, place),
            Some(Err(_)) => {
                gaps.push(EarlyGap { log: Some(log.name.to_string()), missing: missing(Reason::BadId) });
                read::ends(log)
            }
        };
        readers.push(Reader::new(log.clone(), places));
    }
    Started { readers, gaps, resumed: true, basis: None }
}

/// Counts back over all logs together, by the times in their records. Where a record's time is not known its file's is:
/// the records of the file that was written last are the last. A log that has not so many, and of which not all could be
/// looked through, has a gap.
fn back_from_end(selected: &[Arc<Log>], count: usize, counting: &mut Counting<'_>) -> (Vec<Reader>, Vec<EarlyGap>) {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    for (index, log) in selected.iter().enumerate() {
        let line_bytes_max = counting.line_bytes_max;
        let newest = log.state().newest().map_or(0, |newest| newest.serial);
        let Last { starts, stopped_by } = if counting.goes_forward(log, newest) {
            last_forward(log, count, counting)
        } else {
            let mut throttle = Throttle::default();
            let keeps = &mut *counting.keeps;
            read::last_records(log, count, line_bytes_max, &mut |serial, line| keeps(log, &Told::of(serial, line), &mut throttle))
        };
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
        // Of interleaved ones the last to end need not be the last to begin.
        let first = found.iter().filter(|found| found.1 == index).map(|&(_, _, serial, offset)| (serial, offset)).min();
        let place = first.and_then(|(serial, offset)| read::place_at(log, serial, offset).ok());
        place.map_or_else(|| Reader::new(log.clone(), read::ends(log)), |place| lead::begin(log, place, counting))
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
/// and more of its last lines until they hold so many.
fn last_forward(log: &Log, count: usize, counting: &mut Counting<'_>) -> Last {
    let mut lines = counting.lines_for(count);
    loop {
        let Last { starts, stopped_by } = read::last_records(log, lines, counting.line_bytes_max, &mut |_, _| true);
        let place = starts.last().map(|&(serial, offset)| read::place_at(log, serial, offset));
        let Some(Ok(from)) = place else { return Last { starts: Vec::new(), stopped_by } };
        let (mut throttle, mut found) = (Throttle::default(), Vec::new());
        let (way, line_bytes_max, keeps) = (counting.way, counting.line_bytes_max, &mut *counting.keeps);
        records(log, from, None, (way, line_bytes_max), &mut |told| {
            found.extend(keeps(log, told, &mut throttle).then_some(told.start));
            ControlFlow::Continue(())
        });
        // The first may be the end of one that begins before.
        if starts.len() < lines || found.len() > count {
            return Last { starts: found.into_iter().rev().take(count).collect(), stopped_by };
        }
        lines = lines.saturating_mul(4);
    }
}

/// The first records that are not older than a time.
fn since(selected: &[Arc<Log>], time: Timestamp, counting: &Counting<'_>) -> Started {
    let (mut basis, mut gaps) = (None, Vec::new());
    let reader = |log: &Arc<Log>| {
        let (place, by) = since::find(log, time, counting);
        // What is older may be late enough, too.
        if place.is_some() && place.map(|place| (place.serial, place.position.offset)) == first(log) {
            gaps.extend(before_all(log));
        }
        // Of several logs the least sure is told; one without a record is none.
        basis = if log.state().generations.iter().all(Generation::is_empty) { basis } else { basis.max(Some(by)) };
        place.map_or_else(|| Reader::new(log.clone(), read::ends(log)), |place| lead::begin(log, place, counting))
    };
    let readers = selected.iter().map(reader).collect();
    Started { readers, gaps, resumed: false, basis: basis.or(Some(Basis::Arrival)) }
}

/// Where a log begins, as serial and offset.
fn first(log: &Log) -> Option<(u64, u64)> {
    read::start(log).map(|place| (place.serial, place.position.offset))
}
