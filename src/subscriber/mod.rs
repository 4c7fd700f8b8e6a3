//! Records to events: who wants what, from where, and what the operator's rules make of it. Never opens a file, never
//! touches a socket.

mod adopt;
mod before;
pub mod counts;
pub mod explain;
pub mod filter;
mod give;
pub mod grant;
pub mod join;
pub mod keep;
pub mod layout;
mod lead;
pub mod merge;
pub mod rules;
pub mod reader;
pub mod ruling;
pub mod scope;
pub mod share;
pub mod sift;
pub mod sink;
pub mod since;
pub mod start;
pub mod stream;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::position::{CURSOR_POSITIONS_MAX, Cursor, SourceId};
use crate::source::catalog::{Log, LogStatus, Logs, Problem, Watching};
use crate::source::interest::{Errand, Interest};
pub use before::BACK_TIME_MAX;
use counts::{Behind, Counts};
use filter::Filter;
use grant::Grant;
use layout::Layout;
use lead::Told;
use rules::Origin;
use ruling::Ruling;
use share::Shares;
use start::{Counting, Seen, Start, start};
use stream::{Parts, Subscription};

/// What a subscriber may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many subscribers there may be at a time.
    pub subscribers_max: usize,
    /// How many bytes streams that want the same share at most, all together.
    pub shared_bytes_max: usize,
}

/// Where subscriptions come from. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    logs: Logs,
    ruling: watch::Sender<Arc<Ruling>>,
    limits: Limits,
    subscribers: AtomicUsize,
    shares: Shares,
    counts: Counts,
    /// Turns of those whose start is looked for.
    starts: Arc<Semaphore>,
    /// Turns of those whose start is searched for by what records say, which may take all there is.
    searches: Arc<Semaphore>,
}

/// How many starts are searched for at a time; and as many that no filter makes long.
pub const SEARCHES_MAX: usize = 8;
/// How long it is worth to gather records for each subscriber that is woken for them.
const PACE_PER_SUBSCRIBER: Duration = Duration::from_micros(68);
/// How long records are gathered at most.
const PACE_MAX: Duration = Duration::from_millis(60);

impl Shared {
    /// Who looks for the start of a stream by its filter waits for others that do, and nobody else does.
    fn turns_for(&self, request: &Request) -> &Arc<Semaphore> {
        let is_long = matches!(request.start, Start::Tail(1..) | Start::Before { .. } | Start::Since(_));
        if is_long && !request.filter.is_everything() { &self.searches } else { &self.starts }
    }

    /// Gathers for so many subscribers from now on.
    fn count(&self, subscribers: usize) {
        let pace = PACE_PER_SUBSCRIBER.saturating_mul(u32::try_from(subscribers).unwrap_or(u32::MAX));
        self.logs.set_pace(pace.min(PACE_MAX));
    }

    /// What holds now.
    fn ruling(&self) -> Arc<Ruling> {
        self.ruling.borrow().clone()
    }
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which logs the reader may know of.
    pub grant: Arc<Grant>,
    /// Which of them, by name or glob; all if there are none.
    pub logs: Vec<String>,
    /// Which records.
    pub filter: Filter,
    /// From where.
    pub start: Start,
    /// Records that are younger are not wanted; when it has come the stream ends.
    pub until: Option<Timestamp>,
    /// Whether to go on at the present end.
    pub follow: bool,
    /// After how many records to end.
    pub limit: Option<u64>,
    /// Whether to tell of history's end, rotations and logs.
    pub notices: bool,
    /// Whether the client is told what records say of themselves.
    pub asks_meaning: bool,
    /// How its events are written: streams of the same form, logs and filter are given the same bytes.
    pub form: String,
}

