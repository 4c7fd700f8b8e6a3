//! What a line says beyond its text: the format it is in, its time, its level, its fields. Pure: any bytes give an answer,
//! and none changes where a record stands.

mod clf;
mod colours;
pub mod fields;
pub mod json;
pub mod level;
pub mod logfmt;
pub mod time;
pub mod trace;
pub mod wrapped;
#[cfg(test)]
mod wild;

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use level::Level;
use time::Clock;

/// How the lines of a log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text as people read it.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
    /// `key=value key="another value"`
    Logfmt,
    /// The Common Log Format of web servers, or the Combined one.
    Clf,
    /// What container runtimes write around each line: `TIME stdout F TEXT`.
    Cri,
    /// Docker's json-file: `{"log":"TEXT\n","stream":"stdout","time":"…"}`.
    Docker,
}

/// What one record says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning<'a> {
    /// When it was written.
    pub time: Option<Timestamp>,
    /// How grave it is.
    pub level: Option<Level>,
    /// What it says by name: a JSON object on one line.
    pub fields: Option<Cow<'a, str>>,
}

impl Meaning<'_> {
    /// The same, with fields of its own.
    pub fn into_owned(self) -> Meaning<'static> {
        Meaning { time: self.time, level: self.level, fields: self.fields.map(|fields| Cow::Owned(fields.into_owned())) }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 6] = [Format::Plain, Format::Json, Format::Logfmt, Format::Clf, Format::Cri, Format::Docker];

    /// The format that most of the whole lines at the beginning of a file are in.
    pub fn detect(beginning: &[u8]) -> Self {
        let whole = memchr::memrchr(b'\n', beginning).map_or(0, |lf| lf + 1);
        let known = [Format::Cri, Format::Docker, Format::Json, Format::Clf, Format::Logfmt];
        let of_line = |line: &[u8]| known.into_iter().find(|format| format.is_of(line)).unwrap_or(Format::Plain);
        let lines = beginning[..whole].split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let formats: Vec<Format> = lines.map(of_line).collect();
        let count = |format: &Format| formats.iter().filter(|other| *other == format).count();
        // The first of equals.
        formats.iter().rev().max_by_key(|format| count(format)).copied().unwrap_or_else(|| {
            // Not one whole line: its beginning has to do.
            known.into_iter().find(|format| format.begins(beginning)).unwrap_or(Format::Plain)
        })
    }

    /// Whether a line is in this format.
    fn is_of(self, line: &[u8]) -> bool {
        match self {
            Format::Plain => true,
            Format::Json => json::object(line).is_some(),
            Format::Logfmt => logfmt::pairs(line).take(2).count() == 2 && logfmt::starts_with_pair(line),
            Format::Clf => clf::parse(line).is_some(),
            Format::Cri => wrapped::cri(line).is_some(),
            Format::Docker => wrapped::docker(line).is_some(),
        }
    }

    /// Whether a line that begins so may well be in this format.
    fn begins(self, beginning: &[u8]) -> bool {
        match self {
            Format::Docker => beginning.starts_with(b"{\"log\":\""),
            Format::Json => beginning.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"")),
            Format::Clf => clf::begins(beginning),
            // What these look at stands at the beginning of a line.
            Format::Plain | Format::Logfmt | Format::Cri => self.is_of(beginning),
        }
    }

    /// Whether each line has something around it that is not the program's.
    pub fn is_wrapped(self) -> bool {
        matches!(self, Format::Cri | Format::Docker)
    }

    /// What `text`, a record without what is wrapped around it, says of itself. A record that is not in the format says
    /// what plain text does. Times without a year are of the year before `latest`.
    pub fn meaning<'a>(self, text: &'a [u8], clock: &Clock, latest: Timestamp) -> Meaning<'a> {
        let found = match self {
            Format::Plain => None,
            Format::Json => json::meaning(text, clock, latest),
            Format::Logfmt => logfmt::meaning(text, clock, latest),
            Format::Clf => clf::meaning(text, clock, latest),
            // Programs in containers write as they like.
            Format::Cri | Format::Docker => json::meaning(text, clock, latest)
                .or_else(|| clf::meaning(text, clock, latest))
                .or_else(|| logfmt::meaning(text, clock, latest).filter(|_| Format::Logfmt.is_of(text))),
        };
        found.unwrap_or_else(|| {
            let text = &colours::without(&text[..text.len().min(LOOK_BYTES)]);
            Meaning { time: clock.in_text(text, latest), level: Level::of_text(text), fields: None }
        })
    }

    /// The time alone.
    pub fn time(self, text: &[u8], clock: &Clock, latest: Timestamp) -> Option<Timestamp> {
        self.meaning(text, clock, latest).time
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Plain => "plain",
            Format::Json => "json",
            Format::Logfmt => "logfmt",
            Format::Clf => "clf",
            Format::Cri => "cri",
            Format::Docker => "docker",
        })
    }
}

/// How far into a line of text its time and level are looked for, in bytes, colours and all.
const LOOK_BYTES: usize = 400;

/// The names that programs give to a record's time, and to its level, in whatever case.
const TIME_KEYS: [&str; 11] =
    ["time", "ts", "timestamp", "@timestamp", "t", "@t", "datetime", "date", "eventTime", "timeUnixNano", "__REALTIME_TIMESTAMP"];
const LEVEL_KEYS: [&str; 12] = [
    "level",
    "lvl",
    "severity",
    "severityText",
    "log.level",
    "levelname",
    "loglevel",
    "@level",
    "level_name",
    "@l",
    "error_severity",
    "PRIORITY",
];

fn is_time(key: &str) -> bool {
    TIME_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name))
}

fn is_level(key: &str) -> bool {
    LEVEL_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_format_is_that_of_the_first_whole_lines() {
        for (beginning, format) in [
            ("", Format::Plain),
            ("hello\nworld\n", Format::Plain),
            ("{\"msg\":1}\n{\"ms", Format::Json),
            ("{\"msg\":\"a very long line with", Format::Json),
            ("starting up\n{\"a\":1}\n{\"a\":2}\n", Format::Json),
            ("{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:00:00Z\"}\n", Format::Docker),
            ("2026-11-22T10:00:00.1Z stdout F a\n2026-11-22T10:00:00.2Z stderr P b\n", Format::Cri),
            ("time=2026-11-22T10:00:00Z level=info msg=\"a b\"\n", Format::Logfmt),
            ("listening on port=80\n", Format::Plain),
            ("127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n", Format::Clf),
            ("{not json}\n", Format::Plain),
            ("{ \"msg\": \"a very long line with", Format::Json),
            ("127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"GET /?a-very-long-query", Format::Clf),
            ("time=2026-11-22T10:00:00Z level=info msg=\"a very long text", Format::Logfmt),
            ("a very long line = that is [none] of \"these", Format::Plain),
        ] {
            assert_eq!(Format::detect(beginning.as_bytes()), format, "{beginning}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_mean_something_or_nothing_in_every_format(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "[{}\\[\\]\":,a-z0-9= \\\\TZ.-]{0,80}".prop_map(String::into_bytes),
            ],
        ) {
            let latest = Timestamp::UNIX_EPOCH;
            let _ = Format::detect(&text);
            for format in Format::ALL {
                let meaning = format.meaning(&text, &Clock::default(), latest);
                if let Some(fields) = meaning.fields {
                    prop_assert!(!fields.contains(['\n', '\r']));
                    prop_assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&fields).is_ok());
                }
            }
        }
    }
}
