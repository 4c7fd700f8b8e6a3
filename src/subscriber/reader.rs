//! One subscriber's way through one log: from generation to generation, oldest bytes first, never past a hole without
//! telling. Pulls; holds nothing but its places.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Reason, RotateKind};
use crate::position::Position;
use crate::source::catalog::{Log, LogState, Succession};
use crate::source::generation::{Generation, Phase, Storage};
use crate::source::read::{self, Fetched, LongRecord, Missing, Opened, Place, Trouble};
use crate::source::tail::Piece;

/// How long a reader that found other bytes than it should waits for the follower to find out why.
const DOUBT: Duration = Duration::from_secs(2);
/// How long a reader waits before it tries an unreadable file again.
const UNREADABLE_RETRY: Duration = Duration::from_secs(1);
/// How often it tries before it goes on behind an unreadable file.
const UNREADABLE_TRIES: u32 = 3;

/// A cursor in one log.
pub struct Reader {
    /// The log.
    pub log: Arc<Log>,
    places: Vec<Place>,
    until: Option<BTreeMap<u64, u64>>,
    opened: Option<Opened>,
    /// The generation that was read to an end that only reading could tell.
    exhausted: Option<u64>,
    tries: u32,
}

/// What comes next in a log.
pub enum Next {
    /// Nothing now.
    Nothing,
    /// Whole records at one of the places.
    Piece(Piece),
    /// One long record.
    Long {
        /// Its generation's serial.
        serial: u64,
        /// Its beginning, and where it ends.
        record: LongRecord,
    },
    /// Records that can't be given; the places stand behind them already.
    Hole(Hole),
    /// The log went on in another generation.
    Crossed(Succession),
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
    /// Take up an earlier generation that grew again.
    Adopt {
        serial: u64,
        from: u64,
    },
    /// Go on in the next generation.
    Cross {
        to: Place,
        succession: Option<Succession>,
    },
    /// The current generation was cut back to before this place.
    CutBack {
        to: Place,
    },
    /// The current generation is not there any more.
    Lost,
}

impl Reader {
    /// A reader at `places`, the oldest first; none means before all that the log will hold.
    pub fn new(log: Arc<Log>, places: Vec<Place>) -> Self {
        Reader { log, places, until: None, opened: None, exhausted: None, tries: 0 }
    }

    /// Ends this reader at what the log holds now.
    pub fn stop_at_present_end(&mut self) {
        let state = self.log.state();
        self.until = Some(state.generations.iter().map(|generation| (generation.serial, generation.end)).collect());
    }

