//! One history: the files, the agent and the client, and the steps that they take.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use super::Step;
use super::model::{Got, Written};
use crate::harness::log::{gzip, gzip_with_date};
use crate::harness::{Agent, Log, Stream, World};

/// Everything that takes part in a history.
pub struct History<'a> {
    world: &'a World,
    log: Log,
    /// The file before the present one, as a writer still has it open.
    before: Option<File>,
    half: Option<String>,
    written: Written,
    agent: Agent,
    state: AgentState,
    stream: Option<Stream>,
    /// What the client got, each with its id.
    got: Vec<(Got, String)>,
    hello: String,
    rotations: usize,
    /// Whether a file was rotated while it was empty. Such a file can be known by its inode only, which compressing it
    /// changes; that a late line in it may be missed then is told as a gap, and not tried here.
    rotated_empty: bool,
    /// Whether a gap is right somewhere: bytes may have been destroyed that the client had not got.
    excused: bool,
    /// Whether a file was deleted, or is called otherwise than rotated files are.
    vanished: bool,
    /// The lines of the present life of the file.
    life: Vec<String>,
    /// Earlier lives that are in no file any more, or not whole.
    destroyed: Vec<Vec<String>>,
    /// Whether the agent surely holds the present file, and whether it has surely seen that something is in it. A life of
    /// which it saw nothing leaves no trace.
    known: Known,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Known {
    Nothing,
    File,
    Content,
}

#[derive(Clone, Copy, PartialEq)]
enum AgentState {
    Running,
    Frozen,
    Dead,
}

