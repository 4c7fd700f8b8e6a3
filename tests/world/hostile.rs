//! Input that is made to do harm, and clients that are: each meets a limit that says so, and nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Agent, World, eventually, get};

const EVERYTHING: &str = "/events?from=start&follow=false";

/// A gzip file of `count` MiB of one byte, then `rest`.
fn bomb(byte: u8, mebibytes: usize, rest: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let block = vec![byte; 1 << 20];
    (0..mebibytes).for_each(|_| encoder.write_all(&block).expect("packing"));
    encoder.write_all(rest.as_bytes()).expect("packing");
    encoder.finish().expect("packing")
}

/// The most memory that the agent has held, in MiB.
fn peak_mebibytes(agent: &Agent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
fn a_gzip_bomb_among_rotated_files_takes_no_memory_and_what_it_hides_is_told() {
    let world = World::new();
    world.file("nul.log.1.gz", bomb(0, 100, "\nhidden\n"));
    world.file("long.log.1.gz", bomb(b'a', 200, "\nafter\n"));
    let mut logs = ["nul", "long", "live"].map(|name| world.log(&format!("{name}.log")));
    logs.iter_mut().for_each(|log| log.line("now"));
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=live.log")), ["now"]);
    let blocks = agent.events(&format!("{EVERYTHING}&log=nul.log"));
    let gap = blocks.iter().find(|block| block.is("gap")).expect("a gap");
    assert!(gap.json()["reason"] == "unreadable" && gap.json()["file"] == "nul.log.1.gz", "{gap:?}");
    assert_eq!(blocks.last().expect("a record").data, "now");
    assert!(agent.logs().iter().any(|log| log["error"].as_str().is_some_and(|error| error.contains("bytes of NUL"))));
    // One line of 200 MiB is cut at max-line, and says so; what follows is whole.
    let lines = agent.lines(&format!("{EVERYTHING}&log=long.log"));
    assert_eq!(lines[1..], ["after", "now"]);
    assert!(lines[0].starts_with("aaaa") && lines[0].len() < 300 << 10, "{}", lines[0].len());
    let peak = peak_mebibytes(&agent);
    assert!(peak < 150, "{peak} MiB");
}

#[test]
fn a_file_of_nothing_but_nul_bytes_is_not_looked_through_all_the_time() {
    let world = World::new();
    let path = world.file("app.log", vec![0; 32 << 20]);
    let file = std::fs::File::options().write(true).open(&path).expect("the log");
    let agent = world.agent(&["app=@/app.log"]);
    let read = || {
        let said = std::fs::read_to_string(format!("/proc/{}/io", agent.pid())).expect("what it has read");
        said.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok()).expect("a number")
    };
    // Each answer has a look before it.
    agent.logs();
    let before = read();
    for byte in 0..20 {
        file.write_all_at(&[0], (32 << 20) + byte).expect("writing");
        agent.logs();
    }
    let more = read() - before;
    assert!(more < 5 * (32 << 20), "{more} bytes were read for nothing");
    file.write_all_at(b"content\n", 0).expect("writing");
    eventually("what is written at its beginning comes", || (agent.lines(EVERYTHING) == ["content"]).then_some(()));
}

#[test]
fn json_of_any_depth_is_a_line_and_nothing_breaks() {
    let world = World::new();
    let deep = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let lines = [
        deep("{\"a\":", "}", 30_000),
        deep("[", "]", 100_000),
        "[".repeat(100_000),
        "{\"a\":".repeat(30_000),
        deep("{\"a\":", "}", 101),
        deep("{\"a\":", "}", 100),
    ];
    let plain = "{\"level\":\"info\",\"msg\":\"ok\"}";
    world.file("app.log", format!("{plain}\n{}\n{plain}\n", lines.join("\n")));
    let agent = world.agent(&["app=@/app.log"]);
    let records: Vec<_> = agent.events(&format!("{EVERYTHING}&data=json")).iter().map(|record| record.json()).collect();
    assert_eq!(records.len(), lines.len() + 2);
    for (record, line) in records[1..].iter().zip(&lines) {
        // Not by assert_eq, which would say them.
        assert!(record["line"].as_str() == Some(line.as_str()), "{} bytes", line.len());
    }
    let has_fields: Vec<bool> = records.iter().map(|record| !record["fields"].is_null()).collect();
    assert_eq!(has_fields, [true, false, false, false, false, false, true, true]);
    assert_eq!(records[lines.len() + 1]["fields"]["msg"], "ok");
}