    /// Its positions, the current one first: what ids are made of.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let telling = self.places.iter().rev().map(|place| place.position).filter(|position| !position.is_before_all());
        let silent = self.places.iter().all(|place| place.position.is_before_all());
        let fallback = silent.then(|| self.places.last().map_or_else(|| read::nothing_yet(&self.log), |place| place.position));
        telling.chain(fallback)
    }

    /// The position in generation `serial`, as [`Reader::positions`] gives it.
    pub fn position_in(&self, serial: u64) -> Option<Position> {
        self.places.iter().find(|place| place.serial == serial).map(|place| place.position)
    }

    /// Moves the place in generation `serial` to `position`.
    pub fn advance(&mut self, serial: u64, position: Position) {
        if let Some(place) = self.places.iter_mut().find(|place| place.serial == serial) {
            place.position = position;
        }
    }

    /// The hint that positions in generation `serial` carry.
    pub fn hint(&self, serial: u64) -> crate::position::Hint {
        let state = self.log.state();
        state.generation(serial).map_or(crate::position::Hint::NO_FILE, |generation| generation.identity.hint())
    }

    /// Where generation `serial` ends for this reader, if it must stop before its end.
    pub fn stop(&self, serial: u64) -> u64 {
        self.until.as_ref().map_or(u64::MAX, |until| until.get(&serial).copied().unwrap_or(0))
    }

    /// Whether this reader may read of generation `serial` at all.
    fn reaches(&self, serial: u64) -> bool {
        self.until.as_ref().is_none_or(|until| until.contains_key(&serial))
    }

    /// When the generation that is read now was last written: what history of several logs is merged by.
    pub fn modified(&self) -> Option<std::time::SystemTime> {
        let state = self.log.state();
        let current = self.places.last().and_then(|place| state.generation(place.serial)).or(state.generations.first())?;
        Some(current.modified)
    }

    /// Whether there is nothing to read now.
    pub fn is_at_end(&mut self) -> bool {
        matches!(self.plan(), Plan::Nothing)
    }

    /// What comes next. Returns as soon as there is something to tell; reads files off this thread.
    pub async fn next(&mut self, line_bytes_max: usize) -> Next {
        loop {
            match self.plan() {
                Plan::Nothing => return Next::Nothing,
                Plan::Lost => return self.lost(Reason::Overrun),
                Plan::CutBack { to } => return self.cut_back(to),
                Plan::Cross { to, succession } => {
                    self.places.push(to);
                    self.exhausted = None;
                    if let Some(succession) = succession {
                        return Next::Crossed(succession);
                    }
                }
                Plan::Adopt { serial, from } => {
                    let log = self.log.clone();
                    if let Ok(Ok(place)) = tokio::task::spawn_blocking(move || read::place_at(&log, serial, from)).await {
                        self.places.push(place);
                        self.places.sort_by_key(|place| place.serial);
                    } else {
                        return Next::Nothing;
                    }
                }
                Plan::Read(place) => {
                    if let Some(next) = self.read(place, line_bytes_max).await {
                        return next;
                    }
                }
            }
        }
    }

    /// Lets go of earlier generations once records of the current one, `serial`, are delivered: those that are settled
    /// and had need no position of their own any more.
    pub fn leave_finished(&mut self, serial: u64) {
        if self.places.last().is_none_or(|current| current.serial != serial) {
            return;
        }
        let state = self.log.state();
        self.places.retain(|place| {
            place.serial == serial
                || state.generation(place.serial).is_some_and(|earlier| {
                    let unread = earlier.end != Generation::UNKNOWN_END && earlier.has_more(place.position.offset);
                    unread || matches!(earlier.phase, Phase::Settling { .. })
                })
        });
    }

    fn plan(&mut self) -> Plan {
        let state = self.log.state();
        let Some(current) = self.places.last().copied() else {
            return match state.generations.first() {
                Some(first) if self.reaches(first.serial) => {
                    Plan::Cross { to: at_base(&self.log, &state, first.serial), succession: None }
                }
                _ => Plan::Nothing,
            };
        };
        let Some(generation) = state.generation(current.serial) else { return Plan::Lost };
        if current.position.offset > generation.end
            && let Some(position) = state.end_position(self.log.source, generation)
        {
            return Plan::CutBack { to: Place { serial: current.serial, position } };
        }
        for earlier in state.generations.iter().filter(|earlier| earlier.serial < current.serial) {
            if let Phase::Settling { from: Some(from) } = earlier.phase
                && earlier.has_more(from)
                && !self.places.iter().any(|place| place.serial == earlier.serial)
            {
                return Plan::Adopt { serial: earlier.serial, from };
            }
        }
        let more = |place: &&Place| {
            let end = state.generation(place.serial).map_or(0, |generation| generation.end);
            // An earlier generation whose end only reading tells was left because it was read to its end.
            let read_out =
                end == Generation::UNKNOWN_END && (place.serial != current.serial || self.exhausted == Some(place.serial));
            place.position.offset < end.min(self.stop(place.serial)) && !read_out
        };
        if let Some(place) = self.places.iter().find(more) {
            return Plan::Read(*place);
        }
        match state.after(current.serial) {
            // An empty successor has nothing to be known by: stay at the end of this one until it has, or has passed.
            Some(next)
                if self.reaches(next.serial)
                    && (next.has_more(next.head.base)
                        || state.after(next.serial).is_some_and(|later| self.reaches(later.serial))) =>
            {
                let succession = state.successions.get(&next.serial).copied();
                Plan::Cross { to: at_base(&self.log, &state, next.serial), succession }
            }
            _ => Plan::Nothing,
        }
    }

    async fn read(&mut self, place: Place, line_bytes_max: usize) -> Option<Next> {
        if let Some(piece) = read::fetch_hot(&self.log, &place) {
            self.tries = 0;
            return Some(Next::Piece(piece));
        }
        let (log, mut opened) = (self.log.clone(), self.opened.take());
        let cold = tokio::task::spawn_blocking(move || {
            let fetched = read::fetch_cold(&log, &place, &mut opened, line_bytes_max);
            (fetched, opened)
        });
        // The pool ends only with the program.
        let Ok((fetched, opened)) = cold.await else { return Some(Next::Nothing) };
        self.opened = opened;
        match fetched {
            Ok(Fetched::Piece(piece)) => {
                self.tries = 0;
                Some(Next::Piece(piece))
            }
            Ok(Fetched::Long(record)) => Some(Next::Long { serial: place.serial, record }),
            Ok(Fetched::End) => {
                self.exhausted = Some(place.serial);
                None
            }
            Err(trouble) => self.trouble(place, trouble).await,
        }
    }

    /// Waits where the follower will know more in a moment, and tells where it does not.
    async fn trouble(&mut self, place: Place, trouble: Trouble) -> Option<Next> {
        self.tries += 1;
        self.opened = None;
        let destroyed = self.log.state().generation(place.serial).is_none_or(|generation| generation.storage == Storage::Lost);
        match trouble {
            Trouble::Changed(reason) if destroyed || self.tries > 1 => Some(self.lost(reason)),
            Trouble::Gone if destroyed || self.tries > 1 => Some(self.lost(Reason::Overrun)),
            Trouble::Changed(_) | Trouble::Gone => {
                let mut changes = self.log.changes();
                // Either it changes or the time is up; both mean to look again.
                let _ = tokio::time::timeout(DOUBT, changes.changed()).await;
                None
            }
            Trouble::Unreadable(_) if self.tries < UNREADABLE_TRIES || self.log.state().after(place.serial).is_none() => {
                tokio::time::sleep(UNREADABLE_RETRY).await;
                Some(Next::Nothing)
            }
            Trouble::Unreadable(_) => Some(self.lost(Reason::Unreadable)),
        }
    }

    /// Goes on at the new end of a file that was cut back: what stood behind it was had, or is gone.
    fn cut_back(&mut self, to: Place) -> Next {
        let from = self.places.pop().map_or(to.position, |place| place.position);
        self.places.push(to);
        let file = self.log.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let missing = Missing { reason: Reason::Truncated, file, certain: false, may_repeat: false };
        Next::Hole(Hole { from, missing, lost_bytes: None })
    }

    /// Goes on behind what can't be had, and says so.
    fn lost(&mut self, reason: Reason) -> Next {
        self.tries = 0;
        self.opened = None;
        let state = self.log.state();
        let Some(current) = self.places.last().copied() else { return Next::Nothing };
        let generation = state.generation(current.serial);
        let end = generation.map(|generation| generation.end).filter(|&end| end != u64::MAX);
        let missing = Missing {
            reason,
            file: generation.and_then(|generation| Some(generation.path.file_name()?.to_string_lossy().into_owned())),
            certain: end.is_none_or(|end| end > current.position.offset),
            may_repeat: false,
        };
        let lost_bytes = end.map(|end| end.saturating_sub(current.position.offset));
        let next = state.after(current.serial).map(|next| next.serial);
        let places = match next {
            Some(next) => vec![at_base(&self.log, &state, next)],
            // The same file goes on, with other bytes: begin it anew.
            None if generation.is_some() => vec![at_base(&self.log, &state, current.serial)],
            None => Vec::new(),
        };
        let may_repeat = next.is_none() && generation.is_some();
        drop(state);
        self.places = places;
        Next::Hole(Hole { from: current.position, missing: Missing { may_repeat, ..missing }, lost_bytes })
    }

    /// What is uncertain after `succession`: what was written between the last read and the truncation.
    pub fn uncertainty(&self, succession: Succession) -> Option<Hole> {
        let from = self.places.iter().rev().nth(1).or(self.places.last())?.position;
        let file = self.log.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let missing = Missing { reason: Reason::Truncated, file, certain: false, may_repeat: false };
        (succession.kind == RotateKind::Truncate).then_some(Hole { from, missing, lost_bytes: None })
    }
}

/// The place at the beginning of a generation that `state` has.
fn at_base(log: &Log, state: &LogState, serial: u64) -> Place {
    let generation = state.generation(serial).expect("the serial is of this state");
    let position = Position::before_all(log.source, generation.head.base, generation.identity.hint());
    Place { serial, position }
}
