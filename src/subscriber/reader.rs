//! One subscriber's way through one log: from generation to generation, oldest bytes first, never past a hole without
//! telling. Pulls; holds nothing but its places.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::join::{Had, Joiner};
use super::layout::Layout;
use crate::event::{Reason, RotateKind};
use crate::position::{Hint, Position};
use crate::source::catalog::{Log, Succession};
use crate::source::content::Storage;
use crate::source::generation::{Generation, Phase};
use crate::source::read::{self, Fetched, Files, LongRecord, Place, Reach, Trouble};
use crate::source::resolve::{Missing, Resolved, file_of};
use crate::source::split::complete;
use crate::source::strength::is_strong;
use crate::source::tail::Piece;

/// How long a reader that found other bytes than it should waits for the follower to find out why.
const DOUBT: Duration = Duration::from_secs(10);
/// How often it looks again meanwhile.
const DOUBT_PAUSE: Duration = Duration::from_millis(20);
/// How long a file that can't be read is tried again, before the reader goes on behind it.
const UNREADABLE: Duration = Duration::from_secs(3);
/// How often it is tried meanwhile.
const UNREADABLE_PAUSE: Duration = Duration::from_millis(500);
/// How often it is asked whether there is room to unpack an archive.
const ROOM_PAUSE: Duration = Duration::from_millis(50);
/// How many earlier generations a reader remembers, to hear it when they grow again.
const FINISHED_MAX: usize = 64;

/// A cursor in one log.
pub struct Reader {
    /// The log.
    pub log: Arc<Log>,
    /// How its lines make records.
    pub layout: Arc<Layout>,
    /// The generation that is read, last, and earlier ones that may still grow.
    places: Vec<Place>,
    /// Earlier generations that were read to their end and are settled.
    finished: Vec<Place>,
    until: Option<BTreeMap<u64, u64>>,
    /// How far each generation went when the stream began, where that matters; what lies behind is live.
    history: BTreeMap<u64, u64>,
    files: Files,
    /// Generations that were read to an end that only reading could tell, or whose rest can't be had.
    exhausted: BTreeSet<u64>,
    /// Lines that are to become one record with what follows.
    pub joiner: Joiner,
    /// Generations of which only a copy is left: what was written behind it may be destroyed.
    copies: Vec<u64>,
    doubt: Option<Doubt>,
}

/// A read that failed and is tried again.
#[derive(Clone, Copy)]
struct Doubt {
    since: Instant,
    again: Instant,
}

/// What comes next in a log.
pub enum Next {
    /// Nothing now.
    Nothing,
    /// Records at this place.
    Read(Place),
    /// Records that can't be given; the places stand behind them already.
    Hole(Hole),
    /// The log went on in another generation.
    Crossed(Succession),
}

/// What there is at a place.
pub enum Found {
    /// Whole records.
    Piece(Piece),
    /// One long record.
    Long(LongRecord),
    /// A part of such a record: the next read goes on in it.
    Partly,
    /// Records that can't be given; the places stand behind them already.
    Hole(Hole),
    /// Nothing more.
    End,
    /// Something can't be read now: try again then.
    Later(Instant),
    /// Something in a file, which is out of reach.
    OutOfReach,
}

/// Records that can't be given.
pub struct Hole {
    /// Where they would have started.
    pub from: Position,
    /// What is missing.
    pub missing: Missing,
    /// How many bytes, where that is known.
    pub lost_bytes: Option<u64>,
}

/// What to do next, as the log's state says.
enum Plan {
    Nothing,
    /// Read on at this place.
    Read(Place),
    /// Go on in the next generation.
    Cross {
        to: Place,
        succession: Option<Succession>,
    },
    /// The current generation was cut back to before this place.
    CutBack {
        to: Place,
    },
    /// The generation of this place is not known any more.
    Lost(Place),
}

/// How far each generation of `log` goes now.
fn present_ends(log: &Log) -> BTreeMap<u64, u64> {
    log.state().generations.iter().map(|generation| (generation.serial, generation.end)).collect()
}

