//! Positions in a log, and the ids that carry them to clients and back.
//!
//! A [`Position`] names one place in one life of one file, as a pure function of the file's bytes and
//! metadata: any agent, at any time, mints the same id for the same record. A [`Cursor`] is what one stream
//! has delivered so far: a position in every log it follows. This module never touches a file; whoever reads
//! the bytes hands them in.
//!
//! # The id
//! ```text
//! 1k3f9.h7k2m9qxw3.182734.x8s0kc.4tbd
//! │└┬─┘ └───┬────┘ └─┬──┘ └─┬──┘ └┬─┘
//! │ src     gen     off    chk   hint
//! └ format version
//! ```
//! Every hash is XXH3-64 of the input below with the seed below, an ASCII letter but for the check (integers
//! little-endian, 8 bytes). Its lowest bits are written in base32, most significant digit first, with the alphabet
//! `0123456789abcdefghjkmnpqrstvwxyz`.
//!
//! | part | bits | seed | input |
//! | --- | --- | --- | --- |
//! | `src` | 20, or 40 where another log's name has the same 20 | `s` | the log's name |
//! | `gen` | 50 | `g` | content `[B, B + min(1024, off − B))`, B = offset of the first byte that is not NUL |
//! | `chk` | 30 | `off` | content `[max(B, off − 240), off)` |
//! | `hint` | 19 + 1 | `i` | inode, then birth time in nanoseconds since 1970 (0 where unknown) |
//!
//! The lowest bit of the hint says whether the position stands alone (0) or is part of a joined id (1), so
//! that an id cut short at a `~` is refused instead of being taken for a whole one. A joined id is
//! `position~position~…~check`, the event's own log first; the check is 30 bits, seed `j`, over all that
//! stands before its `~`.

use std::fmt;
use std::str::FromStr;

use twox_hash::XxHash3_64;

/// How much of a generation's beginning its hash covers, in bytes.
pub const HEAD_BYTES_MAX: usize = 1024;
/// How much of the content before an offset its check covers, in bytes. XXH3 takes half as much time again for one byte more.
pub const TIP_BYTES_MAX: usize = 240;
/// The longest id that is minted or accepted, in bytes: a header line of this size passes every proxy.
pub const CURSOR_BYTES_MAX: usize = 4096;
/// The most positions a cursor can hold and still be written within [`CURSOR_BYTES_MAX`], whatever its offsets.
pub const CURSOR_POSITIONS_MAX: usize = (CURSOR_BYTES_MAX - CHECK_DIGITS) / (POSITION_BYTES_MAX + 1);

const VERSION: u8 = b'1';
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SOURCE_DIGITS: usize = 4;
const LONG_SOURCE_DIGITS: usize = 8;
const GENERATION_DIGITS: usize = 10;
const CHECK_DIGITS: usize = 6;
const HINT_DIGITS: usize = 4;
const OFFSET_DIGITS_MAX: usize = 19; // i64::MAX: no file is longer
const POSITION_BYTES_MAX: usize = 1 + LONG_SOURCE_DIGITS + GENERATION_DIGITS + OFFSET_DIGITS_MAX + CHECK_DIGITS + HINT_DIGITS + 4;

/// Hash of a log's name: which log a position is in. Names nothing that can be traversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u64);

impl SourceId {
    /// What a long one has, and a short one has not.
    const LONG: u64 = 1 << 63;

    /// The id of the log called `name`.
    pub fn of(name: &str) -> Self {
        SourceId(hash(b's'.into(), name.as_bytes(), SOURCE_DIGITS))
    }

    /// The id of a log of which another one's name has the same short hash: one pair in a million does.
    pub fn long(name: &str) -> Self {
        SourceId(hash(b's'.into(), name.as_bytes(), LONG_SOURCE_DIGITS) | Self::LONG)
    }

    fn digits(self) -> usize {
        if self.0 & Self::LONG == 0 { SOURCE_DIGITS } else { LONG_SOURCE_DIGITS }
    }

    fn parse(text: &str) -> Result<Self, BadId> {
        match text.len() {
            LONG_SOURCE_DIGITS => Ok(SourceId(parse_digits(text, LONG_SOURCE_DIGITS)? | Self::LONG)),
            _ => Ok(SourceId(parse_digits(text, SOURCE_DIGITS)?)),
        }
    }
}

/// Hash of the beginning of a generation: which life of which file a position is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GenerationId(u64);

