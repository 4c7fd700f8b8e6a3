//! What a client asks for: `log`, `match`, `exclude`.

use crate::harness::{Agent, World};

fn one_log() -> (World, Agent) {
    let world = World::new();
    let mut log = world.log("app.log");
    for line in ["GET /a 200", "GET /b 500", "POST /a 500", "GET /a 500 retry", "put /A 200"] {
        log.line(line);
    }
    let agent = world.agent(&["app=@/app.log"]);
    (world, agent)
}

#[test]
fn filters_pass_what_all_matches_want_and_no_exclude_forbids() {
    let (_world, agent) = one_log();
    for (query, expected) in [
        ("match=500", vec!["GET /b 500", "POST /a 500", "GET /a 500 retry"]),
        ("grep=500", vec!["GET /b 500", "POST /a 500", "GET /a 500 retry"]),
        ("match=500&match=/a", vec!["POST /a 500", "GET /a 500 retry"]),
        ("match=500&grep=GET", vec!["GET /b 500", "GET /a 500 retry"]),
        ("match=%5EGET&exclude=500", vec!["GET /a 200"]),
        ("exclude=POST&exclude=retry&exclude=put", vec!["GET /a 200", "GET /b 500"]),
        ("match=500$", vec!["GET /b 500", "POST /a 500"]),
        ("match=(?i)%20/a%20200", vec!["GET /a 200", "put /A 200"]),
        ("match=GET+/a", vec!["GET /a 200", "GET /a 500 retry"]),
        ("match=nothing", vec![]),
    ] {
        assert_eq!(agent.lines(&format!("/events?from=start&follow=false&{query}")), expected, "{query}");
        let text = agent.get(&format!("/tail?from=start&follow=false&{query}")).text();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "/tail with {query}");
    }
}

#[test]
fn a_filter_sees_live_lines_too() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events?match=needle&exclude=blunt");
    for line in ["hay", "needle one", "blunt needle", "hay", "needle two"] {
        log.line(line);
    }
    assert_eq!(stream.lines(2), ["needle one", "needle two"]);
}

#[test]
fn an_id_resumes_under_another_filter_too() {
    let (_world, agent) = one_log();
    let errors = agent.events("/events?from=start&follow=false&match=500");
    assert_eq!(agent.lines_after("/events?follow=false&match=GET", errors[0].id()), ["GET /a 500 retry"]);
    assert_eq!(agent.lines_after("/events?follow=false", errors[2].id()), ["put /A 200"]);
}

#[test]
fn log_names_and_globs_choose_the_logs() {
    let world = World::new();
    for name in ["web/access.log", "web/error.log", "db.log"] {
        world.log(name).line(name);
    }
    let agent = world.agent(&["web=@/web/*.log", "db=@/db.log"]);
    for (query, expected) in [
        ("log=db", vec!["db.log"]),
        ("log=web/access.log", vec!["web/access.log"]),
        ("log=web/*", vec!["web/access.log", "web/error.log"]),
        ("log=*", vec!["db.log", "web/access.log", "web/error.log"]),
        ("log=db&log=web/err*", vec!["db.log", "web/error.log"]),
        ("log=web%2Ferror.log", vec!["web/error.log"]),
        ("data=line", vec!["db.log", "web/access.log", "web/error.log"]),
    ] {
        let mut lines = agent.lines(&format!("/events?from=start&follow=false&{query}"));
        lines.sort();
        assert_eq!(lines, expected, "{query}");
    }
}

#[test]
fn a_stream_over_some_logs_hears_nothing_of_the_others() {
    let world = World::new();
    let (mut a, mut b) = (world.log("a.log"), world.log("b.log"));
    let agent = world.agent(&["a=@/a.log", "b=@/b.log"]);
    let mut stream = agent.stream("/events?log=b");
    for _ in 0..5 {
        a.write(3);
        assert_eq!(b.write(1), stream.lines(1));
    }
}