impl Reader {
    /// A reader at `places`, the oldest first; none means before all that the log will hold.
    pub fn new(log: Arc<Log>, places: Vec<Place>) -> Self {
        Reader {
            log,
            layout: Arc::default(),
            places,
            finished: Vec::new(),
            until: None,
            history: BTreeMap::new(),
            files: Files::of_stream(),
            exhausted: BTreeSet::new(),
            joiner: Joiner::default(),
            copies: Vec::new(),
            doubt: None,
        }
    }

    /// A reader where an id goes on.
    pub fn resumed(log: Arc<Log>, resolved: &Resolved) -> Self {
        let had = Had { positions: resolved.several.clone(), starts: resolved.named.clone(), ..Had::default() };
        Reader { copies: resolved.copies.clone(), joiner: Joiner::resumed(had), ..Reader::new(log, resolved.places.clone()) }
    }

    /// The place from which it reads, and the offset there before which nothing is given; `None` where it has come to
    /// nothing yet.
    pub fn starts(&self) -> Option<(Place, u64)> {
        let place = *self.places.last()?;
        Some((place, self.joiner.begins_at(place.serial).unwrap_or(place.position.offset)))
    }

    /// Ends this reader at these offsets of generations, by serial; what is not among them is not read.
    pub fn stop_at(&mut self, until: BTreeMap<u64, u64>) {
        self.until = Some(until);
    }

    /// Ends this reader at what the log holds now, if it does not end before that.
    pub fn stop_at_present_end(&mut self) {
        if self.until.is_none() {
            self.until = Some(present_ends(&self.log));
        }
    }

    /// Takes all that the log holds now for history.
    pub fn begin_history(&mut self) {
        self.history = present_ends(&self.log);
    }

    /// Whether it has not come to what is new since history began.
    pub fn is_in_history(&self) -> bool {
        let state = self.log.state();
        let unread = |place: &Place| {
            let end = state.generation(place.serial).map_or(0, |generation| generation.end);
            place.position.offset < self.history.get(&place.serial).copied().unwrap_or(0).min(end)
        };
        let later = self.places.last().map_or(0, |place| place.serial);
        self.places.iter().any(unread) || self.history.keys().any(|serial| *serial > later)
    }

    /// Its positions, the current one first: what ids are made of.
    pub fn positions(&self) -> Vec<Position> {
        if self.joiner.is_plain() {
            return self.places_read();
        }
        let serials: BTreeSet<u64> =
            self.joiner.serials().into_iter().chain(self.places.iter().map(|place| place.serial)).collect();
        let positions = serials.into_iter().rev().flat_map(|serial| self.joiner.positions(serial, self.position_in(serial)));
        positions.collect()
    }

    /// The positions up to which was read, the current one first.
    fn places_read(&self) -> Vec<Position> {
        match self.places.as_slice() {
            [] => vec![read::nothing_yet(&self.log)],
            [only] if only.position.is_before_all() => {
                // It would mean "nothing had"; what came before it was had.
                let state = self.log.state();
                let earlier =
                    state.generations.iter().rev().filter(|earlier| earlier.serial < only.serial && !earlier.is_empty());
                let end = earlier.take(1).find_map(|earlier| state.end_position(self.log.source, earlier));
                std::iter::once(only.position).chain(end).collect()
            }
            places => places.iter().rev().map(|place| place.position).collect(),
        }
    }

    /// Its positions in other generations than `serial`, of which a record is given, the newest first.
    pub fn positions_beside(&self, serial: u64) -> impl Iterator<Item = Position> {
        self.places.iter().rev().filter(move |place| place.serial != serial).map(|place| place.position)
    }

    /// The position in generation `serial`, as [`Reader::positions`] gives it.
    pub fn position_in(&self, serial: u64) -> Option<Position> {
        self.places.iter().find(|place| place.serial == serial).map(|place| place.position)
    }

    /// Moves the place in generation `serial` to `position`.
    pub fn advance(&mut self, serial: u64, position: Position) {
        self.doubt = None;
        if let Some(place) = self.places.iter_mut().find(|place| place.serial == serial) {
            place.position = position;
        }
    }

