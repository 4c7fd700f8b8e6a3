//! HTTP/1.x on a bare socket, so that a test sees every byte and can cut a connection after any of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::chunked::Chunked;
use super::wait::PATIENCE;

/// A request that is about to be sent.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    version: &'static str,
    host: Option<String>,
    body: String,
    headers: Vec<(String, String)>,
}

/// `POST target HTTP/1.1` with a form.
pub fn post(target: &str, form: &str) -> Request {
    let request = get(target).method("POST").header("Content-Type", "application/x-www-form-urlencoded");
    Request { body: form.to_owned(), ..request.header("Content-Length", &form.len().to_string()) }
}

/// `GET target HTTP/1.1`, with no header but `Host`.
pub fn get(target: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        target: target.to_owned(),
        version: "1.1",
        host: None,
        body: String::new(),
        headers: Vec::new(),
    }
}

impl Request {
    /// With another method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// For another host than the address.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// With a token.
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As HTTP/1.0.
    pub fn http10(mut self) -> Self {
        self.version = "1.0";
        self
    }

    /// Connects and sends it.
    pub fn connect(&self, address: SocketAddr) -> TcpStream {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("connecting to the agent");
        socket.set_read_timeout(Some(PATIENCE)).expect("a read time-out");
        socket.set_nodelay(true).expect("no delay");
        self.send_on(&socket, address);
        socket
    }

    /// Connects, sends it and reads the head of the answer.
    pub fn send(&self, address: SocketAddr) -> Response {
        Response::read(self.connect(address), self.method == "HEAD")
    }

    /// Connects, sends it, takes in the first `count` bytes of the answer and hangs up.
    pub fn cut_after(&self, address: SocketAddr, count: usize) -> Vec<u8> {
        let mut answer = Vec::new();
        self.connect(address).take(count as u64).read_to_end(&mut answer).expect("reading up to the cut");
        answer
    }

    fn send_on(&self, mut socket: &TcpStream, address: SocketAddr) {
        let host = self.host.clone().unwrap_or_else(|| address.to_string());
        let mut text = format!("{} {} HTTP/{}\r\nHost: {host}\r\n", self.method, self.target, self.version);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        socket.write_all(text.as_bytes()).expect("sending a request");
    }
}

/// The status line and header of an answer.
pub struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Takes the head off the front of `bytes`; nothing if it is not complete yet.
    pub fn parse(bytes: &[u8]) -> Option<(Head, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = str::from_utf8(&bytes[..end]).expect("a head in ASCII");
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a header without a colon: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let head = Head { status: status.expect("a status line"), headers: headers.collect() };
        Some((head, end + 4))
    }

    /// The body's coding, as the headers declare it.
    fn framing(&self, bodiless: bool) -> Framing {
        let length = self.header("content-length").map(|text| text.parse().expect("a length"));
        match (length, self.header("transfer-encoding")) {
            _ if bodiless || matches!(self.status, 204 | 304) => Framing::Length(0),
            (None, Some("chunked")) => Framing::Chunked(Chunked::default()),
            (Some(length), None) => Framing::Length(length),
            (None, None) => Framing::UntilClose,
            odd => panic!("a body that is {odd:?}"),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

enum Framing {
    Chunked(Chunked),
    Length(usize),
    UntilClose,
}

/// An answer whose head has been read and whose body comes in.
pub struct Response {
    head: Head,
    framing: Framing,
    socket: TcpStream,
    /// Read from the socket, not yet part of the body.
    pending: Vec<u8>,
}

impl Response {
    fn read(mut socket: TcpStream, bodiless: bool) -> Self {
        let mut pending = Vec::new();
        loop {
            if let Some((head, used)) = Head::parse(&pending) {
                pending.drain(..used);
                let framing = head.framing(bodiless);
                return Response { head, framing, socket, pending };
            }
            let more = read_some(&mut socket).expect("the head of an answer");
            assert!(!more.is_empty(), "the connection closed in the head of an answer: {pending:?}");
            pending.extend_from_slice(&more);
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// A header's value; names in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The port of this end of the connection.
    pub fn local_port(&self) -> u16 {
        self.socket.local_addr().expect("a connected socket").port()
    }

    /// The next bytes of the body; nothing at its clean end; an error where the connection was cut.
    pub fn some(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let pending = std::mem::take(&mut self.pending);
            let closed = match &mut self.framing {
                Framing::Chunked(decoder) => {
                    let body = decoder.feed(&pending)?;
                    if !body.is_empty() {
                        return Ok(Some(body));
                    } else if decoder.ended() {
                        return Ok(None);
                    }
                    Err("the connection was cut before the last chunk".to_owned())
                }
                Framing::Length(0) => return Ok(None),
                Framing::Length(left) if !pending.is_empty() => {
                    *left = left.checked_sub(pending.len()).ok_or("more than Content-Length says")?;
                    return Ok(Some(pending));
                }
                Framing::Length(_) => Err("the connection was cut within the body".to_owned()),
                Framing::UntilClose if !pending.is_empty() => return Ok(Some(pending)),
                Framing::UntilClose => Ok(None),
            };
            self.pending = read_some(&mut self.socket)?;
            if self.pending.is_empty() {
                return closed;
            }
        }
    }

    /// The whole body of an answer that ends by itself.
    pub fn body(mut self) -> Vec<u8> {
        self.rest_of_body()
    }

    /// The whole body as text.
    pub fn text(self) -> String {
        String::from_utf8(self.body()).expect("text in UTF-8")
    }

    /// The whole body as JSON.
    pub fn json(self) -> serde_json::Value {
        assert!(self.header("content-type").is_some_and(|kind| kind.contains("json")), "an answer of type JSON");
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Sends another request on the same connection, after the whole body of this answer.
    pub fn then(mut self, request: &Request) -> Response {
        self.rest_of_body();
        request.send_on(&self.socket, self.socket.peer_addr().expect("a connected socket"));
        Response::read(self.socket, request.method == "HEAD")
    }

    fn rest_of_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(more) = self.some().expect("a body that ends cleanly") {
            body.extend_from_slice(&more);
        }
        body
    }
}

fn read_some(socket: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut piece) {
            Ok(count) => {
                piece.truncate(count);
                return Ok(piece);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("nothing more came from the agent: {error}")),
        }
    }
}
