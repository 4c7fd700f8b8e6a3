//! Where a reader connects and what it asks for.

use std::net::{Ipv4Addr, SocketAddr};

/// How a reader talks.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// A GET whose answer streams.
    Http,
    /// A WebSocket, and the text frames to send once it is open.
    WebSocket(Vec<String>),
}

/// A stream to read: on loopback only.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the server listens.
    pub port: u16,
    /// Path and query.
    pub path: String,
    /// How to talk to it.
    pub protocol: Protocol,
}

impl Target {
    /// The stream that `GET path` answers with.
    pub fn http(port: u16, path: &str) -> Self {
        Target { port, path: path.to_owned(), protocol: Protocol::Http }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The bytes to send first.
    pub fn request(&self) -> String {
        let rest = match &self.protocol {
            Protocol::Http => "Accept: text/event-stream\r\n",
            Protocol::WebSocket(_) => {
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
        };
        format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{rest}\r\n", self.path, self.port)
    }

    /// The bytes to send once the answer's head is there.
    pub fn greeting(&self) -> Vec<u8> {
        match &self.protocol {
            Protocol::Http => Vec::new(),
            Protocol::WebSocket(texts) => texts.iter().flat_map(|text| text_frame(text)).collect(),
        }
    }
}

/// A text frame of less than 126 bytes, masked with zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|&length| length < 126).expect("a short text");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}