/// What comes on a socket until it is closed, and how long that took.
fn until_closed(mut socket: &TcpStream, patience: Duration) -> (String, Duration) {
    socket.set_read_timeout(Some(patience)).expect("a time-out");
    let (began, mut answer) = (Instant::now(), Vec::new());
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("it is not closed: {error}"),
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[test]
fn a_head_that_does_not_come_to_an_end_is_given_up() {
    let world = World::new();
    world.log("app.log").line("hello");
    let agent = world.agent(&["app=@/app.log"]);
    let silent = TcpStream::connect(agent.address()).expect("connecting");
    let slow = TcpStream::connect(agent.address()).expect("connecting");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = b"GET /tail HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                if (&slow).write_all(&[*bytes.next().expect("endless")]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let (answer, took) = until_closed(&slow, Duration::from_secs(20));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(took > Duration::from_secs(2), "{took:?}");
        until_closed(&silent, Duration::from_secs(20));
    });
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=app")), ["hello"]);
}

#[test]
fn a_head_that_is_too_large_is_refused_and_the_next_client_is_served() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let large = "x".repeat(200_000);
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    for head in [
        format!("GET /{large} HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nX: {large}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{many}\r\n"),
    ] {
        let mut socket = TcpStream::connect(agent.address()).expect("connecting");
        // It may hang up before all is sent.
        let _ = socket.write_all(head.as_bytes());
        let (answer, _) = until_closed(&socket, Duration::from_secs(10));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let long = "a=".to_owned() + &"b".repeat(16 * 1024);
    assert_eq!(agent.get(&format!("/events?{long}")).status(), 400);
    assert_eq!(agent.get("/logs").status(), 200);
}

#[test]
fn ambiguous_framing_never_makes_two_requests_of_one() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    for head in [
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 30\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(agent.address()).expect("connecting");
        let _ =
            socket.write_all(format!("{head}GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
        let (answer, _) = until_closed(&socket, Duration::from_secs(20));
        assert!(!answer.contains("\"version\""), "{head:?} gave {answer}");
    }
}

/// The longest that a live line takes to come to its reader, while nothing else or `greps` searches of archives go on.
fn worst_latency(agent: &Agent, world: &World, greps: usize) -> Duration {
    let mut live = agent.stream("/events?log=live");
    let mut log = world.log("live.log");
    let searches: Vec<_> = (0..greps)
        .map(|_| get("/tail?log=archive&from=start&match=never+there%24&follow=false").connect(agent.address()))
        .collect();
    let mut worst = Duration::ZERO;
    for number in 0..100 {
        let line = format!("line {number}");
        let began = Instant::now();
        log.line(&line);
        assert_eq!(live.record().data, line);
        worst = worst.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(searches);
    worst
}

/// The bound is wide, for machines that are busy with other things; `docs/limits.md` has what was measured on an idle one.
#[test]
fn searches_of_archives_do_not_hold_up_live_lines() {
    let world = World::new();
    let line = "2026-11-26T10:00:00Z INFO something that is quite ordinary happened at some place\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    (0..2_000_000).for_each(|_| encoder.write_all(line.as_bytes()).expect("packing"));
    world.file("archive.log.1.gz", encoder.finish().expect("packing"));
    world.log("archive.log").line("now");
    world.log("live.log").line("now");
    let agent = world.agent(&["archive=@/archive.log", "live=@/live.log"]);
    let alone = worst_latency(&agent, &world, 0);
    let beside = worst_latency(&agent, &world, 16);
    println!("live latency at worst: {alone:?} alone, {beside:?} beside 16 searches");
    assert!(beside < Duration::from_secs(2), "{alone:?} alone, {beside:?} beside 16 searches");
    eventually("streams end with their clients", || {
        let metrics = agent.get("/metrics").text();
        metrics.contains("sidetail_subscribers 0\n").then_some(())
    });
}

/// Bytes that the agent has read of files.
fn bytes_read(agent: &Agent) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/io", agent.pid())).expect("what it read");
    let read = told.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("bytes");
    read.parse().expect("a number")
}

/// How many streams there are, as the metrics say.
fn subscribers(agent: &Agent) -> u64 {
    let metrics = agent.get("/metrics").text();
    let told = metrics.lines().find_map(|line| line.strip_prefix("sidetail_subscribers ")).expect("a number");
    told.parse().expect("a number")
}

#[test]
fn unpacking_ends_with_the_client_that_asked_for_it() {
    let world = World::new();
    // Lines that do not compress well, so that much is to be read.
    let mut random = 1_u64;
    let line = |_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{random:016x}{:016x}\n", random.rotate_left(29) ^ 0x5bd1_e995)
    };
    let text: String = (0..500_000).map(line).collect();
    let pack = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("packing");
        encoder.finish().expect("packing")
    };
    // As many members hold as many times of it; once as lines, and once as one record.
    let archives = [("lines", pack(&text).repeat(20)), ("long", pack(&text.replace('\n', " ")).repeat(20))];
    for (name, archive) in &archives {
        world.file(&format!("{name}.log.1.gz"), archive);
        world.log(&format!("{name}.log")).line("now");
    }
    let agent = world.agent(&["@/*.log"]);
    for (name, query) in
        [("lines", "tail=5&match=never+there"), ("long", "from=start"), ("lines", "from=start&match=never+there")]
    {
        let whole = archives.iter().find(|(archive, _)| *archive == name).expect("one of them").1.len() as u64;
        agent.get("/logs");
        let before = bytes_read(&agent);
        let client = get(&format!("/tail?log={name}.log&{query}&follow=false")).connect(agent.address());
        eventually(&format!("{name} is being unpacked for {query}"), || {
            (bytes_read(&agent) > before + whole / 100).then_some(())
        });
        drop(client);
        eventually("nobody waits", || (subscribers(&agent) == 0).then_some(()));
        let read = bytes_read(&agent) - before;
        assert!(read < whole / 2, "{read} of {whole} bytes of {name} were read for {query}");
    }
}

