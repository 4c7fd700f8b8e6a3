//! Copies of logs and archives of them: what is the log again, and what is another file.

use std::fs;
use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{World, eventually, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

#[test]
fn an_archive_that_is_still_being_written_is_waited_for() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(3000);
    let records = stream.records(3000);
    drop(stream);
    log.rotate();
    log.write(2);
    let rotated = world.path("app.log.1");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&fs::read(&rotated).unwrap()).unwrap();
    let packed = encoder.finish().unwrap();
    let mut archive = fs::File::create(world.path("app.log.1.gz")).unwrap();
    for part in packed.chunks(packed.len() / 3 + 1) {
        assert_eq!(agent.lines_after("/events?follow=false", records[1500].id()), log.written()[1501..]);
        archive.write_all(part).unwrap();
        agent.kill();
        agent.restart();
        assert_eq!(agent.lines(EVERYTHING), log.written());
    }
    drop(archive);
    fs::remove_file(&rotated).unwrap();
    assert_eq!(agent.lines_after("/events?follow=false", records[1500].id()), log.written()[1501..]);
    agent.kill();
    agent.restart();
    assert_eq!(agent.lines_after("/events?follow=false", records[1500].id()), log.written()[1501..]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_backup_beside_the_log_is_no_part_of_it() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    fs::copy(log.path(), world.path("app.log.bak")).unwrap();
    fs::copy(log.path(), world.path("app.log~")).unwrap();
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    fs::copy(log.path(), world.path("app.log.save")).unwrap();
    stream.goes_on_with(&log.write(2));
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn an_older_backup_put_back_in_place_is_found_out() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let backup = fs::read(log.path()).unwrap();
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    let records = stream.records(3);
    fs::write(log.path(), &backup).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    let new = log.write(2);
    let blocks = [stream.next().unwrap(), stream.next().unwrap(), stream.next().unwrap()];
    assert!(blocks[0].is("gap") && blocks[0].json()["reason"] == "truncated", "{blocks:?}");
    assert_eq!([&*blocks[1].data, &*blocks[2].data], [&*new[0], &*new[1]]);
    agent.kill();
    agent.restart();
    let rest = agent.rest_after("/events?follow=false", records[1].id());
    assert!(rest[0].is("gap"), "{rest:?}");
    assert_eq!(rest.last().unwrap().data, new[1]);
}

#[test]
fn a_file_emptied_and_filled_with_the_same_content_is_seen_live_and_ambiguous_to_who_comes_back() {
    let world = World::new();
    let path = world.file("app.log", "banner\nstarting\nstarted\n");
    let agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    let mut stream = agent.stream("/events");
    fs::File::create(&path).unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    fs::write(&path, "banner\nstarting\nstarted\n").unwrap();
    let blocks: Vec<_> = (0..4).map(|_| stream.next().unwrap()).collect();
    assert!(blocks[0].is("gap") && blocks[0].json()["reason"] == "truncated", "{blocks:?}");
    assert_eq!(blocks[1..].iter().map(|block| &*block.data).collect::<Vec<_>>(), ["banner", "starting", "started"]);
    let rest = agent.rest_after(REST, records[0].id());
    assert!(rest[0].is("gap") && rest[0].json()["reason"] == "ambiguous", "{rest:?}");
}

/// Content without times says nothing of which file it is in, and another file has another inode.
#[test]
fn a_file_made_anew_with_the_same_content_is_ambiguous_to_who_comes_back_after_a_crash() {
    let world = World::new();
    let path = world.file("app.log", "banner\nstarting\nstarted\n");
    let mut agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    agent.kill();
    // Made beside the old one, so that it cannot get its inode number.
    fs::rename(world.file("other", "banner\nstarting\nstarted\n"), path).unwrap();
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        let rest = agent.rest_after(REST, record.id());
        let gap = rest[0].json();
        assert_eq!((gap["reason"].as_str(), gap["certain"].as_bool()), (Some("ambiguous"), Some(false)), "{rest:?}");
        assert_eq!(gap["may_repeat"], true, "{gap}");
        assert_eq!(lines_of(&rest[1..]), ["banner", "starting", "started"][place + 1..]);
    }
}

#[test]
fn ids_of_logs_with_the_same_content_never_lead_into_each_other() {
    let world = World::new();
    let line = |number| format!("2026-11-22T10:00:00.00{number}Z the same line\n");
    for name in ["a.log", "b.log"] {
        world.file(name, line(1) + &line(2));
    }
    let mut agent = world.agent(&["@/*.log"]);
    let of = |name: &str| format!("/events?log={name}&from=start&follow=false");
    let ids = |name| agent.events(&of(name)).iter().map(|record| record.id().to_owned()).collect::<Vec<_>>();
    let (a, b) = (ids("a.log"), ids("b.log"));
    agent.kill();
    // What a.log held is in its rotated file now, and stands in b.log still.
    fs::rename(world.path("a.log"), world.path("a.log.1")).unwrap();
    world.file("a.log", line(3));
    agent.restart();
    for place in 0..2 {
        let rest: Vec<_> = [line(1), line(2)][place + 1..].iter().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(agent.lines_after(&of("b.log"), &b[place]), rest);
        assert_eq!(agent.lines_after(&of("a.log"), &a[place]), [&rest[..], &[line(3).trim_end().to_owned()]].concat());
    }
    agent.kill();
    fs::remove_file(world.path("a.log.1")).unwrap();
    agent.restart();
    let rest = agent.rest_after(&of("a.log"), &a[0]);
    assert!(rest[0].is("gap") && rest[0].json()["reason"] == "gone", "b.log has it, and is another log: {rest:?}");
}

