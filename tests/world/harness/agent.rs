//! The real program as a child process: started, signalled, killed, started again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use super::client::{Request, Response, get};
use super::sse::Block;
use super::stream::{Stream, lines_of};
use super::wait::{PATIENCE, eventually};

/// How an agent is started.
#[derive(Clone)]
pub struct Setup {
    folder: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    listen: Option<String>,
    watch: Option<String>,
    wrapper: Vec<String>,
}

impl Setup {
    /// With `args`, in which `@` stands for `folder`; on a port of the system's choice.
    pub fn new(folder: &Path, args: &[&str]) -> Self {
        let at = folder.to_str().expect("a folder name in UTF-8");
        Setup {
            folder: folder.to_owned(),
            args: args.iter().map(|arg| arg.replace('@', at)).collect(),
            env: Vec::new(),
            listen: Some("127.0.0.1:0".to_owned()),
            watch: std::env::var("SIDETAIL_TEST_WATCH").ok(),
            wrapper: Vec::new(),
        }
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without `--listen`, so that environment or file can say it.
    pub fn listen_unsaid(mut self) -> Self {
        self.listen = None;
        self
    }

    /// On another address.
    pub fn listening(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// With the way of watching that its arguments say, whatever is chosen for all.
    pub fn watch_unsaid(mut self) -> Self {
        self.watch = None;
        self
    }

    /// On a port that nobody gets by chance, so that it is free again when the agent comes back.
    pub fn on_a_port_of_its_own(mut self) -> Self {
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let start = 20_000 + (std::process::id() % 10_000) as u16;
        let port = (start..32_000).find(free).expect("a free port below the system's own range");
        self.listen = Some(format!("127.0.0.1:{port}"));
        self
    }

    /// Started by a program that becomes it, as `prlimit` does.
    pub fn wrapped(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Without the right to read what file modes forbid, which root has otherwise.
    pub fn bound_by_file_modes(mut self) -> Self {
        let forbidden = self.folder.join("nobody-reads-this");
        std::fs::write(&forbidden, "").expect("a file");
        set_mode(&forbidden, 0o000);
        if File::open(&forbidden).is_ok() {
            let words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];
            self.wrapper = words.map(str::to_owned).to_vec();
        }
        std::fs::remove_file(&forbidden).expect("removing it");
        self
    }

    /// Runs `sidetail` with exactly these arguments and this standard input to its end.
    pub fn run_with(&self, input: &str) -> Output {
        let mut command = self.command();
        let piped = command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("running sidetail");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("writing to it");
        child.wait_with_output().expect("its end")
    }

    /// Runs `sidetail` with exactly these arguments to its end.
    pub fn run(&self) -> Output {
        self.command().args(&self.args).stdin(Stdio::null()).output().expect("running sidetail")
    }

    /// Starts the agent and waits until it serves.
    pub fn start(self) -> Agent {
        self.start_with(Stdio::null())
    }

    /// The same with a standard input.
    pub fn start_with(self, input: Stdio) -> Agent {
        let mut command = self.command();
        command.args(&self.args);
        if let Some(listen) = &self.listen {
            command.args(["--listen", listen]);
        }
        if let Some(watch) = &self.watch {
            command.args(["--watch", watch]);
        }
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starting sidetail");
        let stderr = collect(child.stderr.take().expect("piped"));
        let first_line = first_line(child.stdout.take().expect("piped"));
        let Some(address) = first_line else {
            let _ = child.kill();
            let status = child.wait();
            panic!("no address on standard output; {status:?}; it said: {}", said(&stderr));
        };
        let address = (!address.starts_with("unix:/")).then(|| {
            let url = ["http://", "https://"].iter().find_map(|scheme| address.strip_prefix(scheme)?.strip_suffix('/'));
            let host = url.and_then(|rest| rest.split('/').next()?.parse().ok());
            host.unwrap_or_else(|| panic!("{address:?} is not http://ADDRESS/"))
        });
        Agent { setup: self, child, address, stderr }
    }

    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_sidetail").to_owned();
        let mut words = self.wrapper.iter().chain([&program]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).current_dir(&self.folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SIDETAIL_")) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running agent; killed when dropped.
pub struct Agent {
    setup: Setup,
    child: Child,
    /// None on a Unix socket.
    address: Option<SocketAddr>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Agent {
    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("an agent on TCP")
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        said(&self.stderr)
    }

    /// Sends a signal by its name: `TERM`, `STOP`, `CONT`, `KILL`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill");
        assert!(status.success(), "kill -{name} {pid}");
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the agent ends", || self.child.try_wait().expect("waiting for the agent"))
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("waiting for the agent");
    }

    /// Starts it again with the same arguments, after it was killed or not.
    pub fn restart(&mut self) {
        self.kill();
        *self = self.setup.clone().start();
    }

    /// Sends a request and reads the head of its answer.
    pub fn send(&self, request: &Request) -> Response {
        request.send(self.address())
    }

    /// `GET target`.
    pub fn get(&self, target: &str) -> Response {
        self.send(&get(target))
    }

    /// A stream of events, its `hello` read.
    pub fn stream(&self, target: &str) -> Stream {
        Stream::open(self.get(target))
    }

    /// The same, for a client that comes back with the id `id`.
    pub fn resume(&self, target: &str, id: &str) -> Stream {
        Stream::open(self.send(&get(target).header("Last-Event-ID", id)))
    }

    /// All events of a stream that ends by itself.
    pub fn events(&self, target: &str) -> Vec<Block> {
        self.stream(target).rest()
    }

    /// The records' text of a stream that ends by itself; fails at a gap.
    pub fn lines(&self, target: &str) -> Vec<String> {
        lines_of(&self.events(target))
    }

    /// What a client that comes back with the id `id` still gets of a stream that ends by itself, which may be nothing
    /// at all (204). Fails at a gap.
    pub fn lines_after(&self, target: &str, id: &str) -> Vec<String> {
        lines_of(&self.rest_after(target, id))
    }

    /// The same as events, gaps too.
    pub fn rest_after(&self, target: &str, id: &str) -> Vec<Block> {
        let response = self.send(&get(target).header("Last-Event-ID", id));
        if response.status() == 204 {
            return Vec::new();
        }
        let stream = Stream::open(response);
        let resumed = stream.resumed();
        let rest = stream.rest();
        let gap = rest.first().is_some_and(|first| first.is("gap"));
        assert!(resumed == "exact" || gap, "resuming {target} after {id}: {resumed}, then {rest:?}");
        rest
    }

    /// What `/logs` says of each log.
    pub fn logs(&self) -> Vec<serde_json::Value> {
        let answer = self.get("/logs").json();
        answer["logs"].as_array().unwrap_or_else(|| panic!("no list of logs in {answer}")).clone()
    }

    /// The names of the logs that it has, sorted.
    pub fn log_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.logs().iter().filter_map(|log| Some(log["name"].as_str()?.to_owned())).collect();
        names.sort();
        names
    }

    /// Waits until it has the log `name`.
    pub fn knows(&self, name: &str) {
        eventually(&format!("the log {name} appears"), || self.log_names().contains(&name.to_owned()).then_some(()));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let stderr = self.stderr();
            let lines: Vec<_> = stderr.lines().collect();
            eprintln!("the agent said at last:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

/// Sets a file's mode.
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.trim_ascii() == b"0"
}

fn said(stderr: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&stderr.lock().expect("the collector does not panic")).into_owned()
}

/// Reads a pipe to its end on a thread of its own, so that the child never waits for us.
fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&collected);
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut piece) {
            sink.lock().expect("no reader panics with the lock").extend_from_slice(&piece[..count]);
        }
    });
    collected
}

/// The first line of a pipe, without its LF; the rest is read and forgotten.
fn first_line(pipe: impl Read + Send + 'static) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            let _ = sender.send(line);
        }
        lines.for_each(drop);
    });
    receiver.recv_timeout(PATIENCE).ok()
}