impl GenerationId {
    /// The id that positions carry whose generation starts with `head`, the first `min(1024, off − B)` bytes of content.
    pub fn of(head: &[u8]) -> Self {
        debug_assert!(head.len() <= HEAD_BYTES_MAX);
        GenerationId(hash(b'g'.into(), head, GENERATION_DIGITS))
    }
}

/// Hash of an offset and the up to 240 bytes before it: finds out a rewritten or regrown file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Check(u32);

impl Check {
    /// The check of `offset`, where `tip` is content `[max(B, offset − 240), offset)`.
    pub fn of(offset: u64, tip: &[u8]) -> Self {
        debug_assert!(tip.len() <= TIP_BYTES_MAX);
        Check(hash(offset, tip, CHECK_DIGITS) as u32)
    }
}

/// Hash of a file's inode number and birth time: breaks ties between files of equal content, only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hint(u32);

impl Hint {
    /// The hint of a file; `birth_ns` is 0 where the file system does not keep a birth time.
    pub fn of(inode: u64, birth_ns: u64) -> Self {
        let input = [inode.to_le_bytes(), birth_ns.to_le_bytes()].concat();
        Hint(hash(b'i'.into(), &input, HINT_DIGITS) as u32 & !1)
    }

    /// The hint of a log that has no file yet.
    pub const NO_FILE: Hint = Hint(0);
}

/// As it stands in an id of one position.
impl fmt::Display for Hint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(HINT_DIGITS);
        write_hint(&mut text, *self, false);
        formatter.write_str(&String::from_utf8_lossy(&text))
    }
}

/// The next byte to read in one generation of one log; all before it has been had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The log.
    pub source: SourceId,
    /// The life of the file.
    pub generation: GenerationId,
    /// Bytes of uncompressed content before this position.
    pub offset: u64,
    /// What stood just before it.
    pub check: Check,
    /// The file it was read from.
    pub hint: Hint,
}

impl Position {
    /// The position before the first byte of a generation whose content starts at `base`: it has no content to be
    /// known by and means "nothing of this log had yet".
    pub fn before_all(source: SourceId, base: u64, hint: Hint) -> Self {
        Position { source, generation: GenerationId::of(&[]), offset: base, check: Check::of(base, &[]), hint }
    }

    /// The position of a stream that has no log yet: all that ever comes is behind it.
    pub fn of_no_log() -> Self {
        Position::before_all(SourceId::of(""), 0, Hint::NO_FILE)
    }

    /// Whether this position lies before all content.
    pub fn is_before_all(&self) -> bool {
        self.generation == GenerationId::of(&[])
    }

    fn write(&self, out: &mut Vec<u8>, joined: bool) {
        write_life(out, self.source, self.generation);
        write_decimal(out, self.offset);
        write_check(out, self.check);
        write_hint(out, self.hint, joined);
    }

    fn parse(text: &str) -> Result<(Self, bool), BadId> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(BadId::Shape);
        let head = part()?;
        if head.as_bytes().first() != Some(&VERSION) {
            return Err(BadId::Version);
        }
        let source = SourceId::parse(head.get(1..).ok_or(BadId::Shape)?)?;
        let generation = GenerationId(parse_digits(part()?, GENERATION_DIGITS)?);
        let offset = parse_decimal(part()?)?;
        let check = Check(parse_digits(part()?, CHECK_DIGITS)? as u32);
        let hint = parse_digits(part()?, HINT_DIGITS)? as u32;
        if parts.next().is_some() {
            return Err(BadId::Shape);
        }
        Ok((Position { source, generation, offset, check, hint: Hint(hint & !1) }, hint & 1 == 1))
    }
}

/// What one stream has had: a position in each log that it follows, the latest event's own log first. A log may
/// stand here several times: while an earlier generation of it can still grow, and where lines are open that are to be one
/// record with what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<Position>);

impl Cursor {
    /// A cursor of at least one position.
    ///
    /// # Panics
    /// With no position at all: a stream follows at least one log.
    pub fn new(positions: Vec<Position>) -> Self {
        assert!(!positions.is_empty(), "a cursor holds at least one position");
        Cursor(positions)
    }

    /// The positions, the latest event's own first.
    pub fn positions(&self) -> &[Position] {
        &self.0
    }
}

