//! The form of the stream: what stands on the wire, byte by byte, and in the response's headers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::harness::chunked::Chunked;
use crate::harness::{Agent, Stream, World, eventually, get};

/// An id of a stream over one log.
pub const SINGLE: &str = r"1[0-9a-z]{4}\.[0-9a-z]{10}\.\d+\.[0-9a-z]{6}\.[0-9a-z]{4}";

fn one_log() -> (World, Agent) {
    let world = World::new();
    world.log("app.log").write(3);
    let agent = world.agent(&["app=@/app.log"]);
    (world, agent)
}

#[test]
fn a_stream_says_hello_first_and_gives_every_record_in_a_block_of_its_own() {
    let (_world, agent) = one_log();
    let body = agent.get("/events?from=start&follow=false").text();
    let line = |number| format!("data: 2026-11-22T10:00:00.00{number}Z INFO app\\.log line 00000{number}\nid: {SINGLE}\n\n");
    let form = format!(
        "^retry: \\d+\nevent: hello\ndata: \\{{\"resume\": ?\"fresh\"\\}}\nid: {SINGLE}\n\n{}{}{}$",
        line(0),
        line(1),
        line(2)
    );
    assert!(Regex::new(&form).unwrap().is_match(&body), "{body}\nis not of the form\n{form}");
}

#[test]
fn hello_comes_at_once_on_a_silent_log_and_without_a_file_too() {
    let world = World::new();
    let agent = world.agent(&["app=@/not-there-yet.log"]);
    let stream = agent.stream("/events");
    assert_eq!(stream.resumed(), "fresh");
    assert!(Regex::new(&format!("^{SINGLE}$")).unwrap().is_match(stream.hello().id()));
}

#[test]
fn retry_is_jittered_around_the_configured_time_and_never_the_same_for_all() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log", "--retry", "4s"]);
    let retries: BTreeSet<_> = (0..12).map(|_| agent.stream("/events").hello().retry.expect("a retry")).collect();
    assert!(retries.len() > 4, "{retries:?}");
    assert!(retries.iter().all(|retry| (2000..=8000).contains(retry)), "{retries:?} around 4000");
}

#[test]
fn the_headers_are_those_that_no_proxy_or_client_stumbles_over() {
    let (_world, agent) = one_log();
    for accept in ["text/event-stream", "*/*"] {
        let stream = Stream::open(agent.send(&get("/events").header("Accept", accept)));
        let cache: Vec<_> = stream.header("cache-control").expect("Cache-Control").split(", ").collect();
        assert_eq!(cache, ["no-store", "no-transform"]);
        assert_eq!(stream.header("x-accel-buffering"), Some("no"));
        assert_eq!(stream.header("transfer-encoding"), Some("chunked"));
        assert_eq!(stream.header("content-length"), None);
        assert!(matches!(stream.header("content-encoding"), None | Some("identity")), "compressed uninvited");
        assert_eq!(stream.header("sidetail-cursor"), Some(stream.hello().id()));
    }
}

#[test]
fn every_kind_of_stream_carries_the_cursor_at_which_it_starts() {
    let (_world, agent) = one_log();
    for target in ["/events?from=start", "/tail?from=start", "/events?from=start&format=ndjson", "/events?tail=2"] {
        let response = agent.get(&format!("{target}&follow=false"));
        let cursor = response.header("sidetail-cursor").expect("Sidetail-Cursor").to_owned();
        let expected = if target.contains("tail=2") { 2 } else { 3 };
        assert_eq!(agent.lines(&format!("/events?after={cursor}&follow=false")).len(), expected, "after the cursor of {target}");
    }
}

#[test]
fn an_idle_stream_beats_with_a_colon_and_one_newline() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log", "--heartbeat", "200ms"]);
    let mut response = agent.get("/events");
    let mut body = String::new();
    let after_hello = eventually("three heartbeats", || {
        body.push_str(&String::from_utf8(response.some().unwrap().expect("no end")).unwrap());
        let (_, rest) = body.split_once("\n\n")?;
        (rest.len() >= 6).then(|| rest.to_owned())
    });
    assert!(after_hello.starts_with(":\n:\n:\n"), "{after_hello:?}");
}

#[test]
fn heartbeats_disturb_neither_the_events_nor_the_position() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log", "--heartbeat", "100ms"]);
    let mut stream = agent.stream("/events");
    let mut ids = Vec::new();
    for round in 1..4 {
        stream.heartbeat(round);
        log.write(1);
        ids.push(stream.record().id().to_owned());
    }
    assert_eq!(agent.lines_after("/events?follow=false", &ids[0]), log.written()[1..]);
}

#[test]
fn a_filter_that_keeps_a_mebibyte_back_moves_the_position_with_a_pos_event() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events?match=needle");
    let noise = format!("{}\n", "x".repeat(1023)).repeat(1024 + 512);
    let start = Instant::now();
    log.bytes(noise.as_bytes());
    let pos = stream.next().expect("a pos");
    assert!(pos.is("pos"), "{pos:?}");
    assert!(start.elapsed() < Duration::from_secs(8), "it came by time, not by size");
    assert_eq!(pos.data, "{}");
    log.line("the needle");
    assert_eq!(stream.lines(1), ["the needle"]);

    let offset: usize = pos.id().split('.').nth(2).unwrap().parse().unwrap();
    assert!((1 << 20..=noise.len()).contains(&offset), "{offset}");
    let unfiltered = agent.lines_after("/events?follow=false", pos.id());
    assert_eq!(unfiltered.len(), (noise.len() - offset) / 1024 + 1, "what follows the checkpoint");
    assert_eq!(agent.lines_after("/events?match=needle&follow=false", pos.id()), ["the needle"]);
}

