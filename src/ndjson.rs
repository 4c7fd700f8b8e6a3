//! Events to lines of JSON (`application/x-ndjson`). Pure.
//!
//! Every line is a record object, but for what must not be left out: a gap, how many records were suppressed, and the
//! notices that were asked for, are
//! `{"event":NAME,"id":…,"data":{…}}`. No record has one of these names.

use serde::Serialize;

use crate::event::{Event, Id};
use crate::subscriber::sink::{Out, Sink};

/// What is sent when there was nothing else to send for a while: JSON readers pass over empty lines.
pub const HEARTBEAT: &[u8] = b"\n";

/// Writes events as lines of JSON.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written.
    pub out: Out,
}

impl Writer {
    fn notice<T: Serialize>(&mut self, name: &str, data: &T, id: &Id<'_>) {
        let line = serde_json::json!({ "event": name, "id": id.to_string(), "data": data });
        serde_json::to_writer(&mut self.out.bytes, &line).expect("our own events always serialize");
        self.out.bytes.push(b'\n');
    }
}

impl Sink for Writer {
    fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    fn event(&mut self, id: &Id<'_>, event: &Event<'_>) {
        match event {
            Event::Hello(_) => {}
            Event::Pos(pos) if pos.suppressed.is_empty() => {}
            Event::Pos(pos) => self.notice("pos", pos, id),
            Event::Record(record) => {
                record.write_object(&id.to_string(), &mut self.out.bytes);
                self.out.bytes.push(b'\n');
            }
            Event::Gap(gap) => self.notice("gap", gap, id),
            Event::Live => self.notice("live", &serde_json::json!({}), id),
            Event::Rotate(rotate) => self.notice("rotate", rotate, id),
            Event::Log(notice) => self.notice("log", notice, id),
        }
    }
}
