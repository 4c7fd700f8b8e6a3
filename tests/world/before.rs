//! Going back: `before=ID` with `tail=N`, through rotated and compressed files, filters, joined records, several logs.

use std::fs;

use crate::harness::log::gzip;
use crate::harness::{Agent, Block, Log, World, get, lines_of};

/// A log with `app.log.2`, compressed, `app.log.1` and `app.log`, of 5 lines each.
fn rotated() -> (World, Log) {
    let world = World::new();
    let mut log = world.log("app.log");
    for _ in 0..2 {
        log.write(5);
        log.rotate();
    }
    log.write(5);
    gzip(&world.path("app.log.2"));
    (world, log)
}

/// The id at which a stream starts, and its records.
fn before(agent: &Agent, query: &str, id: &str) -> (String, Vec<Block>) {
    let response = agent.get(&format!("/events?{query}&before={id}"));
    let cursor = response.header("sidetail-cursor").expect("it is found at once").to_owned();
    (cursor, crate::harness::Stream::open(response).rest())
}

#[test]
fn before_an_id_are_the_last_lines_up_to_it_however_the_file_was_rotated() {
    let (world, log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let all = agent.events("/events?from=start&follow=false");
    for (place, record) in all.iter().enumerate() {
        for count in [1, 3, 7, 100] {
            let (_, records) = before(&agent, &format!("tail={count}"), record.id());
            assert_eq!(lines_of(&records), log.written()[(place + 1).saturating_sub(count)..=place], "{count} before {place}");
            let ids: Vec<_> = records.iter().map(Block::id).collect();
            let own: Vec<_> = all[(place + 1).saturating_sub(count)..=place].iter().map(Block::id).collect();
            let own_position = |id: &str| id.split('~').next().map(str::to_owned);
            assert!(ids.iter().zip(own).all(|(id, own)| own_position(id) == own_position(own)), "the same ids");
        }
    }
}

#[test]
fn before_the_end_are_the_last_lines_that_there_are_and_what_comes_follows_their_id() {
    let (world, mut log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    for count in [3, 7, 100] {
        let (earlier, records) = before(&agent, &format!("tail={count}"), "end");
        assert_eq!(lines_of(&records), log.written()[15_usize.saturating_sub(count)..]);
        let (_, rest) = before(&agent, "tail=100", &earlier);
        assert_eq!(lines_of(&rest).len(), 15_usize.saturating_sub(count));
    }
    let (_, records) = before(&agent, "tail=1", "end");
    log.write(3);
    let after = agent.events(&format!("/events?after={}&follow=false", records[0].id()));
    assert_eq!(lines_of(&after), log.written()[15..]);
}

#[test]
fn pages_before_the_present_end_hold_every_line_once_and_stop_at_the_first() {
    let (world, log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let mut cursor = agent.get("/events?from=end&follow=false").header("sidetail-cursor").expect("a cursor").to_owned();
    let mut all: Vec<String> = Vec::new();
    loop {
        let (earlier, records) = before(&agent, "tail=4", &cursor);
        all.splice(0..0, lines_of(&records));
        if earlier == cursor {
            break;
        }
        cursor = earlier;
    }
    assert_eq!(all, log.written());
}

#[test]
fn only_lines_that_match_are_counted_back() {
    let (world, log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let end = agent.events("/events?tail=1&follow=false")[0].id().to_owned();
    let (_, records) = before(&agent, "tail=3&match=line%200000(00%7C03%7C06%7C09%7C12)", &end);
    assert_eq!(lines_of(&records), [6, 9, 12].map(|line: usize| log.written()[line].clone()));
}

#[test]
fn what_is_written_later_is_not_before_an_id() {
    let (world, mut log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let id = agent.events("/events?tail=1&follow=false")[0].id().to_owned();
    let had = log.written().to_vec();
    log.write(5);
    log.rotate();
    log.write(5);
    let (_, records) = before(&agent, "tail=100", &id);
    assert_eq!(lines_of(&records), had);
}

#[test]
fn records_of_several_lines_stay_whole() {
    let world = World::new();
    let text: String = (0..40).map(|n| format!("2026-11-22T10:00:{n:02}Z ERROR number {n}\n  at one\n  at two\n")).collect();
    world.file("app.log", text);
    let config = world
        .file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = {:?}\nmultiline = \"auto\"\n", world.path("app.log")));
    let agent = world.agent(&["--config", config.to_str().expect("UTF-8")]);
    let mut cursor = agent.get("/events?from=end&follow=false").header("sidetail-cursor").expect("a cursor").to_owned();
    let mut all: Vec<String> = Vec::new();
    loop {
        let (earlier, records) = before(&agent, "tail=7", &cursor);
        all.splice(0..0, lines_of(&records));
        if earlier == cursor {
            break;
        }
        cursor = earlier;
    }
    let expected: Vec<_> = (0..40).map(|n| format!("2026-11-22T10:00:{n:02}Z ERROR number {n}\n  at one\n  at two")).collect();
    assert_eq!(all, expected);
}

#[test]
fn several_logs_are_counted_back_together_by_the_times_of_their_records() {
    let world = World::new();
    let line = |second: usize, log: &str| format!("2026-11-22T10:00:{second:02}Z {log} {second}\n");
    world.file("a.log", (0..30).map(|n| line(2 * n, "a")).collect::<String>());
    world.file("b.log", (0..30).map(|n| line(2 * n + 1, "b")).collect::<String>());
    let agent = world.agent(&["@/*.log"]);
    let mut cursor = agent.get("/events?from=end&follow=false").header("sidetail-cursor").expect("a cursor").to_owned();
    for page in 1..=6 {
        let (earlier, records) = before(&agent, "tail=10", &cursor);
        let mut lines = lines_of(&records);
        lines.sort();
        let expected: Vec<_> = (60 - 10 * page..70 - 10 * page)
            .map(|second| line(second, if second % 2 == 0 { "a" } else { "b" }).trim_end().to_owned())
            .collect();
        assert_eq!(lines, expected, "page {page}");
        cursor = earlier;
    }
    assert_eq!(before(&agent, "tail=10", &cursor), (cursor, Vec::new()));
}

#[test]
fn of_no_records_at_all_none_come() {
    let (world, _log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let id = agent.events("/events?from=start&limit=7")[6].id().to_owned();
    for id in ["end", &id] {
        let (cursor, records) = before(&agent, "tail=0", id);
        assert_eq!(lines_of(&records), [""; 0]);
        assert_eq!(before(&agent, "tail=100", &cursor).1.len(), if id == "end" { 15 } else { 7 }, "nothing was skipped");
    }
}

#[test]
fn a_client_that_was_cut_off_gets_what_it_lacks_up_to_the_id_and_no_more() {
    let (world, log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let all = agent.events("/events?from=start&follow=false");
    let target = format!("/events?tail=6&before={}", all[9].id());
    for (had, expected) in [(5, &log.written()[6..10]), (9, &[][..]), (12, &[][..])] {
        let response = agent.send(&get(&target).header("Last-Event-ID", all[had].id()));
        assert_eq!(response.status(), if expected.is_empty() { 204 } else { 200 }, "an EventSource stops at 204");
        assert_eq!(lines_of(&crate::harness::sse::Parser::default().feed(&response.body())), expected, "behind {had}");
    }
    let response = agent.send(&get("/events?tail=6&before=nonsense").header("Last-Event-ID", all[5].id()));
    assert!(crate::harness::Stream::open(response).rest().iter().any(|block| block.is("gap")));
}

#[test]
fn a_place_that_is_gone_is_told_as_a_gap() {
    let (world, _log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let id = agent.events("/events?from=start&limit=2")[1].id().to_owned();
    fs::remove_file(world.path("app.log.2.gz")).expect("it is there");
    let response = agent.get(&format!("/events?tail=5&before={id}"));
    let text = crate::harness::Stream::open(response).rest();
    assert!(text.iter().any(|block| block.is("gap")), "{text:?}");
    let nonsense = crate::harness::Stream::open(agent.get("/events?tail=5&before=nonsense")).rest();
    assert!(nonsense.iter().any(|block| block.is("gap")), "{nonsense:?}");
}

#[test]
fn a_download_is_a_file_with_a_name() {
    let (world, log) = rotated();
    let agent = world.agent(&["app=@/app.log"]);
    let response = agent.send(&get("/tail?from=start&follow=false&download=app-errors.log"));
    assert_eq!(response.header("content-disposition"), Some("attachment; filename=\"app-errors.log\""));
    assert_eq!(response.text().lines().collect::<Vec<_>>(), log.written());
}
