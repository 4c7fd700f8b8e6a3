//! Rotation by rename: the old file is drained first, late writers to it are heard, and ids hold across all of it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::harness::log::gzip;
use crate::harness::{Agent, Block, Log, World, lines_of};

const LIVE: &str = "/events";
const REST: &str = "/events?follow=false";

fn started() -> (World, Log, Agent) {
    let world = World::new();
    let log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    (world, log, agent)
}

fn texts(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().map(|block| block.data.as_str()).collect()
}

/// Every id gives exactly the records that had not come before it, whatever the order in which two files' lines come.
fn assert_every_id_completes(agent: &Agent, records: &[Block]) {
    let mut expected = texts(records);
    expected.sort_unstable();
    for place in 0..records.len() {
        let rest = agent.lines_after(REST, records[place].id());
        let mut all = texts(&records[..=place]);
        all.extend(rest.iter().map(String::as_str));
        all.sort_unstable();
        assert_eq!(all, expected, "after record {place}, {}", records[place].id());
    }
}

#[test]
fn a_connected_client_sees_no_seam_at_a_rotation() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    for _ in 0..6 {
        log.write(7);
        log.rotate();
    }
    log.write(7);
    stream.goes_on_with(log.written());
}

#[test]
fn without_a_hot_tail_everything_is_the_same() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log", "--hot-tail", "0B"]);
    let mut stream = agent.stream(LIVE);
    let mut records = Vec::new();
    for _ in 0..3 {
        log.write(5);
        records.extend(stream.records(5));
        log.rotate();
    }
    assert_eq!(texts(&records), log.written());
    assert_every_id_completes(&agent, &records);
}

#[test]
fn a_client_that_is_away_during_a_rotation_gets_the_rest_of_the_old_file_first() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(5);
    let records = stream.records(5);
    drop(stream);
    log.write(5);
    log.rotate();
    log.write(5);
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..]);
    }
}

#[test]
fn two_rotations_while_a_client_is_away_lose_nothing() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(3);
    let id = stream.records(3)[0].id().to_owned();
    drop(stream);
    for _ in 0..2 {
        log.write(4);
        log.rotate();
    }
    log.write(4);
    assert_eq!(agent.resume(LIVE, &id).lines(14), log.written()[1..]);
}

#[test]
fn two_rotations_between_two_looks_are_both_delivered_in_order() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(3);
    assert_eq!(stream.lines(3), log.written());
    agent.signal("STOP");
    for _ in 0..2 {
        log.write(4);
        log.rotate();
    }
    log.write(4);
    agent.signal("CONT");
    assert_eq!(stream.lines(12), log.written()[3..]);
}

#[test]
fn lines_written_to_the_old_file_before_the_new_one_exists_come_in_order() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(3);
    let mut records = stream.records(3);
    log.move_away();
    log.write(3);
    records.extend(stream.records(3));
    log.create_anew();
    log.write(3);
    records.extend(stream.records(3));
    assert_eq!(texts(&records), log.written());
    assert_every_id_completes(&agent, &records);
}

#[test]
fn lines_written_to_the_old_file_after_the_new_one_has_lines_come_once() {
    let (_world, mut log, mut agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(3);
    let mut records = stream.records(3);
    let mut old = log.rotate();
    log.write(2);
    records.extend(stream.records(2));
    for late in ["2026-11-22T10:00:09.001Z late one", "2026-11-22T10:00:09.002Z late two"] {
        writeln!(old, "{late}").unwrap();
        records.push(stream.record());
        assert_eq!(records.last().unwrap().data, late);
        log.write(1);
        records.push(stream.record());
    }
    assert_every_id_completes(&agent, &records);
    agent.restart();
    assert_every_id_completes(&agent, &records);
}

#[test]
fn late_lines_written_while_the_client_is_away_come_when_it_is_back() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(3);
    stream.records(3);
    let mut old = log.rotate();
    log.write(2);
    let id = stream.records(2)[1].id().to_owned();
    drop(stream);
    writeln!(old, "2026-11-22T10:00:09.001Z late").unwrap();
    log.write(1);
    let mut rest = agent.resume(LIVE, &id).lines(2);
    rest.sort();
    let mut expected = vec!["2026-11-22T10:00:09.001Z late".to_owned(), log.written()[5].clone()];
    expected.sort();
    assert_eq!(rest, expected);
}

#[test]
fn a_line_written_in_two_halves_is_one_record() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(1);
    assert_eq!(stream.lines(1), log.written());
    log.bytes(b"2026-11-22T10:00:01.001Z first half, ");
    assert_eq!(agent.lines("/events?from=start&follow=false"), log.written(), "half a line is no record");
    log.bytes("sec\u{F6}nd half".as_bytes());
    log.bytes(b"\r");
    log.bytes(b"\n");
    let record = stream.record();
    assert_eq!(record.data, "2026-11-22T10:00:01.001Z first half, secönd half");
    assert_eq!(agent.lines_after(REST, record.id()), [""; 0]);
}

