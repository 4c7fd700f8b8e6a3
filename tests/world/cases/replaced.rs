//! A file that is cut, filled with holes, deleted, written anew or moved away.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use crate::harness::log::gzip;
use crate::harness::{Agent, Block, Log, Stream, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

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
    assert_eq!(agent.lines_after(REST, &id), new);
    gzip(&rotated);
    assert_eq!(agent.lines_after(REST, &id), new);
    assert_eq!(agent.lines(EVERYTHING), [&["2026-11-22T11:00:00.000Z after the hole".to_owned()][..], &new].concat());
}

/// Deletes the file and makes it anew until its inode number comes again. Whether and when it does is the file system's
/// choice; nobody else may hold the file.
fn recreate_with_the_same_inode_number(log: &mut Log) {
    let number = |log: &Log| fs::metadata(log.path()).unwrap().ino();
    let before = number(log);
    let again = (0..64).any(|_| {
        fs::remove_file(log.path()).unwrap();
        // The writer lets go of its deleted file when it has the next one: every second one can have the number.
        log.create_anew();
        number(log) == before
    });
    if !again {
        eprintln!("not here: this file system does not give an inode number again soon");
    }
}

#[test]
fn a_new_file_with_the_inode_number_of_a_deleted_one_is_another_file() {
    let (world, mut log, mut agent, stream) = followed(3);
    let all = agent.events(EVERYTHING);
    drop(stream);
    agent.kill();
    recreate_with_the_same_inode_number(&mut log);
    let new = log.write(3);
    agent.restart();
    for block in &all {
        let rest = agent.rest_after(REST, block.id());
        assert_eq!((reasons(&rest), data(&rest)), (vec!["gone".to_owned()], new.iter().map(String::as_str).collect()));
    }
    drop(world);
}

#[test]
fn a_file_closed_for_want_of_descriptors_is_not_taken_for_a_new_one_with_its_inode_number() {
    let world = World::new();
    let mut logs: Vec<Log> = (0..120).map(|number| world.log(&format!("{number:03}.log"))).collect();
    logs.iter_mut().for_each(|log| drop(log.write(3)));
    let agent = world.setup(&["@/*.log"]).wrapped(&["prlimit", "--nofile=64", "--"]).start();
    let closed = eventually("a file is closed", || agent.logs().iter().position(|log| log["generations"][0]["held"] == false));
    let log = &mut logs[closed];
    let mut stream = agent.stream(&format!("/events?log={closed:03}.log"));
    agent.signal("STOP");
    recreate_with_the_same_inode_number(log);
    let new = log.write(3);
    agent.signal("CONT");
    // Each life is as long as the other; only what the files are tells them apart.
    assert_eq!(data(&until_last(&mut stream, log)), new);
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
    let rest = agent.rest_after(REST, records[1].id());
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
    let rest = agent.rest_after(REST, &id);
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

#[test]
fn ids_from_both_sides_of_where_a_file_was_cut_survive_a_crash() {
    let (_world, mut log, mut agent, mut stream) = followed(20);
    let had = agent.events(EVERYTHING);
    let line = log.written()[0].len() as u64 + 1;
    // Within the eleventh record, which a later write completes.
    OpenOptions::new().write(true).open(log.path()).unwrap().set_len(10 * line + 12).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    log.bytes(b" and the rest\n");
    log.remember(format!("{} and the rest", &log.written()[10][..12]));
    log.write(2);
    let new = log.written()[20..].to_vec();
    let all = [&log.written()[..10], &new].concat();
    let blocks = until_last(&mut stream, &log);
    assert_eq!((reasons(&blocks), data(&blocks)), (vec!["truncated".to_owned()], new.iter().map(String::as_str).collect()));
    agent.restart();
    for place in 0..10 {
        assert_eq!(agent.lines_after(REST, had[place].id()), all[place + 1..]);
    }
    for lost in &had[10..] {
        let rest = agent.rest_after(REST, lost.id());
        assert!(rest[0].is("gap") && rest[0].json()["may_repeat"] == true, "{rest:?}");
        assert_eq!(data(&rest), all);
    }
}

#[test]
fn ids_behind_a_hole_survive_a_rotation_while_nobody_looks_and_compression() {
    let (world, mut log, mut agent, mut stream) = followed(3);
    let mut at = fs::metadata(log.path()).unwrap().len() + (1 << 20);
    log.cut();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let writer = OpenOptions::new().write(true).open(log.path()).unwrap();
    let mut records = Vec::new();
    for number in 0..4 {
        let line = format!("2026-11-22T11:00:00.{number:03}Z after the hole");
        at += writer.write_at(format!("{line}\n").as_bytes(), at).unwrap() as u64;
        log.remember(line);
        records.extend(until_last(&mut stream, &log).into_iter().filter(Block::is_record));
    }
    agent.kill();
    log.rotate();
    log.write(2);
    for compress in [|_: &Path| (), gzip] {
        compress(&world.path("app.log.1"));
        agent.restart();
        // The first says too how much of the life before it was had.
        for (place, record) in records.iter().enumerate().skip(1) {
            assert_eq!(agent.lines_after(REST, record.id()), log.written()[4 + place..]);
        }
        assert_eq!(agent.lines(EVERYTHING), log.written()[3..]);
    }
}

#[test]
fn a_deleted_file_that_has_no_successor_yet_is_a_gap_after_a_restart_and_the_successor_is_waited_for() {
    let (_world, mut log, mut agent, mut stream) = followed(3);
    let had = agent.events(EVERYTHING);
    fs::remove_file(log.path()).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let late = log.write(2);
    stream.goes_on_with(&late);
    assert_eq!(agent.lines_after(REST, had[0].id()), log.written()[1..], "who comes back still gets all of it");
    agent.restart();
    let mut back = agent.resume("/events", had[0].id());
    let gap = back.next().expect("a gap");
    assert_eq!(reasons(&[gap]), ["gone"]);
    log.create_anew();
    back.goes_on_with(&log.write(2));
}

#[test]
fn a_file_replaced_by_one_with_a_line_more_is_the_same_log_also_after_a_crash() {
    let (world, mut log, mut agent, mut stream) = followed(3);
    let had = agent.events(EVERYTHING);
    let more = "2026-11-22T12:00:00.000Z added by an editor";
    let other = world.file("app.log.tmp", format!("{}\n{more}\n", log.written().join("\n")));
    fs::rename(other, log.path()).unwrap();
    log.create_anew();
    log.remember(more.to_owned());
    log.write(1);
    stream.goes_on_with(&log.written()[3..]);
    for _ in 0..2 {
        for (place, record) in had.iter().enumerate() {
            assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..]);
        }
        agent.restart();
    }
}

#[test]
fn a_line_that_sed_changed_is_found_out_by_the_ids_behind_it_after_a_crash() {
    let (_world, log, mut agent, stream) = followed(5);
    let had = agent.events(EVERYTHING);
    drop(stream);
    agent.kill();
    let sed = Command::new("sed").args(["-i", "s/line 000003/LINE 000003/"]).arg(log.path()).status().expect("sed");
    assert!(sed.success());
    agent.restart();
    let changed: Vec<_> = log.written().iter().map(|line| line.replace("line 000003", "LINE 000003")).collect();
    for place in 0..3 {
        assert_eq!(agent.lines_after(REST, had[place].id()), changed[place + 1..]);
    }
    for behind in &had[3..] {
        let rest = agent.rest_after(REST, behind.id());
        assert!(rest[0].is("gap") && rest[0].json()["may_repeat"] == true, "{rest:?}");
        assert_eq!(data(&rest), changed);
    }
}
