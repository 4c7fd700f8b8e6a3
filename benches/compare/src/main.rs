//! Measures sidetail and its peers in turn, on the same files, in one run: the servers on one processor, writer and
//! readers on another. Every line that is delivered is checked; a run in which one is missing or doubled is no result.
//!
//! `benches/run ROW` builds what is needed and starts this.

mod bench;
mod load;
mod machine;
mod measure;
mod peer;
mod report;
mod rows;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use bench::{Bench, Peer, Size};
use rows::Row;

/// A result, or a sentence that says why there is none.
type Outcome<T> = Result<T, String>;

/// The part of a processor that other programs may use before it is told.
const DISTURBED: f64 = 0.2;

/// What the command line says.
#[derive(Parser)]
#[command(name = "compare", about = "Measures sidetail and its peers in turn and checks every line they deliver")]
struct Options {
    /// What to measure
    #[arg(value_enum, required = true)]
    rows: Vec<Row>,
    /// How often each contender has its turn [default: 5; 3 with --quick, 1 with --smoke]
    #[arg(long)]
    pairs: Option<usize>,
    /// Smaller, without the slow peers
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// All of the code on next to nothing: whether it works, no figures
    #[arg(long)]
    smoke: bool,
    /// Only these peers
    #[arg(long, value_enum, value_name = "PEER")]
    peer: Vec<Peer>,
    /// The program sidetail
    #[arg(long, value_name = "PATH")]
    sidetail: String,
    /// The program of benches/yardstick
    #[arg(long, value_name = "PATH", default_value = "yardstick")]
    yardstick: String,
    /// The program frontail
    #[arg(long, value_name = "PATH", default_value = "frontail")]
    frontail: String,
    /// A folder for the files, on a disk with 15 GB free
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Outcome<()> {
    let pinned = machine::pin::prepare()?;
    if !pinned {
        eprintln!("compare: there is one processor only: servers and load disturb each other");
    }
    let size = match (options.quick, options.smoke) {
        (true, _) => Size::Quick,
        (_, true) => Size::Smoke,
        _ => Size::Full,
    };
    let at = std::fs::create_dir_all(&options.folder).and_then(|()| options.folder.canonicalize());
    let at = at.map_err(|error| format!("{}: {error}", options.folder.display()))?;
    let bench = Bench {
        sidetail: options.sidetail,
        yardstick: options.yardstick,
        frontail: options.frontail,
        turns: options.pairs.unwrap_or(match size {
            Size::Full => 5,
            Size::Quick => 3,
            Size::Smoke => 1,
        }),
        size,
        only: options.peer,
        at,
        pinned,
        disturbed: Cell::new(0.0),
    };
    let all = options.rows.contains(&Row::All);
    let rows = if all { Row::each() } else { options.rows };
    for row in rows {
        let mut report = row.run(&bench)?;
        let disturbed = bench.disturbed.replace(0.0);
        if disturbed > DISTURBED {
            report.note(format!("Disturbed: in one turn other programs used {:.0} % of a processor.", disturbed * 100.0));
        }
        match bench.size {
            Size::Smoke => println!("works: {}", report.title()),
            Size::Full | Size::Quick => println!("{report}"),
        }
    }
    bench.folder("").map(|_| ())
}
