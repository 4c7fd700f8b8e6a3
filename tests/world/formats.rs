//! What records say beyond their text: formats, levels, times, fields; and lines that are one record together.

use serde_json::{Value, json};

use crate::harness::{Agent, Block, World, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";

/// An agent on `app.log`, of which the config says `more`.
fn agent(world: &World, more: &str) -> Agent {
    let path = world.path("app.log");
    world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"{}\"\n{more}\n", path.display()));
    world.agent(&["--config", "@/sidetail.toml"])
}

fn on(content: &str, more: &str) -> (World, Agent) {
    let world = World::new();
    world.file("app.log", content);
    let agent = agent(&world, more);
    (world, agent)
}

fn objects(agent: &Agent) -> Vec<Value> {
    agent.events(&format!("{EVERYTHING}&data=json")).iter().map(Block::json).collect()
}

/// Every record's id resumes with exactly the records behind it.
fn assert_every_id_resumes(agent: &Agent) {
    let records = agent.events(EVERYTHING);
    for (place, record) in records.iter().enumerate() {
        let rest = agent.lines_after("/events?follow=false", record.id());
        assert_eq!(rest, lines_of(&records[place + 1..]), "after record {place}");
    }
}

#[test]
fn the_first_lines_tell_the_format_and_logs_says_which() {
    for (content, format) in [
        ("plain text\n", "plain"),
        ("{\"a\":1}\n", "json"),
        ("level=info msg=x\n", "logfmt"),
        ("2026-11-22T10:00:00Z stdout F x\n", "cri"),
        ("{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:00:00Z\"}\n", "docker"),
        ("127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n", "clf"),
    ] {
        let (_world, agent) = on(content, "");
        assert_eq!(agent.logs()[0]["format"], format, "{content}");
    }
    let (_world, agent) = on("{\"a\":1}\n", "format = \"plain\"");
    assert_eq!(agent.logs()[0]["format"], "plain");
}

#[test]
fn ids_do_not_depend_on_the_format() {
    let world = World::new();
    world.file("app.log", "{\"time\":\"2026-11-22T10:00:00Z\",\"level\":\"warn\",\"msg\":\"x\"}\n".repeat(20));
    let ids = |more: &str| agent(&world, more).events(EVERYTHING).iter().map(|record| record.id().to_owned()).collect::<Vec<_>>();
    let auto = ids("");
    assert_eq!(auto.len(), 20);
    for format in ["plain", "json", "logfmt", "clf"] {
        assert_eq!(ids(&format!("format = \"{format}\"")), auto, "{format}");
    }
}

#[test]
fn each_file_of_a_log_has_the_format_of_its_own_first_lines() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.line(r#"{"level":"warn","msg":"in JSON"}"#);
    let mut agent = agent(&world, "");
    let mut stream = agent.stream("/events?from=start&data=json");
    assert_eq!(stream.record().json()["fields"]["msg"], "in JSON");
    log.rotate();
    log.line("level=error msg=\"in logfmt\"");
    let record = stream.record().json();
    assert_eq!((&record["level"], &record["fields"]["msg"]), (&json!("error"), &json!("in logfmt")));
    assert_eq!(agent.logs()[0]["format"], "logfmt");
    agent.restart();
    let levels: Vec<Value> = objects(&agent).iter().map(|object| object["level"].clone()).collect();
    assert_eq!(levels, ["warn", "error"], "history too");
}

#[test]
fn a_record_object_says_time_level_and_fields_as_the_format_has_them() {
    let line = r#"{"ts":1795341600.5,"level":"WARN","msg":"a \"quoted\" word","n":1.50}"#;
    let (_world, agent) = on(&format!("{line}\n"), "");
    let object = &objects(&agent)[0];
    assert_eq!((&object["time"], &object["level"]), (&json!("2026-11-22T10:00:00.5Z"), &json!("warn")));
    assert_eq!((&object["line"], &object["fields"]["msg"]), (&json!(line), &json!("a \"quoted\" word")));

    let (_world, agent) = on("time=2026-11-22T10:00:00Z level=error msg=\"a b\" took=12ms n=3\n", "");
    let object = &objects(&agent)[0];
    assert_eq!((&object["time"], &object["level"]), (&json!("2026-11-22T10:00:00Z"), &json!("error")));
    assert_eq!((&object["fields"]["msg"], &object["fields"]["n"]), (&json!("a b"), &json!(3)));

    let (_world, agent) = on("2026-11-22 10:00:00,250 ERROR no\nnothing is known of this\n", "");
    let objects = objects(&agent);
    assert_eq!((&objects[0]["time"], &objects[0]["level"]), (&json!("2026-11-22T10:00:00.25Z"), &json!("error")));
    assert!(objects[1].get("time").is_none() && objects[1].get("level").is_none() && objects[1].get("fields").is_none());
}

