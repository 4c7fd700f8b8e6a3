//! Files that lost their name stay open for late writers and lagging readers, within bounds that `/logs` shows; past the
//! bounds readers are told. Files that nothing happens to are closed where descriptors are few.

use std::fs;
use std::io::Write;

use crate::harness::{Agent, Log, Stream, World, eventually};

/// A log of which a client has the first line, with more behind it that no memory has.
fn lagging(options: &[&str]) -> (World, Log, Agent, String) {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&[&["app=@/app.log", "--hot-tail", "0B"], options].concat());
    let mut stream = agent.stream("/events");
    log.write(50);
    let id = stream.records(50)[0].id().to_owned();
    (world, log, agent, id)
}

fn held_bytes(agent: &Agent) -> u64 {
    agent.logs()[0]["held_bytes"].as_u64().expect("a number of bytes")
}

/// Deletes the file behind the log's name and puts another one there.
fn replace(log: &mut Log) {
    fs::remove_file(log.path()).unwrap();
    log.create_anew();
    log.write(1);
}

#[test]
fn a_deleted_file_is_read_to_its_end_by_whoever_lags_and_counted_meanwhile() {
    let (_world, mut log, agent, id) = lagging(&[]);
    assert_eq!(held_bytes(&agent), 0);
    let size = fs::metadata(log.path()).unwrap().len();
    replace(&mut log);
    assert_eq!(held_bytes(&agent), size);
    assert_eq!(agent.lines_after("/events?follow=false", &id), log.written()[1..]);
}

fn assert_overrun(agent: &Agent, log: &Log, id: &str) {
    eventually("the deleted file is let go of", || (held_bytes(agent) == 0).then_some(()));
    let mut stream: Stream = agent.resume("/events", id);
    let gap = stream.next().expect("a gap");
    assert!(gap.is("gap"), "{gap:?}");
    assert_eq!(stream.lines(1), log.written()[50..], "what is left comes after the gap {gap:?}");
    assert_eq!(agent.lines_after("/events?follow=false", gap.id()), log.written()[50..], "the gap's id is behind it");
}

#[test]
fn a_deleted_file_larger_than_hold_bytes_is_let_go_of_and_its_readers_are_told() {
    let (_world, mut log, agent, id) = lagging(&["--hold-bytes", "1KiB"]);
    replace(&mut log);
    assert_overrun(&agent, &log, &id);
}

#[test]
fn a_deleted_file_is_let_go_of_after_hold_time_and_its_readers_are_told() {
    let (_world, mut log, agent, id) = lagging(&["--hold-time", "300ms"]);
    replace(&mut log);
    assert_overrun(&agent, &log, &id);
}

#[test]
fn a_reader_in_the_middle_of_a_file_that_is_let_go_of_gets_a_gap_and_goes_on() {
    let (_world, mut log, agent, _) = lagging(&["--hold-time", "300ms"]);
    // More than sockets take in: the client's reader stands in the middle of the file.
    let padding = "x".repeat(100_000);
    (0..300).for_each(|number| log.line(&format!("2026-11-22T11:00:00.{number:03}Z {padding}")));
    let mut stream = agent.stream("/events?from=start");
    let mut lines = stream.lines(60);
    replace(&mut log);
    eventually("the deleted file is let go of", || (held_bytes(&agent) == 0).then_some(()));
    let gap = loop {
        match stream.next().expect("a gap") {
            block if block.is("gap") => break block,
            block => lines.push(block.data),
        }
    };
    assert_eq!(lines, log.written()[..lines.len()], "all lines up to the gap");
    assert_eq!(gap.json()["reason"], "overrun", "{gap:?}");
    assert_eq!(gap.json()["certain"], true, "{gap:?}");
    let lost: u64 = log.written()[lines.len()..350].iter().map(|line| line.len() as u64 + 1).sum();
    assert_eq!(gap.json()["lost_bytes"], lost, "{gap:?}");
    assert_eq!(stream.lines(1), log.written()[350..]);
}