    /// Whether it is in more than one generation.
    pub fn reads_several(&self) -> bool {
        self.places.len() > 1
    }

    /// The hint that positions in generation `serial` carry.
    pub fn hint(&self, serial: u64) -> Hint {
        self.log.state().generation(serial).map_or(Hint::NO_FILE, |generation| generation.hint)
    }

    /// Where generation `serial` ends for this reader, if it must stop before its end.
    fn stop(&self, serial: u64) -> u64 {
        self.until.as_ref().map_or(u64::MAX, |until| until.get(&serial).copied().unwrap_or(0))
    }

    /// Whether this reader may read of generation `serial` at all.
    fn reaches(&self, serial: u64) -> bool {
        self.until.as_ref().is_none_or(|until| until.contains_key(&serial))
    }

    /// When the generation that is read now was last written: what history of several logs is merged by.
    pub fn modified(&self) -> Option<SystemTime> {
        let state = self.log.state();
        let current = self.places.last().and_then(|place| state.generation(place.serial)).or(state.generations.first())?;
        Some(current.modified)
    }

    /// Whether there is nothing to read now.
    pub fn is_at_end(&mut self) -> bool {
        matches!(self.plan(), Plan::Nothing)
    }

    /// What comes next, as far as memory knows.
    pub fn what_next(&mut self) -> Next {
        loop {
            match self.plan() {
                Plan::Nothing => return Next::Nothing,
                Plan::Read(place) => return Next::Read(place),
                Plan::Lost(place) => return Next::Hole(self.lost(place, Reason::Overrun)),
                Plan::CutBack { to } => return Next::Hole(self.cut_back(to)),
                Plan::Cross { to, succession } => {
                    if self.places.is_empty() {
                        self.hear_empty_before(to.serial);
                    }
                    let copied = self.places.last().is_some_and(|from| self.copies.contains(&from.serial));
                    let untold = succession.is_none_or(|succession| succession.doubt.is_none());
                    let truncation = Succession::truncation(RotateKind::Copytruncate);
                    let succession = if copied && untold { Some(truncation) } else { succession };
                    self.places.push(to);
                    if let Some(succession) = succession {
                        return Next::Crossed(succession);
                    }
                }
            }
        }
    }

    /// Takes places in the generations before `serial`: empty ones, which a late writer may still fill.
    fn hear_empty_before(&mut self, serial: u64) {
        let state = self.log.state();
        let earlier = state.generations.iter().filter(|earlier| earlier.serial < serial && earlier.storage != Storage::Lost);
        self.places.extend(earlier.map(|earlier| read::at_base(&self.log, earlier)));
    }

    /// Lets go of earlier generations once records of the current one, `serial`, are delivered: those that are settled
    /// and had need no position of their own any more.
    pub fn leave_finished(&mut self, serial: u64) {
        if self.places.last().is_none_or(|current| current.serial != serial) {
            return;
        }
        let state = self.log.state();
        // Where a group is open ids say how much was had behind its first line.
        let open = self.joiner.serials();
        let (kept, left) = std::mem::take(&mut self.places).into_iter().partition(|place: &Place| {
            let settling = state.generation(place.serial).is_some_and(|earlier| earlier.phase == Phase::Settling);
            let unread = state.generation(place.serial).is_some_and(|earlier| earlier.has_more(place.position.offset));
            place.serial == serial
                || settling
                || open.contains(&place.serial)
                || (unread && !self.exhausted.contains(&place.serial))
        });
        self.places = kept;
        self.finished.extend::<Vec<Place>>(left);
        let surplus = self.finished.len().saturating_sub(FINISHED_MAX);
        self.finished.drain(..surplus);
    }