#[test]
fn times_without_a_zone_are_of_the_zone_that_is_named() {
    let world = World::new();
    world.file("app.log", "2026-11-22 10:00:00 INFO x\n");
    let agent = world.agent(&["app=@/app.log", "--timezone", "Europe/Berlin"]);
    assert_eq!(objects(&agent)[0]["time"], "2026-11-22T09:00:00Z");
}

#[test]
fn level_asks_for_records_that_are_known_to_be_so_grave() {
    let content = "10:00 DEBUG a\n10:01 INFO b\n10:02 WARN c\n10:03 ERROR d\nnobody knows\n10:05 FATAL e\n";
    let (_world, agent) = on(content, "");
    assert_eq!(agent.lines(&format!("{EVERYTHING}&level=warn")), ["10:02 WARN c", "10:03 ERROR d", "10:05 FATAL e"]);
    assert_eq!(agent.lines("/events?tail=1&level=error&follow=false"), ["10:05 FATAL e"]);
    let response = agent.get("/events?level=loud");
    assert_eq!(response.status(), 400);
    assert!(response.text().contains("parameter level: \\\"loud\\\" is no level"));
}

#[test]
fn what_is_blotted_out_is_in_no_field() {
    let (_world, agent) = on("{\"user\":\"ann\",\"token\":\"hunter2\"}\n", "[[redact]]\nmatch = 'hunter2'\nwith = 'gone'");
    let object = objects(&agent)[0].to_string();
    assert!(!object.contains("hunter2") && object.contains("\"token\":\"gone\""), "{object}");
}

#[test]
fn what_a_container_runtime_writes_around_a_line_is_taken_off_and_parts_are_joined() {
    let content = "2026-11-22T10:00:00.1Z stdout P one \n2026-11-22T10:00:00.2Z stderr F an error\n\
                   2026-11-22T10:00:00.3Z stdout P two \n2026-11-22T10:00:00.4Z stdout F three\n\
                   2026-11-22T10:00:00.5Z stdout F {\"level\":\"warn\",\"msg\":\"x\"}\n";
    let (_world, agent) = on(content, "");
    assert_eq!(agent.lines(EVERYTHING), ["an error", "one two three", "{\"level\":\"warn\",\"msg\":\"x\"}"]);
    let objects = objects(&agent);
    assert_eq!(objects[1]["time"], "2026-11-22T10:00:00.1Z");
    assert_eq!((&objects[2]["level"], &objects[2]["fields"]["msg"]), (&json!("warn"), &json!("x")));
    assert_every_id_resumes(&agent);

    let (_world, agent) = on(
        &[
            "2026-11-22T10:00:00Z stdout F 127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 503 5\n",
            "2026-11-22T10:00:01Z stdout F level=error msg=\"a b\"\n2026-11-22T10:00:02Z stdout F WARN a=b plain\n",
        ]
        .concat(),
        "",
    );
    let told: Vec<_> = self::objects(&agent).iter().map(|object| (object["level"].clone(), object["fields"].clone())).collect();
    assert_eq!((&told[0].0, &told[0].1["status"]), (&json!("error"), &json!(503)), "an access log in a container");
    assert_eq!((&told[1].0, &told[1].1["msg"]), (&json!("error"), &json!("a b")));
    assert_eq!(told[2], (json!("warn"), Value::Null));

    let entry = |text: &str| json!({"log": text, "stream": "stdout", "time": "2026-11-22T10:00:00Z"}).to_string() + "\n";
    let (_world, agent) = on(&[entry("a \"b\"\n"), entry("half "), entry("whole\n")].concat(), "");
    assert_eq!(agent.lines(EVERYTHING), ["a \"b\"", "half whole"]);
    assert_every_id_resumes(&agent);
}

