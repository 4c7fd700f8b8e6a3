//! The clients, one for each transport: plain blocking sockets, parsed strictly.

mod polling;
mod stream;
mod websocket;

use std::io;

use crate::event::Event;
use crate::transport::Transport;
use crate::wire::Target;

/// Reads the records of a log, one after the other.
pub trait Client {
    /// The next record; waits for it. An error when the connection is cut, when records are missing, or when none comes
    /// for as long as the target has patience.
    fn next(&mut self) -> io::Result<Event>;
}

/// A client that stands where the id `after` says, or at the end of the log; and the id where it stands.
///
/// # Errors
/// Where there is no connection, or an answer that is not a stream.
pub fn open(transport: Transport, target: &Target, after: Option<&str>) -> io::Result<(Box<dyn Client>, String)> {
    Ok(match transport {
        Transport::Polling(interval) => boxed(polling::Polling::open(target, after, Some(interval))?),
        Transport::LongPolling => boxed(polling::Polling::open(target, after, None)?),
        Transport::Sse => boxed(stream::EventStream::open(target, after)?),
        Transport::WebSocket => boxed(websocket::WebSocket::open(target, after)?),
    })
}

fn boxed((client, id): (impl Client + 'static, String)) -> (Box<dyn Client>, String) {
    (Box::new(client), id)
}

/// Takes what a stream begins with; its id.
fn hello(event: Option<Event>, after: Option<&str>) -> io::Result<String> {
    let event = event.filter(|event| event.name == "hello").ok_or_else(|| io::Error::other("no hello"))?;
    let resume = if after.is_some() { "exact" } else { "fresh" };
    if event.data.contains(resume) { Ok(event.id) } else { Err(io::Error::other(format!("{} after {after:?}", event.data))) }
}
