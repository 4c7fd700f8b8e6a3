//! Reading a log at a position: from memory where its newest bytes are, else from its files. Every read of a file
//! checks, in the same bytes, that what stands before the position is what stood there when it was made. Blocks; who
//! must not wait calls it elsewhere. Never changes what is known of a log.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::catalog::{Log, LogState};
use super::content::{Content, READ_BYTES, Storage};
use super::generation::{Generation, Phase};
use super::identity::Head;
use super::shelf::{Owner, Room};
use super::split::{BEYOND_BYTES, Line, complete, lines};
use super::tail::Piece;
use super::unpack::Budget;
use crate::event::Reason;
use crate::position::{Check, HEAD_BYTES_MAX, Hint, Position, TIP_BYTES_MAX};

/// The longest record that counting back takes into memory, in bytes.
pub const LONG_BYTES_MAX: usize = 64 << 20;
/// The longest record of a compressed file, in bytes: a few bytes there make many, and it is read in one turn.
pub const PACKED_RECORD_BYTES_MAX: u64 = 1 << 30;

/// How much of a long record is read at once, in bytes: others have their turn in between.
const LONG_PIECE_BYTES: u64 = 4 << 20;
/// How far back from the end of a file its last whole record is looked for, in one go: reading forward is done in turns.
const BACK_BYTES_MAX: u64 = 64 << 20;

/// A place to read on from: a generation, and the position in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The generation's serial.
    pub serial: u64,
    /// The next byte to read.
    pub position: Position,
}

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What this program has in memory.
    Memory,
    /// What the system has in memory, too: it never waits.
    Cache,
    /// Files, which may take as long as a disk does, and unpacking.
    Files,
}

thread_local! {
    /// The memory of the piece that was read last on this thread, and is not needed any more.
    static SPARE: Cell<BytesMut> = Cell::default();
}

/// Takes back the memory of a piece, if nobody else has it.
pub fn take_back(piece: Piece) {
    if let Ok(buffer) = piece.bytes.try_into_mut() {
        SPARE.set(buffer);
    }
}

/// What a reader keeps open from one read to the next.
#[derive(Default)]
pub struct Files {
    opened: Option<Opened>,
    begun: Option<Begun>,
    /// Who leaves an archive on the shelf between two turns; a search has none, it takes no turns.
    owner: Option<Owner>,
}

struct Opened {
    serial: u64,
    content: Content,
    /// Where unpacking it takes much memory.
    room: Option<Room>,
}

/// A long record whose end was not come to yet.
struct Begun {
    serial: u64,
    start: u64,
    /// Up to where it was read.
    at: u64,
    /// Its first bytes.
    bytes: Vec<u8>,
}

impl Files {
    /// What a stream keeps, which waits where there is no room for another archive.
    pub fn of_stream() -> Self {
        Files { owner: Some(Owner::another()), ..Files::default() }
    }

    /// Lets go of what a reader that waits must not keep: a plain file's space, which may be deleted, and memory that others
    /// may need more.
    pub fn rest(&mut self) {
        let Some(Opened { serial, content, room }) = self.opened.take() else { return };
        match (content, room, &self.owner) {
            (Content::Plain(_), ..) => {}
            (content, Some(room), Some(owner)) => owner.leave(serial, content, room),
            (content, room, _) => self.opened = Some(Opened { serial, content, room }),
        }
    }

    /// Lets go of everything.
    pub fn close(&mut self) {
        (self.opened, self.begun) = (None, None);
    }

    fn open(&mut self, generation: &Generation) -> Result<&mut Content, Trouble> {
        // What is held is at hand, and may be let go of at any time.
        self.opened.take_if(|opened| opened.serial != generation.serial || generation.held.is_some());
        let opened = match (self.opened.take(), &self.owner) {
            (Some(opened), _) => opened,
            (None, Some(owner)) if generation.storage == Storage::Zstd => {
                let (content, room) = match owner.take(generation.serial) {
                    Some(left) => left,
                    None => {
                        let room = owner.room().ok_or(Trouble::NoRoom)?;
                        (generation.open()?, room)
                    }
                };
                Opened { serial: generation.serial, content, room: Some(room) }
            }
            (None, _) => Opened { serial: generation.serial, content: generation.open()?, room: None },
        };
        Ok(&mut self.opened.insert(opened).content)
    }
}

