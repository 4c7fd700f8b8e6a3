//! Sifts many lines at once: which of them rules may touch, which of the others a client's filter keeps. Searches whole
//! blocks and cuts out lines only where something is found. Pure.

use memchr::{memchr, memchr_iter, memrchr};

use super::filter::{Filter, Pattern};
use crate::source::split::Line;

/// What comes next in a block of lines; offsets into the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sifted {
    /// Lines that no rule touches and the filter keeps.
    Kept(usize, usize),
    /// Lines that no rule touches and the filter does not keep.
    Left(usize, usize),
    /// One line that is to be looked at by itself.
    Alone(usize, usize),
}

/// Goes through a block of whole lines; the last may lack its terminator.
pub struct Sieve<'a> {
    bytes: &'a [u8],
    at: usize,
    crlf: bool,
    line_bytes_max: usize,
    /// The next line that is longer than that, or the end, once it was looked for.
    long: Option<usize>,
    touching: Vec<Search<'a>>,
    filter: &'a Filter,
    /// Patterns of which a line that the filter keeps has the first, or has none.
    lead: Vec<Search<'a>>,
}

/// A pattern, and where it may match next.
struct Search<'a> {
    pattern: &'a Pattern,
    found: Option<Found>,
    searched: bool,
}

/// A line that may match: it does if what was found ends in it.
#[derive(Clone, Copy)]
struct Found {
    line: usize,
    end: usize,
}

impl<'a> Search<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        Search { pattern, found: None, searched: false }
    }

    /// The first line from `at` on that may match.
    fn next(&mut self, bytes: &[u8], at: usize, crlf: bool) -> Option<Found> {
        if !self.searched || self.found.is_some_and(|found| found.line < at) {
            self.searched = true;
            let found = self.pattern.find(bytes, at, crlf);
            self.found = found.map(|found| Found { line: line_start(bytes, found.start), end: found.end });
        }
        self.found
    }
}

impl<'a> Sieve<'a> {
    /// A sieve for `bytes`, in which lines that `touching` may match are not judged.
    pub fn new(bytes: &'a [u8], filter: &'a Filter, touching: &[&'a Pattern], line_bytes_max: usize) -> Self {
        let lead = if filter.all.is_empty() { &filter.none[..] } else { &filter.all[..1] };
        let all = || lead.iter().chain(touching.iter().copied());
        let crlf = all().any(Pattern::sees_ends) && memchr(b'\r', bytes).is_some();
        let touching = touching.iter().map(|pattern| Search::new(pattern)).collect();
        let lead = lead.iter().map(Search::new).collect();
        Sieve { bytes, at: 0, crlf, line_bytes_max, long: None, touching, filter, lead }
    }

    /// The first line from here on that is to be looked at by itself; the end, if there is none.
    fn touched(&mut self) -> usize {
        let (bytes, at, crlf) = (self.bytes, self.at, self.crlf);
        let touched = self.touching.iter_mut().filter_map(|search| search.next(bytes, at, crlf)).map(|found| found.line).min();
        touched.unwrap_or(bytes.len()).min(self.too_long())
    }

    /// The first line from here on that is longer than a line may be; the end, if there is none.
    fn too_long(&mut self) -> usize {
        if self.long.is_none_or(|long| long < self.at) {
            let (mut start, end) = (self.at, self.bytes.len());
            let fits = end - start <= self.line_bytes_max;
            let ends = memchr_iter(b'\n', &self.bytes[start..]).map(|lf| self.at + lf).chain([end]);
            let mut starts = ends.filter_map(|lf| {
                let line = std::mem::replace(&mut start, lf + 1);
                (lf - line > self.line_bytes_max).then_some(line)
            });
            self.long = Some(if fits { end } else { starts.next().unwrap_or(end) });
        }
        self.long.unwrap_or(self.bytes.len())
    }

    /// The first line from here on that the filter may judge otherwise than those before.
    fn doubtful(&mut self) -> Option<Found> {
        let (bytes, at, crlf) = (self.bytes, self.at, self.crlf);
        self.lead.iter_mut().filter_map(|search| search.next(bytes, at, crlf)).min_by_key(|found| found.line)
    }

    /// The lines before `end`, none of which a rule touches.
    fn untouched(&mut self, end: usize) -> Sifted {
        let start = self.at;
        let keeps_rest = self.filter.all.is_empty() && self.filter.wants_unnamed();
        if self.lead.is_empty() || !self.filter.wants_unnamed() {
            self.at = end;
            return if keeps_rest { Sifted::Kept(start, end) } else { Sifted::Left(start, end) };
        }
        let lead_decides = self.filter.all.is_empty() || (self.filter.all.len() == 1 && self.filter.none.is_empty());
        // Lines that follow each other and are judged alike go together.
        let mut kept = None;
        while self.at < end {
            let (judged, next) = match self.doubtful().filter(|found| found.line < end) {
                Some(found) if found.line == self.at => {
                    let next = line_end(self.bytes, self.at);
                    let line = Line::new(&self.bytes[self.at..next], 1, 1 + (next - self.at) as u64, usize::MAX);
                    let matches = found.end <= self.at + line.bytes.len();
                    (if lead_decides && matches { !keeps_rest } else { self.filter.keeps_text(line.bytes) }, next)
                }
                found => (keeps_rest, found.map_or(end, |found| found.line)),
            };
            if *kept.get_or_insert(judged) != judged {
                break;
            }
            self.at = next;
        }
        if kept == Some(true) { Sifted::Kept(start, self.at) } else { Sifted::Left(start, self.at) }
    }
}

impl Iterator for Sieve<'_> {
    type Item = Sifted;

