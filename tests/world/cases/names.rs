//! What files are called, and one file under several names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::harness::{Log, World, eventually, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

#[test]
fn a_name_that_is_no_utf_8_or_no_printable_line_is_followed_and_cannot_forge_the_wire() {
    for name in [&b"caf\xE9.log"[..], b"two\nlines.log", b"tab\tbell\x07.log", b"id: forged\r\ndata: x.log"] {
        let world = World::new();
        let path = world.folder().join(OsStr::from_bytes(name));
        fs::write(&path, "2026-11-22T10:00:00.000Z one\n").unwrap();
        let agent = world.agent(&["@/*.log"]);
        let logs = agent.logs();
        let shown = logs[0]["name"].as_str().expect("a name");
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        let blocks = agent.events("/events?from=start&follow=false&data=json");
        assert_eq!(blocks.len(), 1, "{blocks:?}");
        assert_eq!(blocks[0].json()["log"], shown);
        let mut stream = agent.stream("/events");
        fs::write(&path, "2026-11-22T10:00:00.000Z one\n2026-11-22T10:00:01.000Z two\n").unwrap();
        while stream.next().expect("the stream goes on").data != "2026-11-22T10:00:01.000Z two" {}
    }
}

#[test]
fn a_file_with_two_hard_links_is_one_log_and_the_other_name_is_listed() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    fs::hard_link(log.path(), world.path("alias.log")).unwrap();
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
    assert_eq!(agent.log_names().len(), 1);
    let problems = agent.get("/logs").json()["problems"].to_string();
    assert!(problems.contains("another name"), "{problems}");
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(2));
}

#[test]
fn patterns_that_no_file_fits_are_listed_until_one_does() {
    let world = World::new();
    let agent = world.agent(&["@/*.log", "@/*.txt"]);
    let unmatched = || agent.get("/logs").json()["unmatched"].to_string();
    assert!(unmatched().contains("*.log") && unmatched().contains("*.txt"), "{}", unmatched());
    world.log("app.log").write(1);
    eventually("a pattern that fits", || (!unmatched().contains("*.log")).then_some(()));
    assert!(unmatched().contains("*.txt"), "{}", unmatched());
}

#[test]
fn a_file_that_two_patterns_mean_is_one_log() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    let agent = world.agent(&["@/*.log", "@/a*", "@/app.log"]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
    assert_eq!(agent.log_names(), ["app.log"]);
}

#[test]
fn a_link_and_its_target_that_one_pattern_means_are_one_log() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    symlink("app.log", world.path("latest.log")).unwrap();
    let agent = world.agent(&["@/*.log"]);
    let blocks = agent.events(EVERYTHING);
    assert_eq!(lines_of(&blocks), log.written());
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(2));
    eventually("one log", || (agent.log_names().len() == 1).then_some(()));
}

#[test]
fn ids_of_a_log_with_an_odd_name_hold_across_a_rotation_and_a_crash() {
    for name in [&b"caf\xE9.log"[..], b"two\nlines.log", b"a \"quoted\" ~ name.log"] {
        let world = World::new();
        let mut log = Log::open(world.folder().join(OsStr::from_bytes(name)));
        let mut agent = world.agent(&["@/*.log"]);
        let mut stream = agent.stream("/events");
        let line = |number| format!("2026-11-22T10:00:00.{number:03}Z line {number}");
        let lines: Vec<_> = (0..4).map(line).collect();
        lines[..2].iter().for_each(|line| log.line(line));
        let records = stream.records(2);
        log.rotate();
        lines[2..].iter().for_each(|line| log.line(line));
        stream.goes_on_with(&lines[2..]);
        for _ in 0..2 {
            assert_eq!(agent.log_names().len(), 1, "{:?}", agent.log_names());
            assert_eq!(agent.lines(EVERYTHING), lines);
            assert_eq!(agent.lines_after(REST, records[0].id()), lines[1..]);
            assert_eq!(agent.lines_after(REST, records[1].id()), lines[2..]);
            agent.restart();
        }
    }
}

#[test]
fn names_that_differ_in_bytes_that_cannot_be_shown_are_different_logs() {
    let world = World::new();
    let names = [&b"caf\xE8.log"[..], b"caf\xE9.log", "caf\u{FFFD}.log".as_bytes(), b"two\nlines.log", b"two lines.log"];
    for name in names {
        fs::write(world.folder().join(OsStr::from_bytes(name)), "2026-11-22T10:00:00.000Z the same line\n").unwrap();
    }
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.log_names().len(), names.len(), "{:?}", agent.log_names());
    assert_eq!(agent.lines(EVERYTHING).len(), names.len());
}

#[test]
fn a_name_that_looks_like_another_as_it_is_shown_is_reported() {
    let world = World::new();
    for name in [&b"two\nlines.log"[..], b"two\\x0alines.log"] {
        fs::write(world.folder().join(OsStr::from_bytes(name)), "2026-11-22T10:00:00.000Z a line\n").unwrap();
    }
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.log_names(), ["two\\x0alines.log"]);
    let problems = agent.get("/logs").json()["problems"].to_string();
    assert!(problems.contains("give this one another"), "{problems}");
}

/// Lines without times: content alone does not say that the two names are one file.
#[test]
fn a_rotation_by_hard_link_doubles_nothing() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["@/app.log"]);
    let mut stream = agent.stream("/events");
    let mut records = Vec::new();
    for line in ["starting", "started", "working", "done"] {
        log.line(line);
        records.push(stream.record());
        if line == "started" {
            fs::hard_link(log.path(), world.path("app.log.1")).unwrap();
        }
    }
    for unlinked in [false, false, true, true] {
        if unlinked && log.written().len() == 4 {
            fs::remove_file(log.path()).unwrap();
            log.create_anew();
            log.line("another life");
        }
        assert_eq!(agent.lines(EVERYTHING), log.written());
        for (place, record) in records.iter().enumerate() {
            assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..]);
        }
        agent.restart();
    }
}
