//! A stream of what is before an id: where it starts, so that it holds the last records before it, and where it ends. A
//! search that takes long stops on its way; the position at which the stream starts says how far it came, so that the
//! next one goes on from there.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::join::Spot;
use super::lead::{Told, begin, lead_in, lead_time, place_at, records};
use super::reader::Reader;
use super::start::{Counting, END, EarlyGap, Seen, Started, before_all};
use crate::position::{Cursor, Position};
use crate::source::back::{Back, Bounds, back, bounds};
use crate::source::catalog::Log;
use crate::source::read::{self, Place};
use crate::source::resolve::{Missing, Resolved, resolve};

/// How long one request goes back at most, over all its logs.
pub const BACK_TIME_MAX: Duration = Duration::from_millis(700);
/// How many lines may have no time until a place counts as one without.
const PROBED_LINES_MAX: usize = 200;

/// Where a record starts, as serial and offset, and its time.
type Timed = (u64, u64, Option<Timestamp>);

/// Where a log's stream ends.
struct Ending {
    /// Its places, the oldest first.
    places: Vec<Place>,
    /// Where records start that are not before it, as what ends them is behind it.
    open: BTreeSet<Spot>,
    bounds: Bounds,
}

/// What was found of one log: the newest record first, with the time that it counts by.
struct Found {
    log: Arc<Log>,
    ending: Ending,
    back: Back<Option<Timestamp>>,
    /// A place from which on records were counted.
    from: Option<Place>,
}

/// What records are counted back from.
pub enum Cut {
    /// The present end of each log.
    End,
    /// The positions of an id.
    At(Cursor),
}

impl Cut {
    /// What a client names by an id, or by [`END`]; none where it is no id.
    pub fn of(id: &str) -> Option<Self> {
        if id == END { Some(Cut::End) } else { id.parse().ok().map(Cut::At) }
    }

    /// Before all there is.
    pub fn nowhere() -> Self {
        Cut::At(Cursor::new(vec![Position::of_no_log()]))
    }
}

/// Finds where the last `count` records start, over all of `selected` together, that end at or before `cut`. A log that an
/// id does not name has none.
pub fn before(selected: &[Arc<Log>], cut: &Cut, count: usize, counting: &mut Counting<'_>) -> Started {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    let now = Instant::now();
    for (number, log) in (1_u32..).zip(selected) {
        let until = now + BACK_TIME_MAX * number / selected.len() as u32;
        let ending = ending(log, cut, &mut gaps);
        let (back, from) = match count {
            0 => (
                Back { found: Vec::new(), reached: ending.places.last().map(|place| (place.serial, place.position.offset)) },
                None,
            ),
            _ => records_back(log, &ending, count, until, counting),
        };
        found.push(Found { log: log.clone(), ending, back, from });
    }
    let to_beginning =
        |found: &Found| found.back.reached.is_none() && found.back.found.len() < count && !found.ending.bounds.is_empty();
    gaps.extend(found.iter().filter(|found| to_beginning(found)).filter_map(|found| before_all(&found.log)));
    let readers = merged(&mut found, count, counting);
    Started { readers, gaps, resumed: false, basis: None }
}

/// Ends readers that go on from another id at `cut`.
pub fn end_at(readers: &mut [Reader], cut: &Cut, gaps: &mut Vec<EarlyGap>) {
    for reader in readers {
        let ending = ending(&reader.log, cut, gaps);
        reader.joiner.leave_to_others(ending.open);
        reader.stop_at(ending.bounds);
    }
}

