//! Rules of the config file: lines become named events, are dropped, lose their secrets.

use crate::harness::{Agent, Log, World};

const EVERYTHING: &str = "/events?from=start&follow=false";

const RULES: &str = r#"
[[log]]
name = "app"
path = "FOLDER/app.log"

[[drop]]
match = 'GET /healthz'

[[redact]]
match = '(password|token)=\S+'
with = '$1=***'

[[event]]
name = "update"
match = 'price (?P<symbol>[A-Z]+) (?P<price>[0-9.]+)(?: (?P<final>true|false))?'
data = "captures"

[[event]]
name = "login"
match = '^login '
"#;

fn started() -> (World, Log, Agent) {
    let world = World::new();
    world.file("sidetail.toml", RULES.replace("FOLDER", world.folder().to_str().unwrap()));
    let log = world.log("app.log");
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    (world, log, agent)
}

#[test]
fn a_line_that_a_rule_names_is_an_event_of_that_name_with_its_captures() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream("/events");
    log.line("price ACME 150.25");
    log.line("no rule says anything");
    log.line("price X 007 true");
    let records = stream.records(3);
    assert!(records[0].is("update"));
    assert_eq!(records[0].data.replace(' ', ""), r#"{"symbol":"ACME","price":150.25}"#);
    assert_eq!((&records[1].event, records[1].data.as_str()), (&None, "no rule says anything"));
    assert!(records[2].is("update"));
    assert_eq!(records[2].json()["price"], "007", "a number with leading zeros is none");
    assert_eq!(records[2].json()["final"], true);
}

#[test]
fn a_rule_without_captures_gives_the_line_a_name() {
    let (_world, mut log, agent) = started();
    log.line("login alice");
    let records = agent.events(EVERYTHING);
    assert!(records[0].is("login"));
    assert_eq!(records[0].data, "login alice");
}

#[test]
fn event_asks_for_events_of_some_names_only() {
    let (_world, mut log, agent) = started();
    for line in ["price A 1", "login bob", "other", "price B 2"] {
        log.line(line);
    }
    let names = |query: &str| -> Vec<_> {
        agent.events(&format!("{EVERYTHING}&{query}")).into_iter().map(|record| record.event.expect("a name")).collect()
    };
    assert_eq!(names("event=update"), ["update", "update"]);
    assert_eq!(names("event=update&event=login"), ["update", "login", "update"]);
}

#[test]
fn a_dropped_line_never_leaves_the_agent() {
    let (_world, mut log, agent) = started();
    for line in ["GET / 200", "GET /healthz 200", "GET /a 200"] {
        log.line(line);
    }
    assert_eq!(agent.lines(EVERYTHING), ["GET / 200", "GET /a 200"]);
    assert_eq!(agent.lines("/events?tail=2&follow=false"), ["GET / 200", "GET /a 200"]);
    for target in ["/tail?from=start&follow=false", "/events?format=ndjson&from=start&follow=false"] {
        assert!(!agent.get(target).text().contains("healthz"), "{target}");
    }
}

#[test]
fn a_secret_is_redacted_in_every_kind_of_payload() {
    let (_world, mut log, agent) = started();
    log.line("user=a password=hunter2 token=hunter2 x");
    log.line("price ACME 1 password=hunter2");
    assert_eq!(agent.lines(&format!("{EVERYTHING}&match=user")), ["user=a password=*** token=*** x"]);
    for target in [
        EVERYTHING.to_owned(),
        format!("{EVERYTHING}&data=json"),
        format!("{EVERYTHING}&format=ndjson"),
        format!("{EVERYTHING}&format=text"),
    ] {
        let text = agent.get(&target).text();
        assert!(text.contains("password=***") && !text.contains("hunter2"), "{target}: {text}");
    }
}

#[test]
fn a_filter_cannot_be_used_to_guess_a_secret() {
    let (_world, mut log, agent) = started();
    log.line("user=a password=hunter2");
    assert_eq!(agent.lines(&format!("{EVERYTHING}&match=hunter")), [""; 0]);
}

#[test]
fn a_record_object_says_the_event_and_its_fields() {
    let (_world, mut log, agent) = started();
    log.line("price ACME 150.25");
    let object = agent.events(&format!("{EVERYTHING}&data=json"))[0].json();
    assert_eq!(object["event"], "update");
    assert_eq!(object["line"], "price ACME 150.25");
    assert_eq!(object["fields"], serde_json::json!({"symbol": "ACME", "price": 150.25}));
}

#[test]
fn ids_do_not_depend_on_the_rules() {
    let (world, mut log, agent) = started();
    for line in ["price A 1", "login bob", "password=x", "other"] {
        log.line(line);
    }
    let ids = |agent: &Agent| -> Vec<_> { agent.events(EVERYTHING).into_iter().map(|record| record.id).collect() };
    assert_eq!(ids(&agent), ids(&world.agent(&["app=@/app.log"])));
}