#[test]
fn nothing_filtered_out_means_no_pos_event() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    let line = "y".repeat(4095);
    log.bytes(format!("{line}\n").repeat(600).as_bytes());
    for number in 0..600 {
        let block = stream.next().expect("a record");
        assert!(block.is_record(), "{:?} came as block {number}", block.event);
    }
}

#[test]
fn http_1_0_gets_a_body_without_chunks_that_ends_with_the_connection() {
    let (_world, agent) = one_log();
    for request in [get("/events?from=start&follow=false"), get("/events?tail=3&follow=false").header("Connection", "keep-alive")]
    {
        let response = agent.send(&request.http10());
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("transfer-encoding"), None);
        assert_eq!(response.header("content-length"), None);
        let body = response.text();
        assert!(body.starts_with("retry: ") && body.ends_with("\n\n"), "{body:?}");
        assert_eq!(body.matches("line 0000").count(), 3);
    }
}

#[test]
fn http_1_0_follows_too() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = Stream::open(agent.send(&get("/events").http10()));
    for _ in 0..3 {
        assert_eq!(log.write(1), stream.lines(1));
    }
}

#[test]
fn head_and_options_answer_at_once() {
    let (_world, agent) = one_log();
    for path in ["/events", "/tail", "/events?from=start"] {
        let head = agent.send(&get(path).method("HEAD"));
        assert_eq!(head.status(), 200, "HEAD {path}");
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        if path.starts_with("/events") {
            assert_eq!(head.header("content-type"), Some("text/event-stream"));
        }
        let next = head.then(&get("/healthz"));
        assert_eq!(next.status(), 200, "the request after HEAD {path} on the same connection");
        let options = agent.send(&get(path).method("OPTIONS"));
        assert!(matches!(options.status(), 200 | 204), "OPTIONS {path}: {}", options.status());
        assert!(options.header("allow").is_some_and(|allow| allow.contains("GET") && allow.contains("HEAD")));
    }
}

#[test]
fn other_methods_are_refused_with_the_allowed_ones() {
    let (_world, agent) = one_log();
    for path in ["/events", "/tail", "/logs", "/healthz", "/"] {
        for method in ["POST", "PUT", "DELETE"] {
            let response = agent.send(&get(path).method(method));
            assert_eq!(response.status(), 405, "{method} {path}");
            assert!(response.header("allow").is_some_and(|allow| allow.contains("GET")), "Allow of {method} {path}");
        }
    }
}

#[test]
fn a_connection_serves_another_request_after_a_stream_that_ended() {
    let (_world, agent) = one_log();
    // The second as in long polling: it waits for a record, and ends with it.
    for ends in ["follow=false", "limit=3", "until=50ms"] {
        let first = agent.get(&format!("/events?from=start&{ends}"));
        let second = first.then(&get("/events?from=start&follow=false"));
        assert_eq!(second.text().matches("line 0000").count(), 3, "after {ends}");
    }
}

#[test]
fn a_stream_that_was_asked_for_together_with_another_comes_behind_all_of_it() {
    use std::io::{Read, Write};
    let world = World::new();
    let lines: Vec<_> = (0..200_000).map(|n| format!("line {n:06} {}", "x".repeat(n % 90))).collect();
    world.file("app.log", lines.iter().flat_map(|line| [line, "\n"]).collect::<String>());
    let agent = world.agent(&["app=@/app.log"]);
    let mut socket = std::net::TcpStream::connect(agent.address()).unwrap();
    let first = "GET /tail?from=start&follow=false HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Nothing comes behind this one: it has its connection to itself.
    let second = "GET /tail?tail=2&follow=false HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all([first, second].concat().as_bytes()).unwrap();
    // In small portions: the agent is always ahead, and has to wait.
    let (mut bytes, mut portion) = (Vec::new(), [0; 4096]);
    while let count @ 1.. = socket.read(&mut portion).unwrap() {
        bytes.extend_from_slice(&portion[..count]);
    }
    let heads: Vec<_> = bytes.windows(9).enumerate().filter(|(_, window)| window == b"HTTP/1.1 ").map(|(at, _)| at).collect();
    assert_eq!(heads.len(), 2, "answers");
    let body = |answer: &[u8]| {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of a head") + 4;
        let mut chunks = Chunked::default();
        let body = chunks.feed(&answer[end..]).unwrap();
        assert!(chunks.ended(), "{} bytes and no last chunk", body.len());
        String::from_utf8(body).unwrap()
    };
    assert!(body(&bytes[..heads[1]]).lines().eq(&lines), "the first answer");
    assert!(body(&bytes[heads[1]..]).lines().eq(&lines[lines.len() - 2..]), "the second answer");
}

#[test]
fn a_request_that_comes_byte_by_byte_is_understood() {
    use std::io::{Read, Write};
    let (_world, agent) = one_log();
    let mut socket = std::net::TcpStream::connect(agent.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in b"GET /tail?follow=false HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" {
        socket.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("line 000002"), "{answer}");
}
