//! The program: argv to a config, logs to a feed, a feed to a listener, until a signal; then an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use sidetail::agent;
use sidetail::agent::voice::Voice;
use sidetail::config::{self, Config, Job};
use sidetail::demo::Demo;
use sidetail::health;
use sidetail::source::pattern::LogPattern;
use sidetail::subscriber::explain::explain;
use sidetail::subscriber::filter::Pattern;
use sidetail::subscriber::rules::{EventData, EventRule};
use sidetail::subscriber::scope::Scope;
use tracing::error;

/// What the demo turns into events of the name `update`: `{"symbol":"ACME","price":150.25}`.
const DEMO_PRICE: &str = "price (?P<symbol>[A-Z]+) (?P<price>[0-9.]+)";
/// The exit code for wrong usage and a wrong config.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let done = match config::from_environment() {
        Ok(Job::Print(text)) => print(&text),
        Ok(Job::TestRules(config, log)) => test_rules(&config, &log),
        Ok(Job::Health(target, patience)) => {
            health::ask(&target, patience).map_err(io::Error::other).and_then(|()| print(b"ok\n"))
        }
        Ok(Job::Serve(config)) => serve(*config),
        Ok(Job::Demo(config)) => demo(*config),
        Err(why) => {
            eprint!("{why}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says what failed: in our own log, once there is one.
fn complain(failed: &io::Error) {
    if tracing::dispatcher::has_been_set() {
        error!("{}", failed.to_string().replace('\n', " "));
    } else {
        eprintln!("error: {failed}");
    }
}

/// Writes to standard output; whoever closed it early has read enough.
fn print(text: &[u8]) -> io::Result<()> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn test_rules(config: &Config, log: &str) -> io::Result<()> {
    let of_log = config.logs.iter().position(|pattern| pattern.only_name().as_deref() == Some(log));
    let layout = of_log.and_then(|pattern| config.layouts.get(pattern)).cloned().unwrap_or_default();
    match explain(io::stdin().lock(), io::stdout().lock(), log, (&config.rules, &layout), config.line_bytes_max) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        told => told,
    }
}

fn demo(config: Config) -> io::Result<()> {
    let demo = Demo::start()?;
    let pattern = |(name, path): (&str, std::path::PathBuf)| LogPattern::new(Some(name), &path).map_err(io::Error::other);
    let logs = demo.logs().into_iter().map(pattern).collect::<Result<_, _>>()?;
    let mut rules = config.rules;
    if rules.event.is_empty() {
        let pattern = Pattern::new(DEMO_PRICE).map_err(io::Error::other)?;
        let scope = Scope::default();
        rules.event.push(EventRule { name: "update".into(), pattern, scope, data: EventData::Captures, keep: None });
    }
    // Ends before the folder goes.
    serve(Config { logs, rules, ..config })
}

fn serve(config: Config) -> io::Result<()> {
    let voice = Voice::new(config.log_format, config.log_level);
    let served = config::handed_over().map_err(io::Error::other);
    let served = served.and_then(|handed_over| agent::serve(config, &config::supervision(), handed_over));
    drop(voice);
    served
}
