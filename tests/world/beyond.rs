//! Beyond a limit of `docs/limits.md`: the answer that it names, and whoever keeps within goes on.

use std::fs;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Agent, Block, Stream, World, eventually, get};

/// A log with `count` rotated files of a line each, `app.log.1` the newest.
fn rotated(world: &World, count: usize) -> Vec<String> {
    let line =
        |number: usize| format!("2026-11-22T10:00:00Z file {number} of many, and a line long enough to tell it from others");
    for number in (1..=count).rev() {
        world.file(&format!("app.log.{number}"), format!("{}\n", line(number)));
    }
    world.file("app.log", "now\n");
    (1..=count).rev().map(line).chain(["now".to_owned()]).collect()
}

/// That `blocks` begin with the gap before the files that are looked at, and go on with `lines`.
fn told(blocks: &[Block], file: &str, may_repeat: bool, lines: &[String]) {
    let gap = blocks[0].json();
    assert!(blocks[0].is("gap"), "{:?}", blocks[0]);
    assert_eq!((&gap["reason"], &gap["log"], &gap["file"]), (&"budget".into(), &"app".into(), &file.into()), "{gap}");
    assert_eq!((&gap["certain"], &gap["may_repeat"]), (&false.into(), &may_repeat.into()), "{gap}");
    let records: Vec<_> = blocks[1..].iter().map(|block| block.data.clone()).collect();
    assert!(records == lines, "{} records, from {:?} to {:?}", records.len(), records.first(), records.last());
}

#[test]
fn what_is_in_more_rotated_files_than_are_looked_at_is_a_gap_wherever_a_reader_would_come_to_it() {
    let world = World::new();
    let lines = rotated(&world, 1003);
    let within = &lines[3..];
    let agent = world.agent(&["app=@/app.log"]);
    let other = world.agent(&["app=@/app.log.1002"]);
    for start in ["from=start", "tail=2000", "before=end&tail=2000", "since=2026-11-22T09:00:00Z", "tail=2000&match=file|now"] {
        let stream = agent.stream(&format!("/events?{start}&follow=false"));
        assert_eq!(stream.resumed(), "gap", "{start}");
        told(&stream.rest(), "app.log.1001", false, within);
    }
    // Nobody is told who does not come so far.
    for start in ["tail=5", "before=end&tail=5"] {
        assert_eq!(agent.lines(&format!("/events?{start}&follow=false")), lines[lines.len() - 5..]);
    }
    let stream = agent.stream("/events?from=start&follow=false");
    let rest = stream.rest();
    // It is told once; but not to a client that had nothing yet when there were other files.
    assert_eq!(agent.lines_after("/events?follow=false", rest[0].id()), within);
    let none = other.get("/events?from=start").header("sidetail-cursor").expect("a cursor").to_owned();
    assert!(agent.rest_after("/events?follow=false", &none)[0].is("gap"));
    assert_eq!(agent.lines_after("/events?follow=false", rest[1].id()), within[1..]);
    // An id of a file that is left out; who asks for the log by that file alone gets it.
    let id = other.events("/events?from=start&follow=false").pop().expect("a record").id().to_owned();
    told(&agent.rest_after("/events?follow=false", &id), "app.log.1001", true, within);
    let log = &agent.logs()[0];
    assert!(log["error"].as_str().is_some_and(|error| error.contains("more than 1000 rotated files")), "{log}");
    eventually("our own log says so", || agent.stderr().contains("more than 1000 rotated files").then_some(()));
}

#[test]
fn the_files_that_become_too_many_while_it_runs_are_told_like_those_that_were_before() {
    let world = World::new();
    let lines = rotated(&world, 1000);
    let mut agent: Agent = world.agent(&["app=@/app.log"]);
    assert_eq!(agent.lines("/events?from=start&follow=false"), lines);
    let mut live = agent.stream("/events");
    for number in (1..=1000).rev() {
        fs::rename(world.path(&format!("app.log.{number}")), world.path(&format!("app.log.{}", number + 1))).expect("renaming");
    }
    fs::rename(world.path("app.log"), world.path("app.log.1")).expect("renaming");
    world.file("app.log", "a new file\n");
    assert_eq!(live.record().data, "a new file");
    let rest = [&lines[1..], &["a new file".to_owned()]].concat();
    for _ in 0..2 {
        eventually("the oldest is left out", || {
            let blocks = agent.events("/events?from=start&follow=false");
            blocks[0].is("gap").then(|| told(&blocks, "app.log.1001", false, &rest))
        });
        agent.restart();
    }
}

#[test]
fn more_connections_than_there_may_be_wait_until_one_is_closed() {
    let world = World::new();
    world.log("app.log").write(1);
    // Connections take a half of the descriptors but for an eighth: 18, of which 4 are not for streams.
    let agent = world.setup(&["app=@/app.log"]).wrapped(&["prlimit", "--nofile=40:40"]).start();
    let metrics = agent.get("/metrics").text();
    assert!(metrics.contains("sidetail_limit{limit=\"connections\"} 18\n"), "{metrics}");
    let mut streams: Vec<Stream> = (0..14).map(|_| agent.stream("/events")).collect();
    eventually("it has closed the connections before", || {
        let began = Instant::now();
        // What has not sent its head is closed after five seconds; until then it is a connection like any other.
        let heads: Vec<_> = (0..4).map(|_| TcpStream::connect(agent.address()).expect("connecting")).collect();
        heads.iter().for_each(|mut head| head.write_all(b"GET /livez HTTP/1.1\r\nHost: ").expect("half a head"));
        let mut one_more = get("/livez").connect(agent.address());
        one_more.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
        let mut answer = [0; 12];
        let is_answered = one_more.read(&mut answer).is_ok();
        if is_answered || began.elapsed() > Duration::from_secs(3) {
            return None;
        }
        drop(streams.pop());
        one_more.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        one_more.read_exact(&mut answer).expect("an answer once a connection is closed");
        assert_eq!(&answer, b"HTTP/1.1 200");
        Some(())
    });
}

