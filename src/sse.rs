//! Events to the bytes of a `text/event-stream` (WHATWG HTML, 9.2). Pure.
//!
//! Every block is written whole and has its `id:` last, so that a client which is cut off inside one asks for it
//! again. Nothing in a log can forge a field: CR, LF and CR LF all end a `data:` line, what is not UTF-8 becomes
//! U+FFFD and NUL becomes U+2400.

use std::io::Write as _;

use memchr::{memchr, memchr_iter, memchr2};
use serde::Serialize;

use crate::event::{Event, Id};
use crate::position::Mint;
use crate::record::Record;
use crate::subscriber::sink::{Out, Run, Sink, one_by_one};

/// What is sent when there was nothing else to send for a while. One newline: with two, some clients see an event.
pub const HEARTBEAT: &[u8] = b":\n";

/// What a record's `data:` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// The line as it stands.
    #[default]
    Line,
    /// The record object.
    Json,
}

/// Writes events as blocks.
#[derive(Debug)]
pub struct Writer {
    /// What was written.
    pub out: Out,
    payload: Payload,
    retry_ms: u64,
}

impl Writer {
    /// A writer whose `hello` tells clients to wait `retry_ms` before they come back.
    pub fn new(payload: Payload, retry_ms: u64) -> Self {
        Writer { out: Out::default(), payload, retry_ms }
    }

    fn block<T: Serialize>(&mut self, name: &str, data: &T, id: &Id<'_>) {
        self.field("event", name.as_bytes());
        self.out.bytes.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut self.out.bytes, data).expect("our own events always serialize");
        self.out.bytes.push(b'\n');
        self.end(id);
    }

    fn record(&mut self, record: &Record<'_>, id: &Id<'_>) {
        if let Some(name) = record.event {
            self.field("event", name.as_bytes());
        }
        match (self.payload, &record.fields) {
            (Payload::Json, _) => {
                self.out.bytes.extend_from_slice(b"data: ");
                record.write_object(&id.to_string(), &mut self.out.bytes);
                self.out.bytes.push(b'\n');
            }
            (Payload::Line, Some(fields)) if record.fields_are_payload => self.field("data", fields.as_bytes()),
            (Payload::Line, _) => match record.cut_mark() {
                Some(mark) => write_data(&mut self.out.bytes, &[&record.line, mark.as_bytes()].concat()),
                None => write_data(&mut self.out.bytes, &record.line),
            },
        }
        self.end(id);
    }

    fn field(&mut self, name: &str, value: &[u8]) {
        self.out.bytes.extend_from_slice(name.as_bytes());
        self.out.bytes.extend_from_slice(b": ");
        self.out.bytes.extend_from_slice(value);
        self.out.bytes.push(b'\n');
    }

    fn end(&mut self, id: &Id<'_>) {
        self.out.bytes.extend_from_slice(b"id: ");
        id.write(&mut self.out.bytes);
        self.out.bytes.extend_from_slice(b"\n\n");
    }
}

/// What stands before a line.
const DATA: &[u8] = b"data: ";
/// What stands between an id and the next line.
const AFTER_ID: &[u8] = b"\n\ndata: ";

impl Writer {
    /// Writes lines that need no more than a frame each, and returns how many.
    fn frames(&mut self, run: &Run<'_>, mint: &mut Mint<'_>) -> u64 {
        let (bytes, piece, out) = (run.bytes(), run.piece, &mut self.out.bytes);
        out.reserve(bytes.len() * 3 / 2);
        out.extend_from_slice(DATA);
        let (mut start, mut count) = (0, 0);
        for end in memchr_iter(b'\n', bytes) {
            let offset = run.start + end as u64 + 1;
            out.extend_from_slice(&bytes[start..=end]);
            mint.write(offset, piece.tip(offset), out);
            start = end + 1;
            count += 1;
        }
        out.truncate(out.len() - DATA.len());
        count
    }
}

impl Sink for Writer {
    fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    fn run(&mut self, run: &Run<'_>, mint: Option<&mut Mint<'_>>) -> u64 {
        let bytes = run.bytes();
        let plain = self.payload == Payload::Line && bytes.ends_with(b"\n") && is_plain(bytes);
        match mint.filter(|_| plain) {
            Some(mint) => self.frames(run, mint),
            None => one_by_one(self, run),
        }
    }

    fn around_ids(&self) -> (&'static [u8], &'static [u8]) {
        (b"id: ", AFTER_ID)
    }

    fn event(&mut self, id: &Id<'_>, event: &Event<'_>) {
        match event {
            Event::Hello(hello) => {
                // Writing to memory cannot fail.
                let _ = writeln!(self.out.bytes, "retry: {}", self.retry_ms);
                self.block("hello", hello, id);
            }
            Event::Record(record) => self.record(record, id),
            Event::Pos(pos) => self.block("pos", pos, id),
            Event::Gap(gap) => self.block("gap", gap, id),
            Event::Live => self.block("live", &serde_json::json!({}), id),
            Event::Rotate(rotate) => self.block("rotate", rotate, id),
            Event::Log(notice) => self.block("log", notice, id),
        }
    }
}

/// The one block of a stream for which there is no room: come back after `retry_ms`, with the id you came with.
pub fn busy(retry_ms: u64, id: Option<&str>) -> Vec<u8> {
    let mut out = format!("retry: {retry_ms}\nevent: busy\ndata: {{}}\n").into_bytes();
    // Only what can stand in a header without changing the block is given back.
    if let Some(id) = id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())) {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.push(b'\n');
    out
}