/// Writes the id of a cursor whose own position is `own` and whose other positions are `others`, as written by
/// [`write_others`]. This is how a stream writes thousands of ids that differ in their first part only.
pub fn write_id(out: &mut Vec<u8>, own: &Position, others: &[u8]) {
    let start = out.len();
    own.write(out, !others.is_empty());
    write_rest(out, start, others);
}

/// Writes what follows the first position of an id that starts at `start` of `out`.
fn write_rest(out: &mut Vec<u8>, start: usize, others: &[u8]) {
    if !others.is_empty() {
        out.extend_from_slice(others);
        let check = hash(b'j'.into(), &out[start..], CHECK_DIGITS);
        out.push(b'~');
        write_digits(out, check, CHECK_DIGITS);
    }
}

/// Writes the part of a joined id that follows its first position: each of `others` with its `~` in front.
pub fn write_others<'a>(out: &mut Vec<u8>, others: impl IntoIterator<Item = &'a Position>) {
    for position in others {
        out.push(b'~');
        position.write(out, true);
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut others, mut id) = (Vec::new(), Vec::new());
        write_others(&mut others, &self.0[1..]);
        write_id(&mut id, &self.0[0], &others);
        f.write_str(str::from_utf8(&id).expect("ids are ASCII"))
    }
}

/// Why a text is not an id. Each says what would be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadId {
    /// Longer than [`CURSOR_BYTES_MAX`].
    TooLong,
    /// Not five parts of the right lengths in the right alphabet.
    Shape,
    /// Not of a format version that this program knows.
    Version,
    /// Part of a joined id, or a joined id cut short.
    Cut,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadId::TooLong => write!(f, "an id has at most {CURSOR_BYTES_MAX} bytes"),
            BadId::Shape => write!(f, "an id looks like 1k3f9.h7k2m9qxw3.182734.x8s0kc.4tbd"),
            BadId::Version => write!(f, "an id starts with the format version 1"),
            BadId::Cut => write!(f, "this is only a part of an id"),
        }
    }
}

impl std::error::Error for BadId {}

impl FromStr for Cursor {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.len() > CURSOR_BYTES_MAX {
            return Err(BadId::TooLong);
        }
        let Some((positions, check)) = text.rsplit_once('~') else {
            return match Position::parse(text)? {
                (position, false) => Ok(Cursor(vec![position])),
                (_, true) => Err(BadId::Cut),
            };
        };
        if parse_digits(check, CHECK_DIGITS) != Ok(hash(b'j'.into(), positions.as_bytes(), CHECK_DIGITS)) {
            return Err(BadId::Cut);
        }
        let positions = positions.split('~').map(|text| match Position::parse(text)? {
            (position, true) => Ok(position),
            (_, false) => Err(BadId::Cut),
        });
        let positions = positions.collect::<Result<Vec<_>, _>>()?;
        if positions.len() < 2 { Err(BadId::Cut) } else { Ok(Cursor(positions)) }
    }
}

/// Mints the ids of many events that differ in offset and check only: all else is written once, and what stands around
/// them too.
#[derive(Debug)]
pub struct Mint<'a> {
    source: SourceId,
    generation: GenerationId,
    hint: Hint,
    others: &'a [u8],
    around: (&'a [u8], &'a [u8]),
    /// An id with what stands around it, filled up to [`MINT_BYTES`]: what changes from one to the next is still to be put
    /// in.
    text: Vec<u8>,
    /// How long that is without the filling.
    length: usize,
    /// Where its check starts.
    check: usize,
    /// All but the last [`LOW_DIGITS`] digits of its offset; 0, where it has no others.
    high: u64,
}

/// A copy of so many bytes is a few instructions, and most ids with what stands around them are no longer.
const MINT_BYTES: usize = 64;
/// How many digits of an offset a mint writes anew for each id.
const LOW_DIGITS: usize = 6;
const LOW: u64 = 10_u64.pow(LOW_DIGITS as u32);

impl<'a> Mint<'a> {
    /// For the positions of `source` in `generation` that were read from the file of `hint`; `others` is the rest of their
    /// id, as written by [`write_others`].
    pub fn new(source: SourceId, generation: GenerationId, hint: Hint, others: &'a [u8]) -> Self {
        Mint { source, generation, hint, others, around: (b"", b""), text: Vec::new(), length: 0, check: 0, high: 0 }
    }

    /// With text before and behind each id.
    pub fn around(self, before: &'a [u8], after: &'a [u8]) -> Self {
        Mint { around: (before, after), high: 0, ..self }
    }

