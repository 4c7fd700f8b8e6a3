//! Ids: their grammar, what they say by hand, and that every single one of them resumes.

use std::process::Command;

use regex::Regex;

use crate::harness::{Agent, Block, World, eventually};
use crate::wire::SINGLE;

const EVERYTHING: &str = "/events?from=start&follow=false";

fn assert_grammar(grammar: &str, blocks: &[Block]) {
    let grammar = Regex::new(grammar).unwrap();
    for block in blocks {
        assert!(grammar.is_match(block.id()), "{} is not {grammar}", block.id());
    }
}

fn offset(id: &str) -> usize {
    id.split('.').nth(2).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no offset in {id}"))
}

/// Every id of `blocks` gives exactly the records behind it.
fn assert_every_id_resumes(agent: &Agent, target: &str, blocks: &[Block]) {
    for (place, block) in blocks.iter().enumerate() {
        let expected: Vec<_> = blocks[place + 1..].iter().map(|block| block.data.as_str()).collect();
        assert_eq!(agent.lines_after(target, block.id()), expected, "after record {place}, {}", block.id());
    }
}

#[test]
fn the_id_of_a_record_is_the_byte_offset_behind_it() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.line("short");
    log.line("ümläut");
    log.bytes(b"bad \xFF\xFE bytes\r\n\r\n");
    log.line("last");
    let agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    assert_grammar(&format!("^{SINGLE}$"), &records);
    let offsets: Vec<_> = records.iter().map(|record| offset(record.id())).collect();
    assert_eq!(offsets, [6, 15, 29, 31, 36]);
}

#[test]
fn tail_continues_by_hand_from_an_id() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(20);
    let agent = world.agent(&["app=@/app.log"]);
    for (place, record) in agent.events(EVERYTHING).iter().enumerate() {
        let start = format!("+{}", offset(record.id()) + 1);
        let tail = Command::new("tail").arg("-c").arg(start).arg(log.path()).output().expect("tail");
        let by_hand: Vec<_> = str::from_utf8(&tail.stdout).unwrap().lines().collect();
        assert_eq!(by_hand, log.written()[place + 1..]);
    }
}

#[test]
fn every_id_of_one_log_resumes_with_exactly_the_suffix() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(120);
    let agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    assert_eq!(records.len(), 120);
    assert_every_id_resumes(&agent, "/events?follow=false", &records);
}

#[test]
fn every_id_of_several_logs_resumes_with_exactly_what_is_missing_in_each() {
    let world = World::new();
    let names = ["a.log", "b.log", "c.log"];
    let mut logs = names.map(|name| world.log(name));
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events");
    for round in 0..30 {
        logs[round % 3].write(1 + round % 2);
    }
    let records = stream.records(logs.iter().map(|log| log.written().len()).sum());
    assert_grammar(&format!("^{SINGLE}(~{SINGLE}){{2}}~[0-9a-z]{{6}}$"), &records);
    for (place, record) in records.iter().enumerate() {
        let resumed = agent.lines_after("/events?follow=false", record.id());
        for log in &logs {
            let had = records[..=place].iter().filter(|record| log.written().contains(&record.data)).count();
            let rest: Vec<_> = resumed.iter().filter(|line| log.written().contains(line)).collect();
            assert_eq!(rest, log.written()[had..].iter().collect::<Vec<_>>(), "{} after record {place}", log.path().display());
        }
        assert_eq!(resumed.len(), records.len() - place - 1);
    }
}

#[test]
fn the_own_log_of_an_event_stands_first_in_its_id() {
    let world = World::new();
    let (mut a, mut b) = (world.log("a.log"), world.log("b.log"));
    a.write(3);
    b.write(5);
    let agent = world.agent(&["@/*.log"]);
    for record in agent.events(EVERYTHING) {
        let log = if a.written().contains(&record.data) { "a.log" } else { "b.log" };
        let alone = agent.events(&format!("{EVERYTHING}&log={log}"));
        let same = alone.iter().find(|other| other.data == record.data).expect("the record in its own log");
        let own = record.id().split('~').next().unwrap();
        // The lowest bit of the hint tells a position alone from one among several.
        assert_eq!(own[..own.len() - 1], same.id()[..same.id().len() - 1], "{}", record.data);
    }
}

#[test]
fn shortly_after_a_rotation_ids_hold_a_position_in_both_files() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(5);
    let before = stream.records(5);
    log.rotate();
    log.write(5);
    let after = stream.records(5);
    assert_grammar(&format!("^{SINGLE}$"), &before);
    assert_grammar(&format!("^{SINGLE}(~{SINGLE})*(~[0-9a-z]{{6}})$"), &after);
    let all: Vec<_> = before.into_iter().chain(after).collect();
    assert_every_id_resumes(&agent, "/events?follow=false", &all);
}

#[test]
fn once_a_rotated_file_is_let_go_ids_are_single_again() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log", "--hold-time", "300ms"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    stream.records(3);
    log.rotate();
    eventually("an id of one position", || {
        log.write(1);
        (!stream.record().id().contains('~')).then_some(())
    });
}

#[test]
fn two_agents_mint_the_same_ids_for_the_same_bytes() {
    let world = World::new();
    world.log("app.log").write(10);
    let ids = || -> Vec<String> {
        let agent = world.agent(&["app=@/app.log"]);
        agent.events(EVERYTHING).iter().map(|record| record.id().to_owned()).collect()
    };
    assert_eq!(ids(), ids());
}

#[test]
fn two_subscribers_from_different_places_get_the_same_ids_for_the_same_lines() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(40);
    let agent = world.agent(&["app=@/app.log"]);
    let (all, last) = (agent.events(EVERYTHING), agent.events("/events?tail=15&follow=false"));
    assert_eq!(all[25..], last);
}

#[test]
fn hello_repeats_the_id_that_a_client_came_with() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(4);
    let agent = world.agent(&["app=@/app.log"]);
    let id = agent.events(EVERYTHING)[2].id().to_owned();
    let first = agent.resume("/events", &id);
    assert_eq!((first.hello().id(), first.resumed().as_str()), (id.as_str(), "exact"));
    let hello = first.hello().id().to_owned();
    drop(first);
    log.write(2);
    assert_eq!(agent.lines_after("/events?follow=false", &hello), log.written()[3..], "a client cut right after hello");
}

#[test]
fn an_id_from_before_the_first_line_gives_all_lines() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let id = agent.stream("/events").hello().id().to_owned();
    let mut log = world.log("app.log");
    log.write(7);
    assert_eq!(agent.lines_after("/events?follow=false", &id), log.written());
}