#[test]
fn a_cri_record_whose_parts_stand_on_both_sides_of_a_rotation_is_one_record() {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut agent = agent(&world, "");
    let mut stream = agent.stream("/events");
    log.bytes(b"2026-11-22T10:00:00.0Z stdout F before\n");
    log.bytes(b"2026-11-22T10:00:00.1Z stderr F between\n2026-11-22T10:00:00.2Z stdout P first half, \n");
    assert_eq!(stream.lines(2), ["before", "between"]);
    log.rotate();
    log.bytes(b"2026-11-22T10:00:00.3Z stderr F an error meanwhile\n");
    let meanwhile = stream.record();
    assert_eq!(meanwhile.data, "an error meanwhile");
    log.bytes(b"2026-11-22T10:00:00.4Z stdout F second half\n2026-11-22T10:00:00.5Z stdout F after\n");
    let rest = ["first half, second half", "after"];
    assert_eq!(stream.lines(2), rest);
    assert_eq!(agent.lines_after("/events?follow=false", meanwhile.id()), rest);
    let joined = objects(&agent).into_iter().find(|object| object["line"] == rest[0]).expect("the record of both halves");
    assert!(joined.get("off").is_none(), "offsets of two files are no span: {joined}");
    agent.restart();
    assert_eq!(agent.lines_after("/events?follow=false", meanwhile.id()), rest);
    assert_every_id_resumes(&agent);
}

#[test]
fn every_id_among_interleaved_groups_resumes_exactly() {
    let mut content = String::new();
    for number in 0..40 {
        let stream = ["stdout", "stderr", "stdout"][number % 3];
        let tag = ["P", "F", "F", "P", "P", "F", "F"][number % 7];
        content += &format!("2026-11-22T10:00:00.{number:03}Z {stream} {tag} line {number:02} \n");
        if number % 4 == 0 {
            content += &format!("2026-11-22T10:00:00.{number:03}Z {stream} F   indented under {number:02}\n");
        }
    }
    content += "2026-11-22T10:00:01Z stdout F end\n2026-11-22T10:00:01Z stderr F end\n";
    for more in ["", "multiline = \"auto\""] {
        let (_world, mut agent) = on(&content, more);
        assert_every_id_resumes(&agent);
        agent.restart();
        assert_every_id_resumes(&agent);
    }
}

#[test]
fn every_id_resumes_while_a_group_from_before_a_rotation_is_open() {
    let stdout = |numbers: std::ops::Range<usize>| -> String {
        numbers.map(|number| format!("2026-11-22T10:00:00.{number:03}Z stdout F line {number:02}\n")).collect()
    };
    let open = "2026-11-22T10:00:00Z stderr F ERROR failed\n2026-11-22T10:00:00Z stderr P   half of \n";
    let rest = "2026-11-22T10:00:00Z stderr F   a line\n2026-11-22T10:00:00Z stderr F   at the end\n";
    let world = World::new();
    world.file("app.log.2", [&stdout(0..5), open, &stdout(5..10)].concat());
    world.file("app.log.1", stdout(10..15));
    world.file("app.log", [&stdout(15..20), rest, &stdout(20..25)].concat());
    for more in ["", "multiline = \"auto\"", "multiline = { start = '^[A-Zl]' }"] {
        let agent = agent(&world, more);
        let lines = agent.lines(EVERYTHING);
        assert_eq!(lines.iter().filter(|line| line.starts_with("line")).count(), 25, "{more}: {lines:?}");
        assert_every_id_resumes(&agent);
    }
}

