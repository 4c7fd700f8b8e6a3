//! sidetail under everything at once: three logs, each rotated in its own ways, clients that drop and come back, and an
//! operator with `kill -9`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime};

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
/// How many powers of two of milliseconds are told apart.
const DELAYS: usize = 20;
/// Characters of the time that a writer puts into a line.
const WRITTEN_DIGITS: usize = 27;
/// Memory for a client's thread.
const STACK_BYTES: usize = 256 << 10;
/// How long clients may take to get the rest at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all threads share.
#[derive(Default)]
struct Shared {
    /// Set when nothing more is written: clients stay then until they have all.
    ending: AtomicBool,
    stop: AtomicBool,
    reconnects: AtomicU64,
    /// Of each client, by log.
    tallies: Vec<Mutex<BTreeMap<String, Tally>>>,
    /// How many records came within 2^n milliseconds, by n.
    delays: [AtomicU64; DELAYS],
    gaps: Mutex<BTreeMap<String, u64>>,
}

/// Runs it; whether sidetail kept its promise.
pub fn run(options: &Options) -> io::Result<bool> {
    let (seed, folder) = (options.seed(), tempfile::tempdir()?);
    println!("seed {seed}, {} clients, {} logs of {} lines/s each", options.clients, LOGS.len(), options.rate);
    let tallies = (0..options.clients).map(|_| Mutex::default()).collect();
    let shared = Arc::new(Shared { tallies, ..Shared::default() });
    let written: Vec<Mutex<Writer>> = LOGS
        .iter()
        .map(|(name, _)| Writer::new(folder.path().join(name), options.kept).map(Mutex::new))
        .collect::<Result<_, _>>()?;
    let mut agent = Agent::start(options, folder.path())?;
    let port = agent.port;
    thread::scope(|scope| {
        for index in 0..options.clients {
            let (shared, chance) = (shared.clone(), Chance(seed + index as u64 * 7919));
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, move || client(&shared, index, port, chance)).expect("a thread for each client");
        }
        let writers = written.iter().zip(LOGS).enumerate().map(|(index, (writer, (_, rotations)))| {
            let (shared, chance) = (shared.clone(), Chance(seed + 100 + index as u64));
            scope.spawn(move || write(&shared, writer, rotations, options, chance))
        });
        let writers: Vec<_> = writers.collect();
        let outcome = operate(&shared, &mut agent, &written, options, Chance(seed + 1000));
        shared.ending.store(true, Ordering::Relaxed);
        // What they write last counts, too.
        writers.into_iter().for_each(|writer| writer.join().expect("no writer panics"));
        let deadline = Instant::now() + PATIENCE;
        while !all_came(&shared, &written) && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
        shared.stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    let kept = report(&shared, &written);
    println!("{} reconnects; gaps: {:?}", shared.reconnects.load(Ordering::Relaxed), shared.gaps.lock().expect("no panic"));
    println!("from the writer to a client, behind stops, kills and absences too: {}", delays(&shared));
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
fn operate(
    shared: &Shared,
    agent: &mut Agent,
    written: &[Mutex<Writer>],
    options: &Options,
    mut chance: Chance,
) -> io::Result<()> {
    let (began, mut kills, mut stops, mut told, mut most) = (Instant::now(), 0, 0, 0, (0, 0));
    while began.elapsed() < options.time {
        sleep(chance.time(500, 5000).min(options.time.saturating_sub(began.elapsed())));
        // Before it is killed: what a young one takes says little.
        let (memory, files) = agent.takes();
        most = (most.0.max(memory), most.1.max(files));
        if options.calm {
            // Nothing befalls it.
        } else if chance.below(3) == 0 {
            agent.signal("STOP")?;
            sleep(chance.time(50, 1000));
            agent.signal("CONT")?;
            stops += 1;
        } else {
            agent.kill_and_start()?;
            kills += 1;
        }
        let minute = began.elapsed().as_secs() / 60;
        if minute > told || began.elapsed() >= options.time {
            told = minute;
            let writers: Vec<_> = written.iter().map(|writer| writer.lock().expect("no writer panics")).collect();
            let lines: u64 = writers.iter().map(|writer| writer.next).sum();
            let rotations: u64 = writers.iter().map(|writer| writer.rotations).sum();
            drop(writers);
            let sum = |count: fn(&Tally) -> u64| -> u64 {
                let of_client = |tallies: &Mutex<BTreeMap<String, Tally>>| -> u64 {
                    tallies.lock().expect("no client panics").values().map(count).sum()
                };
                shared.tallies.iter().map(of_client).sum()
            };
            let (came, doubled) = (sum(|tally| tally.counts.came), sum(|tally| tally.counts.doubled));
            println!(
                "{} s: {lines} lines, {rotations} rotations, {kills} kills, {stops} stops; {came} delivered, \
                 {doubled} doubled; {memory} MiB, {files} files open, at most {} and {}",
                began.elapsed().as_secs(),
                most.0,
                most.1
            );
        }
    }
    Ok(())
}

/// Reads, drops, comes back, until all is over; every fifth pauses between records.
fn client(shared: &Shared, index: usize, port: u16, mut chance: Chance) {
    let (target, is_slow) = (TARGETS[index % TARGETS.len()], index % 5 == 4);
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
                        if is_slow && chance.below(100) == 0 && !shared.ending.load(Ordering::Relaxed) {
                            sleep(chance.time(10, 200));
                        }
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
    let mut tallies = shared.tallies[index].lock().expect("no client panics");
    if event.name == "gap" {
        let may_repeat = event.data.contains("\"may_repeat\":true");
        let log = field("log").unwrap_or_default();
        let reason = field("reason").unwrap_or_default();
        *shared.gaps.lock().expect("no client panics").entry(format!("{log} {reason}")).or_default() += 1;
        tallies.entry(log).or_default().gap(&field("from").unwrap_or_default(), may_repeat);
    } else if let Some((log, number)) = origin(&event.data).filter(|_| event.name.is_empty()) {
        note_delay(shared, &event.data);
        let tally = tallies.entry(log.to_owned()).or_default();
        if let Some(what) = tally.line(number, &event.id) {
            let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
            eprintln!("{now} client {index} {log}: {what}, at {} {}", event.id, event.data);
        }
    }
}

fn all_came(shared: &Shared, written: &[Mutex<Writer>]) -> bool {
    let end = |log: &str| {
        let place = LOGS.iter().position(|(name, _)| *name == log).expect("a log of ours");
        written[place].lock().expect("no writer panics").next
    };
    let has_all = |tallies: &Mutex<BTreeMap<String, Tally>>| {
        tallies.lock().expect("no client panics").iter().all(|(log, tally)| tally.has_come_to(end(log)))
    };
    shared.tallies.iter().all(has_all)
}

/// Counts how long a record was on its way, by the time that stands in it.
fn note_delay(shared: &Shared, data: &str) {
    let before = data.split_once(" INFO log=").map_or("", |(before, _)| before);
    let start = before.len().saturating_sub(WRITTEN_DIGITS);
    let written = before.get(start..).and_then(|text| humantime::parse_rfc3339(text).ok());
    if let Some(delay) = written.and_then(|written| SystemTime::now().duration_since(written).ok()) {
        let power = (u64::BITS - (delay.as_millis() as u64).leading_zeros()) as usize;
        shared.delays[power.min(DELAYS - 1)].fetch_add(1, Ordering::Relaxed);
    }
}

/// Within what time half of all records came, and nearly all.
fn delays(shared: &Shared) -> String {
    let counts: Vec<u64> = shared.delays.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let all: u64 = counts.iter().sum();
    let within = |share: u64| {
        let mut sum = 0;
        let power = counts.iter().position(|count| {
            sum += count;
            sum * 100 >= all * share
        });
        format!("{share} % within {} ms", 1u64 << power.unwrap_or_default())
    };
    [50, 90, 99].map(within).join(", ")
}

/// One line for each way of asking and log: the sum over the clients that ask so.
fn report(shared: &Shared, written: &[Mutex<Writer>]) -> bool {
    println!("| clients | what they ask | log | lines | came | lost | doubled | told | gaps |");
    println!("| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut sums: BTreeMap<(usize, String), (u64, u64, Counts)> = BTreeMap::new();
    for (index, tallies) in shared.tallies.iter().enumerate() {
        for (log, tally) in tallies.lock().expect("no client panics").iter() {
            let place = LOGS.iter().position(|(name, _)| name == log).expect("a log of ours");
            let writer = written[place].lock().expect("no writer panics");
            let one = tally.finish(writer.next, &writer.late);
            let (clients, lines, sum) = sums.entry((index % TARGETS.len(), log.clone())).or_default();
            (*clients, *lines) = (*clients + 1, writer.next);
            sum.came += one.came;
            sum.lost += one.lost;
            sum.doubled += one.doubled;
            sum.told += one.told;
            sum.gaps += one.gaps;
        }
    }
    for ((index, log), (clients, lines, Counts { came, lost, doubled, told, gaps })) in &sums {
        println!("| {clients} | {} | {log} | {lines} | {came} | {lost} | {doubled} | {told} | {gaps} |", TARGETS[*index]);
    }
    sums.values().all(|(_, _, sum)| sum.lost == 0 && sum.doubled == 0)
}
