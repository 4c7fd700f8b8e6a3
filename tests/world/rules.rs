//! Rules of the config file: lines become named events, are dropped, lose their secrets.

use crate::harness::{Agent, Block, Log, World, lines_of};

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
    let response = agent.get("/events?event=update,login");
    assert_eq!(response.status(), 400);
    let said = response.text();
    assert!(said.contains("parameter event: \\\"update,login\\\" is no event name") && said.contains("repeat event="), "{said}");
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
fn a_secret_is_redacted_beside_bytes_that_are_no_utf_8_wherever_it_is_sent() {
    let world = World::new();
    let rule = "[[log]]\nname = \"app\"\npath = \"FOLDER/app.log\"\n[[redact]]\nmatch = 'password=\"[^\"]*\"'\nwith = '***'\n";
    world.file("sidetail.toml", rule.replace("FOLDER", world.folder().to_str().unwrap()));
    let mut log = world.log("app.log");
    log.bytes(b"before\nlogin password=\"hun\xe4ter2\" ok\nbehind\n");
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    for more in ["", "&data=json", "&format=ndjson", "&format=text", "&limit=3", "&match=.", "&tail"] {
        let target = if more == "&tail" { "/tail?tail=3&follow=false".to_owned() } else { format!("{EVERYTHING}{more}") };
        let text = agent.get(&target).text();
        assert!(text.contains("login *** ok") && !text.contains("hun"), "{target}: {text}");
    }
    assert_eq!(agent.lines(&format!("{EVERYTHING}&match=password")), [""; 0], "it can't be guessed either");
}

#[test]
fn no_byte_and_no_field_keeps_a_rule_from_being_asked() {
    let world = World::new();
    let rules = "[[log]]\nname = \"app\"\npath = \"FOLDER/app.log\"\n[[drop]]\nmatch = 'login .* pin'\n\
                 [[drop]]\nfields = { user = 'root' }\n[[event]]\nname = \"named\"\nmatch = 'by .* name'\n";
    world.file("sidetail.toml", rules.replace("FOLDER", world.folder().to_str().unwrap()));
    let mut log = world.log("app.log");
    log.bytes(
        b"{\"user\":\"ann\"}\nlogin J\xf6rg pin=1\n{\"user\":\"root\",\"m\":\"\\ud83d\"}\n{\"x\":1e999,\"user\":\"root\"}\n",
    );
    log.bytes(b"by J\xf6rg name\n");
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    for more in ["", "&data=json", "&format=ndjson", "&limit=9"] {
        let events = agent.get(&format!("{EVERYTHING}{more}")).text();
        assert!(events.contains("ann") && !events.contains("pin") && !events.contains("root"), "{more}: {events}");
        assert!(events.contains("named"), "{more}: {events}");
    }
}

