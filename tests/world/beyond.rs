//! Beyond a limit of `docs/limits.md`: the answer that it names, and whoever keeps within goes on.

use std::fs;

use crate::harness::{Agent, Block, World, eventually};

/// A log with `count` rotated files of a line each, `app.log.1` the newest.
fn rotated(world: &World, count: usize) -> Vec<String> {
    let line =
        |number: usize| format!("2026-11-22T10:00:00Z file {number} of many, and a line long enough to tell it from others");
    for number in (1..=count).rev() {
        world.file(&format!("app.log.{number}"), format!("{}\n", line(number)));
    }
    world.file("app.log", "now\n");
    (1..=count).rev().map(line).chain(["now".to_owned()]).collect()
}

/// That `blocks` begin with the gap before the files that are looked at, and go on with `lines`.
fn told(blocks: &[Block], file: &str, may_repeat: bool, lines: &[String]) {
    let gap = blocks[0].json();
    assert!(blocks[0].is("gap"), "{:?}", blocks[0]);
    assert_eq!((&gap["reason"], &gap["log"], &gap["file"]), (&"budget".into(), &"app".into(), &file.into()), "{gap}");
    assert_eq!((&gap["certain"], &gap["may_repeat"]), (&false.into(), &may_repeat.into()), "{gap}");
    let records: Vec<_> = blocks[1..].iter().map(|block| block.data.clone()).collect();
    assert!(records == lines, "{} records, from {:?} to {:?}", records.len(), records.first(), records.last());
}

#[test]
fn what_is_in_more_rotated_files_than_are_looked_at_is_a_gap_wherever_a_reader_would_come_to_it() {
    let world = World::new();
    let lines = rotated(&world, 1003);
    let within = &lines[3..];
    let agent = world.agent(&["app=@/app.log"]);
    let other = world.agent(&["app=@/app.log.1002"]);
    for start in ["from=start", "tail=2000", "before=end&tail=2000", "since=2026-11-22T09:00:00Z", "tail=2000&match=file|now"] {
        let stream = agent.stream(&format!("/events?{start}&follow=false"));
        assert_eq!(stream.resumed(), "gap", "{start}");
        told(&stream.rest(), "app.log.1001", false, within);
    }
    // Nobody is told who does not come so far.
    for start in ["tail=5", "before=end&tail=5"] {
        assert_eq!(agent.lines(&format!("/events?{start}&follow=false")), lines[lines.len() - 5..]);
    }
    let stream = agent.stream("/events?from=start&follow=false");
    let rest = stream.rest();
    // It is told once; but not to a client that had nothing yet when there were other files.
    assert_eq!(agent.lines_after("/events?follow=false", rest[0].id()), within);
    let none = other.get("/events?from=start").header("sidetail-cursor").expect("a cursor").to_owned();
    assert!(agent.rest_after("/events?follow=false", &none)[0].is("gap"));
    assert_eq!(agent.lines_after("/events?follow=false", rest[1].id()), within[1..]);
    // An id of a file that is left out; who asks for the log by that file alone gets it.
    let id = other.events("/events?from=start&follow=false").pop().expect("a record").id().to_owned();
    told(&agent.rest_after("/events?follow=false", &id), "app.log.1001", true, within);
    let log = &agent.logs()[0];
    assert!(log["error"].as_str().is_some_and(|error| error.contains("more than 1000 rotated files")), "{log}");
    eventually("our own log says so", || agent.stderr().contains("more than 1000 rotated files").then_some(()));
}

#[test]
fn the_files_that_become_too_many_while_it_runs_are_told_like_those_that_were_before() {
    let world = World::new();
    let lines = rotated(&world, 1000);
    let mut agent: Agent = world.agent(&["app=@/app.log"]);
    assert_eq!(agent.lines("/events?from=start&follow=false"), lines);
    let mut live = agent.stream("/events");
    for number in (1..=1000).rev() {
        fs::rename(world.path(&format!("app.log.{number}")), world.path(&format!("app.log.{}", number + 1))).expect("renaming");
    }
    fs::rename(world.path("app.log"), world.path("app.log.1")).expect("renaming");
    world.file("app.log", "a new file\n");
    assert_eq!(live.record().data, "a new file");
    let rest = [&lines[1..], &["a new file".to_owned()]].concat();
    for _ in 0..2 {
        eventually("the oldest is left out", || {
            let blocks = agent.events("/events?from=start&follow=false");
            blocks[0].is("gap").then(|| told(&blocks, "app.log.1001", false, &rest))
        });
        agent.restart();
    }
}
