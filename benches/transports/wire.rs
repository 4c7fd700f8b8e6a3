//! A socket that counts its bytes, in both directions.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where a client connects to.
#[derive(Clone, Debug)]
pub struct Target {
    pub port: u16,
    /// How long it may hear nothing before it gives up.
    pub patience: Duration,
    /// The bytes that went through its sockets, without those of TCP and IP.
    pub bytes: Arc<AtomicU64>,
}

impl Target {
    pub fn new(port: u16) -> Self {
        Target { port, patience: Duration::from_secs(10), bytes: Arc::default() }
    }

    /// Connects.
    pub fn connect(&self) -> io::Result<Wire> {
        let socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(self.patience))?;
        Ok(Wire { socket, bytes: self.bytes.clone() })
    }
}

/// A connection.
pub struct Wire {
    socket: TcpStream,
    bytes: Arc<AtomicU64>,
}

impl Wire {
    /// Sends it whole.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.socket.write_all(bytes)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
