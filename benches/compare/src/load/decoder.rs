//! An HTTP answer as it comes, in pieces: its head, and its body with the chunks' sizes taken off.

/// How far an answer is.
pub struct Decoder {
    state: State,
    head: Vec<u8>,
    /// The status, once the head was read.
    pub status: u16,
}

enum State {
    Head,
    /// A body without chunks: to the end of the connection.
    Plain,
    /// In the line that says a chunk's size.
    Size(usize),
    /// In a chunk, and how much of it is to come.
    Chunk(usize),
    /// After a chunk, and how much of its line end is to come.
    ChunkEnd(usize),
    /// After the last chunk.
    Ended,
}

impl Decoder {
    /// At the start of an answer.
    pub fn new() -> Self {
        Decoder { state: State::Head, head: Vec::new(), status: 0 }
    }

    /// Whether the head was read.
    pub fn in_body(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Whether the answer said that it is over.
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes the next bytes; calls `body` with what of them is body.
    pub fn feed(&mut self, bytes: &[u8], mut body: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Head => self.head(rest),
                State::Plain => {
                    body(rest);
                    &[]
                }
                State::Size(size) => self.size(size, rest),
                State::Chunk(left) => {
                    let (piece, after) = rest.split_at(left.min(rest.len()));
                    body(piece);
                    self.state = if piece.len() == left { State::ChunkEnd(2) } else { State::Chunk(left - piece.len()) };
                    after
                }
                State::ChunkEnd(left) => {
                    let taken = left.min(rest.len());
                    self.state = if taken == left { State::Size(0) } else { State::ChunkEnd(left - taken) };
                    &rest[taken..]
                }
                State::Ended => &[],
            };
        }
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.head, b"\r\n\r\n") else { return &[] };
        let text = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
        self.status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        self.state = if text.contains("transfer-encoding: chunked") { State::Size(0) } else { State::Plain };
        self.head = Vec::new();
        &bytes[end + 4 - before..]
    }

    fn size<'a>(&mut self, size: usize, bytes: &'a [u8]) -> &'a [u8] {
        let byte = bytes[0];
        self.state = match (char::from(byte).to_digit(16), byte) {
            (Some(digit), _) => State::Size(size * 16 + digit as usize),
            (None, b'\n') if size == 0 => State::Ended,
            (None, b'\n') => State::Chunk(size),
            _ => State::Size(size),
        };
        &bytes[1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_put_together_wherever_the_bytes_are_cut() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n11\r\n, wide world.....\r\n0\r\n\r\n";
        for cut in 0..answer.len() {
            let (mut decoder, mut body) = (Decoder::new(), Vec::new());
            for piece in [&answer[..cut], &answer[cut..]] {
                decoder.feed(piece, |bytes| body.extend_from_slice(bytes));
            }
            assert_eq!(String::from_utf8_lossy(&body), "hello, wide world.....");
            assert!(decoder.ended() && decoder.status == 200);
        }
    }
}
