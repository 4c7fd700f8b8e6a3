//! What befalls a whole process: a clock that jumps, no memory, a full disk beside it, a long stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Agent, Log, World, eventually};

const REST: &str = "/events?follow=false";

fn assert_all_resume(agent: &Agent, log: &Log, records: &[crate::harness::Block]) {
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..], "after record {place}");
    }
}

#[test]
fn an_own_log_that_cannot_be_written_ends_nothing() {
    let world = World::new();
    let mut log = world.log("app.log");
    let setup = world.setup(&["app=@/app.log", "--log-level", "debug"]);
    let agent = setup.wrapped(&["sh", "-c", "exec \"$0\" \"$@\" 2>/dev/full"]).start();
    for _ in 0..5 {
        log.write(2);
        assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
    }
}

#[test]
fn the_clock_of_the_machine_may_jump_by_years() {
    let library = ["x86_64", "aarch64"].map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"));
    let library = library.iter().find(|library| Path::new(library).exists()).expect("the Debian package libfaketime");
    let world = World::new();
    let clock = world.file("clock", "+20y");
    let mut log = world.log("app.log");
    let setup = world.setup(&["app=@/app.log", "--heartbeat", "200ms", "--hold-time", "30s"]);
    let setup = setup.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("a path in UTF-8"));
    let mut agent = setup.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").start();
    let year = |text: &str| text.get(..4)?.parse::<i16>().ok();
    let told = eventually("it says when it started", || year(&agent.stderr()));
    assert!(told > jiff::Zoned::now().year() + 10, "the clock was not set forward: {told}");
    let mut stream = agent.stream("/events");
    let mut records = Vec::new();
    for jump in ["-20y", "+1h", "+10y", "+0"] {
        log.write(2);
        records.extend(stream.records(2));
        fs::write(&clock, jump).unwrap();
        log.rotate();
        log.write(2);
        records.extend(stream.records(2));
        let beats = stream.heartbeats();
        stream.heartbeat(beats + 2);
        assert_eq!(agent.get("/healthz").status(), 200, "after {jump}");
    }
    assert_all_resume(&agent, &log, &records);
    agent.restart();
    assert_all_resume(&agent, &log, &records);
}

/// A control group of its own for memory; removed when dropped.
struct Memory(PathBuf);

impl Memory {
    /// One that gives `bytes`; `None` where no group can be made here.
    fn of(bytes: u64) -> Option<Self> {
        let name = format!("sidetail-test-{}", std::process::id());
        let (one, two) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (root, limits) = match one.exists() {
            true => (one, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]),
            false => (two, ["memory.max", "memory.swap.max"]),
        };
        let group = root.join(name);
        fs::create_dir(&group).ok()?;
        let memory = Memory(group);
        fs::write(memory.0.join(limits[0]), bytes.to_string()).ok()?;
        // Not everywhere is there swap.
        let _ = fs::write(memory.0.join(limits[1]), if one.exists() { bytes.to_string() } else { "0".into() });
        Some(memory)
    }

    /// What starts a program in it, as the first that is killed.
    fn wrapper(&self) -> String {
        format!("echo $$ > {}/cgroup.procs && echo 1000 > /proc/self/oom_score_adj && exec \"$@\"", self.0.display())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// A program that takes all the memory of `memory`.
fn hog(memory: &Memory) -> Child {
    let script = format!("echo $$ > {}/cgroup.procs && exec tail /dev/zero", memory.0.display());
    Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).spawn().expect("sh")
}

#[test]
fn an_agent_that_the_kernel_kills_for_want_of_memory_is_started_again_and_nothing_is_lost() {
    let world = World::new();
    let mut log = world.log("app.log");
    let memory = Memory::of(96 << 20);
    let script = memory.as_ref().map_or("exec \"$@\"".to_owned(), Memory::wrapper);
    let mut agent = world.setup(&["app=@/app.log"]).wrapped(&["sh", "-c", &script, "sh"]).start();
    let mut stream = agent.stream("/events");
    log.write(5);
    let records = stream.records(5);
    match &memory {
        Some(memory) => {
            let mut hog = hog(memory);
            let status = agent.ended();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status:?}");
            let _ = hog.kill();
            hog.wait().expect("its end");
        }
        // No right to make a group: what the kernel would do.
        None => agent.kill(),
    }
    assert!(stream.try_next().is_err(), "a cut, not an end");
    log.write(3);
    log.rotate();
    log.write(3);
    agent.restart();
    assert_all_resume(&agent, &log, &records);
    drop(agent);
}

#[test]
fn an_agent_that_is_stopped_for_a_while_goes_on_where_it_was() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(3));
    for _ in 0..3 {
        agent.signal("STOP");
        let state = || fs::read_to_string(format!("/proc/{}/stat", agent.pid())).ok()?.contains(") T ").then_some(());
        eventually("it stands", state);
        let mut missed = log.write(50);
        log.rotate();
        missed.extend(log.write(50));
        agent.signal("CONT");
        stream.goes_on_with(&missed);
    }
}

/// Everything that it may write to is full: it needs no disk.
#[test]
fn an_agent_without_a_byte_of_disk_serves_as_ever() {
    let world = World::new();
    let mut log = world.log("app.log");
    let full = world.path("full");
    fs::create_dir(&full).unwrap();
    let script = "mount -t tmpfs -o size=4k,mode=1777 tmpfs \"$0\" && { cat /dev/zero > \"$0\"/ballast 2>/dev/null; cd \"$0\"; TMPDIR=$0 exec \"$@\"; }";
    let words = ["unshare", "-m", "sh", "-c", script, full.to_str().expect("a path in UTF-8")];
    let mut agent = world.setup(&["app=@/app.log"]).wrapped(&words).start();
    let mut stream = agent.stream("/events?match=line");
    log.write(5);
    let records = stream.records(5);
    log.rotate();
    crate::harness::log::gzip(&world.path("app.log.1"));
    stream.goes_on_with(&log.write(2));
    agent.restart();
    assert_all_resume(&agent, &log, &records);
}

#[test]
fn a_file_that_ends_with_a_tebibyte_of_nothing_keeps_no_other_log_waiting() {
    let world = World::new();
    let [old, app, mut web] = ["app.log.1", "app.log", "web.log"].map(|name| {
        let mut log = world.log(name);
        log.write(3);
        if name != "web.log" {
            fs::OpenOptions::new().write(true).open(log.path()).expect("the log").set_len(1 << 40).expect("a size");
        }
        log
    });
    let agent = world.agent(&["app=@/app.log", "web=@/web.log"]);
    agent.knows("web");
    let mut stream = agent.stream("/events?from=start&log=web");
    stream.goes_on_with(web.written());
    stream.goes_on_with(&web.write(3));
    let mut both = old.written().to_vec();
    both.extend_from_slice(app.written());
    assert_eq!(agent.stream("/events?from=start&log=app").lines(6), both);
}
