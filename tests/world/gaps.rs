//! Ids that can't be honoured: always status 200 and one `gap` that says so, never an error that a browser gives up on.

use std::fs;

use crate::harness::{Agent, Block, Log, Stream, World, get, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";

fn one_log(lines: usize) -> (World, Agent, Vec<Block>) {
    let world = World::new();
    world.log("app.log").write(lines);
    let agent = world.agent(&["app=@/app.log"]);
    let records = agent.events(EVERYTHING);
    (world, agent, records)
}

/// Checks a stream that should begin with a gap, and gives the gap.
fn assert_gap(stream: Stream, asked: &str) -> Block {
    assert_eq!(stream.resumed(), "gap", "resuming after {asked:?}");
    let mut stream = stream;
    let gap = stream.next().expect("a gap");
    assert!(gap.is("gap"), "{gap:?} after {asked:?}");
    let told = gap.json();
    for field in ["reason", "from", "to", "file", "certain", "lost_bytes", "may_repeat"] {
        assert!(told.get(field).is_some(), "no {field} in {told}");
    }
    assert!(told["reason"] == "bad-id" || told["log"] == "app", "the log of {told}");
    assert!(told["certain"].is_boolean() && told["may_repeat"].is_boolean(), "{told}");
    assert!(told["lost_bytes"].is_null() || told["lost_bytes"].is_u64(), "{told}");
    gap
}

/// A gap's own id goes on without a second gap.
fn assert_resumable(agent: &Agent, gap: &Block) {
    let stream = agent.resume("/events?limit=1", gap.id());
    assert_eq!(stream.resumed(), "exact", "resuming after the gap {gap:?}");
}

#[test]
fn nonsense_instead_of_an_id_is_a_gap_and_not_an_error() {
    let (_world, agent, _) = one_log(5);
    let long = "a".repeat(5000);
    for nonsense in ["garbage", "0", "-1", "17", "a b c", "1k3f9.h7k2m9qxw3.182571.p2wq5d", "ünïcode", "~", "%00", "1,2", &long]
    {
        let gap = assert_gap(agent.resume("/events", nonsense), nonsense);
        assert_eq!(gap.json()["reason"], "bad-id", "{nonsense}");
        assert_resumable(&agent, &gap);
    }
}

#[test]
fn an_id_cut_short_anywhere_is_not_an_id() {
    let (_world, agent, records) = one_log(3);
    let id = records[1].id();
    for cut in 1..id.len() {
        let gap = assert_gap(agent.resume("/events", &id[..cut]), &id[..cut]);
        assert_eq!(gap.json()["reason"], "bad-id", "{}", &id[..cut]);
    }
}

#[test]
fn a_joined_id_cut_short_anywhere_is_not_an_id() {
    let world = World::new();
    world.log("a.log").write(2);
    world.log("b.log").write(2);
    let agent = world.agent(&["@/*.log"]);
    let id = agent.events(EVERYTHING)[1].id().to_owned();
    for cut in 1..id.len() {
        let mut stream = agent.resume("/events", &id[..cut]);
        assert_eq!(stream.resumed(), "gap", "{}", &id[..cut]);
        assert_eq!(stream.next().expect("a gap").json()["reason"], "bad-id");
    }
}

#[test]
fn an_id_of_a_log_that_the_agent_does_not_have_is_a_gap() {
    let (world, agent, _) = one_log(5);
    world.log("other.log").write(5);
    let other = world.agent(&["other=@/other.log"]);
    let id = other.events(EVERYTHING)[2].id().to_owned();
    let mut stream = agent.resume("/events", &id);
    assert_eq!(stream.resumed(), "gap");
    let gap = stream.next().expect("a gap");
    assert_eq!(gap.json()["reason"], "unknown-log", "{gap:?}");
    assert_resumable(&agent, &gap);
}

#[test]
fn an_id_whose_bytes_exist_nowhere_any_more_is_a_gap() {
    let (world, agent, records) = one_log(5);
    drop(agent);
    fs::remove_file(world.path("app.log")).unwrap();
    world.file("app.log", "2026-11-23T00:00:00.001Z another life of the same name\n");
    let agent = world.agent(&["app=@/app.log"]);
    let gap = assert_gap(agent.resume("/events", records[2].id()), records[2].id());
    assert_eq!(gap.json()["reason"], "gone", "{gap:?}");
    assert_resumable(&agent, &gap);
}

#[test]
fn after_a_gap_the_lines_that_still_exist_follow() {
    let (world, agent, records) = one_log(5);
    drop(agent);
    fs::remove_file(world.path("app.log")).unwrap();
    world.file("app.log", "2026-11-23T00:00:00.001Z first\n2026-11-23T00:00:00.002Z second\n");
    let agent = world.agent(&["app=@/app.log"]);
    let response = agent.send(&get("/events?follow=false").header("Last-Event-ID", records[4].id()));
    let blocks = Stream::open(response).rest();
    assert!(blocks[0].is("gap"), "{blocks:?}");
    let after: Vec<_> = blocks[1..].iter().map(|block| block.data.as_str()).collect();
    assert_eq!(after, ["2026-11-23T00:00:00.001Z first", "2026-11-23T00:00:00.002Z second"]);
}

#[test]
fn an_id_beyond_the_end_of_a_file_that_was_cut_short_is_a_gap() {
    let (world, agent, records) = one_log(50);
    drop(agent);
    let content = fs::read(world.path("app.log")).unwrap();
    world.file("app.log", &content[..content.len() / 2]);
    let agent = world.agent(&["app=@/app.log"]);
    let gap = assert_gap(agent.resume("/events", records[40].id()), records[40].id());
    assert_eq!(gap.json()["reason"], "truncated", "{gap:?}");
    assert_resumable(&agent, &gap);
}

#[test]
fn a_rewritten_file_is_found_out_instead_of_served() {
    let (world, agent, records) = one_log(50);
    drop(agent);
    let text = fs::read_to_string(world.path("app.log")).unwrap();
    world.file("app.log", text.replace("line 000038", "LINE 000038"));
    let agent = world.agent(&["app=@/app.log"]);
    let gap = assert_gap(agent.resume("/events", records[40].id()), records[40].id());
    assert_eq!(gap.json()["reason"], "rewritten", "{gap:?}");
    assert_resumable(&agent, &gap);
}

#[test]
fn a_bad_id_in_the_query_is_a_gap_too() {
    let (_world, agent, _) = one_log(5);
    for name in ["after", "lastEventId", "last_event_id"] {
        let gap = assert_gap(agent.stream(&format!("/events?{name}=garbage")), name);
        assert_eq!(gap.json()["reason"], "bad-id");
    }
}

/// A connected client has all that was written; then the file's content is destroyed and `lines` new ones are written,
/// all between two looks of the agent. They arrive, whatever gap is told before them.
fn goes_on_after(destroy: impl FnOnce(&mut Log), lines: usize) {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(20));
    agent.signal("STOP");
    destroy(&mut log);
    let new = log.write(lines);
    agent.signal("CONT");
    let mut seen = Vec::new();
    while seen.len() < lines {
        let block = stream.next().expect("the stream goes on");
        assert!(block.is_record() || block.is("gap"), "{block:?}");
        seen.extend(block.is_record().then_some(block.data));
    }
    assert_eq!(seen, new);
}

