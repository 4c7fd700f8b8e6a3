//! Where a stream starts and where it ends: `after`, `from`, `tail`, `follow`, `limit`.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::harness::log::gzip;
use crate::harness::{Agent, Log, World, get, lines_of};

/// A log with rotated files `app.log.2`, `app.log.1` and `app.log`, of 5 lines each.
fn rotated() -> (World, Log) {
    let world = World::new();
    let mut log = world.log("app.log");
    for _ in 0..2 {
        log.write(5);
        log.rotate();
    }
    log.write(5);
    (world, log)
}

fn following(world: &World) -> Agent {
    world.agent(&["app=@/app.log"])
}

#[test]
fn a_stream_starts_now_unless_told_otherwise() {
    let (world, mut log) = rotated();
    let agent = following(&world);
    let mut by_default = agent.stream("/events");
    let mut from_end = agent.stream("/events?from=end");
    let new = log.write(2);
    assert_eq!(by_default.lines(2), new);
    assert_eq!(from_end.lines(2), new);
}

#[test]
fn from_start_walks_the_rotated_files_in_order_and_goes_on_live() {
    let (world, mut log) = rotated();
    let agent = following(&world);
    assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(15), log.written());
    let new = log.write(2);
    assert_eq!(stream.lines(2), new);
}

#[test]
fn from_start_reads_a_compressed_file_in_its_place() {
    let (world, log) = rotated();
    gzip(&world.path("app.log.2"));
    let agent = following(&world);
    let records = agent.events("/events?from=start&follow=false");
    assert_eq!(lines_of(&records), log.written());
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after("/events?follow=false", record.id()), log.written()[place + 1..]);
    }
}

#[test]
fn ten_and_more_rotated_files_come_in_the_order_of_their_numbers() {
    let world = World::new();
    let mut log = world.log("app.log");
    for _ in 0..12 {
        log.write(1);
        log.rotate();
    }
    log.write(1);
    let agent = following(&world);
    assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
}

#[test]
fn dated_rotated_files_come_in_the_order_of_their_dates() {
    let world = World::new();
    // As an archive that was unpacked in some order leaves them.
    for (name, line) in [("app.log-20261121", "third"), ("app.log-20261119", "first"), ("app.log-20261120", "second")] {
        let path = world.file(name, format!("2026-11-22T10:00:00.001Z {line}\n"));
        let file = fs::File::open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)).unwrap();
    }
    gzip(&world.path("app.log-20261119"));
    world.file("app.log", "2026-11-22T10:00:00.001Z fourth\n");
    let agent = following(&world);
    let lines = agent.lines("/events?from=start&follow=false");
    let words: Vec<_> = lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(words, ["first", "second", "third", "fourth"]);
}

#[test]
fn tail_gives_exactly_the_last_lines() {
    let (world, mut log) = rotated();
    let agent = following(&world);
    for count in [0, 1, 4, 5, 6, 10, 11, 15, 16, 1000] {
        let start = log.written().len() - count.min(log.written().len());
        let lines = agent.lines(&format!("/events?tail={count}&follow=false"));
        assert_eq!(lines, log.written()[start..], "tail={count}");
    }
    let mut stream = agent.stream("/events?tail=3");
    assert_eq!(stream.lines(3), log.written()[12..]);
    let new = log.write(1);
    assert_eq!(stream.lines(1), new);
}

#[test]
fn tail_counts_the_lines_that_match() {
    let (world, log) = rotated();
    let agent = following(&world);
    let every_third = "/events?match=line%200000(00%7C03%7C06%7C09%7C12)&follow=false";
    let expected = |count: usize| -> Vec<_> { log.written().iter().step_by(3).skip(5 - count).cloned().collect() };
    for count in 0..=5 {
        assert_eq!(agent.lines(&format!("{every_third}&tail={count}")), expected(count), "tail={count}");
    }
    assert_eq!(agent.lines(&format!("{every_third}&tail=9")), expected(5));
}

#[test]
fn tail_and_limit_count_over_all_logs() {
    let world = World::new();
    world.log("a.log").write(6);
    world.log("b.log").write(6);
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.lines("/events?tail=5&follow=false").len(), 5);
    assert_eq!(agent.lines("/events?from=start&limit=7").len(), 7);
}

