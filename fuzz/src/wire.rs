//! What goes over the wire, read back by a parser that knows only the standard.

use std::borrow::Cow;

use sidetail::event::{Event, Id};
use sidetail::position::{Hint, Position, SourceId};
use sidetail::record::Record;
use sidetail::sse::{Payload, Writer, busy};
use sidetail::subscriber::sink::Sink;

#[path = "../../tests/world/harness/sse.rs"]
#[allow(dead_code)]
mod parser;

use parser::Parser;

/// Lines that are sent come back as they were, each in a block of its own with its own id, in whatever pieces they arrive.
pub fn sse(data: &[u8]) {
    let Some((&way, bytes)) = data.split_first() else { return };
    let payload = if way % 2 == 0 { Payload::Line } else { Payload::Json };
    let mut writer = Writer::new(payload, 2000);
    let (mut at, mut expected) = (0u64, Vec::new());
    for line in bytes.split(|&byte| byte == b'\n') {
        let (start, end) = (at, at + line.len() as u64 + 1);
        let own = Position { offset: end, ..Position::before_all(SourceId::of("app"), 0, Hint::of(1, 2)) };
        let id = Id { own, others: b"" };
        writer.event(&id, &Event::Record(Record::plain("app", (start, end), Cow::Borrowed(line), None)));
        expected.push((String::from_utf8_lossy(line).into_owned(), id.to_string()));
        at = end;
    }
    let mut parser = Parser::default();
    let piece = usize::from(way / 2) + 1;
    let blocks: Vec<_> = writer.out.bytes.chunks(piece).flat_map(|piece| parser.feed(piece)).collect();
    assert!(parser.violations().is_empty() && parser.between_blocks(), "{:?}", parser.violations());
    assert_eq!(blocks.len(), expected.len());
    for (block, (line, id)) in blocks.iter().zip(expected) {
        assert!(block.is_record() && block.id() == id);
        match payload {
            Payload::Line => assert_eq!(block.data, line.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{2400}")),
            Payload::Json => assert_eq!(block.json()["line"], line),
        }
    }
    let mut parser = Parser::default();
    let blocks = parser.feed(&busy(2000, str::from_utf8(bytes).ok()));
    assert!(parser.violations().is_empty() && blocks.len() == 1 && blocks[0].is("busy"), "{:?}", parser.violations());
}