#[test]
fn lines_that_belong_to_the_one_before_are_one_record() {
    let content =
        "2026-11-22 10:00:00 ERROR failed\njava.io.IOException: disk\n\tat a.B.c(B.java:1)\n2026-11-22 10:00:01 INFO next\n";
    for more in [
        "multiline = \"auto\"",
        "multiline = { start = '^\\d{4}-\\d{2}-\\d{2}' }",
        "multiline = { continuation = '^(\\s|java)' }",
    ] {
        let (_world, agent) = on(content, more);
        let records = agent.events(EVERYTHING);
        assert_eq!(records.len(), 2, "{more}: {records:?}");
        assert_eq!(records[0].data, content.rsplit_once('\n').unwrap().0.rsplit_once('\n').unwrap().0);
        assert_every_id_resumes(&agent);
        assert_eq!(agent.lines(&format!("{EVERYTHING}&match=B.java")).len(), 1);
        assert_eq!(objects(&agent)[0]["level"], "error");
    }
}

#[test]
fn the_last_group_comes_when_it_has_been_quiet_and_a_resume_behind_it_repeats_nothing() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = agent(&world, "multiline = \"auto\"");
    let mut stream = agent.stream("/events");
    log.bytes(b"ERROR failed\n  at a\n  at b\n");
    let group = stream.record();
    assert_eq!(group.data, "ERROR failed\n  at a\n  at b");
    log.bytes(b"INFO next\n");
    let next = stream.record();
    assert_eq!(next.data, "INFO next");
    assert_eq!(agent.lines_after("/events?follow=false", group.id()), ["INFO next"]);
    assert_eq!(agent.lines_after("/events?follow=false", next.id()), [""; 0]);
}

#[test]
fn a_group_has_an_end_however_long_it_is() {
    let content = String::from("start\n") + &" more\n".repeat(1200) + "end\n";
    let (_world, agent) = on(&content, "multiline = \"auto\"");
    let records = agent.events(EVERYTHING);
    assert_eq!(records.iter().map(|record| record.data.lines().count()).collect::<Vec<_>>(), [500, 500, 201, 1]);
    assert_every_id_resumes(&agent);
}

#[test]
fn a_group_is_no_longer_in_bytes_than_a_line_may_be() {
    let content = String::from("start\n") + &format!(" {}\n", "x".repeat(99)).repeat(100) + "end\n";
    let world = World::new();
    world.file("app.log", &content);
    let path = world.path("app.log");
    world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"{}\"\nmultiline = \"auto\"\n", path.display()));
    let agent = world.agent(&["--config", "@/sidetail.toml", "--max-line", "1KiB"]);
    let records = lines_of(&agent.events(EVERYTHING));
    assert!(records.iter().all(|record| record.len() <= 1024) && records[0].len() > 900, "as many whole lines as fit");
    assert_eq!(records.join("\n") + "\n", content, "the rest is further records");
    assert_every_id_resumes(&agent);
}

#[test]
fn an_object_over_several_lines_forges_no_record_of_another() {
    let forged = "{\n \"level\": \"info\",\n\n \"a\":\n {\"event\":\"gap\",\"id\":\"x\",\"data\":{}}\n}\n";
    let (_world, agent) = on(&format!("{{\"one\":1}}\n{forged}"), "format = \"json\"\nmultiline = { start = '^\\{' }");
    let text = agent.get(&format!("{EVERYTHING}&format=ndjson")).text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["event"] != "gap"), "{text}");
    for record in objects(&agent) {
        assert!(record["line"].is_string(), "{record}");
    }
}

#[test]
fn a_start_in_the_middle_of_a_record_shows_no_part_of_one_that_is_dropped() {
    let content = "2026-01-01 SECRET DUMP\nuser=bob pin=1\n2026-01-01 ok\n";
    let (_world, agent) = on(content, "multiline = { start = '^\\d{4}' }\n[[drop]]\nmatch = 'SECRET DUMP'");
    for offset in [0, 1, 23, 30, 38] {
        let text = agent.get(&format!("/tail?log=app&after={offset}&follow=false")).text();
        assert_eq!(text, "2026-01-01 ok\n", "after {offset}");
    }
}

