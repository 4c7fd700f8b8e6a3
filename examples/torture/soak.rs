//! sidetail under everything at once: three logs, each rotated in its own ways, clients that drop and come back, and an
//! operator with `kill -9`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::client::{Event, Events};
use crate::tally::{Counts, Tally};
use crate::writer::{Rotation, Writer, origin};
use crate::{Chance, Options};

/// The logs and how each is rotated.
const LOGS: [(&str, &[Rotation]); 3] = [
    ("renamed.log", &[Rotation::Rename, Rotation::Late, Rotation::Double, Rotation::Compress]),
    ("copied.log", &[Rotation::Copytruncate]),
    ("recreated.log", &[Rotation::Recreate]),
];
/// What clients ask for.
const TARGETS: [&str; 6] = [
    "/events?from=start&log=renamed.log",
    "/events?from=start&log=renamed.log&data=json",
    "/events?from=start&log=copied.log",
    "/events?from=start&log=recreated.log",
    "/events?from=start",
    "/events?from=start&exclude=nothing-has-this",
];
/// How many lines there are between two rotations at most, unless it is said.
const LINES: u64 = 20_000;
/// How long clients may take to get the rest at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all threads share.
#[derive(Default)]
struct Shared {
    /// Set when nothing more is written: clients stay then until they have all.
    ending: AtomicBool,
    stop: AtomicBool,
    reconnects: AtomicU64,
    tallies: Mutex<BTreeMap<(usize, String), Tally>>,
    gaps: Mutex<BTreeMap<String, u64>>,
}