fn cut_to_nothing(log: &mut Log) {
    fs::File::create(log.path()).expect("cutting it");
}

#[test]
fn a_log_cut_to_nothing_goes_on_with_its_new_lines() {
    goes_on_after(cut_to_nothing, 5);
}

#[test]
fn a_log_cut_to_nothing_and_grown_to_the_same_size_is_found_out() {
    goes_on_after(cut_to_nothing, 20);
}

#[test]
fn a_log_cut_to_nothing_and_grown_beyond_its_size_is_found_out() {
    goes_on_after(cut_to_nothing, 50);
}

#[test]
fn a_log_deleted_and_made_anew_goes_on() {
    let delete = |log: &mut Log| {
        fs::remove_file(log.path()).expect("deleting it");
        log.create_anew();
    };
    goes_on_after(delete, 20);
}

#[test]
fn files_that_came_and_went_unseen_are_told_as_a_gap() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    log.rotate();
    log.write(2);
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(4), log.written());
    agent.signal("STOP");
    for _ in 0..3 {
        log.rotate();
        fs::remove_file(world.path("app.log.2")).unwrap();
        log.write(2);
    }
    agent.signal("CONT");
    let gap = stream.next().expect("a gap");
    assert!(gap.is("gap"), "{gap:?}");
    assert_eq!((gap.json()["reason"].as_str(), gap.json()["certain"].as_bool()), (Some("overrun"), Some(false)));
    assert_eq!(stream.lines(4), log.written()[log.written().len() - 4..]);
}

#[test]
fn files_that_were_deleted_unseen_are_told_however_much_else_is_to_be_heard_first() {
    // The second is more than the system keeps for who does not listen (fs.inotify.max_queued_events).
    for noise in [2_000, 20_000] {
        let world = World::new();
        let mut log = world.log("app.log");
        let mut others = ["a.log", "b.log"].map(|name| world.log(name));
        let agent = world.agent(&["app=@/app.log", "a=@/a.log", "b=@/b.log"]);
        if agent.get("/logs").json()["watch"]["mode"] == "poll" {
            return;
        }
        let mut stream = agent.stream("/events?log=app");
        stream.goes_on_with(&log.write(3));
        agent.signal("STOP");
        // No two that follow each other are alike: nothing is merged.
        (0..noise).for_each(|round| others[round % 2].bytes(b"noise\n"));
        let mut new = Vec::new();
        for _ in 0..2 {
            fs::remove_file(log.path()).expect("deleting it");
            log.create_anew();
            new = log.write(3);
        }
        agent.signal("CONT");
        let gap = stream.next().expect("a gap");
        assert!(gap.is("gap"), "{gap:?} with {noise} changes before");
        assert_eq!(gap.json()["certain"], false, "{gap:?}");
        stream.goes_on_with(&new);
    }
}

