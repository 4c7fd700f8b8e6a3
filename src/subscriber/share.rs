//! Streams that want the same share what is written for them. What is written for the records behind a position depends
//! on nothing but the position and what the streams have in common: so it is written once, and given to all that come by.
//! A memory of results only: a stream that finds nothing here reads and writes for itself.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::position::Position;

/// How many bytes streams that want the same remember for each of them: what lies in their sockets sets them apart.
const STREAM_BYTES_MAX: usize = 160 << 10;
/// How many pieces they remember.
const PIECES_MAX: usize = 256;
/// How long they remember a piece while nothing is written.
const REMEMBERED: Duration = Duration::from_secs(2);

/// All that streams share, by what they have in common.
pub struct Shares {
    shares: Mutex<HashMap<String, Weak<Share>>>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Shares {
    /// Of which all together remember at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Shares { shares: Mutex::default(), bytes: Arc::default(), bytes_max }
    }

    /// What the streams share that have `common` in common.
    pub fn of(&self, common: String) -> Arc<Share> {
        let mut shares = lock(&self.shares);
        if let Some(share) = shares.get(&common).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share { memory: Mutex::default(), all_bytes: self.bytes.clone(), all_bytes_max: self.bytes_max });
        shares.insert(common, Arc::downgrade(&share));
        share
    }
}

/// What streams that want the same have written lately.
pub struct Share {
    memory: Mutex<Memory>,
    /// How many bytes all shares remember.
    all_bytes: Arc<AtomicUsize>,
    all_bytes_max: usize,
}

#[derive(Default)]
struct Memory {
    written: VecDeque<Entry>,
    bytes: usize,
}

struct Entry {
    spot: Spot,
    written: Written,
    at: Instant,
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
    /// How many records were given.
    pub records: u64,
    /// Whether any was given.
    pub gave: bool,
}

impl Share {
    /// What was written for the records behind `spot`, if that is remembered.
    pub fn get(&self, spot: &Spot) -> Option<Written> {
        lock(&self.memory).written.iter().rev().find(|entry| entry.spot == *spot).map(|entry| entry.written.clone())
    }

    /// Where, behind `spot` and before `end`, a spot is from which on it is remembered what was written: there a stream
    /// that is not beside the others comes to them.
    pub fn joins(&self, spot: &Spot, end: u64) -> Option<u64> {
        let memory = lock(&self.memory);
        let same = |other: &&Spot| {
            (other.serial, other.cuts, other.position.source) == (spot.serial, spot.cuts, spot.position.source)
                && other.others == spot.others
        };
        let spots = memory.written.iter().map(|entry| &entry.spot).filter(same).map(|other| other.position.offset);
        spots.filter(|offset| (spot.position.offset + 1..end).contains(offset)).min()
    }

    /// Remembers what was written, if others may come by: it is the newest, and the stream is not the only one.
    pub fn put(self: &Arc<Self>, spot: Spot, written: &Written) {
        let streams = Arc::strong_count(self);
        let mut memory = lock(&self.memory);
        let place = |spot: &Spot| (spot.cuts, spot.serial, spot.position.offset);
        let is_newer = |last: &Entry| last.spot.position.source != spot.position.source || place(&spot) > place(&last.spot);
        if streams < 2 || !memory.written.back().is_none_or(is_newer) {
            return;
        }
        memory.bytes += written.bytes.len();
        self.all_bytes.fetch_add(written.bytes.len(), Ordering::Relaxed);
        memory.written.push_back(Entry { spot, written: written.clone(), at: Instant::now() });
        while memory.bytes > streams * STREAM_BYTES_MAX
            || memory.written.len() > PIECES_MAX
            || self.all_bytes.load(Ordering::Relaxed) > self.all_bytes_max && memory.bytes > 0
        {
            self.forget_oldest(&mut memory);
        }
    }

    /// Forgets what was written long ago: a stream that has nothing to read needs it no more.
    pub fn rest(&self) {
        let mut memory = lock(&self.memory);
        while memory.written.front().is_some_and(|oldest| oldest.at.elapsed() > REMEMBERED) {
            self.forget_oldest(&mut memory);
        }
    }

    fn forget_oldest(&self, memory: &mut Memory) {
        let Some(oldest) = memory.written.pop_front() else { return };
        memory.bytes -= oldest.written.bytes.len();
        self.all_bytes.fetch_sub(oldest.written.bytes.len(), Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(lock(&self.memory).bytes, Ordering::Relaxed);
    }
}

/// A panic while it is held leaves it as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
