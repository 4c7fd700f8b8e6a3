//! Rotation by copytruncate: what was copied is delivered once, from the file or from the copy, and what the truncation
//! may have destroyed is told.

use crate::harness::{Agent, Log, Stream, World};

fn started() -> (World, Log, Agent) {
    let world = World::new();
    let log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    (world, log, agent)
}

/// Reads `lines` from `stream`, over uncertain gaps for a truncation, and gives how many there were.
fn goes_on_with(stream: &mut Stream, lines: &[String]) -> usize {
    let mut gaps = 0;
    for line in lines {
        let block = loop {
            let block = stream.next().expect("a record");
            if !block.is("gap") {
                break block;
            }
            let gap = block.json();
            assert!(gap["reason"] == "truncated" && gap["certain"] == false, "{gap}");
            gaps += 1;
        };
        assert_eq!(&block.data, line);
    }
    gaps
}

#[test]
fn what_was_copied_before_the_truncation_is_read_from_the_copy() {
    let (_world, mut log, agent) = started();
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(3));
    agent.signal("STOP");
    let mut lines = log.write(20);
    log.copytruncate();
    lines.extend(log.write(5));
    agent.signal("CONT");
    assert_eq!(goes_on_with(&mut stream, &lines), 1);
}

#[test]
fn lives_that_began_and_ended_between_two_looks_are_read_from_their_copies() {
    for before in [0, 3] {
        let (_world, mut log, agent) = started();
        let mut stream = agent.stream("/events?notices=true");
        while !stream.next().expect("an event").is("live") {}
        let seen = log.write(before);
        stream.goes_on_with(&seen);
        if before > 0 {
            log.copytruncate();
        }
        // The agent looks at the empty file, and sees nothing else of two lives.
        agent.logs();
        agent.signal("STOP");
        let mut lines = log.write(4);
        log.copytruncate();
        lines.extend(log.write(6));
        log.copytruncate();
        lines.extend(log.write(2));
        agent.signal("CONT");
        let mut got = Vec::new();
        while got.len() < lines.len() {
            let block = stream.next().expect("an event");
            got.extend(block.is_record().then_some(block.data));
        }
        assert_eq!(got, lines);
    }
}
