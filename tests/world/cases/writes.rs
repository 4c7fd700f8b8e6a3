//! How writers write: byte by byte, into preallocated space, back over what was written, without a last line end.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use crate::harness::{Agent, Block, World, eventually, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

#[test]
fn a_line_written_byte_by_byte_is_one_record() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    for line in ["2026-11-22T10:00:00.000Z größer als ein Byte", "2026-11-22T10:00:00.001Z 日本語\r"] {
        for byte in line.bytes().chain(*b"\n") {
            log.bytes(&[byte]);
        }
        assert_eq!(stream.record().data, line.trim_end());
    }
}

#[test]
fn a_last_line_without_an_end_comes_once_when_its_file_is_done_with() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    log.bytes(b"2026-11-22T10:00:09.000Z never finished");
    log.remember("2026-11-22T10:00:09.000Z never finished".into());
    let old = log.rotate();
    // Nobody has written for long.
    old.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    log.write(2);
    let mut agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    let lines: Vec<_> = records.iter().map(|record| record.data.clone()).collect();
    assert_eq!(lines, log.written());
    agent.kill();
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after(EVERYTHING, record.id()), lines[place + 1..]);
    }
}

#[test]
fn a_writer_that_fills_preallocated_space_is_followed_line_by_line() {
    let world = World::new();
    let path = world.file("app.log", "");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 20).unwrap();
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events?from=start");
    let (mut offset, mut lines) = (0, Vec::new());
    for number in 0..5 {
        let line = format!("2026-11-22T10:00:00.{number:03}Z into the space");
        file.write_all_at(format!("{line}\n").as_bytes(), offset).unwrap();
        offset += line.len() as u64 + 1;
        assert_eq!(stream.record().data, line);
        lines.push(line);
    }
    // The writer gives back what it did not use, and goes on.
    file.set_len(offset).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"2026-11-22T10:00:01.000Z behind it\n").unwrap();
    assert_eq!(stream.record().data, "2026-11-22T10:00:01.000Z behind it");
    lines.push("2026-11-22T10:00:01.000Z behind it".into());
    assert_eq!(agent.lines(EVERYTHING), lines);
}

#[test]
fn what_was_delivered_and_is_written_over_is_not_sent_again_and_found_out_by_ids() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(100);
    let records = stream.records(100);
    let line = log.written()[0].len() as u64 + 1;
    let writer = OpenOptions::new().write(true).open(log.path()).unwrap();
    writer.write_all_at(b"2026-11-22T10:00:00.777Z", 98 * line).unwrap();
    let new = log.write(1);
    assert_eq!(stream.lines(1), new);
    agent.kill();
    agent.restart();
    let rest = agent.rest_after("/events?follow=false", records[98].id());
    assert!(rest[0].is("gap"), "{rest:?}");
    assert_eq!((rest[0].json()["reason"].as_str(), rest[0].json()["may_repeat"].as_bool()), (Some("rewritten"), Some(true)));
    assert_eq!(rest.last().unwrap().data, new[0]);
}

