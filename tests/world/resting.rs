//! While nothing is asked for.

use std::fs;

use crate::harness::{Agent, World, eventually};

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
