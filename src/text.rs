//! Events to plain lines of text, as `tail -f` would print them. Pure.

use memchr::{memchr_iter, memchr2};

use crate::event::{Event, Id};
use crate::position::Mint;
use crate::subscriber::sink::{Out, Run, Sink, one_by_one};

/// Writes records as lines; a gap or a notice is one line in brackets, where notices were asked for.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written.
    pub out: Out,
    notices: bool,
}

impl Writer {
    /// A writer that tells of gaps and notices if `notices` says so.
    pub fn new(notices: bool) -> Self {
        Writer { out: Out::default(), notices }
    }

    fn notice(&mut self, name: &str, data: &impl serde::Serialize) {
        if self.notices {
            let data = serde_json::to_string(data).expect("our own events always serialize");
            self.out.bytes.extend_from_slice(format!("[sidetail {name} {data}]\n").as_bytes());
        }
    }
}

impl Sink for Writer {
    fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    fn run(&mut self, run: &Run<'_>, _: Option<&mut Mint<'_>>) -> u64 {
        let bytes = run.bytes();
        let as_it_stands = memchr2(b'\r', 0, bytes).is_none() && str::from_utf8(bytes).is_ok();
        // Only the first line of a file may begin with a byte order mark, and only its last one lack its end.
        if as_it_stands && run.start > 0 && bytes.ends_with(b"\n") {
            self.out.bytes.extend_from_slice(bytes);
            return memchr_iter(b'\n', bytes).count() as u64;
        }
        one_by_one(self, run)
    }

    fn event(&mut self, _: &Id<'_>, event: &Event<'_>) {
        match event {
            Event::Hello(_) => {}
            Event::Pos(pos) if pos.suppressed.is_empty() => {}
            Event::Pos(pos) => self.notice("pos", pos),
            Event::Record(record) => {
                self.out.bytes.extend_from_slice(String::from_utf8_lossy(&record.line).replace('\0', "\u{2400}").as_bytes());
                self.out.bytes.extend_from_slice(record.cut_mark().unwrap_or_default().as_bytes());
                self.out.bytes.push(b'\n');
            }
            Event::Gap(gap) => self.notice("gap", gap),
            Event::Live => self.notice("live", &serde_json::json!({})),
            Event::Rotate(rotate) => self.notice("rotate", rotate),
            Event::Log(notice) => self.notice("log", notice),
        }
    }
}