    fn plan(&mut self) -> Plan {
        let state = self.log.state();
        let Some(current) = self.places.last().copied() else {
            let first = state.generations.iter().find(|generation| !generation.is_empty() && self.reaches(generation.serial));
            return first.map_or(Plan::Nothing, |first| Plan::Cross { to: read::at_base(&self.log, first), succession: None });
        };
        let Some(generation) = state.generation(current.serial) else { return Plan::Lost(current) };
        if current.position.offset > generation.end
            && let Some(position) = state.end_position(self.log.source, generation)
        {
            return Plan::CutBack { to: Place { serial: current.serial, position } };
        }
        // An earlier generation that grew again is taken up where it was left.
        let grew = |place: &Place| {
            let earlier = state.generation(place.serial);
            earlier.is_some_and(|earlier| earlier.has_more(place.position.offset) && !self.exhausted.contains(&place.serial))
        };
        if let Some(index) = self.finished.iter().position(grew) {
            let place = self.finished.remove(index);
            self.places.push(place);
            self.places.sort_by_key(|place| place.serial);
        }
        if let Some(gone) = self.places.iter().find(|place| state.generation(place.serial).is_none()) {
            return Plan::Lost(*gone);
        }
        let more = |place: &&Place| {
            let end = state.generation(place.serial).map_or(0, |generation| generation.end);
            place.position.offset < end.min(self.stop(place.serial)) && !self.exhausted.contains(&place.serial)
        };
        if let Some(place) = self.places.iter().find(more) {
            return Plan::Read(*place);
        }
        // An empty successor has nothing to be known by: stay at the end of this one until it has, or has passed.
        let later = |serial| state.after(serial).is_some_and(|later| self.reaches(later.serial));
        match state.after(current.serial) {
            Some(next) if self.reaches(next.serial) && (!next.is_empty() || later(next.serial)) => {
                let succession = state.successions.get(&next.serial).copied();
                Plan::Cross { to: read::at_base(&self.log, next), succession }
            }
            _ => Plan::Nothing,
        }
    }

    /// The records at `place`, within `reach`.
    pub fn read(&mut self, place: Place, reach: Reach, line_bytes_max: usize) -> Found {
        if let Some(piece) = read::fetch_hot(&self.log, &place) {
            return self.up_to_stop(piece);
        }
        if let Some(doubt) = self.doubt.filter(|doubt| Instant::now() < doubt.again) {
            return Found::Later(doubt.again);
        }
        match read::fetch_cold(&self.log, &place, &mut self.files, reach, line_bytes_max) {
            Ok(Fetched::Piece(piece)) => self.up_to_stop(piece),
            Ok(Fetched::Long(record)) => Found::Long(record),
            Ok(Fetched::Partly) => Found::Partly,
            Ok(Fetched::End) => {
                self.exhausted.insert(place.serial);
                Found::End
            }
            Err(Trouble::OutOfReach) => Found::OutOfReach,
            Err(Trouble::NoRoom) => Found::Later(Instant::now() + ROOM_PAUSE),
            Err(trouble) => self.trouble(place, &trouble),
        }
    }

    /// Lets go of what a reader that waits must not keep.
    pub fn rest(&mut self) {
        self.files.rest();
    }

    /// A piece, as far as this reader may go in it.
    fn up_to_stop(&self, piece: Piece) -> Found {
        let stop = self.stop(piece.serial);
        Found::Piece(if stop < piece.end { piece.split_at(stop).0 } else { piece })
    }

    /// Waits where the follower will know more in a moment, and tells where it does not.
    fn trouble(&mut self, place: Place, trouble: &Trouble) -> Found {
        self.files.close();
        let now = Instant::now();
        let since = self.doubt.map_or(now, |doubt| doubt.since);
        let (destroyed, followed) = {
            let state = self.log.state();
            let destroyed = state.generation(place.serial).is_none_or(|generation| generation.storage == Storage::Lost);
            (destroyed, state.after(place.serial).is_some())
        };
        let waited = now.duration_since(since);
        let (give_up, pause, reason) = match trouble {
            Trouble::Damaged(_) | Trouble::OverBudget | Trouble::NoRoom | Trouble::OutOfReach => {
                (true, DOUBT_PAUSE, Reason::Unreadable)
            }
            Trouble::Unreadable(_) => {
                (waited > UNREADABLE && (followed || self.until.is_some()), UNREADABLE_PAUSE, Reason::Unreadable)
            }
            Trouble::Unfinished(_) => (waited > DOUBT, DOUBT_PAUSE, Reason::Unreadable),
            Trouble::Gone => (destroyed && followed || waited > DOUBT, DOUBT_PAUSE, Reason::Overrun),
            Trouble::Changed(reason) => (destroyed && followed || waited > DOUBT, DOUBT_PAUSE, *reason),
        };
        if give_up {
            return Found::Hole(self.lost(place, reason));
        }
        self.doubt = Some(Doubt { since, again: now + pause });
        Found::Later(now + pause)
    }

