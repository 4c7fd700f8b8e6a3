//! The records of a stream on their way from a reader to the client: rules, filter, ids. Plain lines go in runs, others
//! one by one, and lines that are one record together by way of the joiner.

use super::join::Joined;
use super::layout::Layout;
use super::reader::{Found, Next, Reader};
use super::rules::{Origin, Rules};
use super::share::{Spot, Written};
use super::sift::{Sieve, Sifted};
use super::sink::{Out, Run, Sink};
use super::stream::{HeldBack, Subscription, others};
use crate::event::{Event, Id};
use crate::position::{Mint, SourceId};
use crate::record::Record;
use crate::source::catalog::Log;
use crate::source::read::{LongRecord, Place, Reach, take_back};
use crate::source::split::{Line, lines};
use crate::source::tail::Piece;

/// What came of going on in one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was given.
    Moved,
    /// There is nothing now.
    Nothing,
    /// What comes next is in a file, which is out of reach.
    OutOfReach,
}

impl Subscription {
    /// Gives what comes next in log `index`.
    pub(super) fn advance(&mut self, index: usize, reach: Reach, sink: &mut impl Sink) -> Step {
        loop {
            let place = match self.readers[index].what_next() {
                Next::Read(place) => place,
                other => return self.tell_next(index, other, sink),
            };
            let spot = self.spot(index, &place);
            if let Some((spot, written)) = spot.as_ref().and_then(|spot| Some((spot, self.share.get(spot)?))) {
                sink.out().give(written.bytes.clone());
                self.readers[index].advance(spot.serial, written.after);
                self.held_back.go_on(written.gave, written.held_back);
                self.records += written.records;
                return Step::Moved;
            }
            match self.readers[index].read(place, reach, self.ruling.line_bytes_max) {
                Found::End => continue,
                Found::Piece(mut piece) => {
                    match spot {
                        Some(spot) => {
                            if let Some(offset) = self.share.joins(&spot, piece.end) {
                                piece = piece.split_at(offset).0;
                            }
                            self.take_shared(index, &piece, spot, sink);
                        }
                        None => self.take_piece(index, &piece, sink),
                    }
                    take_back(piece);
                    return Step::Moved;
                }
                other => return self.tell_found(index, place.serial, other, sink),
            }
        }
    }

    /// Tells what comes next in log `index`, where that is nothing to read. Whoever asks for what comes next must tell it:
    /// it is said once.
    pub(super) fn tell_next(&mut self, index: usize, next: Next, sink: &mut impl Sink) -> Step {
        match next {
            Next::Nothing | Next::Read(_) => return Step::Nothing,
            Next::Hole(hole) => self.tell_hole(index, hole, sink),
            Next::Crossed(succession) => self.tell_crossed(index, succession, sink),
        }
        Step::Moved
    }

    /// Tells what was found in generation `serial` of log `index`, where that is no piece. It is found once, too.
    pub(super) fn tell_found(&mut self, index: usize, serial: u64, found: Found, sink: &mut impl Sink) -> Step {
        match found {
            Found::End | Found::Piece(_) | Found::Partly => {}
            Found::OutOfReach => return Step::OutOfReach,
            Found::Later(at) => {
                self.again_at = Some(self.again_at.map_or(at, |other| other.min(at)));
                return Step::Nothing;
            }
            Found::Hole(hole) => self.tell_hole(index, hole, sink),
            Found::Long(record) => self.take_long(index, serial, &record, sink),
        }
        Step::Moved
    }

    /// Where the stream stands before the records at `place`, if what is written for them depends on nothing else.
    fn spot(&mut self, index: usize, place: &Place) -> Option<Spot> {
        let reader = &mut self.readers[index];
        let begins = place.position.is_before_all() && reader.reads_several();
        if !self.is_shared || begins {
            return None;
        }
        reader.leave_finished(place.serial);
        let (cuts, format) = {
            let state = reader.log.state();
            (state.tail.cuts(), state.generation(place.serial)?.head.format)
        };
        let joins = self.ruling.way(&reader.layout, reader.layout.format(format)).joins() || !reader.joiner.is_plain();
        let others = others(&self.readers, index, place.serial);
        (!joins).then_some(Spot { position: place.position, serial: place.serial, cuts, others })
    }

