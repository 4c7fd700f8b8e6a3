//! Many readers of the same: what is written for one of them is given to the others, and each sees what it would see alone.

use std::fs::OpenOptions;
use std::thread;

use crate::harness::{Stream, World};

const LINES: usize = 60_000;
const LINES_PER_FILE: usize = 7_000;

/// The records of a stream up to the one that is `last`.
fn up_to(mut stream: Stream, last: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let block = stream.next().expect("the stream goes on");
        assert!(!block.is("gap"), "after {} lines: {block:?}", seen.len());
        if block.is_record() {
            let ends = block.data == last;
            seen.push(block.data);
            if ends {
                return seen;
            }
        }
    }
}

#[test]
fn many_readers_of_a_flood_that_rotates_see_every_line_of_their_filter_once_and_in_order() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let last = "the last line 7";
    let queries = ["/events", "/events?match=7$", "/events?exclude=[0-6]$&match=7$", "/events?data=line"];
    let streams: Vec<_> = (0..12).map(|number| (number, agent.stream(queries[number % 4]))).collect();
    thread::scope(|scope| {
        let readers: Vec<_> =
            streams.into_iter().map(|(number, stream)| (number, scope.spawn(move || up_to(stream, last)))).collect();
        for _ in 0..LINES / LINES_PER_FILE {
            log.write(LINES_PER_FILE);
            log.rotate();
        }
        log.line(last);
        let sevens: Vec<_> = log.written().iter().filter(|line| line.ends_with('7')).cloned().collect();
        for (number, reader) in readers {
            let seen = reader.join().expect("a reader that sees the last line");
            let expected = if number % 4 == 0 || number % 4 == 3 { log.written() } else { &sevens };
            let wrong = (0..expected.len().max(seen.len())).find(|&place| seen.get(place) != expected.get(place));
            assert_eq!(wrong, None, "reader {number} of {} lines, {} expected", seen.len(), expected.len());
        }
    });
}

#[test]
fn what_was_written_before_a_file_was_cut_back_is_given_to_nobody_after() {
    let world = World::new();
    let mut log = world.log("app.log");
    let lines = log.write(200);
    let agent = world.agent(&["app=@/app.log"]);
    let mut streams: Vec<_> = (0..5).map(|_| agent.stream("/events?from=start")).collect();
    for stream in &mut streams {
        assert_eq!(stream.lines(200), lines);
    }
    let kept: usize = lines[..150].iter().map(|line| line.len() + 1).sum();
    let file = OpenOptions::new().write(true).open(log.path()).expect("the log");
    file.set_len(kept as u64).expect("cutting it back");
    for stream in &mut streams {
        let gap = stream.next().expect("an event");
        assert!(gap.is("gap"), "{gap:?}");
    }
    let other: Vec<_> = (0..60).map(|number| format!("2026-11-22T11:00:00.{number:03}Z after the cut")).collect();
    for line in &other {
        log.line(line);
    }
    for stream in &mut streams {
        assert_eq!(stream.lines(60), other);
    }
}
