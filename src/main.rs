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
        Ok(Job::Serve(config)) => run(*config, again),
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
        // There is nobody left to tell where that fails.
        let _ = writeln!(io::stderr(), "error: {failed}");
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
    let of_log = config.logs.iter().position(|pattern| pattern.may_be_called(log));
    let layout = of_log.and_then(|pattern| config.layouts.get(pattern)).cloned().unwrap_or_default();
    match explain(io::stdin().lock(), io::stdout().lock(), log, (&config.rules, &layout), config.line_bytes_max) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        told => told,
    }
}

/// The config that the same flags, environment and file come to now.
fn again() -> Result<Config, String> {
    match config::from_environment()? {
        Job::Serve(config) | Job::Demo(config) => Ok(*config),
        _ => unreachable!("the arguments are those with which it was started"),
    }
}

fn demo(config: Config) -> io::Result<()> {
    let demo = Demo::start()?;
    let of_demo = |config| with_demo(&demo, config).map_err(|error| error.to_string());
    // Ends before the folder goes.
    run(of_demo(config).map_err(io::Error::other)?, || of_demo(again()?))
}

/// The config, but for the logs, and for the rules if it has none.
fn with_demo(demo: &Demo, config: Config) -> io::Result<Config> {
    let pattern = |(name, path): (&str, std::path::PathBuf)| LogPattern::new(Some(name), &path).map_err(io::Error::other);
    let logs = demo.logs().into_iter().map(pattern).collect::<Result<_, _>>()?;
    let mut rules = config.rules;
    if rules.event.is_empty() {
        let pattern = Pattern::new(DEMO_PRICE).map_err(io::Error::other)?;
        let scope = Scope::default();
        rules.event.push(EventRule { name: "update".into(), pattern, scope, data: EventData::Captures, keep: None });
    }
    Ok(Config { logs, rules, layouts: Vec::new(), ..config })
}

fn run(config: Config, again: impl Fn() -> Result<Config, String>) -> io::Result<()> {
    let voice = Voice::new(config.log_format, config.log_level);
    let handed_over = config::handed_over().map_err(io::Error::other)?;
    agent::serve(config, &config::supervision(), handed_over, voice, again)
}
