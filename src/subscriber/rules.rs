//! The operator's rules: lines that never leave the agent, secrets that are blotted out, lines that get a name.
//! Applied before any client's filter, so that no filter can tell what was blotted out.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::filter::Pattern;
use super::grant::Grant;
use super::keep::{Keep, Throttle};
use super::scope::Scope;
use crate::format::time::Clock;
use crate::format::{Format, Meaning};
use crate::record::Record;
use crate::source::catalog::Log;
use crate::source::split::{BEYOND_BYTES, Line, cut};

/// All rules, in the order in which they apply: drop, redact, event.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Records that match any of these never leave the agent.
    pub drop: Vec<DropRule>,
    /// What matches is replaced.
    pub redact: Vec<Redact>,
    /// The first that matches names the record.
    pub event: Vec<EventRule>,
    /// What times in records leave out.
    pub clock: Clock,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The log's name.
    pub log: &'a str,
    /// How its lines are written.
    pub format: Format,
    /// When its file was last written.
    pub latest: Timestamp,
    /// When the container runtime says that it was written.
    pub time: Option<Timestamp>,
    /// Whether anybody asks what records say of themselves.
    pub asked: bool,
}

/// Keeps records back.
#[derive(Clone, Debug)]
pub struct DropRule {
    /// What records are told as that it holds back and are not all that it is about.
    pub name: String,
    /// Which records, by their text.
    pub pattern: Pattern,
    /// Which records else.
    pub scope: Scope,
    /// How many of them are let through all the same.
    pub keep: Option<Keep>,
}

/// Replaces what matches.
#[derive(Clone, Debug)]
pub struct Redact {
    /// In which records.
    pub scope: Scope,
    /// What to blot out.
    pub pattern: Pattern,
    /// What stands there instead.
    pub with: String,
}

/// Gives records a name.
#[derive(Clone, Debug)]
pub struct EventRule {
    /// The event's name.
    pub name: String,
    /// Which records, by their text.
    pub pattern: Pattern,
    /// Which records else.
    pub scope: Scope,
    /// What becomes the payload.
    pub data: EventData,
    /// How many of them are let through; all, if it does not say.
    pub keep: Option<Keep>,
}

/// What becomes the payload of a named record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventData {
    /// The line as it stands.
    #[default]
    Line,
    /// The named captures as a JSON object.
    Captures,
}