    /// Gives the records of a piece, and remembers what that came to.
    fn take_shared(&mut self, index: usize, piece: &Piece, spot: Spot, sink: &mut impl Sink) {
        let before = std::mem::take(&mut self.held_back);
        let had = self.records;
        let bytes = Out::piece_of(sink, |sink| self.take_piece(index, piece, sink));
        let HeldBack { gave, bytes: held_back, .. } = std::mem::replace(&mut self.held_back, before);
        self.held_back.go_on(gave, held_back);
        if let Some(after) = self.readers[index].position_in(piece.serial) {
            self.share.put(spot, &Written { bytes, after, held_back, gave, records: self.records - had });
        }
    }

    /// Gives the records of a piece.
    pub(super) fn take_piece(&mut self, index: usize, piece: &Piece, sink: &mut impl Sink) {
        self.readers[index].leave_finished(piece.serial);
        let ruling = self.ruling.clone();
        let Reader { log, layout, .. } = &self.readers[index];
        let (log, layout) = (log.clone(), layout.clone());
        let way = ruling.way(&layout, layout.format(piece.head.format));
        if way.joins() || !self.readers[index].joiner.is_idle() {
            let hint = self.readers[index].hint(piece.serial);
            for line in lines(piece.records(), piece.start, ruling.line_bytes_max) {
                if self.left == Some(0) {
                    return;
                }
                let position = |offset| piece.position(log.source, hint, offset);
                let reader = &mut self.readers[index];
                let joined = reader.joiner.take(piece.serial, &line, position(line.start), &way);
                reader.advance(piece.serial, position(line.end));
                self.tell_joined(index, joined, line.end - line.start, sink);
            }
            return;
        }
        let others = others(&self.readers, index, piece.serial);
        let hint = self.readers[index].hint(piece.serial);
        let (start, end) = (piece.start, piece.end);
        let run = Run { log: &log.name, source: log.source, hint, others: &others, piece, start, end };
        // A pattern that does not match across a byte that is no UTF-8 may match across what stands for it.
        let by_text = !ruling.rules.touching(&log.name).is_empty() && str::from_utf8(run.bytes()).is_err();
        let end = if self.judges_each() || by_text {
            self.each_line(&run, &log, &layout, sink)
        } else {
            self.sifted(&run, &log, &layout, sink)
        };
        if end > piece.start {
            self.readers[index].advance(piece.serial, run.position(end));
        }
    }

    /// Whether every record has to be looked at for what it says of itself, or counted.
    pub(super) fn judges_each(&self) -> bool {
        self.asks_meaning || self.left.is_some() || self.until.is_some()
    }

    /// Gives lines one by one; the offset behind the last.
    fn each_line(&mut self, run: &Run<'_>, log: &Log, layout: &Layout, sink: &mut impl Sink) -> u64 {
        let ruling = self.ruling.clone();
        let origin = ruling.origin(log, layout, Some(run.piece.serial), self.asks_meaning);
        let mut end = run.start;
        for line in lines(run.bytes(), run.start, ruling.line_bytes_max) {
            if self.left == Some(0) {
                break;
            }
            end = line.end;
            match self.record(&ruling.rules, &origin, log.source, line) {
                Some(record) => self.give(&run.id(line.end), record, sink),
                None => self.held_back.add(line.end - line.start),
            }
        }
        end
    }