/// Runs it; whether sidetail kept its promise.
pub fn run(options: &Options) -> io::Result<bool> {
    let (seed, folder) = (options.seed(), tempfile::tempdir()?);
    println!("seed {seed}, {} clients, {} logs of {} lines/s each", TARGETS.len(), LOGS.len(), options.rate);
    let shared = Arc::new(Shared::default());
    let written: Vec<Mutex<Writer>> = LOGS
        .iter()
        .map(|(name, _)| Writer::new(folder.path().join(name), options.kept).map(Mutex::new))
        .collect::<Result<_, _>>()?;
    let mut agent = Agent::start(options, folder.path())?;
    let port = agent.port;
    thread::scope(|scope| {
        for (index, target) in TARGETS.iter().enumerate() {
            let (shared, chance) = (shared.clone(), Chance(seed + index as u64));
            scope.spawn(move || client(&shared, index, port, target, chance));
        }
        for (index, (writer, (_, rotations))) in written.iter().zip(LOGS).enumerate() {
            let (shared, chance) = (shared.clone(), Chance(seed + 100 + index as u64));
            scope.spawn(move || write(&shared, writer, rotations, options, chance));
        }
        let outcome = operate(&shared, &mut agent, &written, options.time, Chance(seed + 1000));
        shared.ending.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE;
        while !all_came(&shared, &written) && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
        shared.stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    let kept = report(&shared, &written);
    println!("{} reconnects; gaps: {:?}", shared.reconnects.load(Ordering::Relaxed), shared.gaps.lock().expect("no panic"));
    Ok(kept)
}

/// Writes and rotates until the end.
fn write(shared: &Shared, writer: &Mutex<Writer>, rotations: &[Rotation], options: &Options, mut chance: Chance) {
    let lines = options.lines.unwrap_or(LINES);
    let (rate, mut due) = (options.rate, chance.below(lines));
    while !shared.ending.load(Ordering::Relaxed) {
        let mut writer = writer.lock().expect("no writer panics");
        let count = due.min(rate.max(1000) / 20);
        writer.write(count, rate).expect("writing the log");
        due -= count;
        if due == 0 {
            let how = rotations[chance.below(rotations.len() as u64) as usize];
            writer.rotate(how).expect("rotating the log");
            due = 1 + chance.below(lines);
        }
    }
    writer.lock().expect("no writer panics").write(1, 0).expect("writing the log");
}

/// Kills, stops and reports until the time is over.
fn operate(shared: &Shared, agent: &mut Agent, written: &[Mutex<Writer>], time: Duration, mut chance: Chance) -> io::Result<()> {
    let (began, mut kills, mut stops, mut told) = (Instant::now(), 0, 0, 0);
    while began.elapsed() < time {
        sleep(chance.time(500, 5000));
        if chance.below(3) == 0 {
            agent.signal("STOP")?;
            sleep(chance.time(50, 1000));
            agent.signal("CONT")?;
            stops += 1;
        } else {
            agent.kill_and_start()?;
            kills += 1;
        }
        let minute = began.elapsed().as_secs() / 60;
        if minute > told {
            told = minute;
            let (memory, files) = agent.takes();
            let writers: Vec<_> = written.iter().map(|writer| writer.lock().expect("no writer panics")).collect();
            let lines: u64 = writers.iter().map(|writer| writer.next).sum();
            let rotations: u64 = writers.iter().map(|writer| writer.rotations).sum();
            drop(writers);
            let tallies = shared.tallies.lock().expect("no client panics");
            let came: u64 = tallies.values().map(|tally| tally.counts.came).sum();
            let doubled: u64 = tallies.values().map(|tally| tally.counts.doubled).sum();
            drop(tallies);
            println!(
                "{minute} min: {lines} lines, {rotations} rotations, {kills} kills, {stops} stops; {came} delivered, \
                 {doubled} doubled; {memory} MiB, {files} files open"
            );
        }
    }
    Ok(())
}

/// Reads, drops, comes back, until all is over.
fn client(shared: &Shared, index: usize, port: u16, target: &str, mut chance: Chance) {
    let mut id: Option<String> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let leave = Instant::now() + chance.time(50, 6000);
        // The agent may be dead just now.
        if let Ok(mut events) = Events::connect(port, target, id.as_deref()) {
            shared.reconnects.fetch_add(1, Ordering::Relaxed);
            while !shared.stop.load(Ordering::Relaxed) && (Instant::now() < leave || shared.ending.load(Ordering::Relaxed)) {
                match events.next() {
                    Ok(Some(event)) => {
                        take(shared, index, &event);
                        id = Some(event.id);
                    }
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
        }
        sleep(chance.time(1, 1000));
    }
}

fn take(shared: &Shared, index: usize, event: &Event) {
    let field = |name: &str| {
        let (_, rest) = event.data.split_once(&format!("\"{name}\":\""))?;
        rest.split('"').next().map(str::to_owned)
    };
    let mut tallies = shared.tallies.lock().expect("no client panics");
    if event.name == "gap" {
        let may_repeat = event.data.contains("\"may_repeat\":true");
        let log = field("log").unwrap_or_default();
        let reason = field("reason").unwrap_or_default();
        *shared.gaps.lock().expect("no client panics").entry(format!("{log} {reason}")).or_default() += 1;
        tallies.entry((index, log)).or_default().gap(may_repeat);
    } else if let Some((log, number)) = origin(&event.data).filter(|_| event.name.is_empty()) {
        let tally = tallies.entry((index, log.to_owned())).or_default();
        if let Some(what) = tally.line(number) {
            let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
            eprintln!("{now} client {index} {log}: {what}, at {} {}", event.id, event.data);
        }
    }
}

fn all_came(shared: &Shared, written: &[Mutex<Writer>]) -> bool {
    let tallies = shared.tallies.lock().expect("no client panics");
    let end = |log: &str| {
        let place = LOGS.iter().position(|(name, _)| *name == log).expect("a log of ours");
        written[place].lock().expect("no writer panics").next
    };
    tallies.iter().all(|((_, log), tally)| tally.has_come_to(end(log)))
}

fn report(shared: &Shared, written: &[Mutex<Writer>]) -> bool {
    let tallies = shared.tallies.lock().expect("no client panics");
    println!("| client | log | lines | came | lost | doubled | told | gaps |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut kept = true;
    for ((index, log), tally) in tallies.iter() {
        let place = LOGS.iter().position(|(name, _)| name == log).expect("a log of ours");
        let writer = written[place].lock().expect("no writer panics");
        let Counts { came, lost, doubled, told, gaps } = tally.finish(writer.next, &writer.late);
        println!("| {} | {log} | {} | {came} | {lost} | {doubled} | {told} | {gaps} |", TARGETS[*index], writer.next);
        kept &= lost == 0 && doubled == 0;
    }
    kept
}
