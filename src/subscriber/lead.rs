//! What leads up to the place where a stream starts: lines that are one record with those behind it, and records that rules
//! which let only so many through have counted. Reads files: blocks.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::join::{Joined, Joiner, Spot, Way};
use super::keep::Throttle;
use super::reader::Reader;
use super::start::{Counting, Seen};
use crate::source::back::{Bounds, back, bounds};
use crate::source::catalog::Log;
use crate::source::content::Storage;
use crate::source::generation::{Generation, Phase};
use crate::source::read::{self, Place};
use crate::source::resolve::Resolved;
use crate::source::split::Line;

/// How many lines before a place are looked at, at most.
pub const LEAD_LINES: usize = 2000;
/// How long going back to them may take, over all logs of a stream.
const LEAD_TIME: Duration = Duration::from_millis(200);

/// A record of a log, as reading on from a place finds it.
pub struct Told<'a> {
    /// Where its first line starts.
    pub start: Spot,
    /// Where its last line ends.
    pub end: Spot,
    /// Its text, as one line.
    pub line: Line<'a>,
    /// When it was written, as a container runtime says.
    pub time: Option<Timestamp>,
    /// Whether the rest of its last line is missing.
    pub is_part: bool,
    /// Where the first of the records starts that are not ended yet.
    pub open_from: Option<Spot>,
}

impl<'a> Told<'a> {
    /// A record that is one line of generation `serial`.
    pub fn of(serial: u64, line: &Line<'a>) -> Self {
        let (start, end) = ((serial, line.start), (serial, line.end));
        Told { start, end, line: *line, time: None, is_part: false, open_from: None }
    }
}

/// How the lines of a generation of a log are put together.
pub type WayOf<'a> = dyn Fn(&Log, u64) -> Way<'a> + 'a;

