//! What leads up to the place where a stream starts: lines that are one record with those behind it, and records that rules
//! which let only so many through have counted. Reads files: blocks.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::join::{Joined, Joiner, Spot, Way};
use super::keep::Throttle;
use super::reader::Reader;
use super::start::Counting;
use crate::source::back::{Bounds, back, bounds};
use crate::source::catalog::Log;
use crate::source::read::{self, Place};
use crate::source::split::Line;

/// How many lines before a place are looked at, at most.
pub const LEAD_LINES: usize = 2000;
/// How long going back to them may take.
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
    /// Whether nothing has ended it but the end of all that there is.
    pub is_open: bool,
    /// Where the first of the records starts that are not ended yet.
    pub open_from: Option<Spot>,
}

impl<'a> Told<'a> {
    /// A record that is one line of generation `serial`.
    pub fn of(serial: u64, line: &Line<'a>) -> Self {
        let (start, end) = ((serial, line.start), (serial, line.end));
        Told { start, end, line: *line, time: None, is_open: false, open_from: None }
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
    let mut tell = |joined: &Joined, joiner: &Joiner, is_open: bool| {
        let line = joined.line(line_bytes_max);
        let open_from = joiner.open_from();
        each(&Told { start: joined.start, end: joined.end, line, time: joined.time, is_open, open_from })
    };
    let passed = read::scan(log, from, line_bytes_max, &mut |serial, line, position| {
        let bound = until.map_or(Some(u64::MAX), |until| until.get(&serial).copied());
        let Some(bound) = bound else { return ControlFlow::Break(()) };
        if line.start >= bound {
            return ControlFlow::Continue(());
        }
        let flow = match joiner.take(serial, line, position, &way(log, serial)) {
            Some(joined) => tell(&joined, &joiner, false),
            None => ControlFlow::Continue(()),
        };
        broken = flow.is_break();
        flow
    });
    while !broken && let Some(joined) = joiner.end_quiet(true) {
        broken = tell(&joined, &joiner, true).is_break();
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

/// A place some lines before `place`; `place` itself where nothing can be read before it.
pub fn lead_in(log: &Log, place: Place, line_bytes_max: usize) -> Place {
    let until = Instant::now() + LEAD_TIME;
    let lines = back(log, &bounds(log, &[place]), LEAD_LINES, line_bytes_max, until, &mut |_, _| Some(()));
    let first = lines.found.last().map(|&(serial, offset, ())| (serial, offset));
    first.and_then(|spot| place_at(log, spot)).unwrap_or(place)
}

/// A reader of the records that start at `place` or behind it. Where lines are put together it may have to begin earlier:
/// what stands at `place` may belong to a record that began before, and is passed over with it.
pub fn begin(log: &Arc<Log>, place: Place, counting: &Counting<'_>) -> Reader {
    let spot = (place.serial, place.position.offset);
    if !(counting.way)(log, place.serial).joins() {
        return Reader::new(log.clone(), with_growing(log, place));
    }
    let from = lead_in(log, place, counting.line_bytes_max);
    let (mut first, mut behind) = (None, 0);
    records(log, from, None, (counting.way, counting.line_bytes_max), &mut |told| {
        if told.start < spot && (told.end > spot || told.is_open) {
            first = Some(first.map_or(told.start, |first: Spot| first.min(told.start)));
        }
        behind += usize::from(told.start >= spot);
        let all_known = told.end > spot && told.open_from.is_none_or(|open| open >= spot);
        if all_known || behind > LEAD_LINES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match first.and_then(|first| place_at(log, first)) {
        None => Reader::new(log.clone(), with_growing(log, place)),
        Some(first) => {
            let mut reader = Reader::new(log.clone(), with_growing(log, first));
            reader.joiner = Joiner::beginning(passed(log, first.serial, spot));
            reader
        }
    }
}

/// Up to where what starts in generations from `first` on is before `spot`.
fn passed(log: &Log, first: u64, spot: Spot) -> BTreeMap<u64, u64> {
    let state = log.state();
    let generations = state.generations.iter().filter(|generation| (first..=spot.0).contains(&generation.serial));
    generations.map(|generation| (generation.serial, if generation.serial == spot.0 { spot.1 } else { generation.end })).collect()
}

/// `place`, and the ends of earlier generations that can still grow: what they hold already is before the start.
pub fn with_growing(log: &Log, place: Place) -> Vec<Place> {
    let mut places: Vec<Place> = read::ends(log).into_iter().filter(|end| end.serial < place.serial).collect();
    places.push(place);
    places
}

/// Lets `throttle` count what stands before the place where `reader` starts, as if its stream had come by it.
pub fn count(reader: &Reader, throttle: &mut Throttle, counting: &mut Counting<'_>) {
    let Some((place, bound)) = reader.starts() else { return };
    let mut until = bounds(&reader.log, &[place]);
    until.insert(place.serial, bound);
    let from = lead_in(&reader.log, place, counting.line_bytes_max);
    let (way, line_bytes_max, keeps) = (counting.way, counting.line_bytes_max, &mut *counting.keeps);
    records(&reader.log, from, Some(&until), (way, line_bytes_max), &mut |told| {
        keeps(&reader.log, told, throttle);
        ControlFlow::Continue(())
    });
}
