//! One subscriber's stream: pulls from its logs, filters, and hands events to whoever encodes them. Never opens a file
//! and never waits for the client.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use tokio::sync::watch;

use super::filter::Filter;
use super::join::Joined;
use super::keep::Throttle;
use super::merge::Merge;
use super::reader::{Hole, Next, Reader};
use super::rules::Origin;
use super::start::EarlyGap;
use super::{Shared, Slot, Wanted};
use crate::event::{Basis, Event, Gap, Hello, Id, LogChange, LogNotice, Pos, Reason, Resume, Rotate};
use crate::position::{CURSOR_POSITIONS_MAX, Cursor, Position, SourceId, write_others};
use crate::record::Record;
use crate::source::catalog::Log;
use crate::source::content::READ_BYTES;
use crate::source::read::LongRecord;
use crate::source::split::{Line, lines};
use crate::source::tail::Piece;

/// After so many bytes of records that were kept back, a checkpoint is sent.
const CHECKPOINT_BYTES: u64 = 1 << 20;
/// After so long with records kept back, a checkpoint is sent.
const CHECKPOINT_TIME: Duration = Duration::from_secs(10);

/// Takes the events of a stream, in order.
pub trait Sink {
    /// Takes one event; `id` is the position after it.
    fn event(&mut self, id: &Id<'_>, event: &Event<'_>);
}

/// What [`Subscription::fill`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It got on; there may be more at once.
    Moved,
    /// There is nothing more now: wait.
    Idle,
    /// The stream ends here.
    End,
}

/// One subscriber's stream.
pub struct Subscription {
    shared: Arc<Shared>,
    wanted: Wanted,
    readers: Vec<Reader>,
    notices: Notices,
    filter: Filter,
    left: Option<u64>,
    follow: bool,
    until: Option<Until>,
    early: VecDeque<Early>,
    asked: Option<String>,
    /// Whether anybody looks at what records say of themselves.
    asks_meaning: bool,
    turn: usize,
    /// The order of history, as long as a stream of several logs is in it.
    merge: Option<Merge>,
    caught_up: bool,
    held_back: HeldBack,
    throttle: Throttle,
    /// Since when it is not told what was suppressed.
    suppressed_since: Option<Instant>,
    again_at: Option<Instant>,
    /// Logs that do not fit the id.
    left_out: BTreeSet<SourceId>,
    moves: watch::Receiver<u64>,
    own_moves: Option<watch::Receiver<crate::source::catalog::LogState>>,
    _slot: Slot,
}

/// The time after which no record is wanted.
struct Until {
    time: Timestamp,
    /// The logs of which the last record that carries a time is younger.
    passed: BTreeSet<SourceId>,
}

impl Until {
    fn new(time: Timestamp) -> Self {
        Until { time, passed: BTreeSet::new() }
    }

    fn has_come(&self) -> bool {
        Timestamp::now() >= self.time
    }

    /// How long it is until then.
    fn left(&self) -> Duration {
        Duration::try_from(self.time.duration_since(Timestamp::now())).unwrap_or_default()
    }

    /// Whether a record is wanted; one without a time is like the one before it.
    fn keeps(&mut self, log: SourceId, time: Option<Timestamp>) -> bool {
        match time {
            Some(time) if time > self.time => drop(self.passed.insert(log)),
            Some(_) => drop(self.passed.remove(&log)),
            None => {}
        }
        !self.passed.contains(&log)
    }
}

/// What is sent before the first record.
enum Early {
    Hello(Hello),
    Gap(EarlyGap),
}

/// Records that the filter kept back since the client last got an id.
#[derive(Default)]
struct HeldBack {
    bytes: u64,
    since: Option<Instant>,
}

/// What the client was told of its logs; nothing if it does not want to know.
struct Notices {
    wanted: bool,
    told: Vec<(bool, Option<String>)>,
}

