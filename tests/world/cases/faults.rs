//! A kernel that refuses: injected errors, exhausted limits, lost notifications, odd clocks.

use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};

use crate::harness::{Agent, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";

/// An agent on `app.log` in whose system calls strace puts errors: `faults` in the words of its `inject=`.
fn faulty(world: &World, faults: &str, only: Option<&str>) -> Agent {
    let call = faults.split(':').next().expect("a system call");
    let (trace, inject) = (format!("trace={call}"), format!("inject={faults}"));
    let only = only.map(|name| world.path(name).display().to_string());
    let mut words = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    if let Some(path) = &only {
        words.extend(["-P", path]);
    }
    world.setup(&["app=@/app.log"]).wrapped(&words).start()
}

fn polls(agent: &Agent) -> bool {
    agent.get("/logs").json()["watch"]["mode"] == "poll"
}

/// Lines through two rotations come in order, and again to who comes back.
fn assert_all_comes(world: &World, agent: &Agent) {
    let mut log = world.log("app.log");
    let mut stream = agent.stream("/events");
    log.write(3);
    let records = stream.records(3);
    for _ in 0..2 {
        log.rotate();
        stream.goes_on_with(&log.write(3));
    }
    assert_eq!(agent.lines_after("/events?follow=false", records[0].id()), log.written()[1..]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn without_a_notification_instance_everything_is_the_same_and_the_status_says_so() {
    let world = World::new();
    let agent = faulty(&world, "inotify_init1:error=EMFILE", None);
    assert_all_comes(&world, &agent);
    assert!(polls(&agent));
    if std::env::var("SIDETAIL_TEST_WATCH").as_deref() != Ok("poll") {
        let why = agent.get("/logs").json()["watch"]["degraded"].to_string();
        assert!(why.contains("notifications can't be had"), "{why}");
    }
}

#[test]
fn without_room_for_a_watch_everything_is_the_same_and_the_status_says_so() {
    let world = World::new();
    let agent = faulty(&world, "inotify_add_watch:error=ENOSPC", None);
    assert_all_comes(&world, &agent);
    assert!(polls(&agent));
    if std::env::var("SIDETAIL_TEST_WATCH").as_deref() != Ok("poll") {
        let why = agent.get("/logs").json()["watch"]["degraded"].to_string();
        assert!(why.contains("can't be watched"), "{why}");
    }
}

#[test]
fn more_notifications_than_the_kernel_keeps_lose_nothing() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(3));
    agent.signal("STOP");
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let other = world.path("other");
    for _ in 0..most / 2 + 1000 {
        File::create(&other).unwrap();
        fs::remove_file(&other).unwrap();
    }
    let mut new = log.write(3);
    log.rotate();
    new.extend(log.write(3));
    agent.signal("CONT");
    stream.goes_on_with(&new);
    stream.goes_on_with(&log.write(3));
}

#[test]
fn a_read_error_is_told_and_what_could_not_be_read_comes_when_it_can_be() {
    for error in ["EIO", "ESTALE"] {
        let world = World::new();
        let mut log = world.log("app.log");
        log.write(20);
        // The first reads succeed, the next twenty fail.
        let agent = faulty(&world, &format!("pread64:error={error}:when=6..25"), Some("app.log"));
        let mut stream = agent.stream("/events?from=start&notices=true");
        let mut told = false;
        let mut lines = Vec::new();
        log.write(5);
        while lines.len() < 25 {
            let block = stream.next().expect("the stream goes on");
            assert!(!block.is("gap"), "{block:?}");
            told |= block.is("log") && block.json()["state"] == "error";
            lines.extend(block.is_record().then_some(block.data));
        }
        assert_eq!(lines, log.written());
        assert!(told || agent.stderr().contains("not all of it can be followed"), "nobody said a word about {error}");
        eventually("no error any more", || agent.logs()[0]["error"].is_null().then_some(()));
        assert_eq!(agent.lines(EVERYTHING), log.written());
    }
}

#[test]
fn a_file_that_cannot_be_opened_for_a_while_is_tried_again() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let agent = faulty(&world, "openat2:error=EACCES:when=1..20", Some("app.log"));
    assert_eq!(agent.stream("/events?from=start").lines(3), log.written());
    let mut stream = agent.stream("/events");
    log.rotate();
    stream.goes_on_with(&log.write(2));
}

#[test]
fn a_clock_that_jumps_changes_nothing_that_is_followed() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    let mut records = Vec::new();
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now();
    for date in [now + 1000 * day, SystemTime::UNIX_EPOCH, now - 1000 * day, now + day] {
        log.write(3);
        records.extend(stream.records(3));
        File::options().append(true).open(log.path()).unwrap().set_modified(date).unwrap();
        log.rotate();
    }
    log.write(1);
    records.push(stream.record());
    agent.kill();
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after("/events?follow=false", record.id()), log.written()[place + 1..]);
    }
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn where_the_folder_may_not_be_listed_the_log_is_followed_all_the_same() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    // As with mode 711.
    let agent = faulty(&world, "getdents64:error=EACCES", None);
    assert_eq!(agent.lines(EVERYTHING), log.written());
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(2));
    log.rotate();
    stream.goes_on_with(&log.write(2));
}

#[test]
fn an_id_that_is_newer_than_the_file_is_a_gap() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(60);
    let backup = fs::read(log.path()).unwrap();
    log.write(20);
    let newest = stream.records(80).pop().unwrap();
    agent.kill();
    // Everything was put back as it was a while ago.
    fs::remove_file(log.path()).unwrap();
    fs::write(log.path(), &backup).unwrap();
    log.create_anew();
    let new = log.write(1);
    agent.restart();
    let rest = agent.rest_after("/events?follow=false", newest.id());
    assert!(rest[0].is("gap"), "{rest:?}");
    assert_eq!(rest[0].json()["reason"], "truncated");
    assert_eq!(rest.last().unwrap().data, new[0]);
}

#[test]
fn ten_thousand_files_are_followed_and_the_first_line_of_each_new_one_comes_at_once() {
    let world = World::new();
    for number in 0..10_000 {
        world.file(&format!("logs/{number:05}.log"), format!("2026-11-22T10:00:00.000Z of {number}\n"));
    }
    let agent = world.setup(&["@/logs/*.log"]).start();
    let deadline = Instant::now() + Duration::from_secs(60);
    while agent.get("/readyz").status() != 200 {
        assert!(Instant::now() < deadline, "not every log has been looked at");
    }
    assert_eq!(agent.log_names().len(), 10_000);
    let mut stream = agent.stream("/events?log=07777.log");
    let mut busy = world.log("logs/07777.log");
    stream.goes_on_with(&busy.write(3));
    let mut new = world.log("logs/new.log");
    new.write(1);
    agent.knows("new.log");
    assert_eq!(agent.lines("/events?from=start&follow=false&log=new.log"), new.written());
}
