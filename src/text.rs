//! Events to plain lines of text, as `tail -f` would print them. Pure.

use crate::event::{Event, Id};
use crate::subscriber::stream::Sink;

/// Writes records as lines; a gap or a notice is one line in brackets, where notices were asked for.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written.
    pub out: Vec<u8>,
    notices: bool,
}

impl Writer {
    /// A writer that tells of gaps and notices if `notices` says so.
    pub fn new(notices: bool) -> Self {
        Writer { out: Vec::new(), notices }
    }

    fn notice(&mut self, name: &str, data: &impl serde::Serialize) {
        if self.notices {
            let data = serde_json::to_string(data).expect("our own events always serialize");
            self.out.extend_from_slice(format!("[sidetail {name} {data}]\n").as_bytes());
        }
    }
}

impl Sink for Writer {
    fn event(&mut self, _: &Id<'_>, event: &Event<'_>) {
        match event {
            Event::Hello(_) => {}
            Event::Pos(pos) if pos.suppressed.is_empty() => {}
            Event::Pos(pos) => self.notice("pos", pos),
            Event::Record(record) => {
                self.out.extend_from_slice(String::from_utf8_lossy(&record.line).replace('\0', "\u{2400}").as_bytes());
                self.out.extend_from_slice(record.cut_mark().unwrap_or_default().as_bytes());
                self.out.push(b'\n');
            }
            Event::Gap(gap) => self.notice("gap", gap),
            Event::Live => self.notice("live", &serde_json::json!({})),
            Event::Rotate(rotate) => self.notice("rotate", rotate),
            Event::Log(notice) => self.notice("log", notice),
        }
    }
}
