//! HTTP/2 as somebody speaks it who wants to do harm: by frames (RFC 9113), each as it is written here.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Agent, World, eventually};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The largest frame that every server takes.
const FRAME_BYTES: usize = 16_384;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A head, and a body will come.
    Open,
    /// A head and nothing else, or a reset.
    Ended,
}

struct Connection {
    socket: StreamOwned<ClientConnection, TcpStream>,
    next: u32,
    answers: BTreeMap<u32, Answer>,
}

impl Connection {
    fn open(world: &World, agent: &Agent) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(world.path("cert.pem")).expect("a certificate")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let tcp = TcpStream::connect(agent.address()).expect("connecting");
        tcp.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let mut connection = Connection { socket: StreamOwned::new(session, tcp), next: 1, answers: BTreeMap::new() };
        connection.socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("writing");
        connection.frame(SETTINGS, 0, 0, &[]);
        connection
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.socket.write_all(&[&head, payload].concat()).expect("writing");
    }

    /// Asks for `path` with more header lines than are needed; the number of the stream.
    fn ask(&mut self, path: &str, more: &[(String, String)]) -> u32 {
        let stream = self.next;
        self.next += 2;
        // GET and https stand in the table of HPACK, and the names of the others.
        let mut block = vec![0x82, 0x87, 0x04];
        text(&mut block, path);
        block.push(0x01);
        text(&mut block, "localhost");
        for (name, value) in more {
            block.push(0);
            text(&mut block, name);
            text(&mut block, value);
        }
        let frames: Vec<&[u8]> = block.chunks(FRAME_BYTES).collect();
        for (place, part) in frames.iter().enumerate() {
            let last = if place + 1 == frames.len() { END_HEADERS } else { 0 };
            match place {
                0 => self.frame(HEADERS, END_STREAM | last, stream, part),
                _ => self.frame(CONTINUATION, last, stream, part),
            }
        }
        stream
    }

    /// Reads until there are `count` answers.
    fn answers(&mut self, count: usize) -> &BTreeMap<u32, Answer> {
        while self.answers.len() < count {
            let mut head = [0; 9];
            self.socket.read_exact(&mut head).unwrap_or_else(|error| panic!("{error} after {:?}", self.answers));
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.socket.read_exact(&mut payload).expect("a payload");
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (head[3], head[4]) {
                (HEADERS, flags) => {
                    self.answers.insert(stream, if flags & END_STREAM > 0 { Answer::Ended } else { Answer::Open });
                }
                (RESET, _) => drop(self.answers.insert(stream, Answer::Ended)),
                (GO_AWAY, _) => panic!("it goes away: {payload:?}"),
                (SETTINGS, 0) => self.frame(SETTINGS, 1, 0, &[]),
                (DATA, _) => {}
                _ => {}
            }
        }
        &self.answers
    }
}

/// A string literal of HPACK (RFC 7541 section 5.2).
fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push((length % 128 + 128) as u8);
            length /= 128;
        }
        block.push(length as u8);
    }
    block.extend_from_slice(text.as_bytes());
}

fn served(world: &World) -> Agent {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    world.file("cert.pem", made.cert.pem());
    world.file("key.pem", made.signing_key.serialize_pem());
    world.log("app.log").line("hello");
    world.agent(&["app=@/app.log", "--tls-cert", "@/cert.pem", "--tls-key", "@/key.pem", "--heartbeat", "500ms"])
}

/// What the metrics say, over a connection of its own.
fn metric(world: &World, agent: &Agent, name: &str) -> String {
    let url = format!("https://localhost:{}/metrics", agent.address().port());
    let certificate = world.path("cert.pem");
    let output = std::process::Command::new("curl").args(["-sS", "-m", "20", "--cacert"]).arg(certificate).arg(url).output();
    let text = String::from_utf8_lossy(&output.expect("curl").stdout).into_owned();
    let told = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    told.unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[test]
fn requests_of_one_connection_are_limited_and_places_come_free() {
    let world = World::new();
    let agent = served(&world);
    let mut connection = Connection::open(&world, &agent);
    for _ in 0..300 {
        connection.ask("/events", &[]);
    }
    let answers = connection.answers(300).clone();
    let open: Vec<u32> = answers.iter().filter(|(_, answer)| **answer == Answer::Open).map(|(stream, _)| *stream).collect();
    assert_eq!(open.len(), 256);
    assert_eq!(metric(&world, &agent, "sidetail_refusals_total{reason=\"busy\"}"), "44");
    assert_eq!(metric(&world, &agent, "sidetail_subscribers"), "256");
    // Whoever resets a stream has its place for another, once the next heartbeat finds that out.
    connection.frame(RESET, 0, open[0], &8_u32.to_be_bytes());
    eventually("it is gone", || (metric(&world, &agent, "sidetail_subscribers") == "255").then_some(()));
    let another = connection.ask("/events", &[]);
    assert_eq!(connection.answers(301)[&another], Answer::Open);
    let mut second = Connection::open(&world, &agent);
    let first = second.ask("/events", &[]);
    assert_eq!(second.answers(1)[&first], Answer::Open, "another connection has places of its own");
}

#[test]
fn a_head_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let world = World::new();
    let agent = served(&world);
    let mut connection = Connection::open(&world, &agent);
    let large = connection.ask("/livez", &[("x".to_owned(), "y".repeat(200_000))]);
    let many: Vec<_> = (0..150).map(|number| (format!("x-{number}"), "y".to_owned())).collect();
    let many = connection.ask("/livez", &many);
    let target = connection.ask(&format!("/livez?{}", "x".repeat(60_000)), &[("x".to_owned(), "y".repeat(100_000))]);
    let small = connection.ask("/livez", &[("x".to_owned(), "y".repeat(1000))]);
    let answers = connection.answers(4);
    assert_eq!(
        [large, many, target, small].map(|stream| answers[&stream]),
        [Answer::Ended, Answer::Ended, Answer::Ended, Answer::Open]
    );
}
