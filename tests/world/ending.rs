//! The end: on SIGTERM and SIGINT every stream is finished properly and the program exits with 0.

use std::thread;

use crate::harness::{World, get};

fn ends_cleanly_on(signal: &str) {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut streams: Vec<_> = (0..10).map(|_| agent.stream("/events?from=start")).collect();
    let others = [get("/tail"), get("/events?format=ndjson&from=start")].map(|request| agent.send(&request));
    for stream in &mut streams {
        assert_eq!(stream.lines(3), log.written());
    }
    agent.signal(signal);
    for stream in streams {
        assert_eq!(stream.rest(), [], "nothing comes before the clean end");
    }
    for other in others {
        assert_eq!(other.text().matches("line 0000").count(), 3);
    }
    assert_eq!(agent.ended().code(), Some(0));
}

#[test]
fn sigterm_ends_every_stream_with_the_last_chunk_and_exits_with_0() {
    ends_cleanly_on("TERM");
}

#[test]
fn sigint_ends_every_stream_with_the_last_chunk_and_exits_with_0() {
    ends_cleanly_on("INT");
}

#[test]
fn an_idle_agent_ends_at_once() {
    let world = World::new();
    let mut agent = world.agent(&["app=@/app.log"]);
    agent.signal("TERM");
    assert_eq!(agent.ended().code(), Some(0));
    assert!(std::net::TcpStream::connect(agent.address()).is_err(), "nobody serves any more");
}

#[test]
fn a_client_that_does_not_read_delays_the_end_by_the_grace_time_at_most() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log", "--grace", "1s"]);
    let stalled = agent.get("/events");
    log.bytes(format!("{}\n", "z".repeat(999)).repeat(40_000).as_bytes());
    agent.signal("TERM");
    assert_eq!(agent.ended().code(), Some(0));
    drop(stalled);
}

#[test]
fn a_clean_end_in_the_middle_of_a_backlog_resumes_exactly() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(20_000);
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events?from=start");
    let mut lines = stream.lines(100);
    agent.signal("TERM");
    let reader = thread::spawn(move || stream.rest());
    let rest = reader.join().expect("a stream that ends");
    assert_eq!(agent.ended().code(), Some(0));
    let last = rest.last().expect("more than 100 lines").id().to_owned();
    lines.extend(rest.into_iter().map(|record| record.data));
    agent.restart();
    lines.extend(agent.lines_after("/events?follow=false", &last));
    assert_eq!(lines, log.written());
}

#[test]
fn the_demo_serves_its_own_log_and_cleans_up() {
    let world = World::new();
    let tmp = world.path("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let mut agent = world.setup(&["demo"]).env("TMPDIR", tmp.to_str().unwrap()).start();
    let mut stream = agent.stream("/events");
    let records = stream.records(3);
    assert!(records.iter().all(|record| !record.data.is_empty()));
    assert!(std::fs::read_dir(&tmp).unwrap().next().is_some(), "a folder of its own");
    agent.signal("INT");
    assert_eq!(stream.rest().iter().filter(|block| block.is("gap")).count(), 0);
    assert_eq!(agent.ended().code(), Some(0));
    assert!(std::fs::read_dir(&tmp).unwrap().next().is_none(), "the folder is gone");
}
