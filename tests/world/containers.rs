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

/// Two of a pod that was replaced by one of the same name.
const UIDS: [&str; 2] = ["3b1e9f9e-52cf-4c4e-9a0d-0c9d1c1b7a55", "8c2d6c1a-0f3e-4f51-b7a2-5b0c58a1f0d3"];
const CONTAINER_ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Ten more lines of a run of a container, numbered on.
fn ten(log: &mut Log, written: &mut usize) {
    for number in *written..*written + 10 {
        containerd(log, "stdout", &format!("INFO record {number}"), number);
    }
    *written += 10;
}

fn expect_in_order(lines: &[String], numbers: std::ops::Range<usize>) {
    assert_eq!(*lines, numbers.map(|number| format!("INFO record {number}")).collect::<Vec<_>>());
}

#[test]
fn all_runs_of_a_container_are_one_log_named_namespace_pod_container() {
    let world = World::new();
    let run = |uid: usize, run: usize| world.log(&format!("pods/shop_web-0_{}/app/{run}.log", UIDS[uid]));
    world.log(&format!("pods/shop_web-0_{}/proxy/0.log", UIDS[0])).bytes(b"2026-11-22T10:00:00Z stdout F proxied\n");
    let mut written = 0;
    let mut log = run(0, 0);
    ten(&mut log, &mut written);
    kubelet(&mut log, 0);
    ten(&mut log, &mut written);
    let mut agent = world.agent(&["@/pods/*/*/*.log"]);
    assert_eq!(agent.log_names(), ["shop/web-0/app", "shop/web-0/proxy"]);
    let mut live = agent.stream("/events?log=shop/web-0/app&from=start");
    expect_in_order(&live.lines(20), 0..20);

    // Rotated under it, then the container dies and is started again, twice.
    kubelet(&mut log, 1);
    for restart in 1..3 {
        ten(&mut log, &mut written);
        log = run(0, restart);
        ten(&mut log, &mut written);
    }
    kubelet(&mut log, 0);
    ten(&mut log, &mut written);
    let came = live.records(50);
    expect_in_order(&lines_of(&came), 20..70);
    expect_in_order(&agent.lines("/events?log=shop/web-0/app&from=start&follow=false"), 0..70);

    // An agent that has seen none of it: the runs are in order, and every id is known.
    agent.restart();
    expect_in_order(&agent.lines("/events?log=shop/web-0/app&from=start&follow=false"), 0..70);
    expect_in_order(&agent.lines_after("/events?log=shop/web-0/app&follow=false", came[4].id()), 25..70);

    // The pod is replaced by another of its name, and the folder of the first goes.
    let mut live = agent.resume("/events?log=shop/web-0/app", came[49].id());
    assert_eq!(live.resumed(), "exact");
    let mut log = run(1, 0);
    ten(&mut log, &mut written);
    expect_in_order(&live.lines(10), 70..80);
    fs::remove_dir_all(world.path(&format!("pods/shop_web-0_{}", UIDS[0]))).expect("removing the folder of the first pod");
    ten(&mut log, &mut written);
    expect_in_order(&live.lines(10), 80..90);
    assert_eq!(agent.logs()[0]["path"], log.path().display().to_string());
    assert_eq!(agent.logs()[0]["error"], Value::Null);
}

#[test]
fn links_three_hops_deep_lead_to_a_containers_log_and_its_rotated_files() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    let file = format!("disk/docker/containers/{CONTAINER_ID}/{CONTAINER_ID}-json.log");
    let mut log = world.log(&file);
    // /var/lib/docker on another disk; the kubelet's link to Docker's file; the link for collectors to the kubelet's.
    symlink(world.path("disk/docker"), world.path("docker")).expect("a link");
    let pod = world.path(&format!("pods/shop_web-0_{}/app", UIDS[0]));
    fs::create_dir_all(&pod).expect("a folder");
    fs::create_dir_all(world.path("containers")).expect("a folder");
    symlink(world.path(&format!("docker/containers/{CONTAINER_ID}/{CONTAINER_ID}-json.log")), pod.join("0.log")).expect("a link");
    symlink(pod.join("0.log"), world.path(&format!("containers/web-0_shop_app-{CONTAINER_ID}.log"))).expect("a link");

    let line = |log: &mut Log, number: usize| docker(log, "stdout", &format!("INFO record {number}"), number);
    (0..10).for_each(|number| line(&mut log, number));
    dockerd(&mut log, 0);
    (10..20).for_each(|number| line(&mut log, number));
    for pattern in ["@/containers", "@/pods/*/*/*.log"] {
        let agent = world.agent(&[pattern]);
        assert_eq!(agent.log_names(), ["shop/web-0/app"]);
        expect_in_order(&agent.lines("/events?from=start&follow=false"), 0..20);
    }
    let agent = world.agent(&["@/containers"]);
    let mut live = agent.stream("/events?from=start");
    for round in 2..6 {
        dockerd(&mut log, round);
        (round * 10..round * 10 + 10).for_each(|number| line(&mut log, number));
    }
    expect_in_order(&live.lines(60), 0..60);
}
