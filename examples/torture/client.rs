//! A small client: reads Server-Sent Events off a socket and can be cut at any time.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Its name; empty for a record.
    pub name: String,
    pub data: String,
    pub id: String,
}

/// A stream of events.
pub struct Events(BufReader<TcpStream>);

/// How long a read waits before the caller may do something else.
const PATIENCE: Duration = Duration::from_millis(100);

impl Events {
    /// Connects; with an id to go on after, or without.
    pub fn connect(port: u16, target: &str, id: Option<&str>) -> io::Result<Self> {
        let mut socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let id = id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        // In HTTP/1.0 the body is as it stands: no chunks to take apart.
        write!(socket, "GET {target} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n{id}\r\n")?;
        let mut events = Events(BufReader::new(socket));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            events.whole_line(&mut line)?;
        }
        Ok(events)
    }

    /// The next event; `None` when none came for a while. An error when the connection is cut, even within an event.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let (mut event, mut line) = (Event::default(), String::new());
        match self.0.fill_buf() {
            Ok([]) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if is_pause(&error) => return Ok(None),
            other => other.map(drop)?,
        }
        loop {
            line.clear();
            self.whole_line(&mut line)?;
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("event", name)) => event.name = name.into(),
                Some(("data", data)) => event.data = data.into(),
                Some(("id", id)) => event.id = id.into(),
                _ if line == ":\n" => return Ok(None),
                _ if line == "\n" => return Ok(Some(event)),
                _ => {}
            }
        }
    }

    fn whole_line(&mut self, line: &mut String) -> io::Result<()> {
        loop {
            match self.0.read_line(line) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) if line.ends_with('\n') => return Ok(()),
                Ok(_) => {}
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