#[test]
fn a_wrong_format_or_multiline_is_named_with_file_and_line() {
    for (more, expected) in [
        ("format = \"xml\"", "\"xml\" is no format; there are auto, plain, json, logfmt, clf, cri, docker"),
        ("multiline = \"yes\"", "multiline is \"auto\""),
        ("multiline = { start = '(' }", "multiline.start: the pattern \"(\" is no regular expression"),
    ] {
        let world = World::new();
        world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"/x/app.log\"\n{more}\n"));
        let output = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains("sidetail.toml:") && said.contains(expected), "{said}");
    }
}

/// Two thousand lines, one each second from 10:00:00 on.
fn timed(layout: impl Fn(&str, usize) -> String) -> String {
    let clock = |second: usize| format!("2026-11-22T{:02}:{:02}:{:02}", 10 + second / 3600, second / 60 % 60, second % 60);
    (0..2000).map(|second| layout(&clock(second), second) + "\n").collect()
}

#[test]
fn since_and_until_cut_history_by_the_times_in_it_through_rotated_and_compressed_files() {
    let layouts: [fn(&str, usize) -> String; 3] = [
        |time, number| format!("{time}Z INFO line {number:04} {}", "x".repeat(200)),
        |time, number| serde_json::json!({"time": format!("{time}Z"), "n": number, "fill": "y".repeat(200)}).to_string(),
        |time, number| format!("{time}.5Z stdout F line {number:04} {}", "z".repeat(200)),
    ];
    for layout in layouts {
        let content = timed(layout);
        let cut = |from: usize, to: usize| {
            content.lines().skip(from).take(to - from).map(|line| format!("{line}\n")).collect::<String>()
        };
        let world = World::new();
        world.file("app.log.2", cut(0, 600));
        crate::harness::log::gzip(&world.path("app.log.2"));
        world.file("app.log.1", cut(600, 1200));
        world.file("app.log", cut(1200, 2000));
        let agent = agent(&world, "");
        let all = agent.events(EVERYTHING);
        assert_eq!(all.len(), 2000);
        // The second that has been reached at each place.
        for (place, time) in [(0, "10:00:00"), (300, "10:05:00"), (600, "10:10:00"), (601, "10:10:01"), (1999, "10:33:19")] {
            let stream = agent.stream(&format!("/events?since=2026-11-22T{time}Z&follow=false"));
            assert_eq!(stream.hello().json()["since_basis"], "time");
            assert_eq!(lines_of(&stream.rest()), lines_of(&all[place..]), "since {time}");
        }
        let some = agent.lines("/events?since=2026-11-22T10:05:00Z&until=2026-11-22T10:15:00.9Z");
        assert_eq!(some, lines_of(&all[300..901]));
        assert_eq!(agent.lines("/events?since=1m&follow=false"), [""; 0]);
        assert_eq!(agent.lines("/events?since=100000h&follow=false").len(), 2000);
    }
}

