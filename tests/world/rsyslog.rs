//! A real rsyslogd that writes what it hears on a socket, rotated as logrotate does it: rename, then HUP.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Block, World, eventually};

const LINES: usize = 2000;
const LINES_PER_FILE: usize = 400;

const CONFIG: &str = r#"
global(workDirectory="@")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="@/log.sock" CreatePath="on" RateLimit.Interval="0")
action(type="omfile" file="@/syslog" template="RSYSLOG_FileFormat")
action(type="omfile" file="@/protocol" template="RSYSLOG_SyslogProtocol23Format")
"#;

/// A running rsyslogd; ended when dropped.
struct Rsyslog(Child);

impl Rsyslog {
    fn start(world: &World) -> Self {
        let config = world.file("rsyslog.conf", CONFIG.replace('@', world.folder().to_str().expect("UTF-8")));
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(config).arg("-i").arg(world.path("pid"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Rsyslog(child.expect("rsyslogd, of the Debian package rsyslog"))
    }

    fn signal(&self, name: &str) {
        let _ = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.signal("TERM");
        let _ = self.0.wait();
    }
}

/// Severities of RFC 5424, and what they are called here.
const LEVELS: [&str; 8] = ["fatal", "fatal", "fatal", "error", "warn", "notice", "info", "debug"];

#[test]
fn what_rsyslog_writes_has_times_and_severities_and_its_rotation_loses_nothing() {
    let began = Timestamp::now();
    let world = World::new();
    let rsyslog = Rsyslog::start(&world);
    let agent = world.agent(&["syslog=@/syslog", "protocol=@/protocol"]);
    let socket = UnixDatagram::unbound().expect("a socket");
    eventually("rsyslogd listens", || socket.connect(world.path("log.sock")).ok());
    let mut live = ["syslog", "protocol"].map(|log| agent.stream(&format!("/events?log={log}&data=json&match=line%20")));

    for number in 0..LINES {
        if number > 0 && number % LINES_PER_FILE == 0 {
            eventually("lines in the new files", || {
                let are_there = ["syslog", "protocol"].iter().all(|log| world.path(log).exists());
                if !are_there {
                    // rsyslogd forgets a signal that comes while it is about the one before.
                    rsyslog.signal("HUP");
                }
                are_there.then_some(())
            });
            for log in ["syslog", "protocol"] {
                fs::rename(world.path(log), world.path(&format!("{log}.{}", LINES / LINES_PER_FILE - number / LINES_PER_FILE)))
                    .expect("rotating");
            }
            rsyslog.signal("HUP");
        }
        let message = format!("<{}>Nov 22 10:00:00 app[12]: line {number:04}", 8 + number % 8);
        socket.send(message.as_bytes()).expect("a message");
    }

    for (stream, log) in live.iter_mut().zip(["syslog", "protocol"]) {
        let came: Vec<Value> = (0..LINES).map(|_| stream.record().json()).collect();
        let again: Vec<Value> = agent
            .events(&format!("/events?log={log}&from=start&follow=false&data=json&match=line%20"))
            .iter()
            .map(Block::json)
            .collect();
        let lines = |records: &[Value]| records.iter().map(|record| record["line"].clone()).collect::<Vec<_>>();
        assert!(lines(&came) == lines(&again), "{log}: read again from the rotated files");
        for (number, record) in came.iter().enumerate() {
            assert!(record["line"].as_str().unwrap().ends_with(&format!("line {number:04}")), "line {number} of {log}: {record}");
            let time: Timestamp = record["time"].as_str().expect("a time").parse().expect("RFC 3339");
            assert!(time > began - jiff::SignedDuration::from_secs(1) && time <= Timestamp::now(), "{record}");
            let level = (log == "protocol").then_some(LEVELS[number % 8]);
            assert_eq!(record["level"].as_str(), level, "{record}");
        }
    }
}