/// Where `cut` ends the stream of a log.
fn ending(log: &Arc<Log>, cut: &Cut, gaps: &mut Vec<EarlyGap>) -> Ending {
    let at = match cut {
        Cut::End => Some(Resolved::at(read::ends(log))),
        Cut::At(cursor) => {
            let (at, missing) = place_of(log, cursor);
            gaps.extend(missing.map(|missing| EarlyGap { log: Some(log.name.to_string()), missing }));
            at
        }
    };
    let Resolved { places, several, named, .. } = at.unwrap_or_else(|| Resolved::at(Vec::new()));
    let mut bounds = bounds(log, &places);
    // What is open at an id belongs to what comes after it.
    bounds.extend(several.into_iter().filter_map(|(serial, positions)| Some((serial, positions.first()?.offset))));
    Ending { places, open: named, bounds }
}

/// Where an id stands in a log: nowhere if it does not name it; what is before a place that is not known can't be told.
fn place_of(log: &Arc<Log>, cursor: &Cursor) -> (Option<Resolved>, Option<Missing>) {
    let own: Vec<Position> = cursor.positions().iter().filter(|position| position.source == log.source).copied().collect();
    if own.is_empty() {
        return (None, None);
    }
    let resolved = resolve(log, &own);
    if resolved.missing.is_some() { (None, resolved.missing) } else { (Some(resolved), None) }
}

fn records_back(
    log: &Arc<Log>,
    ending: &Ending,
    count: usize,
    until: Instant,
    counting: &mut Counting<'_>,
) -> (Back<Option<Timestamp>>, Option<Place>) {
    let bounds = &ending.bounds;
    if bounds.is_empty() {
        return (Back { found: Vec::new(), reached: None }, None);
    }
    let newest = log.state().newest().map_or(0, |newest| newest.serial);
    if counting.goes_forward(log, newest) {
        return forward_back(log, ending, count, until, counting);
    }
    let (keeps, time_of, mut seen) = (&mut *counting.keeps, counting.time_of, Seen::default());
    let back = back(log, bounds, count, counting.line_bytes_max, until, &mut |serial, line| {
        keeps(log, &Told::of(serial, line), &mut seen).then(|| time_of(log, serial, line.known))
    });
    (back, None)
}

/// The same where lines before a record tell what it is: reads more and more of the last lines, until they hold so many
/// records; and where it began to in the end.
fn forward_back(
    log: &Log,
    Ending { bounds, open, .. }: &Ending,
    count: usize,
    until: Instant,
    counting: &mut Counting<'_>,
) -> (Back<Option<Timestamp>>, Option<Place>) {
    let mut wanted = counting.lines_for(log, count);
    loop {
        let lines = back(log, bounds, wanted, counting.line_bytes_max, until, &mut |_, _| Some(()));
        let nothing = |reached| (Back { found: Vec::new(), reached }, None);
        let Some(&(serial, offset, ())) = lines.found.last() else { return nothing(lines.reached) };
        let first = (serial, offset);
        let Some(place) = place_at(log, first) else { return nothing(Some(first)) };
        let from = lead_in(log, place, counting.line_bytes_max, until.min(lead_time()));
        let mut found = forward_from(log, from, bounds, counting);
        found.retain(|&(serial, start, _)| (serial, start) >= first && !open.contains(&(serial, start)));
        if found.len() >= count || lines.reached.is_none() || Instant::now() >= until {
            // Of interleaved ones the first to begin may be the last to end.
            found.sort_by_key(|&(serial, start, _)| Reverse((serial, start)));
            let complete = found.len() >= count;
            found.truncate(count);
            let last = found.last().map(|&(serial, start, _)| (serial, start)).filter(|_| complete);
            return (Back { found, reached: last.or(lines.reached.map(|_| first)) }, Some(from));
        }
        wanted = wanted.saturating_mul(4);
    }
}

/// Where the records that are wanted start from `from` on within `bounds`, with their times.
fn forward_from(log: &Log, from: Place, bounds: &Bounds, counting: &mut Counting<'_>) -> Vec<Timed> {
    let (mut seen, mut found) = (Seen::default(), Vec::new());
    let (line_bytes_max, way, time_of, keeps) = (counting.line_bytes_max, counting.way, counting.time_of, &mut *counting.keeps);
    records(log, from, Some(bounds), (way, line_bytes_max), &mut |told| {
        if keeps(log, told, &mut seen) {
            found.push((told.start.0, told.start.1, told.time.or_else(|| time_of(log, told.start.0, told.line.known))));
        }
        ControlFlow::Continue(())
    });
    found
}