#[test]
fn a_folder_renamed_away_is_read_to_its_end_and_the_new_one_followed() {
    let world = World::new();
    let mut log = world.log("logs/app.log");
    let agent = world.agent(&["app=@/logs/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(3));
    fs::rename(world.path("logs"), world.path("logs-before")).unwrap();
    stream.goes_on_with(&log.write(2));
    eventually("the file is missed", || (agent.logs()[0]["present"] == false).then_some(()));
    let mut new = world.log("logs/app.log");
    stream.goes_on_with(&new.write(3));
    log.write(1);
    stream.goes_on_with(&log.written()[5..]);
    stream.goes_on_with(&new.write(1));
}

#[test]
fn preallocated_space_that_is_filled_across_crashes_gives_every_line_once() {
    let world = World::new();
    let file = File::create(world.path("app.log")).unwrap();
    file.set_len(1 << 20).unwrap();
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut ids = vec![agent.stream("/events").hello().id().to_owned()];
    let (mut offset, mut lines) = (0, Vec::new());
    for number in 0..6 {
        let line = format!("2026-11-22T10:00:00.{number:03}Z into the space");
        file.write_all_at(&line.as_bytes()[..20], offset).unwrap();
        assert_eq!(agent.lines(EVERYTHING), lines, "half a line before NUL bytes is no record");
        agent.restart();
        let mut stream = agent.resume("/events", &ids[number]);
        file.write_all_at(format!("{}\n", &line[20..]).as_bytes(), offset + 20).unwrap();
        offset += line.len() as u64 + 1;
        lines.push(line);
        let record = stream.record();
        assert_eq!(record.data, lines[number]);
        ids.push(record.id().to_owned());
        agent.restart();
        for (place, id) in ids.iter().enumerate() {
            assert_eq!(agent.lines_after(REST, id), lines[place..]);
        }
    }
}

#[test]
fn space_that_was_never_filled_is_no_record_when_its_file_is_done_with() {
    let world = World::new();
    let file = File::create(world.path("app.log")).unwrap();
    file.set_len(1 << 16).unwrap();
    file.write_all_at(b"2026-11-22T10:00:00.000Z one\n2026-11-22T10:00:00.001Z two\n", 0).unwrap();
    let mut agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    agent.kill();
    fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    world.file("app.log", "2026-11-22T10:00:00.002Z three\n");
    agent.restart();
    let lines = ["2026-11-22T10:00:00.000Z one", "2026-11-22T10:00:00.001Z two", "2026-11-22T10:00:00.002Z three"];
    assert_eq!(agent.lines(EVERYTHING), lines);
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after(REST, record.id()), lines[place + 1..]);
    }
}

#[test]
fn a_last_line_without_an_end_reaches_also_those_who_had_lines_of_the_next_file() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    log.bytes(b"2026-11-22T10:00:09.000Z never finished");
    let old = log.rotate();
    log.write(2);
    let mut agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    let lines: Vec<_> = records.iter().map(|record| record.data.clone()).collect();
    assert_eq!(lines, log.written(), "the old file may still be written");
    agent.kill();
    old.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        let rest = agent.lines_after(REST, record.id());
        let (never_finished, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|line| line.ends_with("never finished"));
        assert_eq!((never_finished.len(), &rest[..]), (1, &lines[place + 1..]), "after record {place}");
    }
}

/// A client's records of a file whose folder is gone: held files still give them, a new agent can only tell the gap.
fn assert_gone_with_its_folder(agent: &mut Agent, records: &[Block], all: &[&str], left: &[&str]) {
    for place in [0, records.len() - 1] {
        assert_eq!(agent.lines_after(REST, records[place].id()), all[place + 1..]);
    }
    agent.restart();
    for place in [0, records.len() - 1] {
        let rest = agent.rest_after(REST, records[place].id());
        assert!(rest[0].is("gap") && rest[0].json()["reason"] == "gone", "{rest:?}");
        assert_eq!(lines_of(&rest[1..]), left);
    }
}

#[test]
fn a_folder_removed_and_made_again_has_a_new_life_of_the_same_log_in_it() {
    let world = World::new();
    let mut log = world.log("logs/app.log");
    let mut agent = world.agent(&["app=@/logs/app.log"]);
    let mut stream = agent.stream("/events");
    let mut lines = log.write(3);
    let records = stream.records(3);
    for round in 0..3 {
        fs::remove_dir_all(world.path("logs")).unwrap();
        eventually("the file is missed", || (agent.logs()[0]["present"] == false).then_some(()));
        lines.push(format!("2026-11-22T11:00:0{round}.000Z in folder {round}"));
        world.log("logs/app.log").line(&lines[3 + round]);
        assert_eq!(stream.record().data, lines[3 + round]);
    }
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    assert_gone_with_its_folder(&mut agent, &records, &lines, &lines[5..]);
}

#[test]
fn a_folder_replaced_between_two_looks_is_read_to_its_end_first() {
    let world = World::new();
    let mut log = world.log("logs/app.log");
    let mut agent = world.agent(&["app=@/logs/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    let records = stream.records(3);
    agent.signal("STOP");
    log.write(2);
    fs::rename(world.path("logs"), world.path("logs-before")).unwrap();
    let new = "2026-11-22T11:00:00.000Z in the new folder";
    world.log("logs/app.log").line(new);
    agent.signal("CONT");
    let lines: Vec<_> = log.written().iter().map(String::as_str).chain([new]).collect();
    assert_eq!(stream.lines(3), lines[3..]);
    assert_gone_with_its_folder(&mut agent, &records, &lines, &[new]);
}
