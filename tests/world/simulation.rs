//! Histories at random: what a writer, a rotation tool, an operator with `kill -9` and a client on a bad line may do, in
//! any order and without waiting for each other. Checked against what was written: every record once and in order.
//! `PROPTEST_CASES` sets how many histories; a failing one is shrunk.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use crate::harness::log::gzip;
use crate::harness::{Agent, Log, Stream, World};

/// How many histories are tried unless `PROPTEST_CASES` says so.
const HISTORIES: u32 = 48;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The writer appends so many lines.
    Append(usize),
    /// The writer writes half a line, and the rest of it when it writes again.
    Half,
    /// The log is rotated by renaming; the writer goes on in a new file.
    Rotate,
    /// The oldest plain rotated file, if it is not the newest one, is compressed.
    Compress,
    /// A second writer that did not notice the rotation appends so many lines to the file before.
    Late(usize),
    /// The agent is killed and started again.
    Restart,
    /// The client reads up to so many records that have been written.
    Read(usize),
    /// The client hangs up and comes back with the id of the last record that it read.
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..12).prop_map(Step::Append),
        1 => Just(Step::Half),
        3 => Just(Step::Rotate),
        1 => Just(Step::Compress),
        2 => (1usize..4).prop_map(Step::Late),
        1 => Just(Step::Restart),
        3 => (1usize..20).prop_map(Step::Read),
        2 => Just(Step::Reconnect),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Everything that takes part in a history.
struct History<'a> {
    world: &'a World,
    log: Log,
    /// The file before the present one, as a writer still has it open.
    before: Option<File>,
    half: Option<String>,
    late: BTreeSet<String>,
    agent: Agent,
    stream: Option<Stream>,
    /// What the client has read: the line, and the id it came with.
    seen: Vec<(String, String)>,
    hello: String,
    rotations: usize,
    /// Whether a file was rotated while it was empty. Such a file can be known by its inode only, which compressing it
    /// changes; that a late line in it may be missed then is told as a gap, and not tried here.
    rotated_empty: bool,
}

impl<'a> History<'a> {
    fn new(world: &'a World) -> Self {
        let log = world.log("app.log");
        let agent = world.agent(&["app=@/app.log", "--log-level", "debug"]);
        let stream = agent.stream("/events");
        let hello = stream.hello().id().to_owned();
        let (before, half, late, seen) = (None, None, BTreeSet::new(), Vec::new());
        History { world, log, before, half, late, agent, stream: Some(stream), seen, hello, rotations: 0, rotated_empty: false }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(count) => {
                self.complete();
                self.log.write(*count);
            }
            Step::Half => {
                self.complete();
                let line = format!("2026-11-22T11:00:00.{:03}Z half a line", self.written());
                self.log.bytes(&line.as_bytes()[..line.len() / 2]);
                self.half = Some(line);
            }
            Step::Rotate => {
                self.rotated_empty |= std::fs::metadata(self.log.path()).expect("a log").len() == 0;
                let mut old = self.log.move_away();
                if let Some(line) = self.half.take() {
                    old.write_all(&line.as_bytes()[line.len() / 2..]).and_then(|()| old.write_all(b"\n")).expect("the rest");
                    self.log.remember(line);
                }
                self.log.create_anew();
                self.before = Some(old);
                self.rotations += 1;
            }
            Step::Compress => {
                let oldest = (2..=self.rotations).rev().map(|number| self.world.path(&format!("app.log.{number}")));
                if let Some(path) = oldest.into_iter().find(|path| path.exists() && !self.rotated_empty) {
                    gzip(&path);
                }
            }
            Step::Late(count) => {
                let number = self.written();
                let Some(before) = &mut self.before else { return };
                for line in number..number + count {
                    let line = format!("2026-11-22T12:00:00.{line:03}Z a late line");
                    before.write_all(format!("{line}\n").as_bytes()).expect("a late line");
                    self.late.insert(line);
                }
            }
            Step::Restart => {
                self.stream = None;
                self.agent.restart();
            }
            Step::Read(count) => self.read((*count).min(self.written() - self.seen.len())),
            Step::Reconnect => self.stream = None,
        }
    }

    /// How many whole lines there are.
    fn written(&self) -> usize {
        self.log.written().len() + self.late.len()
    }

    fn complete(&mut self) {
        if let Some(line) = self.half.take() {
            self.log.bytes(&line.as_bytes()[line.len() / 2..]);
            self.log.bytes(b"\n");
            self.log.remember(line);
        }
    }

    fn read(&mut self, count: usize) {
        if self.stream.is_none() {
            let id = self.seen.last().map_or(&self.hello, |(_, id)| id);
            let stream = self.agent.resume("/events", id);
            assert_eq!(stream.resumed(), "exact", "back with {id}");
            self.stream = Some(stream);
        }
        for _ in 0..count {
            let stream = self.stream.as_mut().expect("it was opened just now");
            let block = loop {
                match stream.try_next() {
                    Ok(Some(block)) if block.is("gap") => panic!("a gap: {}", block.data),
                    Ok(Some(block)) if block.is_record() => break block,
                    Ok(Some(_)) => {}
                    end => panic!("{end:?}; {}", self.missing()),
                }
            };
            self.seen.push((block.data.clone(), block.id().to_owned()));
        }
    }

    /// What was written and not seen, and where it may be.
    fn missing(&self) -> String {
        let seen: BTreeSet<&String> = self.seen.iter().map(|(line, _)| line).collect();
        let written = self.log.written().iter().chain(&self.late);
        let missing: Vec<&String> = written.filter(|line| !seen.contains(line)).collect();
        let (last, files) = (self.seen.last(), self.world.listing());
        let logs = serde_json::Value::from(self.agent.logs());
        format!("missing {missing:?} after {last:?}, of {files:?}; {logs:#}; the agent said {}", self.agent.stderr())
    }

    /// Checks all that the client has seen, and what it would get from some of the ids on the way.
    fn check(mut self) -> Result<(), TestCaseError> {
        self.complete();
        self.read(self.written() - self.seen.len());
        let lines: Vec<&String> = self.seen.iter().map(|(line, _)| line).collect();
        let in_order: Vec<&String> = lines.iter().filter(|line| !self.late.contains(**line)).copied().collect();
        prop_assert_eq!(in_order, self.log.written().iter().collect::<Vec<_>>(), "the lines in order");
        let late: BTreeSet<String> = lines.iter().filter(|line| self.late.contains(**line)).map(|line| (*line).clone()).collect();
        prop_assert_eq!(late, self.late.clone(), "the late lines");
        for place in (0..self.seen.len()).step_by(1 + self.seen.len() / 7) {
            let rest: BTreeSet<String> = lines[place + 1..].iter().map(|line| (*line).clone()).collect();
            let again = self.agent.lines_after("/events?follow=false", &self.seen[place].1);
            prop_assert_eq!(again.len(), rest.len(), "twice, or missing, after {}", &self.seen[place].1);
            prop_assert_eq!(again.into_iter().collect::<BTreeSet<_>>(), rest, "after {}", &self.seen[place].1);
        }
        Ok(())
    }
}

#[test]
fn whatever_happens_every_record_comes_once_and_in_order() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(HISTORIES);
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    proptest!(config, |(steps in steps())| {
        let world = World::new();
        let mut history = History::new(&world);
        for step in &steps {
            history.take(step);
        }
        history.check()?;
    });
}