/// What a subscription is made of.
pub(super) struct Parts {
    pub shared: Arc<Shared>,
    pub wanted: Wanted,
    pub readers: Vec<Reader>,
    pub gaps: Vec<EarlyGap>,
    pub resumed: bool,
    pub basis: Option<Basis>,
    pub until: Option<Timestamp>,
    pub filter: Filter,
    pub limit: Option<u64>,
    pub follow: bool,
    pub notices: bool,
    pub asks_meaning: bool,
    pub asked: Option<String>,
    pub slot: Slot,
}

impl Subscription {
    pub(super) fn new(parts: Parts) -> Self {
        let resume = match (parts.gaps.is_empty(), parts.resumed) {
            (false, _) => Resume::Gap,
            (true, true) => Resume::Exact,
            (true, false) => Resume::Fresh,
        };
        let early = std::iter::once(Early::Hello(Hello { resume, since_basis: parts.basis }))
            .chain(parts.gaps.into_iter().map(Early::Gap))
            .collect();
        let mut readers = parts.readers;
        let until = parts.until.map(Until::new);
        // What is still to come is not wanted.
        let follow = parts.follow && until.as_ref().is_none_or(|until| !until.has_come());
        if !follow {
            readers.iter_mut().for_each(Reader::stop_at_present_end);
        }
        let told = readers.iter().map(told).collect();
        let merge = (readers.len() > 1).then(Merge::default);
        // A stream of one named log sleeps through the others' moves.
        let own_moves = match (&readers[..], parts.wanted.is_fixed()) {
            ([reader], true) => Some(reader.log.changes()),
            _ => None,
        };
        Subscription {
            moves: parts.shared.logs.moves(),
            shared: parts.shared,
            wanted: parts.wanted,
            readers,
            notices: Notices { wanted: parts.notices, told },
            asks_meaning: parts.asks_meaning || parts.until.is_some() || parts.filter.asks_meaning(),
            filter: parts.filter,
            left: parts.limit,
            follow,
            until,
            early,
            asked: parts.asked,
            turn: 0,
            merge,
            caught_up: false,
            held_back: HeldBack::default(),
            throttle: Throttle::default(),
            suppressed_since: None,
            again_at: None,
            left_out: BTreeSet::new(),
            own_moves,
            _slot: parts.slot,
        }
    }

