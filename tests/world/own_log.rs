//! What sidetail says of itself on standard error: one line each, and nothing of what it follows.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use regex::Regex;
use serde_json::Value;

use crate::harness::log::gzip;
use crate::harness::{Agent, World, eventually, get};

/// What stands in every line that is followed.
const SECRET: &str = "hunter2";

/// Lets an agent meet all that it could speak of: lines of all formats, rotations, truncations, damaged archives, rules,
/// filters, wrong requests. What it said then.
fn adventures(format: &str) -> String {
    let world = World::new();
    world.file(
        "sidetail.toml",
        "[[drop]]\nmatch = 'drop hunter2'\n[[redact]]\nmatch = 'pin=\\S+'\n[[event]]\nname = \"login\"\nmatch = 'user=(?P<user>\\S+)'\ndata = \"captures\"\n",
    );
    let mut log = world.log("app.log");
    let lines = |log: &mut crate::harness::Log| {
        log.line("2026-11-22T10:00:00Z ERROR hunter2 failed");
        log.line("{\"level\":\"warn\",\"msg\":\"hunter2\",\"time\":\"2026-11-22T10:00:00Z\"}");
        log.line("user=hunter2 pin=hunter2 drop hunter2");
        log.bytes(b"hunter2 \xff\x00\r\n  at hunter2\n\x1b[31mhunter2\n");
        log.line(&"hunter2 ".repeat(50_000));
    };
    lines(&mut log);
    log.rotate();
    gzip(&world.path("app.log.1"));
    lines(&mut log);
    let damaged = fs::read(world.path("app.log.1.gz")).expect("an archive");
    world.file("app.log.2.gz", &damaged[..damaged.len() / 2]);
    world.file("app.log.3.zst", b"\x28\xb5\x2f\xfdhunter2");
    world.file("packed.log", &damaged);
    let args = ["--config", "@/sidetail.toml", "--log-level", "trace", "--log-format", format, "@/app.log", "@/packed.log"];
    let mut agent = world.agent(&args);
    let old = agent.stream("/events?match=hunter2&notices=true&data=json");
    for target in
        ["/events?from=start&follow=false", "/tail?grep=hunter2&follow=false", "/events?log=hunter2", "/events?match=hunter2("]
    {
        drop(agent.get(target).body());
    }
    drop(agent.send(&get("/events?follow=false").header("Last-Event-ID", "hunter2")).body());
    lines(&mut log);
    log.cut();
    eventually("it says something of a truncation", || agent.stderr().contains("truncated").then_some(()));
    lines(&mut log);
    log.copytruncate();
    lines(&mut log);
    drop(old);
    eventually("it reads on", || (agent.get("/tail?follow=false").body().len() > 1000).then_some(()));
    agent.signal("TERM");
    assert!(agent.ended().success());
    rest(&agent)
}

fn rest(agent: &Agent) -> String {
    eventually("its last words", || Some(agent.stderr()).filter(|said| said.contains("SIGTERM")))
}

#[test]
fn at_its_most_talkative_it_says_nothing_of_what_it_follows_in_json_of_one_line_each() {
    let said = adventures("json");
    assert!(!said.contains(SECRET), "{said}");
    for line in said.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "message"] {
            assert!(object[key].is_string(), "{key} in {line}");
        }
    }
    for message in ["starting", "following", "a stream begins", "a stream ends", "not all of it can be followed"] {
        assert!(said.contains(&format!("\"message\":\"{message}\"")), "{message} in {said}");
    }
}

#[test]
fn and_in_text_of_one_line_each() {
    let said = adventures("text");
    assert!(!said.contains(SECRET), "{said}");
    let line = Regex::new(r"^\d{4}-\d\d-\d\dT[\d:.]+Z +(ERROR|WARN|INFO|DEBUG|TRACE) [^\x1b]+$").expect("a pattern");
    assert_eq!(said.lines().filter(|said| !line.is_match(said)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn it_says_no_more_than_it_is_asked_for_and_fails_in_the_same_form() {
    let world = World::new();
    world.log("app.log").write(3);
    let quiet = world.agent(&["@/app.log", "--log-level", "error"]);
    assert_eq!(quiet.lines("/events?from=start&follow=false").len(), 3);
    assert_eq!(quiet.stderr(), "");
    let taken = quiet.address().to_string();
    let failed = world.setup(&["@/app.log", "--log-format", "json", "--listen", &taken]).run();
    assert_eq!(failed.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&failed.stderr).expect("one line of JSON");
    assert_eq!(said["level"], "ERROR");
    assert!(said["message"].as_str().is_some_and(|message| message.contains(&taken)), "{said}");
}

/// Sends bytes that are no request, and waits until the agent hangs up.
fn disturb(agent: &Agent, bytes: &[u8]) {
    let mut socket = TcpStream::connect(agent.address()).expect("connecting");
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let _ = socket.read_to_end(&mut Vec::new());
}

#[test]
fn whoever_can_connect_cannot_fill_it_whatever_is_sent() {
    let world = World::new();
    world.log("app.log").line("hello");
    world.file("tokens", "app 0123456789abcdef-app\n");
    let args = ["app=@/app.log", "--token-file", "@/tokens", "--trusted-proxy", "127.0.0.1", "--log-format", "json"];
    let agent = world.agent(&args);
    eventually("it follows", || agent.stderr().contains("following").then_some(()));
    let before = agent.stderr().lines().count();
    for number in 0..2000 {
        disturb(&agent, if number % 2 == 0 { b"GET / HTTP/9.9\r\n\r\n" } else { b"\x16\x03\x01 no TLS here\r\n\r\n" });
    }
    for number in 0..300 {
        // Wrong tokens from as many networks: each has tries of its own.
        let from = format!("10.0.{}.{}", number / 250, number % 250);
        let answer = agent.send(&get("/logs").token("wrong").header("X-Forwarded-For", &from));
        assert_eq!(answer.status(), 401);
        assert_eq!(agent.get("/logs").status(), 401);
        assert_eq!(agent.send(&get("/nothing").host("evil.example")).status(), 401);
    }
    let said = eventually("it says what it left out", || {
        Some(agent.stderr()).filter(|said| said.contains("lines about clients were left out"))
    });
    assert!(said.lines().count() <= before + 2 * 10 + 2, "{said}");
    let metrics = agent.send(&get("/metrics").token("0123456789abcdef-app")).text();
    assert!(metrics.contains("sidetail_unreadable_requests_total 2000\n"), "{metrics}");
    assert!(metrics.contains("sidetail_wrong_tokens_total 300\n"), "{metrics}");
}
