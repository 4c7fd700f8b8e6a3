//! One subscriber's stream: pulls from its logs, filters, and hands events to whoever encodes them. Never opens a file
//! and never waits for the client.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use tokio::sync::watch;

use super::filter::Filter;
use super::give::Step;
use super::keep::Throttle;
use super::merge::Merge;
use super::reader::{Found, Hole, Next, Reader};
use super::ruling::Ruling;
use super::share::Share;
use super::sink::Sink;
use super::start::EarlyGap;
use super::{Shared, Slot, Wanted};
use crate::event::{Basis, Event, Gap, Hello, Id, LogChange, LogNotice, Pos, Reason, Resume, Rotate};
use crate::position::{CURSOR_POSITIONS_MAX, Cursor, Position, SourceId, write_others};
use crate::record::Record;
use crate::source::catalog::{Log, LogChanges, Succession};
use crate::source::content::READ_BYTES;
use crate::source::read::{Place, Reach};

/// After so many bytes of records that were kept back, a checkpoint is sent.
const CHECKPOINT_BYTES: u64 = 1 << 20;
/// After so long with records kept back, a checkpoint is sent.
const CHECKPOINT_TIME: Duration = Duration::from_secs(10);
/// After so long it is told how many records rules have suppressed: a client that is cut off meanwhile never hears of them.
const SUPPRESSED_TIME: Duration = Duration::from_secs(1);
/// How much is written in one turn at the files, about, in bytes.
pub const TURN_BYTES: usize = 256 << 10;
/// How long one turn at the files is, about: then others have theirs.
pub const TURN: Duration = Duration::from_millis(10);

/// What [`Subscription::fill`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It got on; there may be more at once.
    Moved,
    /// There is nothing more now: wait.
    Idle,
    /// What comes next is in a file: call [`Subscription::fill_from_files`] where that may block.
    OutOfReach,
    /// The stream ends here.
    End,
}

/// One subscriber's stream.
pub struct Subscription {
    pub(super) shared: Arc<Shared>,
    pub(super) ruling: Arc<Ruling>,
    pub(super) wanted: Wanted,
    pub(super) readers: Vec<Reader>,
    pub(super) notices: Notices,
    pub(super) filter: Arc<Filter>,
    pub(super) left: Option<u64>,
    pub(super) follow: bool,
    pub(super) until: Option<Until>,
    early: VecDeque<Early>,
    asked: Option<String>,
    /// Whether anybody looks at what records say of themselves.
    pub(super) asks_meaning: bool,
    turn: usize,
    /// The order of history, as long as a stream of several logs is in it.
    pub(super) merge: Option<Merge>,
    caught_up: bool,
    pub(super) held_back: HeldBack,
    /// Whether what is written depends on nothing but where it stands and what it has in common with others.
    pub(super) is_shared: bool,
    pub(super) share: Arc<Share>,
    /// What streams have in common that share.
    pub(super) common: String,
    pub(super) throttle: Throttle,
    /// Since when it is not told what was suppressed.
    suppressed_since: Option<Instant>,
    pub(super) again_at: Option<Instant>,
    /// Whether a log was taken away, by the operator, that may come back.
    pub(super) lacks: bool,
    /// Whether logs may have been taken away.
    pub(super) stale: bool,
    /// Logs that do not fit the id.
    left_out: BTreeSet<SourceId>,
    /// Whether there may be logs that it has not looked at.
    pub(super) log_changes: LogChanges,
    moves: watch::Receiver<u64>,
    pub(super) own_moves: Option<watch::Receiver<u64>>,
    /// How many records were given since that was last handed in.
    pub(super) records: u64,
    slot: Slot,
}

