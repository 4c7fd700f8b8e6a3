//! Patterns over lines, and the filter that a client asks for. The only place that names `regex`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{
    Capture, Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Literal, Look, LookSet,
    Repetition,
};

use crate::format::fields::json_of_captures;
use crate::format::level::Level;
use crate::record::Record;

/// The longest pattern, in bytes of its text.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// The most memory that one compiled pattern may take, in bytes.
pub const COMPILED_BYTES_MAX: usize = 1 << 20;
/// The most patterns of one request.
pub const PATTERNS_MAX: usize = 16;

/// A regular expression over the bytes of a line. Matching takes time linear in the line.
#[derive(Clone, Debug)]
pub struct Pattern {
    line: Regex,
    /// The same over many lines at once, where that finds each line that matches.
    block: Option<Regex>,
    /// Whether it looks at line ends: over many lines that is right only where none of them ends with CR LF.
    sees_ends: bool,
}

/// Why a text is no pattern, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern(String);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPattern {}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Where it is no regular expression of the `regex` crate's syntax, matches nothing whatever stands there, or is over a
    /// limit.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(BadPattern(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes")));
        }
        let mut builder = RegexBuilder::new(text);
        let line = builder.size_limit(COMPILED_BYTES_MAX).build().map_err(|error| BadPattern(sentence(text, &error)))?;
        let parsed = |multi_line| regex_syntax::ParserBuilder::new().utf8(false).multi_line(multi_line).build().parse(text).ok();
        if parsed(false).is_some_and(|parsed| parsed.properties().minimum_len().is_none()) {
            return Err(BadPattern(format!("the pattern {text:?} matches nothing, whatever stands there")));
        }
        let parsed = parsed(true).map(within_lines);
        let looks = parsed.as_ref().map_or(LookSet::empty(), |parsed| parsed.properties().look_set());
        // What would not mean the same at the ends of lines is looked for line by line.
        let is_same = !looks.contains_anchor_haystack() && !looks.contains_anchor_crlf() && !line.is_match(b"");
        let block = |parsed: Hir| RegexBuilder::new(&parsed.to_string()).size_limit(COMPILED_BYTES_MAX).build().ok();
        Ok(Pattern { block: parsed.filter(|_| is_same).and_then(block), line, sees_ends: looks.contains(Look::EndLF) })
    }

    /// Where in `bytes`, whole lines, the next line is that may match: what is found starts somewhere in that line, at
    /// `from` or behind; `None` where no further line matches. The line does match if what is found ends in it, too, as it
    /// always does but where lines are looked at one by one. `from` is the beginning of a line, `crlf` whether there may be
    /// a CR.
    pub fn find(&self, bytes: &[u8], from: usize, crlf: bool) -> Option<Range<usize>> {
        match &self.block {
            Some(block) if !(crlf && self.sees_ends) => block.find_at(bytes, from).map(|found| found.range()),
            _ => Some(from..usize::MAX),
        }
        .filter(|found| found.start < bytes.len())
    }

    /// Whether [`Pattern::find`] must know whether there is a CR.
    pub fn sees_ends(&self) -> bool {
        self.sees_ends
    }

    /// Whether it matches anywhere in `line`.
    pub fn matches(&self, line: &[u8]) -> bool {
        self.line.is_match(line)
    }

    /// `line` with every match replaced by `with`, in which `$1` or `${name}` stand for what was captured.
    pub fn replace<'a>(&self, line: &'a [u8], with: &str) -> Cow<'a, [u8]> {
        self.line.replace_all(line, with.as_bytes())
    }

    /// The first group that `with` stands for and that there is not: [`Pattern::replace`] would put nothing there.
    pub fn lacks_group_of<'a>(&self, with: &'a str) -> Option<&'a str> {
        let name = regex::Regex::new(r"\$(?:\$|\{([^}]*)\}|([0-9A-Za-z_]+))").expect("a pattern of ours");
        let groups = name.captures_iter(with).filter_map(|found| found.get(1).or(found.get(2)));
        let has = |group: &str| match group.parse::<usize>() {
            Ok(number) => number < self.line.captures_len(),
            Err(_) => self.line.capture_names().flatten().any(|name| name == group),
        };
        groups.map(|group| group.as_str()).find(|group| !has(group))
    }

    /// What the named groups capture in `line` as a JSON object, in the pattern's order; `None` where it does not match.
    pub fn captures_json(&self, line: &[u8]) -> Option<String> {
        let captures = self.line.captures(line)?;
        let named = self.line.capture_names().flatten();
        Some(json_of_captures(named.filter_map(|name| Some((name, captures.name(name)?.as_bytes())))))
    }

    /// Whether it captures anything by name.
    pub fn has_names(&self) -> bool {
        self.line.capture_names().flatten().next().is_some()
    }
}

