//! Bad input: whatever stands in a log or lies in its place, the stream and the other logs go on, and somebody says so.

use std::fs;
use std::process::Command;

use crate::harness::agent::set_mode;
use crate::harness::{Agent, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";

fn agent_on(content: &[u8]) -> (World, Agent) {
    let world = World::new();
    world.file("app.log", content);
    let agent = world.agent(&["app=@/app.log"]);
    (world, agent)
}

fn assert_lines(content: &[u8], expected: &[&str]) {
    let (_world, agent) = agent_on(content);
    let records = agent.events(EVERYTHING);
    let lines: Vec<_> = records.iter().map(|record| record.data.as_str()).collect();
    assert_eq!(lines, expected);
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after(EVERYTHING, record.id()), expected[place + 1..], "resuming after record {place}");
    }
}

/// What `/logs` complains about in the log called `name`.
fn complaint(agent: &Agent, name: &str) -> String {
    eventually(&format!("an error of {name} in /logs"), || {
        let logs = agent.logs();
        let error = &logs.iter().find(|log| log["name"] == name)?["error"];
        (!error.is_null()).then(|| error.to_string())
    })
}

#[test]
fn invalid_utf_8_becomes_replacement_characters_and_offsets_count_the_bytes() {
    let content = b"before\nbad \xC3\x28 \xFF\xFE end\nafter\n";
    assert_lines(content, &["before", "bad \u{FFFD}( \u{FFFD}\u{FFFD} end", "after"]);
    let (_world, agent) = agent_on(content);
    let objects: Vec<_> = agent.events(&format!("{EVERYTHING}&data=json")).iter().map(|record| record.json()).collect();
    assert_eq!(objects[2]["off"], serde_json::json!([21, 27]));
}

#[test]
fn a_carriage_return_within_a_line_cannot_forge_a_field() {
    assert_lines(b"a\rid: 9\rdata: x\revent: evil\r\rb\n", &["a\nid: 9\ndata: x\nevent: evil\n\nb"]);
    assert_lines(b"50%\r75%\r100%\nnext\n", &["50%\n75%\n100%", "next"]);
}

#[test]
fn a_line_that_ends_with_cr_lf_ends_there() {
    assert_lines(b"dos\r\nunix\n\r\nlast\r\n", &["dos", "unix", "", "last"]);
}

#[test]
fn a_nul_is_shown_and_ends_nothing() {
    assert_lines(b"one\0two\nnext\n", &["one\u{2400}two", "next"]);
    let (_world, agent) = agent_on(b"one\0two\n");
    assert_eq!(agent.events(&format!("{EVERYTHING}&data=json"))[0].json()["line"], "one\0two");
}

#[test]
fn an_empty_line_is_a_record() {
    assert_lines(b"\n\na\n\nb\n", &["", "", "a", "", "b"]);
}

#[test]
fn text_that_looks_like_the_wire_form_is_only_text() {
    let lines =
        ["data: x", "id: 9", "event: gap", "retry: 0", ":", ": comment", " leading", "  two", "\u{FEFF}bom", "x\u{2028}y\u{85}z"];
    assert_lines((lines.join("\n") + "\n").as_bytes(), &lines);
}

#[test]
fn a_line_of_ten_megabytes_is_cut_and_the_next_line_is_whole() {
    let long = "x".repeat(10 << 20);
    let (_world, agent) = agent_on(format!("before\n{long}\nafter\n").as_bytes());
    let records = agent.events(&format!("{EVERYTHING}&data=json"));
    let objects: Vec<_> = records.iter().map(|record| record.json()).collect();
    let end = 7 + long.len() as u64 + 1;
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[1]["off"], serde_json::json!([7, end]));
    assert!(!objects[1]["truncated"].is_null() && objects[1]["truncated"] != false, "the client is told");
    let kept = objects[1]["line"].as_str().unwrap();
    assert!(kept.len() == 256 << 10 && long.starts_with(kept), "{} bytes kept", kept.len());
    assert_eq!((objects[0]["line"].as_str(), objects[2]["line"].as_str()), (Some("before"), Some("after")));
    assert!(objects[0]["truncated"].is_null() && objects[2]["truncated"].is_null());
    assert_eq!(agent.lines_after(EVERYTHING, records[1].id()), ["after"]);
}

#[test]
fn the_longest_line_is_what_max_line_says() {
    let world = World::new();
    world.file("app.log", format!("{}\n{}\n{}\n", "a".repeat(1024), "b".repeat(1025), "c".repeat(3)));
    let agent = world.agent(&["app=@/app.log", "--max-line", "1KiB"]);
    let lines = agent.lines(EVERYTHING);
    assert_eq!((lines[0].len(), lines[2].as_str()), (1024, "ccc"));
    let kept = lines[1].bytes().take_while(|&byte| byte == b'b').count();
    assert!(kept == 1024 && lines[1].len() > kept, "cut, and it says so: {}", &lines[1][1000..]);
}

