//! What a reader should get, and what it got: every line's number is looked at, none is taken on trust.

use super::line::{self, ERROR_EVERY, ERROR_FIRST, MARK, MARK_BYTES};

/// The numbers that a reader should see.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    first: u64,
    /// The last of them, or none where the end is not known.
    last: Option<u64>,
    step: u64,
}

impl Expected {
    /// All from `first` to `last`.
    pub fn all(first: u64, last: u64) -> Self {
        Expected { first, last: Some(last), step: 1 }
    }

    /// The errors among the first `lines` lines.
    pub fn errors(lines: u64) -> Self {
        let last = lines.saturating_sub(1 + ERROR_FIRST) / ERROR_EVERY * ERROR_EVERY + ERROR_FIRST;
        Expected { first: ERROR_FIRST, last: Some(last), step: ERROR_EVERY }
    }

    /// No end: the reader stays.
    pub fn open() -> Self {
        Expected { first: 0, last: None, step: 1 }
    }
}

/// How far a reader is.
pub struct Sequence {
    expected: Expected,
    next: u64,
    /// Lines seen.
    pub lines: u64,
    /// Lines that were jumped over, up to now.
    skipped: u64,
    /// Lines that came again, or late.
    pub doubled: u64,
    /// Lines that should not have come.
    pub unwanted: u64,
}

impl Sequence {
    /// At the start of `expected`.
    pub fn new(expected: Expected) -> Self {
        Sequence { next: expected.first, expected, lines: 0, skipped: 0, doubled: 0, unwanted: 0 }
    }

    /// Whether the last line was seen.
    pub fn done(&self) -> bool {
        self.expected.last.is_some_and(|last| self.next > last)
    }

    /// How many lines never came.
    pub fn missing(&self) -> u64 {
        let ahead = self.expected.last.filter(|&last| self.next <= last);
        self.skipped + ahead.map_or(0, |last| (last - self.next) / self.expected.step + 1)
    }

    fn see(&mut self, sequence: u64) {
        self.lines += 1;
        let step = self.expected.step;
        if sequence % step != self.expected.first % step {
            self.unwanted += 1;
        } else if sequence < self.next {
            self.doubled += 1;
        } else {
            self.skipped += (sequence - self.next) / step;
            self.next = sequence + step;
        }
    }
}

/// Finds the marks in what a reader gets, wherever it is cut.
pub struct Scanner {
    /// How far it is.
    pub sequence: Sequence,
    carry: Vec<u8>,
}

impl Scanner {
    /// For a reader of `expected`.
    pub fn new(expected: Expected) -> Self {
        Scanner { sequence: Sequence::new(expected), carry: Vec::new() }
    }

    /// Takes the next bytes; calls `written` with the time of each line's writing.
    pub fn feed(&mut self, bytes: &[u8], mut written: impl FnMut(u64)) {
        let mut rest = bytes;
        if !self.carry.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(MARK_BYTES - self.carry.len()));
            self.carry.extend_from_slice(head);
            rest = tail;
            let Some(mark) = self.carry.first_chunk::<MARK_BYTES>() else { return };
            if let Some((sequence, time)) = line::parse_mark(mark) {
                self.sequence.see(sequence);
                written(time);
            }
            self.carry.clear();
        }
        while let Some(start) = memchr::memchr(MARK, rest) {
            rest = &rest[start..];
            let Some(mark) = rest.first_chunk::<MARK_BYTES>() else {
                self.carry.extend_from_slice(rest);
                return;
            };
            match line::parse_mark(mark) {
                Some((sequence, time)) => {
                    self.sequence.see(sequence);
                    written(time);
                    rest = &rest[MARK_BYTES..];
                }
                None => rest = &rest[1..],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        numbers.iter().for_each(|&number| line::push(&mut bytes, number, 7));
        bytes
    }

    #[test]
    fn lines_are_counted_wherever_the_bytes_are_cut() {
        let bytes = lines(&[0, 1, 2, 3]);
        for cut in 0..bytes.len() {
            let mut scanner = Scanner::new(Expected::all(0, 3));
            let mut times = 0;
            for piece in [&bytes[..cut], &bytes[cut..]] {
                scanner.feed(piece, |time| times += time);
            }
            assert!(scanner.sequence.done());
            assert_eq!((scanner.sequence.missing(), scanner.sequence.doubled, times), (0, 0, 28), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_missing_doubled_or_unwanted_is_found() {
        let mut scanner = Scanner::new(Expected::all(0, 9));
        scanner.feed(&lines(&[0, 1, 4, 4, 5, 3, 7]), |_| ());
        assert_eq!((scanner.sequence.missing(), scanner.sequence.doubled), (2 + 1 + 2, 2));
        let mut errors = Scanner::new(Expected::errors(1000));
        errors.feed(&lines(&[37, 137, 138, 337]), |_| ());
        assert_eq!((errors.sequence.missing(), errors.sequence.unwanted), (1 + 6, 1));
    }
}