#[test]
fn whoever_searches_everything_does_not_keep_others_from_beginning() {
    let world = World::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    (0..1_000_000).for_each(|number| writeln!(encoder, "{number} is a line like any other").expect("packing"));
    world.file("app.log.1.gz", encoder.finish().expect("packing").repeat(5));
    world.log("app.log").line("now");
    let agent = world.agent(&["app=@/app.log"]);
    let searching: Vec<_> =
        (0..30).map(|_| get("/tail?tail=5&match=never+there&follow=false").connect(agent.address())).collect();
    eventually("all of them wait", || (subscribers(&agent) == 30).then_some(()));
    assert_eq!(agent.lines("/events?tail=1&follow=false"), ["now"]);
    let mut live = agent.stream("/events");
    world.log("app.log").line("news");
    assert_eq!(live.record().data, "news");
    assert_eq!(subscribers(&agent), 31, "the searches are not at an end");
    drop(searching);
    eventually("they end with their clients", || (subscribers(&agent) == 1).then_some(()));
}

#[test]
fn what_a_query_may_ask_for_is_limited_to_the_letter() {
    let world = World::new();
    world.log("app.log").line("hello");
    let agent = world.agent(&["app=@/app.log"]);
    let metrics = agent.get("/metrics").text();
    let limit = |name: &str| -> usize {
        let told = metrics.lines().find_map(|line| line.strip_prefix(&format!("sidetail_limit{{limit=\"{name}\"}} ")));
        told.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no limit {name}"))
    };
    let times = |part: &str, count: usize| vec![part; count].join("&");
    let filled = |length: usize| {
        let one = format!("log=app&match={}", "a".repeat(4000));
        let rest = length - one.len();
        format!("{one}{}", format!("&match={}", "b".repeat(3993)).repeat(10).chars().take(rest).collect::<String>())
    };
    type Query<'a> = &'a dyn Fn(usize) -> String;
    let cases: [(&str, Query<'_>); 7] = [
        ("query-bytes", &filled),
        ("query-names", &|count| times("log=app", count)),
        ("query-names", &|count| times("event=message", count)),
        ("query-patterns", &|count| times("match=l", count)),
        ("query-patterns", &|count| times("exclude=x", count)),
        ("pattern-bytes", &|length| format!("match={}", "h".repeat(length))),
        ("tail-records", &|count| format!("tail={count}")),
    ];
    for (name, query) in cases {
        let status = |value: usize| agent.get(&format!("/tail?follow=false&{}", query(value))).status();
        let max = if name == "query-bytes" { limit(name) - "follow=false&".len() } else { limit(name) };
        assert_ne!(status(max), 400, "{name}: {max}");
        let refused = agent.get(&format!("/tail?follow=false&{}", query(max + 1)));
        assert_eq!(refused.status(), 400, "{name}: {max} and one");
        assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains(' ')));
    }
    // A few letters that make a large automaton.
    assert_eq!(agent.get("/tail?follow=false&match=(a%7B100%7D)%7B20%7D").status(), 200);
    let large = agent.get("/tail?follow=false&match=(a%7B1000%7D)%7B1000%7D");
    let told = large.json()["detail"].as_str().expect("a sentence").to_owned();
    assert!(told.contains(&format!("more than {} bytes", limit("pattern-compiled-bytes"))), "{told}");
    // A longer id is none: 200, and a gap says so.
    let resumed = |length: usize| agent.events(&format!("/events?follow=false&after={}", "a".repeat(length)));
    let reason =
        |blocks: Vec<crate::harness::Block>| blocks.iter().find(|block| block.is("gap")).expect("a gap").json()["reason"].clone();
    assert_eq!(reason(resumed(limit("id-bytes") + 1)), "bad-id");
}

