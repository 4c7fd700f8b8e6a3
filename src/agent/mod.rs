//! The running agent: puts follower, feed and server together, hears signals, and tells a service manager how it goes.

mod limits;
mod listen;
mod manager;
mod memory;
mod reload;
pub mod voice;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::config::{Config, SOCKETS_MAX, Supervision, file};
use crate::http::access::tokens::Tokens;
use crate::http::{self, Listener, Manners};
use crate::source::follow;
use crate::subscriber::ruling::Ruling;
use crate::subscriber::{Feed, Limits};
use limits::Share;
use listen::bind;
use manager::Manager;
use memory::Budget;
use reload::{Parts, Reloader};
use voice::Voice;

/// For how long the follower may be at one thing before it counts as stuck, where no watchdog says it.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// And at least: when all is quiet it turns once a second.
const STUCK_AFTER_LEAST: Duration = Duration::from_secs(3);
/// How often a service manager without a watchdog is told how it goes.
const STATUS: Duration = Duration::from_secs(10);

/// Follows and serves until a signal; streams have ended then. `handed_over` are sockets of a service manager, `again` reads
/// the config once more.
///
/// # Errors
/// What keeps it from starting or going on, in a sentence.
pub fn serve(
    config: Config,
    supervision: &Supervision,
    handed_over: Vec<Listener>,
    voice: Voice,
    again: impl Fn() -> Result<Config, String>,
) -> io::Result<()> {
    let budget = Budget::of_system();
    let share = Share::of_system(config.subscribers_max);
    let bound = bind(&config, handed_over)?;
    info!(version = env!("CARGO_PKG_VERSION"), address = bound.address, patterns = config.logs.len(), "starting");
    warn_of_weak(&config.tokens);
    let (logs, follower) = follow::follow(config.logs.clone(), following(&config, share.log_files, budget))?;
    let feed =
        Feed::new(logs, ruling(&config, 0), Limits { subscribers_max: share.subscribers, shared_bytes_max: budget.shared_bytes });
    let (manners, mannered) = watch::channel(Arc::new(manners(&config, share.log_files, budget)));
    let settings = http::Settings {
        base_path: config.base_path.clone(),
        manners: mannered,
        grace: config.grace,
        connections_max: share.connections,
        memory_bytes_max: budget.limit,
        tls: config.tls.clone(),
        quiet: voice.quiet.clone(),
        stuck_after: supervision.watchdog.unwrap_or(STUCK_AFTER).max(STUCK_AFTER_LEAST),
    };
    let (manager, quiet) = (Manager::new(supervision), voice.quiet.clone());
    let ended = http::serve(bound.listeners, feed.clone(), settings, async {
        let (stop, hangup) = (stop_signal(), signal(SignalKind::hangup()));
        // Whoever waits for this line can connect from now on, and end us.
        if announce(&bound.address).is_err() {
            warn!("standard output is closed; listening on {}", bound.address);
        }
        let (exposed, log_files_max) = (bound.exposed, share.log_files);
        let parts = Parts { follower: &follower, feed: &feed, manners, exposed, voice, log_files_max, budget };
        tokio::select! {
            () = stop => {}
            () = report(&manager, &feed) => {}
            () = quiet.tell() => {}
            () = Reloader::new(config, parts, &manager).run(hangup, again) => {}
        }
        manager.stopping();
    });
    drop(follower);
    if let Some(path) = bound.made {
        // Somebody may have removed it; the next start does in any case.
        let _ = std::fs::remove_file(path);
    }
    ended
}

fn following(config: &Config, open_files_max: usize, budget: Budget) -> follow::Settings {
    follow::Settings {
        watch: config.watch,
        hot_tail_bytes: hot_tail_bytes(config, budget),
        hold_time: config.hold_time,
        links: config.links,
        hold_bytes: config.hold_bytes,
        open_files_max,
    }
}

/// What the config makes of lines, with its patterns numbered from `first` on.
fn ruling(config: &Config, first: usize) -> Ruling {
    let layouts = config.layouts.iter().enumerate();
    Ruling {
        version: 0,
        rules: config.rules.clone(),
        layouts: layouts.map(|(number, layout)| (first + number, Arc::new(layout.clone()))).collect(),
        line_bytes_max: config.line_bytes_max,
    }
}

fn manners(config: &Config, log_files_max: usize, budget: Budget) -> Manners {
    Manners {
        heartbeat: config.heartbeat,
        retry: config.retry,
        tokens: config.tokens.clone(),
        asks_certificate: config.asks_certificate,
        allow_hosts: config.allow_hosts.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        connections_per_address_max: config.connections_per_address_max,
        allow_origins: config.allow_origins.clone(),
        limits: limits(config, log_files_max, budget),
        config_read: SystemTime::now(),
        config_is_good: true,
    }
}

/// The limits that the server knows nothing of, by the names of `docs/limits.md`.
fn limits(config: &Config, log_files_max: usize, budget: Budget) -> Vec<(&'static str, u64)> {
    vec![
        ("line-bytes", config.line_bytes_max as u64),
        ("hot-tail-bytes", hot_tail_bytes(config, budget) as u64),
        ("hold-bytes", config.hold_bytes),
        ("hold-seconds", config.hold_time.as_secs()),
        ("shared-bytes", budget.shared_bytes as u64),
        ("log-files", log_files_max as u64),
        ("config-bytes", file::FILE_BYTES_MAX),
        ("sockets", SOCKETS_MAX as u64),
    ]
}

fn hot_tail_bytes(config: &Config, budget: Budget) -> usize {
    config.hot_tail_bytes.unwrap_or(budget.hot_tail_bytes)
}

fn warn_of_weak(tokens: &Tokens) {
    let weak = tokens.weak();
    if !weak.is_empty() {
        warn!(tokens = weak.join(", "), "these are so short that they can be guessed; `openssl rand -hex 32` makes a good one");
    }
}

fn announce(address: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}

/// Tells the service manager that we are ready, once every log was looked at, and from then on that we still work: after a
/// look that the follower made because it was asked, so that one that is stuck is found out. Never ends.
async fn report(manager: &Manager, feed: &Feed) {
    if !manager.is_there() {
        return std::future::pending().await;
    }
    feed.look().await;
    let mut told = feed.summary();
    manager.ready(&told);
    let pause = manager.watchdog.map_or(STATUS, |watchdog| watchdog / 3);
    loop {
        sleep_until(Instant::now() + pause).await;
        feed.look().await;
        if manager.watchdog.is_some() {
            manager.alive();
        }
        let now = feed.summary();
        if now != told {
            manager.status(&now);
            told = now;
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
