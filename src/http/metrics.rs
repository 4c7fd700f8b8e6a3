//! `GET /metrics`: every number that is counted, gathered when it is asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;

use super::query::Format;
use super::{Manners, limits};
use crate::exposition::Kind::{Counter, Gauge, Info};
use crate::exposition::{Exposition, Form};
use crate::process::Usage;
use crate::source::catalog::Measures;
use crate::subscriber::Feed;
use crate::subscriber::grant::Grant;

/// A stream that has not been at the end of what there is for so long counts as behind.
const BEHIND: Duration = Duration::from_secs(10);
/// How long it is not said again that clients are sent away.
const WARN_PAUSE_SECONDS: u64 = 60;
/// Why requests are refused, as metrics name it, and the status that says so.
const REFUSALS: [(&str, StatusCode); 11] = [
    ("bad-request", StatusCode::BAD_REQUEST),
    ("unauthorized", StatusCode::UNAUTHORIZED),
    ("other-site", StatusCode::FORBIDDEN),
    ("not-found", StatusCode::NOT_FOUND),
    ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED),
    ("not-acceptable", StatusCode::NOT_ACCEPTABLE),
    ("too-large", StatusCode::PAYLOAD_TOO_LARGE),
    ("head-too-large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ("strange-host", StatusCode::MISDIRECTED_REQUEST),
    ("too-often", StatusCode::TOO_MANY_REQUESTS),
    ("busy", StatusCode::SERVICE_UNAVAILABLE),
];

/// What the server counts for itself.
#[derive(Default)]
pub struct Counts {
    sent_bytes: [AtomicU64; Format::ALL.len()],
    refusals: [AtomicU64; REFUSALS.len()],
    wrong_tokens: AtomicU64,
    /// When it was said last that clients are sent away, in seconds since the server began, and one more.
    warned: AtomicU64,
    /// Streams that were asked for: the second, how many in it, how many in the one before.
    begun: Mutex<(u64, u64, u64)>,
}

