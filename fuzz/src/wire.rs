//! What goes over the wire, read back by a parser that knows only the standard.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use sidetail::event::{Basis, Continuity, Event, Gap, Hello, Id, LogChange, LogNotice, Pos, Reason, Resume, Rotate, RotateKind};
use sidetail::position::{Hint, Position, SourceId};
use sidetail::record::Record;
use sidetail::sse::{HEARTBEAT, Payload, Writer, busy};
use sidetail::subscriber::sink::Sink;

#[path = "../../tests/world/harness/sse.rs"]
#[allow(dead_code)]
mod parser;

use parser::{Block, Parser};

/// How long clients are told to wait.
const RETRY_MS: u64 = 2000;

/// Lines that are sent come back as they were, each in a block of its own with its own id, in whatever pieces they arrive; so
/// do the events that the agent makes of them, and heartbeats between them are none. The first byte says how it goes: its
/// lowest bit the payload, the next whether all is records.
pub fn sse(data: &[u8]) {
    let Some((&way, bytes)) = data.split_first() else { return };
    let payload = if way % 2 == 0 { Payload::Line } else { Payload::Json };
    let mut writer = Writer::new(payload, RETRY_MS);
    let (mut at, mut heartbeats) = (0u64, 0);
    let mut expected = Vec::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let (start, end) = (at, at + line.len() as u64 + 1);
        let own = Position { offset: end, ..Position::before_all(SourceId::of("app"), 0, Hint::of(1, 2)) };
        let id = Id { own, others: b"" };
        let kind = if way & 2 == 0 { None } else { line.first() };
        let event = kind.and_then(|&kind| made(kind, line)).unwrap_or_else(|| {
            let name = kind.filter(|&&kind| kind % 2 == 0).map(|_| "update");
            Event::Record(Record { event: name, ..Record::plain("app", (start, end), Cow::Borrowed(line), None) })
        });
        writer.event(&id, &event);
        if number % 3 == 0 {
            writer.out.bytes.extend_from_slice(HEARTBEAT);
            heartbeats += 1;
        }
        expected.push((event, line, id.to_string()));
        at = end;
    }
    let mut parser = Parser::default();
    let piece = usize::from(way / 4) + 1;
    let blocks: Vec<_> = writer.out.bytes.chunks(piece).flat_map(|piece| parser.feed(piece)).collect();
    assert!(parser.violations().is_empty() && parser.between_blocks(), "{:?}", parser.violations());
    assert_eq!((blocks.len(), parser.comments()), (expected.len(), heartbeats));
    for (block, (event, line, id)) in blocks.iter().zip(expected) {
        assert_eq!(block.id(), id);
        compare(block, &event, &String::from_utf8_lossy(line), payload);
    }
    let mut parser = Parser::default();
    let blocks = parser.feed(&busy(RETRY_MS, str::from_utf8(bytes).ok()));
    assert!(parser.violations().is_empty() && blocks.len() == 1 && blocks[0].is("busy"), "{:?}", parser.violations());
    assert_eq!(blocks[0].retry, Some(RETRY_MS));
}

/// An event that the agent makes, with `text` wherever there is any; which, and all else, as `kind` says. None for some.
fn made(kind: u8, text: &[u8]) -> Option<Event<'static>> {
    let number = usize::from(kind) / 8;
    let text = || String::from_utf8_lossy(text).into_owned();
    let some = |place: usize| (number >> place & 1 == 1).then(text);
    Some(match kind % 8 {
        0 => Event::Hello(Hello { resume: Resume::ALL[number % 3], since_basis: some(2).map(|_| Basis::Time) }),
        1 => Event::Pos(Pos { suppressed: BTreeMap::from([(text(), u64::MAX - number as u64)]) }),
        2 => Event::Gap(Gap {
            reason: Reason::ALL[number % 9],
            log: some(0),
            from: some(1),
            to: some(2),
            file: some(3),
            certain: number % 2 == 0,
            lost_bytes: some(4).map(|_| u64::MAX),
            may_repeat: number % 3 == 0,
        }),
        3 => Event::Live,
        4 => Event::Rotate(Rotate { log: text(), kind: RotateKind::ALL[number % 5], continuity: Continuity::Assumed }),
        5 => {
            let state = [LogChange::Appeared, LogChange::Vanished, LogChange::Error][number % 3];
            Event::Log(LogNotice { log: text(), state, error: some(0) })
        }
        _ => return None,
    })
}

/// Whether `block` is what `event` says; a record has `line`.
fn compare(block: &Block, event: &Event<'_>, line: &str, payload: Payload) {
    let value = |event: serde_json::Result<Value>| event.expect("an event in JSON");
    let (name, data) = match event {
        Event::Record(record) => {
            assert!(block.is_record() && block.event.as_deref() == record.event && block.retry.is_none(), "{block:?}");
            return match payload {
                Payload::Line => assert_eq!(block.data, line.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{2400}")),
                Payload::Json => assert_eq!(block.json()["line"], *line),
            };
        }
        Event::Hello(hello) => ("hello", value(serde_json::to_value(hello))),
        Event::Pos(pos) => ("pos", value(serde_json::to_value(pos))),
        Event::Gap(gap) => ("gap", value(serde_json::to_value(gap))),
        Event::Live => ("live", json!({})),
        Event::Rotate(rotate) => ("rotate", value(serde_json::to_value(rotate))),
        Event::Log(notice) => ("log", value(serde_json::to_value(notice))),
    };
    assert!(block.is(name) && block.json() == data, "{block:?} should be {name} {data}");
    assert_eq!(block.retry, (name == "hello").then_some(RETRY_MS), "{block:?}");
}
