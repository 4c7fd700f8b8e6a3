//! Real input: nginx writes its access log under load while the system's logrotate rotates it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Block, World, eventually};

const ROTATIONS: usize = 5;

const NGINX: &str = r#"
daemon off; worker_processes 1; pid @/nginx.pid; error_log @/error.txt; USER
events { worker_connections 64; }
http {
    log_format json escape=json '{"ts":"$time_iso8601","method":"$request_method","path":"$request_uri","status":$status,'
        '"bytes":$body_bytes_sent,"rt":$request_time,"ua":"$http_user_agent"}';
    access_log @/access.log;
    access_log @/json.log json;
    client_body_temp_path @/tmp; proxy_temp_path @/tmp; fastcgi_temp_path @/tmp; uwsgi_temp_path @/tmp; scgi_temp_path @/tmp;
    keepalive_requests 1000000;
    server { listen unix:@/nginx.sock; location / { return 200 'ok'; } location /missing { return 404 'no'; } location /broken { return 503 'no'; } }
}
"#;

const LOGROTATE: &str = "
@/access.log {
    su USER
    create 0644 USER
    rotate 30
    compress
    delaycompress
    postrotate
        kill -USR1 $(cat @/nginx.pid)
    endscript
}
";

/// A running nginx; ended when dropped.
struct Nginx<'a> {
    world: &'a World,
    child: Child,
}

impl<'a> Nginx<'a> {
    fn start(world: &'a World) -> Self {
        let user = if whoami("-u") == "0" { "user root;" } else { "" };
        let config = at(world, NGINX).replace("USER", user);
        let config = world.file("nginx.conf", config);
        let mut command = program("nginx");
        command.arg("-p").arg(world.folder()).arg("-c").arg(config).arg("-e").arg(world.path("error.txt"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let nginx = Nginx { world, child: child.expect("nginx, of the Debian package nginx-light") };
        eventually("nginx serves", || UnixStream::connect(world.path("nginx.sock")).ok());
        nginx
    }

    /// Asks for `/request/0`, `/request/1`, … one after the other on one connection, until it is told to stop; how many.
    fn load(&self, stop: &AtomicBool) -> usize {
        let socket = UnixStream::connect(self.world.path("nginx.sock")).expect("connecting to nginx");
        let mut answers = BufReader::new(socket.try_clone().expect("a second handle"));
        let mut requests = socket;
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return number;
            }
            write!(requests, "GET /request/{number} HTTP/1.1\r\nHost: x\r\nUser-Agent: load\r\n\r\n").expect("asking");
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                assert!(answers.read_line(&mut line).expect("an answer") > 0, "nginx hung up");
            }
            answers.read_exact(&mut [0; 2]).expect("the body");
        }
        unreachable!("numbers do not end")
    }

    /// One run of logrotate, which returns once nginx has written so many bytes to the new file.
    fn rotate(&self, config: &Path, bytes: u64) {
        let mut command = program("logrotate");
        let output = command.arg("-f").arg("-s").arg(self.world.path("state")).arg(config).output().expect("logrotate");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        eventually("lines in the new file", || (fs::metadata(self.world.path("access.log")).ok()?.len() >= bytes).then_some(()));
    }
}

impl Drop for Nginx<'_> {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

/// A program that may stand where only root has its path.
fn program(name: &str) -> Command {
    let admin = PathBuf::from("/usr/sbin").join(name);
    Command::new(if admin.exists() { admin } else { PathBuf::from(name) })
}

fn whoami(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().expect("id");
    String::from_utf8(output.stdout).expect("a number").trim().to_owned()
}

fn at(world: &World, text: &str) -> String {
    text.replace('@', world.folder().to_str().expect("UTF-8"))
}

#[test]
fn the_access_log_of_nginx_arrives_complete_across_logrotate() {
    arrives_complete(256 << 10);
}

#[test]
fn the_access_log_of_nginx_arrives_complete_when_logrotate_runs_again_and_again() {
    arrives_complete(1);
}

