//! Programs that write lines into a pipe: `rg`, `zcat`.

use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use crate::Outcome;
use crate::bench::Bench;
use crate::load::sequence::{Expected, Scanner};

/// Seconds from the start of `words` to the last of the lines that are expected, each checked; a pipe between.
pub fn run(bench: &Bench, words: &[&str], expected: Expected) -> Outcome<f64> {
    let mut command = bench.on_server_cpu(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{words:?}: {error}"))?;
    let mut output = child.stdout.take().ok_or("no pipe")?;
    let mut scanner = Scanner::new(expected);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = output.read(&mut buffer).map_err(|error| format!("{words:?}: {error}"))?;
        if length == 0 {
            break;
        }
        scanner.feed(&buffer[..length], |_| ());
    }
    let seconds = began.elapsed().as_secs_f64();
    child.wait().map_err(|error| format!("{words:?}: {error}"))?;
    let sequence = &scanner.sequence;
    if sequence.missing() + sequence.doubled + sequence.unwanted > 0 {
        return Err(format!("{words:?} printed other lines than it should"));
    }
    Ok(seconds)
}
