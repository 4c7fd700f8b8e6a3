//! While nothing is asked for.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::agent::set_mode;
use crate::harness::{Agent, Block, World, eventually};

/// How often the follower has slept.
fn naps(agent: &Agent) -> u64 {
    let is_follower = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "follow");
    // A thread has its name when it runs.
    let task = eventually("the follower's thread", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("its threads");
        tasks.map(|task| task.expect("a thread").path()).find(is_follower)
    });
    let status = fs::read_to_string(task.join("status")).expect("the agent runs");
    let told = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("how often it slept");
    told.trim().parse().expect("a number")
}

/// Waits until the follower looks at hardly anything: fewer than twenty times in a second.
fn comes_to_rest(agent: &Agent) {
    let mut last = (Instant::now(), naps(agent));
    eventually("the follower comes to rest", || {
        let (since, before) = last;
        if since.elapsed() < Duration::from_secs(1) {
            return None;
        }
        last = (Instant::now(), naps(agent));
        (((last.1 - before) as f64) < 20.0 * since.elapsed().as_secs_f64()).then_some(())
    });
}

/// Memory of files that the agent has mapped, its own code for the most part, in KiB.
fn mapped_kib(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("the agent runs");
    let told = status.lines().find_map(|line| line.strip_prefix("RssFile:")).expect("what it has mapped");
    told.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn the_code_that_starting_and_answering_took_is_given_back_and_comes_again() {
    let world = World::new();
    let written = world.log("app.log").write(3);
    let agent = world.agent(&["app=@/app.log"]);
    for _ in 0..2 {
        assert_eq!(agent.lines("/events?from=start&follow=false"), written);
        let busy = mapped_kib(&agent);
        eventually("less memory", || (mapped_kib(&agent) < busy * 3 / 4).then_some(()));
    }
}

#[test]
fn a_log_without_a_folder_is_looked_at_no_more_than_others_and_followed_when_it_comes() {
    let world = World::new();
    let agent = world.setup(&["app=@/not/yet/app.log", "--watch", "poll"]).watch_unsaid().start();
    comes_to_rest(&agent);
    let written = world.log("not/yet/app.log").write(3);
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(3), written);
    fs::remove_dir_all(world.path("not")).expect("removing it");
    comes_to_rest(&agent);
}

#[test]
fn a_folder_that_is_dated_in_the_future_is_left_alone_until_names_in_it_change() {
    let world = World::new();
    let mut log = world.log("logs/app.log");
    log.write(3);
    let agent = world.setup(&["app=@/logs/app.log", "--watch", "poll"]).watch_unsaid().start();
    let ahead = || {
        let folder = File::open(world.path("logs")).expect("the folder");
        folder.set_modified(SystemTime::now() + Duration::from_secs(3600)).expect("a time");
    };
    ahead();
    comes_to_rest(&agent);
    log.rotate();
    ahead();
    let mut written = log.written().to_vec();
    written.extend(log.write(2));
    assert_eq!(agent.stream("/events?from=start").lines(5), written);
    comes_to_rest(&agent);
}

#[test]
fn what_can_never_be_read_is_tried_now_and_then_and_read_when_it_can_be() {
    let world = World::new();
    let written = world.log("app.log").write(3);
    let path = world.file("app.log.1", "older\n");
    set_mode(&world.path("app.log"), 0o000);
    set_mode(&path, 0o000);
    let agent = world.setup(&["app=@/app.log", "--watch", "poll"]).watch_unsaid().bound_by_file_modes().start();
    comes_to_rest(&agent);
    set_mode(&world.path("app.log"), 0o644);
    set_mode(&path, 0o644);
    let expected: Vec<String> = std::iter::once("older".to_owned()).chain(written).collect();
    eventually("all is read", || {
        let events = agent.events("/events?from=start&follow=false");
        events.into_iter().filter(Block::is_record).map(|event| event.data).eq(expected.iter().cloned()).then_some(())
    });
}