    /// Appends the id of the position at `offset`, where `tip` is the content before it that its check covers.
    pub fn write(&mut self, offset: u64, tip: &[u8], out: &mut Vec<u8>) {
        if offset / LOW != self.high || self.high == 0 {
            self.lay_out(offset);
        }
        let start = out.len();
        match self.text.first_chunk::<MINT_BYTES>() {
            Some(block) if self.length <= MINT_BYTES => out.extend_from_slice(block),
            _ => out.extend_from_slice(&self.text),
        }
        out.truncate(start + self.length);
        // Into the copy, not before it: a wide read of bytes that were written one by one just now takes long.
        let text = &mut out[start..];
        if self.high > 0 {
            put_decimal(&mut text[self.check - 1 - LOW_DIGITS..self.check - 1], offset % LOW);
        }
        put_digits(&mut text[self.check..self.check + CHECK_DIGITS], Check::of(offset, tip).0.into());
        if !self.others.is_empty() {
            let (before, after) = self.around;
            let id = &mut text[before.len()..self.length - after.len()];
            let (joined, whole) = id.split_at_mut(id.len() - CHECK_DIGITS);
            put_digits(whole, hash(b'j'.into(), &joined[..joined.len() - 1], CHECK_DIGITS));
        }
    }

    /// Writes what ids around `offset` have in common.
    fn lay_out(&mut self, offset: u64) {
        let Mint { source, generation, hint, others, around: (before, after), .. } = *self;
        self.text.clear();
        self.text.extend_from_slice(before);
        write_id(&mut self.text, &Position { source, generation, offset, check: Check(0), hint }, others);
        self.text.extend_from_slice(after);
        self.length = self.text.len();
        self.text.resize(self.length.max(MINT_BYTES), 0);
        let digits = offset.checked_ilog10().map_or(1, |log| log as usize + 1);
        self.check = before.len() + 1 + source.digits() + 1 + GENERATION_DIGITS + 1 + digits + 1;
        self.high = offset / LOW;
    }
}

/// The lowest `5 * digits` bits of the hash of `input`.
fn hash(seed: u64, input: &[u8], digits: usize) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, input) & ((1 << (5 * digits)) - 1)
}

/// Writes what a position starts with: the log, and the life of its file.
fn write_life(out: &mut Vec<u8>, source: SourceId, generation: GenerationId) {
    out.push(VERSION);
    write_digits(out, source.0, source.digits());
    out.push(b'.');
    write_digits(out, generation.0, GENERATION_DIGITS);
    out.push(b'.');
}

fn write_check(out: &mut Vec<u8>, check: Check) {
    out.push(b'.');
    write_digits(out, u64::from(check.0), CHECK_DIGITS);
    out.push(b'.');
}

fn write_hint(out: &mut Vec<u8>, hint: Hint, joined: bool) {
    write_digits(out, u64::from(hint.0 | u32::from(joined)), HINT_DIGITS);
}

fn write_digits(out: &mut Vec<u8>, value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, 0);
    put_digits(&mut out[start..], value);
}

/// Fills `place` with the lowest digits of `value`.
fn put_digits(place: &mut [u8], mut value: u64) {
    for letter in place.iter_mut().rev() {
        *letter = ALPHABET[value as usize & 31];
        value >>= 5;
    }
}

fn parse_digits(text: &str, digits: usize) -> Result<u64, BadId> {
    if text.len() != digits {
        return Err(BadId::Shape);
    }
    text.bytes().try_fold(0, |value, byte| {
        let digit = ALPHABET.iter().position(|&letter| letter == byte).ok_or(BadId::Shape)?;
        Ok(value << 5 | digit as u64)
    })
}

fn write_decimal(out: &mut Vec<u8>, value: u64) {
    let start = out.len();
    out.resize(start + value.checked_ilog10().map_or(1, |log| log as usize + 1), 0);
    put_decimal(&mut out[start..], value);
}

/// Fills `place` with the decimal digits of `value`, of which there are as many.
fn put_decimal(place: &mut [u8], mut value: u64) {
    // Two at a time: half as many divisions.
    let mut pairs = place.rchunks_exact_mut(2);
    for pair in &mut pairs {
        let digits = (value % 100) as u8;
        value /= 100;
        (pair[0], pair[1]) = (b'0' + digits / 10, b'0' + digits % 10);
    }
    if let [first] = pairs.into_remainder() {
        *first = b'0' + value as u8;
    }
}