/// What stands at a place.
#[derive(Debug)]
pub enum Fetched {
    /// Whole records.
    Piece(Piece),
    /// One record that is longer than a read.
    Long(LongRecord),
    /// A part of such a record: the next read goes on in it.
    Partly,
    /// Nothing more: the content of this generation ends here.
    End,
}

/// A record of which only the beginning was kept.
#[derive(Debug)]
pub struct LongRecord {
    /// Offset of its first byte.
    pub start: u64,
    /// Its first bytes, at least as many as a line may have, or all.
    pub bytes: Vec<u8>,
    /// The position after its terminator.
    pub after: Position,
}

/// Why a place can't be read.
#[derive(Debug)]
pub enum Trouble {
    /// The generation's file is gone.
    Gone,
    /// The file is shorter than the place, or holds other bytes before it.
    Changed(Reason),
    /// The file is there and can't be read now, in words.
    Unreadable(String),
    /// What the file holds makes no sense, and never will, in words.
    Damaged(String),
    /// It is compressed, and unpacking as far as the place takes longer than it may.
    OverBudget,
    /// Unpacking it takes memory that others have just now.
    NoRoom,
    /// It would have to wait for a disk, and must not.
    OutOfReach,
    /// A compressed file ends too early: it is still being written, or was never written to its end. In words.
    Unfinished(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Trouble::Gone,
            io::ErrorKind::InvalidData => Trouble::Damaged(error.to_string()),
            io::ErrorKind::UnexpectedEof => Trouble::Unfinished("the compressed file ends too early".into()),
            io::ErrorKind::QuotaExceeded => Trouble::OverBudget,
            io::ErrorKind::WouldBlock => Trouble::OutOfReach,
            _ => Trouble::Unreadable(error.to_string()),
        }
    }
}

/// The records at `place`, if memory has them.
pub fn fetch_hot(log: &Log, place: &Place) -> Option<Piece> {
    log.state().tail.get(place.serial, place.position.offset)
}

/// The records at `place`, from its file.
///
/// # Errors
/// See [`Trouble`]; `OutOfReach` only where `reach` is less than files.
pub fn fetch_cold(log: &Log, place: &Place, files: &mut Files, reach: Reach, line_bytes_max: usize) -> Result<Fetched, Trouble> {
    let generation = log.state().generation(place.serial).cloned().ok_or(Trouble::Gone)?;
    let waits = reach == Reach::Files;
    if reach == Reach::Memory || (!waits && generation.held.is_none()) {
        return Err(Trouble::OutOfReach);
    }
    let begun = files.begun.take().filter(|begun| (begun.serial, begun.start) == (place.serial, place.position.offset));
    if let Some(begun) = begun.filter(|_| waits) {
        return long_record(log, &generation, files, begun, line_bytes_max);
    }
    let mut bytes = SPARE.take();
    let content = files.open(&generation)?;
    let unreadable = || Trouble::Unreadable("its beginning could not be read".into());
    if generation.is_unreadable() && !generation.storage.is_compressed() {
        return Err(unreadable());
    }
    let offset = place.position.offset;
    let tip_start = generation.head.tip_start(offset);
    let tip_bytes = (offset - tip_start) as usize;
    content.read_into(&mut bytes, tip_start, tip_bytes + READ_BYTES, waits)?;
    // What can't be unpacked has said so now; of the rest no position can be made before its head is known.
    if generation.is_unreadable() {
        return Err(unreadable());
    }
    verify(&bytes, tip_bytes, &place.position)?;
    let head = generation.head.bytes();
    if offset == generation.head.base && !bytes.starts_with(&head[..head.len().min(bytes.len())]) {
        return Err(Trouble::Changed(Reason::Rewritten));
    }

    let full = bytes.len() == tip_bytes + READ_BYTES;
    let known = usize::try_from(generation.end.saturating_sub(tip_start)).unwrap_or(usize::MAX);
    if !waits && !full && bytes.len() < known {
        return Err(Trouble::OutOfReach);
    }
    let at_end = known <= bytes.len() || (!full && generation.end == Generation::UNKNOWN_END);
    bytes.truncate(known);
    let records = if at_end { bytes.len().saturating_sub(tip_bytes) } else { complete(&bytes[tip_bytes..]) };
    match records {
        0 if at_end => Ok(Fetched::End),
        // The file is shorter than what is known of it.
        0 if !full => Err(Trouble::Changed(Reason::Truncated)),
        0 if !waits => Err(Trouble::OutOfReach),
        0 => {
            let begun = Begun { serial: generation.serial, start: offset, at: offset, bytes: Vec::new() };
            long_record(log, &generation, files, begun, line_bytes_max)
        }
        _ => {
            bytes.truncate(tip_bytes + records);
            let end = offset + records as u64;
            let head = head_for(&generation, content, end)?;
            Ok(Fetched::Piece(Piece { serial: generation.serial, head, start: offset, end, bytes: bytes.freeze() }))
        }
    }
}

