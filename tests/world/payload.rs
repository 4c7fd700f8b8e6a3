//! The kinds of payload: lines or record objects in events, NDJSON, plain text.

use serde_json::Value;

use crate::harness::{Agent, Log, World, get};

fn one_log() -> (World, Log, Agent) {
    let world = World::new();
    let mut log = world.log("app.log");
    for line in ["plain", "with \"quotes\" and \\", "ümläut ☃ 🦀", " leading and trailing ", "tab\tand\u{1b}[31mred"] {
        log.line(line);
    }
    let agent = world.agent(&["app=@/app.log"]);
    (world, log, agent)
}

/// Checks record objects against the log's lines; `id_of` says which id belongs to each.
fn assert_objects(objects: &[Value], log: &Log, ids: &[String]) {
    assert_eq!(objects.len(), log.written().len());
    let mut start = 0;
    for ((object, line), id) in objects.iter().zip(log.written()).zip(ids) {
        let end = start + line.len() as u64 + 1;
        assert_eq!(object["log"], "app");
        assert_eq!(object["line"], line.as_str());
        assert_eq!(object["off"], serde_json::json!([start, end]));
        assert_eq!(object["id"], id.as_str());
        start = end;
    }
}

fn ids(agent: &Agent) -> Vec<String> {
    agent.events("/events?from=start&follow=false").iter().map(|record| record.id().to_owned()).collect()
}

fn records_of(ndjson: &str) -> Vec<Value> {
    assert!(ndjson.is_empty() || ndjson.ends_with('\n'), "an unfinished line of NDJSON");
    let objects = ndjson.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")));
    objects.filter(|object: &Value| object.get("line").is_some()).collect()
}

#[test]
fn a_line_comes_as_it_stands_by_default() {
    let (_world, log, agent) = one_log();
    assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
    assert_eq!(agent.lines("/events?from=start&follow=false&data=line"), log.written());
}

#[test]
fn data_json_gives_a_record_object_in_one_data_line() {
    let (_world, log, agent) = one_log();
    let records = agent.events("/events?from=start&follow=false&data=json");
    assert!(records.iter().all(|record| !record.data.contains('\n')));
    let objects: Vec<_> = records.iter().map(|record| record.json()).collect();
    assert_objects(&objects, &log, &ids(&agent));
}

#[test]
fn ndjson_is_given_by_accept_or_by_format() {
    let (_world, log, agent) = one_log();
    let by_accept = get("/events?from=start&follow=false").header("Accept", "application/x-ndjson");
    for request in [by_accept, get("/events?from=start&follow=false&format=ndjson")] {
        let response = agent.send(&request);
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
        assert_objects(&records_of(&response.text()), &log, &ids(&agent));
    }
}

#[test]
fn plain_text_is_given_by_accept_or_by_format_or_by_tail() {
    let (_world, log, agent) = one_log();
    let by_accept = get("/events?from=start&follow=false").header("Accept", "text/plain");
    for request in [by_accept, get("/events?from=start&follow=false&format=text"), get("/tail?from=start&follow=false")] {
        let response = agent.send(&request);
        assert_eq!(response.status(), 200);
        assert!(response.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
        assert_eq!(response.header("x-accel-buffering"), Some("no"));
        assert_eq!(response.text(), log.written().join("\n") + "\n");
    }
}

#[test]
fn tail_shows_the_last_ten_lines_and_goes_on() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(25);
    let agent = world.agent(&["app=@/app.log"]);
    let mut response = agent.get("/tail");
    let mut text = String::new();
    let mut read_to = |count: usize| {
        while text.lines().count() < count || !text.ends_with('\n') {
            text.push_str(&String::from_utf8(response.some().unwrap().expect("no end")).unwrap());
        }
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(read_to(10), log.written()[15..]);
    log.write(2);
    assert_eq!(read_to(12), log.written()[15..]);
}

#[test]
fn a_client_without_events_goes_on_after_the_cursor_of_the_last_object() {
    let (_world, mut log, agent) = one_log();
    let objects = records_of(&agent.get("/events?from=start&follow=false&format=ndjson").text());
    let id = objects[2]["id"].as_str().expect("an id in the object").to_owned();
    log.line("one more");
    let rest = agent.get(&format!("/tail?after={id}&follow=false")).text();
    assert_eq!(rest.lines().collect::<Vec<_>>(), log.written()[3..]);
}

#[test]
fn ndjson_follows_and_tells_a_gap_as_an_object() {
    let (_world, mut log, agent) = one_log();
    let request = get("/events?format=ndjson").header("Last-Event-ID", "nonsense");
    let mut response = agent.send(&request);
    assert_eq!(response.status(), 200);
    log.line("live line");
    let mut text = String::new();
    while !text.contains("live line") {
        text.push_str(&String::from_utf8(response.some().unwrap().expect("no end")).unwrap());
    }
    assert!(text.contains("bad-id"), "a gap in {text}");
}

#[test]
fn several_kinds_of_stream_over_one_log_agree() {
    let (_world, log, agent) = one_log();
    let text = agent.get("/tail?from=start&follow=false").text();
    let objects = records_of(&agent.get("/tail?from=start&follow=false&format=ndjson").text());
    let from_objects: Vec<_> = objects.iter().map(|object| object["line"].as_str().unwrap().to_owned()).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), log.written());
    assert_eq!(from_objects, log.written());
}

#[test]
fn a_line_longer_than_what_is_read_at_once_comes_when_it_ends_not_with_the_next() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log", "--max-line", "1MiB"]);
    let mut stream = agent.stream("/events");
    let line = "x".repeat(400_000);
    log.line(&line);
    assert_eq!(stream.record().data, line);
}