/// Readers of the last `count` records of all logs together, by their times.
fn merged(found: &mut [Found], count: usize, counting: &Counting<'_>) -> Vec<Reader> {
    let times: Vec<Vec<Timestamp>> = found.iter().map(Found::times).collect();
    // Before the place where a log's search was given up, nothing of the others is complete.
    let floor = |(found, times): (&Found, &Vec<Timestamp>)| {
        let reached = found.back.reached.filter(|_| found.back.found.len() < count)?;
        let time = times.last().copied();
        time.or_else(|| time_at(&found.log, reached, counting))
    };
    let floor = if found.len() > 1 { found.iter().zip(&times).filter_map(floor).max() } else { None };
    let each = times.iter().enumerate();
    let mut all: Vec<(Timestamp, usize)> = each.flat_map(|(index, times)| times.iter().map(move |&time| (time, index))).collect();
    all.retain(|(time, _)| floor.is_none_or(|floor| *time >= floor));
    all.sort_by_key(|&(time, _)| Reverse(time));
    all.truncate(count);
    let kept = |index| all.iter().filter(|&&(_, own)| own == index).count();
    found.iter().enumerate().map(|(index, found)| found.reader(kept(index), counting)).collect()
}

impl Found {
    /// When the records were written, the newest first; a record without a time is as old as the one before it, or its
    /// file. Never younger than the record after it.
    fn times(&self) -> Vec<Timestamp> {
        let modified = |serial| self.log.state().generation(serial).map(|generation| generation.modified);
        let mut known: Option<Timestamp> = None;
        let mut times: Vec<Timestamp> = Vec::new();
        for &(serial, _, time) in self.back.found.iter().rev() {
            known = time.or(known);
            times.push(known.or_else(|| Timestamp::try_from(modified(serial)?).ok()).unwrap_or_default());
        }
        times.reverse();
        let mut least = Timestamp::MAX;
        for time in &mut times {
            least = least.min(*time);
            *time = least;
        }
        times
    }

    /// A reader of the newest `kept` of the records that were found, up to the id.
    fn reader(&self, kept: usize, counting: &Counting<'_>) -> Reader {
        let Ending { places, open, bounds } = &self.ending;
        let all = kept == self.back.found.len();
        let start = match self.back.found.get(kept.wrapping_sub(1)) {
            _ if all && self.back.reached.is_none() => read::start(&self.log).filter(|_| !self.ending.bounds.is_empty()),
            _ if all => self.back.reached.and_then(|spot| place_at(&self.log, spot)),
            Some(&(serial, offset, _)) => place_at(&self.log, (serial, offset)),
            None => None,
        };
        let mut reader = match start {
            None => Reader::new(self.log.clone(), places.clone()),
            Some(start) => {
                let beside = places.iter().filter(|place| place.serial < start.serial).copied().collect();
                begin(&self.log, start, beside, self.from, counting)
            }
        };
        reader.joiner.leave_to_others(open.clone());
        reader.stop_at(bounds.clone());
        reader
    }
}

/// The time of the first record from there on that carries one.
fn time_at(log: &Log, (serial, offset): (u64, u64), counting: &Counting<'_>) -> Option<Timestamp> {
    let place = read::place_at(log, serial, offset).ok()?;
    let (mut lines, mut time) = (0, None);
    read::scan(log, place, counting.line_bytes_max, &mut |serial, line, _| {
        lines += 1;
        time = (counting.time_of)(log, serial, line.known);
        if time.is_some() || lines > PROBED_LINES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    time
}