    /// Gives lines in runs, but for those that rules touch; the offset behind the last.
    fn sifted(&mut self, all: &Run<'_>, log: &Log, layout: &Layout, sink: &mut impl Sink) -> u64 {
        let ruling = self.ruling.clone();
        let filter = self.filter.clone();
        let generation = all.piece.head.full_at(all.start);
        let (before, after) = sink.around_ids();
        let mint = |generation| Mint::new(all.source, generation, all.hint, all.others).around(before, after);
        let mut mint = generation.map(mint);
        let mut start = all.start;
        if start == 0 && all.bytes().starts_with(b"\xEF\xBB\xBF") {
            // The one line that does not stand in the file as it is given.
            start = lines(all.bytes(), 0, usize::MAX).next().map_or(0, |line| line.end);
            self.each_line(&Run { end: start, ..*all }, log, layout, sink);
        }
        let touching = ruling.rules.touching(&log.name);
        let bytes = all.piece.slice(start, all.end);
        let part = |from: usize, to: usize| {
            let (start, end) = (start + from as u64, start + to as u64);
            Run { start, end, ..*all }
        };
        for sifted in Sieve::new(bytes, &filter, &touching, ruling.line_bytes_max) {
            match sifted {
                Sifted::Kept(from, to) => {
                    let run = part(from, to);
                    self.records += sink.run(&run, mint.as_mut());
                    self.held_back = HeldBack::nothing();
                }
                Sifted::Left(from, to) => self.held_back.add((to - from) as u64),
                Sifted::Alone(from, to) => {
                    self.each_line(&part(from, to), log, layout, sink);
                }
            }
        }
        all.end
    }

    /// Gives a record of which only the beginning was kept.
    fn take_long(&mut self, index: usize, serial: u64, long: &LongRecord, sink: &mut impl Sink) {
        self.readers[index].leave_finished(serial);
        let others = others(&self.readers, index, serial);
        let Reader { log, layout, .. } = &self.readers[index];
        let (log, layout) = (log.clone(), layout.clone());
        let ruling = self.ruling.clone();
        let line = Line::new(&long.bytes, long.start, long.after.offset, ruling.line_bytes_max);
        let origin = ruling.origin(&log, &layout, Some(serial), self.asks_meaning);
        let way = ruling.way(&layout, origin.format);
        let reader = &mut self.readers[index];
        if way.joins() || !reader.joiner.is_idle() {
            let before = reader.position_in(serial).expect("it was read there");
            let joined = reader.joiner.take(serial, &line, before, &way);
            reader.advance(serial, long.after);
            return self.tell_joined(index, joined, long.after.offset - long.start, sink);
        }
        match self.record(&ruling.rules, &origin, log.source, line) {
            Some(record) => self.give(&Id { own: long.after, others: &others }, record, sink),
            None => self.held_back.add(long.after.offset - long.start),
        }
        self.readers[index].advance(serial, long.after);
    }

    /// Gives a record that was put together of several lines, if there is one after reading `bytes`, and the client wants it.
    fn tell_joined(&mut self, index: usize, joined: Option<Joined>, bytes: u64, sink: &mut impl Sink) {
        let Some(joined) = joined else { return self.held_back.add(bytes) };
        let Reader { log, layout, .. } = &self.readers[index];
        let (log, layout) = (log.clone(), layout.clone());
        let ruling = self.ruling.clone();
        let origin = Origin { time: joined.time, ..ruling.origin(&log, &layout, Some(joined.end.0), self.asks_meaning) };
        match self.record(&ruling.rules, &origin, log.source, joined.line(ruling.line_bytes_max)) {
            Some(record) => {
                let start = record.start.filter(|_| joined.start.0 == joined.end.0);
                self.tell(index, &Event::Record(Record { start, ..record }), sink);
                self.left = self.left.map(|left| left - 1);
            }
            None => self.held_back.add(bytes),
        }
    }

    /// Gives the records of a log that nothing has ended: those that have been quiet for long, or `all`. Whether there was one.
    pub(super) fn end_groups(&mut self, index: usize, all: bool, sink: &mut impl Sink) -> bool {
        let mut any = false;
        while self.left != Some(0) {
            let Some(joined) = self.readers[index].joiner.end_quiet(all) else { break };
            self.tell_joined(index, Some(joined), 0, sink);
            any = true;
        }
        any
    }

    /// The record that a line of a log becomes, if the client gets it.
    fn record<'a>(&mut self, rules: &'a Rules, origin: &Origin<'a>, log: SourceId, line: Line<'a>) -> Option<Record<'a>> {
        rules.apply(origin, line, &mut self.throttle).filter(|record| self.wants(log, record))
    }

    fn give(&mut self, id: &Id<'_>, record: Record<'_>, sink: &mut impl Sink) {
        sink.event(id, &Event::Record(record));
        self.records += 1;
        self.left = self.left.map(|left| left - 1);
        self.held_back = HeldBack::nothing();
    }
}
