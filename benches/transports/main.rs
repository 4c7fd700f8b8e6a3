//! Four ways from a log to a client, measured over the very same log: polling, long polling, Server-Sent Events and
//! WebSocket.
//!
//! ```sh
//! cargo bench --bench transports               # about two minutes: the table of docs/sse.md
//! cargo bench --bench transports -- --smoke    # some seconds: whether everything works
//! ```
//! sidetail serves the first three, and a bridge that is made of its parts the fourth, so that only the transport
//! differs. Every line that a client gets is checked; a run in which one is missing gives no result.

mod transport;
mod plan;
mod cores;
mod event;
mod wire;
mod http;
mod client;
mod writer;
mod meter;
mod server;
mod steady;
mod relay;
mod cuts;
mod silence;
mod buffered;
mod table;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

use plan::Plan;
use server::nginx::UPGRADE;
use steady::Figures;
use table::Table;
use transport::Transport;

/// What the command line says.
#[derive(Parser)]
#[command(name = "transports", about = "Measures four ways from a log to a client")]
struct Options {
    /// Only try whether everything works; the figures mean nothing
    #[arg(long)]
    smoke: bool,
    /// Serve this log over WebSocket until killed
    #[arg(long, hide = true, value_name = "LOG")]
    bridge: Option<PathBuf>,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long a client hears nothing before it takes its stream for dead.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.bridge {
        Some(log) => server::bridge::run(&log).map(|()| true),
        None => compare(&if options.smoke { Plan::smoke() } else { Plan::full() }),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("not everything is as docs/sse.md says");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("transports: no result: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures all and prints the table; whether sidetail kept its promises.
fn compare(plan: &Plan) -> io::Result<bool> {
    let cores = thread::available_parallelism()?;
    cores::take_load_core()?;
    let mut table = Table::new(&plan.transports);
    let mut kept = true;
    thread::scope(|scope| {
        // Waits for the most part, so the rest is measured meanwhile.
        let silent = plan.transports.map(|transport| scope.spawn(move || silence(transport, plan)));
        let line_bytes = steady_rows(plan, &mut table)?;
        kept &= cuts_row(plan, &mut table)?;
        proxied_row(plan, &mut table)?;
        let mut cells = Vec::new();
        for silent in silent {
            let (cell, as_promised) = silent.join().expect("a silent client does not panic")?;
            cells.push(cell);
            kept &= as_promised;
        }
        table.row(&format!("a silence of {} s behind nginx", plan.silence.as_secs()), cells);
        println!("{table}");
        let clients = plan.steady[0].clients;
        println!(
            "{cores} cores, loopback; {clients} clients; a line has {line_bytes:.0} bytes; p50 / p99 from write to receipt."
        );
        let held = buffered::measure(plan.proxied)?;
        println!("{}", table::held(&held, plan.proxied));
        Ok(kept)
    })
}

/// Bytes, latency and CPU; the bytes of a line.
fn steady_rows(plan: &Plan, table: &mut Table) -> io::Result<f64> {
    let mut measured = Vec::new();
    for load in plan.steady {
        let mut figures = Vec::new();
        for transport in plan.transports {
            eprintln!("{}: {} lines/s to {} clients", transport.name(), load.rate, load.clients);
            figures.push(steady::measure(transport, load, None, PATIENCE).map_err(|error| of(transport, &error))?);
        }
        measured.push((load.rate, figures));
    }
    let mut rows = |what: &str, cell: fn(&Figures) -> String| {
        for (rate, figures) in &measured {
            table.row(&format!("{what}, {rate} lines/s"), figures.iter().map(cell));
        }
    };
    rows("bytes per event", |figures| format!("{:.0}", figures.bytes));
    rows("latency", table::latency);
    rows("server CPU per event", table::cpu);
    Ok(measured[0].1[0].line_bytes)
}

/// What is lost and repeated when connections are cut; whether nothing is, where ids are used.
fn cuts_row(plan: &Plan, table: &mut Table) -> io::Result<bool> {
    let mut kept = true;
    let mut cells = Vec::new();
    for transport in plan.transports {
        eprintln!("{}: connections that are cut", transport.name());
        let of = |error| of(transport, &error);
        let outcome = cuts::measure(transport, plan.cuts, true).map_err(of)?;
        kept &= (outcome.lost, outcome.repeated) == (0, 0);
        cells.push(if transport == Transport::WebSocket {
            let forgetful = cuts::measure(transport, plan.cuts, false).map_err(of)?;
            format!("{}; with own code for ids {}", table::cut(&forgetful), table::cut(&outcome))
        } else {
            table::cut(&outcome)
        });
    }
    table.row("connections cut at any byte", cells);
    Ok(kept)
}

/// What comes through an nginx.
fn proxied_row(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let mut cells = Vec::new();
    for transport in plan.transports {
        eprintln!("{}: behind nginx", transport.name());
        let measure = |proxy| steady::measure(transport, plan.proxied, Some(proxy), PATIENCE);
        cells.push(match measure("") {
            Ok(figures) => format!("works, {}", table::latency(&figures)),
            Err(error) if transport == Transport::WebSocket => {
                let figures = measure(UPGRADE).map_err(|error| of(transport, &error))?;
                format!("fails: {error}; with `Upgrade` passed on {}", table::latency(&figures))
            }
            Err(error) => return Err(of(transport, &error)),
        });
    }
    table.row(&format!("behind nginx as it stands, {} lines/s", plan.proxied.rate), cells);
    Ok(())
}

/// What becomes of a silent connection behind nginx, and whether that is as promised.
fn silence(transport: Transport, plan: &Plan) -> io::Result<(String, bool)> {
    if let Transport::Polling(_) = transport {
        return Ok(("asks anew".into(), true));
    }
    let lasted = silence::measure(transport, plan).map_err(|error| of(transport, &error))?;
    Ok((table::lasted(lasted), lasted.is_none() || transport == Transport::WebSocket))
}

fn of(transport: Transport, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", transport.name()))
}