/// Why there is no stream for a request. Each is a sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No log has the name, or matches the glob.
    UnknownLog {
        /// What was asked for.
        asked: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A glob that is none.
    BadGlob(String),
    /// More logs than an id can hold.
    TooManyLogs(usize),
    /// A bare offset, and not exactly one log.
    OffsetOfManyLogs(usize),
    /// As many subscribers as there may be.
    Busy,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownLog { asked, known } if known.is_empty() => {
                write!(f, "there is no log {asked:?}; no log is known yet")
            }
            Refusal::UnknownLog { asked, known } => {
                let more = if known.len() > 10 { ", …" } else { "" };
                let known = known.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "there is no log {asked:?}; there are: {known}{more}")
            }
            Refusal::BadGlob(why) => write!(f, "parameter log: {why}"),
            Refusal::TooManyLogs(count) => {
                write!(f, "{count} logs are too many for one stream, an id can hold {CURSOR_POSITIONS_MAX}; name fewer with log=")
            }
            Refusal::OffsetOfManyLogs(count) => {
                write!(f, "a bare number after= is an offset in one log, and {count} are asked for; name one with log=")
            }
            Refusal::Busy => write!(f, "there are as many subscribers as there may be; come back later"),
        }
    }
}

/// Which logs a subscription is of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    names: Vec<(String, Option<GlobMatcher>)>,
    /// What may be known; `None` for all.
    grant: Option<Arc<Grant>>,
}

impl Wanted {
    fn new(names: &[String]) -> Result<Self, Refusal> {
        let parse = |name: &String| {
            if !name.contains(['*', '?', '[', '{']) {
                return Ok((name.clone(), None));
            }
            let glob = GlobBuilder::new(name).build().map_err(|error| Refusal::BadGlob(error.to_string()))?;
            Ok((name.clone(), Some(glob.compile_matcher())))
        };
        Ok(Wanted { names: names.iter().map(parse).collect::<Result<_, _>>()?, grant: None })
    }

    /// Those of them that `grant` covers.
    fn granted(self, grant: &Arc<Grant>) -> Self {
        Wanted { grant: Some(grant.clone()), ..self }
    }

    fn may_know(&self, name: &str) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.covers(name))
    }

    fn wants(&self, name: &str) -> bool {
        let named =
            |(wanted, glob): &(String, Option<GlobMatcher>)| glob.as_ref().map_or(wanted == name, |glob| glob.is_match(name));
        (self.names.is_empty() || self.names.iter().any(named)) && self.may_know(name)
    }

    /// Whether each of its names that is no glob is one of `names`.
    fn is_complete<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.names.iter().all(|(wanted, glob)| glob.is_some() || names.clone().any(|name| name == wanted))
    }

    /// Whether no log that appears later can belong to it.
    fn is_fixed(&self) -> bool {
        !self.names.is_empty() && self.names.iter().all(|(_, glob)| glob.is_none())
    }

    /// The logs of a stream. Only a fresh one is refused for their number: a client that comes back gets those of its id.
    fn select(&self, all: &[Arc<Log>], start: &Start) -> Result<Vec<Arc<Log>>, Refusal> {
        for (wanted, glob) in &self.names {
            let found = all.iter().any(|log| glob.as_ref().map_or(**wanted == *log.name, |glob| glob.is_match(&*log.name)));
            if !found {
                return Err(Refusal::UnknownLog {
                    asked: wanted.clone(),
                    known: all.iter().map(|log| log.name.to_string()).collect(),
                });
            }
        }
        let mut selected: Vec<_> = all.iter().filter(|log| self.wants(&log.name)).cloned().collect();
        match start {
            _ if selected.len() <= CURSOR_POSITIONS_MAX => {}
            Start::After { id, .. } => {
                let known: Vec<_> = id.parse::<Cursor>().map(|cursor| cursor.positions().to_vec()).unwrap_or_default();
                selected.sort_by_key(|log| !known.iter().any(|position| position.source == log.source));
                selected.truncate(CURSOR_POSITIONS_MAX);
            }
            _ => return Err(Refusal::TooManyLogs(selected.len())),
        }
        Ok(selected)
    }
}