#[test]
fn files_that_were_deleted_before_anybody_looked_are_told_where_notifications_tell_of_them() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    if agent.get("/logs").json()["watch"]["mode"] == "poll" {
        return;
    }
    let mut stream = agent.stream("/events");
    let recreate = |log: &mut Log, lines| {
        fs::remove_file(log.path()).expect("deleting it");
        log.create_anew();
        log.write(lines)
    };
    stream.goes_on_with(&log.write(3));
    let new = recreate(&mut log, 3);
    stream.goes_on_with(&new);
    agent.signal("STOP");
    recreate(&mut log, 3);
    let new = recreate(&mut log, 3);
    agent.signal("CONT");
    let gap = stream.next().expect("a gap");
    assert!(gap.is("gap"), "{gap:?}");
    assert_eq!((gap.json()["reason"].as_str(), gap.json()["certain"].as_bool()), (Some("overrun"), Some(false)));
    assert_eq!(stream.lines(3), new);
}

#[test]
fn after_a_truncation_the_gap_is_told_once_whoever_comes_back_with_its_id() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    assert_eq!(stream.lines(3), log.written());
    fs::copy(log.path(), world.path("app.log.1")).unwrap();
    fs::write(log.path(), "").unwrap();
    assert_eq!(agent.get("/logs").status(), 200, "it has looked");
    log.write(2);
    let gap = stream.next().expect("a gap");
    assert!(gap.is("gap"), "{gap:?}");
    assert_eq!(gap.json()["reason"], "truncated");
    assert_eq!(stream.lines(2), log.written()[3..]);
    assert_eq!(agent.lines_after("/events?follow=false", gap.id()), log.written()[3..]);
}

#[test]
fn files_that_were_deleted_unseen_are_told_to_whoever_comes_back_later() {
    for since in 0..4 {
        let world = World::new();
        let mut log = world.log("app.log");
        let agent = world.agent(&["app=@/app.log"]);
        if agent.get("/logs").json()["watch"]["mode"] == "poll" {
            return;
        }
        let mut stream = agent.stream("/events");
        log.write(3);
        let last = stream.records(3).pop().expect("three");
        drop(stream);
        let recreate = |log: &mut Log| {
            fs::remove_file(log.path()).expect("deleting it");
            log.create_anew();
            log.write(3)
        };
        agent.signal("STOP");
        recreate(&mut log);
        let mut new = recreate(&mut log);
        agent.signal("CONT");
        agent.logs();
        for _ in 0..since {
            new.extend(recreate(&mut log));
            agent.logs();
        }
        let mut stream = agent.resume("/events", last.id());
        let gap = stream.next().expect("a gap");
        assert!(gap.is("gap"), "{gap:?}, {since} files later");
        stream.goes_on_with(&new);
    }
}

fn unreadable_in_the_middle(world: &World) {
    world.file("app.log.2", "2026-11-22T10:00:00Z in the oldest file\n");
    world.file("app.log.1.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03 no gzip at all, whatever it begins with");
}

/// Whoever asks for so many of the last records must not take those of a file that can't be read for ones that never were.
#[test]
fn the_last_records_are_fewer_than_asked_for_with_a_gap_where_a_file_could_not_be_looked_through() {
    let world = World::new();
    unreadable_in_the_middle(&world);
    world.file("app.log", "one\ntwo\n");
    let agent = world.agent(&["app=@/app.log"]);
    assert_eq!(agent.lines("/events?tail=2&follow=false"), ["one", "two"]);
    for query in ["tail=3", "tail=3&match=o"] {
        let blocks = agent.events(&format!("/events?{query}&follow=false"));
        let gap = blocks[0].json();
        assert!(blocks[0].is("gap") && gap["reason"] == "unreadable" && gap["file"] == "app.log.1.gz", "{gap}");
        assert_eq!(lines_of(&blocks[1..]), ["one", "two"]);
    }
}

#[test]
fn a_start_by_time_tells_of_a_file_that_could_not_be_looked_through_before_it() {
    let world = World::new();
    unreadable_in_the_middle(&world);
    world.file("app.log", "2026-11-22T10:20:00Z one\n2026-11-22T10:30:00Z two\n");
    let agent = world.agent(&["app=@/app.log"]);
    for (since, lines) in [("10:10", 2), ("10:25", 2), ("10:40", 2)] {
        let blocks = agent.events(&format!("/events?since=2026-11-22T{since}:00Z&follow=false"));
        let gap = blocks[0].json();
        assert!(blocks[0].is("gap") && gap["reason"] == "unreadable" && gap["file"] == "app.log.1.gz", "{since}: {gap}");
        assert_eq!(lines_of(&blocks[1..]).len(), lines, "{since}");
    }
}
