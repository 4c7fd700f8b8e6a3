//! sidetail and `tail -F` side by side on the same log, one rotation after the other.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Options;
use crate::agent::Agent;
use crate::client::Events;
use crate::tally::{Counts, Tally};
use crate::writer::{Rotation, Writer, origin};

/// How many lines there are between two rotations, unless it is said.
const LINES: u64 = 2000;
/// How long a reader may say nothing before it is taken to have nothing more.
const QUIET: Duration = Duration::from_secs(2);

/// Runs it; whether sidetail kept its promise.
pub fn run(options: &Options) -> io::Result<bool> {
    let rotations = options.rotations();
    let share = options.time / rotations.len() as u32;
    let lines = options.lines.unwrap_or(LINES);
    println!("| rotation, every {lines} lines | lines | `tail -F` lost | doubled | sidetail lost | doubled | told |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut kept = true;
    for how in rotations {
        let (written, tail, sidetail) = one(options, how, share)?;
        let what = how.describe();
        println!(
            "| {what} | {written} | {} | {} | {} | {} | {} |",
            tail.lost, tail.doubled, sidetail.lost, sidetail.doubled, sidetail.told
        );
        kept &= sidetail.lost == 0 && sidetail.doubled == 0;
    }
    Ok(kept)
}

fn one(options: &Options, how: Rotation, time: Duration) -> io::Result<(u64, Counts, Counts)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.log");
    let mut writer = Writer::new(path.clone(), options.kept)?;
    let agent = Agent::start(options, folder.path())?;
    let port = agent.port;
    thread::scope(|scope| {
        let (tail_began, began) = mpsc::channel();
        let tail = scope.spawn({
            let path = &path;
            move || tail(path, tail_began)
        });
        let events = Events::connect(port, "/events?from=start", None)?;
        let sidetail = scope.spawn(move || sidetail(events));
        // Both are there before the first line.
        let _ = began.recv();
        let end = Instant::now() + time;
        while Instant::now() < end {
            writer.write(options.lines.unwrap_or(LINES), options.rate)?;
            writer.rotate(how)?;
        }
        writer.write(1, 0)?;
        let tail = tail.join().expect("the reader of tail does not panic")?;
        let sidetail = sidetail.join().expect("the client does not panic")?;
        let written = writer.next;
        Ok((written, tail.finish(written, &writer.late), sidetail.finish(written, &writer.late)))
    })
}

fn sidetail(mut events: Events) -> io::Result<Tally> {
    let (mut tally, mut last) = (Tally::default(), Instant::now());
    while last.elapsed() < QUIET {
        let Some(event) = events.next()? else { continue };
        last = Instant::now();
        if event.name == "gap" {
            tally.gap("", event.data.contains("\"may_repeat\":true"));
        } else if let Some((_, number)) = origin(&event.data).filter(|_| event.name.is_empty()) {
            let _ = tally.line(number, "");
        }
    }
    Ok(tally)
}

fn tail(path: &Path, began: mpsc::Sender<()>) -> io::Result<Tally> {
    let mut tail =
        Command::new("tail").args(["-n", "+1", "-F"]).arg(path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let lines = BufReader::new(tail.stdout.take().expect("piped")).lines();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    // It opens the file as soon as it runs.
    thread::sleep(Duration::from_millis(200));
    let _ = began.send(());
    let mut tally = Tally::default();
    while let Ok(line) = receiver.recv_timeout(QUIET) {
        origin(&line).into_iter().for_each(|(_, number)| drop(tally.line(number, "")));
    }
    tail.kill()?;
    tail.wait()?;
    Ok(tally)
}
