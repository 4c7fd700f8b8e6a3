//! How much our own log says of clients: whoever can connect must not fill it. Counts what is left out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How many lines of one kind are written within [`LINES_SPAN`].
pub const LINES_MAX: u64 = 10;
/// Within which time, from the first of them on.
pub const LINES_SPAN: Duration = Duration::from_secs(60);
/// How soon it is said that lines were left out.
const SAY_AFTER: Duration = Duration::from_secs(1);
/// What speaks of clients among our own modules; all libraries do.
const OWN: &str = "sidetail::http";
/// Who says that a request could not be read, and nothing else that is an error.
const READER: &str = "actix_http::h1::dispatcher";

/// Leaves out lines about clients when there are too many. What is only said to whoever looks for defects (debug, trace)
/// stays.
#[derive(Clone, Debug, Default)]
pub struct Quiet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    spells: Mutex<HashMap<Identifier, Spell>>,
    left_out: AtomicU64,
    left_out_once: Notify,
    unreadable: AtomicU64,
}

/// Lines of one kind.
#[derive(Debug)]
struct Spell {
    began: Instant,
    count: u64,
}

impl Quiet {
    /// How many requests could not be read: their heads were wrong or too large, their bodies broke off.
    pub fn unreadable(&self) -> u64 {
        self.0.unreadable.load(Ordering::Relaxed)
    }

    /// Says now and then how many lines were left out. Never ends.
    pub async fn tell(self) {
        loop {
            self.0.left_out_once.notified().await;
            sleep(SAY_AFTER).await;
            let lines = self.0.left_out.swap(0, Ordering::Relaxed);
            if lines > 0 {
                warn!(target: "sidetail", lines, "lines about clients were left out: too many of one kind");
                sleep(LINES_SPAN).await;
            }
        }
    }

    /// Whether one more line of this kind may be written.
    fn allows(&self, kind: Identifier, now: Instant) -> bool {
        let mut spells = self.0.spells.lock().unwrap_or_else(PoisonError::into_inner);
        let spell = spells.entry(kind).or_insert(Spell { began: now, count: 0 });
        if now.duration_since(spell.began) >= LINES_SPAN {
            *spell = Spell { began: now, count: 0 };
        }
        spell.count += 1;
        spell.count <= LINES_MAX
    }
}

fn is_of_clients(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    *metadata.level() <= Level::INFO && (target.starts_with(OWN) || !target.starts_with("sidetail"))
}

impl<S: Subscriber> Layer<S> for Quiet {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() == Level::ERROR && metadata.target() == READER {
            self.0.unreadable.fetch_add(1, Ordering::Relaxed);
        }
        let is_said = !is_of_clients(metadata) || self.allows(metadata.callsite(), Instant::now());
        if !is_said {
            self.0.left_out.fetch_add(1, Ordering::Relaxed);
            self.0.left_out_once.notify_one();
        }
        is_said
    }
}
