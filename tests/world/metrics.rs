//! `/metrics`: read by Prometheus's own tools, and right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

use regex::Regex;

use crate::harness::tools::tool;
use crate::harness::{Agent, Log, World, eventually, get};

const OPEN: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// All samples in the text format, by name and labels as they are written.
fn samples(agent: &Agent) -> BTreeMap<String, f64> {
    let text = agent.get("/metrics").text();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

#[test]
fn prometheus_tools_read_both_forms_and_find_nothing_to_say() {
    let world = World::new();
    world.log("app.log").write(3);
    let agent = world.agent(&["app=@/app.log", "other=@/missing.log"]);
    assert_eq!(agent.lines("/events?log=app&from=start&follow=false").len(), 3);
    let text = agent.get("/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = text.text();
    assert_eq!(tool("promtool", &["check", "metrics"], &text), "");
    let parse = "import sys; from prometheus_client.parser import text_string_to_metric_families as parse
print(sum(len(family.samples) for family in parse(sys.stdin.read())))";
    let count = text.lines().filter(|line| !line.starts_with('#')).count().to_string();
    assert_eq!(tool("python3", &["-c", parse], &text).trim(), count);
    let open = agent.send(&get("/metrics").header("Accept", OPEN));
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let parse = parse.replace("prometheus_client.parser", "prometheus_client.openmetrics.parser");
    assert_eq!(tool("python3", &["-c", &parse], &open.text()).trim(), count);
    assert_eq!(agent.send(&get("/metrics").method("HEAD")).status(), 200);
}

#[test]
fn what_was_read_and_sent_is_counted_to_the_byte() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(1000);
    let agent = world.agent(&["app=@/app.log"]);
    let mut streams = [agent.stream("/events?from=start"), agent.stream("/events?from=start")];
    log.write(500);
    // Longer than what is read at once, so that it is no part of a block.
    log.line(&"x".repeat(300_000));
    log.line(&"y".repeat(300_000));
    log.rotate();
    log.write(7);
    for stream in &mut streams {
        (0..1509).for_each(|_| drop(stream.record()));
    }
    let bytes: usize = log.written().iter().map(|line| line.len() + 1).sum();
    let all = samples(&agent);
    assert_eq!(all["sidetail_log_read_bytes_total{log=\"app\"}"], bytes as f64);
    assert_eq!(all["sidetail_log_read_records_total{log=\"app\"}"], 1509.0);
    assert_eq!(all["sidetail_log_rotations_total{log=\"app\",kind=\"rename\"}"], 1.0);
    assert_eq!(all["sidetail_events_sent_total{event=\"record\"}"], 2.0 * 1509.0);
    assert_eq!(all["sidetail_events_sent_total{event=\"hello\"}"], 2.0);
    assert_eq!(all["sidetail_streams_started_total{resume=\"fresh\"}"], 2.0);
    assert_eq!(all["sidetail_subscribers"], 2.0);
    assert_eq!(all["sidetail_log_unread_bytes{log=\"app\"}"], 0.0);
    let text = agent.get("/tail?from=start&follow=false").body();
    assert_eq!(samples(&agent)["sidetail_sent_bytes_total{form=\"text\"}"], text.len() as f64);
    // A line that is not finished is not read yet.
    log.bytes(b"half");
    eventually("four bytes are unread", || (samples(&agent)["sidetail_log_unread_bytes{log=\"app\"}"] == 4.0).then_some(()));
}

#[test]
fn a_flood_that_nobody_reads_is_passed_over_and_counted_and_is_there_for_who_comes_later() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(10);
    let agent = world.agent(&["app=@/app.log"]);
    let cursor = agent.get("/events?follow=false").header("sidetail-cursor").expect("a cursor").to_owned();
    let flood = |log: &mut Log, lines: Range<usize>| {
        let lines: Vec<_> = lines.map(|number| format!("{number}: {}", "x".repeat(100))).collect();
        log.bytes(format!("{}\n", lines.join("\n")).as_bytes());
        lines.into_iter().for_each(|line| log.remember(line));
    };
    flood(&mut log, 0..50_000);
    let written: usize = log.written().iter().map(|line| line.len() + 1).sum();
    let all = eventually("all of it is known", || {
        let all = samples(&agent);
        let sum = all["sidetail_log_read_bytes_total{log=\"app\"}"] + all["sidetail_log_passed_bytes_total{log=\"app\"}"];
        (sum == written as f64).then_some(all)
    });
    assert!(all["sidetail_log_passed_bytes_total{log=\"app\"}"] > 0.0);
    assert!(all["sidetail_log_read_records_total{log=\"app\"}"] < log.written().len() as f64);
    assert_eq!(agent.lines("/events?tail=3&follow=false"), log.written()[log.written().len() - 3..]);
    assert_eq!(agent.lines(&format!("/events?after={cursor}&follow=false")), log.written()[10..]);
    // Whoever reads gets what comes, and then all is read.
    let mut stream = agent.stream("/events");
    let passed = samples(&agent)["sidetail_log_passed_bytes_total{log=\"app\"}"];
    flood(&mut log, 50_000..100_000);
    log.written()[50_010..].iter().for_each(|line| assert_eq!(stream.record().data, *line));
    assert_eq!(samples(&agent)["sidetail_log_passed_bytes_total{log=\"app\"}"], passed);
}

