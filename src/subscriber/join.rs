//! Puts lines together that are one record: parts that a container runtime cut, and lines that belong to the one before.
//! A function of the lines alone, so that a stream that starts again at an open group makes the same records of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::filter::Pattern;
use crate::format::Format;
use crate::format::time::Clock;
use crate::format::trace::Trace;
use crate::format::wrapped::Stream;
use crate::position::Position;
use crate::source::split::{BEYOND_BYTES, Line, cut};

/// How many lines one record has at most; a group that is longer is several records.
pub const RECORD_LINES_MAX: usize = 500;
/// How long after its last line a group that nothing has ended yet is taken to be whole, live.
const QUIET: Duration = Duration::from_millis(500);
/// The same where the program's line itself is not whole yet.
const QUIET_PART: Duration = Duration::from_secs(10);

/// Which lines belong to the one before.
#[derive(Clone, Debug)]
pub enum Multiline {
    /// All but those that match.
    Start(Pattern),
    /// Those that match.
    Continuation(Pattern),
    /// Stack traces and indented text.
    Auto,
}

/// A place among the generations of a log: a serial and an offset.
pub type Spot = (u64, u64);

/// A record of one or more lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// Where its first line starts.
    pub start: Spot,
    /// Where its last line ends.
    pub end: Spot,
    /// Its text, without the last line end; the beginning of it where it is too long.
    pub text: Vec<u8>,
    /// How long it is, in bytes.
    pub length: u64,
    /// When it was written, as the container runtime says.
    pub time: Option<Timestamp>,
}

impl Joined {
    /// The record as one line, cut to the limit.
    pub fn line(&self, line_bytes_max: usize) -> Line<'_> {
        let bytes = cut(&self.text, line_bytes_max);
        let cut_from = (self.length > bytes.len() as u64).then_some(self.length);
        Line { start: self.start.1, end: self.end.1, bytes, known: &self.text, cut_from }
    }
}

/// What a client had of records that were joined, as its id says.
#[derive(Clone, Debug, Default)]
pub struct Had {
    /// The positions of the id in a generation, by serial, where there are several: all before the last was had but what
    /// starts at the others.
    pub positions: BTreeMap<u64, Vec<Position>>,
    /// Where a record may start that was not had.
    pub starts: BTreeSet<Spot>,
}

/// How lines are put together.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// How they are written.
    pub format: Format,
    /// Which of them belong to the one before.
    pub multiline: Option<&'a Multiline>,
    /// What times leave out.
    pub clock: &'a Clock,
    /// The most text that is kept of a record, in bytes.
    pub line_bytes_max: usize,
}

impl Way<'_> {
    /// Whether there is anything to put together.
    pub fn joins(&self) -> bool {
        self.format.is_wrapped() || self.multiline.is_some()
    }
}

/// Groups that are open, one for each stream of a program.
#[derive(Default)]
pub struct Joiner {
    open: [Open; 2],
    /// Where the last record ended that was given, by serial.
    given: BTreeMap<u64, u64>,
    newest: u64,
    had: Had,
}

#[derive(Default)]
struct Open {
    /// Lines that are whole.
    group: Option<Box<Group>>,
    /// Parts of a line that is not.
    part: Option<Box<Group>>,
    since: Option<Instant>,
}

struct Group {
    joined: Joined,
    /// Its first line in each generation.
    starts: Vec<(u64, Position)>,
    lines: usize,
    trace: Trace,
}

impl Joiner {
    /// One for a client that had so much.
    pub fn resumed(had: Had) -> Self {
        Joiner { had, ..Joiner::default() }
    }

    /// Whether no group is open.
    pub fn is_idle(&self) -> bool {
        self.open.iter().all(|open| open.group.is_none() && open.part.is_none())
    }

    /// Whether ids say nothing but how far was read.
    pub fn is_plain(&self) -> bool {
        self.is_idle() && self.had.positions.is_empty()
    }

    /// Takes the line that stands at `position` in generation `serial`; the record that it ends, if it ends one.
    pub fn take(&mut self, serial: u64, line: &Line<'_>, position: Position, way: &Way<'_>) -> Option<Joined> {
        let wrapped = way.format.unwrap(line.known);
        let (text, partial) = wrapped.as_ref().map_or((line.known, false), |wrapped| (&*wrapped.text, wrapped.partial));
        let stream = usize::from(wrapped.as_ref().is_some_and(|wrapped| wrapped.stream == Stream::Err));
        let time = wrapped.as_ref().and_then(|wrapped| way.clock.of_value(&wrapped.time, Timestamp::UNIX_EPOCH));
        // What is wrapped around a line that was cut is at its beginning.
        let missing = line.cut_from.map_or(0, |length| length.saturating_sub(line.known.len() as u64));
        let limit = way.line_bytes_max + BEYOND_BYTES;
        let end = (serial, line.end);
        let whole = Group::new((serial, line.start), end, text, missing, time, position, limit);
        self.newest = self.newest.max(serial);
        if serial < self.newest {
            // A late line in an old file stands alone: its neighbours were given long ago.
            return self.give(whole.joined);
        }
        let open = &mut self.open[stream];
        open.since = Some(Instant::now());
        let line = match open.part.take() {
            Some(mut part) => {
                part.extend(b"", whole, limit);
                *part
            }
            None => whole,
        };
        if partial {
            open.part = Some(Box::new(line));
            return None;
        }
        let line = Group { trace: Trace::new(&line.joined.text), lines: 1, ..line };
        let Some(multiline) = way.multiline else { return self.give(line.joined) };
        if let Some(group) = &mut open.group
            && group.takes(&line, multiline, way.line_bytes_max)
        {
            group.extend(b"\n", line, limit);
            return None;
        }
        let ended = open.group.replace(Box::new(line));
        self.give(ended?.joined)
    }

