//! Reading a log backwards from a place, for as long as there is time. Reads files: blocks. Never says that it read more
//! than it did.

use std::collections::BTreeMap;
use std::time::Instant;

use memchr::memchr;

use super::catalog::Log;
use super::content::{Content, READ_BYTES, Storage};
use super::generation::Generation;
use super::read::{LONG_BYTES_MAX, Place, Trouble};
use super::split::{Line, lines};
use crate::event::Reason;

/// How much of a compressed file is unpacked for one step back, in bytes: going back in one is dear.
const PACKED_BYTES: usize = 4 << 20;

/// Up to where the generations of a log were read, by serial; what is not in it was not begun.
pub type Bounds = BTreeMap<u64, u64>;

/// What going back came to.
#[derive(Debug)]
pub struct Back<T> {
    /// Where the records start that were kept, as serial and offset, and what was made of them; the newest first.
    pub found: Vec<(u64, u64, T)>,
    /// Where it stopped, as serial and offset; `None` where nothing is before.
    pub reached: Option<(u64, u64)>,
}

/// What of a log is before `places`, the oldest of which comes first.
pub fn bounds(log: &Log, places: &[Place]) -> Bounds {
    let Some(newest) = places.last() else { return Bounds::new() };
    let state = log.state();
    let serials = state.generations.iter().map(|generation| generation.serial).filter(|serial| *serial <= newest.serial);
    let named = |serial| places.iter().find(|place| place.serial == serial).map(|place| place.position.offset);
    serials.map(|serial| (serial, named(serial).unwrap_or(u64::MAX))).collect()
}

/// The last `count` records within `bounds` of which `keep` makes something. Stops when it is `until`, after one step at
/// least, and at a generation that can't be read: before its beginning, so that whoever reads on from there meets it.
pub fn back<T>(
    log: &Log,
    bounds: &Bounds,
    count: usize,
    line_bytes_max: usize,
    until: Instant,
    keep: &mut dyn FnMut(u64, &Line<'_>) -> Option<T>,
) -> Back<T> {
    let generations = log.state().generations.clone();
    let mut found = Vec::new();
    for generation in generations.iter().rev().filter(|generation| generation.storage != Storage::Lost) {
        let Some(&bound) = bounds.get(&generation.serial) else { continue };
        let walk = Walk { generation, count, line_bytes_max, until };
        match walk.back(bound, &mut found, keep) {
            Ok(None) => {}
            Ok(Some(offset)) => return Back { found, reached: Some((generation.serial, offset)) },
            Err(_) => return Back { found, reached: Some((generation.serial, generation.first())) },
        }
        if Instant::now() >= until {
            return Back { found, reached: Some((generation.serial, generation.first())) };
        }
    }
    Back { found, reached: None }
}

/// The way back through one generation.
struct Walk<'a> {
    generation: &'a Generation,
    count: usize,
    line_bytes_max: usize,
    until: Instant,
}

impl Walk<'_> {
    /// Goes back from `bound`; where it stopped before it came to the beginning, if it did.
    fn back<T>(
        &self,
        bound: u64,
        found: &mut Vec<(u64, u64, T)>,
        keep: &mut dyn FnMut(u64, &Line<'_>) -> Option<T>,
    ) -> Result<Option<u64>, Trouble> {
        let (serial, base) = (self.generation.serial, self.generation.first());
        let mut content = self.generation.open()?;
        let step = if matches!(content, Content::Packed(_)) { PACKED_BYTES } else { READ_BYTES };
        let mut to = bound.min(self.generation.end);
        if to == Generation::UNKNOWN_END {
            to = end_of(&mut content, base)?;
        }
        let mut length = step;
        while to > base {
            let from = to.saturating_sub(length as u64).max(base);
            let bytes = content.read(from, (to - from) as usize)?;
            if (bytes.len() as u64) < to - from {
                return Err(Trouble::Changed(Reason::Truncated));
            }
            let Some(first) = first_record(&bytes, from == base) else {
                if length >= LONG_BYTES_MAX {
                    return Err(Trouble::Unreadable(format!("a record is longer than {LONG_BYTES_MAX} bytes")));
                }
                length *= 2;
                continue;
            };
            to = from + first as u64;
            length = step;
            let kept = lines(&bytes[first..], to, self.line_bytes_max);
            let kept: Vec<_> = kept.filter_map(|line| Some((serial, line.start, keep(serial, &line)?))).collect();
            found.extend(kept.into_iter().rev().take(self.count - found.len()));
            match found.last() {
                Some(&(_, start, _)) if found.len() == self.count => return Ok(Some(start)),
                _ if to > base && Instant::now() >= self.until => return Ok(Some(to)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Where the first record begins in `bytes`, which may begin in the middle of one.
fn first_record(bytes: &[u8], at_beginning: bool) -> Option<usize> {
    if at_beginning {
        return Some(0);
    }
    memchr(b'\n', bytes).map(|lf| lf + 1).filter(|&first| first < bytes.len())
}

/// The end of a content that only reading tells.
fn end_of(content: &mut Content, base: u64) -> Result<u64, Trouble> {
    let mut end = base;
    loop {
        match content.read(end, PACKED_BYTES)?.len() {
            0 => return Ok(end),
            length => end += length as u64,
        }
    }
}
