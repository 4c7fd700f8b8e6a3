//! SIGHUP: the config is read again while streams go on.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::tools::tool;
use crate::harness::{Agent, Block, World, eventually, get, lines_of};

const TAKEN: &str = "the config was read again";
const REFUSED: &str = "everything stays as it was";

/// A config with these logs, and `rest` in front.
fn write(world: &World, rest: &str, logs: &[&str]) {
    let at = |log: &&str| format!("[[log]]\nname = \"{log}\"\npath = \"{}\"\n", world.path(&format!("{log}.log")).display());
    world.file("sidetail.toml", format!("{rest}\n{}", logs.iter().map(at).collect::<String>()));
}

fn start(world: &World, more: &[&str]) -> Agent {
    world.agent(&[&["--config", "@/sidetail.toml"], more].concat())
}

/// Sends SIGHUP and waits until the agent says `word` once more.
fn hup(agent: &Agent, word: &str) {
    let count = || agent.stderr().matches(word).count();
    let before = count();
    agent.signal("HUP");
    eventually(word, || (count() > before).then_some(()));
}

fn data(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().filter(|block| block.is_record()).map(|block| block.data.as_str()).collect()
}

#[test]
fn streams_go_on_over_many_reloads_with_nothing_lost_or_doubled() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(10);
    let configs = [
        "",
        "hot-tail = \"0B\"",
        "max-line = \"512KiB\"\n[[event]]\nname = \"all\"\nmatch = 'line'\n",
        "[[drop]]\nmatch = 'nothing of this kind'\n[[redact]]\nmatch = 'nor of this'\n",
    ];
    write(&world, configs[0], &["app", "other"]);
    let agent = start(&world, &[]);
    let targets =
        ["/events?log=app", "/events?log=app", "/events", "/events?match=INFO&data=json", "/events?log=a*&notices=true"];
    let streams = targets.map(|target| agent.stream(target));
    let done = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                count += log.write(20).len();
                if count % 10_000 == 0 {
                    log.rotate();
                }
                thread::yield_now();
            }
            log.line("2026 the end");
            log
        });
        for round in 0..12 {
            let layout = if round % 3 == 2 { "multiline = { start = '^2026' }\n" } else { "" };
            write(&world, configs[round % configs.len()], &["app", "other"]);
            let config = fs::read_to_string(world.path("sidetail.toml")).expect("the config");
            world.file("sidetail.toml", config.replacen("[[log]]\n", &format!("[[log]]\n{layout}"), 1));
            hup(&agent, TAKEN);
        }
        done.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    });
    let expected = &written.written()[10..];
    for (target, mut stream) in targets.into_iter().zip(streams) {
        let filtered = target.contains("match");
        let last = if filtered { &expected[expected.len() - 2] } else { &expected[expected.len() - 1] };
        let mut got = Vec::new();
        while got.last() != Some(last) {
            let block = stream.next().expect("no end");
            assert!(!block.is("gap"), "{target}: {block:?}");
            if block.event.as_deref().is_none_or(|event| event == "all" || event == "message") {
                let data: Result<serde_json::Value, _> = serde_json::from_str(&block.data);
                got.push(data.map_or(block.data.clone(), |data| data["line"].as_str().expect("a line").to_owned()));
            }
        }
        let count = if filtered { expected.len() - 1 } else { expected.len() };
        let odd = got.iter().zip(expected).position(|(got, expected)| got != expected);
        assert_eq!((odd, got.len()), (None, count), "{target}: {:?}", odd.map(|odd| &got[odd]));
    }
}

#[test]
fn rules_hold_for_open_streams_at_once_and_ids_stay_good() {
    let world = World::new();
    let mut log = world.log("app.log");
    write(&world, "", &["app"]);
    let agent = start(&world, &[]);
    let mut stream = agent.stream("/events");
    log.line("pin=1234 before");
    let before = stream.record();
    assert_eq!(before.data, "pin=1234 before");
    write(&world, "[[redact]]\nmatch = 'pin=\\S+'\nwith = 'pin=*'\n[[drop]]\nmatch = 'noise'\n", &["app"]);
    hup(&agent, TAKEN);
    log.line("noise");
    log.line("pin=1234 after");
    assert_eq!(stream.record().data, "pin=* after");
    let after = agent.rest_after("/events?follow=false", before.id());
    assert_eq!(data(&after), ["pin=* after"]);
}