/// A subscriber's place among those there may be; given back when dropped.
struct Slot {
    shared: Arc<Shared>,
    behind: Behind,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.count(self.shared.subscribers.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

impl Feed {
    /// A feed of `logs` under `ruling`.
    pub fn new(logs: Logs, ruling: Ruling, limits: Limits) -> Self {
        Feed(Arc::new(Shared {
            logs,
            ruling: watch::Sender::new(Arc::new(ruling)),
            shares: Shares::new(limits.shared_bytes_max),
            limits,
            subscribers: AtomicUsize::new(0),
            counts: Counts::default(),
            starts: Arc::new(Semaphore::new(SEARCHES_MAX)),
            searches: Arc::new(Semaphore::new(SEARCHES_MAX)),
        }))
    }

    /// Holds to `ruling` from now on. Logs that are still known by the numbers of patterns from before keep their layout.
    pub fn rule(&self, ruling: Ruling) {
        self.0.ruling.send_modify(|now| {
            let mut layouts = now.layouts.clone();
            layouts.extend(ruling.layouts);
            *now = Arc::new(Ruling { version: now.version + 1, layouts, ..ruling });
        });
    }

    /// Lets every stream look again which logs there are, and forgets layouts but those of patterns from `first` on.
    pub fn logs_changed(&self, first: usize) {
        self.0.ruling.send_modify(|now| {
            let layouts = now.layouts.iter().filter(|(number, _)| **number >= first);
            let layouts = layouts.map(|(number, layout)| (*number, layout.clone())).collect();
            *now = Arc::new(Ruling {
                version: now.version + 1,
                layouts,
                rules: now.rules.clone(),
                line_bytes_max: now.line_bytes_max,
            });
        });
        self.0.logs.wake_all();
    }

    /// A stream for `request`, once its start is found: that may take long, where the start asks to read files. Waits
    /// until every log was looked at once.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn subscribe(&self, request: Request) -> Result<impl Future<Output = Subscription> + use<>, Refusal> {
        let slot = self.slot()?;
        let shared = self.0.clone();
        let wanted = Wanted::new(&request.logs)?.granted(&request.grant);
        // What was written before the request came belongs to what there is.
        let known: Vec<_> = shared.logs.all().into_iter().filter(|log| wanted.wants(&log.name)).collect();
        shared.logs.look(&known).await;
        let granted: Vec<_> = shared.logs.all().into_iter().filter(|log| wanted.may_know(&log.name)).collect();
        let selected = wanted.select(&granted, &request.start)?;
        if matches!(request.start, Start::Offset(_)) && selected.len() != 1 {
            return Err(Refusal::OffsetOfManyLogs(selected.len()));
        }
        let turns = shared.turns_for(&request).clone();
        let ruling = shared.ruling();
        let searching = move |turn, errand: Errand| {
            errand.run(|| {
                let asked = request.filter.asks_meaning() || request.until.is_some();
                // The number of a log's pattern changes with the next config, that is not this ruling's.
                let layouts: HashMap<SourceId, Arc<Layout>> =
                    selected.iter().map(|log| (log.source, ruling.layout(log))).collect();
                let none = Layout::default();
                let layout = |log: &Log| layouts.get(&log.source).map_or(&none, |layout| &**layout);
                let mut keeps = |log: &Log, told: &Told<'_>, seen: &mut Seen| {
                    let origin = Origin { time: told.time, ..ruling.origin(log, layout(log), Some(told.end.0), asked) };
                    let Some(record) = ruling.rules.apply(&origin, told.line, &mut seen.throttle) else { return false };
                    if let Some((time, until)) = record.time.zip(request.until) {
                        // One without a time is like the one before it.
                        seen.is_late = time > until;
                    }
                    !seen.is_late && request.filter.keeps(&record)
                };
                let way = |log: &Log, serial: u64| {
                    let layout = layout(log);
                    ruling.way(layout, ruling.origin(log, layout, Some(serial), false).format)
                };
                let time_of = |log: &Log, serial: u64, line: &[u8]| ruling.time_of(log, layout(log), serial, line);
                let line_bytes_max = ruling.line_bytes_max;
                let throttles = |log: &str| ruling.rules.throttle_by_time(log);
                let mut counting = Counting {
                    line_bytes_max,
                    keeps: &mut keeps,
                    throttles: &throttles,
                    has_end: request.until.is_some(),
                    way: &way,
                    time_of: &time_of,
                };
                let started = start(&granted, &selected, &request.start, &mut counting);
                let throttle = lead::seen_before(&started.readers, &mut counting);
                drop(turn);
                // The slot is taken as long as the search runs, whether its client waits or not.
                (shared, ruling, request, started, throttle, slot)
            })
        };
        Ok(async move {
            // However many come at once, few threads search; and none for a client that has gone.
            let turn = turns.acquire_owned().await;
            let interest = Interest::default();
            let errand = interest.errand();
            let searching = tokio::task::spawn_blocking(move || searching(turn, errand));
            let (shared, ruling, request, started, throttle, slot) =
                searching.await.expect("a search for the start does not panic");
            let asked = match request.start {
                Start::After { id, .. } | Start::Before { id, .. } => Some(id),
                Start::Offset(offset) => Some(offset.to_string()),
                _ => None,
            };
            let granted = &request.grant.names;
            let common = format!("{} {:?} {granted:?} {:?} {}", request.form, request.logs, request.filter, request.asks_meaning);
            Subscription::new(Parts {
                common,
                ruling,
                shared,
                wanted,
                readers: started.readers,
                gaps: started.gaps,
                resumed: started.resumed,
                basis: started.basis,
                until: request.until,
                throttle,
                filter: request.filter,
                limit: request.limit,
                follow: request.follow,
                notices: request.notices,
                asks_meaning: request.asks_meaning,
                asked,
                slot,
            })
        })
    }