    /// The position at which the stream stands.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(positions(&self.readers, 0))
    }

    /// Whether a stream that was resumed with `follow=false` has nothing left to give.
    pub fn has_nothing_left(&mut self) -> bool {
        let resumed = self.early.iter().all(|early| matches!(early, Early::Hello(Hello { resume: Resume::Exact, .. })));
        resumed && !self.follow && self.readers.iter_mut().all(Reader::is_at_end)
    }

    /// When to call [`Subscription::fill`] again even if nothing moves: a checkpoint is due, or a file is tried again.
    pub fn due(&self) -> Option<Instant> {
        let checkpoint = self.held_back.since.into_iter().chain(self.suppressed_since).map(|since| since + CHECKPOINT_TIME);
        let quiet = self.readers.iter().filter_map(|reader| reader.joiner.due());
        let until = self.until.as_ref().filter(|_| self.follow).map(|until| Instant::now() + until.left());
        checkpoint.chain(self.again_at).chain(quiet).chain(until).min()
    }

    /// Hands the next events, at most about 128 KiB of records, to `sink`. Must not be dropped before it is done.
    pub async fn fill(&mut self, sink: &mut impl Sink) -> Filled {
        let filled = self.go_on(sink).await;
        self.checkpoint(filled == Filled::End, sink);
        filled
    }

    async fn go_on(&mut self, sink: &mut impl Sink) -> Filled {
        if !self.early.is_empty() {
            // All at once: a client that is cut off before a gap must not take its end for had.
            for early in std::mem::take(&mut self.early) {
                self.tell_early(early, sink);
            }
            return Filled::Moved;
        }
        if self.left == Some(0) {
            return Filled::End;
        }
        if self.follow && self.until.as_ref().is_some_and(Until::has_come) {
            self.follow = false;
            self.readers.iter_mut().for_each(Reader::stop_at_present_end);
        }
        // What moves from here on wakes `moved`.
        self.moves.mark_unchanged();
        self.own_moves.iter_mut().for_each(watch::Receiver::mark_unchanged);
        self.again_at = None;
        self.take_in_new_logs(sink);
        self.tell_notices(sink);
        if self.merge.is_some() && self.merge_history(sink).await {
            return if self.left == Some(0) { Filled::End } else { Filled::Moved };
        }
        for step in 0..self.readers.len() {
            let index = (self.turn + step) % self.readers.len();
            if self.advance(index, sink).await {
                self.turn = index + 1;
                return if self.left == Some(0) { Filled::End } else { Filled::Moved };
            }
        }
        let ends = !self.follow && self.again_at.is_none();
        let mut ended = false;
        for index in 0..self.readers.len() {
            ended |= self.end_groups(index, ends, sink);
        }
        if ended {
            return if self.left == Some(0) { Filled::End } else { Filled::Moved };
        }
        if !self.follow {
            return if ends { Filled::End } else { Filled::Idle };
        }
        if !std::mem::replace(&mut self.caught_up, true) && self.notices.wanted {
            self.tell(0, &Event::Live, sink);
        }
        Filled::Idle
    }

    /// Waits until any of its logs has moved since the last [`Subscription::fill`]. Can be dropped at any time.
    pub async fn moved(&mut self) {
        // A closed channel means that the agent ends; the stream is ended by whoever drives it.
        let closed = match &mut self.own_moves {
            Some(own) => own.changed().await.is_err(),
            None => self.moves.changed().await.is_err(),
        };
        if closed {
            std::future::pending().await
        }
    }

    /// Gives what comes next in log `index`. Whether anything did.
    async fn advance(&mut self, index: usize, sink: &mut impl Sink) -> bool {
        match self.readers[index].next(self.shared.limits.line_bytes_max).await {
            Next::Piece(piece) => self.take_piece(index, &piece, sink),
            other => return self.take_other(index, other, sink),
        }
        true
    }

    /// Gives what comes next in log `index`, where that are no whole pieces of records. Whether there is anything.
    fn take_other(&mut self, index: usize, next: Next, sink: &mut impl Sink) -> bool {
        match next {
            Next::Nothing => return false,
            Next::Later(at) => {
                self.again_at = Some(self.again_at.map_or(at, |other: Instant| other.min(at)));
                return false;
            }
            Next::Piece(piece) => self.take_piece(index, &piece, sink),
            Next::Long { serial, record } => self.take_long(index, serial, &record, sink),
            Next::Hole(hole) => {
                self.end_groups(index, true, sink);
                self.tell_hole(index, hole, sink);
            }
            Next::Crossed(succession) => {
                if let Some(hole) = self.readers[index].uncertainty(succession) {
                    self.end_groups(index, true, sink);
                    self.tell_hole(index, hole, sink);
                }
                if self.notices.wanted {
                    let log = self.readers[index].log.name.to_string();
                    let rotate = Rotate { log, kind: succession.kind, continuity: succession.continuity };
                    self.tell(index, &Event::Rotate(rotate), sink);
                }
            }
        }
        true
    }

    /// Gives some of the history of all logs in the order of the times in it. False where there is none left: what
    /// follows is live.
    async fn merge_history(&mut self, sink: &mut impl Sink) -> bool {
        let Some(mut merge) = self.merge.take() else { return false };
        let shared = self.shared.clone();
        let time_of = |log: &Log, serial: u64, line: &[u8]| shared.time_of(log, serial, line);
        let (mut taken, mut any) = (0, false);
        while taken < READ_BYTES as u64 && self.left != Some(0) {
            for index in 0..self.readers.len() {
                while merge.lacks(index) && self.readers[index].is_in_history() {
                    match self.readers[index].next(shared.limits.line_bytes_max).await {
                        Next::Piece(piece) => {
                            let reader = &self.readers[index];
                            let modified = reader.modified().and_then(|modified| Timestamp::try_from(modified).ok());
                            let joins = shared.joins(&reader.log, piece.serial);
                            merge.put(index, &reader.log, piece, (modified, joins), &time_of);
                        }
                        other => match self.take_other(index, other, sink) {
                            true => any = true,
                            false => break,
                        },
                    }
                }
            }
            let Some(index) = merge.first() else { break };
            let log = self.readers[index].log.clone();
            let Some(piece) = merge.take(index, &log, &time_of) else { break };
            taken += piece.end - piece.start;
            self.take_piece(index, &piece, sink);
        }
        any |= taken > 0;
        self.merge = any.then_some(merge);
        any
    }

    fn take_piece(&mut self, index: usize, piece: &Piece, sink: &mut impl Sink) {
        self.readers[index].leave_finished(piece.serial);
        let others = others(&self.readers, index, piece.serial);
        let reader = &self.readers[index];
        let (log, hint) = (reader.log.clone(), reader.hint(piece.serial));
        let origin = self.shared.origin(&log, Some(piece.serial), self.asks_meaning);
        let shared = self.shared.clone();
        let way = shared.way(&log, origin.format);
        if way.joins() || !self.readers[index].joiner.is_idle() {
            for line in lines(piece.records(), piece.start, self.shared.limits.line_bytes_max) {
                if self.left == Some(0) {
                    break;
                }
                let position = |offset| piece.position(log.source, hint, offset);
                let reader = &mut self.readers[index];
                let joined = reader.joiner.take(piece.serial, &line, position(line.start), &way);
                reader.advance(piece.serial, position(line.end));
                self.tell_joined(index, joined, line.end - line.start, sink);
            }
            return;
        }
        let mut end = piece.start;
        for line in lines(piece.records(), piece.start, self.shared.limits.line_bytes_max) {
            if self.left == Some(0) {
                break;
            }
            end = line.end;
            if let Some(record) =
                shared.rules.apply(&origin, line, &mut self.throttle).filter(|record| self.wants(log.source, record))
            {
                let own = piece.position(log.source, hint, line.end);
                sink.event(&Id { own, others: &others }, &Event::Record(record));
                self.left = self.left.map(|left| left - 1);
                self.held_back = HeldBack::default();
            } else {
                self.held_back.add(line.end - line.start);
            }
        }
        if end > piece.start {
            self.readers[index].advance(piece.serial, piece.position(log.source, hint, end));
        }
    }

    fn take_long(&mut self, index: usize, serial: u64, long: &LongRecord, sink: &mut impl Sink) {
        self.readers[index].leave_finished(serial);
        let others = others(&self.readers, index, serial);
        let log = self.readers[index].log.clone();
        let line = Line::new(&long.bytes, long.start, long.after.offset, self.shared.limits.line_bytes_max);
        let origin = self.shared.origin(&log, Some(serial), self.asks_meaning);
        let shared = self.shared.clone();
        let way = shared.way(&log, origin.format);
        let reader = &mut self.readers[index];
        if way.joins() || !reader.joiner.is_idle() {
            let before = reader.position_in(serial).expect("it was read there");
            let joined = reader.joiner.take(serial, &line, before, &way);
            reader.advance(serial, long.after);
            return self.tell_joined(index, joined, long.after.offset - long.start, sink);
        }
        if let Some(record) =
            shared.rules.apply(&origin, line, &mut self.throttle).filter(|record| self.wants(log.source, record))
        {
            sink.event(&Id { own: long.after, others: &others }, &Event::Record(record));
            self.left = self.left.map(|left| left - 1);
            self.held_back = HeldBack::default();
        } else {
            self.held_back.add(long.after.offset - long.start);
        }
        self.readers[index].advance(serial, long.after);
    }

    /// Gives a record that was put together of several lines, if there is one after reading `bytes`, and the client wants it.
    fn tell_joined(&mut self, index: usize, joined: Option<Joined>, bytes: u64, sink: &mut impl Sink) {
        let Some(joined) = joined else { return self.held_back.add(bytes) };
        let log = self.readers[index].log.clone();
        let shared = self.shared.clone();
        let origin = Origin { time: joined.time, ..shared.origin(&log, Some(joined.end.0), self.asks_meaning) };
        match shared
            .rules
            .apply(&origin, joined.line(shared.limits.line_bytes_max), &mut self.throttle)
            .filter(|record| self.wants(log.source, record))
        {
            Some(record) => {
                self.tell(index, &Event::Record(record), sink);
                self.left = self.left.map(|left| left - 1);
            }
            None => self.held_back.add(bytes),
        }
    }

    /// Gives the records of a log that nothing has ended: those that have been quiet for long, or `all`. Whether there was one.
    fn end_groups(&mut self, index: usize, all: bool, sink: &mut impl Sink) -> bool {
        let mut any = false;
        while self.left != Some(0) {
            let Some(joined) = self.readers[index].joiner.end_quiet(all) else { break };
            self.tell_joined(index, Some(joined), 0, sink);
            any = true;
        }
        any
    }

    /// Whether the client wants a record of a log.
    fn wants(&mut self, log: SourceId, record: &Record<'_>) -> bool {
        let timely = self.until.as_mut().is_none_or(|until| until.keeps(log, record.time));
        timely && self.filter.keeps(record)
    }

    /// Sends an event of the server's own: its id is where log `index` stands.
    fn tell(&mut self, index: usize, event: &Event<'_>, sink: &mut impl Sink) {
        let positions = positions(&self.readers, index);
        let mut others = Vec::new();
        write_others(&mut others, &positions[1..]);
        sink.event(&Id { own: positions[0], others: &others }, event);
        self.held_back = HeldBack::default();
    }

    fn tell_early(&mut self, early: Early, sink: &mut impl Sink) {
        match early {
            Early::Hello(hello) => self.tell(0, &Event::Hello(hello), sink),
            Early::Gap(EarlyGap { log, missing }) => {
                let index = self.readers.iter().position(|reader| Some(&*reader.log.name) == log.as_deref()).unwrap_or(0);
                let gap = Gap {
                    reason: missing.reason,
                    log,
                    from: self.asked.clone(),
                    to: Some(Cursor::new(positions(&self.readers, index)).to_string()),
                    file: missing.file,
                    certain: missing.certain,
                    lost_bytes: None,
                    may_repeat: missing.may_repeat,
                };
                self.tell(index, &Event::Gap(gap), sink);
            }
        }
    }

    fn tell_hole(&mut self, index: usize, hole: Hole, sink: &mut impl Sink) {
        let gap = Gap {
            reason: hole.missing.reason,
            log: Some(self.readers[index].log.name.to_string()),
            from: Some(Cursor::new(vec![hole.from]).to_string()),
            to: Some(Cursor::new(positions(&self.readers, index)).to_string()),
            file: hole.missing.file,
            certain: hole.missing.certain,
            lost_bytes: hole.lost_bytes,
            may_repeat: hole.missing.may_repeat,
        };
        self.tell(index, &Event::Gap(gap), sink);
    }

    /// Tells where the stream stands, and how many records rules have suppressed, where that is due, or the stream `ends`.
    fn checkpoint(&mut self, ends: bool, sink: &mut impl Sink) {
        if self.throttle.is_silent() {
            self.suppressed_since = None;
        } else {
            self.suppressed_since.get_or_insert_with(Instant::now);
        }
        let untold = self.suppressed_since.is_some_and(|since| ends || since.elapsed() >= CHECKPOINT_TIME);
        if self.held_back.is_due() || untold {
            let suppressed = self.throttle.take_suppressed();
            self.suppressed_since = None;
            self.tell(0, &Event::Pos(Pos { suppressed }), sink);
        }
    }

    /// Logs that appeared since belong to the stream from their beginning.
    fn take_in_new_logs(&mut self, sink: &mut impl Sink) {
        if !self.follow || self.wanted.is_fixed() {
            return;
        }
        for log in self.shared.logs.all() {
            if !self.wanted.wants(&log.name) || self.readers.iter().any(|reader| reader.log.source == log.source) {
                continue;
            }
            if self.readers.len() >= CURSOR_POSITIONS_MAX {
                if self.left_out.insert(log.source) {
                    self.tell_left_out(&log.name, sink);
                }
                continue;
            }
            let reader = Reader::new(log, Vec::new());
            if self.notices.wanted {
                let log = reader.log.name.to_string();
                self.notices.told.push(told(&reader));
                self.tell(0, &Event::Log(LogNotice { log, state: LogChange::Appeared, error: None }), sink);
            }
            self.readers.push(reader);
        }
    }

    /// There is no room in the id for another log: says so, once.
    fn tell_left_out(&mut self, log: &str, sink: &mut impl Sink) {
        let cursor = self.cursor().to_string();
        let gap = Gap {
            reason: Reason::Budget,
            log: Some(log.to_string()),
            from: Some(cursor.clone()),
            to: Some(cursor),
            file: None,
            certain: true,
            lost_bytes: None,
            may_repeat: false,
        };
        self.tell(0, &Event::Gap(gap), sink);
    }

    fn tell_notices(&mut self, sink: &mut impl Sink) {
        if !self.notices.wanted {
            return;
        }
        for index in 0..self.readers.len() {
            let now = told(&self.readers[index]);
            if self.notices.told[index] == now {
                continue;
            }
            let log = self.readers[index].log.name.to_string();
            let state = match &now {
                (_, Some(_)) => LogChange::Error,
                (true, None) => LogChange::Appeared,
                (false, None) => LogChange::Vanished,
            };
            let error = now.1.clone();
            self.notices.told[index] = now;
            self.tell(index, &Event::Log(LogNotice { log, state, error }), sink);
        }
    }
}

