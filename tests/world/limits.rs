//! Near the limits of the system: descriptors, and what inotify gives. It says so, and what runs goes on.

use std::fs;
use std::process::Command;

use crate::harness::{Agent, Stream, World, eventually, get};

/// Time of processors that the agent has taken, in ticks.
fn ticks(agent: &Agent) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent.pid())).expect("a running agent");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")
}

/// Sets the limit of open files of a running agent.
fn limit(agent: &Agent, files: &str) {
    let status = Command::new("prlimit").args(["--pid", &agent.pid().to_string(), &format!("--nofile={files}")]).status();
    assert!(status.expect("prlimit").success());
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let world = World::new();
    let agent = world.setup(&["app=@/app.log"]).wrapped(&["prlimit", "--nofile=64:512"]).start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", agent.pid())).expect("its limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["512", "512"]);
    assert!(agent.get("/metrics").text().contains("process_max_fds 512\n"));
}

#[test]
fn where_descriptors_are_few_the_surplus_of_clients_is_sent_away_and_the_others_go_on() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let agent = world.setup(&["app=@/app.log"]).wrapped(&["prlimit", "--nofile=80:80"]).start();
    let warned = "the limit of open files allows fewer subscribers than max-subscribers";
    eventually("it says so at once", || agent.stderr().contains(warned).then_some(()));
    let mut streams: Vec<Stream> = Vec::new();
    let refused = loop {
        let response = agent.send(&get("/events").header("Accept", "application/x-ndjson"));
        if response.status() == 503 {
            break response;
        }
        drop(response);
        let others = || agent.get("/logs").json()["subscribers"].as_u64() == Some(streams.len() as u64);
        eventually("its place is free again", || others().then_some(()));
        streams.push(agent.stream("/events"));
        assert!(streams.len() < 80, "a refusal before descriptors are at an end");
    };
    assert!(refused.header("retry-after").is_some());
    assert!(streams.len() >= 10, "{}", streams.len());
    eventually("it says that", || agent.stderr().contains("clients are sent away").then_some(()));
    assert_eq!(agent.get("/livez").status(), 200);
    let lines = log.write(5);
    streams.iter_mut().for_each(|stream| stream.goes_on_with(&lines));
    assert!(!agent.stderr().contains("Too many open files"), "{}", agent.stderr());
}

#[test]
fn without_descriptors_for_new_connections_open_streams_go_on_and_it_does_not_spin() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    limit(&agent, "5:1024");
    let waiting = get("/version").connect(agent.address());
    let failures = || agent.stderr().matches("Too many open files").count();
    eventually("it says that it can't accept", || (failures() >= 1).then_some(()));
    let (before, failed) = (ticks(&agent), failures());
    let lines = log.write(5);
    stream.goes_on_with(&lines);
    eventually("it has tried again", || (failures() >= failed + 2).then_some(()));
    // A hundredth of a second each; a loop without a pause would take all of the second that went by.
    assert!(ticks(&agent) - before < 50, "it spins");
    limit(&agent, "1024:1024");
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut { waiting }, &mut answer).expect("the answer at last");
    assert_eq!(&answer, b"HTTP/1.1 200");
    let lines = log.write(5);
    stream.goes_on_with(&lines);
}

/// An agent in a user name space of its own in which `/proc/sys/user/NAME` is `value`.
fn with_inotify(world: &World, name: &str, value: u32, args: &[&str]) -> Agent {
    let set = format!("echo {value} > /proc/sys/user/{name} && exec \"$0\" \"$@\"");
    let setup = world.setup(&[args, &["--watch", "auto"]].concat()).watch_unsaid();
    setup.wrapped(&["unshare", "--user", "--map-root-user", "sh", "-c", &set]).start()
}

/// That lines come without notifications, and that it is told everywhere why.
fn polls_and_says_so(agent: &Agent, write: &mut dyn FnMut(&str), why: &str) {
    let mut stream = agent.stream("/events");
    for line in ["one", "two", "three"] {
        write(line);
        assert_eq!(stream.record().data, line);
    }
    let degraded = agent.get("/logs").json()["watch"]["degraded"].as_str().expect("a reason").to_owned();
    assert!(degraded.contains(why), "{degraded}");
    let metrics = agent.get("/metrics").text();
    assert!(metrics.contains("sidetail_watch_degraded 1\n"), "{metrics}");
    let said = agent.stderr();
    let told = said.lines().filter(|line| line.contains("what is not watched is polled")).collect::<Vec<_>>();
    assert!(told.len() == 1 && told[0].contains("WARN") && told[0].contains(why), "{said}");
}

#[test]
fn without_an_instance_of_inotify_it_polls_and_says_so() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = with_inotify(&world, "max_inotify_instances", 0, &["app=@/app.log"]);
    polls_and_says_so(&agent, &mut |line| log.line(line), "Too many open files");
    assert_eq!(agent.get("/logs").json()["watch"]["mode"], "poll");
    assert!(agent.get("/metrics").text().contains("sidetail_watch_mode{mode=\"poll\"} 1\n"));
}

#[test]
fn folders_for_which_inotify_has_no_watch_left_are_polled_and_it_says_so() {
    let world = World::new();
    let mut logs: Vec<_> = (0..4).map(|number| world.log(&format!("{number}/app.log"))).collect();
    let args: Vec<String> = (0..4).map(|number| format!("{number}=@/{number}/app.log")).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let agent = with_inotify(&world, "max_inotify_watches", 2, &args);
    let mut turn = 0;
    let mut write = |line: &str| {
        turn += 1;
        logs[turn % 4].line(line);
    };
    polls_and_says_so(&agent, &mut write, "watch limit");
    assert_eq!(agent.get("/logs").json()["watch"]["mode"], "notify", "some are watched");
}