#[test]
fn since_misses_nothing_where_several_write_or_the_clock_is_put_back_a_little() {
    let line = |number: usize, ms: usize| {
        let (hours, minutes, seconds) = (10 + ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        let fill = "x".repeat(100);
        format!("2026-11-22T{hours}:{minutes:02}:{seconds:02}.{:03}Z INFO line {number:05} {fill}", ms % 1000)
    };
    // One writer is four seconds ahead of the other; or the clock goes back by a minute.
    let two_writers: Vec<usize> = (0..20_000).map(|number| number * 2 + number % 2 * 4000).collect();
    let put_back: Vec<usize> = (0..20_000).map(|number| number * 300 - if number >= 10_300 { 60_000 } else { 0 }).collect();
    for times in [two_writers, put_back] {
        let world = World::new();
        world.file("app.log", times.iter().enumerate().map(|(number, &ms)| line(number, ms) + "\n").collect::<String>());
        let agent = agent(&world, "");
        for since in (100..10_000).step_by(450).chain((10_050..10_600).step_by(25)).map(|number| times[number]) {
            let first = times.iter().position(|&ms| ms >= since).expect("there is one");
            let asked = &line(0, since)[..24];
            let events = agent.lines(&format!("/events?since={asked}&follow=false&limit=1"));
            assert_eq!(events, [line(first, times[first])], "since {asked}");
        }
    }
}

/// What a container wrote on both its streams: lines in parts, stack traces whose lines carry later times, a line each second.
fn interleaved() -> Vec<String> {
    let mut lines = Vec::new();
    let mut write = |stream: &str, tag: &str, text: &str| {
        let second = lines.len();
        lines.push(format!("2026-11-22T10:{:02}:{:02}Z {stream} {tag} {text}\n", second / 60, second % 60));
    };
    for number in 0..60 {
        write("stdout", "F", &format!("INFO {number} begins"));
        write("stderr", "F", &format!("ERROR {number} failed"));
        write("stdout", "P", &format!("a long line {number}, "));
        write("stderr", "F", "Traceback (most recent call last):");
        write("stderr", "F", "  File \"a.py\", line 1, in <module>");
        write("stdout", "P", "in parts, ");
        write("stderr", "F", "ValueError: not 2026-11-22T23:00:00Z");
        write("stdout", "F", "whole now");
    }
    lines
}

/// All of it in `app.log` and two rotated files; groups and parts are open at their ends.
fn write_interleaved(world: &World) {
    let mut log = world.log("app.log");
    for part in interleaved().chunks(170) {
        log.bytes(part.concat().as_bytes());
        if part.len() == 170 {
            log.rotate();
        }
    }
}

#[test]
fn since_and_tail_tear_no_record_of_several_lines() {
    let world = World::new();
    write_interleaved(&world);
    crate::harness::log::gzip(&world.path("app.log.2"));
    let agent = agent(&world, "multiline = \"auto\"");
    let all = objects(&agent);
    assert_eq!(all.len(), 180);
    let text = |objects: &[Value]| objects.iter().map(|object| object["line"].to_string()).collect::<Vec<_>>();
    let of = |query: &str| -> Vec<Value> {
        agent.events(&format!("/events?follow=false&data=json&{query}")).iter().map(Block::json).collect()
    };
    for record in all.iter().step_by(7) {
        let time = record["time"].as_str().expect("a time");
        let expected: Vec<Value> = all.iter().filter(|other| other["time"].as_str() >= Some(time)).cloned().collect();
        let told = of(&format!("since={time}"));
        let (open, young): (Vec<Value>, Vec<Value>) = told.into_iter().partition(|other| other["time"].as_str() < Some(time));
        assert_eq!(text(&young), text(&expected), "since {time}");
        assert!(
            open.len() <= 2 && text(&open).iter().all(|line| text(&all).contains(line)),
            "what is open then is whole: {open:?}"
        );
        let expected: Vec<Value> = all.iter().filter(|other| other["time"].as_str() <= Some(time)).cloned().collect();
        assert_eq!(text(&of(&format!("from=start&until={time}"))), text(&expected), "until {time}");
    }
    for count in [1, 2, 3, 10, 31, 100] {
        let told = of(&format!("tail={count}"));
        assert!(text(&told).iter().all(|line| text(&all).contains(line)), "tail={count}: {told:?}");
        // The last by where they begin.
        let mut starts: Vec<u64> =
            all.iter().rev().take(count + 3).map(|object| object["off"][0].as_u64().unwrap_or(0)).collect();
        starts.sort_unstable();
        let last = starts.split_off(starts.len() - count.min(starts.len()));
        let told_starts: Vec<u64> = told.iter().filter_map(|object| object["off"][0].as_u64()).collect();
        assert!(count > 20 || last.iter().all(|start| told_starts.contains(start)), "tail={count}: {told:?}");
        assert!(told.len() >= count, "tail={count}: {told:?}");
        assert!(told.len() <= count + 2, "tail={count}: {told:?}");
    }
}

#[test]
fn a_time_within_a_record_of_several_lines_leads_since_nowhere() {
    let content = timed(|time, second| format!("{time}Z ERROR {second}\n  expired 2020-01-01T00:00:00Z{}", " ".repeat(100)));
    let (_world, agent) = on(&content, "multiline = \"auto\"");
    for second in [1, 59] {
        let records = agent.events(&format!("/events?follow=false&since=2026-11-22T10:05:{second:02}Z"));
        assert_eq!(records.len(), 2000 - 300 - second);
        assert!(records[0].data.starts_with(&format!("2026-11-22T10:05:{second:02}Z ERROR")), "{:?}", records[0]);
    }
}

#[test]
fn what_arrived_since_begins_with_a_whole_record() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.bytes(b"2026-11-22T10:00:00Z stdout F before\n");
    let agent = agent(&world, "");
    let mut live = agent.stream("/events");
    log.bytes(b"2026-11-22T10:00:01Z stdout P half of one, \n2026-11-22T10:00:01Z stderr F meanwhile\n");
    assert_eq!(live.lines(1), ["meanwhile"]);
    let began = std::time::Instant::now();
    // That is as exact as the index is.
    while began.elapsed() < std::time::Duration::from_millis(2000) {
        agent.logs();
    }
    log.bytes(b"2026-11-22T10:00:03Z stdout F the other half\n2026-11-22T10:00:03Z stdout F after\n");
    assert_eq!(live.lines(2), ["half of one, the other half", "after"]);
    let stream = agent.stream("/events?since=900ms&follow=false");
    assert_eq!(stream.hello().json()["since_basis"], "arrival");
    let whole = ["half of one, the other half", "after"];
    assert_eq!(lines_of(&stream.rest()), whole, "what began before and ended since");
}