#[test]
fn without_follow_a_stream_ends_at_the_present_end() {
    let (world, mut log) = rotated();
    let agent = following(&world);
    for _ in 0..20 {
        log.write(1);
        assert_eq!(agent.lines("/events?from=start&follow=false"), log.written(), "what was written before the request");
    }
}

#[test]
fn a_client_that_has_everything_of_a_finite_stream_gets_204() {
    let (world, mut log) = rotated();
    let agent = following(&world);
    let id = agent.events("/events?from=start&follow=false").pop().expect("records").id().to_owned();
    let again = get("/events?from=start&follow=false").header("Last-Event-ID", &id);
    assert_eq!(agent.send(&again).status(), 204);
    log.write(1);
    assert_eq!(agent.send(&again).status(), 200);
}

#[test]
fn limit_ends_the_stream_after_so_many_records() {
    let (world, log) = rotated();
    let agent = following(&world);
    assert_eq!(agent.lines("/events?from=start&limit=7"), log.written()[..7]);
    assert_eq!(agent.lines("/events?from=start&limit=3&match=0000.[05]"), [0, 5, 10].map(|at| log.written()[at].clone()));
    assert_eq!(agent.lines("/events?tail=8&limit=2"), log.written()[7..9]);
}

#[test]
fn a_limited_stream_resumes_where_it_ended() {
    let (world, log) = rotated();
    let agent = following(&world);
    let first = agent.events("/events?from=start&limit=4");
    assert_eq!(agent.lines_after("/events?from=start&limit=4", first[3].id()), log.written()[4..8]);
}

#[test]
fn the_header_beats_the_query_and_an_id_beats_every_other_start() {
    let (world, log) = rotated();
    let agent = following(&world);
    let ids: Vec<_> = agent.events("/events?from=start&follow=false").iter().map(|record| record.id().to_owned()).collect();
    for query in [format!("after={}", ids[1]), "from=start".to_owned(), "from=end".to_owned(), "tail=2".to_owned()] {
        assert_eq!(agent.lines_after(&format!("/events?{query}&follow=false"), &ids[6]), log.written()[7..], "{query}");
    }
    for other in ["from=start", "from=end", "tail=2"] {
        let lines = agent.lines(&format!("/events?{other}&after={}&follow=false", ids[6]));
        assert_eq!(lines, log.written()[7..], "after and {other}");
    }
}

#[test]
fn an_empty_header_counts_as_absent() {
    let (world, log) = rotated();
    let agent = following(&world);
    let id = agent.events("/events?from=start&follow=false")[9].id().to_owned();
    for (query, expected) in [("from=start".to_owned(), 0), ("tail=3".to_owned(), 12), (format!("after={id}"), 10)] {
        let request = get(&format!("/events?{query}&follow=false")).header("Last-Event-ID", "");
        let stream = crate::harness::Stream::open(agent.send(&request));
        assert_eq!(lines_of(&stream.rest()), log.written()[expected..], "{query}");
    }
}

#[test]
fn an_id_in_the_query_goes_by_every_name_that_clients_use() {
    let (world, log) = rotated();
    let agent = following(&world);
    let id = agent.events("/events?from=start&follow=false")[3].id().to_owned();
    for name in ["after", "lastEventId", "last_event_id"] {
        for value in [id.clone(), id.replace('.', "%2E").replace('~', "%7E")] {
            let stream = agent.stream(&format!("/events?{name}={value}&follow=false"));
            assert_eq!(stream.resumed(), "exact");
            assert_eq!(lines_of(&stream.rest()), log.written()[4..], "{name}={value}");
        }
    }
}

#[test]
fn a_bare_number_is_an_offset_in_the_present_file() {
    let (world, log) = rotated();
    let agent = following(&world);
    let line_bytes = log.written()[0].len() + 1;
    assert_eq!(agent.lines("/events?after=0&follow=false"), log.written()[10..]);
    let after = agent.lines(&format!("/events?after={}&follow=false&log=app", 2 * line_bytes));
    assert_eq!(after, log.written()[12..]);
}