#[test]
fn filtered_joined_and_shared_records_are_counted_as_those_that_were_given() {
    let world = World::new();
    let mut log = world.log("app.log");
    (0..100).for_each(|number| log.line(&format!("{} line {number}", if number % 10 == 0 { "keep" } else { "leave" })));
    let agent = world.agent(&["app=@/app.log"]);
    let before = samples(&agent)["sidetail_events_sent_total{event=\"record\"}"];
    assert_eq!(agent.lines("/events?from=start&follow=false&match=keep").len(), 10);
    assert_eq!(agent.lines("/events?from=start&follow=false&limit=5&data=json").len(), 5);
    assert_eq!(samples(&agent)["sidetail_events_sent_total{event=\"record\"}"] - before, 15.0);
}

#[test]
fn gaps_refusals_and_trouble_are_counted_by_reason() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    world.file("packed.log", flate2_of(b"nothing\n"));
    let agent = world.agent(&["app=@/app.log", "packed=@/packed.log", "--max-subscribers", "1"]);
    drop(agent.send(&get("/events?follow=false").header("Last-Event-ID", "nonsense")).body());
    for (target, status) in [("/events?tail=x", 400), ("/events?log=nobody", 404), ("/nowhere", 404)] {
        assert_eq!(agent.get(target).status(), status);
    }
    assert_eq!(agent.send(&get("/events").method("POST")).status(), 405);
    let _only = agent.stream("/events");
    assert_eq!(agent.get("/tail").status(), 503);
    assert_eq!(agent.get("/events").status(), 200, "busy, as an event");
    let all = samples(&agent);
    for (name, value) in [
        ("sidetail_gaps_sent_total{reason=\"bad-id\"}", 1.0),
        ("sidetail_streams_started_total{resume=\"gap\"}", 1.0),
        ("sidetail_refusals_total{reason=\"bad-request\"}", 1.0),
        ("sidetail_refusals_total{reason=\"not-found\"}", 2.0),
        ("sidetail_refusals_total{reason=\"method-not-allowed\"}", 1.0),
        ("sidetail_refusals_total{reason=\"busy\"}", 2.0),
        ("sidetail_log_error{log=\"packed\"}", 1.0),
        ("sidetail_log_error{log=\"app\"}", 0.0),
        ("sidetail_subscribers_max", 1.0),
        ("sidetail_ready", 1.0),
    ] {
        assert_eq!(all[name], value, "{name}");
    }
}

fn flate2_of(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("packing");
    encoder.finish().expect("packing")
}

#[test]
fn held_bytes_and_the_lag_of_a_client_that_does_not_read_are_shown() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let agent = world.agent(&["app=@/app.log"]);
    let _idle = agent.stream("/events");
    eventually("a stream at the end has no lag", || (samples(&agent)["sidetail_subscriber_lag_seconds"] == 0.0).then_some(()));
    let _slow = get("/events?from=start").connect(agent.address());
    (0..400).for_each(|_| log.line(&"x".repeat(100_000)));
    eventually("a lag", || (samples(&agent)["sidetail_subscriber_lag_seconds"] > 0.3).then_some(()));
    let size = fs::metadata(log.path()).expect("a file").len() as f64;
    fs::remove_file(log.path()).expect("removing");
    eventually("held bytes", || (samples(&agent)["sidetail_log_held_bytes{log=\"app\"}"] == size).then_some(()));
    eventually("no file", || (samples(&agent)["sidetail_log_present{log=\"app\"}"] == 0.0).then_some(()));
}

#[test]
fn alerts_are_sound_and_fire_as_their_tests_say() {
    tool("promtool", &["check", "rules", "packaging/prometheus/alerts.yml"], "");
    tool("promtool", &["test", "rules", "packaging/prometheus/alerts.test.yml"], "");
}

/// Alerts and dashboard name only metrics that there are, and the dashboard shows every one of them.
#[test]
fn alerts_and_dashboard_name_the_metrics_that_there_are() {
    let world = World::new();
    world.log("app.log").write(3);
    let agent = world.agent(&["app=@/app.log"]);
    let there: BTreeSet<String> =
        samples(&agent).into_keys().map(|name| name.split('{').next().expect("a name").to_owned()).collect();
    let name = Regex::new(r"\b(sidetail|process)_[a-z_]+\b").expect("a pattern");
    let named = |file: &str| {
        let text = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file");
        name.find_iter(&text).map(|found| found.as_str().to_owned()).collect::<BTreeSet<_>>()
    };
    let dashboard = named("packaging/grafana/dashboard.json");
    assert_eq!(named("packaging/prometheus/alerts.yml").difference(&there).count(), 0);
    assert_eq!(dashboard.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new());
    let unseen: Vec<_> = there.difference(&dashboard).filter(|name| !name.starts_with("process_")).collect();
    assert_eq!(unseen, Vec::<&String>::new());
}
