//! All options, once: as flags, as environment variables and as keys of the config file. The first that is given wins:
//! flag, environment, file, default.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{DropEntry, EventEntry, LogEntry, RedactEntry};
use super::schema;
use super::values::{BasePath, Count, LineSize, Listen, Origin, Period, Size, Time, Zone};
use crate::http::access::peer::Proxy;
use crate::http::access::sites::HostName;
use crate::source::links::Links;
use crate::source::watch::WatchMode;

/// Everything that can be set. What was not given is `None`.
#[derive(Args, Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Address to listen on: HOST:PORT (port 0: any free one) or unix:PATH [default: 127.0.0.1:7878]
    #[arg(long, env = "SIDETAIL_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<Listen>,
    /// Listen elsewhere than on loopback although neither a token nor a client certificate is asked for
    #[arg(long, env = "SIDETAIL_INSECURE", value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure: Option<bool>,
    /// Config file (TOML)
    #[arg(long, env = "SIDETAIL_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Serve everything below this path, as behind a proxy
    #[arg(long, env = "SIDETAIL_BASE_PATH", value_name = "/PATH")]
    #[serde(alias = "base_path")]
    pub base_path: Option<BasePath>,
    /// How to learn of changes [default: auto]
    #[arg(long, env = "SIDETAIL_WATCH", value_name = "auto|notify|poll", value_parser = watch_mode)]
    #[schemars(schema_with = "schema::watch")]
    pub watch: Option<WatchMode>,
    /// How far symbolic links may lead: anywhere, if root, our user or the file's owner made them; or not out of the folder that
    /// a log is named by [default: any]
    #[arg(long, env = "SIDETAIL_FOLLOW_SYMLINKS", value_name = "any|inside", value_parser = links)]
    #[serde(alias = "follow_symlinks")]
    #[schemars(schema_with = "schema::links")]
    pub follow_symlinks: Option<Links>,
    /// Time without traffic after which a heartbeat is sent [default: 15s]
    #[arg(long, env = "SIDETAIL_HEARTBEAT", value_name = "TIME")]
    pub heartbeat: Option<Period>,
    /// What clients are told to wait before they reconnect, give or take a fifth [default: 2s]
    #[arg(long, env = "SIDETAIL_RETRY", value_name = "TIME")]
    pub retry: Option<Time>,
    /// Longest line that is delivered whole [default: 256KiB]
    #[arg(long, env = "SIDETAIL_MAX_LINE", value_name = "SIZE")]
    #[serde(alias = "max_line")]
    pub max_line: Option<LineSize>,
    /// Memory for the newest bytes of all logs together [default: 8MiB, or an eighth of a lower memory limit]
    #[arg(long, env = "SIDETAIL_HOT_TAIL", value_name = "SIZE")]
    #[serde(alias = "hot_tail")]
    pub hot_tail: Option<Size>,
    /// How long a rotated or deleted file is kept open for late writers and lagging readers [default: 10m]
    #[arg(long, env = "SIDETAIL_HOLD_TIME", value_name = "TIME")]
    #[serde(alias = "hold_time")]
    pub hold_time: Option<Time>,
    /// How many bytes of deleted ones are kept from being freed, in all [default: 1GiB]
    #[arg(long, env = "SIDETAIL_HOLD_BYTES", value_name = "SIZE")]
    #[serde(alias = "hold_bytes")]
    pub hold_bytes: Option<Size>,
    /// How many subscribers there may be at a time [default: 1024]
    #[arg(long, env = "SIDETAIL_MAX_SUBSCRIBERS", value_name = "NUMBER")]
    #[serde(alias = "max_subscribers")]
    pub max_subscribers: Option<Count>,
    /// How many connections there may be from one address, or streams of one client of a trusted proxy [default: 512]
    #[arg(long, env = "SIDETAIL_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    #[serde(alias = "max_connections_per_address")]
    pub max_connections_per_address: Option<Count>,
    /// File of tokens of which every request must bring one (Authorization: Bearer TOKEN): a line is TOKEN, or NAME TOKEN [LOG...]
    #[arg(long, env = "SIDETAIL_TOKEN_FILE", value_name = "FILE")]
    #[serde(alias = "token_file")]
    pub token_file: Option<PathBuf>,
    /// Certificate chain (PEM) for HTTPS
    #[arg(long, env = "SIDETAIL_TLS_CERT", value_name = "FILE")]
    #[serde(alias = "tls_cert")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "SIDETAIL_TLS_KEY", value_name = "FILE")]
    #[serde(alias = "tls_key")]
    pub tls_key: Option<PathBuf>,
    /// Certificates (PEM) of those who sign clients' certificates; one of these lets in as a token does
    #[arg(long, env = "SIDETAIL_TLS_CLIENT_CA", value_name = "FILE")]
    #[serde(alias = "tls_client_ca")]
    pub tls_client_ca: Option<PathBuf>,
    /// Name of this server, beside localhost and addresses, where no token is asked for: NAME, *.NAME or *; may be given several times, or separated by commas
    #[arg(long, env = "SIDETAIL_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    #[serde(alias = "allow_host")]
    pub allow_host: Option<Vec<HostName>>,
    /// Proxy whose X-Forwarded-For, -Proto and -Host are believed: ADDRESS[/BITS] or unix; may be given several times, or separated by commas
    #[arg(long, env = "SIDETAIL_TRUSTED_PROXY", value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(alias = "trusted_proxy")]
    pub trusted_proxy: Option<Vec<Proxy>>,
    /// Origin whose pages may read across sites; may be given several times, or separated by commas
    #[arg(long, env = "SIDETAIL_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(alias = "allow_origin")]
    pub allow_origin: Option<Vec<Origin>>,
    /// Zone of times in logs that name none, by its IANA name [default: UTC]
    #[arg(long, env = "SIDETAIL_TIMEZONE", value_name = "ZONE")]
    pub timezone: Option<Zone>,
    /// How long streams may take to end on SIGTERM [default: 5s]
    #[arg(long, env = "SIDETAIL_GRACE", value_name = "TIME")]
    pub grace: Option<Time>,
    /// How much sidetail says of itself: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "SIDETAIL_LOG_LEVEL", value_name = "LEVEL", value_parser = log_level)]
    #[serde(alias = "log_level", deserialize_with = "log_level_in_file")]
    #[schemars(schema_with = "schema::log_level")]
    pub log_level: Option<tracing::Level>,
    /// How it says so, on standard error [default: text]
    #[arg(long, env = "SIDETAIL_LOG_FORMAT", value_name = "text|json", value_parser = log_format)]
    #[serde(alias = "log_format")]
    pub log_format: Option<LogFormat>,
    /// Logs of the config file.
    #[arg(skip)]
    pub log: Vec<LogEntry>,
    /// Lines that never leave the agent.
    #[arg(skip)]
    pub drop: Vec<DropEntry>,
    /// What is blotted out.
    #[arg(skip)]
    pub redact: Vec<RedactEntry>,
    /// Lines that become named events.
    #[arg(skip)]
    pub event: Vec<EventEntry>,
}