    fn next(&mut self) -> Option<Sifted> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let touched = self.touched();
        if touched > self.at {
            return Some(self.untouched(touched));
        }
        let start = std::mem::replace(&mut self.at, line_end(self.bytes, touched));
        Some(Sifted::Alone(start, self.at))
    }
}

/// The beginning of the line that holds the byte at `at`.
fn line_start(bytes: &[u8], at: usize) -> usize {
    memrchr(b'\n', &bytes[..at]).map_or(0, |lf| lf + 1)
}

/// The end of the line that starts at `start`, behind its terminator.
fn line_end(bytes: &[u8], start: usize) -> usize {
    memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |lf| start + lf + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::split::lines;
    use proptest::prelude::*;

    /// Patterns that mean something at line ends, match nothing, match everything, or could match over several lines.
    const PATTERNS: [&str; 24] = [
        "a",
        "b+",
        "^a",
        "a$",
        "^$",
        "^ab?$",
        r"\Ab",
        r"b\z",
        "[^a]b",
        r"a\s*b",
        "(?s)a.b",
        "(?m)^b",
        "a.*b",
        "(?-u:a)",
        "",
        r"\bab\b",
        "(?i)A",
        "é",
        r"a\r?$",
        "(?R)a.b$",
        "(?R)^a",
        "(?s)[^a]*b",
        r"(?P<x>a-b)",
        r"\n",
    ];

    fn filter(all: &[&str], none: &[&str]) -> Filter {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Filter { all: patterns(all), none: patterns(none), ..Filter::default() }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop::sample::select(b"aaabbAB \r\n\n\n-\xC3\xA9".to_vec());
        prop::collection::vec(byte, 0..60)
    }

    fn some() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(PATTERNS.to_vec()), 0..3)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn whole_blocks_are_judged_as_their_lines_are(
            bytes in text(), all in some(), none in some(), touching in some(), limit in 1usize..80,
        ) {
            let filter = filter(&all, &none);
            let touching: Vec<Pattern> = touching.iter().map(|text| Pattern::new(text).unwrap()).collect();
            let mut at = 0;
            for sifted in Sieve::new(&bytes, &filter, &touching.iter().collect::<Vec<_>>(), limit) {
                let (Sifted::Kept(start, end) | Sifted::Left(start, end) | Sifted::Alone(start, end)) = sifted;
                prop_assert_eq!(start, at, "adjacent");
                at = end;
                for line in lines(&bytes[start..end], 1, usize::MAX) {
                    let touched = touching.iter().any(|pattern| pattern.matches(line.bytes));
                    match sifted {
                        Sifted::Alone(..) => prop_assert_eq!(line.end as usize, 1 + end - start, "one line"),
                        Sifted::Kept(..) => prop_assert!(!touched && filter.keeps_text(line.bytes) && line.known.len() <= limit),
                        Sifted::Left(..) => prop_assert!(!touched && !filter.keeps_text(line.bytes)),
                    }
                }
            }
            prop_assert_eq!(at, bytes.len(), "all");
        }
    }

    #[test]
    fn lines_that_are_judged_alike_come_together() {
        let bytes = b"one\ntwo x\nthree x\nfour\nfive secret x\nsix x\n";
        let (filter, secret) = (filter(&["x"], &[]), Pattern::new("secret").unwrap());
        let sifted: Vec<_> = Sieve::new(bytes, &filter, &[&secret], 100).collect();
        let expected =
            [Sifted::Left(0, 4), Sifted::Kept(4, 18), Sifted::Left(18, 23), Sifted::Alone(23, 37), Sifted::Kept(37, 43)];
        assert_eq!(sifted, expected);
    }
}
