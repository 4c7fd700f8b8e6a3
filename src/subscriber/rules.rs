//! The operator's rules: lines that never leave the agent, secrets that are blotted out, lines that get a name.
//! Applied before any client's filter, so that no filter can tell what was blotted out.

use std::borrow::Cow;

use super::filter::Pattern;
use crate::record::Record;
use crate::source::split::Line;

/// All rules, in the order in which they apply: drop, redact, event.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Lines that match any of these never leave the agent.
    pub drop: Vec<Pattern>,
    /// What matches is replaced.
    pub redact: Vec<Redact>,
    /// The first that matches names the record.
    pub event: Vec<EventRule>,
}

/// Replaces what matches.
#[derive(Clone, Debug)]
pub struct Redact {
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
    /// Which records.
    pub pattern: Pattern,
    /// What becomes the payload.
    pub data: EventData,
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
    /// The record that `line` of `log` becomes; `None` where a rule drops it.
    pub fn apply<'a>(&'a self, log: &'a str, line: Line<'a>) -> Option<Record<'a>> {
        if self.drop.iter().any(|pattern| pattern.matches(line.bytes)) {
            return None;
        }
        let text = self.redact.iter().fold(Cow::Borrowed(line.bytes), |text, redact| match text {
            Cow::Borrowed(bytes) => redact.pattern.replace(bytes, &redact.with),
            Cow::Owned(bytes) => Cow::Owned(redact.pattern.replace(&bytes, &redact.with).into_owned()),
        });
        let mut record = Record {
            log,
            start: line.start,
            end: line.end,
            line: text,
            cut_from: line.cut_from,
            event: None,
            fields: None,
            fields_are_payload: false,
        };
        if let Some(rule) = self.event.iter().find(|rule| rule.pattern.matches(&record.line)) {
            record.event = Some(&rule.name);
            record.fields = rule.pattern.has_names().then(|| rule.pattern.captures_json(&record.line)).flatten();
            record.fields_are_payload = rule.data == EventData::Captures;
        }
        Some(record)
    }

    /// The names that records can have.
    pub fn event_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.event.iter().map(|rule| rule.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Line<'_> {
        Line::new(bytes, 100, 100 + bytes.len() as u64, 1000)
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn lines_are_dropped_first_then_redacted_then_named_by_what_is_left() {
        let rules = Rules {
            drop: vec![pattern("GET /healthz")],
            redact: vec![
                Redact { pattern: pattern(r"(password|token)=\S+"), with: "$1=***".into() },
                Redact { pattern: pattern("ACME"), with: "X".into() },
            ],
            event: vec![
                EventRule { name: "secret".into(), pattern: pattern("hunter2"), data: EventData::Line },
                EventRule { name: "login".into(), pattern: pattern("user=(?P<user>\\w+)"), data: EventData::Captures },
            ],
        };
        assert_eq!(rules.apply("app", line(b"GET /healthz 200")), None);
        let record = rules.apply("app", line(b"user=ann password=hunter2 at ACME")).unwrap();
        assert_eq!(&*record.line, b"user=ann password=*** at X");
        assert_eq!((record.event, record.fields.as_deref()), (Some("login"), Some(r#"{"user":"ann"}"#)));
        assert_eq!((record.start, record.end), (100, 133));
    }
}