/// The time after which no record is wanted.
pub(super) struct Until {
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
pub(super) struct HeldBack {
    pub bytes: u64,
    since: Option<Instant>,
    /// Whether the client got an id since this was made.
    pub gave: bool,
}

/// What the client was told of its logs; nothing if it does not want to know.
pub(super) struct Notices {
    pub wanted: bool,
    pub told: Vec<(bool, Option<String>)>,
}

/// What a subscription is made of.
pub(super) struct Parts {
    pub shared: Arc<Shared>,
    pub ruling: Arc<Ruling>,
    pub wanted: Wanted,
    pub readers: Vec<Reader>,
    pub gaps: Vec<EarlyGap>,
    pub resumed: bool,
    pub basis: Option<Basis>,
    pub until: Option<Timestamp>,
    pub throttle: Throttle,
    pub filter: Filter,
    pub limit: Option<u64>,
    pub follow: bool,
    pub notices: bool,
    pub asks_meaning: bool,
    pub asked: Option<String>,
    pub common: String,
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
        let is_shared = follow && parts.limit.is_none() && until.is_none() && !parts.ruling.rules.throttles();
        readers.iter_mut().for_each(|reader| reader.layout = parts.ruling.layout(&reader.log));
        let merge = (readers.len() > 1).then(Merge::default);
        if merge.is_some() {
            readers.iter_mut().for_each(Reader::begin_history);
        }
        // A stream of one named log sleeps through the others' moves.
        let own_moves = match (&readers[..], parts.wanted.is_fixed()) {
            ([reader], true) => Some(reader.log.moves()),
            _ => None,
        };
        Subscription {
            log_changes: parts.shared.logs.changes(),
            moves: parts.shared.logs.moves(),
            share: parts.shared.shares.of(common_under(&parts.common, &parts.ruling)),
            common: parts.common,
            ruling: parts.ruling,
            shared: parts.shared,
            wanted: parts.wanted,
            readers,
            notices: Notices { wanted: parts.notices, told },
            asks_meaning: parts.asks_meaning || parts.until.is_some() || parts.filter.asks_meaning(),
            filter: Arc::new(parts.filter),
            is_shared,
            left: parts.limit,
            follow,
            until,
            early,
            asked: parts.asked,
            turn: 0,
            merge,
            caught_up: false,
            held_back: HeldBack::default(),
            throttle: parts.throttle,
            suppressed_since: None,
            again_at: None,
            lacks: false,
            stale: false,
            left_out: BTreeSet::new(),
            own_moves,
            records: 0,
            slot: parts.slot,
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
        let checkpoint = self.held_back.since.map(|since| since + CHECKPOINT_TIME);
        let suppressed = self.suppressed_since.map(|since| since + SUPPRESSED_TIME);
        let quiet = self.readers.iter().filter_map(|reader| reader.joiner.due());
        let until = self.until.as_ref().filter(|_| self.follow).map(|until| Instant::now() + until.left());
        checkpoint.into_iter().chain(suppressed).chain(self.again_at).chain(quiet).chain(until).min()
    }

    /// Hands the next events that can be had at once, at most about 128 KiB of records, to `sink`.
    pub fn fill(&mut self, sink: &mut impl Sink) -> Filled {
        // To search, or to look into each record, is work for a thread of its own.
        let is_light = self.filter.is_everything() && !self.judges_each();
        self.fill_within(if is_light { Reach::Cache } else { Reach::Memory }, sink)
    }

    /// The same from files too: reads and searches on until there is something worth sending, or its turn is over. Blocks.
    pub fn fill_from_files(&mut self, sink: &mut impl Sink) -> Filled {
        let started = Instant::now();
        loop {
            let filled = self.fill_within(Reach::Files, sink);
            if filled != Filled::Moved || sink.out().len() >= TURN_BYTES || started.elapsed() >= TURN {
                self.readers.iter_mut().for_each(Reader::rest);
                return filled;
            }
        }
    }

    fn fill_within(&mut self, reach: Reach, sink: &mut impl Sink) -> Filled {
        let filled = self.go_on(reach, sink);
        self.checkpoint(filled == Filled::End, sink);
        let counts = &self.shared.counts;
        counts.note_records(std::mem::take(&mut self.records));
        counts.note_lag(&self.slot.behind, matches!(filled, Filled::Idle | Filled::End));
        filled
    }