/// A last line without an end, and a stream that had all before it.
fn unfinished(options: &[&str]) -> (World, Log, Agent, Stream) {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&[&["app=@/app.log"], options].concat());
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(2));
    log.bytes(b"2026-11-22T12:00:00.001Z never finished");
    log.remember("2026-11-22T12:00:00.001Z never finished".to_owned());
    (world, log, agent, stream)
}

#[test]
fn a_last_line_without_an_end_comes_before_its_deleted_file_is_let_go_of_without_a_successor() {
    let (_world, log, agent, mut stream) = unfinished(&["--hold-time", "1s"]);
    fs::remove_file(log.path()).unwrap();
    assert_eq!(stream.lines(1), log.written()[2..]);
    eventually("the deleted file is let go of", || (held_bytes(&agent) == 0).then_some(()));
    assert_eq!(
        stream.hello().id.as_deref().map(|id| agent.lines_after("/events?follow=false", id)),
        Some(log.written().to_vec())
    );
}

#[test]
fn a_last_line_without_an_end_comes_before_its_file_is_let_go_of_for_its_time_or_size() {
    for options in [["--hold-time", "300ms"], ["--hold-bytes", "10B"]] {
        let (_world, mut log, agent, mut stream) = unfinished(&options);
        let begin = stream.hello().id().to_owned();
        fs::remove_file(log.path()).unwrap();
        log.create_anew();
        log.write(2);
        let mut lines = stream.lines(3);
        lines.sort();
        let mut expected = log.written()[2..].to_vec();
        expected.sort();
        assert_eq!(lines, expected, "{options:?}");
        assert_eq!(agent.lines_after("/events?follow=false", &begin), log.written(), "{options:?}");
    }
}

#[test]
fn with_few_descriptors_more_logs_are_followed_than_can_be_open() {
    let world = World::new();
    let mut logs: Vec<Log> = (0..120).map(|number| world.log(&format!("{number:03}.log"))).collect();
    let agent = world.setup(&["@/*.log"]).wrapped(&["prlimit", "--nofile=64", "--"]).start();
    for round in 0..3 {
        for index in (0..logs.len()).step_by(7) {
            let log = &mut logs[index];
            let path = format!("/events?from=start&log={index:03}.log");
            let mut stream = agent.stream(&path);
            stream.goes_on_with(log.written());
            stream.goes_on_with(&log.write(3));
            if round == 1 {
                let mut old = log.rotate();
                writeln!(old, "2026-11-22T12:00:00.001Z late").unwrap();
                assert_eq!(stream.lines(1), ["2026-11-22T12:00:00.001Z late"]);
                log.remember("2026-11-22T12:00:00.001Z late".to_owned());
                stream.goes_on_with(&log.write(3));
            }
        }
    }
    let errors: Vec<_> = agent.logs().iter().filter_map(|log| log["error"].as_str().map(str::to_owned)).collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn with_few_descriptors_what_its_writer_adds_to_a_deleted_file_comes_all_the_same() {
    let world = World::new();
    let mut deleted = world.log("deleted.log");
    deleted.write(1);
    let mut others: Vec<Log> = (0..120).map(|number| world.log(&format!("{number:03}.log"))).collect();
    let agent = world.setup(&["@/*.log"]).wrapped(&["prlimit", "--nofile=64", "--"]).start();
    agent.knows("deleted.log");
    let mut stream = agent.stream("/events?from=start&log=deleted.log");
    stream.goes_on_with(deleted.written());
    stream.goes_on_with(&deleted.write(1));
    fs::remove_file(deleted.path()).unwrap();
    let is_gone =
        |log: &serde_json::Value| log["name"] == "deleted.log" && log["held_bytes"].as_u64().is_some_and(|held| held > 0);
    eventually("it is known to be deleted", || agent.logs().iter().any(is_gone).then_some(()));
    // The others changed later: what is closed is closed before them.
    for (number, log) in others.iter_mut().enumerate() {
        log.write(1);
        agent.stream(&format!("/events?from=start&log={number:03}.log")).goes_on_with(log.written());
    }
    stream.goes_on_with(&deleted.write(3));
}
