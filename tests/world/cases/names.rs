//! What files are called, and one file under several names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::harness::{World, eventually, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";

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
