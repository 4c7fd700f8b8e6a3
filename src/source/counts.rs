//! What the follower has counted of a log since it follows it. Counted by the block, never by the record.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::RotateKind;

/// What was counted of a log.
#[derive(Debug, Default)]
pub struct Counts {
    bytes: AtomicU64,
    records: AtomicU64,
    passed: AtomicU64,
    rotations: [AtomicU64; RotateKind::ALL.len()],
}

impl Counts {
    /// How many bytes of whole records were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many records, as lines of the file.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// How many bytes of whole records were passed over, because nobody read and they came too fast to keep.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// How often the log went on in another file, in the ways of [`RotateKind::ALL`].
    pub fn rotations(&self) -> impl Iterator<Item = (RotateKind, u64)> {
        RotateKind::ALL.into_iter().zip(self.rotations.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    pub(super) fn note_read(&self, bytes: u64, records: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn note_passed(&self, bytes: u64) {
        self.passed.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn note_rotation(&self, kind: RotateKind) {
        self.rotations[kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}