#[test]
fn rules_say_the_same_of_a_long_line_live_and_later() {
    let world = World::new();
    let rules = "[[log]]\nname = \"app\"\npath = \"FOLDER/app.log\"\n[[drop]]\nmatch = 'far away'\n";
    world.file("sidetail.toml", rules.replace("FOLDER", world.folder().to_str().unwrap()));
    let mut log = world.log("app.log");
    let agent = world.agent(&["--config", "@/sidetail.toml", "--max-line", "16KiB"]);
    let mut live = agent.stream("/events");
    log.line(&format!("{}far away{}", "x".repeat(100_000), "y".repeat(100_000)));
    log.line("next");
    let (first, second) = (live.record(), live.record());
    let later = agent.events(EVERYTHING);
    let before = agent.events("/events?before=end&tail=2");
    for records in [&later, &before] {
        assert_eq!(records.iter().map(|record| &record.data).collect::<Vec<_>>(), [&first.data, &second.data]);
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

/// What the lines of the logs `app` and `web` become under `rules`, as record objects.
fn scoped(rules: &str) -> Vec<serde_json::Value> {
    let world = World::new();
    world.file("app.log", "{\"level\":\"debug\",\"msg\":\"noise\"}\n{\"level\":\"error\",\"user\":\"root\",\"code\":503}\n");
    world.file("web.log", "10:00 DEBUG noise\n10:01 ERROR secret no\n");
    let logs = ["app", "web"].map(|name| {
        let path = world.path(&format!("{name}.log"));
        format!("[[log]]\nname = \"{name}\"\npath = \"{}\"\n", path.display())
    });
    world.file("sidetail.toml", logs.concat() + rules);
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    agent.events("/events?from=start&follow=false&data=json").iter().map(crate::harness::Block::json).collect()
}

#[test]
fn a_rule_may_be_about_some_logs_levels_and_fields_only() {
    assert_eq!(scoped("[[drop]]\nmax_level = \"debug\"\n").len(), 2);
    let left = scoped("[[drop]]\nlog = \"web\"\nmatch = 'noise'\n");
    assert_eq!(left.iter().filter(|record| record["line"].to_string().contains("noise")).count(), 1);
    let named = |rules: &str| -> Vec<String> {
        scoped(rules).iter().filter(|record| record["event"] == "bad").map(|record| record["log"].to_string()).collect()
    };
    assert_eq!(named("[[event]]\nname = \"bad\"\nlevel = \"error\"\n").len(), 2);
    assert_eq!(named("[[event]]\nname = \"bad\"\nfields = { code = '^5', user = 'root' }\n"), ["\"app\""]);
    assert_eq!(named("[[event]]\nname = \"bad\"\nlog = [\"w*\"]\nlevel = \"warn\"\n"), ["\"web\""]);
    let redacted = scoped("[[redact]]\nlog = \"app\"\nmatch = 'noise|secret'\n");
    assert_eq!(redacted.iter().filter(|record| record["line"].to_string().contains("***")).count(), 1);
}

#[test]
fn a_rule_that_cannot_match_fails_the_check_with_file_line_and_key() {
    for (rule, expected) in [
        ("[[drop]]\nmatch = '('", "sidetail.toml:5: drop.match: the pattern \"(\" is no regular expression"),
        ("[[drop]]\nlog = \"wbe\"\nmatch = 'x'", "sidetail.toml:5: drop.log: there is no log \"wbe\"; there are: app"),
        ("[[event]]\nname = \"x\"\nlevel = \"loud\"", "sidetail.toml:6: event.level: \"loud\" is no level"),
        ("[[drop]]", "a rule needs match, log, level, max_level or fields"),
        ("[[drop]]\nmach = 'x'", "sidetail.toml:5"),
        (
            "[[drop]]\nmatch = 'a'\n[[drop]]\nmatch = 'x'\nlog = [\"v*\", \"w*\"]",
            "toml:8: drop.log: there is no log \"v*\"; there are: app",
        ),
        ("[[drop]]\nmatch = '[^\\s\\S]'", "sidetail.toml:5: drop.match: the pattern \"[^\\\\s\\\\S]\" matches nothing"),
        ("[[event]]\nname = \"x\"\nlevel = \"error\"\nmax_level = \"warn\"", "toml:4: event: no record is both error or above"),
        ("[[redact]]\nmatch = 'a(b)'\nwith = '$1x'", "toml:4: redact: with = \"$1x\" stands for the group \"1x\""),
        ("[[redact]]\nmatch = 'a(b)'\nwith = '${name}'", "stands for the group \"name\""),
        (
            "format = \"plain\"\n[[event]]\nname = \"x\"\nfields = { code = '^5' }",
            "toml:7: event.fields: records of format plain have no fields",
        ),
    ] {
        let world = World::new();
        world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"/x/app.log\"\n{rule}\n"));
        let output = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{rule}: {said}");
        assert!(said.contains(expected), "{rule}: {said}");
    }
}

#[test]
fn a_rule_that_may_match_passes_the_check() {
    for rules in [
        "[[drop]]\nmatch = 'x'\nlog = [\"app\", \"a*\", \"w*\"]\nlevel = \"warn\"\nmax_level = \"warn\"\n",
        "[[redact]]\nmatch = '(?P<key>a)(b)'\nwith = '$1${2}${key}$$1x $key'\n",
        "[[event]]\nname = \"x\"\nfields = { code = '^5' }\n",
    ] {
        let world = World::new();
        world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"/x/app.log\"\n{rules}\n"));
        let output = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
        assert!(output.status.success(), "{rules}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn check_says_how_the_lines_of_a_log_make_records() {
    let world = World::new();
    let layout = "format = \"json\"\nmultiline = { start = '^A' }\n[[log]]\npath = \"/x/b.log\"\n";
    world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"/x/app.log\"\n{layout}"));
    let output = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("/x/app.log  (1 log(s) now; format json, multiline start \"^A\")"), "{said}");
    assert!(said.contains("/x/b.log  (1 log(s) now; format auto)"), "{said}");
}