impl Counts {
    /// Notes bytes of a stream's body.
    pub fn note_sent(&self, format: Format, bytes: usize) {
        self.sent_bytes[format as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many streams were asked for in this second and the one before, this one too.
    pub fn begun_lately(&self, now: Duration) -> u64 {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, count, before) = *begun;
        *begun = match now.as_secs().saturating_sub(second) {
            0 => (second, count + 1, before),
            1 => (second + 1, 1, count),
            _ => (now.as_secs(), 1, 0),
        };
        begun.1 + begun.2
    }

    /// Notes that somebody sent what is no token.
    pub fn note_wrong_token(&self) {
        self.wrong_tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is time to say that clients are sent away: not again within a minute.
    pub fn is_time_to_warn(&self, now: Duration) -> bool {
        let (now, last) = (now.as_secs() + 1, self.warned.load(Ordering::Relaxed));
        let is_time = last == 0 || now >= last + WARN_PAUSE_SECONDS;
        if is_time {
            self.warned.store(now, Ordering::Relaxed);
        }
        is_time
    }

    /// Notes the status of an answer, if it refuses something.
    pub fn note_status(&self, status: StatusCode) {
        if let Some(reason) = REFUSALS.iter().position(|(_, refuses)| *refuses == status) {
            self.refusals[reason].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The form that a request asks for.
pub fn form(request: &HttpRequest) -> Form {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|accept| accept.to_str().ok());
    let open = |accept: &str| accept.trim_start().starts_with("application/openmetrics-text");
    if accepted.flat_map(|accept| accept.split(',')).any(open) { Form::OpenMetrics } else { Form::Text }
}

/// What is told beside what the feed knows.
pub struct Server {
    /// What was counted.
    pub counts: Arc<Counts>,
    /// When it started.
    pub started: SystemTime,
    /// How it behaves.
    pub manners: Arc<Manners>,
    /// How many connections are open.
    pub connections: usize,
    /// How many may be.
    pub connections_max: usize,
    /// How many requests could not be read.
    pub unreadable: u64,
    /// How many browsers are logged in.
    pub sessions: usize,
    /// Which logs are told of.
    pub grant: Arc<Grant>,
    /// Whether it answers `/readyz` with yes.
    pub is_ready: bool,
}

/// All numbers. Asks the file system for the size of every file that is held: may block.
pub fn gather(form: Form, feed: &Feed, server: &Server) -> String {
    let mut text = Exposition::new(form);
    text.family("sidetail_build_info", Info, "Which build this is.").sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("sidetail_ready", Gauge, "Whether every log was looked at, and no end has been asked for.")
        .sample(&[], u8::from(server.is_ready));
    config(&mut text, &server.manners);
    logs(&mut text, feed, &server.grant);
    watching(&mut text, feed);
    streams(&mut text, feed, &server.counts);
    text.family("sidetail_wrong_tokens_total", Counter, "Tokens that were sent and are none.")
        .sample(&[], server.counts.wrong_tokens.load(Ordering::Relaxed));
    let help = "Requests that can't be read as HTTP/1: a wrong or too large head, a body that breaks off.";
    text.family("sidetail_unreadable_requests_total", Counter, help).sample(&[], server.unreadable);
    text.family("sidetail_sessions", Gauge, "Browsers that are logged in.").sample(&[], server.sessions);
    text.family("sidetail_connections", Gauge, "Connections that are open, of streams and others.")
        .sample(&[], server.connections);
    text.family("sidetail_limit", Gauge, "What there may be at most, by the names of docs/limits.md.");
    let set = [
        ("connections", server.connections_max as u64),
        ("connections-per-address", server.manners.connections_per_address_max as u64),
        ("subscribers", feed.subscribers_max() as u64),
    ];
    let other = server.manners.limits.iter().copied().chain(limits::fixed());
    for (limit, value) in set.into_iter().chain(other) {
        text.sample(&[("limit", limit)], value);
    }
    process(&mut text, server.started);
    text.finish()
}

fn config(text: &mut Exposition, manners: &Manners) {
    text.family("sidetail_config_last_reload_successful", Gauge, "Whether the config could be taken over when it was last read.")
        .sample(&[], u8::from(manners.config_is_good));
    let read = manners.config_read.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    text.family(
        "sidetail_config_last_reload_success_timestamp_seconds",
        Gauge,
        "When the config was read that holds, since 1970.",
    )
    .sample(&[], read.as_secs_f64());
}

fn logs(text: &mut Exposition, feed: &Feed, grant: &Grant) {
    let logs: Vec<Measures> = feed.logs(grant).iter().map(|log| log.measures()).collect();
    let problems = feed.problems(grant).len();
    text.family("sidetail_logs", Gauge, "Logs that are followed.").sample(&[], logs.len());
    text.family("sidetail_problems", Gauge, "Files that patterns mean and that are not followed.").sample(&[], problems);
    let mut each = |name, kind, help: &str, value: fn(&Measures) -> u64| {
        text.family(name, kind, help);
        for log in &logs {
            text.sample(&[("log", &log.name)], value(log));
        }
    };
    each("sidetail_log_read_bytes_total", Counter, "Bytes of whole records read of a log as they were written.", |log| log.bytes);
    each("sidetail_log_read_records_total", Counter, "Lines read of a log as they were written.", |log| log.records);
    let passed = "Bytes of whole records that came faster than they are kept while nobody read; they are in the file.";
    each("sidetail_log_passed_bytes_total", Counter, passed, |log| log.passed_bytes);
    let unread = "Bytes of the live file behind the last whole record that was read.";
    each("sidetail_log_unread_bytes", Gauge, unread, |log| log.unread_bytes);
    each("sidetail_log_held_bytes", Gauge, "Bytes of deleted files that are held open.", |log| log.held_bytes);
    each("sidetail_log_hot_bytes", Gauge, "Bytes of a log's newest records in memory.", |log| log.hot_bytes);
    each("sidetail_log_generations", Gauge, "Files of a log that can be read, rotated ones too.", |log| log.generations);
    each("sidetail_log_present", Gauge, "Whether a file has the log's name.", |log| log.present.into());
    each("sidetail_log_error", Gauge, "Whether not all of a log can be followed; /logs says why.", |log| log.error.into());
    text.family("sidetail_log_rotations_total", Counter, "How often a log went on in another file, by what happened to it.");
    for log in &logs {
        for (kind, count) in &log.rotations {
            text.sample(&[("log", &log.name), ("kind", kind.name())], count);
        }
    }
}

fn watching(text: &mut Exposition, feed: &Feed) {
    let watching = feed.watching();
    text.family("sidetail_watch_mode", Gauge, "How changes are learnt of: 1 for the mode that is in use.");
    for mode in ["notify", "poll"] {
        text.sample(&[("mode", mode)], u8::from(watching.mode == mode));
    }
    text.family("sidetail_watch_degraded", Gauge, "Whether notifications that were asked for can't be had everywhere.")
        .sample(&[], u8::from(watching.degraded.is_some()));
    text.family("sidetail_follower_turn_age_seconds", Gauge, "For how long the follower has been at one thing.")
        .sample(&[], feed.since_turn().as_secs_f64());
}

fn streams(text: &mut Exposition, feed: &Feed, server: &Counts) {
    let counts = feed.counts();
    text.family("sidetail_subscribers", Gauge, "Streams that are open.").sample(&[], feed.subscribers());
    text.family("sidetail_subscribers_max", Gauge, "Streams that may be open.").sample(&[], feed.subscribers_max());
    let lags = counts.lags();
    text.family("sidetail_subscribers_behind", Gauge, "Streams that have not been at the end of what there is for 10 s.")
        .sample(&[], lags.iter().filter(|&&lag| lag >= BEHIND).count());
    text.family("sidetail_subscriber_lag_seconds", Gauge, "For how long the slowest stream has not been at the end.")
        .sample(&[], lags.into_iter().max().unwrap_or_default().as_secs_f64());
    text.family("sidetail_streams_started_total", Counter, "Streams that began, by how they go on after the client's id.");
    for (resume, count) in counts.streams() {
        text.sample(&[("resume", resume.name())], count);
    }
    text.family("sidetail_events_sent_total", Counter, "Events given to clients, by kind.");
    for (kind, count) in counts.events() {
        text.sample(&[("event", kind)], count);
    }
    text.family("sidetail_gaps_sent_total", Counter, "Gaps told to clients, by reason.");
    for (reason, count) in counts.gaps() {
        text.sample(&[("reason", reason.name())], count);
    }
    let suppressed = counts.suppressed();
    text.family("sidetail_suppressed_records_total", Counter, "Records that rules with keep held back from streams, by rule.");
    for (rule, count) in &suppressed {
        text.sample(&[("rule", rule)], *count);
    }
    text.family("sidetail_sent_bytes_total", Counter, "Bytes of streams given to sockets, by form, before TLS and chunks.");
    for format in Format::ALL {
        text.sample(&[("form", format.name())], server.sent_bytes[format as usize].load(Ordering::Relaxed));
    }
    text.family("sidetail_refusals_total", Counter, "Requests that were refused, by reason.");
    for ((reason, _), count) in REFUSALS.iter().zip(&server.refusals) {
        text.sample(&[("reason", reason)], count.load(Ordering::Relaxed));
    }
}

fn process(text: &mut Exposition, started: SystemTime) {
    let usage = Usage::now();
    let started = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut known = |name, kind, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.family(name, kind, help).sample(&[], value);
        }
    };
    let number = |value: Option<u64>| value.map(|value| value as f64);
    known("process_cpu_seconds_total", Counter, "Time of processors, user and system.", usage.cpu_seconds);
    known("process_resident_memory_bytes", Gauge, "Memory that is held.", number(usage.resident_bytes));
    known("process_virtual_memory_bytes", Gauge, "Address space.", number(usage.virtual_bytes));
    known("process_threads", Gauge, "Threads.", number(usage.threads));
    known("process_open_fds", Gauge, "Descriptors that are open.", usage.open_files.map(|files| files as f64));
    known("process_max_fds", Gauge, "Descriptors that may be open.", number(usage.open_files_max));
    known("process_start_time_seconds", Gauge, "When it started, since 1970.", Some(started.as_secs_f64()));
}
