//! The hot tail: the newest bytes of a log in memory, so that whoever is near its head reads no file, and what a
//! truncation destroyed is still there. A cache: without it everything but destroyed bytes is the same.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::identity::Head;
use crate::position::{Position, SourceId};

/// Pieces smaller than this are joined with the next, so that a slow log does not become thousands of them.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// Whole records of one generation, with the bytes before them that positions are made from.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The generation's serial.
    pub serial: u64,
    /// How the generation begins.
    pub head: Head,
    /// Offset of the first record.
    pub start: u64,
    /// Offset just after the last record.
    pub end: u64,
    /// Content from [`Head::tip_start`] of `start`, or earlier, up to `end`.
    pub bytes: Bytes,
}

impl Piece {
    /// The bytes of its records.
    pub fn records(&self) -> &[u8] {
        self.slice(self.start, self.end)
    }

    /// The content before `offset` that its check covers; `offset` lies within the piece.
    pub fn tip(&self, offset: u64) -> &[u8] {
        self.slice(self.head.tip_start(offset), offset)
    }

    /// The position at `offset`, which lies within the piece.
    pub fn position(&self, source: SourceId, hint: crate::position::Hint, offset: u64) -> Position {
        self.head.position(source, hint, offset, self.tip(offset))
    }

    /// The content from one offset to another, both within the piece.
    pub fn slice(&self, from: u64, to: u64) -> &[u8] {
        let first = self.end - self.bytes.len() as u64;
        &self.bytes[(from - first) as usize..(to - first) as usize]
    }

    /// Its records before `offset`, where one starts, and those from there on.
    pub fn split_at(self, offset: u64) -> (Piece, Piece) {
        let length = self.bytes.len() - (self.end - offset) as usize;
        (Piece { end: offset, bytes: self.bytes.slice(..length), head: self.head.clone(), ..self }, self.from(offset))
    }

    /// The part of it from `start` on, with all bytes before that it has.
    fn from(&self, start: u64) -> Piece {
        Piece { start, ..self.clone() }
    }
}

/// The newest pieces of one log, oldest first.
#[derive(Clone, Debug, Default)]
pub struct HotTail {
    pieces: VecDeque<Piece>,
    bytes: usize,
    cuts: u64,
}

impl HotTail {
    /// How much memory its bytes take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the records that were just read.
    pub fn push(&mut self, piece: Piece) {
        self.bytes += piece.bytes.len();
        match self.pieces.back_mut() {
            Some(last) if last.serial == piece.serial && last.end == piece.start && last.bytes.len() < JOINED_BYTES_MAX => {
                let mut bytes = BytesMut::with_capacity(last.bytes.len() + (piece.end - piece.start) as usize);
                bytes.extend_from_slice(&last.bytes);
                bytes.extend_from_slice(piece.records());
                self.bytes -= last.bytes.len() + piece.bytes.len();
                self.bytes += bytes.len();
                *last = Piece { start: last.start, bytes: bytes.freeze(), ..piece };
            }
            _ => self.pieces.push_back(piece),
        }
    }

    /// Drops the oldest piece and gives its bytes; none when there is none.
    pub fn shed(&mut self) -> Option<Bytes> {
        let bytes = self.pieces.pop_front()?.bytes;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// How often the log was cut back to a record that was there before.
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Forgets the pieces of generation `serial` that reach behind `end`.
    pub fn cut_back(&mut self, serial: u64, end: u64) {
        self.cuts += 1;
        self.pieces.retain(|piece| piece.serial != serial || piece.end <= end);
        self.bytes = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
    }

    /// The records of generation `serial` from `offset` on, as far as one piece holds them.
    pub fn get(&self, serial: u64, offset: u64) -> Option<Piece> {
        let holds = |piece: &&Piece| piece.serial == serial && (piece.start..piece.end).contains(&offset);
        self.pieces.iter().rev().find(holds).map(|piece| piece.from(offset))
    }

    /// The bytes before `offset` in generation `serial` that its check covers, where they are here.
    pub fn tip(&self, serial: u64, offset: u64) -> Option<Bytes> {
        let holds = |piece: &&Piece| piece.serial == serial && (piece.start..=piece.end).contains(&offset);
        self.pieces.iter().rev().find(holds).map(|piece| piece.bytes.slice_ref(piece.tip(offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::TIP_BYTES_MAX;
    use proptest::prelude::*;

    fn piece(content: &Bytes, start: u64, end: u64) -> Piece {
        let head = Head::new(0, content.clone());
        let bytes = content.slice(head.tip_start(start) as usize..end as usize);
        Piece { serial: 1, head, start, end, bytes }
    }

    proptest! {
        #[test]
        fn what_was_pushed_is_found_at_every_offset_until_it_is_shed(lengths in proptest::collection::vec(1u64..9000, 1..20)) {
            let content: Bytes = (0..lengths.iter().sum::<u64>()).map(|n| (n % 251) as u8).collect();
            let (mut tail, mut at) = (HotTail::default(), 0);
            for length in lengths {
                tail.push(piece(&content, at, at + length));
                at += length;
            }
            for offset in (0..at).step_by(97) {
                let found = tail.get(1, offset).unwrap();
                prop_assert_eq!(found.records(), &content[offset as usize..found.end as usize]);
                let tip = &content[offset.saturating_sub(TIP_BYTES_MAX as u64) as usize..offset as usize];
                let found = tail.tip(1, offset);
                prop_assert_eq!(found.as_deref(), Some(tip));
            }
            while tail.shed().is_some() {}
            prop_assert_eq!(tail.bytes(), 0);
            prop_assert!(tail.get(1, 0).is_none());
        }
    }
}