    /// The record of a group that is taken to be whole: it has been quiet for long, or `all` are to be ended. Call again
    /// until there is none.
    pub fn end_quiet(&mut self, all: bool) -> Option<Joined> {
        let now = Instant::now();
        let open = self.open.iter_mut().find(|open| open.due().is_some_and(|due| all || due <= now))?;
        // A line whose rest is missing belongs to the group before it as little as to anything.
        let ended = open.group.take().or_else(|| open.part.take())?;
        self.give(ended.joined).or_else(|| self.end_quiet(all))
    }

    /// When a group that is open now is taken to be whole.
    pub fn due(&self) -> Option<Instant> {
        self.open.iter().filter_map(Open::due).min()
    }

    fn give(&mut self, joined: Joined) -> Option<Joined> {
        let given = self.given.entry(joined.end.0).or_default();
        *given = (*given).max(joined.end.1);
        let had = self.had.positions.get(&joined.end.0).and_then(|had| had.iter().map(|position| position.offset).max());
        let again = had.is_some_and(|had| joined.end.1 <= had) && !self.had.starts.contains(&joined.start);
        (!again).then_some(joined)
    }

    /// What ids say of generation `serial` in which the reader stands at `place`, if it does: the farthest position first.
    pub fn positions(&self, serial: u64, place: Option<Position>) -> Vec<Position> {
        // What was had reaches farther.
        let had = self.had.positions.get(&serial);
        if let (Some(had), Some(place)) = (had, place)
            && had.iter().any(|position| position.offset > place.offset)
        {
            return had.clone();
        }
        let groups = self.open.iter().flat_map(|open| open.group.iter().chain(&open.part));
        let starts = groups.flat_map(|group| &group.starts).filter(|(own, _)| *own == serial).map(|(_, position)| *position);
        let mut positions: Vec<Position> = starts.chain(place).collect();
        positions.sort_by_key(|position| std::cmp::Reverse(position.offset));
        positions.dedup();
        // Where nothing was given behind the first open line, all starts again there.
        let given = self.given.get(&serial).copied().unwrap_or(0);
        match positions.last() {
            Some(first) if first.offset >= given => vec![*first],
            _ => positions,
        }
    }

    /// The generations in which groups are open.
    pub fn serials(&self) -> BTreeSet<u64> {
        let groups = self.open.iter().flat_map(|open| open.group.iter().chain(&open.part));
        groups.flat_map(|group| group.starts.iter().map(|(serial, _)| *serial)).collect()
    }
}

impl Open {
    fn due(&self) -> Option<Instant> {
        let quiet = match (&self.group, &self.part) {
            (None, None) => return None,
            (None, Some(_)) => QUIET_PART,
            (Some(_), _) => QUIET,
        };
        Some(self.since? + quiet)
    }
}

impl Group {
    fn new(start: Spot, end: Spot, text: &[u8], missing: u64, time: Option<Timestamp>, position: Position, limit: usize) -> Self {
        let length = text.len() as u64 + missing;
        let joined = Joined { start, end, text: text[..text.len().min(limit)].to_vec(), length, time };
        Group { joined, starts: vec![(start.0, position)], lines: 1, trace: Trace::new(text) }
    }

    /// Whether `line` belongs to this group, which has room for it.
    fn takes(&mut self, line: &Group, multiline: &Multiline, line_bytes_max: usize) -> bool {
        let text = &line.joined.text;
        let belongs = match multiline {
            Multiline::Start(pattern) => !pattern.matches(text),
            Multiline::Continuation(pattern) => pattern.matches(text),
            Multiline::Auto => self.trace.takes(text),
        };
        belongs && self.lines < RECORD_LINES_MAX && self.joined.length + line.joined.length < line_bytes_max as u64
    }

    fn extend(&mut self, between: &[u8], other: Group, limit: usize) {
        for part in [between, &other.joined.text] {
            let room = limit.saturating_sub(self.joined.text.len());
            self.joined.text.extend_from_slice(&part[..part.len().min(room)]);
        }
        self.joined.length += between.len() as u64 + other.joined.length;
        self.joined.end = other.joined.end;
        self.lines += 1;
        for (serial, position) in other.starts {
            if self.starts.iter().all(|(known, _)| *known != serial) {
                self.starts.push((serial, position));
            }
        }
    }
}
