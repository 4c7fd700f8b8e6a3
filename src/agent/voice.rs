//! Our own log, on standard error: one line each, as text or JSON. It never repeats a line of the logs that are followed.

use std::io;

use tracing::{Level, error};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::options::LogFormat;
use crate::http::quiet::Quiet;

/// Changes how much is said while the program runs.
pub struct Voice {
    set_level: Box<dyn Fn(Level)>,
    /// What keeps it short.
    pub quiet: Quiet,
}

impl Voice {
    /// Begins to speak. Called once.
    pub fn new(format: LogFormat, level: Level) -> Self {
        let builder = tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(io::stderr).with_target(false);
        // Where standard error can't be written, saying so there would be a panic.
        let builder = builder.log_internal_errors(false);
        let quiet = Quiet::default();
        let set_level: Box<dyn Fn(Level)> = match format {
            LogFormat::Json => {
                let builder = builder.json().flatten_event(true).with_filter_reloading();
                let handle = builder.reload_handle();
                builder.finish().with(quiet.clone()).init();
                // It fails only once nobody listens any more.
                Box::new(move |level| drop(handle.reload(filter(level))))
            }
            LogFormat::Text => {
                let builder = builder.with_ansi(false).with_filter_reloading();
                let handle = builder.reload_handle();
                builder.finish().with(quiet.clone()).init();
                Box::new(move |level| drop(handle.reload(filter(level))))
            }
        };
        std::panic::set_hook(Box::new(tell_panic));
        Voice { set_level, quiet }
    }

    /// Says so much from now on.
    pub fn set_level(&self, level: Level) {
        (self.set_level)(level);
    }
}

/// What is said of ourselves, and of the libraries no more than warnings.
fn filter(level: Level) -> EnvFilter {
    EnvFilter::new(format!("{},sidetail={level}", level.min(Level::WARN)))
}

/// Says where it was. The message is left out unless it is a literal: it might quote what is followed.
fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let why = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("a broken invariant");
    error!(place, thread = std::thread::current().name(), "a defect of sidetail: {why}");
}
