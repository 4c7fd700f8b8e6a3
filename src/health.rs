//! `sidetail health`: asks a running agent whether it is ready, for health checks where there is no curl. A client of one
//! request, on a plain socket; never tells anything of a log.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::http::tls;

/// How much of an answer is read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// The probes that a URL may name; any other is taken for the address of the agent.
const PROBES: [&str; 3] = ["readyz", "livez", "healthz"];

/// Whom to ask, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp { address: String, tls: bool },
    Unix(PathBuf),
}

impl Target {
    /// `/readyz` of the agent that listens on `address`, `HOST:PORT`, below `base_path`.
    ///
    /// # Errors
    /// Where the port is of the system's choice.
    pub fn tcp(address: &str, base_path: &str, tls: bool) -> Result<Self, String> {
        if address.ends_with(":0") {
            return Err(format!("{address} is any free port; name the URL that the agent printed: sidetail health URL"));
        }
        Ok(Target { place: Place::Tcp { address: reachable(address), tls }, path: probe(base_path) })
    }

    /// The same of one that listens on a Unix socket.
    pub fn unix(path: PathBuf, base_path: &str) -> Self {
        Target { place: Place::Unix(path), path: probe(base_path) }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Target::unix(path.into(), ""));
        }
        let wrong = || format!("{text:?} is no address of an agent; write http://127.0.0.1:7878/ or unix:/run/sidetail.sock");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (tls, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(wrong()),
        };
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let harmless = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if address.is_empty() || !harmless(rest) {
            return Err(wrong());
        }
        let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { reachable(address) } else { format!("{address}:{port}") };
        Ok(Target { place: Place::Tcp { address, tls }, path: probe(&format!("/{path}")) })
    }
}

/// The path to ask below `base_path`, which may be that of a probe already.
fn probe(base_path: &str) -> String {
    let base = base_path.trim_end_matches('/');
    let named = base.rsplit('/').next().is_some_and(|last| PROBES.contains(&last));
    if named { base.into() } else { format!("{base}/readyz") }
}

/// Where to reach whoever listens on `address`: one that means every interface is none to connect to.
fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(any) if any.ip().is_unspecified() && any.is_ipv4() => format!("127.0.0.1:{}", any.port()),
        Ok(any) if any.ip().is_unspecified() => format!("localhost:{}", any.port()),
        _ => address.into(),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { address, tls } => write!(f, "http{}://{address}{}", if *tls { "s" } else { "" }, self.path),
            Place::Unix(path) => write!(f, "unix:{} {}", path.display(), self.path),
        }
    }
}

/// Asks `target`, within `patience`.
///
/// # Errors
/// A sentence: nobody answers there, or the answer is no.
pub fn ask(target: &Target, patience: Duration) -> Result<(), String> {
    let until = Instant::now() + patience;
    let answer = answer(target, until).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("{target}: no answer in time"),
        _ => format!("{target}: {error}"),
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).filter(|_| head.starts_with("HTTP/1."));
    match status {
        Some("200") => Ok(()),
        Some(status) => Err(format!("{target}: {status}: {}", body.lines().next().unwrap_or_default())),
        None => Err(format!("{target}: that is no HTTP server")),
    }
}

fn answer(target: &Target, until: Instant) -> io::Result<String> {
    let request = |host: &str| format!("GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", target.path);
    match &target.place {
        Place::Unix(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_write_timeout(Some(left(until)?))?;
            converse(&socket, &request("localhost"), || socket.set_read_timeout(Some(left(until)?)))
        }
        Place::Tcp { address, tls } => {
            let socket = connect(address, until)?;
            socket.set_write_timeout(Some(left(until)?))?;
            socket.set_read_timeout(Some(left(until)?))?;
            let again = || socket.set_read_timeout(Some(left(until)?));
            if *tls {
                converse(tls::unchecked(&socket)?, &request(address), again)
            } else {
                converse(&socket, &request(address), again)
            }
        }
    }
}

/// Connects to the first of the addresses of a name that answers.
fn connect(address: &str, until: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Sends `request` and reads the answer to its end; `again` renews the time-out of a read.
fn converse(mut socket: impl Read + Write, request: &str, again: impl Fn() -> io::Result<()>) -> io::Result<String> {
    socket.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while answer.len() < ANSWER_BYTES_MAX {
        again()?;
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            // An end without the goodbye of TLS.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// How long it is until `until`.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_prints_and_what_it_is_told_lead_to_the_same_place() {
        for (url, target) in [
            ("http://127.0.0.1:7878/", Target::tcp("0.0.0.0:7878", "", false).unwrap()),
            ("http://127.0.0.1:7878/x/", Target::tcp("127.0.0.1:7878", "/x", false).unwrap()),
            ("http://127.0.0.1:7878/x/readyz", Target::tcp("127.0.0.1:7878", "/x", false).unwrap()),
            ("https://localhost:1/", Target::tcp("[::]:1", "", true).unwrap()),
            ("unix:/run/s", Target::unix("/run/s".into(), "")),
        ] {
            assert_eq!(url.parse(), Ok(target), "{url}");
        }
        assert_eq!("http://h/livez".parse::<Target>().unwrap().to_string(), "http://h:80/livez");
        assert!(Target::tcp("127.0.0.1:0", "", false).unwrap_err().contains("sidetail health URL"));
        for wrong in ["7878", "ftp://x/", "http:///", "unix:", "http://a b/"] {
            assert!(wrong.parse::<Target>().unwrap_err().contains("write http://"), "{wrong}");
        }
    }
}