#[test]
fn tail_counts_what_until_leaves() {
    let (_world, agent) = on(&timed(|time, second| format!("{time}Z line {second}")), "");
    let told = agent.lines("/events?tail=3&until=2026-11-22T10:00:09Z&follow=false");
    assert_eq!(told, [7, 8, 9].map(|second| format!("2026-11-22T10:00:0{second}Z line {second}")));
}

#[test]
fn since_goes_by_arrival_where_the_agent_saw_it_and_by_files_where_nothing_else_tells() {
    let world = World::new();
    let mut log = world.log("app.log");
    for number in 0..3 {
        log.line(&format!("without a time {number}"));
    }
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().append(true).open(log.path()).unwrap().set_modified(old).unwrap();
    let agent = agent(&world, "");
    let stream = agent.stream("/events?since=2h&follow=false");
    assert_eq!(stream.hello().json()["since_basis"], "mtime");
    assert_eq!(lines_of(&stream.rest()), log.written());
    let began = std::time::Instant::now();
    let mut live = agent.stream("/events");
    // That is as exact as the index is.
    while began.elapsed() < std::time::Duration::from_millis(1100) {
        agent.logs();
    }
    log.line("it has arrived");
    assert_eq!(live.lines(1), ["it has arrived"]);
    let stream = agent.stream("/events?since=900ms&follow=false");
    assert_eq!(stream.hello().json()["since_basis"], "arrival");
    assert_eq!(lines_of(&stream.rest()), ["it has arrived"]);
}

#[test]
fn a_log_without_a_record_has_no_say_in_what_since_went_by() {
    let world = World::new();
    world.file("app.log", "2026-11-22T10:00:00Z with a time\n");
    world.file("empty.log", "");
    let agent = world.agent(&["@/app.log", "@/empty.log"]);
    let stream = agent.stream("/events?since=2026-11-22T09:00:00Z&follow=false");
    assert_eq!(stream.hello().json()["since_basis"], "time");
}

#[test]
fn a_stream_until_a_time_to_come_is_live_and_then_ends() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = agent(&world, "");
    let until = std::time::SystemTime::now() + std::time::Duration::from_millis(900);
    let until = humantime::format_rfc3339_millis(until);
    let mut stream = agent.stream(&format!("/events?until={until}"));
    log.line("in time");
    assert_eq!(stream.lines(1), ["in time"]);
    assert_eq!(stream.rest(), []);
}

#[test]
fn tail_counts_records_and_not_lines_where_lines_are_put_together() {
    let content: String = (0..300).map(|number| format!("ERROR {number:03}\n  at a\n  at b\n")).collect();
    let (_world, agent) = on(&content, "multiline = \"auto\"");
    for count in [1, 2, 50, 299, 300] {
        let lines = agent.lines(&format!("/events?tail={count}&follow=false"));
        assert_eq!(lines.len(), count);
        assert_eq!(lines[0], format!("ERROR {:03}\n  at a\n  at b", 300 - count));
    }
    assert_eq!(agent.lines("/events?tail=3&match=ERROR%20.*7&follow=false").len(), 3);
}