impl Rules {
    /// The record that a text becomes; `None` where a rule drops it, or `throttle` holds it back.
    pub fn apply<'a>(&'a self, origin: &Origin<'a>, line: Line<'a>, throttle: &mut Throttle) -> Option<Record<'a>> {
        let say = |text: &[u8]| origin.format.meaning(text, &self.clock, origin.latest).into_owned();
        let raw = if self.looks_at_lines() { say(line.known) } else { Meaning::default() };
        let written = |meaning: &Meaning<'_>| origin.time.or(meaning.time);
        // A pattern that does not match across a byte that is no UTF-8 may match across what stands for it where it is sent.
        let text = if self.drop.is_empty() { Cow::default() } else { String::from_utf8_lossy(line.known) };
        for (number, rule) in self.drop.iter().enumerate() {
            let lets_through = |keep| throttle.lets_through(keep, (number, origin.log), &rule.name, line.end, written(&raw));
            if rule.scope.takes(origin.log, &raw) && rule.pattern.matches(text.as_bytes()) && !rule.keep.is_some_and(lets_through)
            {
                return None;
            }
        }
        let redact: Vec<&Redact> = self.redact.iter().filter(|redact| redact.scope.takes(origin.log, &raw)).collect();
        let text = if redact.is_empty() { Cow::Borrowed(line.bytes) } else { Cow::Owned(redacted(line, &redact)) };
        let mut record = Record::plain(origin.log, (line.start, line.end), text, line.cut_from);
        let asked = origin.asked || self.event.iter().any(EventRule::asks_meaning);
        let meaning = if asked { say(&record.line) } else { Meaning::default() };
        let text = if self.event.is_empty() { Cow::default() } else { String::from_utf8_lossy(&record.line) };
        let names = |(_, rule): &(_, &EventRule)| rule.scope.takes(origin.log, &meaning) && rule.pattern.matches(text.as_bytes());
        let rule = self.event.iter().enumerate().find(names);
        if let Some((number, EventRule { keep: Some(keep), name, .. })) = rule {
            let number = self.drop.len() + number;
            if !throttle.lets_through(*keep, (number, origin.log), name, line.end, written(&meaning)) {
                return None;
            }
        }
        (record.time, record.level) = (origin.time.or(meaning.time).filter(|_| asked), meaning.level);
        record.fields = meaning.fields.map(Cow::into_owned);
        if let Some((_, rule)) = rule {
            record.event = Some(&rule.name);
            if rule.pattern.has_names() {
                record.fields = rule.pattern.captures_json(text.as_bytes());
            }
            record.fields_are_payload = rule.data == EventData::Captures;
        }
        Some(record)
    }

    /// The patterns of all rules about a log: what none of them matches is a record as it stands.
    pub fn touching(&self, log: &str) -> Vec<&Pattern> {
        let drop = self.drop.iter().map(|rule| (&rule.scope, &rule.pattern));
        let redact = self.redact.iter().map(|rule| (&rule.scope, &rule.pattern));
        let event = self.event.iter().map(|rule| (&rule.scope, &rule.pattern));
        drop.chain(redact).chain(event).filter(|(scope, _)| scope.takes_log(log)).map(|(_, pattern)| pattern).collect()
    }

    /// Whether what a rule lets through depends on what a stream has had.
    pub fn throttles(&self) -> bool {
        self.drop.iter().any(|rule| rule.keep.is_some()) || self.event.iter().any(|rule| rule.keep.is_some())
    }

    /// Whether that goes by what stands before it in a log.
    pub fn throttle_by_time(&self, log: &str) -> bool {
        let drop = self.drop.iter().map(|rule| (&rule.scope, rule.keep));
        let event = self.event.iter().map(|rule| (&rule.scope, rule.keep));
        drop.chain(event).any(|(scope, keep)| keep.is_some_and(Keep::asks_time) && scope.takes_log(log))
    }

    /// Whether a rule looks at what lines say of themselves before anything is blotted out.
    fn looks_at_lines(&self) -> bool {
        let drop_asks = |rule: &DropRule| rule.scope.asks_meaning() || rule.keep.is_some_and(Keep::asks_time);
        self.drop.iter().any(drop_asks) || self.redact.iter().any(|rule| rule.scope.asks_meaning())
    }

    /// The names that records can have of logs that were granted, of which there are `logs`.
    pub fn event_names(&self, grant: &Grant, logs: &[Arc<Log>]) -> Vec<&str> {
        let is_told = |rule: &&EventRule| grant.is_everything() || logs.iter().any(|log| rule.scope.takes_log(&log.name));
        let mut names: Vec<&str> = self.event.iter().filter(is_told).map(|rule| rule.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl EventRule {
    /// Whether it looks at what records say of themselves.
    fn asks_meaning(&self) -> bool {
        self.scope.asks_meaning() || self.keep.is_some_and(Keep::asks_time)
    }
}

/// The line without what is blotted out. Rules see text, and more than the limit lets through: neither a byte that is not
/// UTF-8 nor the cut may hide a secret from its pattern.
fn redacted(line: Line<'_>, redact: &[&Redact]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line.known).into_owned().into_bytes();
    let blot = |text: Vec<u8>, redact: &&Redact| redact.pattern.replace(&text, &redact.with).into_owned();
    let text = redact.iter().fold(text, blot);
    // What stands where the known part ends may be the beginning of a secret, however much shorter all before it has become.
    let safe = if line.is_known() { text.len() } else { text.len().saturating_sub(BEYOND_BYTES) };
    if line.cut_from.is_some() { cut(&text, line.bytes.len().min(safe)).to_vec() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(bytes: &[u8]) -> Line<'_> {
        Line::new(bytes, 100, 100 + bytes.len() as u64, 1000)
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn lines_are_dropped_first_then_redacted_then_named_by_what_is_left() {
        let origin = Origin { log: "app", format: Format::Plain, latest: Timestamp::UNIX_EPOCH, asked: false, time: None };
        let rules = Rules {
            clock: Clock::default(),
            drop: vec![DropRule { name: "drop".into(), pattern: pattern("GET /healthz"), scope: Scope::default(), keep: None }],
            redact: vec![
                Redact { scope: Scope::default(), pattern: pattern(r"(password|token)=\S+"), with: "$1=***".into() },
                Redact { scope: Scope::default(), pattern: pattern("ACME"), with: "X".into() },
            ],
            event: vec![
                EventRule {
                    scope: Scope::default(),
                    name: "secret".into(),
                    pattern: pattern("hunter2"),
                    data: EventData::Line,
                    keep: None,
                },
                EventRule {
                    scope: Scope::default(),
                    name: "login".into(),
                    pattern: pattern("user=(?P<user>\\w+)"),
                    data: EventData::Captures,
                    keep: None,
                },
            ],
        };
        let mut throttle = Throttle::default();
        assert_eq!(rules.apply(&origin, line(b"GET /healthz 200"), &mut throttle), None);
        let cut = Line::new(b"x password=hunter2", 0, 19, 14);
        assert_eq!(&*rules.apply(&origin, cut, &mut throttle).unwrap().line, b"x password=***");
        let broken = rules.apply(&origin, line(b"password=hun\xffter2"), &mut throttle).unwrap();
        assert_eq!(&*broken.line, b"password=***");
        let record = rules.apply(&origin, line(b"user=ann password=hunter2 at ACME"), &mut throttle).unwrap();
        assert_eq!(&*record.line, b"user=ann password=*** at X");
        assert_eq!((record.event, record.fields.as_deref()), (Some("login"), Some(r#"{"user":"ann"}"#)));
        assert_eq!((record.start, record.end), (Some(100), 133));
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_known_is_not_begun_however_much_shorter_the_line_becomes() {
        let redact = vec![Redact { scope: Scope::default(), pattern: pattern(r"x{100}|\d{16}"), with: String::new() }];
        let rules = Rules { redact, ..Rules::default() };
        let origin = Origin { log: "app", format: Format::Plain, latest: Timestamp::UNIX_EPOCH, asked: false, time: None };
        let limit = 10_000;
        let known = limit + BEYOND_BYTES;
        let line = "x".repeat(5000) + &"y".repeat(known - 5000 - 8) + "1234567812345678 and more";
        let line = Line::new(line.as_bytes(), 0, line.len() as u64, limit);
        let record = rules.apply(&origin, line, &mut Throttle::default()).unwrap();
        assert!(record.line.iter().all(|byte| *byte == b'y') && record.line.len() > 4000, "{}", record.line.len());
    }

    /// Any byte of a line that is not how the secret begins.
    fn other_byte() -> impl Strategy<Value = u8> {
        any::<u8>().prop_map(|byte| if b"\nh".contains(&byte) { b' ' } else { byte })
    }

    proptest! {
        #[test]
        fn a_secret_never_gets_through_and_offsets_stay_whatever_stands_around_it(
            before in proptest::collection::vec(other_byte(), 0..40), after in proptest::collection::vec(other_byte(), 0..40),
            limit in 1usize..60,
        ) {
            let origin = Origin { log: "app", format: Format::Plain, latest: Timestamp::UNIX_EPOCH, asked: true, time: None };
            let redact = vec![Redact { scope: Scope::default(), pattern: pattern("hunter2"), with: "*".into() }];
            let rules = Rules { redact, ..Rules::default() };
            let bytes: Vec<u8> = [&before[..], b"hunter2", &after].concat();
            let line = Line::new(&bytes, 100, 100 + bytes.len() as u64, limit);
            let record = rules.apply(&origin, line, &mut Throttle::default()).unwrap();
            prop_assert_eq!((record.start, record.end), (Some(100), 100 + bytes.len() as u64));
            prop_assert!(!record.line.contains(&b'h'), "not even its beginning");
            prop_assert!(record.cut_from.is_none() || record.line.len() <= limit);
        }
    }
}