/// Whether a client reads each line of `text` as it stands here.
fn is_plain(text: &[u8]) -> bool {
    memchr2(b'\r', 0, text).is_none() && str::from_utf8(text).is_ok()
}

/// Writes `text` as `data:` lines.
fn write_data(out: &mut Vec<u8>, text: &[u8]) {
    if memchr(b'\n', text).is_none() && is_plain(text) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(text);
        out.push(b'\n');
        return;
    }
    let text = String::from_utf8_lossy(text).replace('\0', "\u{2400}").replace("\r\n", "\n").replace('\r', "\n");
    for line in text.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Hello, Pos, Resume};
    use crate::position::{Hint, Position, SourceId};
    use proptest::prelude::*;
    use std::borrow::Cow;

    #[derive(Debug, PartialEq, Default)]
    struct Parsed {
        event: String,
        data: String,
        id: String,
        retry: Option<String>,
    }

    /// The dispatching of WHATWG HTML 9.2.6, strictly: unknown fields are a failure here.
    fn parse(stream: &[u8]) -> Vec<Parsed> {
        let text = str::from_utf8(stream).expect("UTF-8 only").replace("\r\n", "\n").replace('\r', "\n");
        let (mut events, mut now, mut id) = (Vec::new(), Parsed::default(), String::new());
        for line in text.split_terminator('\n') {
            if line.is_empty() {
                if !now.data.is_empty() {
                    now.data.pop();
                    events.push(Parsed { id: id.clone(), ..std::mem::take(&mut now) });
                }
                now = Parsed::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => {}
                "event" => now.event = value.into(),
                "data" => now.data += &format!("{value}\n"),
                "id" => id = value.into(),
                "retry" => now.retry = Some(value.into()),
                other => panic!("a forged field {other:?}"),
            }
        }
        events
    }

    fn position() -> Position {
        Position::before_all(SourceId::of("app"), 7, Hint::of(1, 2))
    }

    fn id() -> Id<'static> {
        Id { own: position(), others: b"" }
    }

    fn record(line: &[u8]) -> Record<'_> {
        Record {
            time: None,
            level: None,
            log: "app",
            start: Some(1),
            end: 9,
            line: Cow::Borrowed(line),
            cut_from: None,
            event: None,
            fields: None,
            fields_are_payload: false,
        }
    }

    #[test]
    fn hello_carries_retry_and_the_id_is_the_last_field_of_its_block() {
        let mut writer = Writer::new(Payload::Line, 2140);
        writer.event(&id(), &Event::Hello(Hello { resume: Resume::Exact, since_basis: None }));
        let expected = format!("retry: 2140\nevent: hello\ndata: {{\"resume\":\"exact\"}}\nid: {}\n\n", id());
        assert_eq!(str::from_utf8(&writer.out.bytes), Ok(expected.as_str()));
    }

    #[test]
    fn a_named_record_with_captures_has_them_as_its_data() {
        let mut writer = Writer::new(Payload::Line, 0);
        let fields = Some(r#"{"price":150.25}"#.to_string());
        let record = Record { event: Some("update"), fields, fields_are_payload: true, ..record(b"price 150.25") };
        writer.event(&id(), &Event::Record(record));
        let expected = format!("event: update\ndata: {{\"price\":150.25}}\nid: {}\n\n", id());
        assert_eq!(str::from_utf8(&writer.out.bytes), Ok(expected.as_str()));
    }

    #[test]
    fn a_cut_line_says_so() {
        let mut writer = Writer::new(Payload::Line, 0);
        writer.event(&id(), &Event::Record(Record { cut_from: Some(10_485_760), ..record(b"begin") }));
        assert_eq!(parse(&writer.out.bytes)[0].data, "begin … [cut: the line has 10485760 bytes]");
    }

    #[test]
    fn busy_gives_back_the_id_that_the_client_came_with_unless_it_could_forge_a_field() {
        let parsed = parse(&busy(30_000, Some("abc")));
        assert_eq!((parsed[0].event.as_str(), parsed[0].id.as_str()), ("busy", "abc"));
        assert_eq!(parse(&busy(30_000, Some("a\nevent: x")))[0].id, "");
    }

    proptest! {
        #[test]
        fn a_line_of_any_bytes_parses_back_as_one_event(
            line in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(0), Just(b':'), Just(b' '), any::<u8>()], 0..80)
        ) {
            let line: Vec<u8> = line.into_iter().filter(|&byte| byte != b'\n').collect();
            for payload in [Payload::Line, Payload::Json] {
                let mut writer = Writer::new(payload, 0);
                writer.event(&id(), &Event::Record(record(&line)));
                writer.event(&id(), &Event::Pos(Pos::default()));
                let events = parse(&writer.out.bytes);
                prop_assert_eq!(events.len(), 2);
                prop_assert_eq!(&events[0].id, &id().to_string());
                let text = String::from_utf8_lossy(&line).into_owned();
                match payload {
                    Payload::Line => prop_assert_eq!(
                        &events[0].data,
                        &text.replace('\0', "\u{2400}").replace("\r\n", "\n").replace('\r', "\n")
                    ),
                    Payload::Json => {
                        let object: serde_json::Value = serde_json::from_str(&events[0].data).unwrap();
                        prop_assert_eq!(object["line"].as_str(), Some(text.as_str()));
                    }
                }
            }
        }
    }
}