#[test]
fn logs_come_and_go_and_open_streams_hear_of_it() {
    let world = World::new();
    let (mut app, mut late) = (world.log("app.log"), world.log("late.log"));
    app.write(3);
    late.write(3);
    write(&world, "", &["app"]);
    let agent = start(&world, &[]);
    let (mut all, mut named) = (agent.stream("/events"), agent.stream("/events?log=app"));
    write(&world, "", &["app", "late"]);
    hup(&agent, TAKEN);
    assert_eq!(agent.log_names(), ["app", "late"]);
    assert_eq!(agent.lines("/events?log=late&from=start&follow=false").len(), 3);
    // What stood there before the log was added is no news to streams that were open.
    late.line("news");
    assert_eq!(all.record().data, "news");
    write(&world, "", &["late"]);
    hup(&agent, TAKEN);
    assert_eq!(agent.log_names(), ["late"]);
    for stream in [&mut all, &mut named] {
        let gap = stream.next().expect("no end");
        assert!(gap.is("gap") && gap.data.contains(r#""reason":"unknown-log","log":"app""#), "{gap:?}");
        assert!(gap.data.contains(r#""certain":false"#), "{gap:?}");
    }
    app.line("nobody hears this");
    late.line("more news");
    let news = all.record();
    assert_eq!(news.data, "more news");
    late.line("and more");
    assert_eq!(lines_of(&agent.rest_after("/events?follow=false", news.id())), ["and more"]);
    write(&world, "", &["app", "late"]);
    hup(&agent, TAKEN);
    app.line("back again");
    assert_eq!(named.record().data, "back again");
    assert_eq!(all.record().data, "and more");
    assert_eq!(all.record().data, "back again");
}

#[test]
fn a_log_of_the_same_name_elsewhere_is_another_one() {
    let world = World::new();
    let (mut here, mut there) = (world.log("here.log"), world.log("there.log"));
    here.write(1);
    there.write(1);
    let config = |path: &str| format!("[[log]]\nname = \"app\"\npath = \"{}\"\n", world.path(path).display());
    world.file("sidetail.toml", config("here.log"));
    let agent = start(&world, &[]);
    let mut stream = agent.stream("/events?log=app");
    here.line("here");
    assert_eq!(stream.record().data, "here");
    world.file("sidetail.toml", config("there.log"));
    hup(&agent, TAKEN);
    assert!(stream.next().expect("no end").is("gap"));
    there.line("there");
    assert_eq!(stream.record().data, "there");
    // Another pattern that means the same log changes nothing for it.
    world.file(
        "sidetail.toml",
        format!("[[log]]\nname = \"app\"\npath = \"{}\"\nrotated = \"/tmp\"\n", world.path("there.log").display()),
    );
    hup(&agent, TAKEN);
    there.line("still there");
    assert_eq!(stream.record().data, "still there");
}

#[test]
fn a_wrong_config_changes_nothing_and_is_told_with_file_line_and_key() {
    let world = World::new();
    let mut log = world.log("app.log");
    write(&world, "[[drop]]\nmatch = 'noise'\n", &["app"]);
    let agent = start(&world, &[]);
    let mut stream = agent.stream("/events");
    let good = || agent.get("/metrics").text().contains("sidetail_config_last_reload_successful 1\n");
    assert!(good());
    world.file("sidetail.toml", "listen = \"127.0.0.1:0\"\n[[drop]]\nmatch = 'a('\n");
    hup(&agent, REFUSED);
    let said = agent.stderr();
    let line = said.lines().find(|line| line.contains(REFUSED)).expect("a line");
    assert!(line.contains("sidetail.toml:3: drop.match: ") && line.contains("ERROR"), "{line}");
    assert!(!good());
    fs::remove_file(world.path("sidetail.toml")).expect("removing");
    hup(&agent, REFUSED);
    log.line("noise");
    log.line("signal");
    assert_eq!(stream.record().data, "signal");
    assert_eq!(agent.log_names(), ["app"]);
    write(&world, "", &["app"]);
    hup(&agent, TAKEN);
    log.line("noise");
    assert_eq!(stream.record().data, "noise");
    assert!(good());
}

#[test]
fn what_needs_a_restart_is_named_each_time_and_stays_and_the_rest_is_taken_over() {
    let world = World::new();
    world.log("app.log").write(1);
    world.file("tokens", "one\n");
    write(&world, "retry = \"4s\"\n", &["app"]);
    let agent = start(&world, &["--token-file", "@/tokens"]);
    let ask = |token: &str| get("/events").header("Authorization", &format!("Bearer {token}"));
    assert_eq!(agent.send(&ask("one")).status(), 200);
    world.file("tokens", "two\n");
    write(
        &world,
        "listen = \"127.0.0.1:1\"\nbase-path = \"/x\"\nmax-subscribers = 7\nretry = \"40s\"\nlog-level = \"debug\"\n",
        &["app"],
    );
    for round in 1..=2 {
        hup(&agent, TAKEN);
        let said = agent.stderr();
        let told = said.lines().filter(|line| line.contains("need a restart")).collect::<Vec<_>>();
        assert_eq!(told.len(), round, "{said}");
        assert!(told[0].contains("keys=\"base-path, max-subscribers\""), "{told:?}");
    }
    assert_eq!(agent.send(&ask("one")).status(), 401);
    let mut stream = crate::harness::Stream::open(agent.send(&ask("two")));
    assert!((20_000..=80_000).contains(&stream.hello().retry.expect("a retry")));
    world.log("app.log").line("news");
    assert_eq!(stream.record().data, "news");
    eventually("debug is spoken", || agent.stderr().contains("a stream begins").then_some(()));
    let check = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("restart          listen, base-path, watch"), "{said}");
}

#[test]
fn a_config_that_would_let_anybody_in_where_it_listens_changes_nothing() {
    let world = World::new();
    world.log("app.log").write(1);
    world.file("tokens", "one\n");
    let tokens = format!("token-file = \"{}\"\n", world.path("tokens").display());
    write(&world, &format!("listen = \"0.0.0.0:0\"\n{tokens}"), &["app"]);
    let agent = world.setup(&["--config", "@/sidetail.toml"]).listen_unsaid().start();
    // A start with it would be fine, but the socket stays.
    write(&world, "listen = \"127.0.0.1:0\"\n", &["app"]);
    hup(&agent, REFUSED);
    let said = agent.stderr();
    assert!(said.contains("listen: other machines may reach 0.0.0.0:"), "{said}");
    assert_eq!(agent.get("/logs").status(), 401);
    let good = |token: &str| {
        let metrics = agent.send(&get("/metrics").header("Authorization", &format!("Bearer {token}")));
        (metrics.status() == 200).then(|| metrics.text().contains("sidetail_config_last_reload_successful 1\n"))
    };
    assert_eq!(good("one"), Some(false));
    // Other tokens do not mend the config.
    world.file("tokens", "two\n");
    eventually("the other token holds", || agent.stderr().contains("certificates were read again").then_some(()));
    assert_eq!(good("two"), Some(false));
    write(&world, &tokens, &["app"]);
    hup(&agent, TAKEN);
    assert_eq!(good("two"), Some(true));
}

#[test]
fn how_far_links_may_lead_stays_for_logs_that_come_later_too() {
    let world = World::new();
    world.file("elsewhere/secret.log", "secret\n");
    fs::create_dir(world.path("logs")).expect("a folder");
    let logs = format!("[[log]]\npath = \"{}/*.log\"\n", world.path("logs").display());
    world.file("sidetail.toml", format!("follow-symlinks = \"inside\"\n{logs}"));
    let agent = start(&world, &[]);
    world.file("sidetail.toml", format!("follow-symlinks = \"any\"\n{logs}"));
    hup(&agent, "need a restart");
    std::os::unix::fs::symlink(world.path("elsewhere/secret.log"), world.path("logs/app.log")).expect("a link");
    world.file("logs/web.log", "web\n");
    agent.knows("web.log");
    assert_eq!(agent.lines("/events?from=start&follow=false"), ["web"]);
}

#[test]
fn a_renewed_certificate_is_shown_to_whoever_connects_next() {
    let world = World::new();
    let certify = || {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        world.file("cert.pem", certified.cert.pem());
        world.file("key.pem", certified.signing_key.serialize_pem());
        certified.cert.pem().replace('\r', "")
    };
    let first = certify();
    let agent = world.agent(&["app=@/app.log", "--tls-cert", "@/cert.pem", "--tls-key", "@/key.pem"]);
    let ask = format!("import ssl; print(ssl.get_server_certificate(('127.0.0.1', {})), end='')", agent.address().port());
    let shown = || tool("python3", &["-c", &ask], "");
    assert_eq!(shown(), first);
    let second = certify();
    hup(&agent, TAKEN);
    assert_eq!(shown(), second);
    world.file("key.pem", "nonsense");
    hup(&agent, REFUSED);
    assert_eq!(shown(), second);
}

#[test]
fn a_service_manager_hears_of_it_as_notify_reload_wants() {
    let world = World::new();
    world.log("app.log").write(1);
    write(&world, "", &["app"]);
    let socket = UnixDatagram::bind(world.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    let next = || {
        let mut message = [0; 1024];
        let length = socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let path = world.path("notify").display().to_string();
    let agent = world.setup(&["--config", "@/sidetail.toml"]).env("NOTIFY_SOCKET", &path).start();
    assert!(next().starts_with("READY=1\n"));
    for good in [true, false] {
        if !good {
            world.file("sidetail.toml", "nonsense");
        }
        hup(&agent, if good { TAKEN } else { REFUSED });
        let reloading = next();
        let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.lines().next()?.parse::<u64>().ok());
        assert!(at.is_some_and(|at| at > 0), "{reloading}");
        assert!(next().starts_with("READY=1\nSTATUS=following 1 log, "));
    }
}

#[test]
fn without_a_file_to_read_again_sighup_ends_it_as_it_ends_others() {
    let world = World::new();
    world.log("app.log").write(1);
    let mut agent = world.agent(&["app=@/app.log"]);
    let stream = agent.stream("/events");
    agent.signal("HUP");
    assert_eq!(stream.rest().len(), 0, "a clean end");
    assert!(agent.ended().success());
}
