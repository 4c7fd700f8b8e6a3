//! The chunked transfer coding of HTTP/1.1, decoded as the bytes come in. Strict: extensions and trailers, which the
//! agent never sends, are refused.

/// A decoder of one body.
#[derive(Default)]
pub struct Chunked {
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Start,
    Size(String),
    Data(usize),
    /// The CR LF after a chunk's data, of which so many bytes have been seen.
    AfterData(usize),
    /// The CR LF after the last chunk, of which so many bytes have been seen.
    AfterLast(usize),
    End,
}

impl Chunked {
    /// Whether the terminating chunk has been seen.
    pub fn ended(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Decodes what came in; the decoder remembers where in a chunk it stands.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some((&byte, rest)) = bytes.split_first() {
            let mut used = 1;
            self.state = match std::mem::take(&mut self.state) {
                State::Start => State::Size(hex(byte)?.to_string()),
                State::Size(size) if byte == b'\r' => State::Size(size + "\r"),
                State::Size(size) if size.ends_with('\r') => match (byte, usize::from_str_radix(size.trim_end(), 16)) {
                    (b'\n', Ok(0)) => State::AfterLast(0),
                    (b'\n', Ok(size)) => State::Data(size),
                    _ => return Err(format!("a chunk size {size:?} and then {byte:#x}")),
                },
                State::Size(size) => State::Size(format!("{size}{}", hex(byte)?)),
                State::Data(left) => {
                    used = left.min(bytes.len());
                    body.extend_from_slice(&bytes[..used]);
                    if used == left { State::AfterData(0) } else { State::Data(left - used) }
                }
                State::AfterData(seen) => line_end(seen, byte, State::AfterData(1), State::Start)?,
                State::AfterLast(seen) => line_end(seen, byte, State::AfterLast(1), State::End)?,
                State::End => return Err(format!("{} bytes after the last chunk", 1 + rest.len())),
            };
            bytes = &bytes[used..];
        }
        Ok(body)
    }
}

fn hex(byte: u8) -> Result<char, String> {
    let digit = char::from(byte);
    if digit.is_ascii_hexdigit() { Ok(digit) } else { Err(format!("{byte:#x} in a chunk size")) }
}

fn line_end(seen: usize, byte: u8, between: State, after: State) -> Result<State, String> {
    match (seen, byte) {
        (0, b'\r') => Ok(between),
        (1, b'\n') => Ok(after),
        _ => Err(format!("{byte:#x} where a chunk's line ends")),
    }
}

#[test]
fn a_chunked_body_decodes_the_same_in_any_pieces() {
    let encoded = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
    for piece in 1..=encoded.len() {
        let mut decoder = Chunked::default();
        let body: Vec<u8> = encoded.chunks(piece).flat_map(|bytes| decoder.feed(bytes).unwrap()).collect();
        assert_eq!(body, b"hello0123456789");
        assert!(decoder.ended());
    }
}

#[test]
fn a_body_cut_before_its_last_chunk_has_not_ended() {
    let mut decoder = Chunked::default();
    assert_eq!(decoder.feed(b"5\r\nhello\r\n0\r\n\r").unwrap(), b"hello");
    assert!(!decoder.ended());
    assert!(Chunked::default().feed(b"5;x\r\n").is_err());
}
