//! Cuts bytes into lines, and is the only place that counts offsets. Pure: never reads a file, never waits.

use memchr::{memchr, memrchr};

/// How much of a line over the limit rules see beyond it, in bytes: a secret that the cut goes through is still known.
pub const BEYOND_BYTES: usize = 4096;

/// One line of a log and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset just after its terminator.
    pub end: u64,
    /// Its bytes without LF or CR LF, cut to the limit between two characters.
    pub bytes: &'a [u8],
    /// The same, and what is known of it beyond the limit: what rules look at.
    pub known: &'a [u8],
    /// Its real length in bytes, if it was cut.
    pub cut_from: Option<u64>,
}

/// The lines of `bytes`, which begin at the offset `start` and at the beginning of a line. Bytes after the last LF
/// are a line too: whoever calls knows whether more of it can still come.
pub fn lines(bytes: &[u8], start: u64, line_bytes_max: usize) -> impl Iterator<Item = Line<'_>> {
    let (mut rest, mut at) = (bytes, start);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let (line, after) = rest.split_at(length);
        let line = Line::new(line, at, at + length as u64, line_bytes_max);
        (rest, at) = (after, line.end);
        Some(line)
    })
}

impl<'a> Line<'a> {
    /// The line that stands at `[start, end)`, of which `bytes` are the beginning, or all.
    pub fn new(bytes: &'a [u8], start: u64, end: u64, line_bytes_max: usize) -> Self {
        let whole = bytes.len() as u64 == end - start;
        let known = if start == 0 { bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes) } else { bytes };
        let known = without_terminator(known);
        if whole && known.len() <= line_bytes_max {
            return Line { start, end, bytes: known, known, cut_from: None };
        }
        // A line of which only the beginning is known has a terminator: only a generation's last one may lack it.
        let length = if whole { known.len() as u64 } else { end - start - 1 };
        // Not more where more is known: rules say the same of it wherever it comes from.
        let known = &known[..known.len().min(line_bytes_max + BEYOND_BYTES)];
        Line { start, end, bytes: cut(known, line_bytes_max), known, cut_from: Some(length) }
    }

    /// Whether all of it is known.
    pub fn is_known(&self) -> bool {
        self.cut_from.is_none_or(|length| self.known.len() as u64 == length)
    }
}

/// How many of `bytes` are whole lines: all up to and with the last LF.
pub fn complete(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or(0, |lf| lf + 1)
}

fn without_terminator(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        line => line,
    }
}

/// The beginning of `bytes`, at most `limit` of them, without cutting a UTF-8 character in two.
pub fn cut(bytes: &[u8], limit: usize) -> &[u8] {
    let limit = limit.min(bytes.len());
    let is_boundary = |at: usize| bytes.get(at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000);
    &bytes[..(limit.saturating_sub(3)..=limit).rev().find(|&at| is_boundary(at)).unwrap_or(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], start: u64) -> Vec<(u64, u64, Vec<u8>)> {
        lines(bytes, start, 1 << 20).map(|line| (line.start, line.end, line.bytes.to_vec())).collect()
    }

    #[test]
    fn terminators_count_in_offsets_and_are_not_in_the_line() {
        let expected = [(5, 7, &b"a"[..]), (7, 10, b"b"), (10, 11, b""), (11, 15, b"c\rd"), (15, 16, b"e")];
        let expected: Vec<_> = expected.map(|(start, end, line)| (start, end, line.to_vec())).into();
        assert_eq!(all(b"a\nb\r\n\nc\rd\ne", 5), expected);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line_but_of_its_offset() {
        assert_eq!(all(b"\xEF\xBB\xBFa\n", 0), [(0, 5, b"a".to_vec())]);
        assert_eq!(all(b"\xEF\xBB\xBFa\n", 9), [(9, 14, b"\xEF\xBB\xBFa".to_vec())]);
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters_and_says_how_long_it_was() {
        let line = lines("aé€x\nnext\n".as_bytes(), 0, 4).next().unwrap();
        assert_eq!((line.bytes, line.cut_from, line.end), ("aé".as_bytes(), Some(7), 8));
    }

    proptest! {
        #[test]
        fn any_cut_of_the_bytes_gives_the_same_lines_and_offsets(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..10),
        ) {
            let mut pieced = Vec::new();
            let mut start = 0;
            let mut cuts: Vec<_> = cuts.into_iter().filter(|&cut| cut < bytes.len()).collect();
            cuts.sort_unstable();
            for cut in cuts.into_iter().chain([bytes.len()]) {
                let whole = if cut == bytes.len() { cut } else { start + complete(&bytes[start..cut.max(start)]) };
                pieced.extend(all(&bytes[start..whole], start as u64));
                start = whole;
            }
            prop_assert_eq!(pieced, all(&bytes, 0));
        }

        #[test]
        fn lines_are_adjacent_and_cover_all_bytes(bytes in any::<Vec<u8>>(), limit in 1usize..50) {
            let mut at = 0;
            for line in lines(&bytes, 0, limit) {
                prop_assert_eq!(line.start, at);
                prop_assert!(line.bytes.len() <= limit && line.end > line.start);
                at = line.end;
            }
            prop_assert_eq!(at, bytes.len() as u64);
        }
    }
}