    /// Goes on behind what can't be had at `place`, and says so.
    fn lost(&mut self, place: Place, reason: Reason) -> Hole {
        self.doubt = None;
        self.files.close();
        let state = self.log.state();
        let generation = state.generation(place.serial);
        let end = generation.map(|generation| generation.end).filter(|&end| end != Generation::UNKNOWN_END);
        let next = state.after(place.serial);
        let deleted = generation.is_none_or(|generation| generation.storage == Storage::Lost);
        let succession = next.and_then(|next| state.successions.get(&next.serial));
        let reason = match succession {
            Some(Succession { kind, .. }) if deleted && kind.is_in_place() => Reason::Truncated,
            Some(_) if deleted => Reason::Overrun,
            _ => reason,
        };
        let missing = Missing {
            reason,
            file: generation.and_then(file_of),
            certain: end.map_or(reason == Reason::Unreadable, |end| end > place.position.offset),
            may_repeat: false,
        };
        let lost_bytes = end.map(|end| end.saturating_sub(place.position.offset));
        let current = self.places.last().is_some_and(|current| current.serial == place.serial);
        match generation {
            None => {
                self.places.retain(|other| other.serial != place.serial);
                if current {
                    self.places.extend(next.map(|next| read::at_base(&self.log, next)));
                }
            }
            Some(generation) => {
                self.exhausted.insert(place.serial);
                let behind = state.end_position(self.log.source, generation);
                if let (Some(behind), Some(place)) = (behind, self.places.iter_mut().find(|other| other.serial == place.serial)) {
                    place.position = behind;
                }
            }
        }
        Hole { from: place.position, missing, lost_bytes }
    }

    /// Goes on at the new end of a file that was cut back: what stood behind it was had, or is gone.
    fn cut_back(&mut self, to: Place) -> Hole {
        let from = self.places.pop().map_or(to.position, |place| place.position);
        self.places.push(to);
        let file = self.log.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let missing = Missing { reason: Reason::Truncated, file, certain: false, may_repeat: false };
        Hole { from, missing, lost_bytes: None }
    }

    /// What is uncertain after `succession`: what was written between the last read and the truncation, or in a file that
    /// came and went unseen.
    pub fn uncertainty(&self, succession: Succession) -> Option<Hole> {
        let may_repeat = succession.kind != RotateKind::Rename && self.repeats();
        let reason = succession.doubt.or(may_repeat.then_some(Reason::Rewritten))?;
        let from = self.places.iter().rev().nth(1).or(self.places.last())?.position;
        let file = self.log.path().file_name().map(|name| name.to_string_lossy().into_owned());
        Some(Hole { from, missing: Missing { reason, file, certain: false, may_repeat }, lost_bytes: None })
    }

    /// Whether the generation that was begun holds what stood at the beginning of the one before: somebody put an earlier
    /// state of the file back, or wrote it anew.
    fn repeats(&self) -> bool {
        let state = self.log.state();
        let Some(now) = self.places.last().and_then(|place| state.generation(place.serial)) else { return false };
        let Some(before) = state.generations.iter().rev().find(|before| before.serial < now.serial) else { return false };
        let (now, before) = (now.head.bytes(), before.head.bytes());
        let common = now.iter().zip(before.iter()).take_while(|(one, other)| one == other).count();
        let records = complete(&now[..common]);
        records > 0 && is_strong(&[&now[..records]])
    }
}