#[test]
fn a_start_at_the_beginning_of_a_file_behind_an_archive_is_known_again() {
    let world = World::new();
    let mut log = world.log("app.log");
    for number in 0..100 {
        log.line(&format!("2026-11-22T10:00:00Z old {number}"));
    }
    log.rotate();
    crate::harness::log::gzip(&world.path("app.log.1"));
    for number in 0..5 {
        log.line(&format!("2026-11-22T11:00:00Z new {number}"));
    }
    for more in ["", "multiline = \"auto\""] {
        let mut agent = agent(&world, more);
        for restarted in [false, true] {
            if restarted {
                agent.restart();
            }
            for query in ["tail=5", "since=2026-11-22T10:30:00Z", "before=end&tail=5"] {
                let stream = agent.stream(&format!("/events?follow=false&{query}"));
                let id = stream.hello().id().to_owned();
                let new = lines_of(&stream.rest());
                assert_eq!((new.len(), new[0].as_str()), (5, "2026-11-22T11:00:00Z new 0"), "{query}");
                assert_eq!(agent.lines_after("/events?follow=false", &id), new, "{query}, gone on with");
                let before = agent.lines(&format!("/events?before={id}&tail=3"));
                assert_eq!(before, [97, 98, 99].map(|number| format!("2026-11-22T10:00:00Z old {number}")), "before {query}");
            }
        }
    }
}

#[test]
fn a_late_line_behind_an_open_part_is_the_rest_of_it_live_as_after_a_resume() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = agent(&world, "format = \"cri\"");
    let mut stream = agent.stream("/events");
    log.bytes(b"2026-11-22T10:00:00Z stdout F x\n2026-11-22T10:00:00Z stderr P one, \n");
    assert_eq!(stream.lines(1), ["x"]);
    let mut late = log.rotate();
    log.bytes(b"2026-11-22T10:00:01Z stdout F y\n");
    let y = stream.record();
    std::io::Write::write_all(&mut late, b"2026-11-22T10:00:02Z stderr F two\n").unwrap();
    let whole = stream.record();
    assert_eq!((y.data.as_str(), whole.data.as_str()), ("y", "one, two"));
    log.bytes(b"2026-11-22T10:00:03Z stdout F z\n");
    assert_eq!(stream.lines(1), ["z"]);
    assert_eq!(agent.lines_after("/events?follow=false", y.id()), ["one, two", "z"]);
    assert_eq!(agent.lines_after("/events?follow=false", whole.id()), ["z"]);
}

/// Pages from the end back to the beginning, the oldest first.
fn pages(agent: &Agent, count: usize) -> Vec<Vec<String>> {
    let (mut pages, mut cut) = (Vec::new(), "end".to_owned());
    loop {
        let stream = agent.stream(&format!("/events?before={cut}&tail={count}"));
        cut = stream.hello().id().to_owned();
        let page = lines_of(&stream.rest());
        if page.is_empty() {
            pages.reverse();
            return pages;
        }
        pages.push(page);
    }
}

#[test]
fn pages_of_interleaved_records_have_each_of_them_once_and_whole() {
    let world = World::new();
    write_interleaved(&world);
    let agent = agent(&world, "multiline = \"auto\"");
    let mut all = agent.lines(EVERYTHING);
    all.sort();
    for count in [1, 2, 7, 50] {
        let pages = pages(&agent, count);
        assert!(pages.iter().all(|page| page.len() <= count + 2), "{count}: {pages:?}");
        let mut told = pages.concat();
        told.sort();
        assert_eq!(told, all, "{count} a page");
    }
    // A page before any event ends with what is before that, and has nothing of what comes after.
    let records = agent.events(EVERYTHING);
    for (place, record) in records.iter().enumerate().step_by(9).skip(1) {
        let mut told = agent.lines(&format!("/events?before={}&tail=1000", record.id()));
        let mut expected = lines_of(&records[..=place]);
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "before record {place}");
    }
}