#[test]
fn a_record_has_as_many_lines_as_it_may_and_the_next_one_begins_another() {
    let world = World::new();
    let more: String = (1..=700).map(|number| format!("  at frame {number}\n")).collect();
    world.file("app.log", format!("first\n{more}second\n"));
    world.file("sidetail.toml", "[[log]]\npath = \"app.log\"\nmultiline = { start = '^\\S' }\n");
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    let records: Vec<String> = agent.lines(EVERYTHING);
    let lines: Vec<usize> = records.iter().map(|record| record.lines().count()).collect();
    assert_eq!(lines, [500, 201, 1]);
}

#[test]
fn every_limit_is_shown_and_documented_by_the_same_name() {
    let world = World::new();
    let options = [
        ("--max-subscribers", "7", "subscribers", "7"),
        ("--max-connections-per-address", "9", "connections-per-address", "9"),
        ("--max-line", "64KiB", "line-bytes", "65536"),
        ("--hot-tail", "3MiB", "hot-tail-bytes", "3145728"),
        ("--hold-bytes", "5MiB", "hold-bytes", "5242880"),
        ("--hold-time", "2m", "hold-seconds", "120"),
    ];
    let words = options.iter().flat_map(|(option, value, ..)| [*option, *value]);
    let agent = world.agent(&["app=@/app.log"].into_iter().chain(words).collect::<Vec<_>>());
    let metrics = agent.get("/metrics").text();
    let shown = metrics.lines().filter_map(|line| line.strip_prefix("sidetail_limit{limit=\"")?.split_once("\"} "));
    let shown: std::collections::BTreeMap<&str, &str> = shown.collect();
    options.iter().for_each(|(option, _, name, value)| assert_eq!(shown[name], *value, "{option}"));
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md")).expect("the page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let told: std::collections::BTreeMap<&str, &str> =
        rows.map(|(name, rest)| (name, rest.split(' ').next().expect("a value"))).collect();
    assert!(told.keys().eq(shown.keys()), "{:?} and {:?}", told.keys(), shown.keys());
    // The page has what holds where nothing is set and the machine is large.
    let defaults = world.agent(&["app=@/app.log"]).get("/metrics").text();
    let of_machine = ["connections", "subscribers", "log-files", "hot-tail-bytes", "shared-bytes"];
    let same = |name: &str, value: &str| defaults.contains(&format!("sidetail_limit{{limit=\"{name}\"}} {value}\n"));
    let other: Vec<_> = told.iter().filter(|(name, value)| !of_machine.contains(name) && !same(name, value)).collect();
    assert!(other.is_empty(), "{other:?}");
}

/// A bomb of 5 MB that unpacks to one line of 1000 MiB: each of its readers unpacks all of that, and nothing comes of it before
/// its end. Whoever reads something else has a turn in between.
#[test]
fn readers_of_a_bomb_do_not_keep_others_from_their_history() {
    let world = World::new();
    world.file("bomb.log.1.gz", bomb(b'a', 1, "").repeat(1000));
    world.file("other.log.1.gz", bomb(b'b', 0, "an archived line\n"));
    ["bomb", "other"].iter().for_each(|name| world.log(&format!("{name}.log")).line("now"));
    let agent = world.agent(&["@/*.log"]);
    let size = std::fs::metadata(world.path("bomb.log.1.gz")).expect("the bomb").len();
    let (before, target) = (bytes_read(&agent), "/tail?log=bomb.log&from=start&follow=false");
    let readers: Vec<_> = (0..16).map(|_| get(target).connect(agent.address())).collect();
    eventually("it is being unpacked", || (bytes_read(&agent) > before + size / 20).then_some(()));
    let before = bytes_read(&agent);
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=other.log")), ["an archived line", "now"]);
    assert_eq!(subscribers(&agent), 16, "the bomb is not unpacked yet");
    // Not the time, which says more about the machine: how much of the bombs had its turn before, 16 of them in all.
    let meanwhile = bytes_read(&agent) - before;
    assert!(meanwhile < 2 * size, "{meanwhile} bytes of bombs of {size} were read before");
    let peak = peak_mebibytes(&agent);
    assert!(peak < 100, "{peak} MiB");
    drop(readers);
    eventually("they end with their clients", || (subscribers(&agent) == 0).then_some(()));
}

