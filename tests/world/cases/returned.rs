//! Files that come back: renamed away and back, switched there and back, written anew by an editor, cut and told.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{Agent, Block, Log, Stream, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

/// A log of which a connected client has the first `lines` lines.
fn followed(options: &[&str], lines: usize) -> (World, Log, Agent, Stream) {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&[&["app=@/app.log"], options].concat());
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(lines));
    (world, log, agent, stream)
}

/// Lets `link` lead to `target` from now on, at one stroke.
fn switch(link: &Path, target: &str) {
    let new = link.with_file_name("new-link");
    symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

#[test]
fn a_log_with_a_long_banner_cut_to_nothing_and_grown_again_is_found_out() {
    let life = |day: usize| -> Vec<String> {
        let banner = format!("*** server 1.2.3 {}", "-".repeat(1200));
        let line = |n| format!("2026-11-{day}T10:00:0{n}.000Z {} id={day}{n} {}", "p".repeat(200), "x".repeat(100));
        std::iter::once(banner).chain((0..5).map(line)).collect()
    };
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    life(22).iter().for_each(|line| log.line(line));
    stream.goes_on_with(log.written());
    agent.signal("STOP");
    log.cut();
    life(23).iter().for_each(|line| log.line(line));
    log.line("2026-11-23T10:00:09.000Z last");
    agent.signal("CONT");
    let gap = stream.next().unwrap();
    assert!(gap.is("gap"), "{gap:?}");
    stream.goes_on_with(&log.written()[6..]);
}

#[test]
fn a_file_renamed_away_and_back_over_a_restart_goes_on() {
    let (world, mut log, mut agent, stream) = followed(&[], 3);
    let id = stream.hello().id().to_owned();
    let away = world.path("app.log.20261122-100000");
    agent.kill();
    fs::rename(log.path(), &away).unwrap();
    agent.restart();
    let mut stream = agent.resume("/events", &id);
    assert_eq!(stream.lines(3), log.written());
    fs::rename(&away, log.path()).unwrap();
    agent.logs();
    let lines = log.write(2);
    stream.goes_on_with(&lines);
    let lines = log.write(1);
    stream.goes_on_with(&lines);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_file_renamed_back_over_one_that_was_made_meanwhile_goes_on() {
    let (world, mut log, agent, mut stream) = followed(&[], 3);
    let away = world.path("app.log.20261122-100000");
    fs::rename(log.path(), &away).unwrap();
    fs::write(log.path(), "").unwrap();
    agent.logs();
    fs::rename(&away, log.path()).unwrap();
    agent.logs();
    let lines = log.write(2);
    stream.goes_on_with(&lines);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_link_switched_there_and_back_repeats_nothing() {
    let world = World::new();
    let (mut one, mut two) = (world.log("one.txt"), world.log("two.txt"));
    let link = world.path("current.log");
    symlink("one.txt", &link).unwrap();
    let agent = world.agent(&["app=@/current.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&one.write(3));
    switch(&link, "two.txt");
    stream.goes_on_with(&two.write(2));
    switch(&link, "one.txt");
    agent.logs();
    stream.goes_on_with(&one.write(1));
    stream.goes_on_with(&one.write(1));
}

#[test]
fn a_file_away_for_longer_than_hold_time_goes_on_when_it_is_back() {
    let (world, mut log, agent, mut stream) = followed(&["--hold-time", "300ms"], 3);
    let away = world.path("elsewhere.txt");
    fs::rename(log.path(), &away).unwrap();
    eventually("it is let go of", || (agent.logs()[0]["generations"][0]["held"] == false).then_some(()));
    fs::rename(&away, log.path()).unwrap();
    stream.goes_on_with(&log.write(2));
}

#[test]
fn an_editor_that_keeps_a_backup_repeats_nothing() {
    let (world, mut log, agent, mut stream) = followed(&[], 3);
    agent.signal("STOP");
    fs::rename(log.path(), world.path("app.log~")).unwrap();
    fs::copy(world.path("app.log~"), log.path()).unwrap();
    agent.signal("CONT");
    log.create_anew();
    stream.goes_on_with(&log.write(2));
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn ids_after_a_replacement_are_those_of_any_other_agent() {
    let (world, mut log, mut agent, mut stream) = followed(&[], 3);
    let copy = world.path("app.log.tmp");
    fs::copy(log.path(), &copy).unwrap();
    fs::rename(&copy, log.path()).unwrap();
    log.create_anew();
    stream.goes_on_with(&log.write(2));
    let ids = |agent: &Agent| agent.events(EVERYTHING).iter().map(|block| block.id().to_owned()).collect::<Vec<_>>();
    let before = ids(&agent);
    agent.restart();
    assert_eq!(ids(&agent), before);
}

fn repeated(gap: &Block) -> bool {
    gap.json()["may_repeat"] == true
}

#[test]
fn a_file_cut_to_a_part_without_a_hot_tail_goes_on_or_says_that_lines_repeat() {
    let (_world, mut log, agent, mut stream) = followed(&["--hot-tail", "0B"], 20);
    let line = log.written()[0].len() as u64 + 1;
    OpenOptions::new().write(true).open(log.path()).unwrap().set_len(10 * line).unwrap();
    agent.logs();
    let new = log.write(3);
    let gap = stream.next().unwrap();
    assert!(gap.is("gap"), "{gap:?}");
    let next = stream.record().data;
    assert!(next == new[0] || repeated(&gap), "{next} after {gap:?}");
}

#[test]
fn a_file_cut_to_a_part_and_grown_between_two_looks_says_that_lines_repeat() {
    let (_world, mut log, agent, mut stream) = followed(&[], 20);
    let line = log.written()[0].len() as u64 + 1;
    agent.signal("STOP");
    OpenOptions::new().write(true).open(log.path()).unwrap().set_len(10 * line).unwrap();
    let new = log.write(13);
    agent.signal("CONT");
    let gap = stream.next().unwrap();
    assert!(gap.is("gap"), "{gap:?}");
    let next = stream.record().data;
    assert!(next == new[0] || repeated(&gap), "{next} after {gap:?}");
}

#[test]
fn a_truncation_that_was_told_is_not_told_again_after_a_restart() {
    let (_world, mut log, mut agent, mut stream) = followed(&[], 20);
    log.cut();
    agent.logs();
    let new = log.write(4);
    let gap = stream.next().unwrap();
    assert!(gap.is("gap"), "{gap:?}");
    let mut records = stream.records(4);
    log.write(2);
    records.extend(stream.records(2));
    let _ = new;
    agent.restart();
    let again: Vec<_> = records
        .iter()
        .map(|record| {
            (record.id().to_owned(), agent.rest_after(REST, record.id()).first().filter(|b| b.is("gap")).map(|b| b.data.clone()))
        })
        .collect();
    assert!(again.iter().all(|(_, gap)| gap.is_none()), "{again:#?}");
}
