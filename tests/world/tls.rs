//! HTTPS: the certificate that the options name, asked by curl.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Agent, World, eventually};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn with_a_certificate_the_stream_is_served_over_https() {
    let world = World::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = world.file("cert.pem", made.cert.pem());
    let key = world.file("key.pem", made.signing_key.serialize_pem());
    let mut log = world.log("app.log");
    log.write(3);
    let mut agent = Command::new(env!("CARGO_BIN_EXE_sidetail"));
    agent.args(["--listen", "127.0.0.1:0", "--tls-cert"]).arg(&certificate).arg("--tls-key").arg(&key).arg(log.path());
    let mut agent = Running(agent.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut address = String::new();
    BufReader::new(agent.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let port = address.trim().strip_prefix("https://127.0.0.1:").unwrap_or_else(|| panic!("{address:?}"));

    let url = format!("https://localhost:{port}tail?from=start&follow=false");
    let output = Command::new("curl").args(["-sS", "-m", "20", "--cacert"]).arg(&certificate).arg(&url).output().expect("curl");
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines, log.written(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_certificate_without_its_key_or_that_is_none_is_refused_with_its_name() {
    let world = World::new();
    let none = world.file("none.pem", "no certificate");
    let run = |args: &[&str]| {
        let output = world.setup(args).run();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let none = none.to_str().unwrap();
    let (code, said) = run(&["check", "--tls-cert", none, "app=@/app.log"]);
    assert!(code == Some(2) && said.contains("tls-cert and tls-key belong together"), "{said}");
    let (code, said) = run(&["check", "--tls-cert", none, "--tls-key", none, "app=@/app.log"]);
    assert!(code == Some(2) && said.contains("none.pem"), "{said}");
}

/// Curl over TLS, with the certificate of the agent taken as it is.
struct Curl {
    child: Running,
    lines: BufReader<std::process::ChildStdout>,
}

impl Curl {
    fn start(args: &[&str]) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["-sSN", "--insecure"]).args(args).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = curl.spawn().expect("curl");
        Curl { lines: BufReader::new(child.stdout.take().expect("its output")), child: Running(child) }
    }

    /// Everything up to a blank line: the fields of an event.
    fn event(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("reading") > 0, "the stream ended after {fields:?}");
            match line.trim_end() {
                "" => return fields,
                ":" => {}
                field => fields.push(field.to_owned()),
            }
        }
    }

    /// The rest, once it ended well.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.lines, &mut rest).expect("the rest");
        assert!(self.child.0.wait().expect("its end").success(), "not a clean end");
        rest
    }
}

