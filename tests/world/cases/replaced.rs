//! A file that is cut, filled with holes, deleted, written anew or moved away.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::harness::log::gzip;
use crate::harness::{Agent, Block, Log, Stream, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";

/// A log of which a connected client has the first `lines` lines.
fn followed(lines: usize) -> (World, Log, Agent, Stream) {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(lines));
    (world, log, agent, stream)
}

/// The blocks until the line comes that is the last one written.
fn until_last(stream: &mut Stream, log: &Log) -> Vec<Block> {
    let mut blocks = Vec::new();
    while blocks.last().is_none_or(|block: &Block| !block.is_record() || Some(&block.data) != log.written().last()) {
        blocks.push(stream.next().expect("the stream goes on"));
    }
    blocks
}

fn reasons(blocks: &[Block]) -> Vec<String> {
    let gaps = blocks.iter().filter(|block| block.is("gap"));
    gaps.map(|gap| gap.json()["reason"].as_str().expect("a reason").to_owned()).collect()
}

fn data(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().filter(|block| block.is_record()).map(|block| &*block.data).collect()
}

#[test]
fn a_file_cut_back_to_a_part_of_it_goes_on_behind_that_part() {
    let (_world, mut log, agent, mut stream) = followed(20);
    let line = log.written()[0].len() as u64 + 1;
    OpenOptions::new().write(true).open(log.path()).unwrap().set_len(10 * line).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let new = log.write(3);
    let blocks = until_last(&mut stream, &log);
    assert_eq!(data(&blocks), new);
    assert_eq!(reasons(&blocks), ["truncated"]);
    let (kept, _) = log.written().split_at(10);
    assert_eq!(agent.lines(EVERYTHING), [kept, &new].concat());
}

#[test]
fn the_hole_that_a_writer_leaves_behind_after_a_truncation_is_skipped() {
    let (world, mut log, agent, mut stream) = followed(20);
    // A writer that does not append goes on at its own offset.
    let size = fs::metadata(log.path()).unwrap().len();
    let at = size + (1 << 20);
    log.cut();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let writer = OpenOptions::new().write(true).open(log.path()).unwrap();
    writer.write_all_at(b"2026-11-22T11:00:00.000Z after the hole\n", at).unwrap();
    log.remember("2026-11-22T11:00:00.000Z after the hole".into());
    let blocks = until_last(&mut stream, &log);
    assert_eq!(data(&blocks), ["2026-11-22T11:00:00.000Z after the hole"]);
    let id = blocks.last().unwrap().id().to_owned();
    // The same generation when the file is rotated, its hole filled with zeros by whoever copies it.
    log.rotate();
    let rotated = world.path("app.log.1");
    let content = fs::read(&rotated).unwrap();
    fs::remove_file(&rotated).unwrap();
    fs::write(&rotated, content).unwrap();
    let new = log.write(2);
    assert_eq!(stream.lines(2), new);
    assert_eq!(agent.lines_after("/events?follow=false", &id), new);
    gzip(&rotated);
    assert_eq!(agent.lines_after("/events?follow=false", &id), new);
    assert_eq!(agent.lines(EVERYTHING), [&["2026-11-22T11:00:00.000Z after the hole".to_owned()][..], &new].concat());
}

#[test]
fn a_new_file_with_the_inode_number_of_a_deleted_one_is_another_file() {
    let (world, mut log, mut agent, stream) = followed(3);
    let all = agent.events(EVERYTHING);
    let inode = fs::metadata(log.path()).unwrap().ino();
    drop(stream);
    agent.kill();
    // Whether and when the number comes again is the file system's choice.
    for _ in 0..64 {
        fs::remove_file(log.path()).unwrap();
        File::create(log.path()).unwrap();
        if fs::metadata(log.path()).unwrap().ino() == inode {
            break;
        }
    }
    log.create_anew();
    let new = log.write(3);
    agent.restart();
    for block in &all {
        let rest = agent.rest_after("/events?follow=false", block.id());
        assert_eq!((reasons(&rest), data(&rest)), (vec!["gone".to_owned()], new.iter().map(String::as_str).collect()));
    }
    drop(world);
}

#[test]
fn a_deleted_file_is_followed_while_its_writer_has_it_open_and_gone_after_a_restart() {
    let (_world, mut log, mut agent, mut stream) = followed(3);
    fs::remove_file(log.path()).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let new = log.write(3);
    let records = stream.records(3);
    assert_eq!(data(&records), new);
    agent.kill();
    log.create_anew();
    let new = log.write(2);
    agent.restart();
    let rest = agent.rest_after("/events?follow=false", records[1].id());
    assert_eq!((reasons(&rest), data(&rest)), (vec!["gone".to_owned()], new.iter().map(String::as_str).collect()));
}

#[test]
fn a_file_replaced_by_one_that_holds_more_of_the_same_is_the_same_log() {
    let (world, mut log, agent, mut stream) = followed(3);
    let copy = world.path("app.log.tmp");
    fs::copy(log.path(), &copy).unwrap();
    fs::rename(&copy, log.path()).unwrap();
    log.create_anew();
    let new = log.write(2);
    let blocks = until_last(&mut stream, &log);
    assert_eq!((reasons(&blocks), data(&blocks)), (vec![], new.iter().map(String::as_str).collect()));
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_file_replaced_by_one_of_other_content_is_told_by_those_who_come_back() {
    let (world, mut log, agent, mut stream) = followed(3);
    let id = agent.events(EVERYTHING)[1].id().to_owned();
    let other = world.file("app.log.tmp", "2026-11-22T12:00:00.000Z other\n");
    fs::rename(other, log.path()).unwrap();
    log.create_anew();
    let new = log.write(1);
    let blocks = until_last(&mut stream, &log);
    assert_eq!(data(&blocks), ["2026-11-22T12:00:00.000Z other", &new[0]]);
    drop(stream);
    let rest = agent.rest_after("/events?follow=false", &id);
    // The file that was replaced is held: it still gives what the client lacks.
    assert_eq!(data(&rest), [&log.written()[2], "2026-11-22T12:00:00.000Z other", &new[0]]);
}

#[test]
fn a_file_renamed_away_and_back_goes_on_without_a_double() {
    let (world, mut log, agent, mut stream) = followed(3);
    let away = world.path("app.log.20261122-100000");
    fs::rename(log.path(), &away).unwrap();
    eventually("the log vanished", || (agent.logs()[0]["present"] == false || agent.logs()[0]["files"].is_array()).then_some(()));
    let lines = log.write(1);
    stream.goes_on_with(&lines);
    fs::rename(&away, log.path()).unwrap();
    let lines = log.write(2);
    stream.goes_on_with(&lines);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}