#[test]
fn a_cut_within_a_character_leaves_valid_text() {
    let world = World::new();
    world.file("app.log", format!("a{}\nnext\n", "ü".repeat(2000)));
    let agent = world.agent(&["app=@/app.log", "--max-line", "1KiB"]);
    assert_eq!(agent.lines(EVERYTHING)[1], "next");
}

#[test]
fn a_pipe_and_a_folder_in_the_place_of_a_log_disturb_nobody() {
    let world = World::new();
    let pipe = world.path("pipe.log");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    fs::create_dir(world.path("folder.log")).unwrap();
    let mut log = world.log("good.log");
    log.write(2);
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(2), log.written());
    assert!(complaint(&agent, "pipe.log").len() > 4);
    assert!(complaint(&agent, "folder.log").len() > 4);
    let new = log.write(2);
    assert_eq!(stream.lines(2), new);
}

#[test]
fn a_pipe_named_by_itself_is_refused_and_not_waited_for() {
    let world = World::new();
    assert!(Command::new("mkfifo").arg(world.path("pipe.log")).status().expect("mkfifo").success());
    let agent = world.agent(&["pipe=@/pipe.log"]);
    assert!(complaint(&agent, "pipe").len() > 4);
    assert_eq!(agent.lines("/events?from=start&follow=false"), [""; 0]);
}

#[test]
fn a_file_without_permission_is_reported_and_followed_once_it_is_granted() {
    let world = World::new();
    let (mut open, mut closed) = (world.log("open.log"), world.log("closed.log"));
    open.write(2);
    closed.write(2);
    set_mode(closed.path(), 0o000);
    let agent = world.setup(&["@/*.log"]).bound_by_file_modes().start();
    let mut stream = agent.stream("/events?log=open.log&from=start");
    assert_eq!(stream.lines(2), open.written());
    assert!(complaint(&agent, "closed.log").to_lowercase().contains("permission"));
    set_mode(closed.path(), 0o644);
    let mut granted = agent.stream("/events?log=closed.log&from=start");
    assert_eq!(granted.lines(2), closed.written());
    let new = open.write(1);
    assert_eq!(stream.lines(1), new);
}

#[test]
fn a_file_that_loses_its_permission_is_still_read() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    let agent = world.setup(&["app=@/app.log"]).bound_by_file_modes().start();
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(2), log.written());
    set_mode(log.path(), 0o000);
    let new = log.write(2);
    assert_eq!(stream.lines(2), new);
}

#[test]
fn a_rotated_file_that_may_not_be_read_is_told_and_read_as_soon_as_it_may() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    log.rotate();
    log.write(2);
    let rotated = world.path("app.log.1");
    set_mode(&rotated, 0o000);
    let agent = world.setup(&["app=@/app.log"]).bound_by_file_modes().start();
    assert!(complaint(&agent, "app").to_lowercase().contains("permission"));
    set_mode(&rotated, 0o644);
    eventually("no error in /logs", || agent.logs()[0]["error"].is_null().then_some(()));
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_rotated_file_that_is_no_gzip_does_not_hide_the_rest() {
    let world = World::new();
    world.file("app.log.2.gz", b"\x1f\x8b\x08\x00 this is no gzip at all");
    world.file("app.log.1", "2026-11-22T10:00:00.001Z one\n");
    world.file("app.log", "2026-11-22T10:00:00.002Z two\n");
    let agent = world.agent(&["app=@/app.log"]);
    let blocks = agent.events(EVERYTHING);
    let lines: Vec<_> = blocks.iter().filter(|block| block.is_record()).map(|block| &block.data[25..]).collect();
    assert_eq!(lines, ["one", "two"]);
    let told = blocks.iter().any(|block| block.is("gap") && block.json()["reason"] == "unreadable");
    assert!(told || complaint(&agent, "app").contains("gz"), "nobody says that app.log.2.gz is unreadable");
}

#[test]
fn text_in_utf_16_is_refused_aloud_and_not_served_as_something_else() {
    let text = "2026-11-22T10:00:00.000Z größer\n".encode_utf16();
    let little: Vec<u8> = b"\xFF\xFE".iter().copied().chain(text.clone().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> = b"\xFE\xFF".iter().copied().chain(text.flat_map(u16::to_be_bytes)).collect();
    for content in [little, big] {
        let world = World::new();
        let mut other = world.log("other.log");
        other.write(1);
        let agent = world.agent(&["app=@/app.log", "other=@/other.log"]);
        let mut stream = agent.stream("/events?from=start");
        stream.goes_on_with(other.written());
        fs::write(world.path("app.log"), &content).unwrap();
        assert!(complaint(&agent, "app").contains("UTF-16"));
        stream.goes_on_with(&other.write(1));
    }
}

#[test]
fn a_file_name_with_odd_letters_is_followed() {
    let world = World::new();
    let mut log = world.log("odd näme [1].log");
    log.write(2);
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
    assert_eq!(agent.log_names(), ["odd näme [1].log"]);
}