#[test]
fn test_rules_takes_rules_about_logs_that_only_the_command_line_names() {
    let world = World::new();
    world.file("sidetail.toml", "[[log]]\nname = \"web\"\npath = \"/x/web.log\"\n[[drop]]\nlog = \"app\"\nmatch = 'x'\n");
    let output = world.setup(&["test-rules", "--config", "@/sidetail.toml", "--log-name", "app"]).run_with("x\n");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\"dropped\":true"), "{output:?}");
    assert_eq!(world.setup(&["check", "--config", "@/sidetail.toml", "app=/x/app.log"]).run().status.code(), Some(0));
    assert_eq!(world.setup(&["check", "--config", "@/sidetail.toml"]).run().status.code(), Some(2));
}

#[test]
fn test_rules_needs_no_secrets_that_the_config_names() {
    let world = World::new();
    let secrets = "token-file = \"/x/tokens\"\ntls-cert = \"/x/cert.pem\"\ntls-key = \"/x/key.pem\"\n";
    world.file("sidetail.toml", format!("{secrets}[[log]]\npath = \"/x/app.log\"\n[[drop]]\nmatch = 'x'\n"));
    let output = world.setup(&["test-rules", "--config", "@/sidetail.toml"]).run_with("x\n");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\"dropped\":true"), "{output:?}");
    assert_eq!(world.setup(&["check", "--config", "@/sidetail.toml"]).run().status.code(), Some(2));
}

#[test]
fn test_rules_shows_what_each_line_becomes() {
    let world = World::new();
    let rules = "[[log]]\nname = \"app\"\npath = \"/x/app.log\"\nmultiline = \"auto\"\n[[drop]]\nmatch = 'healthz'\n\
                 [[redact]]\nmatch = 'pw=\\S+'\n[[event]]\nname = \"login\"\nmatch = 'user=(?P<user>\\w+)'\n";
    world.file("sidetail.toml", rules);
    let text = "10:00 INFO GET /healthz\n10:01 WARN user=ann pw=x\n10:02 ERROR no\n  at a\n";
    let output = world.setup(&["test-rules", "--config", "@/sidetail.toml"]).run_with(text);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Vec<serde_json::Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told.len(), 3);
    assert_eq!(told[0]["dropped"], true);
    assert_eq!((&told[1]["event"], &told[1]["fields"]["user"]), (&"login".into(), &"ann".into()));
    assert_eq!((&told[1]["line"], &told[1]["level"]), (&"10:01 WARN user=ann ***".into(), &"warn".into()));
    assert_eq!(told[2]["line"], "10:02 ERROR no\n  at a");
}

#[test]
fn a_rule_may_let_some_through_and_what_it_holds_back_is_counted_and_told() {
    let world = World::new();
    let rules = "[[log]]\nname = \"app\"\npath = \"FOLDER/app.log\"\n\
         [[drop]]\nmatch = 'healthz'\nkeep = \"1/10\"\n\
         [[event]]\nname = \"tick\"\nmatch = ' tick '\nkeep = \"2/m\"\n";
    world.file("sidetail.toml", rules.replace("FOLDER", world.folder().to_str().unwrap()));
    let mut log = world.log("app.log");
    for n in 0..300 {
        log.line(&format!("2026-11-22T10:{:02}:{:02}Z GET /healthz {n}", n / 60, n % 60));
        log.line(&format!("2026-11-22T10:{:02}:{:02}Z tick {n}", n / 60, n % 60));
    }
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    let everything = agent.stream(EVERYTHING).rest();
    let count = |what: &str| everything.iter().filter(|block| block.is_record() && block.data.contains(what)).count() as u64;
    assert_eq!(count(" tick "), 2 * 5, "the first two of each of five minutes");
    assert!((10..60).contains(&count("healthz")), "about one in ten: {}", count("healthz"));
    let last = everything.last().expect("something");
    assert!(last.is("pos"), "{last:?}");
    assert_eq!(last.json(), serde_json::json!({ "suppressed": { "drop": 300 - count("healthz"), "tick": 290 } }));
    let again = agent.lines(EVERYTHING);
    assert_eq!(again, everything.iter().filter(|block| block.is_record()).map(|block| block.data.clone()).collect::<Vec<_>>());
    let objects = agent.get("/events?follow=false&from=start&format=ndjson").text();
    let last: serde_json::Value = serde_json::from_str(objects.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["event"], &last["data"]["suppressed"]["tick"]), (&"pos".into(), &290.into()));
}

