//! One writer at full speed, a rotation every few thousand lines, and clients that drop at random and resume.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Agent, Stream, World};

const LINES: usize = 200_000;
const LINES_PER_FILE: usize = 10_000;

/// A client that hangs up after some hundred or thousand records and comes back with the last id, until it has the
/// last line. Gives what it has seen.
fn drop_and_resume(agent: &Agent, first: Stream, last_line: &str, seed: u64) -> Vec<String> {
    let mut stream = first;
    let mut id = stream.hello().id().to_owned();
    let mut seen = Vec::new();
    let mut random = seed;
    loop {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for _ in 0..random >> 51 {
            let block = stream.next().expect("the stream goes on");
            id = block.id().to_owned();
            assert!(id.len() <= 4096, "an id of {} bytes", id.len());
            assert!(!block.is("gap"), "after {} lines: {block:?}", seen.len());
            if block.is_record() {
                let last = block.data == last_line;
                seen.push(block.data);
                if last {
                    return seen;
                }
            }
        }
        drop(stream);
        stream = agent.resume("/events", &id);
        assert_eq!(stream.resumed(), "exact", "back with {id}");
    }
}

/// The first place where a client saw something else than was written; comparing whole vectors would print them.
fn assert_same(seen: &[String], written: &[String]) {
    if let Some(place) = (0..written.len().max(seen.len())).find(|&place| seen.get(place) != written.get(place)) {
        panic!("line {place} should be {:?} and is {:?}", written.get(place), seen.get(place));
    }
}

#[test]
fn clients_that_drop_at_random_see_every_line_of_a_fast_rotating_log_once_and_in_order() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let streams: Vec<_> = (0..3).map(|_| agent.stream("/events")).collect();
    let last_line = "the last line";
    thread::scope(|scope| {
        let agent = &agent;
        let clients: Vec<_> = (1..)
            .zip(streams)
            .map(|(seed, stream)| scope.spawn(move || drop_and_resume(agent, stream, last_line, seed)))
            .collect();
        for _ in 0..LINES / LINES_PER_FILE {
            log.write(LINES_PER_FILE);
            log.rotate();
        }
        log.line(last_line);
        for client in clients {
            assert_same(&client.join().expect("a client that sees the last line"), log.written());
        }
    });
    assert_same(&agent.lines("/events?from=start&follow=false"), log.written());
}

#[test]
fn several_fast_logs_keep_their_order_each() {
    let world = World::new();
    let mut logs: Vec<_> = (0..4).map(|number| world.log(&format!("{number}.log"))).collect();
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events");
    let total = logs.len() * 5_000;
    thread::scope(|scope| {
        for log in &mut logs {
            scope.spawn(|| (0..5).for_each(|_| (log.write(1000), log.rotate()).1.sync_data().unwrap_or(())));
        }
        let seen = stream.lines(total);
        for number in 0..4 {
            let own = format!("INFO {number}.log ");
            let lines: Vec<_> = seen.iter().filter(|line| line.contains(&own)).collect();
            assert!(lines.is_sorted() && lines.len() == 5_000, "{} lines of log {number}", lines.len());
        }
    });
}

#[test]
fn a_slow_client_holds_nobody_back_and_misses_nothing() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut slow = agent.stream("/events");
    let mut fast = agent.stream("/events");
    for _ in 0..4 {
        let new = log.write(10_000);
        fast.goes_on_with(&new);
        log.rotate();
    }
    slow.goes_on_with(log.written());
}

#[test]
fn a_crash_under_load_costs_no_line() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut id = agent.stream("/events").hello().id().to_owned();
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) && log.written().len() < 200_000 {
                log.write(2_000);
                log.rotate();
            }
            log.line("the last line");
            log.written().to_vec()
        });
        for _ in 0..4 {
            let mut stream = agent.resume("/events", &id);
            for record in stream.records(3_000) {
                id = record.id().to_owned();
                seen.push(record.data);
            }
            agent.restart();
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    });
    seen.extend(agent.lines_after("/events?follow=false", &id));
    assert_same(&seen, &written);
}