fn told(reader: &Reader) -> (bool, Option<String>) {
    let state = reader.log.state();
    (state.present, state.error.clone())
}

impl HeldBack {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_due(&self) -> bool {
        self.bytes >= CHECKPOINT_BYTES || self.since.is_some_and(|since| since.elapsed() >= CHECKPOINT_TIME)
    }
}

/// All positions of a stream, those of log `first` first. Every log's current position comes before any log's earlier
/// ones, which are the ones to spare where many logs rotate at once.
fn positions(readers: &[Reader], first: usize) -> Vec<Position> {
    let order = (first..readers.len()).chain(0..first.min(readers.len()));
    let mut positions = in_turn(order.map(|index| readers[index].positions()));
    if readers.is_empty() {
        positions.push(Position::of_no_log());
    }
    positions.truncate(CURSOR_POSITIONS_MAX);
    positions
}

/// The rest of the id of an event in generation `serial` of log `index`: all other positions, written.
fn others(readers: &[Reader], index: usize, serial: u64) -> Vec<u8> {
    let order = (index + 1..readers.len()).chain(0..index);
    let mut positions = in_turn(order.map(|other| readers[other].positions()));
    positions.extend(readers[index].positions_beside(serial));
    let mut others = Vec::new();
    write_others(&mut others, positions.iter().take(CURSOR_POSITIONS_MAX - 1));
    others
}

/// The first of each, then the rest of each.
fn in_turn(positions: impl Iterator<Item = Vec<Position>>) -> Vec<Position> {
    let (mut current, mut earlier) = (Vec::new(), Vec::new());
    for positions in positions {
        let mut positions = positions.into_iter();
        current.extend(positions.next());
        earlier.extend(positions);
    }
    current.extend(earlier);
    current
}
