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
    /// By serial up to where what starts there is before the beginning of the stream, and not wanted.
    pub before: BTreeMap<u64, u64>,
}

impl Had {
    /// Up to where a generation was read where the id has several positions of it.
    fn end(&self, serial: u64) -> Option<u64> {
        self.positions.get(&serial)?.iter().map(|position| position.offset).max()
    }

    /// Whether what starts at `one` was had, and what starts at `other` was not: then they are no record together, though
    /// it may look so to who reads on in the middle of the first.
    fn parts(&self, one: Spot, other: Spot) -> bool {
        let one_had = self.end(one.0).is_some_and(|end| one.1 < end) && !self.starts.contains(&one);
        one_had && self.starts.contains(&other)
    }
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

    /// Whether a record may begin with a line: what the time in it says of the place.
    pub fn may_begin(&self, line: &[u8]) -> bool {
        let text = self.format.unwrap(line).map_or(line.into(), |wrapped| wrapped.text);
        match self.multiline {
            None => true,
            Some(Multiline::Start(pattern)) => pattern.matches(&text),
            Some(Multiline::Continuation(pattern)) => !pattern.matches(&text),
            Some(Multiline::Auto) => !text.first().is_some_and(u8::is_ascii_whitespace),
        }
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

    /// One for a stream that begins behind what starts before these offsets, by serial.
    pub fn beginning(before: BTreeMap<u64, u64>) -> Self {
        Joiner { had: Had { before, ..Had::default() }, ..Joiner::default() }
    }

    /// Where the stream begins in a generation, where that is not where it is read from.
    pub fn begins_at(&self, serial: u64) -> Option<u64> {
        self.had.before.get(&serial).copied()
    }

    /// Where the first open group starts.
    pub fn open_from(&self) -> Option<Spot> {
        let groups = self.open.iter().flat_map(|open| open.group.iter().chain(&open.part));
        groups.map(|group| group.joined.start).min()
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
        let (had, first) = (&self.had, whole.joined.start);
        // What stands behind a group that was not had was not had either.
        let follows = open.group.as_ref().is_some_and(|group| !had.parts(group.joined.start, first));
        let line = match open.part.take().filter(|part| follows || !had.parts(part.joined.start, first)) {
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
        let Some(multiline) = way.multiline else { return self.give(line.joined) };
        let trace = if matches!(multiline, Multiline::Auto) { Trace::new(&line.joined.text) } else { Trace::default() };
        let line = Group { trace, lines: 1, ..line };
        if let Some(group) = &mut open.group
            && !had.parts(group.joined.start, line.joined.start)
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
        let again = self.had.end(joined.end.0).is_some_and(|end| joined.end.1 <= end) && !self.had.starts.contains(&joined.start);
        let before = self.had.before.get(&joined.start.0).is_some_and(|&begin| joined.start.1 < begin);
        (!again && !before).then_some(joined)
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
        Group { joined, starts: vec![(start.0, position)], lines: 1, trace: Trace::default() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Check, GenerationId, Hint, SourceId};
    use crate::source::split::{complete, lines};
    use proptest::prelude::*;

    /// Groups that are longer are several records: short, so that it happens.
    const LINE_BYTES_MAX: usize = 120;

    fn position(offset: u64) -> Position {
        let check = Check::of(offset, &[]);
        Position { source: SourceId::of("app"), generation: GenerationId::of(&[]), offset, check, hint: Hint::NO_FILE }
    }

    /// What `content` comes to from `from` on, read in pieces that end at `cuts`: after each line the records so far, and
    /// what ids say then.
    fn joined(
        mut joiner: Joiner,
        content: &[u8],
        from: u64,
        cuts: &[usize],
        way: &Way<'_>,
    ) -> (Vec<Joined>, Vec<(usize, Vec<Position>)>) {
        let (mut records, mut ids) = (Vec::new(), Vec::new());
        let mut at = from as usize;
        for cut in cuts.iter().copied().chain([content.len()]).filter(|cut| *cut >= from as usize) {
            let whole = at + complete(&content[at..cut.max(at)]);
            for line in lines(&content[at..whole], at as u64, LINE_BYTES_MAX) {
                records.extend(joiner.take(1, &line, position(line.start), way));
                ids.push((records.len(), joiner.positions(1, Some(position(line.end)))));
            }
            at = whole;
        }
        records.extend(std::iter::from_fn(|| joiner.end_quiet(true)));
        (records, ids)
    }

    /// A client that had what an id with these positions says, and where it reads on.
    fn resumed(positions: &[Position]) -> (Joiner, u64) {
        let several = if positions.len() > 1 { BTreeMap::from([(1, positions.to_vec())]) } else { BTreeMap::new() };
        let starts = positions.iter().map(|position| (1, position.offset)).collect();
        let from = positions.iter().map(|position| position.offset).min().expect("a position");
        (Joiner::resumed(Had { positions: several, starts, ..Had::default() }), from)
    }

    /// Numbered lines, some of which belong to the one before; in the CRI format on two streams, in parts.
    fn content(kinds: &[(u8, bool, bool)], format: Format) -> Vec<u8> {
        let texts =
            ["INFO x", "  indented", "Traceback (most recent call last):", "ValueError: no", "", "ERROR no", "a.B$Exception: no"];
        let line = |(number, (kind, err, partial)): (usize, &(u8, bool, bool))| {
            let text = texts[usize::from(*kind) % texts.len()];
            let text = if text.is_empty() { String::new() } else { format!("{text} <{number}>") };
            match format {
                Format::Plain => format!("{text}\n"),
                _ => format!(
                    "2026-11-22T10:00:00Z {} {} {text} <{number}>\n",
                    if *err { "stderr" } else { "stdout" },
                    if *partial { "P" } else { "F" }
                ),
            }
        };
        kinds.iter().enumerate().map(line).collect::<String>().into_bytes()
    }

    fn ways() -> Vec<Option<Multiline>> {
        let pattern = |text| Pattern::new(text).unwrap();
        let continuation = Multiline::Continuation(pattern("^  "));
        vec![None, Some(Multiline::Auto), Some(Multiline::Start(pattern("^[A-Z]"))), Some(continuation)]
    }

    proptest! {
        #[test]
        fn records_cover_all_bytes_once_whatever_the_cuts_and_wherever_a_client_comes_back(
            kinds in proptest::collection::vec(any::<(u8, bool, bool)>(), 0..40),
            cuts in proptest::collection::vec(0usize..2000, 0..12),
            way in 0usize..4, cri: bool,
        ) {
            let format = if cri { Format::Cri } else { Format::Plain };
            let (content, multiline, clock) = (content(&kinds, format), &ways()[way], Clock::default());
            let way = Way { format, multiline: multiline.as_ref(), clock: &clock, line_bytes_max: LINE_BYTES_MAX };
            let (all, ids) = joined(Joiner::default(), &content, 0, &[], &way);

            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(content.len())).collect();
            cuts.sort_unstable();
            prop_assert_eq!(&joined(Joiner::default(), &content, 0, &cuts, &way), &(all.clone(), ids.clone()));

            let text: Vec<u8> = all.iter().flat_map(|record| [&record.text[..], b"\n"].concat()).collect();
            for number in 0..kinds.len() {
                let mark = format!("<{number}>");
                prop_assert_eq!(memchr::memmem::find_iter(&text, &mark).count(), memchr::memmem::find_iter(&content, &mark).count());
            }
            prop_assert!(all.iter().all(|record| record.length == record.text.len() as u64));
            if !cri {
                let ends = all.iter().map(|record| record.end.1);
                let starts = all.iter().map(|record| record.start.1).chain([content.len() as u64]);
                prop_assert_eq!([0].into_iter().chain(ends).collect::<Vec<_>>(), starts.collect::<Vec<_>>());
                prop_assert!(all.iter().all(|record| content[record.start.1 as usize..][..record.text.len()] == record.text[..]));
            }

            for (given, positions) in ids {
                let (joiner, from) = resumed(&positions);
                let (rest, _) = joined(joiner, &content, from, &cuts, &way);
                prop_assert_eq!(&rest, &all[given..], "after {} records, at {:?}", given, positions);
            }
        }

        #[test]
        fn lines_that_time_has_parted_are_given_once_all_the_same(
            kinds in proptest::collection::vec(any::<(u8, bool, bool)>(), 1..30), pause in 0usize..30, cri: bool,
        ) {
            let format = if cri { Format::Cri } else { Format::Plain };
            let (content, clock) = (content(&kinds, format), Clock::default());
            let way = Way { format, multiline: Some(&Multiline::Auto), clock: &clock, line_bytes_max: 1 << 20 };
            let (mut joiner, mut records) = (Joiner::default(), Vec::new());
            for (number, line) in lines(&content, 0, 1 << 20).enumerate() {
                records.extend(joiner.take(1, &line, position(line.start), &way));
                if number == pause {
                    records.extend(std::iter::from_fn(|| joiner.end_quiet(true)));
                    let (joiner, from) = resumed(&joiner.positions(1, Some(position(line.end))));
                    records.extend(joined(joiner, &content, from, &[], &way).0);
                    break;
                }
            }
            records.extend(std::iter::from_fn(|| joiner.end_quiet(true)));
            let text: Vec<u8> = records.into_iter().flat_map(|record| [&record.text[..], b"\n"].concat()).collect();
            for number in 0..kinds.len() {
                let mark = format!("<{number}>");
                prop_assert_eq!(memchr::memmem::find_iter(&text, &mark).count(), memchr::memmem::find_iter(&content, &mark).count());
            }
        }
    }
}
