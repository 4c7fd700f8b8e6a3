//! An event as a client has it, and the parser of `text/event-stream` that streams and polls share.

use std::io::{self, BufRead, ErrorKind};

/// One event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Its name; empty for a record.
    pub name: String,
    pub data: String,
    pub id: String,
}

impl Event {
    /// The next event of a `text/event-stream`; `None` where the body ends between two. An error where it is cut.
    pub fn read(body: &mut impl BufRead) -> io::Result<Option<Event>> {
        let (mut event, mut line, mut begun) = (Event::default(), String::new(), false);
        loop {
            line.clear();
            if body.read_line(&mut line)? == 0 {
                return if begun { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
            }
            let Some(text) = line.strip_suffix('\n') else { return Err(ErrorKind::UnexpectedEof.into()) };
            match text.split_once(": ") {
                Some(("event", name)) => event.name = name.into(),
                Some(("data", data)) => event.data = data.into(),
                Some(("id", id)) => event.id = id.into(),
                Some(("retry", _)) => {}
                _ if text == ":" => continue,
                _ if text.is_empty() => return Ok(Some(event)),
                _ => return Err(io::Error::other(format!("{text:?} in an event stream"))),
            }
            begun = true;
        }
    }

    /// Whether it is a record; an error where it tells that records are missing.
    pub fn is_record(&self) -> io::Result<bool> {
        if self.name == "gap" {
            return Err(io::Error::other(format!("a gap: {}", self.data)));
        }
        Ok(self.name.is_empty())
    }
}