#[test]
fn a_stream_has_as_many_logs_as_an_id_can_hold_and_one_more_is_refused() {
    let world = World::new();
    (0..78).for_each(|number| _ = world.file(&format!("{number}.log"), format!("line of {number}\n")));
    let agent = world.agent(&["@/*.log"]);
    let all = |target: &str| agent.send(&get(target));
    for target in ["/events", "/tail", "/events?format=ndjson", "/events?from=start"] {
        let refused = all(target);
        assert_eq!(refused.status(), 400, "{target}");
        let detail = refused.json()["detail"].as_str().expect("a sentence").to_owned();
        assert!(detail.contains("78 logs are too many") && detail.contains("77") && detail.contains("name fewer"), "{detail}");
    }
    let fewer: Vec<String> = (0..77).map(|number| format!("log={number}.log")).collect();
    let blocks = agent.events(&format!("/events?{}&from=start&follow=false", fewer.join("&")));
    assert_eq!(blocks.iter().filter(|block| block.is_record()).count(), 77);
    let id = blocks.last().expect("a record").id();
    assert!(id.len() <= 4096, "{}", id.len());
    assert_eq!(agent.lines_after(&format!("/events?{}&follow=false", fewer.join("&")), id), [""; 0]);
}

/// What starting with `tokens` as the token file comes to: the exit code, and what is said.
fn started_with(tokens: &[u8]) -> (Option<i32>, String) {
    let world = World::new();
    world.file("tokens", tokens);
    let output = world.setup(&["app=@/app.log", "--token-file", "@/tokens"]).run();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_token_file_that_is_too_large_or_has_too_many_tokens_is_refused_at_once() {
    let began = Instant::now();
    let (code, said) = started_with(&b"# only a comment, which is still too long\n".repeat(25_000));
    assert!(
        code == Some(2) && said.contains("token-file") && said.contains("it has more than 1048576 bytes"),
        "{code:?}: {said}"
    );
    // As many lines as it may have bytes for: each is not compared with all before it.
    let many: String = (0..170_000).map(|number| format!("{number:05x}\n")).collect();
    assert!(many.len() <= 1 << 20);
    let (code, said) = started_with(many.as_bytes());
    assert!(code == Some(2) && said.contains("there are 170000 tokens in it, and there may be 1000"), "{code:?}: {said}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let (code, said) = started_with(b"\xff\xfe");
    assert!(code == Some(2) && said.contains("it is not UTF-8"), "{code:?}: {said}");
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("packing");
    encoder.finish().expect("packing")
}

#[test]
fn a_record_of_more_than_a_gibibyte_in_an_archive_is_a_gap_and_the_live_file_follows() {
    let world = World::new();
    let long = packed(&vec![b'a'; 1 << 20]).repeat(1025);
    world.file("app.log.1.gz", [packed(b"before it\n"), long, packed(b"\nbehind it\n")].concat());
    world.file("app.log", "now\n");
    let agent = world.agent(&["app=@/app.log"]);
    let blocks = agent.events("/events?from=start&follow=false");
    let gap = blocks[1].json();
    assert!(blocks[1].is("gap") && gap["reason"] == "unreadable" && gap["file"] == "app.log.1.gz", "{gap}");
    assert_eq!([&blocks[0].data, &blocks[2].data, &blocks.len().to_string()], ["before it", "now", "3"]);
}

#[test]
fn where_more_would_have_to_be_unpacked_for_an_id_than_may_be_the_answer_is_a_gap() {
    let world = World::new();
    let lines = "2026-11-22T10:00:00Z a line of an archive that is larger than anybody looks through\n".repeat(1 << 14);
    let members = (4_usize << 30) / lines.len() + 2;
    world.file("app.log.1.gz", packed(lines.as_bytes()).repeat(members));
    world.file("app.log", "now\n");
    let agent = world.agent(&["app=@/app.log"]);
    // An id at the end of the archive: that of another line of it, elsewhere.
    let stream = agent.stream("/events?from=start&limit=100");
    let id = stream.rest().pop().expect("a record").id().to_owned();
    let parts: Vec<&str> = id.split('.').collect();
    let far = (lines.len() * members).to_string();
    let far = [parts[0], parts[1], &far, parts[3], parts[4]].join(".");
    let mut resumed = agent.resume("/events?limit=3", &far);
    assert_eq!(resumed.resumed(), "gap");
    let gap = resumed.next().expect("a gap");
    assert!(gap.is("gap") && gap.json()["reason"] == "budget" && gap.json()["file"] == "app.log.1.gz", "{gap:?}");
    // What is behind the file that could not be looked through.
    assert_eq!(resumed.record().data, "now");
}
