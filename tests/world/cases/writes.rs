//! How writers write: byte by byte, into preallocated space, back over what was written, without a last line end.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use crate::harness::{World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";

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
