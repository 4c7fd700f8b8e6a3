//! A small client of HTTP/1.1: one request after another on one connection, and the body as it comes in.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use crate::wire::{Target, Wire};

/// A connection, and how far the body of the present response is.
pub struct Http {
    target: Target,
    wire: BufReader<Wire>,
    body: Body,
    /// Whether the server ends the connection after this response.
    closing: bool,
}

/// What is left of a body.
enum Body {
    /// The next chunk is still to begin, the line end of the one before is had.
    Between,
    /// So many bytes of a chunk, and its line end.
    Chunk(usize),
    /// So many bytes.
    Length(usize),
    /// All until the connection ends.
    Rest,
}

impl Http {
    pub fn connect(target: &Target) -> io::Result<Self> {
        let wire = BufReader::new(target.connect()?);
        Ok(Http { target: target.clone(), wire, body: Body::Length(0), closing: false })
    }

    /// Asks, with the shortest head there can be and `headers`, each with its line end; the status. The body before must
    /// have been read to its end.
    pub fn get(&mut self, path: &str, headers: &str) -> io::Result<u16> {
        if self.closing {
            self.wire = BufReader::new(self.target.connect()?);
        }
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        self.wire.get_mut().send(head.as_bytes())?;
        let (status, fields) = read_head(&mut self.wire)?;
        let has = |name: &str, value: &str| fields.iter().any(|field| field.0 == name && field.1.eq_ignore_ascii_case(value));
        let length = fields.iter().find(|field| field.0 == "content-length").map(|field| field.1.parse());
        self.closing = has("connection", "close");
        self.body = match length {
            _ if status == 204 => Body::Length(0),
            Some(length) => Body::Length(length.map_err(io::Error::other)?),
            None if has("transfer-encoding", "chunked") => Body::Between,
            None => Body::Rest,
        };
        Ok(status)
    }

    /// Reads the size of the next chunk; with the last one the body ends.
    fn begin_chunk(&mut self) -> io::Result<()> {
        let size = usize::from_str_radix(&read_line(&mut self.wire)?, 16).map_err(io::Error::other)?;
        self.body = Body::Chunk(size);
        if size == 0 {
            self.end_chunk()?;
            self.body = Body::Length(0);
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        self.body = Body::Between;
        let end = read_line(&mut self.wire)?;
        if end.is_empty() { Ok(()) } else { Err(io::Error::other(format!("{end:?} after a chunk"))) }
    }
}

impl BufRead for Http {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Body::Chunk(0) = self.body {
            self.end_chunk()?;
        }
        if let Body::Between = self.body {
            self.begin_chunk()?;
        }
        let left = match self.body {
            Body::Between => 0,
            Body::Chunk(left) | Body::Length(left) => left,
            Body::Rest => return self.wire.fill_buf(),
        };
        if left == 0 {
            return Ok(&[]);
        }
        match self.wire.fill_buf()? {
            [] => Err(ErrorKind::UnexpectedEof.into()),
            bytes => Ok(&bytes[..bytes.len().min(left)]),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.wire.consume(bytes);
        match &mut self.body {
            Body::Chunk(left) | Body::Length(left) => *left -= bytes,
            Body::Between | Body::Rest => {}
        }
    }
}

impl Read for Http {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// The status and the fields of a response's head, their names in lower case.
pub fn read_head(wire: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let first = read_line(wire)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("{first:?} instead of a status")))?;
    let mut fields = Vec::new();
    loop {
        let line = read_line(wire)?;
        if line.is_empty() {
            return Ok((status, fields));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("{line:?} in a head")))?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// A line without its CR LF.
fn read_line(wire: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    wire.read_line(&mut line)?;
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}