    fn slot(&self) -> Result<Slot, Refusal> {
        let slot = Slot { shared: self.0.clone(), behind: self.0.counts.begin() };
        let before = self.0.subscribers.fetch_add(1, Ordering::Relaxed);
        self.0.count(before + 1);
        if before < self.0.limits.subscribers_max { Ok(slot) } else { Err(Refusal::Busy) }
    }

    /// Whether every log was looked at once.
    pub fn is_ready(&self) -> bool {
        self.0.logs.looked()
    }

    /// Waits for a look at names that begins after this call: whoever comes back from it knows that the follower works.
    pub async fn look(&self) {
        self.0.logs.look(&[]).await;
    }

    /// For how long the follower has been at one thing: long means that it is stuck.
    pub fn since_turn(&self) -> Duration {
        self.0.logs.since_turn()
    }

    /// How it goes, in a line for people.
    pub fn summary(&self) -> String {
        let logs = self.0.logs.all();
        let troubled = logs.iter().filter(|log| log.state().error.is_some()).count() + self.0.logs.problems().len();
        let trouble = if troubled > 0 { format!(" ({troubled} with errors)") } else { String::new() };
        let count = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        format!("following {}{trouble}, {}", count(logs.len(), "log"), count(self.subscribers(), "subscriber"))
    }

    /// The logs that are known now, by name, as far as they were granted.
    pub fn logs(&self, grant: &Grant) -> Vec<Arc<Log>> {
        self.0.logs.all().into_iter().filter(|log| grant.covers(&log.name)).collect()
    }

    /// Files that patterns mean and that are not followed. They have no names, so only whom all was granted is told.
    pub fn problems(&self, grant: &Grant) -> Vec<Problem> {
        if grant.is_everything() { self.0.logs.problems() } else { Vec::new() }
    }

    /// How changes are learnt of.
    pub fn watching(&self) -> Watching {
        self.0.logs.watching()
    }

    /// What was counted of all streams.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// How many subscribers there may be.
    pub fn subscribers_max(&self) -> usize {
        self.0.limits.subscribers_max
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        self.0.subscribers.load(Ordering::Relaxed)
    }

    /// What is known of all logs that were granted, after a look at them.
    pub async fn status(&self, grant: &Grant) -> Status {
        self.0.logs.look(&self.0.logs.all()).await;
        let ruling = self.0.ruling();
        let format = |log: &Log| ruling.origin(log, &ruling.layout(log), None, false).format;
        let logs = self.logs(grant);
        Status {
            logs: logs.iter().map(|log| LogStatus { format: format(log), ..log.status() }).collect(),
            events: ruling.rules.event_names(grant, &logs).into_iter().map(str::to_owned).collect(),
            watch: self.0.logs.watching(),
            problems: self.problems(grant),
            unmatched: if grant.is_everything() { self.0.logs.unmatched() } else { Vec::new() },
            subscribers: self.subscribers(),
        }
    }
}

/// The answer to `GET /logs`.
#[derive(Debug, serde::Serialize)]
pub struct Status {
    /// The logs, by name.
    pub logs: Vec<LogStatus>,
    /// The names that rules give to records.
    pub events: Vec<String>,
    /// How changes are learnt of.
    pub watch: Watching,
    /// Files that patterns mean and that are not followed.
    pub problems: Vec<Problem>,
    /// Patterns that no file fits yet, as they were written.
    pub unmatched: Vec<String>,
    /// How many subscribers there are.
    pub subscribers: usize,
}