    fn go_on(&mut self, reach: Reach, sink: &mut impl Sink) -> Filled {
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
        self.adopt(sink);
        self.take_in_new_logs(sink);
        self.tell_notices(sink);
        let moved = |left: Option<u64>| if left == Some(0) { Filled::End } else { Filled::Moved };
        match self.merge_history(reach, sink) {
            Step::Nothing => {}
            Step::Moved => return moved(self.left),
            Step::OutOfReach => return Filled::OutOfReach,
        }
        for step in 0..self.readers.len() {
            let index = (self.turn + step) % self.readers.len();
            match self.advance(index, reach, sink) {
                Step::Nothing => {}
                Step::Moved => {
                    self.turn = index + 1;
                    return moved(self.left);
                }
                Step::OutOfReach => return Filled::OutOfReach,
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
        self.share.rest();
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

    /// Gives some of the history of all logs in the order of the times in it; nothing where there is none left: what
    /// follows is live.
    fn merge_history(&mut self, reach: Reach, sink: &mut impl Sink) -> Step {
        let Some(mut merge) = self.merge.take() else { return Step::Nothing };
        let step = self.merge_with(&mut merge, reach, sink);
        self.merge = (step != Step::Nothing).then_some(merge);
        step
    }

    fn merge_with(&mut self, merge: &mut Merge, reach: Reach, sink: &mut impl Sink) -> Step {
        let ruling = self.ruling.clone();
        let time_of = |log: &Log, serial: u64, line: &[u8]| ruling.time_of(log, &ruling.layout(log), serial, line);
        let (mut taken, mut moved) = (0, false);
        while taken < READ_BYTES as u64 && self.left != Some(0) {
            for index in 0..self.readers.len() {
                // What is no piece is given at once.
                while self.left != Some(0) && merge.lacks(index) && self.readers[index].is_in_history() {
                    match self.look_ahead(index, merge, reach, sink) {
                        Step::Nothing => break,
                        Step::Moved => moved = true,
                        Step::OutOfReach => return if moved || taken > 0 { Step::Moved } else { Step::OutOfReach },
                    }
                }
            }
            let Some(index) = merge.first() else { break };
            let log = self.readers[index].log.clone();
            let Some(piece) = merge.take(index, &log, &time_of) else { break };
            taken += piece.end - piece.start;
            self.take_piece(index, &piece, sink);
        }
        if moved || taken > 0 { Step::Moved } else { Step::Nothing }
    }

    /// Reads what comes next in log `index` and keeps it until it is its turn; gives what is no piece of records.
    fn look_ahead(&mut self, index: usize, merge: &mut Merge, reach: Reach, sink: &mut impl Sink) -> Step {
        let reader = &mut self.readers[index];
        let place = match reader.what_next() {
            Next::Read(place) => place,
            other => return self.tell_next(index, other, sink),
        };
        let piece = match reader.read(place, reach, self.ruling.line_bytes_max) {
            Found::Piece(piece) => piece,
            other => return self.tell_found(index, place.serial, other, sink),
        };
        let reader = &self.readers[index];
        let modified = reader.modified().and_then(|modified| Timestamp::try_from(modified).ok());
        let joins = self.ruling.way(&reader.layout, reader.layout.format(piece.head.format)).joins();
        let ruling = self.ruling.clone();
        let time_of = |log: &Log, serial: u64, line: &[u8]| ruling.time_of(log, &ruling.layout(log), serial, line);
        merge.put(index, &self.readers[index].log, piece, (modified, joins), &time_of);
        Step::Moved
    }

    /// Whether the client wants a record of a log.
    pub(super) fn wants(&mut self, log: SourceId, record: &Record<'_>) -> bool {
        let timely = self.until.as_mut().is_none_or(|until| until.keeps(log, record.time));
        timely && self.filter.keeps(record)
    }

    /// Sends an event of the server's own: its id is where log `index` stands.
    pub(super) fn tell(&mut self, index: usize, event: &Event<'_>, sink: &mut impl Sink) {
        let positions = positions(&self.readers, index);
        let mut others = Vec::new();
        write_others(&mut others, &positions[1..]);
        sink.event(&Id { own: positions[0], others: &others }, event);
        self.shared.counts.note(event);
        self.held_back = HeldBack::nothing();
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

    pub(super) fn tell_crossed(&mut self, index: usize, succession: Succession, sink: &mut impl Sink) {
        if let Some(hole) = self.readers[index].uncertainty(succession) {
            self.tell_hole(index, hole, sink);
        }
        if self.notices.wanted {
            let log = self.readers[index].log.name.to_string();
            let rotate = Rotate { log, kind: succession.kind, continuity: succession.continuity };
            self.tell(index, &Event::Rotate(rotate), sink);
        }
    }

    pub(super) fn tell_hole(&mut self, index: usize, hole: Hole, sink: &mut impl Sink) {
        self.end_groups(index, true, sink);
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
        let untold = self.suppressed_since.is_some_and(|since| ends || since.elapsed() >= SUPPRESSED_TIME);
        if self.held_back.is_due() || untold {
            let suppressed = self.throttle.take_suppressed();
            self.suppressed_since = None;
            self.shared.counts.note_suppressed(&suppressed);
            self.tell(0, &Event::Pos(Pos { suppressed }), sink);
        }
    }

    /// Logs that appeared since belong to the stream from their beginning.
    fn take_in_new_logs(&mut self, sink: &mut impl Sink) {
        if !self.follow || self.wanted.is_fixed() && !self.lacks || !self.log_changes.take() {
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
            let mut reader = Reader::new(
                log.clone(),
                log.added_at().map(|(serial, position)| Place { serial, position }).into_iter().collect(),
            );
            reader.layout = self.ruling.layout(&log);
            if self.notices.wanted {
                let log = reader.log.name.to_string();
                self.notices.told.push(told(&reader));
                self.tell(0, &Event::Log(LogNotice { log, state: LogChange::Appeared, error: None }), sink);
            }
            self.readers.push(reader);
        }
        self.lacks &= !self.wanted.is_complete(self.readers.iter().map(|reader| &*reader.log.name));
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

/// What streams have in common that share, while `ruling` holds.
pub(super) fn common_under(common: &str, ruling: &Ruling) -> String {
    format!("{} {common}", ruling.version)
}

fn told(reader: &Reader) -> (bool, Option<String>) {
    let state = reader.log.state();
    (state.present, state.error.clone())
}

impl HeldBack {
    /// What it is once the client got an id.
    pub fn nothing() -> Self {
        HeldBack { gave: true, ..HeldBack::default() }
    }

    /// Goes on with records of which some were given, if any, and `bytes` kept back behind them.
    pub fn go_on(&mut self, gave: bool, bytes: u64) {
        if gave {
            *self = HeldBack::nothing();
        }
        self.add(bytes);
    }

    pub fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Whether it is time to give an id. Time counts from when this is asked first.
    fn is_due(&mut self) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let since = self.since.get_or_insert_with(Instant::now);
        self.bytes >= CHECKPOINT_BYTES || since.elapsed() >= CHECKPOINT_TIME
    }
}

/// All positions of a stream, those of log `first` first. Every log's current position comes before any log's earlier
/// ones, which are the ones to spare where many logs rotate at once.
fn positions(readers: &[Reader], first: usize) -> Vec<Position> {
    let order = (first..readers.len()).chain(0..first.min(readers.len()));
    let mut positions = in_turn(order.map(|index| readers[index].positions()));
    if positions.is_empty() {
        positions.push(Position::of_no_log());
    }
    positions.truncate(CURSOR_POSITIONS_MAX);
    positions
}

/// The rest of the id of an event in generation `serial` of log `index`: all other positions, written.
pub(super) fn others(readers: &[Reader], index: usize, serial: u64) -> Vec<u8> {
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