#[test]
fn copies_of_a_log_by_any_tool_under_any_name_double_nothing() {
    for command in [
        "cp app.log app.log.bak",
        "cp app.log app.log.1",
        "cp -p app.log app.log.1",
        "cp app.log app.log-20261122",
        "cp app.log app.log.2026-11-22.old",
        "gzip -k app.log",
        "gzip -c app.log > app.log.1.gz",
        "zstd -qk app.log",
    ] {
        let world = World::new();
        let mut log = world.log("app.log");
        let mut agent = world.agent(&["app=@/app.log"]);
        let mut stream = agent.stream("/events");
        log.write(3);
        let mut records = stream.records(3);
        let status = Command::new("sh").args(["-c", command]).current_dir(world.folder()).status().unwrap();
        assert!(status.success() && world.listing().len() == 2, "{command}");
        log.write(2);
        records.extend(stream.records(2));
        assert_eq!(records.iter().map(|record| &record.data).collect::<Vec<_>>(), log.written().iter().collect::<Vec<_>>());
        for _ in 0..2 {
            assert_eq!(agent.lines(EVERYTHING), log.written(), "{command}");
            for (place, record) in records.iter().enumerate() {
                assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..], "{command}");
            }
            agent.restart();
        }
    }
}

#[test]
fn archives_of_several_members_are_read_as_one() {
    for (end, command) in [
        ("gz", "gzip -c one > app.log.1.gz; gzip -9c two >> app.log.1.gz"),
        ("gz", "cat one two | pigz -b 128 -p 2 -c > app.log.1.gz"),
        ("zst", "zstd -qc one > app.log.1.zst; zstd -qc19 two >> app.log.1.zst"),
    ] {
        let world = World::new();
        let (mut one, mut two, mut log) = (world.log("one"), world.log("two"), world.log("app.log"));
        one.write(2000);
        two.write(2000);
        log.write(2);
        let status = Command::new("sh").args(["-c", command]).current_dir(world.folder()).status().unwrap();
        assert!(status.success() && world.path(&format!("app.log.1.{end}")).exists());
        let agent = world.agent(&["app=@/app.log"]);
        let expected = [one.written(), two.written(), log.written()].concat();
        let records = agent.events(EVERYTHING);
        assert_eq!(records.iter().map(|record| record.data.clone()).collect::<Vec<_>>(), expected, "{command}");
        for place in [0, 1999, 2000, 3999, 4000] {
            assert_eq!(agent.lines_after("/events?follow=false", records[place].id()), expected[place + 1..], "{command}");
        }
    }
}

#[test]
fn of_a_damaged_archive_all_before_the_damage_comes_and_the_rest_is_told() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(20_000);
    log.rotate();
    crate::harness::log::gzip(&world.path("app.log.1"));
    let archive = world.path("app.log.1.gz");
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&archive, bytes).unwrap();
    let new = log.write(3);
    let agent = world.agent(&["app=@/app.log"]);
    let blocks = agent.events(EVERYTHING);
    let gap = blocks.iter().position(|block| block.is("gap")).expect("a gap");
    assert_eq!(
        (blocks[gap].json()["reason"].as_str(), blocks[gap].json()["certain"].as_bool()),
        (Some("unreadable"), Some(true))
    );
    let before: Vec<_> = blocks[..gap].iter().map(|block| block.data.clone()).collect();
    assert!(before.len() > 100, "only {} lines came before the damage", before.len());
    // What the flipped bit made of the last few kilobytes before it was noticed is what the file says.
    let same = before.iter().zip(log.written()).take_while(|(came, written)| came == written).count();
    assert!(same > 100, "only {same} lines are right");
    assert_eq!(blocks[gap + 1..].iter().map(|block| block.data.clone()).collect::<Vec<_>>(), new);
    eventually("an error in /logs or none", || Some(agent.logs()));
}

#[test]
fn a_rotated_file_moved_to_another_file_system_is_known_by_its_content() {
    let (world, elsewhere) = (World::new(), World::new());
    let mut log = world.log("app.log");
    let folder = elsewhere.folder().display().to_string();
    world.file("sidetail.toml", format!("[[log]]\npath = \"{}\"\nrotated = \"{folder}\"\n", log.path().display()));
    let mut agent = world.agent(&["--config", "@/sidetail.toml"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    let records = stream.records(3);
    agent.kill();
    log.rotate();
    // What `mv` to another file system does: a copy of the same date, then the end of the original.
    let copied = Command::new("cp").arg("-p").arg(world.path("app.log.1")).arg(elsewhere.folder()).status().unwrap();
    assert!(copied.success());
    fs::remove_file(world.path("app.log.1")).unwrap();
    log.write(2);
    agent.restart();
    assert_eq!(agent.lines_after("/events?follow=false", records[0].id()), log.written()[1..]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn what_a_network_file_system_leaves_of_deleted_files_is_no_part_of_a_log() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    world.file(".nfs000000000012345600000001", "2026-11-22T10:00:00.000Z deleted\n");
    world.file("app.log.nfs0001", "2026-11-22T10:00:00.000Z deleted\n");
    let agent = world.agent(&["@/*"]);
    assert_eq!(agent.lines("/events?from=start&follow=false&log=app.log"), log.written());
    assert!(!agent.log_names().iter().any(|name| name.starts_with(".nfs")), "{:?}", agent.log_names());
}