/// The form of our own log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Options {
    /// These, and where they say nothing `other`.
    pub fn or(self, other: Options) -> Options {
        Options {
            listen: self.listen.or(other.listen),
            insecure: self.insecure.or(other.insecure),
            config: self.config.or(other.config),
            base_path: self.base_path.or(other.base_path),
            watch: self.watch.or(other.watch),
            follow_symlinks: self.follow_symlinks.or(other.follow_symlinks),
            heartbeat: self.heartbeat.or(other.heartbeat),
            retry: self.retry.or(other.retry),
            max_line: self.max_line.or(other.max_line),
            hot_tail: self.hot_tail.or(other.hot_tail),
            hold_time: self.hold_time.or(other.hold_time),
            hold_bytes: self.hold_bytes.or(other.hold_bytes),
            max_subscribers: self.max_subscribers.or(other.max_subscribers),
            max_connections_per_address: self.max_connections_per_address.or(other.max_connections_per_address),
            token_file: self.token_file.or(other.token_file),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_client_ca: self.tls_client_ca.or(other.tls_client_ca),
            allow_host: self.allow_host.or(other.allow_host),
            trusted_proxy: self.trusted_proxy.or(other.trusted_proxy),
            allow_origin: self.allow_origin.or(other.allow_origin),
            timezone: self.timezone.or(other.timezone),
            grace: self.grace.or(other.grace),
            log_level: self.log_level.or(other.log_level),
            log_format: self.log_format.or(other.log_format),
            log: [self.log, other.log].concat(),
            drop: [self.drop, other.drop].concat(),
            redact: [self.redact, other.redact].concat(),
            event: [self.event, other.event].concat(),
        }
    }
}

fn watch_mode(text: &str) -> Result<WatchMode, String> {
    word(text, &[("auto", WatchMode::Auto), ("notify", WatchMode::Notify), ("poll", WatchMode::Poll)])
}

fn links(text: &str) -> Result<Links, String> {
    word(text, &[("any", Links::Any), ("inside", Links::Inside)])
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    word(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

fn log_level(text: &str) -> Result<tracing::Level, String> {
    use tracing::Level;
    let levels =
        [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG), ("trace", Level::TRACE)];
    word(text, &levels)
}

fn log_level_in_file<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<tracing::Level>, D::Error> {
    let text = String::deserialize(deserializer)?;
    log_level(&text).map(Some).map_err(serde::de::Error::custom)
}

fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| format!("{text:?} is not one of {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")))
}
