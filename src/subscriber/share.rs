//! Streams that want the same share what is written for them. What is written for the records behind a position depends
//! on nothing but the position and what the streams have in common: so it is written once, and given to all that come by.
//! A memory of results only: a stream that finds nothing here reads and writes for itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::position::Position;

/// How many bytes streams that want the same remember together.
const SHARED_BYTES_MAX: usize = 2 << 20;
/// How many pieces they remember.
const SHARED_PIECES_MAX: usize = 256;

/// All that streams share, by what they have in common.
#[derive(Default)]
pub struct Shares(Mutex<HashMap<String, Weak<Share>>>);

impl Shares {
    /// What the streams share that have `common` in common.
    pub fn of(&self, common: String) -> Arc<Share> {
        let mut shares = lock(&self.0);
        if let Some(share) = shares.get(&common).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::default());
        shares.insert(common, Arc::downgrade(&share));
        share
    }
}

/// What streams that want the same have written lately.
#[derive(Default)]
pub struct Share(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    written: VecDeque<(Spot, Written)>,
    bytes: usize,
}

/// Where a stream stands, in all that matters to what is written next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The position from which it reads.
    pub position: Position,
    /// The serial of its generation.
    pub serial: u64,
    /// How often the log was cut back: what stood behind the position then is not what stands there now.
    pub cuts: u64,
    /// The rest of the ids.
    pub others: Vec<u8>,
}

/// What was written for the records behind a spot.
#[derive(Clone, Debug)]
pub struct Written {
    /// The bytes of events; none, where all records were kept back.
    pub bytes: Bytes,
    /// The position behind the records.
    pub after: Position,
    /// How many bytes of records were kept back behind the last that was given.
    pub held_back: u64,
    /// Whether any was given.
    pub gave: bool,
}

impl Share {
    /// What was written for the records behind `spot`, if that is remembered.
    pub fn get(&self, spot: &Spot) -> Option<Written> {
        lock(&self.0).written.iter().rev().find(|(from, _)| from == spot).map(|(_, written)| written.clone())
    }

    /// Where, behind `spot` and before `end`, a spot is from which on it is remembered what was written: there a stream
    /// that is not one of the others becomes one.
    pub fn joins(&self, spot: &Spot, end: u64) -> Option<u64> {
        let memory = lock(&self.0);
        let same = |other: &Spot| {
            (other.serial, other.cuts, other.position.source) == (spot.serial, spot.cuts, spot.position.source)
                && other.others == spot.others
        };
        let starts = memory.written.iter().filter(|(other, _)| same(other)).map(|(other, _)| other.position.offset);
        starts.filter(|offset| (spot.position.offset + 1..end).contains(offset)).min()
    }

    /// Remembers what was written, if others may come by: it is the newest, and `self` is not the only stream's.
    pub fn put(self: &Arc<Self>, spot: Spot, written: &Written) {
        if Arc::strong_count(self) < 2 {
            return;
        }
        let mut memory = lock(&self.0);
        let is_newer = |(last, _): &(Spot, Written)| {
            let place = |spot: &Spot| (spot.cuts, spot.serial, spot.position.offset);
            last.position.source != spot.position.source || place(&spot) > place(last)
        };
        if !memory.written.back().is_none_or(is_newer) {
            return;
        }
        memory.bytes += written.bytes.len();
        memory.written.push_back((spot, written.clone()));
        while memory.bytes > SHARED_BYTES_MAX || memory.written.len() > SHARED_PIECES_MAX {
            let Some((_, oldest)) = memory.written.pop_front() else { return };
            memory.bytes -= oldest.bytes.len();
        }
    }
}

/// A panic while it is held leaves it as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