/// The same without what a line does not hold: nothing that is found over many lines goes on into the next one, so that to look
/// for it takes time linear in them.
fn within_lines(hir: Hir) -> Hir {
    let all = |parts: Vec<Hir>| parts.into_iter().map(within_lines).collect();
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Literal(Literal(bytes)) if bytes.contains(&b'\n') => Hir::fail(),
        HirKind::Literal(Literal(bytes)) => Hir::literal(bytes),
        HirKind::Class(Class::Unicode(mut class)) => {
            class.difference(&ClassUnicode::new([ClassUnicodeRange::new('\n', '\n')]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(mut class)) => {
            class.difference(&ClassBytes::new([ClassBytesRange::new(b'\n', b'\n')]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Repetition(repeated) => Hir::repetition(Repetition { sub: within_lines(*repeated.sub).into(), ..repeated }),
        HirKind::Capture(captured) => Hir::capture(Capture { sub: within_lines(*captured.sub).into(), ..captured }),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.line.as_str())
    }
}

impl std::str::FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        Pattern::new(text)
    }
}

/// The parser's message on one line, with the pattern in front.
fn sentence(text: &str, error: &regex::Error) -> String {
    let message = error.to_string();
    let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").trim();
    match error {
        regex::Error::CompiledTooBig(limit) => format!("the pattern {text:?} compiles to more than {limit} bytes"),
        _ => format!("the pattern {text:?} is no regular expression: {reason}"),
    }
}

/// What `event=` calls records without a name.
const UNNAMED: &str = "message";

/// Which records a client wants.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// All of these must match.
    pub all: Vec<Pattern>,
    /// None of these may match.
    pub none: Vec<Pattern>,
    /// If there are any, only records with one of these names; `message` stands for records without a name.
    pub events: Vec<String>,
    /// If there is one, only records of which it is known that they are at least so grave.
    pub level: Option<Level>,
}

impl Filter {
    /// Whether it keeps every record.
    pub fn is_everything(&self) -> bool {
        self.all.is_empty() && self.none.is_empty() && self.events.is_empty() && self.level.is_none()
    }

    /// Whether it looks at what records say of themselves.
    pub fn asks_meaning(&self) -> bool {
        self.level.is_some()
    }

    /// Whether the client wants `record`.
    pub fn keeps(&self, record: &Record<'_>) -> bool {
        self.wants(record.event.unwrap_or(UNNAMED))
            && self.level.is_none_or(|least| record.level.is_some_and(|level| level >= least))
            && self.keeps_text(&record.line)
    }

    /// Whether a record with this text has a chance.
    pub fn keeps_text(&self, line: &[u8]) -> bool {
        self.all.iter().all(|pattern| pattern.matches(line)) && !self.none.iter().any(|pattern| pattern.matches(line))
    }

    /// Whether records without a name have a chance.
    pub fn wants_unnamed(&self) -> bool {
        self.wants(UNNAMED)
    }

    fn wants(&self, name: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| event == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bad_pattern_is_explained_in_one_sentence_that_shows_it() {
        let why = Pattern::new("a(b").unwrap_err().to_string();
        assert!(why.contains("\"a(b\"") && why.contains("unclosed group") && !why.contains('\n'), "{why}");
        assert!(Pattern::new("(a{1000}){1000}").unwrap_err().to_string().contains("compiles to more than"));
        assert!(Pattern::new(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn captures_keep_the_order_of_the_pattern_and_leave_out_what_did_not_take_part() {
        let pattern = Pattern::new("price (?P<symbol>[A-Z]+) (?P<price>[0-9.]+)(?P<note> .+)?").unwrap();
        assert_eq!(pattern.captures_json(b"price ACME 150.25").unwrap(), r#"{"symbol":"ACME","price":150.25}"#);
        assert_eq!(pattern.captures_json(b"none"), None);
    }

    #[test]
    fn what_is_found_over_many_lines_ends_in_its_line() {
        let lines = b"error here\n\"a\nb\"\nand a timeout\n";
        for text in [r"(?s)e.*t", r"error[\s\S]*timeout", r#""[^"]*""#, r"e\ne", r"(?s)(?-u:r.*a)"] {
            let pattern = Pattern::new(text).unwrap();
            assert!(pattern.block.is_some(), "{text}");
            let mut at = 0;
            while let Some(found) = pattern.find(lines, at, false) {
                assert!(!lines[found.clone()].contains(&b'\n'), "{text}");
                at = found.end;
            }
        }
        let quoted = Pattern::new(r#""[^"]*"|timeout"#).unwrap();
        assert_eq!(quoted.find(lines, 0, false), Some(23..30), "but what is in one line is found");
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_that_takes_any_line_or_is_refused_in_one_line(
            text in "[a-z(){}\\[\\]|*+?.^$\\\\0-9<>P]{0,20}|\\PC{0,20}", line: Vec<u8>, with in "[$a-z0-9{}*]{0,9}",
        ) {
            match Pattern::new(&text) {
                Ok(pattern) => {
                    let json = pattern.captures_json(&line);
                    prop_assert_eq!(json.is_some(), pattern.matches(&line));
                    prop_assert!(json.is_none_or(|json| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&json).is_ok()));
                    prop_assert!(pattern.matches(&line) || pattern.replace(&line, &with) == line);
                }
                Err(why) => prop_assert!(!why.to_string().is_empty() && !why.to_string().contains('\n')),
            }
        }
    }
}