/// Hands the records of a log from `from` on to `each`, in the order in which they end, until it breaks; of lines behind
/// `until` none is looked at. Passes over the rest of what can't be read; where that began first.
pub fn records(
    log: &Log,
    from: Place,
    until: Option<&Bounds>,
    (way, line_bytes_max): (&WayOf<'_>, usize),
    each: &mut dyn FnMut(&Told<'_>) -> ControlFlow<()>,
) -> Option<Place> {
    let mut joiner = Joiner::default();
    let mut broken = false;
    let mut tell = |joined: &Joined, joiner: &Joiner| {
        let line = joined.line(line_bytes_max);
        let Joined { start, end, time, is_part, .. } = *joined;
        each(&Told { start, end, line, time, is_part, open_from: joiner.open_from() })
    };
    let last = until.and_then(|until| until.keys().next_back().copied());
    let passed = read::scan(log, from, line_bytes_max, &mut |serial, line, position| {
        let bound = until.map_or(Some(u64::MAX), |until| until.get(&serial).copied());
        let Some(bound) = bound else { return ControlFlow::Break(()) };
        if line.start >= bound {
            return if last == Some(serial) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        let flow = match joiner.take(serial, line, position, &way(log, serial)) {
            Some(joined) => tell(&joined, &joiner),
            None => ControlFlow::Continue(()),
        };
        broken = flow.is_break();
        flow
    });
    while !broken && let Some(joined) = joiner.end_quiet(true) {
        broken = tell(&joined, &joiner).is_break();
    }
    passed
}

/// The place at a spot: before all of a generation where that is its beginning.
pub fn place_at(log: &Log, (serial, offset): Spot) -> Option<Place> {
    let generation = log.state().generation(serial).filter(|generation| generation.first() == offset).cloned();
    match generation {
        Some(generation) => Some(read::at_base(log, &generation)),
        None => read::place_at(log, serial, offset).ok(),
    }
}

/// A place some lines before `place`; `place` itself where nothing can be read before it. Archives are not gone back into:
/// to read a few lines all of one has to be unpacked.
pub fn lead_in(log: &Log, place: Place, line_bytes_max: usize, until: Instant) -> Place {
    let mut bounds = bounds(log, &[place]);
    let archive = {
        let state = log.state();
        let before = state.generations.iter().filter(|generation| generation.serial < place.serial);
        before.filter(|generation| generation.storage.is_compressed()).map(|generation| generation.serial).max()
    };
    bounds.retain(|serial, _| archive.is_none_or(|archive| *serial > archive));
    let lines = back(log, &bounds, LEAD_LINES, line_bytes_max, until, &mut |_, _| Some(()));
    let first = lines.found.last().map(|&(serial, offset, ())| (serial, offset));
    first.and_then(|spot| place_at(log, spot)).unwrap_or(place)
}

/// When looking back for one stream has to end.
pub fn lead_time() -> Instant {
    Instant::now() + LEAD_TIME
}

/// A reader of the records that start at `place` or behind it, and of those that are open there: they began before, and
/// come whole. It stands at the places `beside` in earlier files, too. `from` is a place before it from which on records were
/// counted.
pub fn begin(log: &Arc<Log>, place: Place, beside: Vec<Place>, from: Option<Place>, counting: &Counting<'_>) -> Reader {
    let mut places = beside;
    places.push(place);
    let known = |end: &Place| places.iter().all(|place| place.serial != end.serial);
    let end = end_before(log, place).filter(known);
    places.extend(end);
    places.sort_by_key(|place| place.serial);
    let mut resolved = Resolved::at(places);
    if (counting.way)(log, place.serial).joins() {
        for open in open_at(log, place, from, counting).into_iter().filter_map(|spot| place_at(log, spot)) {
            add_open(log, &mut resolved, open);
        }
    }
    Reader::resumed(log.clone(), &resolved)
}

/// Where the records start that begin before `place` and end behind it.
fn open_at(log: &Log, place: Place, from: Option<Place>, counting: &Counting<'_>) -> BTreeSet<Spot> {
    let spot = (place.serial, place.position.offset);
    let from = from.unwrap_or_else(|| lead_in(log, place, counting.line_bytes_max, lead_time()));
    let (mut open, mut behind) = (BTreeSet::new(), 0);
    records(log, from, None, (counting.way, counting.line_bytes_max), &mut |told| {
        if told.start < spot && (told.end > spot || told.is_part) {
            open.insert(told.start);
        }
        behind += usize::from(told.start >= spot);
        let all_known = told.end > spot && told.open_from.is_none_or(|open| open >= spot);
        if all_known || behind > LEAD_LINES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    open
}

/// Names `open`, from where on an open record has to be read, beside what was had of its file.
fn add_open(log: &Log, resolved: &mut Resolved, open: Place) {
    let generation = log.state().generation(open.serial).cloned();
    let known = resolved.places.iter_mut().find(|place| place.serial == open.serial);
    let had = match &known {
        Some(place) => Some(place.position),
        // All of an earlier file but what is open at its end.
        None => generation.and_then(|generation| read::end_of(log, &generation).ok()),
    };
    let several = resolved.several.entry(open.serial).or_insert_with(|| had.into_iter().collect());
    several.push(open.position);
    several.sort_by_key(|position| Reverse(position.offset));
    resolved.named.insert((open.serial, open.position.offset));
    match known {
        Some(place) if place.position.offset > open.position.offset => *place = open,
        Some(_) => {}
        None => {
            resolved.places.push(open);
            resolved.places.sort_by_key(|place| place.serial);
        }
    }
}

/// The end of what is before `place`, where that is the beginning of a file: an id that names nothing else would mean that
/// nothing was had.
fn end_before(log: &Log, place: Place) -> Option<Place> {
    if !place.position.is_before_all() {
        return None;
    }
    let earlier = {
        let state = log.state();
        let with_content = |generation: &&Generation| {
            generation.serial < place.serial && !generation.is_empty() && generation.storage != Storage::Lost
        };
        state.generations.iter().rev().find(with_content).filter(|earlier| earlier.phase != Phase::Settling).cloned()
    };
    let earlier = earlier?;
    Some(Place { serial: earlier.serial, position: read::end_of(log, &earlier).ok()? })
}

/// The ends of generations before `place` that can still grow: what they hold already is before the start.
pub fn growing_before(log: &Log, place: Place) -> Vec<Place> {
    read::ends(log).into_iter().filter(|end| end.serial < place.serial).collect()
}

/// What a search by `counting` has seen where `readers` start, as if their stream had come by some of what stands before.
pub fn seen_before(readers: &[Reader], counting: &mut Counting<'_>) -> Throttle {
    let (mut seen, until) = (Seen::default(), lead_time());
    for reader in readers.iter().filter(|reader| (counting.throttles)(&reader.log.name)) {
        let Some(place) = reader.place() else { continue };
        let mut bounds = bounds(&reader.log, &[place]);
        bounds.insert(place.serial, reader.had_until(place.serial).unwrap_or(0));
        let from = lead_in(&reader.log, place, counting.line_bytes_max, until);
        let (way, line_bytes_max, keeps) = (counting.way, counting.line_bytes_max, &mut *counting.keeps);
        records(&reader.log, from, Some(&bounds), (way, line_bytes_max), &mut |told| {
            if !reader.joiner.lacks(told.start) {
                keeps(&reader.log, told, &mut seen);
            }
            if Instant::now() < until { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    seen.throttle.begin()
}
