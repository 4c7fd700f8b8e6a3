//! What all streams together have given since the program started, and how far behind they are. Streams count for
//! themselves and hand it in once a turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::event::{Event, Reason, Resume};

/// The kinds of events, as metrics name them.
const KINDS: [&str; 7] = ["record", "hello", "pos", "gap", "live", "rotate", "log"];

/// What was counted of all streams.
pub struct Counts {
    events: [AtomicU64; KINDS.len()],
    gaps: [AtomicU64; Reason::ALL.len()],
    streams: [AtomicU64; Resume::ALL.len()],
    suppressed: Mutex<BTreeMap<String, u64>>,
    born: Instant,
    lags: Mutex<Vec<Weak<Lag>>>,
}

/// Since when a stream has not been at the end of what there is, in milliseconds since the counts were made; 0 if it is.
type Lag = AtomicU64;

/// The lag of one stream.
pub struct Behind(Arc<Lag>);

impl Default for Counts {
    fn default() -> Self {
        Counts {
            events: Default::default(),
            gaps: Default::default(),
            streams: Default::default(),
            suppressed: Mutex::default(),
            born: Instant::now(),
            lags: Mutex::default(),
        }
    }
}

impl Counts {
    /// How many events of each kind were given.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.events.iter().map(load))
    }

    /// How many gaps were told, by reason.
    pub fn gaps(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.gaps.iter().map(load))
    }

    /// How many streams began, by how their start relates to the id that the client came with.
    pub fn streams(&self) -> impl Iterator<Item = (Resume, u64)> {
        Resume::ALL.into_iter().zip(self.streams.iter().map(load))
    }

    /// How many records were told as suppressed, by the rule's name.
    pub fn suppressed(&self) -> BTreeMap<String, u64> {
        lock(&self.suppressed).clone()
    }

    /// For how long each stream has not been at the end of what there is.
    pub fn lags(&self) -> Vec<Duration> {
        let now = self.now();
        let lag = |since: u64| Duration::from_millis(if since == 0 { 0 } else { now.saturating_sub(since) });
        lock(&self.lags).iter().filter_map(Weak::upgrade).map(|since| lag(load(&since))).collect()
    }

    pub(super) fn note_records(&self, count: u64) {
        self.events[0].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn note_suppressed(&self, counts: &BTreeMap<String, u64>) {
        if counts.is_empty() {
            return;
        }
        let mut all = lock(&self.suppressed);
        for (rule, count) in counts {
            *all.entry(rule.clone()).or_default() += count;
        }
    }

    pub(super) fn note(&self, event: &Event<'_>) {
        let kind = match event {
            Event::Record(_) => 0,
            Event::Hello(hello) => {
                self.streams[hello.resume as usize].fetch_add(1, Ordering::Relaxed);
                1
            }
            Event::Pos(_) => 2,
            Event::Gap(gap) => {
                self.gaps[gap.reason as usize].fetch_add(1, Ordering::Relaxed);
                3
            }
            Event::Live => 4,
            Event::Rotate(_) => 5,
            Event::Log(_) => 6,
        };
        self.events[kind].fetch_add(1, Ordering::Relaxed);
    }

    /// The lag of a stream that begins.
    pub(super) fn begin(&self) -> Behind {
        let lag = Arc::new(Lag::default());
        let mut lags = lock(&self.lags);
        lags.retain(|lag| lag.strong_count() > 0);
        lags.push(Arc::downgrade(&lag));
        Behind(lag)
    }

    /// Notes whether a stream is at the end of what there is.
    pub(super) fn note_lag(&self, Behind(since): &Behind, at_end: bool) {
        match (load(since), at_end) {
            (0, false) => since.store(self.now(), Ordering::Relaxed),
            (1.., true) => since.store(0, Ordering::Relaxed),
            _ => {}
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
