//! Which file this is: what the file system says of it, and how its content begins. Never decides what that means.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::format::Format;
use crate::position::{Check, GenerationId, HEAD_BYTES_MAX, Hint, Position, SourceId, TIP_BYTES_MAX};

/// What the file system says of a file. Two files that exist at the same time never share one; while a file is held
/// open nothing else gets its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    birth_ns: u64,
}

impl FileIdentity {
    /// The identity of the file that `metadata` is of.
    pub fn of(metadata: &Metadata) -> Self {
        FileIdentity { device: metadata.dev(), inode: metadata.ino(), birth_ns: metadata.created().map_or(0, nanoseconds) }
    }

    /// When it was created, where the file system tells.
    pub fn born(&self) -> Option<SystemTime> {
        (self.birth_ns > 0).then(|| UNIX_EPOCH + Duration::from_nanos(self.birth_ns))
    }

    /// The part of an id that names this file. The device is left out: it changes over a remount.
    pub fn hint(&self) -> Hint {
        Hint::of(self.inode, self.birth_ns)
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// How a generation's content begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Offset of the first byte that is not NUL: where the content starts. A writer that does not append leaves a
    /// hole before it when its file is truncated.
    pub base: u64,
    bytes: Bytes,
    full: Option<GenerationId>,
    /// The format that its whole lines are in.
    pub format: Format,
}

impl Head {
    /// The head of content that starts at `base` with `bytes`, of which the first 1024 count.
    pub fn new(base: u64, bytes: Bytes) -> Self {
        let bytes = bytes.slice(..bytes.len().min(HEAD_BYTES_MAX));
        let full = (bytes.len() == HEAD_BYTES_MAX).then(|| GenerationId::of(&bytes));
        Head { base, format: Format::detect(&bytes), bytes, full }
    }

    /// The up to 1024 bytes known of it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes of it that positions at `offset` are made from, as far as they are known.
    pub fn bytes_at(&self, offset: u64) -> &[u8] {
        let length = usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        &self.bytes[..length.min(self.bytes.len())]
    }

    /// Whether it can still grow.
    pub fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// The generation's id as all positions at `offset` and behind it carry it; `None` where it still changes.
    pub fn full_at(&self, offset: u64) -> Option<GenerationId> {
        self.full.filter(|_| offset >= self.base + HEAD_BYTES_MAX as u64)
    }

    /// The generation's id as positions at `offset` carry it; `None` where less content is known than that takes.
    pub fn generation_at(&self, offset: u64) -> Option<GenerationId> {
        let length = usize::try_from(offset.checked_sub(self.base)?).unwrap_or(usize::MAX);
        match self.full {
            Some(full) if length >= HEAD_BYTES_MAX => Some(full),
            _ => self.bytes.get(..length.min(HEAD_BYTES_MAX)).map(GenerationId::of),
        }
    }

    /// Where the bytes start that the check of `offset` covers.
    pub fn tip_start(&self, offset: u64) -> u64 {
        offset.saturating_sub(TIP_BYTES_MAX as u64).max(self.base).min(offset)
    }

    /// The position at `offset`, before which stands `tip`, the content from [`Head::tip_start`] on.
    ///
    /// # Panics
    /// Where the head covers less than `offset` asks for: heads grow before positions do.
    pub fn position(&self, source: SourceId, hint: Hint, offset: u64, tip: &[u8]) -> Position {
        debug_assert_eq!(tip.len() as u64, offset - self.tip_start(offset));
        let generation = self.generation_at(offset).expect("a head is as long as the positions behind it need");
        Position { source, generation, offset, check: Check::of(offset, tip), hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_of_a_position_does_not_change_when_the_file_grows() {
        let content = Bytes::from((0..5000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        let whole = Head::new(3, content.clone());
        for length in [0, 1, 7, 1023, 1024] {
            let early = Head::new(3, content.slice(..length));
            assert_eq!(early.generation_at(3 + length as u64), whole.generation_at(3 + length as u64));
        }
        assert_eq!(whole.generation_at(3 + 1024), whole.generation_at(3 + 9000));
        assert_eq!(Head::new(3, content.slice(..10)).generation_at(3 + 11), None, "not known yet");
        assert_eq!(whole.generation_at(2), None, "before the content");
    }
}