/// A decimal number in its one spelling: no sign, no leading zero, no more than a file's largest size.
fn parse_decimal(text: &str) -> Result<u64, BadId> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse::<i64>() {
        Ok(value) if canonical => u64::try_from(value).map_err(|_| BadId::Shape),
        _ => Err(BadId::Shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(name: &str, offset: u64) -> Position {
        Position {
            source: SourceId::of(name),
            generation: GenerationId::of(b"2026-11-22 first line\n"),
            offset,
            check: Check::of(offset, b"last line\n"),
            hint: Hint::of(42, 1_795_000_000_000_000_000),
        }
    }

    /// Ids are for ever: an agent of next year must understand today's. If this fails, the format version must change.
    #[test]
    fn the_id_of_known_bytes_never_changes() {
        let one = Cursor::new(vec![position("app", 182_734)]);
        assert_eq!(one.to_string(), "10b3k.y7pzvrtf6y.182734.f3fqfn.91sc");
        let two = Cursor::new(vec![position("app", 22), position("web", 7)]);
        assert_eq!(two.to_string(), "10b3k.y7pzvrtf6y.22.gvghq7.91sd~12v5q.y7pzvrtf6y.7.cdzkad.91sd~h7mt0f");
    }

    proptest! {
        #[test]
        fn a_mint_writes_what_positions_write(
            offsets in prop::collection::vec((0..u64::MAX >> 1, 0..63), 1..9), tip in any::<[u8; 32]>(), joined in any::<bool>(),
        ) {
            let (mut others, mut expected, mut minted) = (Vec::new(), Vec::new(), Vec::new());
            write_others(&mut others, joined.then_some(&position("web", 7)));
            let own = position("app", 0);
            let mut mint = Mint::new(own.source, own.generation, own.hint, &others).around(b"id: ", b"\n");
            for offset in offsets.into_iter().map(|(offset, shift)| offset >> shift) {
                expected.extend_from_slice(b"id: ");
                write_id(&mut expected, &Position { offset, check: Check::of(offset, &tip), ..own }, &others);
                expected.push(b'\n');
                mint.write(offset, &tip, &mut minted);
            }
            prop_assert_eq!(expected, minted);
        }
    }

    #[test]
    fn an_id_has_only_letters_that_every_client_and_proxy_passes() {
        let id = Cursor::new(vec![position("a", 1), position("b", u64::MAX >> 1)]).to_string();
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".~-".contains(&byte)));
    }

    #[test]
    fn as_many_positions_as_are_allowed_fit_the_longest_id() {
        let longest = Position { source: SourceId::long("a"), ..position("a", i64::MAX as u64) };
        let all = Cursor::new(vec![longest; CURSOR_POSITIONS_MAX]);
        assert!(all.to_string().len() <= CURSOR_BYTES_MAX);
        assert_eq!(all.to_string().parse(), Ok(all));
    }

    fn any_position() -> impl Strategy<Value = Position> {
        let head = proptest::collection::vec(any::<u8>(), 0..=HEAD_BYTES_MAX);
        let tip = proptest::collection::vec(any::<u8>(), 0..=TIP_BYTES_MAX);
        (".{0,40}", head, 0..=i64::MAX as u64, tip, any::<(u64, u64, bool)>()).prop_map(|(name, head, offset, tip, any)| {
            Position {
                source: if any.2 { SourceId::long(&name) } else { SourceId::of(&name) },
                generation: GenerationId::of(&head),
                offset,
                check: Check::of(offset, &tip),
                hint: Hint::of(any.0, any.1),
            }
        })
    }

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        proptest::collection::vec(any_position(), 1..6).prop_map(Cursor::new)
    }

    proptest! {
        #[test]
        fn every_id_round_trips(cursor in any_cursor()) {
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn no_beginning_of_an_id_is_an_id(cursor in any_cursor()) {
            let id = cursor.to_string();
            for cut in 0..id.len() {
                prop_assert!(id[..cut].parse::<Cursor>().is_err(), "{} was taken", &id[..cut]);
            }
        }

        #[test]
        fn an_id_has_one_spelling(text in "1([0-9a-z]{4}){1,2}\\.[0-9a-z]{10}\\.[0-9]{1,20}\\.[0-9a-z]{6}\\.[0-9a-z]{4}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn nonsense_is_refused_without_a_panic(text in any::<String>()) {
            prop_assert!(text.parse::<Cursor>().is_err());
        }
    }
}
