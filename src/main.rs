//! The program: argv to a config, logs to a feed, a feed to a listener, until a signal; then an exit code.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;

use sidetail::config::options::LogFormat;
use sidetail::config::values::Listen;
use sidetail::config::{self, Config, Job};
use sidetail::demo::Demo;
use sidetail::health;
use sidetail::http::{self, Listener};
use sidetail::source::follow;
use sidetail::source::pattern::LogPattern;
use sidetail::subscriber::explain::explain;
use sidetail::subscriber::filter::Pattern;
use sidetail::subscriber::rules::{EventData, EventRule};
use sidetail::subscriber::scope::Scope;
use sidetail::subscriber::{Feed, Limits};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

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
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
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
    speak(config.log_format, config.log_level);
    let open_files_max = raise_file_limit();
    let (listener, address) = bind(&config)?;
    let settings = follow::Settings {
        watch: config.watch,
        hot_tail_bytes: config.hot_tail_bytes,
        hold_time: config.hold_time,
        hold_bytes: config.hold_bytes,
        open_files_max: (open_files_max / 2).saturating_sub(OWN_FILES).max(1),
    };
    let (logs, follower) = follow::follow(config.logs, settings)?;
    let limits = Limits { line_bytes_max: config.line_bytes_max, subscribers_max: config.subscribers_max };
    let feed = Feed::new(logs, config.layouts, config.rules, limits);
    let settings = http::Settings {
        base_path: config.base_path,
        heartbeat: config.heartbeat,
        retry: config.retry,
        grace: config.grace,
        tokens: config.tokens,
        allow_origins: config.allow_origins,
        subscribers_max: config.subscribers_max,
        tls: config.tls,
    };
    let ended = http::serve(listener, feed, settings, async {
        let stop = stop_signal();
        // Whoever waits for this line can connect from now on, and end us.
        if print(format!("{address}\n").as_bytes()).and_then(|()| io::stdout().flush()).is_err() {
            warn!("standard output is closed; listening on {address}");
        }
        stop.await;
    });
    drop(follower);
    if let Some(path) = config::unix_path(&config.listen) {
        // Somebody may have removed it; the next start does in any case.
        let _ = std::fs::remove_file(path);
    }
    ended
}

/// Our own log, on standard error. It never repeats a line of the logs that are followed.
fn speak(format: LogFormat, level: tracing::Level) {
    let filter = EnvFilter::new(format!("warn,sidetail={level}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.with_ansi(false).init(),
    }
}

/// Binds the listener, and says where as a client would write it.
fn bind(config: &Config) -> io::Result<(Listener, String)> {
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("can't listen on {}: {error}", config.listen));
    match &config.listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).map_err(explain)?;
            let bound = listener.local_addr()?;
            listener.set_nonblocking(true)?;
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            Ok((Listener::Tcp(listener), format!("{scheme}://{bound}{}/", config.base_path)))
        }
        Listen::Unix(path) => {
            use std::os::unix::fs::FileTypeExt;
            // A socket that an earlier run left behind and nobody serves; nothing else is touched.
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
            if is_socket && UnixStream::connect(path).is_err() {
                std::fs::remove_file(path).map_err(explain)?;
            }
            let listener = UnixListener::bind(path).map_err(explain)?;
            listener.set_nonblocking(true)?;
            Ok((Listener::Unix(listener), format!("unix:{}", path.display())))
        }
    }
}

/// Hears SIGTERM and SIGINT from now on; waits for one of them.
fn stop_signal() -> impl Future<Output = ()> {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
            warn!("signals can't be heard; only SIGKILL ends this program");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: ending all streams"),
            _ = interrupt.recv() => info!("SIGINT: ending all streams"),
        }
    }
}

/// About how many descriptors the agent takes before it opens a log.
const OWN_FILES: usize = 16;

/// Every log and every subscriber takes a descriptor: allow as many as the system lets us. How many that is.
fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_err() {
        warn!(limit = ?limit.current, "the limit of open files can't be raised");
    }
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
