//! Wrong questions get an answer that helps: one sentence that names what is wrong, as problem JSON (RFC 9457).

use crate::harness::{Agent, World, get};

fn one_log() -> (World, Agent) {
    let world = World::new();
    world.log("app.log").write(3);
    world.log("other.log").write(3);
    let agent = world.agent(&["app=@/app.log", "other=@/other.log"]);
    (world, agent)
}

fn assert_problem(agent: &Agent, target: &str, status: u16, names: &[&str]) {
    let response = agent.get(target);
    assert_eq!(response.status(), status, "{target}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{target}");
    let problem = response.json();
    assert_eq!(problem["status"], status, "{problem}");
    let detail = problem["detail"].as_str().or(problem["title"].as_str()).expect("a sentence").to_owned();
    assert!(detail.contains(' '), "{detail:?} is no sentence");
    for name in names {
        assert!(detail.contains(name), "{target}: {detail:?} does not name {name}");
    }
}

#[test]
fn a_wrong_parameter_is_refused_with_a_sentence_that_names_it() {
    let (_world, agent) = one_log();
    for (query, name) in [
        ("tail=many", "tail"),
        ("tail=-1", "tail"),
        ("tail=99999999999999999999999", "tail"),
        ("limit=x", "limit"),
        ("follow=perhaps", "follow"),
        ("from=middle", "from"),
        ("match=(", "match"),
        ("grep=%5Bz", "grep"),
        ("exclude=*", "exclude"),
        ("data=xml", "data"),
        ("format=xml", "format"),
        ("notices=perhaps", "notices"),
        ("nope=1", "nope"),
        ("tial=5", "tial"),
    ] {
        for path in ["/events", "/tail"] {
            assert_problem(&agent, &format!("{path}?{query}"), 400, &[name]);
        }
    }
}

#[test]
fn start_parameters_may_not_be_combined() {
    let (_world, agent) = one_log();
    assert_problem(&agent, "/events?from=start&tail=3", 400, &["from", "tail"]);
    assert_problem(&agent, "/tail?from=end&tail=3", 400, &["from", "tail"]);
}

#[test]
fn a_parameter_that_may_stand_once_is_refused_twice() {
    let (_world, agent) = one_log();
    assert_problem(&agent, "/events?tail=3&tail=4", 400, &["tail"]);
}

#[test]
fn an_unknown_log_is_not_found_and_named() {
    let (_world, agent) = one_log();
    for name in ["nope", "app.logs", "../app", "nope*"] {
        assert_problem(&agent, &format!("/events?log={name}"), 404, &[name]);
    }
    assert_problem(&agent, "/events?log=app&log=nope", 404, &["nope"]);
}

#[test]
fn a_bare_offset_needs_one_log() {
    let (_world, agent) = one_log();
    assert_problem(&agent, "/events?after=10", 400, &["after"]);
    assert_eq!(agent.get("/events?after=10&log=app").status(), 200);
}

#[test]
fn a_pattern_from_outside_cannot_eat_the_memory() {
    let (_world, agent) = one_log();
    assert_problem(&agent, "/events?match=(a%7B999%7D)%7B999%7D%7B999%7D", 400, &["match"]);
    assert_eq!(agent.get("/healthz").status(), 200);
}

#[test]
fn an_unknown_address_is_not_found() {
    let (_world, agent) = one_log();
    for path in ["/event", "/events/x", "/logs/app", "/../etc/passwd"] {
        assert_eq!(agent.get(path).status(), 404, "{path}");
    }
}

#[test]
fn a_broken_request_does_not_disturb_the_next_one() {
    use std::io::{Read, Write};
    let (_world, agent) = one_log();
    for nonsense in ["\r\n\r\nnonsense\r\n\r\n", "GET /events HTTP/9.9\r\n\r\n", "GET\0 / HTTP/1.1\r\n\r\n"] {
        let mut socket = std::net::TcpStream::connect(agent.address()).unwrap();
        socket.write_all(nonsense.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{nonsense:?} gave {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(agent.send(&get("/events?from=start&follow=false&log=app")).status(), 200);
}
