//! A client of WebSocket (RFC 6455). A frame of the bridge is `ID LINE`, or `!NAME ID DATA` for what is no record.

use std::io::{self, BufReader, ErrorKind, Read};

use super::{Client, hello};
use crate::event::Event;
use crate::http::read_head;
use crate::wire::{Target, Wire};

/// The key of the standard's example (section 1.3), and what a server must make of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The longest frame that is taken, in bytes.
const FRAME_BYTES_MAX: u64 = 1 << 20;

/// A connection after its handshake.
pub struct WebSocket(BufReader<Wire>);

impl WebSocket {
    pub fn open(target: &Target, after: Option<&str>) -> io::Result<(Self, String)> {
        let mut wire = BufReader::new(target.connect()?);
        let query = after.map(|id| format!("?after={id}")).unwrap_or_default();
        let head = format!(
            "GET /events{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        wire.get_mut().send(head.as_bytes())?;
        let (status, fields) = read_head(&mut wire)?;
        if status != 101 {
            return Err(io::Error::other(format!("status {status} instead of 101")));
        }
        if !fields.iter().any(|(name, value)| name == "sec-websocket-accept" && value == ACCEPT) {
            return Err(io::Error::other("a handshake that does not fit the key"));
        }
        let mut socket = WebSocket(wire);
        let id = hello(Some(socket.event()?), after)?;
        Ok((socket, id))
    }

    /// The next frame of text. Pings are answered.
    fn text(&mut self) -> io::Result<String> {
        loop {
            let (opcode, payload) = self.frame()?;
            match opcode {
                0x1 => return String::from_utf8(payload).map_err(io::Error::other),
                0x8 => return Err(ErrorKind::UnexpectedEof.into()),
                0x9 => self.pong(&payload)?,
                0xa => {}
                _ => return Err(io::Error::other(format!("a frame of opcode {opcode:#x}"))),
            }
        }
    }

    /// The opcode and the payload of a frame (section 5.2): whole, and without a mask, as a server must send it.
    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let [first, second] = self.bytes()?;
        if first & 0xf0 != 0x80 || second & 0x80 != 0 {
            return Err(io::Error::other(format!("a frame that begins with {first:#x} {second:#x}")));
        }
        let length = match second {
            126 => u16::from_be_bytes(self.bytes()?).into(),
            127 => u64::from_be_bytes(self.bytes()?),
            short => short.into(),
        };
        if length > FRAME_BYTES_MAX {
            return Err(io::Error::other(format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload)?;
        Ok((first & 0x0f, payload))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// A client's frames are masked; a mask of zeros changes nothing.
    fn pong(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u8::try_from(payload.len()).ok().filter(|&length| length < 126);
        let length = length.ok_or_else(|| io::Error::other("a ping that is too long"))?;
        self.0.get_mut().send(&[&[0x8a, 0x80 | length, 0, 0, 0, 0], payload].concat())
    }

    fn event(&mut self) -> io::Result<Event> {
        let text = self.text()?;
        let (name, text) = match text.strip_prefix('!') {
            Some(own) => own.split_once(' ').ok_or_else(|| io::Error::other("an event without an id"))?,
            None => ("", &text[..]),
        };
        let (id, data) = text.split_once(' ').ok_or_else(|| io::Error::other("a frame without an id"))?;
        Ok(Event { name: name.into(), data: data.into(), id: id.into() })
    }
}

impl Client for WebSocket {
    fn next(&mut self) -> io::Result<Event> {
        loop {
            let event = self.event()?;
            if event.is_record()? {
                return Ok(event);
            }
        }
    }
}
