//! Rotation torture: one fast writer, rotated in every way there is, read by sidetail and by `tail -F` side by side.
//!
//! ```sh
//! cargo run --release --example torture                       # compare the two, a table at the end
//! benches/soak 20m                                            # sidetail alone, killed at random, with clients that drop
//! ```
//! Counts every line: lost, doubled, or told as missing. Ends with 1 if sidetail lost or doubled any.

mod agent;
mod client;
mod compare;
mod soak;
mod tally;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use writer::Rotation;

/// What the command line says.
#[derive(Clone, Parser)]
#[command(
    name = "torture",
    about = "Rotates a log under a fast writer and counts what its readers lose",
    args_override_self = true
)]
struct Options {
    /// How long to write: in all, or for the soak
    #[arg(long = "for", default_value = "30s", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
    /// Lines per second; 0 is as fast as it goes
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// How many lines there are between two rotations: 2,000, or for the soak up to 20,000
    #[arg(long)]
    lines: Option<u64>,
    /// How many rotated files are kept
    #[arg(long, default_value_t = 60)]
    kept: usize,
    /// The seed of everything random
    #[arg(long)]
    seed: Option<u64>,
    /// Only these rotations
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Rotation>,
    /// Kill sidetail and cut its clients at random, instead of comparing it
    #[arg(long)]
    soak: bool,
    /// How many clients there are in the soak; every fifth of them is slow
    #[arg(long, default_value_t = 6, value_name = "NUMBER")]
    clients: usize,
    /// Leave sidetail alive in the soak, so that it shows whether it grows
    #[arg(long)]
    calm: bool,
    /// What sidetail says of itself
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log_level: String,
    /// The program, if it is not beside this one
    #[arg(long, value_name = "PATH")]
    sidetail: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = if options.soak { soak::run(&options) } else { compare::run(&options) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("sidetail lost or doubled lines without a word: please report the seed and what it printed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::from(2)
        }
    }
}

impl Options {
    fn rotations(&self) -> Vec<Rotation> {
        if self.only.is_empty() { Rotation::ALL.to_vec() } else { self.only.clone() }
    }

    fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        self.seed.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000)
    }
}

/// Numbers at random that a seed repeats (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// A time between the two, in milliseconds.
    pub fn time(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.below(to_ms - from_ms))
    }
}