/// A Zstandard frame (RFC 8878) that asks for a window of 2 to the `window`th bytes: `blocks` of 128 KiB, each as the callback
/// says: one byte that is repeated, or bytes as they stand.
fn zstd_frame(window: u8, blocks: impl Iterator<Item = Result<u8, Vec<u8>>>) -> Vec<u8> {
    let header =
        |size: usize, kind: usize, is_last: usize| ((size << 3 | kind << 1 | is_last) as u32).to_le_bytes()[..3].to_vec();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window - 10) << 3];
    for block in blocks {
        match block {
            Ok(byte) => frame.extend([header(128 << 10, 1, 0), vec![byte]].concat()),
            Err(bytes) => frame.extend([header(bytes.len(), 0, 0), bytes].concat()),
        }
    }
    frame.extend(header(0, 0, 1));
    frame
}

#[test]
fn a_zstd_bomb_that_asks_for_all_memory_gets_none_of_it() {
    let world = World::new();
    // 16 KB that are a line of 512 MiB.
    let line = |window: u8| zstd_frame(window, (0..4096).map(|_| Ok(b'a')).chain([Err(b"\nafter\n".to_vec())]));
    world.file("all.log.1.zst", line(41));
    world.file("some.log.1.zst", line(23));
    ["all", "some"].iter().for_each(|name| world.log(&format!("{name}.log")).line("now"));
    let agent = world.agent(&["@/*.log"]);
    let blocks = agent.events(&format!("{EVERYTHING}&log=all.log"));
    let gap = blocks.iter().find(|block| block.is("gap")).expect("a gap");
    assert!(gap.json()["reason"] == "unreadable" && gap.json()["file"] == "all.log.1.zst", "{gap:?}");
    assert_eq!(blocks.last().expect("a record").data, "now");
    assert!(agent.logs().iter().any(|log| log["error"].as_str().is_some_and(|error| error.contains("bytes of memory"))));
    let lines = agent.lines(&format!("{EVERYTHING}&log=some.log"));
    assert!(lines[0].starts_with("aaaa") && lines[0].len() < 300 << 10, "{}", lines[0].len());
    assert_eq!(lines[1..], ["after", "now"]);
    let peak = peak_mebibytes(&agent);
    assert!(peak < 100, "{peak} MiB");
}

#[test]
fn however_many_read_zstd_archives_and_stand_still_memory_is_bounded_and_others_have_their_turn() {
    let world = World::new();
    let line = |number: usize| format!("{number:07} is a line like any other in an archive that takes 8 MiB to unpack\n");
    let lines: String = (0..400_000).map(line).collect();
    let blocks = lines.as_bytes().chunks(128 << 10).map(|block| Err(block.to_vec()));
    world.file("app.log.1.zst", zstd_frame(23, blocks));
    world.log("app.log").line("now");
    // So that glibc gives back what is let go of; musl does anyway.
    let agent = world.setup(&["app=@/app.log"]).env("MALLOC_MMAP_THRESHOLD_", "1048576").start();
    let still: Vec<_> = (0..150).map(|_| get("/tail?from=start").connect(agent.address())).collect();
    let read = |number: usize| {
        let text = agent.get("/tail?from=start&follow=false").text();
        assert!(text.len() == lines.len() + 4 && text.starts_with(&lines), "reader {number}: {} bytes", text.len());
    };
    (0..3).for_each(read);
    // Whoever stood still and lost its place goes on where it was.
    for mut socket in still.into_iter().take(3) {
        let mut text = Vec::new();
        let mut piece = [0; 1 << 16];
        while !text.ends_with(b"now\n\r\n") {
            let count = socket.read(&mut piece).expect("the rest");
            text.extend_from_slice(&piece[..count]);
        }
        assert!(String::from_utf8_lossy(&text).contains("0399999 is a line"));
    }
    // Eight take up to 16 MiB each; without a bound it would be all of them.
    let peak = peak_mebibytes(&agent);
    assert!(peak < 250, "{peak} MiB");
    println!("{peak} MiB at most");
}
