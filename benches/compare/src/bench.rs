//! What a row needs: the programs, a folder for its files, how large it is to be; and the turns that contenders take.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Outcome;
use crate::load::writer;
use crate::machine::{pin, usage};
use crate::peer::{self, nchan, nginx, websocketd};

/// How much of a row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As the targets say.
    Full,
    /// Smaller, and without the slow peers.
    Quick,
    /// All of the code, on next to nothing: figures without meaning.
    Smoke,
}

/// The programs that sidetail is compared with as servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// `benches/yardstick`.
    Yardstick,
    /// nginx with static files.
    Nginx,
    /// nginx with nchan.
    Nchan,
    /// websocketd with tail.
    Websocketd,
    /// frontail, on node.
    Frontail,
    /// ripgrep.
    Ripgrep,
}

/// A log that stays as it is.
pub struct Log {
    /// Where.
    pub path: PathBuf,
    /// How many lines it has, numbered from 0.
    pub lines: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What all rows share.
pub struct Bench {
    /// The program sidetail.
    pub sidetail: String,
    /// The program of `benches/yardstick`.
    pub yardstick: String,
    /// The program frontail.
    pub frontail: String,
    /// How often each contender has its turn.
    pub turns: usize,
    /// How much is run.
    pub size: Size,
    /// The peers to run; all if empty.
    pub only: Vec<Peer>,
    /// Where files are made.
    pub at: PathBuf,
    /// Whether servers have a processor of their own.
    pub pinned: bool,
    /// The greatest part of a processor that other programs have used in a turn.
    pub disturbed: Cell<f64>,
}

impl Bench {
    /// The one of three that fits the size.
    pub fn sized<T>(&self, full: T, quick: T, smoke: T) -> T {
        match self.size {
            Size::Full => full,
            Size::Quick => quick,
            Size::Smoke => smoke,
        }
    }

    /// A command for the servers' processor.
    pub fn on_server_cpu(&self, program: &str) -> Command {
        pin::on_server_cpu(program, self.pinned)
    }

    /// Whether this peer is asked for and there. What is asked for and not there is said.
    pub fn has(&self, peer: Peer) -> bool {
        let slow = matches!(peer, Peer::Nchan | Peer::Websocketd | Peer::Frontail);
        let asked = if self.only.is_empty() { !(slow && self.size == Size::Quick) } else { self.only.contains(&peer) };
        let there = match peer {
            Peer::Yardstick => peer::is_there(&self.yardstick),
            Peer::Nginx => peer::is_there(nginx::PROGRAM),
            Peer::Nchan => peer::is_there(nginx::PROGRAM) && peer::is_there(nchan::MODULE),
            Peer::Websocketd => peer::is_there(websocketd::PROGRAM),
            Peer::Frontail => peer::is_there(&self.frontail),
            Peer::Ripgrep => peer::is_there("rg"),
        };
        if asked && !there {
            eprintln!("compare: {peer:?} is not installed and is left out");
        }
        asked && there
    }

    /// An empty folder.
    pub fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.at.join(name);
        let made = match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&path),
        };
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// An empty log in a folder of its own.
    pub fn empty_log(&self) -> Outcome<PathBuf> {
        let path = self.folder("live")?.join("app.log");
        fs::write(&path, "").map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// A log of about `mib` MiB in a folder of its own.
    pub fn log(&self, mib: u64) -> Outcome<Log> {
        let path = self.folder(&format!("{mib}-mib"))?.join("app.log");
        let (lines, bytes) = writer::fill(&path, mib << 20).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Log { path, lines, bytes })
    }

    /// Lets each contender have its turns: every round all of them, each time another one first.
    pub fn in_turn<T>(&self, contenders: Vec<Contender<'_, T>>) -> Outcome<Turns<T>> {
        let mut turns = Turns(contenders.iter().map(|contender| (contender.name, Vec::new())).collect());
        for round in 0..self.turns {
            for place in 0..contenders.len() {
                let index = (round + place) % contenders.len();
                let Contender { name, run } = &contenders[index];
                eprintln!("compare: round {} of {}: {name}", round + 1, self.turns);
                let (began, others) = (Instant::now(), usage::others_seconds());
                turns.0[index].1.push(run().map_err(|error| format!("{name}: {error}"))?);
                let part = (usage::others_seconds() - others) / began.elapsed().as_secs_f64();
                self.disturbed.set(self.disturbed.get().max(part));
            }
        }
        Ok(turns)
    }
}

/// One of those who are measured in turn.
pub struct Contender<'a, T> {
    name: &'static str,
    run: Box<dyn Fn() -> Outcome<T> + 'a>,
}

/// One of those who are measured in turn.
pub fn contender<'a, T>(name: &'static str, run: impl Fn() -> Outcome<T> + 'a) -> Contender<'a, T> {
    Contender { name, run: Box::new(run) }
}

/// What was measured, by contender, in the order of the rounds.
pub struct Turns<T>(Vec<(&'static str, Vec<T>)>);

impl<T> Turns<T> {
    /// One figure of one contender, if it was there.
    pub fn get(&self, name: &str, figure: impl Fn(&T) -> f64) -> Option<Vec<f64>> {
        let (_, values) = self.0.iter().find(|(of, _)| *of == name)?;
        Some(values.iter().map(figure).collect())
    }

    /// All, with their names.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.0.iter().map(|(name, values)| (*name, values.as_slice()))
    }
}

/// The size of a file in bytes.
pub fn bytes_of(path: &Path) -> Outcome<u64> {
    fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| format!("{}: {error}", path.display()))
}