/// Whether `bytes` begin with the `tip_bytes` that stood before `position` when it was made.
fn verify(bytes: &[u8], tip_bytes: usize, position: &Position) -> Result<(), Trouble> {
    match bytes.get(..tip_bytes) {
        None => Err(Trouble::Changed(Reason::Truncated)),
        Some(tip) if Check::of(position.offset, tip) != position.check => Err(Trouble::Changed(Reason::Rewritten)),
        Some(_) => Ok(()),
    }
}

/// Reads on until the record ends, or [`LONG_PIECE_BYTES`] of it, and keeps only its beginning.
fn long_record(
    log: &Log,
    generation: &Generation,
    files: &mut Files,
    begun: Begun,
    line_bytes_max: usize,
) -> Result<Fetched, Trouble> {
    let Begun { serial, start, mut at, mut bytes } = begun;
    let content = files.open(generation)?;
    let until = at + LONG_PIECE_BYTES;
    let length_max = if matches!(content, Content::Packed(_)) { PACKED_RECORD_BYTES_MAX } else { u64::MAX };
    let end = loop {
        if at - start > length_max {
            return Err(Trouble::Damaged(format!("a record is longer than {PACKED_RECORD_BYTES_MAX} bytes")));
        }
        let left = usize::try_from(generation.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let read = content.read(at, READ_BYTES.min(left))?;
        let line = memchr(b'\n', &read).map_or(read.len(), |lf| lf + 1);
        let keep = line.min((line_bytes_max + BEYOND_BYTES).saturating_sub(bytes.len()));
        bytes.extend_from_slice(&read[..keep]);
        at += line as u64;
        if line < read.len() || read.last().is_none_or(|&byte| byte == b'\n') {
            break at;
        }
        if at >= until {
            files.begun = Some(Begun { serial, start, at, bytes });
            return Ok(Fetched::Partly);
        }
    };
    let tip_start = generation.head.tip_start(end);
    let tip = content.read(tip_start, (end - tip_start) as usize)?;
    if tip.len() as u64 != end - tip_start {
        return Err(Trouble::Changed(Reason::Truncated));
    }
    let head = head_for(generation, content, end)?;
    let after = head.position(log.source, generation.hint, end, &tip);
    Ok(Fetched::Long(LongRecord { start, bytes, after }))
}

/// The place at the record of generation `serial` that starts at `offset`, or holds the byte before it if that is in
/// the middle of one.
///
/// # Errors
/// See [`Trouble`]; `Changed` where the generation is shorter.
pub fn place_at(log: &Log, serial: u64, offset: u64) -> Result<Place, Trouble> {
    let state = log.state();
    let generation = state.generation(serial).cloned().ok_or(Trouble::Gone)?;
    let hint = generation.hint;
    let known = (offset == generation.end).then(|| state.end_position(log.source, &generation)).flatten();
    drop(state);
    if let Some(position) = known {
        return Ok(Place { serial, position });
    }
    if offset <= generation.head.base {
        return Ok(Place { serial, position: Position::before_all(log.source, generation.head.base, hint) });
    }
    let mut content = generation.open()?;
    let content = &mut content;
    let start = record_start(content, generation.head.base, offset)?;
    let tip_start = generation.head.tip_start(start);
    let tip = content.read(tip_start, (start - tip_start) as usize)?;
    if tip.len() as u64 != start - tip_start {
        return Err(Trouble::Changed(Reason::Truncated));
    }
    let position = if start == generation.head.base {
        Position::before_all(log.source, start, hint)
    } else {
        head_for(&generation, content, start)?.position(log.source, hint, start, &tip)
    };
    Ok(Place { serial, position })
}

/// The largest record start that is not behind `offset`.
fn record_start(content: &mut Content, base: u64, offset: u64) -> Result<u64, Trouble> {
    let mut to = offset;
    loop {
        let from = to.saturating_sub(READ_BYTES as u64).max(base);
        let bytes = content.read(from, (to - from) as usize)?;
        if (bytes.len() as u64) < to - from {
            return Err(Trouble::Changed(Reason::Truncated));
        }
        match complete(&bytes) {
            0 if from == base => return Ok(base),
            0 => to = from,
            length => return Ok(from + length as u64),
        }
    }
}

/// The place before all that still exists of a log; `None` where it has no content.
pub fn start(log: &Log) -> Option<Place> {
    let state = log.state();
    // What is in no file does not exist any more.
    let oldest = state.generations.iter().find(|generation| generation.storage != Storage::Lost && !generation.is_empty())?;
    Some(at_base(log, oldest))
}

/// The place at the beginning of a generation.
pub fn at_base(log: &Log, generation: &Generation) -> Place {
    let position = match &generation.back {
        Some((from, tip)) => generation.head.position(log.source, generation.hint, *from, tip),
        None => Position::before_all(log.source, generation.head.base, generation.hint),
    };
    Place { serial: generation.serial, position }
}

/// Hands all lines from `place` on to `each`, through all later generations, until it breaks: the serial, the line, and the
/// position at which it starts. Passes over the rest of what can't be read; where that began first.
pub fn scan(
    log: &Log,
    mut place: Place,
    line_bytes_max: usize,
    each: &mut dyn FnMut(u64, &Line<'_>, Position) -> ControlFlow<()>,
) -> Option<Place> {
    let (mut files, mut passed) = (Files::default(), None);
    loop {
        let (serial, hint) = (place.serial, place.position.hint);
        let fetched = match fetch_hot(log, &place) {
            Some(piece) => Fetched::Piece(piece),
            None => fetch_cold(log, &place, &mut files, Reach::Files, line_bytes_max).unwrap_or_else(|_| {
                passed = passed.or(Some(place));
                Fetched::End
            }),
        };
        match fetched {
            Fetched::Piece(piece) => {
                for line in lines(piece.records(), piece.start, line_bytes_max) {
                    if each(serial, &line, piece.position(log.source, hint, line.start)).is_break() {
                        return passed;
                    }
                }
                place.position = piece.position(log.source, hint, piece.end);
                take_back(piece);
            }
            Fetched::Long(long) => {
                let line = Line::new(&long.bytes, long.start, long.after.offset, line_bytes_max);
                if each(serial, &line, place.position).is_break() {
                    return passed;
                }
                place.position = long.after;
            }
            Fetched::Partly => {}
            Fetched::End => {
                let Some(next) = log.state().after(serial).cloned() else { return passed };
                place = at_base(log, &next);
            }
        }
    }
}

/// The bytes before `offset` in `generation` that its check covers, where `state` of its log has them.
pub fn tip_in_memory(state: &LogState, generation: &Generation, offset: u64) -> Option<Bytes> {
    let tip = generation.tip.clone().filter(|_| generation.end == offset);
    tip.or_else(|| state.tail.tip(generation.serial, offset))
}

/// The bytes before `offset` in `generation` that its check covers, from its file.
///
/// # Errors
/// See [`Trouble`]; `Changed` where the content is shorter.
pub fn tip_in_file(generation: &Generation, offset: u64, budget: &Arc<Budget>) -> Result<Bytes, Trouble> {
    let tip_start = generation.head.tip_start(offset);
    let length = (offset - tip_start) as usize;
    let mut content = generation.open()?;
    content.limit(budget);
    let tip = content.read(tip_start, length)?;
    if tip.len() < length { Err(Trouble::Changed(Reason::Truncated)) } else { Ok(tip.into()) }
}

/// The last records of a log.
#[derive(Debug, Default)]
pub struct Last {
    /// Where they start, the newest first: serial and offset.
    pub starts: Vec<(u64, u64)>,
    /// The generation that could not be read, so that no more were found.
    pub stopped_by: Option<Generation>,
}

/// The starts of a log's last `count` records that `keep` keeps. Stops at a generation that can't be read.
pub fn last_records(log: &Log, count: usize, line_bytes_max: usize, keep: &mut dyn FnMut(u64, &Line<'_>) -> bool) -> Last {
    let generations = log.state().generations.clone();
    let mut last = Last::default();
    // What is in no file does not exist any more.
    for generation in generations.iter().rev().filter(|generation| generation.storage != Storage::Lost) {
        let wanted = count - last.starts.len();
        if wanted == 0 {
            break;
        }
        let mut keeps = |line: &Line<'_>| keep(generation.serial, line);
        let found = match generation.open() {
            Ok(mut content @ Content::Packed(_)) => last_forward(&mut content, generation, wanted, line_bytes_max, &mut keeps),
            Ok(mut content) => last_backward(&mut content, generation, wanted, line_bytes_max, &mut keeps),
            Err(error) => Err(error.into()),
        };
        match found {
            Ok(offsets) => last.starts.extend(offsets.into_iter().map(|offset| (generation.serial, offset))),
            Err(Trouble::Gone) => {}
            Err(_) => return Last { stopped_by: Some(generation.clone()), ..last },
        }
    }
    last
}

fn last_backward(
    content: &mut Content,
    generation: &Generation,
    wanted: usize,
    line_bytes_max: usize,
    keep: &mut dyn FnMut(&Line<'_>) -> bool,
) -> Result<Vec<u64>, Trouble> {
    let (base, mut to, mut starts) = (generation.first(), generation.end, Vec::new());
    while to > base && starts.len() < wanted {
        let from = to.saturating_sub(READ_BYTES as u64).max(base);
        let bytes = content.read(from, (to - from) as usize)?;
        let first = if from == base { Some(0) } else { memchr(b'\n', &bytes).map(|lf| lf + 1).filter(|&at| at < bytes.len()) };
        let found: Vec<u64> = match first {
            Some(first) => {
                let block = from + first as u64;
                let kept = lines(&bytes[first..], block, line_bytes_max).filter(&mut *keep).map(|line| line.start).collect();
                to = block;
                kept
            }
            // One record that is longer than a block: its beginning tells.
            None => {
                let start = record_start(content, base, from)?;
                let bytes = content.read(start, (line_bytes_max + BEYOND_BYTES).min((to - start) as usize))?;
                let line = Line::new(&bytes, start, to, line_bytes_max);
                to = start;
                Some(line).filter(&mut *keep).map(|line| line.start).into_iter().collect()
            }
        };
        starts.extend(found.into_iter().rev().take(wanted - starts.len()));
    }
    Ok(starts)
}

fn last_forward(
    content: &mut Content,
    generation: &Generation,
    wanted: usize,
    line_bytes_max: usize,
    keep: &mut dyn FnMut(&Line<'_>) -> bool,
) -> Result<Vec<u64>, Trouble> {
    let mut starts = std::collections::VecDeque::new();
    let mut at = generation.head.base;
    let mut length = READ_BYTES;
    loop {
        let bytes = content.read(at, length)?;
        let whole = if bytes.len() < length { bytes.len() } else { complete(&bytes) };
        if bytes.is_empty() {
            return Ok(starts.into_iter().rev().collect());
        }
        if whole == 0 && length < LONG_BYTES_MAX {
            length *= 2;
            continue;
        }
        if whole == 0 {
            return Err(Trouble::Unreadable(format!("a record is longer than {LONG_BYTES_MAX} bytes")));
        }
        for line in lines(&bytes[..whole], at, line_bytes_max).filter(&mut *keep) {
            starts.push_back(line.start);
            if starts.len() > wanted {
                starts.pop_front();
            }
        }
        at += whole as u64;
    }
}

/// The offset just after the last LF before `end`, or `base`, also where that LF is so far back that finding it takes long.
///
/// # Errors
/// What reading gives.
pub(super) fn last_complete(content: &mut Content, base: u64, end: u64) -> Result<u64, Trouble> {
    let least = end.saturating_sub(BACK_BYTES_MAX).max(base);
    let found = record_start(content, least, end)?;
    Ok(if found > least { found } else { base })
}

/// The position that a stream of a log without any content starts at.
pub fn nothing_yet(log: &Log) -> Position {
    let empty = log.state().newest().map(|empty| Position::before_all(log.source, empty.head.base, empty.hint));
    empty.unwrap_or(Position::before_all(log.source, 0, Hint::NO_FILE))
}

/// The places where a log ends now: its newest generation with content, and those before it that can still grow. Reads
/// a file where only that tells the end.
pub fn ends(log: &Log) -> Vec<Place> {
    let (generations, known) = {
        let state = log.state();
        let known = |generation: &Generation| state.end_position(log.source, generation);
        let known: Vec<Option<Position>> = state.generations.iter().map(known).collect();
        (state.generations.clone(), known)
    };
    let newest = generations.iter().rposition(|generation| !generation.is_empty());
    let Some(newest) = newest else { return Vec::new() };
    let ends = generations.iter().zip(known).take(newest + 1).enumerate();
    let ends = ends.filter(|(index, (generation, _))| *index == newest || generation.phase == Phase::Settling);
    ends.filter_map(|(_, (generation, known))| {
        let position = known.or_else(|| end_by_reading(log, generation).ok())?;
        Some(Place { serial: generation.serial, position })
    })
    .collect()
}

/// The end of a generation; reads a file where only that tells.
pub fn end_of(log: &Log, generation: &Generation) -> Result<Position, Trouble> {
    let known = log.state().end_position(log.source, generation);
    known.map_or_else(|| end_by_reading(log, generation), Ok)
}

fn end_by_reading(log: &Log, generation: &Generation) -> Result<Position, Trouble> {
    let mut content = generation.open()?;
    let mut end = generation.head.base;
    loop {
        match content.read(end, READ_BYTES)?.len() {
            0 => break,
            length => end += length as u64,
        }
    }
    let tip_start = generation.head.tip_start(end);
    let tip = content.read(tip_start, (end - tip_start) as usize)?;
    Ok(head_for(generation, &mut content, end)?.position(log.source, generation.hint, end, &tip))
}

/// The head of a generation, as long as positions at `offset` need it: a file that nobody writes any more may yet have grown
/// since its head was read, as an archive to which another one was added.
fn head_for(generation: &Generation, content: &mut Content, offset: u64) -> Result<Head, Trouble> {
    let known = &generation.head;
    if known.generation_at(offset).is_some() {
        return Ok(known.clone());
    }
    let read = content.read(known.base, HEAD_BYTES_MAX)?;
    if !read.starts_with(known.bytes()) {
        return Err(Trouble::Changed(Reason::Rewritten));
    }
    let head = Head::new(known.base, read.into());
    if head.generation_at(offset).is_none() { Err(Trouble::Changed(Reason::Truncated)) } else { Ok(head) }
}

const _: () = assert!(READ_BYTES > HEAD_BYTES_MAX + TIP_BYTES_MAX);
