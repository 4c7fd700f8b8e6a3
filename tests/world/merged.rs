//! History of several logs: one order, by the times in the records.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::log::gzip;
use crate::harness::{Agent, Block, World, lines_of};

const EVERYTHING: &str = "/events?from=start&follow=false";
const RECORDS: usize = 300;

/// What time record `n` says.
fn time(n: usize) -> String {
    format!("2026-11-22T10:{:02}:{:02}.500Z", n / 60, n % 60)
}

/// Three logs whose records take turns without a pattern: one plain, one that was rotated and compressed, one of traces.
fn three_logs() -> (World, Agent, Vec<String>) {
    let world = World::new();
    let (mut logs, mut all) = ([String::new(), String::new(), String::new()], Vec::new());
    for n in 0..RECORDS {
        let log = (n * n / 7 + n / 3) % 3;
        let record = match log {
            0 if n % 5 == 0 => format!("{} INFO zero {n}\nwithout a time, so it belongs where it stands {n}", time(n)),
            2 if n % 4 == 0 => format!("{} ERROR two {n}\n    at Some.method(File.java:{n})", time(n)),
            _ => format!("{} INFO {log} {n}", time(n)),
        };
        logs[log].push_str(&format!("{record}\n"));
        // Of the plain log each line is a record.
        all.extend(if log == 0 { record.split('\n').map(str::to_owned).collect() } else { vec![record] });
        if log == 1 && n % 100 == 1 {
            world.file("one.log.1", &logs[1]);
            gzip(&world.path("one.log.1"));
            logs[1].clear();
        }
    }
    world.file("zero.log", &logs[0]);
    world.file("one.log", &logs[1]);
    world.file("two.log", &logs[2]);
    let path = world.path("two.log").display().to_string();
    world.file("sidetail.toml", format!("[[log]]\nname = \"two\"\npath = \"{path}\"\nmultiline = \"auto\"\n"));
    let agent = world.agent(&["--config", "@/sidetail.toml", "zero=@/zero.log", "one=@/one.log"]);
    (world, agent, all)
}

#[test]
fn history_of_several_logs_comes_in_the_order_of_the_times_in_their_records() {
    let (_world, agent, all) = three_logs();
    let lines = agent.lines(EVERYTHING);
    // The last record of a log of traces ends with the log.
    let last = |lines: &[String]| lines.iter().rev().take(5).cloned().collect::<BTreeSet<_>>();
    assert_eq!(lines[..lines.len() - 5], all[all.len() - lines.len()..all.len() - 5]);
    assert_eq!(last(&lines), last(&all));
}

#[test]
fn every_id_of_merged_history_resumes_with_exactly_what_is_missing() {
    let (_world, agent, _) = three_logs();
    let records = agent.events(EVERYTHING);
    for (place, record) in records.iter().enumerate().step_by(7) {
        let rest: BTreeSet<_> = agent.lines_after("/events?follow=false", record.id()).into_iter().collect();
        assert_eq!(rest, lines_of(&records[place + 1..]).into_iter().collect(), "after record {place}");
    }
}

#[test]
fn tail_of_several_logs_is_the_last_by_the_times_in_their_records() {
    let world = World::new();
    // The file that was written last has the older records.
    world.file("new.log", (0..50).map(|n| format!("{} new {n}\n", time(100 + n))).collect::<String>());
    world.file("old.log", (0..50).map(|n| format!("{} old {n}\n", time(n))).collect::<String>());
    let agent = world.agent(&["new=@/new.log", "old=@/old.log"]);
    let lines = agent.lines("/events?tail=60&follow=false");
    let expected: Vec<_> =
        (40..50).map(|n| format!("{} old {n}", time(n))).chain((0..50).map(|n| format!("{} new {n}", time(100 + n)))).collect();
    assert_eq!(lines, expected);
}

#[test]
fn of_records_that_are_too_long_there_are_no_more_than_were_asked_for_either() {
    let world = World::new();
    for name in ["a.log", "b.log"] {
        let mut log = world.log(name);
        log.line(&format!("{} {}", time(0), "x".repeat(300_000)));
        log.line(&format!("{} short", time(1)));
    }
    let agent = world.agent(&["@/*.log"]);
    for limit in 0..4 {
        assert_eq!(agent.events(&format!("/events?from=start&limit={limit}&follow=false")).len(), limit);
    }
}

#[test]
fn a_log_with_clocks_ahead_does_not_hold_back_what_comes_live() {
    let (world, agent, _) = three_logs();
    let mut stream = agent.stream("/events?from=start");
    stream.records(100);
    let mut late = crate::harness::Log::open(world.path("zero.log"));
    late.line("2001-01-01T00:00:00Z a clock that was never set");
    let mut early = crate::harness::Log::open(world.path("one.log"));
    early.line("2101-01-01T00:00:00Z a clock ahead");
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let line = stream.lines(1).remove(0);
        if line.contains("a clock") {
            seen.insert(line);
        }
    }
}

#[test]
fn a_gap_in_each_of_several_logs_is_told_where_it_is() {
    let world = World::new();
    let mut logs = ["a.log", "b.log", "c.log"].map(|name| world.log(name));
    let agent = world.agent(&["a=@/a.log", "b=@/b.log", "c=@/c.log"]);
    let mut written = Vec::new();
    for log in &mut logs {
        // Each truncation is uncertain: nothing can prove that no line came between the copy and the cut.
        for _ in 0..3 {
            written.extend(log.write(40));
            agent.logs();
            log.copytruncate();
            agent.logs();
        }
        written.extend(log.write(40));
    }
    let gaps_of = |blocks: &[Block]| {
        let gaps = blocks.iter().filter(|block| block.is("gap")).map(Block::json);
        gaps.map(|gap| gap["log"].as_str().expect("a log").to_owned()).fold(BTreeMap::new(), |mut counts, log| {
            *counts.entry(log).or_insert(0) += 1;
            counts
        })
    };
    let alone = ["a", "b", "c"].map(|name| gaps_of(&agent.events(&format!("{EVERYTHING}&log={name}"))));
    let blocks = agent.events(EVERYTHING);
    assert_eq!(gaps_of(&blocks), BTreeMap::from(["a", "b", "c"].map(|name| (name.to_owned(), 3))));
    assert_eq!(gaps_of(&blocks), alone.into_iter().flatten().collect());
    let came = |blocks: &[Block]| blocks.iter().filter(|block| block.is_record()).map(|block| block.data.clone()).collect();
    let (got, all): (BTreeSet<String>, BTreeSet<String>) = (came(&blocks), written.into_iter().collect());
    assert_eq!(got, all);
    // Whoever was cut off is told of just those gaps that came after.
    for (place, block) in blocks.iter().enumerate().step_by(23) {
        let rest = agent.rest_after("/events?follow=false", block.id());
        assert_eq!(gaps_of(&rest), gaps_of(&blocks[place + 1..]), "after block {place}");
        assert_eq!(came(&rest), came(&blocks[place + 1..]) as BTreeSet<String>, "after block {place}");
    }
}
