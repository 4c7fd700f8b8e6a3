//! Where the events of a stream go: what writes them takes them one by one, or lines in a run, and shares what it wrote
//! with other streams that are the same. Pure.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;

use crate::event::{Event, Id};
use crate::position::{Hint, Mint, Position, SourceId};
use crate::record::Record;
use crate::source::split::{Line, lines};
use crate::source::tail::Piece;

/// Takes the events of a stream, in order, and writes them.
pub trait Sink {
    /// Takes one event; `id` is the position after it.
    fn event(&mut self, id: &Id<'_>, event: &Event<'_>);

    /// Takes lines that are records as they stand, and returns how many there are. `mint` writes their ids; there is none
    /// near the beginning of the generation, where each says more of it than the last.
    fn run(&mut self, run: &Run<'_>, _mint: Option<&mut Mint<'_>>) -> u64 {
        one_by_one(self, run)
    }

    /// What stands around the id of a line in a run.
    fn around_ids(&self) -> (&'static [u8], &'static [u8]) {
        (b"", b"")
    }

    /// What was written.
    fn out(&mut self) -> &mut Out;
}

/// Hands each line of `run` to `sink` as an event, and returns how many there were.
pub fn one_by_one<S: Sink + ?Sized>(sink: &mut S, run: &Run<'_>) -> u64 {
    run.lines().map(|line| sink.event(&run.id(line.end), &Event::Record(run.record(&line)))).count() as u64
}

/// What was written, in order: bytes of this stream's own, and whole pieces that it shares with others.
#[derive(Debug, Default)]
pub struct Out {
    /// Written last.
    pub bytes: Vec<u8>,
    pieces: VecDeque<Bytes>,
}

impl Out {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.pieces.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.pieces.is_empty()
    }

    /// Adds what another stream wrote.
    pub fn give(&mut self, piece: Bytes) {
        self.end_piece();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Runs `write` and returns what that wrote, which stays part of it.
    pub fn piece_of<S: Sink>(sink: &mut S, write: impl FnOnce(&mut S)) -> Bytes {
        sink.out().end_piece();
        write(sink);
        let piece = Bytes::from(std::mem::take(&mut sink.out().bytes));
        sink.out().give(piece.clone());
        piece
    }

    /// Takes the next piece; none of them is empty.
    pub fn take(&mut self) -> Option<Bytes> {
        self.end_piece();
        self.pieces.pop_front()
    }

    fn end_piece(&mut self) {
        if !self.bytes.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.bytes).into());
        }
    }
}

/// Consecutive lines of one generation that no rule touches and the client wants: each is a record as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The log's name.
    pub log: &'a str,
    /// The log, as ids name it.
    pub source: SourceId,
    /// The file that ids name.
    pub hint: Hint,
    /// The rest of their ids.
    pub others: &'a [u8],
    /// Where they stand.
    pub piece: &'a Piece,
    /// The offset of the first.
    pub start: u64,
    /// The offset behind the last.
    pub end: u64,
}

impl<'a> Run<'a> {
    /// Their bytes, with terminators. None is longer than `--max-line`.
    pub fn bytes(&self) -> &'a [u8] {
        self.piece.slice(self.start, self.end)
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        lines(self.bytes(), self.start, usize::MAX)
    }

    /// The record that a line of them is.
    pub fn record(&self, line: &Line<'a>) -> Record<'a> {
        Record::plain(self.log, (line.start, line.end), Cow::Borrowed(line.bytes), None)
    }

    /// The position at `offset`.
    pub fn position(&self, offset: u64) -> Position {
        self.piece.position(self.source, self.hint, offset)
    }

    /// The id of the record that ends at `offset`.
    pub fn id(&self, offset: u64) -> Id<'a> {
        Id { own: self.position(offset), others: self.others }
    }
}
