//! Events to WebSocket frames (RFC 6455, section 5.2), written as sidetail writes Server-Sent Events: once for all clients
//! that want the same. A frame's text is `ID LINE`, or `!NAME ID DATA` for what is no record.

use sidetail::event::{Event, Id};
use sidetail::position::Mint;
use sidetail::subscriber::sink::{Out, Run, Sink, one_by_one};

/// The opcode of a frame of text, as its first byte: whole.
const TEXT: u8 = 0x81;
/// The same of an answer to a ping, and of an end.
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

/// Writes events as frames.
#[derive(Default)]
pub struct Frames {
    out: Out,
    /// The id of a line, before its length is known.
    id: Vec<u8>,
}

impl Frames {
    /// Answers a ping.
    pub fn pong(&mut self, payload: &[u8]) {
        self.frame(PONG, &[payload]);
    }

    /// Says that nothing follows.
    pub fn close(&mut self) {
        self.frame(CLOSE, &[]);
    }

    /// Writes a frame of the `parts` of a payload. A server's frames have no mask.
    fn frame(&mut self, first: u8, parts: &[&[u8]]) {
        let out = &mut self.out.bytes;
        out.push(first);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..126), _) => out.push(length),
            (_, Ok(length)) => {
                out.push(126);
                out.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                out.push(127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }

    fn own<T: serde::Serialize>(&mut self, name: &str, id: &Id<'_>, data: &T) {
        let data = serde_json::to_string(data).expect("our own events always serialize");
        self.frame(TEXT, &[format!("!{name} {id} {data}").as_bytes()]);
    }
}

impl Sink for Frames {
    fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    fn run(&mut self, run: &Run<'_>, mint: Option<&mut Mint<'_>>) -> u64 {
        let Some(mint) = mint.filter(|_| str::from_utf8(run.bytes()).is_ok()) else { return one_by_one(self, run) };
        let (mut id, mut count) = (std::mem::take(&mut self.id), 0);
        for line in run.lines() {
            id.clear();
            mint.write(line.end, run.piece.tip(line.end), &mut id);
            self.frame(TEXT, &[&id, line.bytes]);
            count += 1;
        }
        self.id = id;
        count
    }

    fn around_ids(&self) -> (&'static [u8], &'static [u8]) {
        (b"", b" ")
    }

    fn event(&mut self, id: &Id<'_>, event: &Event<'_>) {
        match event {
            Event::Record(record) => {
                let line = String::from_utf8_lossy(&record.line);
                self.frame(TEXT, &[id.to_string().as_bytes(), b" ", line.as_bytes()]);
            }
            Event::Hello(hello) => self.own("hello", id, hello),
            Event::Pos(pos) => self.own("pos", id, pos),
            Event::Gap(gap) => self.own("gap", id, gap),
            Event::Live => self.own("live", id, &()),
            Event::Rotate(rotate) => self.own("rotate", id, rotate),
            Event::Log(notice) => self.own("log", id, notice),
        }
    }
}