fn said(args: &[&str]) -> String {
    let output = Command::new("curl").args(["-sS", "-m", "20", "--insecure"]).args(args).output().expect("curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn field(event: &[String], name: &str) -> String {
    let found = event.iter().find_map(|field| field.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_else(|| panic!("no {name} in {event:?}")).to_owned()
}

/// A certificate for `localhost` in the world's folder, and what an agent is told of it.
fn certified(world: &World) -> [&'static str; 4] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    world.file("cert.pem", made.cert.pem());
    world.file("key.pem", made.signing_key.serialize_pem());
    ["--tls-cert", "@/cert.pem", "--tls-key", "@/key.pem"]
}

#[test]
fn over_http_2_a_stream_is_live_resumes_exactly_and_ends_cleanly() {
    let world = World::new();
    let tls = certified(&world);
    let mut log = world.log("app.log");
    let mut agent = world.agent(&[&["app=@/app.log"], &tls[..]].concat());
    let url = format!("https://{}/events", agent.address());
    assert_eq!(said(&["--http2", "-o", "/dev/null", "-w", "%{http_version}", &format!("{url}?follow=false")]), "2");
    assert_eq!(said(&["--http1.1", "-o", "/dev/null", "-w", "%{http_version}", &format!("{url}?follow=false")]), "1.1");
    let mut first = Curl::start(&["--http2", &url]);
    assert_eq!(field(&first.event(), "event"), "hello");
    let written = log.write(3);
    let events: Vec<_> = (0..3).map(|_| first.event()).collect();
    assert!(events.iter().map(|event| field(event, "data")).eq(written));
    let id = format!("Last-Event-ID: {}", field(&events[0], "id"));
    let mut second = Curl::start(&["--http2", "-H", &id, &url]);
    assert!(field(&second.event(), "data").contains("exact"));
    let more = log.write(2000);
    let expected: Vec<String> = log.written()[1..].to_vec();
    assert_eq!(expected.len(), 2 + more.len());
    for line in &expected {
        assert_eq!(&field(&second.event(), "data"), line);
    }
    agent.signal("TERM");
    first.rest();
    assert_eq!(second.rest(), "");
    assert!(agent.ended().success());
}

#[test]
fn commands_to_paste_and_the_cookie_are_those_of_this_address_in_both_versions_of_http() {
    let world = World::new();
    let tls = certified(&world);
    world.file("tokens", "a-token-of-sixteen-letters-and-more\n");
    let open = world.agent(&[&["app=@/app.log"], &tls[..]].concat());
    let closed = world.agent(&[&["app=@/app.log", "--token-file", "@/tokens"], &tls[..]].concat());
    for version in ["--http1.1", "--http2"] {
        let base = format!("https://localhost:{}", open.address().port());
        let commands = said(&[version, &format!("{base}/")]);
        assert!(commands.contains(&format!("curl -N {base}/tail")), "{version}: {commands}");
        let port = closed.address().port();
        let form = ["-o", "/dev/null", "-D", "-", "-d", "token=a-token-of-sixteen-letters-and-more"];
        let head = said(&[&[version][..], &form, &[&format!("https://localhost:{port}/login")]].concat());
        assert!(head.contains(&format!("sidetail-{port}=")), "{version}: {head}");
    }
}

#[test]
fn many_streams_of_one_http_2_connection_go_side_by_side() {
    let world = World::new();
    let tls = certified(&world);
    let mut log = world.log("app.log");
    log.write(500);
    let agent = world.agent(&[&["app=@/app.log"], &tls[..]].concat());
    let url = format!("https://{}/tail?from=start&follow=false&limit=[1-40]", agent.address());
    let all = said(&["--http2", "--parallel", "--parallel-max", "40", &url]);
    assert_eq!(all.lines().count(), (1..=40).sum::<usize>());
}

#[test]
fn a_client_certificate_lets_in_as_a_token_does_and_one_of_a_stranger_does_not() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let world = World::new();
    let tls = certified(&world);
    world.log("app.log").line("hello");
    // A certificate of an authority, and one that it signed.
    let sign = |name: &str| {
        let (authority_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).expect("a certificate");
        let issuer = Issuer::new(params, authority_key);
        let params = CertificateParams::new(vec!["client".to_owned()]).expect("parameters");
        let signed = params.signed_by(&key, &issuer).expect("a certificate");
        world.file(&format!("{name}.pem"), signed.pem() + &key.serialize_pem());
        authority.pem()
    };
    let (friends, strangers) = (sign("friend"), sign("stranger"));
    world.file("ca.pem", friends);
    let agent = world.agent(&[&["app=@/app.log", "--tls-client-ca", "@/ca.pem"], &tls[..]].concat());
    let url = |path: &str| format!("https://{}{path}", agent.address());
    let status = |name: Option<&str>, path: &str| {
        let file = name.map(|name| world.path(&format!("{name}.pem")).display().to_string());
        let shown = file.iter().flat_map(|file| ["--cert", file]).collect::<Vec<_>>();
        said(&[&shown[..], &["-o", "/dev/null", "-w", "%{http_code}", &url(path)]].concat())
    };
    assert_eq!((status(None, "/logs"), status(None, "/livez")), ("401".into(), "200".into()));
    assert_eq!(status(Some("friend"), "/logs"), "200");
    assert_eq!(status(Some("stranger"), "/logs"), "000", "no handshake");
    let health = world.setup(&["health", &url("/")]).run();
    assert_eq!(health.status.code(), Some(0));
    // Who signs may change while it runs.
    world.file("ca.pem", strangers);
    eventually("it is read", || agent.stderr().contains("were read again").then_some(()));
    assert_eq!((status(Some("stranger"), "/logs"), status(Some("friend"), "/logs")), ("200".into(), "000".into()));
    let check = |args: &[&str]| {
        String::from_utf8_lossy(&world.setup(&[&["check", "app=@/app.log"], args].concat()).run().stderr).into_owned()
    };
    assert!(check(&["--tls-client-ca", "@/ca.pem"]).contains("tls-client-ca needs TLS"));
    assert!(check(&[&["--tls-client-ca", "@/key.pem"], &tls[..]].concat()).contains("no PEM certificate"));
}

/// What the agent answers to `GET /logs` on a new connection; none where there is no handshake.
fn asked(agent: &Agent, config: &Arc<ClientConfig>) -> Option<String> {
    let session = ClientConnection::new(config.clone(), "localhost".try_into().expect("a name")).expect("a session");
    let mut socket = StreamOwned::new(session, TcpStream::connect(agent.address()).expect("connecting"));
    socket.write_all(b"GET /logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // It may hang up without a word of TLS.
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().map(str::to_owned)
}

#[test]
fn a_session_is_not_taken_up_again_with_a_certificate_that_is_not_trusted_any_more() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let world = World::new();
    let tls = certified(&world);
    world.log("app.log").line("hello");
    let (authority_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let other = params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").pem();
    world.file("ca.pem", params.self_signed(&authority_key).expect("a certificate").pem());
    let issuer = Issuer::new(params, authority_key);
    let signed = CertificateParams::new(vec!["client".to_owned()]).expect("parameters").signed_by(&key, &issuer);
    let agent = world.agent(&[&["app=@/app.log", "--tls-client-ca", "@/ca.pem"], &tls[..]].concat());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.path("cert.pem")).expect("a certificate")).expect("a root");
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
        let config = config.with_root_certificates(roots.clone());
        let shown = vec![signed.as_ref().expect("a certificate").der().clone()];
        let config = Arc::new(config.with_client_auth_cert(shown, private.clone_key()).expect("a client"));
        let trusted = std::fs::read_to_string(world.path("ca.pem")).expect("who signs");
        let is_let_in = || asked(&agent, &config).is_some_and(|answer| answer.contains(" 200 "));
        assert!(is_let_in());
        let reads = || agent.stderr().matches("were read again").count();
        let before = reads();
        world.file("ca.pem", &other);
        eventually("it is read", || (reads() > before).then_some(()));
        assert!(!is_let_in(), "{version:?}");
        world.file("ca.pem", trusted);
        eventually("it is trusted again", || is_let_in().then_some(()));
    }
}

#[test]
fn a_renewed_certificate_is_shown_without_being_told_and_streams_go_on() {
    let world = World::new();
    let tls = certified(&world);
    let mut log = world.log("app.log");
    let agent = world.agent(&[&["app=@/app.log"], &tls[..]].concat());
    let mut stream = Curl::start(&["--http2", &format!("https://{}/events", agent.address())]);
    stream.event();
    let url = format!("https://localhost:{}/livez", agent.address().port());
    let trusted = || {
        let certificate = world.path("cert.pem");
        Command::new("curl")
            .args(["-sS", "-m", "20", "--cacert"])
            .arg(certificate)
            .arg(&url)
            .output()
            .expect("curl")
            .status
            .success()
    };
    assert!(trusted());
    certified(&world);
    eventually("the new one is shown", || trusted().then_some(()));
    let written = log.write(1);
    assert_eq!(field(&stream.event(), "data"), written[0]);
}
