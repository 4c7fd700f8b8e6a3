//! Server-Sent Events as EventSource reads them: when it comes back it says `Last-Event-ID`.

use std::io::{self, ErrorKind};

use super::{Client, hello};
use crate::event::Event;
use crate::http::Http;
use crate::wire::Target;

/// A stream of events.
pub struct EventStream(Http);

impl EventStream {
    pub fn open(target: &Target, after: Option<&str>) -> io::Result<(Self, String)> {
        let mut http = Http::connect(target)?;
        let id = after.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        match http.get("/events", &format!("Accept: text/event-stream\r\n{id}"))? {
            200 => {}
            status => return Err(io::Error::other(format!("{status} instead of 200"))),
        }
        let id = hello(Event::read(&mut http)?, after)?;
        Ok((EventStream(http), id))
    }
}

impl Client for EventStream {
    fn next(&mut self) -> io::Result<Event> {
        loop {
            let event = Event::read(&mut self.0)?.ok_or(ErrorKind::UnexpectedEof)?;
            if event.is_record()? {
                return Ok(event);
            }
        }
    }
}