impl<'a> History<'a> {
    pub fn new(world: &'a World, linked: bool) -> Self {
        if linked {
            std::os::unix::fs::symlink(world.path("target-0"), world.path("app.log")).expect("a link");
        }
        let log = world.log("app.log");
        let agent = world.agent(&["app=@/app.log", "--log-level", "debug"]);
        let stream = agent.stream("/events");
        let hello = stream.hello().id().to_owned();
        History {
            world,
            log,
            before: None,
            half: None,
            written: Written::default(),
            agent,
            state: AgentState::Running,
            stream: Some(stream),
            got: Vec::new(),
            hello,
            rotations: 0,
            rotated_empty: false,
            excused: false,
            vanished: false,
            life: Vec::new(),
            destroyed: Vec::new(),
            known: Known::File,
        }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Append(count) => {
                self.complete();
                self.append(*count);
            }
            Step::Half => {
                self.complete();
                let line = format!("2026-11-22T11:00:00.{:03}Z half a line", self.count());
                self.log.bytes(&line.as_bytes()[..line.len() / 2]);
                self.half = Some(line);
            }
            Step::Rotate => self.rotate(),
            Step::Compress => {
                let oldest = (2..=self.rotations).rev().map(|number| self.world.path(&format!("app.log.{number}")));
                if let Some(path) = oldest.into_iter().find(|path| path.exists() && !self.rotated_empty) {
                    // Where nothing is copied the date does not matter.
                    if self.excused { gzip_with_date(&path) } else { gzip(&path) }
                }
            }
            Step::Late(count) => self.late(*count),
            Step::Copytruncate(count) => {
                self.complete();
                self.log.copy();
                self.append(*count);
                self.cut();
                self.rotations += 1;
            }
            Step::Truncate => {
                self.complete();
                self.cut();
            }
            Step::Recreate => {
                self.complete();
                self.leave();
                fs::remove_file(self.log.path()).expect("removing the log");
                self.log.create_anew();
            }
            Step::Switch => {
                self.complete();
                self.leave();
                let targets = self.world.listing().len();
                let (link, target) = (self.world.path("new-link"), self.world.path(&format!("target-{targets}")));
                std::os::unix::fs::symlink(target, &link).expect("a link");
                fs::rename(link, self.world.path("app.log")).expect("switching the link");
                self.log.create_anew();
            }
            Step::Freeze => {
                if self.state == AgentState::Running {
                    self.agent.signal("STOP");
                    self.state = AgentState::Frozen;
                }
            }
            Step::Kill => {
                self.stream = None;
                self.agent.kill();
                (self.state, self.known) = (AgentState::Dead, Known::Nothing);
                self.written.forgotten.append(&mut self.destroyed);
                self.excused |= self.vanished;
            }
            Step::Read(count) => {
                self.bring_back();
                let surely = self.missing().len();
                self.read((*count).min(surely));
            }
            Step::Reconnect => self.stream = None,
        }
    }

    fn append(&mut self, count: usize) {
        let lines: Vec<String> =
            (0..count).map(|line| format!("2026-11-22T10:00:00.{:06}Z a line", self.count() + line)).collect();
        for line in lines {
            self.log.bytes(format!("{line}\n").as_bytes());
            self.remember(line);
        }
    }

    fn remember(&mut self, line: String) {
        self.life.push(line.clone());
        self.written.lines.push(line);
    }

    fn rotate(&mut self) {
        self.rotated_empty |= fs::metadata(self.log.path()).expect("a log").len() == 0;
        let mut old = self.log.move_away();
        if let Some(line) = self.half.take() {
            old.write_all(&line.as_bytes()[line.len() / 2..]).and_then(|()| old.write_all(b"\n")).expect("the rest");
            self.remember(line);
        }
        self.log.create_anew();
        self.before = Some(old);
        self.rotations += 1;
        (self.life, self.known) = (Vec::new(), Known::Nothing);
    }

    fn late(&mut self, count: usize) {
        let number = self.count();
        let Some(before) = &mut self.before else { return };
        for line in number..number + count {
            let line = format!("2026-11-22T12:00:00.{line:03}Z a late line");
            before.write_all(format!("{line}\n").as_bytes()).expect("a late line");
            self.written.late.insert(line);
        }
    }

    fn cut(&mut self) {
        self.log.cut();
        self.excused = true;
        self.before = None;
        let life = std::mem::take(&mut self.life);
        if self.known < Known::Content {
            self.written.unknowable.extend(life);
        } else {
            self.destroyed.push(life);
        }
        (self.life, self.known) = (Vec::new(), if self.known < Known::File { Known::Nothing } else { Known::File });
    }

    /// The present file is left, and nobody who comes later can find it.
    fn leave(&mut self) {
        let life = std::mem::take(&mut self.life);
        // Whether anything was in a file that nobody saw nobody can know.
        self.excused |= self.known < Known::File;
        if self.known < Known::File {
            self.written.unknowable.extend(life);
        } else {
            self.destroyed.push(life);
        }
        (self.life, self.known) = (Vec::new(), Known::Nothing);
        self.vanished = true;
        self.before = None;
        // It may as well have been rotated twice, and deleted by retention.
        self.excused |= self.state != AgentState::Running || self.rotations > 0;
    }

    /// How many whole lines there are.
    fn count(&self) -> usize {
        self.written.lines.len() + self.written.late.len()
    }

    fn complete(&mut self) {
        if let Some(line) = self.half.take() {
            self.log.bytes(&line.as_bytes()[line.len() / 2..]);
            self.log.bytes(b"\n");
            self.remember(line);
        }
    }

    /// The agent runs again, and knows the present file.
    fn bring_back(&mut self) {
        match std::mem::replace(&mut self.state, AgentState::Running) {
            AgentState::Running => {}
            AgentState::Frozen => self.agent.signal("CONT"),
            AgentState::Dead => self.agent.restart(),
        }
        self.agent.logs();
        self.known = if self.life.is_empty() { Known::File } else { Known::Content };
    }

    /// The lines that are in a file of the log and that the client has not got.
    fn missing(&self) -> BTreeSet<String> {
        let had: BTreeSet<&String> = self.got.iter().filter_map(|(got, _)| got.line()).collect();
        self.in_files().into_iter().filter(|line| !had.contains(line)).collect()
    }

    /// The lines that are in a file of the log.
    fn in_files(&self) -> BTreeSet<String> {
        let names = self.world.listing().into_iter().filter(|name| name.starts_with("app.log"));
        let texts = names.map(|name| content(&self.world.path(&name)));
        // Half a line at the end of a file is none.
        texts
            .flat_map(|text| {
                text.split_inclusive('\n').filter_map(|line| Some(line.strip_suffix('\n')?.to_owned())).collect::<Vec<_>>()
            })
            .collect()
    }

    fn read(&mut self, count: usize) {
        if self.stream.is_none() {
            let id = self.got.last().map_or(&self.hello, |(_, id)| id);
            let stream = self.agent.resume("/events", id);
            if stream.resumed() != "exact" && !self.excused {
                panic!("back with {id}: {}; {}", stream.resumed(), self.circumstances());
            }
            self.stream = Some(stream);
        }
        let mut left = count;
        while left > 0 {
            let stream = self.stream.as_mut().expect("it was opened just now");
            let block = match stream.try_next() {
                Ok(Some(block)) => block,
                end => panic!("{end:?}; missing {:?}; {}", self.missing(), self.circumstances()),
            };
            if block.is("gap") {
                assert!(self.excused, "a gap: {}; {}", block.data, self.circumstances());
                let may_repeat = block.json()["may_repeat"] == true;
                self.got.push((Got::Gap { may_repeat }, block.id().to_owned()));
            } else if block.is_record() {
                self.got.push((Got::Line(block.data.clone()), block.id().to_owned()));
                left -= 1;
            }
        }
    }

    fn circumstances(&self) -> String {
        let (last, files) = (self.got.last(), self.world.listing());
        let logs = serde_json::Value::from(self.agent.logs());
        format!("after {last:?}, of {files:?}; {logs:#}; the agent said {}", self.agent.stderr())
    }

    /// Checks all that the client has got, and what it would get from some of the ids on the way.
    pub fn check(mut self) -> Result<(), String> {
        self.complete();
        self.bring_back();
        while !self.missing().is_empty() {
            self.read(1);
        }
        let got: Vec<Got> = self.got.iter().map(|(got, _)| got.clone()).collect();
        self.written.judge(&got, &[]).map_err(|wrong| format!("{wrong}; got {got:?}; {}", self.circumstances()))?;
        for place in (0..got.len()).step_by(1 + got.len() / 7) {
            self.check_from(place, &got).map_err(|wrong| format!("{wrong}; {}", self.circumstances()))?;
        }
        Ok(())
    }

    /// Whether a client that comes back with the id that stood at `place` gets the rest.
    fn check_from(&self, place: usize, got: &[Got]) -> Result<(), String> {
        let id = &self.got[place].1;
        let again = self.agent.rest_after("/events?follow=false", id);
        let again: Vec<Got> = again
            .into_iter()
            .filter_map(|block| match () {
                () if block.is("gap") => Some(Got::Gap { may_repeat: block.json()["may_repeat"] == true }),
                () if block.is_record() => Some(Got::Line(block.data)),
                () => None,
            })
            .collect();
        if again.iter().any(|got| matches!(got, Got::Gap { .. })) && !self.excused {
            return Err(format!("a gap after {id}"));
        }
        let had = got[..=place].iter().chain(&again).filter_map(Got::line).collect::<BTreeSet<_>>();
        // What lies before a line that was had is behind the client; it was told of.
        let expected = got[place + 1..].iter().filter_map(Got::line).collect::<BTreeSet<_>>();
        let files = self.in_files();
        let missing: Vec<_> = expected.iter().filter(|line| files.contains(**line) && !had.contains(**line)).collect();
        if !missing.is_empty() {
            return Err(format!("after {id}: in a file and missing: {missing:?}"));
        }
        self.written.judge(&got[..=place], &again).map_err(|wrong| format!("after {id}: {wrong}; got {again:?}"))
    }
}

fn content(path: &Path) -> String {
    let bytes = fs::read(path).expect("a file of the log");
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("a gzip file");
    } else {
        text = String::from_utf8(bytes).expect("text");
    }
    text.trim_start_matches('\0').to_owned()
}
