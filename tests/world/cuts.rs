//! A client cut at any byte of the answer comes back with the last id of a complete block, and has every record once.

use crate::harness::chunked::Chunked;
use crate::harness::client::Head;
use crate::harness::sse::Parser;
use crate::harness::{Agent, World, get, lines_of};

const TARGET: &str = "/events?from=start&follow=false";

/// What a client has after a cut: the lines of complete blocks, and the last of their ids.
struct Cut {
    at: usize,
    lines: Vec<String>,
    id: Option<String>,
}

/// Cuts one client after each number of bytes of the answer to [`TARGET`], head and chunk sizes included.
fn cut_everywhere(agent: &Agent) -> Vec<Cut> {
    let whole = get(TARGET).header("Connection", "close").cut_after(agent.address(), usize::MAX).len();
    (0..=whole).map(|at| cut_after(agent, at)).collect()
}

fn cut_after(agent: &Agent, at: usize) -> Cut {
    let bytes = get(TARGET).header("Connection", "close").cut_after(agent.address(), at);
    let body = match Head::parse(&bytes) {
        Some((_, used)) => Chunked::default().feed(&bytes[used..]).expect("a chunked body"),
        None => Vec::new(),
    };
    let blocks = Parser::default().feed(&body);
    Cut { at, lines: lines_of(&blocks), id: blocks.last().and_then(|block| block.id.clone()) }
}

/// Lets every client come back as EventSource does: to the same address, with its id if it has one.
fn assert_all_come_back(agent: &Agent, cuts: Vec<Cut>, expected: &[String]) {
    for Cut { at, mut lines, id } in cuts {
        lines.extend(match &id {
            Some(id) => agent.lines_after(TARGET, id),
            None => agent.lines(TARGET),
        });
        assert_eq!(lines, expected, "cut after {at} bytes, back with {id:?}");
    }
}

#[test]
fn a_client_cut_at_any_byte_resumes_with_exactly_the_missing_records() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(5);
    let agent = world.agent(&["app=@/app.log"]);
    let cuts = cut_everywhere(&agent);
    assert!(cuts.len() > 300 && cuts.iter().any(|cut| cut.id.is_none()) && cuts.iter().any(|cut| cut.lines.len() == 5));
    log.write(3);
    assert_all_come_back(&agent, cuts, log.written());
}

#[test]
fn a_client_cut_at_any_byte_is_made_whole_across_a_rotation() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(4);
    let agent = world.agent(&["app=@/app.log"]);
    let cuts = cut_everywhere(&agent);
    log.write(2);
    log.rotate();
    log.write(2);
    assert_all_come_back(&agent, cuts, log.written());
}

#[test]
fn a_client_cut_at_any_byte_is_made_whole_across_two_rotations_and_a_crash() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    log.rotate();
    log.write(2);
    let mut agent = world.agent(&["app=@/app.log"]);
    let cuts = cut_everywhere(&agent);
    agent.kill();
    log.rotate();
    log.write(2);
    log.rotate();
    log.write(1);
    agent.restart();
    assert_all_come_back(&agent, cuts, log.written());
}

#[test]
fn a_client_of_several_logs_cut_at_any_byte_misses_nothing() {
    let world = World::new();
    let (mut a, mut b) = (world.log("a.log"), world.log("b.log"));
    a.write(2);
    b.write(2);
    let agent = world.agent(&["@/*.log"]);
    let cuts = cut_everywhere(&agent);
    a.write(1);
    b.write(2);
    let mut expected = [a.written(), b.written()].concat();
    expected.sort();
    for Cut { at, mut lines, id } in cuts {
        lines.extend(match &id {
            Some(id) => agent.lines_after(TARGET, id),
            None => agent.lines(TARGET),
        });
        lines.sort();
        assert_eq!(lines, expected, "cut after {at} bytes, back with {id:?}");
    }
}

#[test]
fn a_client_of_a_live_stream_that_is_cut_after_each_line_sees_every_line_once() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut id = agent.stream("/events").hello().id().to_owned();
    let mut seen = Vec::new();
    for round in 0..30 {
        log.write(1 + round % 3);
        let mut stream = agent.resume("/events", &id);
        assert_eq!(stream.resumed(), "exact");
        let record = stream.record();
        id = record.id().to_owned();
        seen.push(record.data);
    }
    seen.extend(agent.lines_after("/events?follow=false", &id));
    assert_eq!(seen, log.written());
}
