//! Lines for a server that follows no file: each is a POST of its own, many in flight at a time.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// How many posts may wait for their answers.
const IN_FLIGHT: usize = 256;

/// A connection to the server, kept open.
pub struct Publisher {
    socket: TcpStream,
    head: String,
    answer: Vec<u8>,
}

impl Publisher {
    /// Connects.
    pub fn connect(port: u16, path: &str) -> io::Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ");
        Ok(Publisher { socket, head, answer: Vec::new() })
    }

    /// Posts each of `lines` and waits until all are taken.
    pub fn publish(&mut self, lines: &[u8]) -> io::Result<()> {
        let lines: Vec<_> = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        for some in lines.chunks(IN_FLIGHT) {
            let mut posts = Vec::with_capacity(64 << 10);
            for line in some {
                write!(posts, "{}{}\r\n\r\n", self.head, line.len())?;
                posts.extend_from_slice(line);
            }
            self.socket.write_all(&posts)?;
            self.answers(some.len())?;
        }
        Ok(())
    }

    fn answers(&mut self, mut count: usize) -> io::Result<()> {
        const STATUS: &[u8] = b"HTTP/1.1 ";
        let mut buffer = [0; 64 << 10];
        while count > 0 {
            let length = self.socket.read(&mut buffer)?;
            if length == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up on its publisher"));
            }
            self.answer.extend_from_slice(&buffer[..length]);
            let mut used = 0;
            while let Some(at) = memchr::memmem::find(&self.answer[used..], STATUS) {
                let Some(class) = self.answer.get(used + at + STATUS.len()) else { break };
                if *class != b'2' {
                    let text = String::from_utf8_lossy(&self.answer[used + at..]).into_owned();
                    return Err(io::Error::other(format!("a post was refused: {text}")));
                }
                used += at + STATUS.len() + 1;
                count = count.saturating_sub(1);
            }
            let kept = self.answer.len().min(STATUS.len()).min(self.answer.len() - used);
            self.answer.drain(..self.answer.len() - kept);
        }
        Ok(())
    }
}
