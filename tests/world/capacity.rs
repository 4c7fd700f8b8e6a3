//! At capacity: a browser is asked to come back later in a way that it obeys; others get 503.

use crate::harness::sse::Parser;
use crate::harness::{Agent, Stream, World, eventually, get};

fn full() -> (World, Agent, Stream) {
    let world = World::new();
    world.log("app.log").write(3);
    let agent = world.agent(&["app=@/app.log", "--max-subscribers", "1"]);
    let only = agent.stream("/events");
    (world, agent, only)
}

#[test]
fn an_event_stream_client_gets_a_busy_event_and_a_clean_end() {
    let (_world, agent, only) = full();
    let id = only.hello().id().to_owned();
    for sent in [None, Some(id.as_str())] {
        let mut request = get("/events").header("Accept", "text/event-stream");
        if let Some(id) = sent {
            request = request.header("Last-Event-ID", id);
        }
        let response = agent.send(&request);
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        let mut parser = Parser::default();
        let blocks = parser.feed(&response.body());
        assert_eq!(parser.violations(), [""; 0]);
        assert_eq!(blocks.len(), 1, "{blocks:?}");
        assert!(blocks[0].is("busy") && blocks[0].retry.is_some(), "{blocks:?}");
        assert_eq!(blocks[0].id.as_deref(), sent);
    }
}

#[test]
fn other_clients_get_503_and_a_time_to_come_back() {
    let (_world, agent, _only) = full();
    let ndjson = get("/events").header("Accept", "application/x-ndjson");
    for request in [get("/tail"), ndjson, get("/events?format=text")] {
        let response = agent.send(&request);
        assert_eq!(response.status(), 503);
        assert!(response.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()));
    }
}

#[test]
fn all_else_answers_at_capacity() {
    let (_world, agent, _only) = full();
    for path in ["/healthz", "/readyz", "/logs", "/version", "/"] {
        assert_eq!(agent.get(path).status(), 200, "{path}");
    }
}

#[test]
fn a_client_that_hangs_up_on_a_quiet_log_frees_its_place() {
    let (_world, agent, only) = full();
    drop(only);
    eventually("a free place", || (agent.get("/tail?follow=false").status() == 200).then_some(()));
}

#[test]
fn heads_and_finished_streams_hold_no_place() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let agent = world.agent(&["app=@/app.log", "--max-subscribers", "1"]);
    for _ in 0..20 {
        assert_eq!(agent.send(&get("/events").method("HEAD")).status(), 200);
        assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
    }
}
