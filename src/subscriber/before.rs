//! A stream of what is before an id: where it starts, so that it holds the last records before it, and where it ends. A
//! search that takes long stops on its way; the position at which the stream starts says how far it came, so that the
//! next one goes on from there.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::join::Spot;
use super::keep::Throttle;
use super::lead::{Told, place_at, records};
use super::reader::Reader;
use super::start::{Counting, EarlyGap, Started, before_all};
use crate::position::{Cursor, Position};
use crate::source::back::{Back, Bounds, back, bounds};
use crate::source::catalog::Log;
use crate::source::read::{self, Place};
use crate::source::resolve::{Missing, resolve};

/// How long one request goes back at most, over all its logs.
pub const BACK_TIME_MAX: Duration = Duration::from_millis(700);
/// How many lines may have no time until a place counts as one without.
const PROBED_LINES_MAX: usize = 200;

/// Where a record starts, as serial and offset, and its time.
type Timed = (u64, u64, Option<Timestamp>);

/// What was found of one log: the newest record first, with the time that it counts by.
struct Found {
    log: Arc<Log>,
    /// Where its id ends the stream, the oldest place first.
    places: Vec<Place>,
    bounds: Bounds,
    back: Back<Option<Timestamp>>,
}

/// What records are counted back from.
pub enum Cut {
    /// The present end of each log.
    End,
    /// The positions of an id.
    At(Cursor),
}

/// Finds where the last `count` records start, over all of `selected` together, that end at or before `cut`. A log that an
/// id does not name has none.
pub fn before(selected: &[Arc<Log>], cut: &Cut, count: usize, counting: &mut Counting<'_>) -> Started {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    let now = Instant::now();
    for (number, log) in (1_u32..).zip(selected) {
        let until = now + BACK_TIME_MAX * number / selected.len() as u32;
        let places = match cut {
            Cut::End => read::ends(log),
            Cut::At(cursor) => {
                let (places, missing) = places_of(log, cursor);
                gaps.extend(missing.map(|missing| EarlyGap { log: Some(log.name.to_string()), missing }));
                places
            }
        };
        let bounds = bounds(log, &places);
        let back = records_back(log, &bounds, count, until, counting);
        found.push(Found { log: log.clone(), places, bounds, back });
    }
    let to_beginning = |found: &Found| found.back.reached.is_none() && found.back.found.len() < count && !found.bounds.is_empty();
    gaps.extend(found.iter().filter(|found| to_beginning(found)).filter_map(|found| before_all(&found.log)));
    let readers = merged(&mut found, count, counting);
    Started { readers, gaps, resumed: false, basis: None }
}

/// Where an id stands in a log: nowhere if it does not name it; what is before a place that is not known can't be told.
fn places_of(log: &Arc<Log>, cursor: &Cursor) -> (Vec<Place>, Option<Missing>) {
    let own: Vec<Position> = cursor.positions().iter().filter(|position| position.source == log.source).copied().collect();
    if own.is_empty() {
        return (Vec::new(), None);
    }
    let resolved = resolve(log, &own);
    if resolved.missing.is_some() { (Vec::new(), resolved.missing) } else { (resolved.places, None) }
}

fn records_back(
    log: &Arc<Log>,
    bounds: &Bounds,
    count: usize,
    until: Instant,
    counting: &mut Counting<'_>,
) -> Back<Option<Timestamp>> {
    if bounds.is_empty() {
        return Back { found: Vec::new(), reached: None };
    }
    let newest = log.state().newest().map_or(0, |newest| newest.serial);
    if counting.goes_forward(log, newest) {
        return forward_back(log, bounds, count, until, counting);
    }
    let (keeps, time_of, mut throttle) = (&mut *counting.keeps, counting.time_of, Throttle::default());
    back(log, bounds, count, counting.line_bytes_max, until, &mut |serial, line| {
        keeps(log, &Told::of(serial, line), &mut throttle).then(|| time_of(log, serial, line.known))
    })
}

/// The same where lines before a record tell what it is: reads more and more of the last lines, until they hold so many
/// records.
fn forward_back(
    log: &Log,
    bounds: &Bounds,
    count: usize,
    until: Instant,
    counting: &mut Counting<'_>,
) -> Back<Option<Timestamp>> {
    let mut wanted = counting.lines_for(count);
    loop {
        let lines = back(log, bounds, wanted, counting.line_bytes_max, until, &mut |_, _| Some(()));
        let nothing = Back { found: Vec::new(), reached: None };
        let Some(&(serial, offset, ())) = lines.found.last() else { return Back { reached: lines.reached, ..nothing } };
        let Ok(from) = read::place_at(log, serial, offset) else { return Back { reached: Some((serial, offset)), ..nothing } };
        let (all, mut found) = forward_from(log, from, bounds, counting);
        // The first may be the end of one that begins before.
        let first_whole = if lines.reached.is_none() { None } else { all.get(1).or(all.first()).copied() };
        found.retain(|&(serial, start, _)| first_whole.is_none_or(|first| (serial, start) >= first));
        if found.len() >= count || lines.reached.is_none() || Instant::now() >= until {
            found.reverse();
            let complete = found.len() >= count;
            found.truncate(count);
            let last = found.last().map(|&(serial, start, _)| (serial, start)).filter(|_| complete);
            return Back { found, reached: last.or(first_whole) };
        }
        wanted = wanted.saturating_mul(4);
    }
}

/// Where the records start from `from` on within `bounds`, and those of them that are wanted, with their times.
fn forward_from(log: &Log, from: Place, bounds: &Bounds, counting: &mut Counting<'_>) -> (Vec<Spot>, Vec<Timed>) {
    let (mut throttle, mut all, mut found) = (Throttle::default(), Vec::new(), Vec::new());
    let (line_bytes_max, way, time_of, keeps) = (counting.line_bytes_max, counting.way, counting.time_of, &mut *counting.keeps);
    records(log, from, Some(bounds), (way, line_bytes_max), &mut |told| {
        all.push(told.start);
        if keeps(log, told, &mut throttle) {
            found.push((told.start.0, told.start.1, told.time.or_else(|| time_of(log, told.start.0, told.line.known))));
        }
        ControlFlow::Continue(())
    });
    (all, found)
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
    found.iter().enumerate().map(|(index, found)| found.reader(kept(index))).collect()
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
    fn reader(&self, kept: usize) -> Reader {
        let all = kept == self.back.found.len();
        let start = match self.back.found.get(kept.wrapping_sub(1)) {
            _ if all && self.back.reached.is_none() => read::start(&self.log).filter(|_| !self.bounds.is_empty()),
            _ if all => self.back.reached.and_then(|spot| place_at(&self.log, spot)),
            Some(&(serial, offset, _)) => place_at(&self.log, (serial, offset)),
            None => None,
        };
        let places = start.map_or_else(
            || self.places.clone(),
            |start| self.places.iter().filter(|place| place.serial < start.serial).copied().chain([start]).collect(),
        );
        let mut reader = Reader::new(self.log.clone(), places);
        reader.stop_at(self.bounds.clone());
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
