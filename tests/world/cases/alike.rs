//! Files that are alike: links, copies under odd numbers, backups put back, names that forge.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Agent, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

fn assert_one_log_across_a_rotation(world: &World, agent: &mut Agent) {
    let mut log = world.log("app.log");
    let mut stream = agent.stream("/events");
    log.write(2);
    let records = stream.records(2);
    log.rotate();
    log.write(2);
    stream.goes_on_with(&log.written()[2..]);
    for _ in 0..2 {
        assert_eq!(agent.log_names().len(), 1, "{:?}", agent.log_names());
        assert_eq!(agent.lines(EVERYTHING), log.written());
        assert_eq!(agent.lines_after(REST, records[0].id()), log.written()[1..]);
        agent.restart();
    }
}

#[test]
fn a_link_beside_its_target_is_no_second_log_after_a_rotation() {
    let world = World::new();
    world.file("app.log", "");
    symlink("app.log", world.path("latest.log")).unwrap();
    assert_one_log_across_a_rotation(&world, &mut world.agent(&["@/*.log"]));
}

#[test]
fn a_file_that_patterns_of_two_names_mean_is_one_log_after_a_rotation() {
    let world = World::new();
    world.file("app.log", "");
    assert_one_log_across_a_rotation(&world, &mut world.agent(&["one=@/a*.log", "two=@/*.log"]));
}

/// The same, where the path is missing for a moment that the agent sees.
#[test]
fn a_link_that_dangled_for_a_moment_is_no_second_log() {
    let world = World::new();
    let mut log = world.log("app.log");
    symlink("app.log", world.path("latest.log")).unwrap();
    let agent = world.agent(&["@/*.log"]);
    log.write(2);
    log.move_away();
    eventually("the file is missed", || (agent.logs()[0]["present"] == false).then_some(()));
    assert_eq!(agent.log_names(), ["app.log"]);
    log.create_anew();
    log.write(2);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_second_hard_link_is_a_log_once_the_first_name_is_another_file() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    fs::hard_link(log.path(), world.path("other.log")).unwrap();
    let agent = world.agent(&["@/*.log", "--hold-time", "1s"]);
    fs::remove_file(log.path()).unwrap();
    world.log("app.log").line("2026-11-22T12:00:00.000Z in a new app.log");
    let held = || agent.logs()[0]["generations"].as_array().unwrap().iter().filter(|file| file["held"] == true).count();
    eventually("app.log lets go of its first file", || (held() == 1).then_some(()));
    log.line("2026-11-22T12:00:01.000Z through the second name");
    eventually("the line arrives", || {
        agent.lines(EVERYTHING).iter().any(|line| line.ends_with("through the second name")).then_some(())
    });
}

#[test]
fn an_older_backup_moved_over_the_log_is_told() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    fs::copy(log.path(), world.path("backup")).unwrap();
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    stream.records(3);
    fs::rename(world.path("backup"), log.path()).unwrap();
    let first = stream.next().expect("an event");
    assert!(first.is("gap") && first.json()["may_repeat"] == true, "{first:?}");
}

#[test]
fn a_gap_after_which_lines_come_again_says_so() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let backup = fs::read(log.path()).unwrap();
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events?from=start");
    stream.goes_on_with(log.written());
    stream.goes_on_with(&log.write(3));
    agent.signal("STOP");
    fs::write(log.path(), &backup).unwrap();
    log.write(8);
    agent.signal("CONT");
    let gap = stream.next().expect("a gap");
    assert!(gap.is("gap"), "{gap:?}");
    let again = log.written().contains(&stream.record().data);
    assert_eq!(gap.json()["may_repeat"], again, "{gap:?}");
}

#[test]
fn a_file_name_cannot_forge_a_line_of_the_agents_own_log() {
    let world = World::new();
    world.file("x\n2026-11-22T10:00:00.000000Z  INFO forged.log", "");
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.log_names().len(), 1);
    assert!(!agent.stderr().lines().any(|line| line.starts_with("2026-11-22T10:00:00.000000Z")), "{}", agent.stderr());
}

fn assert_history_stands(command: &str) {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    let mut records = Vec::new();
    for _ in 0..2 {
        log.write(2);
        records.extend(stream.records(2));
        log.rotate();
    }
    log.write(2);
    records.extend(stream.records(2));
    let status = std::process::Command::new("sh").args(["-c", command]).current_dir(world.folder()).status().unwrap();
    assert!(status.success(), "{command}");
    for _ in 0..2 {
        assert_eq!(agent.lines(EVERYTHING), log.written(), "{command}");
        for (place, record) in records.iter().enumerate() {
            assert_eq!(agent.lines_after(REST, record.id()), log.written()[place + 1..], "{command}, after record {place}");
        }
        agent.restart();
    }
}

#[test]
fn a_copy_of_the_log_under_an_old_number_hides_no_history() {
    assert_history_stands("cp app.log app.log.9");
}

#[test]
fn a_hard_link_under_an_old_number_hides_no_history() {
    assert_history_stands("ln app.log app.log.9");
}

#[test]
fn a_copy_of_a_rotated_file_under_an_old_number_does_not_change_the_order() {
    assert_history_stands("cp app.log.1 app.log.9");
}