/// Follows nginx under load while logrotate runs, each time after at least so many bytes.
fn arrives_complete(bytes_per_file: u64) {
    let world = World::new();
    let nginx = Nginx::start(&world);
    let user = format!("{} {}", whoami("-un"), whoami("-gn"));
    let config = world.file("logrotate.conf", at(&world, LOGROTATE).replace("USER", &user));
    crate::harness::agent::set_mode(&config, 0o644);
    let agent = world.agent(&["web=@/access.log", "--log-level", "debug"]);
    let mut stream = agent.stream("/events?match=/request/");
    let id = stream.hello().id().to_owned();

    let stop = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let load = scope.spawn(|| nginx.load(&stop));
        (0..ROTATIONS).for_each(|_| nginx.rotate(&config, bytes_per_file));
        stop.store(true, Ordering::Relaxed);
        load.join().expect("the load")
    });

    let mut lines = Vec::new();
    for number in 0..asked {
        let line = stream.record().data;
        assert!(line.contains(&format!("\"GET /request/{number} HTTP/1.1\"")), "{line} instead of request {number}");
        lines.push(line);
    }
    let again = agent.lines_after("/events?match=/request/&follow=false", &id);
    assert!(again == lines, "{} of {} lines, read again from the rotated and compressed files", again.len(), lines.len());
    assert!(world.listing().iter().any(|name| name.ends_with(".gz")), "{:?}", world.listing());
}

#[test]
fn requests_are_records_with_time_level_and_fields_in_both_of_nginx_formats() {
    let began = Timestamp::now() - SignedDuration::from_secs(1);
    let world = World::new();
    let _nginx = Nginx::start(&world);
    let agent = world.agent(&["web=@/access.log", "json=@/json.log"]);
    let mut keeping = UnixStream::connect(world.path("nginx.sock")).expect("connecting to nginx");
    let asked = [("GET", "/a?q=%C3%A9", 200, "info"), ("POST", "/missing", 404, "warn"), ("GET", "/broken", 503, "error")];
    for (method, path, ..) in asked {
        write!(keeping, "{method} {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: say \"hi\" \\ é\r\n\r\n").expect("asking");
    }
    // A request that is none, on a connection of its own.
    let mut socket = UnixStream::connect(world.path("nginx.sock")).expect("connecting to nginx");
    write!(socket, "\x16\x03\x01\r\n\r\n").expect("asking");
    socket.read_to_end(&mut Vec::new()).expect("an answer");
    drop(socket);
    let records = |log: &str| -> Vec<Value> {
        let all = || agent.events(&format!("/events?log={log}&from=start&follow=false&data=json"));
        let all = eventually("all requests", || Some(all()).filter(|all| all.len() > asked.len()));
        all.iter().map(Block::json).collect()
    };
    for (log, agent_name) in [("web", "say \\x22hi\\x22 \\x5C \\xC3\\xA9"), ("json", "say \"hi\" \\ é")] {
        let records = records(log);
        for (record, (method, path, status, level)) in records.iter().zip(asked) {
            let fields = &record["fields"];
            assert_eq!((&fields["method"], &fields["path"], &fields["status"]), (&json!(method), &json!(path), &json!(status)));
            assert_eq!(fields["bytes"], 2, "{record}");
            assert_eq!(fields[if log == "web" { "agent" } else { "ua" }], agent_name, "{record}");
            // JSON has only the levels that it says itself.
            assert_eq!(record["level"], if log == "web" { json!(level) } else { Value::Null }, "{record}");
            let time: Timestamp = record["time"].as_str().expect("a time").parse().expect("RFC 3339");
            assert!((began..=Timestamp::now()).contains(&time), "{record}");
        }
        let none = &records[asked.len()];
        assert_eq!((&none["fields"]["status"], records.len()), (&json!(400), asked.len() + 1), "{none}");
    }
    let formats: Vec<_> = agent.logs().into_iter().map(|log| (log["name"].clone(), log["format"].clone())).collect();
    assert_eq!(formats, [(json!("json"), json!("json")), (json!("web"), json!("clf"))]);
}
