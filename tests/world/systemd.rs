//! What a service manager hears and hands over: the protocols of `sd_notify(3)` and `sd_listen_fds(3)`, without systemd.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::agent::Setup;
use crate::harness::{Agent, World, eventually, get};

/// A service manager that listens for what it is told.
struct Manager(UnixDatagram);

impl Manager {
    fn at(world: &World) -> (Self, String) {
        let path = world.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        (Manager(socket), path.display().to_string())
    }

    /// The next message, by its keys.
    fn next(&self) -> BTreeMap<String, String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).expect("a message in time");
        let text = str::from_utf8(&message[..length]).expect("text");
        text.lines().map(|line| line.split_once('=').expect("KEY=VALUE")).map(|(key, value)| (key.into(), value.into())).collect()
    }

    /// The next message that has `key`.
    fn next_with(&self, key: &str) -> BTreeMap<String, String> {
        loop {
            let message = self.next();
            if message.contains_key(key) {
                return message;
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.0.set_nonblocking(true).expect("not to block");
        let silent = self.0.recv(&mut [0; 16]).is_err();
        self.0.set_nonblocking(false).expect("to block");
        silent
    }
}

/// Stops the thread of the follower in its next system call, for ever.
fn wedge(agent: &Agent) -> Wedge {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("its threads");
    let is_follower = |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "follow");
    let task = tasks.map(|task| task.expect("a thread").path()).find(is_follower).expect("the follower's thread");
    let thread = task.file_name().expect("a number").to_str().expect("digits").to_owned();
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "-e", "inject=all:delay_enter=30000000", "-p", &thread]);
    Wedge(strace.stdin(Stdio::null()).spawn().expect("strace"))
}

struct Wedge(Child);

impl Drop for Wedge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ready_is_said_after_the_first_look_and_stopping_at_the_end() {
    let world = World::new();
    world.log("app.log").write(3);
    let (manager, socket) = Manager::at(&world);
    let mut agent = world.setup(&["app=@/app.log"]).env("NOTIFY_SOCKET", &socket).start();
    let ready = manager.next();
    assert_eq!(ready["READY"], "1");
    assert_eq!(ready["STATUS"], "following 1 log, 0 subscribers");
    assert_eq!(agent.get("/readyz").status(), 200);
    agent.signal("TERM");
    assert_eq!(manager.next_with("STOPPING")["STOPPING"], "1");
    assert!(agent.ended().success());
}

#[test]
fn neither_ready_nor_readyz_come_before_every_log_was_looked_at() {
    let world = World::new();
    world.log("app.log").write(3);
    let (manager, socket) = Manager::at(&world);
    let path = world.path("app.log").display().to_string();
    let inject = "inject=openat,openat2:delay_enter=2500000";
    let words = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", &path, "-e", "trace=openat,openat2", "-e", inject];
    let agent = world.setup(&["app=@/app.log"]).env("NOTIFY_SOCKET", &socket).wrapped(&words).start();
    let answer = agent.get("/readyz");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text(), "not every log has been looked at yet\n");
    assert_eq!(agent.get("/livez").status(), 200);
    let health = world.setup(&["health", &format!("http://{}/", agent.address())]).run();
    assert_eq!(health.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&health.stderr).contains("503: not every log"), "{health:?}");
    assert!(manager.is_silent());
    assert_eq!(manager.next()["READY"], "1");
    eventually("it is ready", || (agent.get("/readyz").status() == 200).then_some(()));
}

#[test]
fn a_follower_that_is_stuck_pings_no_watchdog_and_is_not_live() {
    let world = World::new();
    world.log("app.log").write(3);
    let (manager, socket) = Manager::at(&world);
    let agent = world.setup(&["app=@/app.log"]).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "300000").start();
    manager.next_with("READY");
    for _ in 0..5 {
        manager.next_with("WATCHDOG");
    }
    assert_eq!(agent.get("/livez").status(), 200);
    let wedge = wedge(&agent);
    eventually("the pings stop", || {
        manager.0.set_read_timeout(Some(Duration::from_millis(900))).expect("a time-out");
        manager.0.recv(&mut [0; 64]).is_err().then_some(())
    });
    let why = eventually("it is not live", || {
        let answer = agent.get("/livez");
        (answer.status() == 503).then(|| answer.text())
    });
    assert!(why.contains("the follower has been at one thing for"), "{why}");
    assert_eq!(agent.get("/version").status(), 200, "the server itself works");
    drop(wedge);
    manager.0.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    manager.next_with("WATCHDOG");
    eventually("it is live again", || (agent.get("/livez").status() == 200).then_some(()));
}

/// Passes the socket with descriptor 0 on as a service manager does: as descriptor 3, named in the environment.
const HAND_OVER: &str = "
import os, sys
os.dup2(0, 3)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid() + int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
";

/// An agent of `setup` that is given `socket`, whose process id is that in `LISTEN_PID` but for `off`.
fn handed_over(setup: Setup, socket: impl Into<Stdio>, off: &str) -> Agent {
    setup.wrapped(&["python3", "-c", HAND_OVER, off]).start_with(socket.into())
}

#[test]
fn a_socket_that_is_handed_over_is_served_instead_of_the_one_of_the_options() {
    let world = World::new();
    let lines = world.log("app.log").write(3);
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    // Who comes before it runs is served when it does.
    let early = get("/tail?follow=false").connect(address);
    let agent = handed_over(world.setup(&["app=@/app.log"]), std::os::fd::OwnedFd::from(socket), "0");
    assert_eq!(agent.address(), address);
    assert_eq!(agent.lines("/events?from=start&follow=false"), lines);
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut { early }, &mut answer).ok();
    assert!(answer.contains(&lines[2]), "{answer}");
}

#[test]
fn a_unix_socket_that_is_handed_over_stays_when_the_agent_ends() {
    let world = World::new();
    world.log("app.log").write(1);
    let socket = UnixListener::bind(world.path("socket")).expect("a socket");
    let mut agent = handed_over(world.setup(&["app=@/app.log"]), std::os::fd::OwnedFd::from(socket), "0");
    let health = || world.setup(&["health", "unix:@/socket"]).run();
    eventually("it is ready", || health().status.success().then_some(()));
    agent.signal("TERM");
    assert!(agent.ended().success());
    assert!(world.path("socket").exists());
}

#[test]
fn sockets_of_another_process_are_left_alone_and_what_is_none_is_refused() {
    let world = World::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let agent = handed_over(world.setup(&["app=@/app.log"]), std::os::fd::OwnedFd::from(socket), "1");
    assert_ne!(agent.address(), address);
    let no_socket = world.setup(&["app=@/app.log"]).wrapped(&["python3", "-c", HAND_OVER, "0"]).run();
    assert_eq!(no_socket.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_socket.stderr).contains("LISTEN_FDS: socket 0 is no stream socket"), "{no_socket:?}");
}
