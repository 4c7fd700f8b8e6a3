//! Logs as container runtimes write them, byte by byte: containerd's CRI format below /var/log/pods, rotated by the
//! kubelet; Docker's json-file, rotated by dockerd.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Agent, Block, Log, World, lines_of};

/// Both cut lines after so many bytes (containerd: `maxLineSize`; Docker: the copier's buffer).
const PIECE_BYTES: usize = 16 * 1024;

/// Writes a line of the program as the runtime does.
type Write = fn(&mut Log, stream: &str, line: &str, number: usize);

fn time(number: usize, piece: usize) -> String {
    format!("2026-11-22T10:{:02}:{:02}.{piece:03}456789Z", number / 60, number % 60)
}

fn pieces(line: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let count = line.len().div_ceil(PIECE_BYTES).max(1);
    (0..count).map(move |piece| {
        let end = line.len().min((piece + 1) * PIECE_BYTES);
        (piece, &line[piece * PIECE_BYTES..end], piece + 1 == count)
    })
}

fn containerd(log: &mut Log, stream: &str, line: &str, number: usize) {
    for (piece, text, last) in pieces(line) {
        let tag = if last { "F" } else { "P" };
        log.bytes(format!("{} {stream} {tag} {text}\n", time(number, piece)).as_bytes());
    }
}

fn docker(log: &mut Log, stream: &str, line: &str, number: usize) {
    for (piece, text, last) in pieces(line) {
        let end = if last { "\n" } else { "" };
        let text = json!(format!("{text}{end}")).to_string();
        // Go's encoder writes what HTML knows as escapes.
        let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        log.bytes(format!("{{\"log\":{text},\"stream\":\"{stream}\",\"time\":\"{}\"}}\n", time(number, piece)).as_bytes());
    }
}

/// What the program wrote, and on which stream: text, JSON, a trace, a line longer than a piece.
fn said(number: usize) -> (&'static str, Vec<String>) {
    match number % 6 {
        0 => ("stdout", vec![format!("{{\"level\":\"warn\",\"msg\":\"<record {number}> & more\",\"n\":{number}}}")]),
        3 => {
            let trace = [
                "java.lang.IllegalStateException: no <stock>",
                "\tat a.B.c(B.java:1)",
                "Caused by: java.io.IOException",
                "\t... 12 more",
            ];
            let first = format!("2026-01-01 00:00:00 ERROR <record {number}> failed");
            ("stderr", std::iter::once(first).chain(trace.map(String::from)).collect())
        }
        4 => ("stdout", vec![format!("INFO <record {number}> {}", "long ".repeat(PIECE_BYTES / 2 - number))]),
        _ => ("stdout", vec![format!("INFO <record {number}> \"quoted\" \\ é")]),
    }
}

/// Writes 60 records, the streams mixed line by line, rotated by `rotate` after each 15; checks what comes.
fn arrives(log: &str, write: Write, rotate: fn(&mut Log, usize), format: &str) {
    let world = World::new();
    let path = world.path(log).display().to_string();
    let mut log = world.log(log);
    world.file("sidetail.toml", format!("[[log]]\nname = \"pod\"\npath = \"{path}\"\nmultiline = \"auto\"\n"));
    write(&mut log, "stdout", "INFO starting", 0);
    let mut agent = world.agent(&["--config", "@/sidetail.toml", "--max-line", "1MiB"]);
    let mut live = agent.stream("/events?from=start&data=json");
    let mut waiting: Vec<(&str, String)> = Vec::new();
    for number in 0..60 {
        let (stream, lines) = said(number);
        // A trace comes in bits between lines of the other stream.
        let (now, later) = if number % 6 == 3 { lines.split_at(2) } else { (&lines[..], &[][..]) };
        now.iter().for_each(|line| write(&mut log, stream, line, number));
        waiting.drain(..).for_each(|(stream, line)| write(&mut log, stream, &line, number));
        waiting.extend(later.iter().map(|line| (stream, line.clone())));
        if number % 15 == 14 {
            rotate(&mut log, number / 15);
        }
    }
    write(&mut log, "stdout", "INFO end", 60);
    write(&mut log, "stderr", "INFO end", 60);

    let came: Vec<Value> = (0..62).map(|_| live.record().json()).collect();
    check(&came);
    let again: Vec<Value> = agent.events("/events?from=start&follow=false&data=json").iter().map(Block::json).collect();
    check(&again);
    assert_eq!(agent.logs()[0]["format"], format);
    assert_every_id_resumes(&agent);
    agent.restart();
    assert_every_id_resumes(&agent);
}

fn check(records: &[Value]) {
    for number in 0..60 {
        let mark = format!("<record {number}>");
        let found: Vec<&Value> = records.iter().filter(|record| record["line"].as_str().unwrap().contains(&mark)).collect();
        assert_eq!(found.len(), 1, "{mark}");
        let (_, lines) = said(number);
        assert_eq!(found[0]["line"], lines.join("\n"), "{mark}");
        let (level, n) = match number % 6 {
            0 => ("warn", json!(number)),
            3 => ("error", Value::Null),
            _ => ("info", Value::Null),
        };
        assert_eq!((&found[0]["level"], &found[0]["fields"]["n"]), (&json!(level), &n), "{mark}");
        // When the runtime got it, whatever the program says.
        assert_eq!(found[0]["time"], time(number, 0), "{mark}");
    }
}

fn assert_every_id_resumes(agent: &Agent) {
    let records = agent.events("/events?from=start&follow=false");
    for (place, record) in records.iter().enumerate() {
        let rest = agent.lines_after("/events?follow=false", record.id());
        let expected = lines_of(&records[place + 1..]);
        assert!(rest == expected, "after record {place}: {} and not {} records", rest.len(), expected.len());
    }
}

/// The kubelet: rename to a name with the time, compress those before the last, let containerd open a new file.
fn kubelet(log: &mut Log, count: usize) {
    let rotated = |count: usize| format!("{}.20261122-10{count:02}00", log.path().display());
    if count > 0 {
        crate::harness::log::gzip(Path::new(&rotated(count - 1)));
    }
    fs::rename(log.path(), rotated(count)).expect("rotating");
    log.create_anew();
}

/// dockerd with `max-file` and `compress`: every file moves up by one, the newest is compressed.
fn dockerd(log: &mut Log, _: usize) {
    log.rotate();
    crate::harness::log::gzip_with_date(Path::new(&format!("{}.1", log.path().display())));
}

#[test]
fn a_pods_log_arrives_as_its_program_wrote_it_across_the_kubelets_rotation() {
    arrives("pods/default_web-0_a1b2/app/0.log", containerd, kubelet, "cri");
}

#[test]
fn a_docker_containers_log_arrives_as_its_program_wrote_it_across_dockerds_rotation() {
    arrives("containers/a1b2/a1b2-json.log", docker, dockerd, "docker");
}