#[test]
fn a_line_whose_halves_stand_on_both_sides_of_a_crash_is_one_record() {
    let (_world, mut log, mut agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(1);
    let id = stream.record().id().to_owned();
    log.bytes(b"2026-11-22T10:00:01.001Z first half, ");
    agent.kill();
    log.bytes(b"second half\n");
    agent.restart();
    assert_eq!(agent.lines_after(REST, &id), ["2026-11-22T10:00:01.001Z first half, second half"]);
}

#[test]
fn a_line_finished_in_the_old_file_after_the_rotation_is_one_record() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(1);
    stream.records(1);
    log.bytes(b"2026-11-22T10:00:01.001Z first half, ");
    let mut old = log.rotate();
    old.write_all(b"second half\n").unwrap();
    assert_eq!(stream.lines(1), ["2026-11-22T10:00:01.001Z first half, second half"]);
    log.write(1);
    assert_eq!(stream.lines(1), log.written()[1..]);
}

#[test]
fn an_id_at_the_end_of_a_file_goes_on_at_the_start_of_the_next() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(3);
    let id = stream.records(3)[2].id().to_owned();
    drop(stream);
    log.rotate();
    assert_eq!(agent.lines_after(REST, &id), [""; 0]);
    log.write(2);
    assert_eq!(agent.lines_after(REST, &id), log.written()[3..]);
}

/// The same with each tool that rotation tools call, and with a file of several members, as `cat a.gz b.gz` makes it.
#[test]
fn every_id_resumes_after_the_file_it_was_minted_in_is_compressed() {
    let in_members = "head -c 200 $1 | gzip > $1.gz && tail -c +201 $1 | gzip >> $1.gz && rm $1";
    for commands in ["gzip $1", "pigz --blocksize 128 $1", "zstd --rm --quiet $1", in_members] {
        assert_every_id_resumes_after(|path| {
            let status = Command::new("sh").args(["-c", commands, "sh"]).arg(path).status().expect("a shell");
            assert!(status.success(), "{commands}");
        });
    }
}

fn assert_every_id_resumes_after(compress: impl Fn(&Path)) {
    let (world, mut log, mut agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(10);
    let records = stream.records(10);
    drop(stream);
    log.rotate();
    log.write(2);
    log.rotate();
    compress(&world.path("app.log.2"));
    log.write(3);
    for _ in 0..2 {
        for (place, record) in records.iter().enumerate() {
            assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..]);
        }
        agent.restart();
    }
}

#[test]
fn a_small_archive_to_which_another_is_added_is_read_whole() {
    let world = World::new();
    let archive = world.path("app.log.1.gz");
    let member = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(text.as_bytes()).and_then(|()| packed.finish()).expect("a member")
    };
    fs::write(&archive, member("a\n")).expect("an archive");
    let agent = world.agent(&["app=@/app.log"]);
    let first = agent.events("/events?from=start&follow=false");
    assert_eq!(lines_of(&first), ["a"]);
    let grown = [member("a\n"), member("bb\ncc\n")].concat();
    fs::OpenOptions::new()
        .append(true)
        .open(&archive)
        .and_then(|mut file| file.write_all(&grown[member("a\n").len()..]))
        .expect("more");
    assert_eq!(agent.lines("/events?from=start&follow=false"), ["a", "bb", "cc"]);
    assert_eq!(agent.lines_after("/events?follow=false", first[0].id()), ["bb", "cc"]);
    assert_eq!(agent.lines("/events?before=end&tail=2"), ["bb", "cc"]);
}

#[test]
fn a_path_that_is_missing_for_a_while_is_waited_for() {
    let (world, mut log, agent) = started();
    let mut stream = agent.stream(LIVE);
    log.write(2);
    assert_eq!(stream.lines(2), log.written());
    fs::rename(log.path(), world.path("app.log.1")).unwrap();
    assert_eq!(agent.get("/readyz").status(), 200);
    log.create_anew();
    log.write(2);
    assert_eq!(stream.lines(2), log.written()[2..]);
}

/// A rotation into another folder, then compression there.
fn assert_followed_into(folder: &str, config: &str) {
    let world = World::new();
    let mut log = world.log("logs/app.log");
    fs::create_dir_all(world.path(folder)).unwrap();
    world.file("sidetail.toml", config.replace('@', world.folder().to_str().unwrap()));
    let mut agent = world.agent(&["--config", "@/sidetail.toml"]);
    let mut stream = agent.stream(LIVE);
    log.write(5);
    let records = stream.records(5);
    let rotated = world.path(&format!("{folder}/app.log.1"));
    fs::rename(log.path(), &rotated).unwrap();
    log.create_anew();
    log.write(2);
    stream.lines(2);
    for step in [|_: &Path| (), gzip] {
        step(&rotated);
        for _ in 0..2 {
            for (place, record) in records.iter().enumerate() {
                assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..]);
            }
            assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
            agent.restart();
        }
    }
}

#[test]
fn rotated_files_in_a_folder_called_old_belong_to_the_log() {
    assert_followed_into("logs/old", "[[log]]\nname = 'app'\npath = '@/logs/app.log'\n");
}

#[test]
fn rotated_files_in_the_folder_that_the_config_names_belong_to_the_log() {
    assert_followed_into("elsewhere", "[[log]]\nname = 'app'\npath = '@/logs/app.log'\nrotated = '@/elsewhere'\n");
}