/// An agent whose rule lets two lines a second of each log through, on logs that write ten a second.
fn two_a_second(world: &World, logs: &[&str]) -> Agent {
    let tables = logs.iter().map(|log| {
        for number in 0..200 {
            let line = format!("2026-11-22T10:00:{:02}Z {log} {number}\n", number / 10 + number % 2);
            world.log(&format!("{log}.log")).bytes(line.as_bytes());
        }
        format!("[[log]]\nname = \"{log}\"\npath = \"{}\"\n", world.path(&format!("{log}.log")).display())
    });
    world.file("sidetail.toml", tables.collect::<String>() + "[[drop]]\nmatch = '.'\nkeep = \"2/s\"\n");
    world.agent(&["--config", "@/sidetail.toml"])
}

#[test]
fn so_many_a_second_are_the_same_wherever_a_stream_starts() {
    let world = World::new();
    let agent = two_a_second(&world, &["app"]);
    let lines = |blocks: Vec<Block>| lines_of(&blocks.into_iter().filter(Block::is_record).collect::<Vec<_>>());
    let records: Vec<Block> = agent.events(EVERYTHING).into_iter().filter(Block::is_record).collect();
    let all = lines_of(&records);
    assert_eq!(all.len(), 2 * 21, "two of each second, though times are a little out of order");
    for (place, record) in records.iter().enumerate() {
        assert_eq!(lines(agent.rest_after("/events?follow=false", record.id())), all[place + 1..], "after record {place}");
    }
    for count in [1, 2, 3, 5, 20] {
        for query in ["follow=false", "before=end"] {
            let told = lines(agent.events(&format!("/events?tail={count}&{query}")));
            assert_eq!(told, all[all.len() - count..], "tail={count}&{query}");
        }
    }
}

#[test]
fn lines_without_a_time_from_before_a_stream_do_not_count_as_written_now() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(0);
    for number in 0..300 {
        log.line(&format!("without a time {number}"));
    }
    let path = log.path().display().to_string();
    world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"{path}\"\n[[drop]]\nmatch = '.'\nkeep = \"5/h\"\n"));
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    let mut stream = agent.stream("/events");
    for number in 0..4 {
        log.line(&format!("live {number}"));
    }
    assert_eq!(stream.lines(4), ["live 0", "live 1", "live 2", "live 3"]);
    let told = agent.stream("/events?tail=3&follow=false").rest();
    assert_eq!(lines_of(&told.into_iter().filter(Block::is_record).collect::<Vec<_>>()), ["live 1", "live 2", "live 3"]);
}

#[test]
fn so_many_a_second_are_of_each_log() {
    let world = World::new();
    let agent = two_a_second(&world, &["app", "web"]);
    let of = |log: &str| {
        lines_of(
            &agent.stream(&format!("{EVERYTHING}&log={log}")).rest().into_iter().filter(Block::is_record).collect::<Vec<_>>(),
        )
    };
    let mut both = [of("app"), of("web")].concat();
    let mut together = of("*");
    both.sort();
    together.sort();
    assert_eq!(together, both);
}

#[test]
fn what_several_rules_hold_back_is_told_by_name_while_the_stream_goes_on_and_counted() {
    let world = World::new();
    let path = world.path("app.log");
    let rules = "[[drop]]\nname = \"probes\"\nmatch = 'healthz'\nkeep = \"1/h\"\n[[drop]]\nmatch = 'debug'\nkeep = \"1/h\"\n";
    world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"{}\"\n{rules}", path.display()));
    let mut log = world.log("app.log");
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    let mut stream = agent.stream("/events");
    for n in 0..5 {
        log.line(&format!("2026-11-22T10:00:0{n}Z GET /healthz"));
    }
    for n in 0..3 {
        log.line(&format!("2026-11-22T10:00:0{n}Z debug"));
    }
    let mut told = std::collections::BTreeMap::new();
    while told.values().sum::<u64>() < 6 {
        let block = stream.next().expect("the stream goes on");
        for (rule, count) in
            block.is("pos").then(|| block.json()).iter().filter_map(|pos| pos["suppressed"].as_object()).flatten()
        {
            *told.entry(rule.clone()).or_default() += count.as_u64().expect("a number");
        }
    }
    assert_eq!(told, [("probes".to_owned(), 4), ("drop".to_owned(), 2)].into());
    let metrics = agent.get("/metrics").text();
    for line in ["sidetail_suppressed_records_total{rule=\"probes\"} 4", "sidetail_suppressed_records_total{rule=\"drop\"} 2"] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
