//! The command line, the environment and the config file, to one value that says what to do. The only place that reads
//! argv and the environment; starts nothing.

pub mod credentials;
pub mod file;
pub mod options;
mod schema;
mod supervision;
pub mod values;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use crate::health::Target;
use crate::http::access::peer::Proxy;
use crate::http::access::sites::HostName;
use crate::http::access::tokens::Tokens;
use crate::http::tls::Tls;
use crate::source::links::Links;
use crate::source::pattern::LogPattern;
use crate::source::watch::WatchMode;
use crate::subscriber::layout::Layout;
use crate::subscriber::rules::Rules;
use credentials::Credentials;
use options::{LogFormat, Options};
pub use supervision::{SOCKETS_MAX, Supervision, handed_over, supervision};
use values::{Count, LineSize, Listen, Period, Size, Time};

/// Follows log files and serves their lines as Server-Sent Events that resume exactly where a client left off.
#[derive(Debug, Parser)]
#[command(name = "sidetail", version, args_conflicts_with_subcommands = true, subcommand_precedence_over_arg = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
    /// Logs to follow: [NAME=]PATTERN, a path, a glob or a directory. They need not exist yet.
    #[arg(value_name = "LOG")]
    logs: Vec<String>,
}

const AFTER_HELP: &str = "Examples:
  sidetail app=/var/log/app.log web=/var/log/nginx/*.log
  curl -N localhost:7878/tail
  curl -N 'localhost:7878/events?match=ERROR&tail=100'

Every option is also an environment variable (SIDETAIL_LISTEN) and a key of the config file (listen).
The first that is given wins: flag, environment, file, default.";

/// What the man page says beside what `--help` says.
const MAN_MORE: &str = r#".SH SIGNALS
.TP
SIGTERM, SIGINT
Streams end cleanly, within \fB--grace\fR; then sidetail ends.
.TP
SIGHUP
Config file, token file and certificate are read again while streams go on; what is wrong changes nothing and is told on standard error. Where there is no such file sidetail ends.
.SH EXIT STATUS
0 stopped by a signal, 1 failed while running, 2 wrong usage or config. \fBsidetail health\fR: 0 ready, 1 not.
.SH ENVIRONMENT
Beside the variables of the options: NOTIFY_SOCKET, WATCHDOG_USEC and LISTEN_FDS of a service manager (sd_notify(3), sd_listen_fds(3)).
.SH FILES
The config file is TOML. \fBsidetail schema\fR prints its JSON Schema, \fBsidetail check\fR says what it comes to.
"#;

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a realistic, rotating log into a temporary folder and serve it
    Demo {
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Validate options and config and print what they come to; touch nothing
    Check {
        #[command(flatten)]
        options: Box<Options>,
        /// Logs, as for following them
        #[arg(value_name = "LOG")]
        logs: Vec<String>,
    },
    /// Read lines from standard input and print what the rules of a config make of each, as JSON
    TestRules {
        #[command(flatten)]
        options: Box<Options>,
        /// Name of the log that the lines are taken to be of [default: the first of the config]
        #[arg(long, value_name = "NAME")]
        log_name: Option<String>,
    },
    /// Ask a running agent whether it is ready; exits 0 if it is, else 1
    ///
    /// Without URL it is the agent of the same flags, environment and config file. Of the config only listen, base-path and
    /// tls-cert are read: an error in the rest is no illness.
    Health {
        /// Where it serves, as it printed it: http://127.0.0.1:7878/ or unix:PATH; may end in /livez or /healthz
        url: Option<Target>,
        /// How long to wait for the answer
        #[arg(long, value_name = "TIME", default_value = "5s")]
        timeout: Period,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Print the JSON Schema of the config file, for editors and checks
    Schema,
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// What the program is to do.
#[derive(Debug)]
pub enum Job {
    /// Follow logs and serve them.
    Serve(Box<Config>),
    /// The same with a log of its own.
    Demo(Box<Config>),
    /// Say what lines from standard input become, as those of the log of this name.
    TestRules(Box<Config>, String),
    /// Ask an agent whether it is ready, for so long.
    Health(Target, Duration),
    /// Print this and end well.
    Print(Vec<u8>),
}

/// Everything that was decided.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Whether it may listen elsewhere than on loopback although anybody would be let in there.
    pub insecure: bool,
    /// What all paths start with.
    pub base_path: String,
    /// The logs.
    pub logs: Vec<LogPattern>,
    /// How changes are learnt of.
    pub watch: WatchMode,
    /// How far symbolic links may lead.
    pub links: Links,
    /// After how long without traffic a heartbeat is sent.
    pub heartbeat: Duration,
    /// How long clients are told to wait before they come back.
    pub retry: Duration,
    /// How long streams may take to end.
    pub grace: Duration,
    /// The longest line that is delivered whole, in bytes.
    pub line_bytes_max: usize,
    /// Memory for the newest bytes of all logs, in bytes; none where the machine decides.
    pub hot_tail_bytes: Option<usize>,
    /// How long a replaced file stays open.
    pub hold_time: Duration,
    /// How many bytes of replaced files stay open.
    pub hold_bytes: u64,
    /// How many subscribers there may be.
    pub subscribers_max: usize,
    /// Tokens of which requests must bring one.
    pub tokens: Arc<Tokens>,
    /// Whether a certificate of the client does instead.
    pub asks_certificate: bool,
    /// The files that these are in, and the certificate.
    pub credentials: credentials::Files,
    /// How they were when they were read.
    pub stamps: credentials::Stamps,
    /// Names under which it may be asked for.
    pub allow_hosts: Vec<HostName>,
    /// Proxies whose word is taken.
    pub trusted_proxies: Vec<Proxy>,
    /// How many connections there may be from one address.
    pub connections_per_address_max: usize,
    /// The certificate to show; none means plain HTTP.
    pub tls: Option<Tls>,
    /// Origins whose pages may read.
    pub allow_origins: Vec<String>,
    /// How much we say of ourselves.
    pub log_level: tracing::Level,
    /// How we say it.
    pub log_format: LogFormat,
    /// How the lines of each of them make records.
    pub layouts: Vec<Layout>,
    /// The operator's rules.
    pub rules: Rules,
    /// Whether any of it was read from a file, so that it can change.
    pub is_from_files: bool,
}

/// What argv, the environment and the config file come to.
///
/// # Errors
/// A text for standard error: wrong usage or a wrong config. `--help` and `--version` are a [`Job::Print`].
pub fn from_environment() -> Result<Job, String> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return Err(error.render().to_string()),
        Err(help) => return Ok(Job::Print(help.render().to_string().into_bytes())),
    };
    match cli.command {
        None => Ok(Job::Serve(Box::new(decide(cli.options, Logs::Needed(&cli.logs))?.guarded()?))),
        Some(Command::Demo { options }) => Ok(Job::Demo(Box::new(decide(*options, Logs::Own)?.guarded()?))),
        Some(Command::Check { options, logs }) => {
            Ok(Job::Print(decide(*options, Logs::Needed(&logs))?.guarded()?.summary().into_bytes()))
        }
        Some(Command::TestRules { options, log_name }) => {
            let config = decide(*options, Logs::OfConfig)?;
            let name = log_name.or_else(|| config.logs.first()?.only_name()).unwrap_or_else(|| "stdin".into());
            Ok(Job::TestRules(Box::new(config), name))
        }
        Some(Command::Health { url: Some(target), timeout, .. }) => Ok(Job::Health(target, timeout.0)),
        Some(Command::Health { url: None, timeout, options }) => Ok(Job::Health(whereabouts(*options)?, timeout.0)),
        Some(Command::Schema) => Ok(Job::Print(schema::schema().into_bytes())),
        Some(Command::Completions { shell }) => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sidetail", &mut out);
            Ok(Job::Print(out))
        }
        Some(Command::Man) => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut out).map_err(|error| error.to_string())?;
            let mut out = of_one_page(&String::from_utf8_lossy(&out)).into_bytes();
            out.extend_from_slice(MAN_MORE.as_bytes());
            Ok(Job::Print(out))
        }
    }
}

/// A manual without references to pages of the commands, which there are not: what names such a page names the command.
fn of_one_page(manual: &str) -> String {
    let page = |line: &str| {
        line.strip_prefix("sidetail\\-")?.strip_suffix("(1)").map(|command| format!("sidetail {command} \\-\\-help"))
    };
    manual.lines().map(|line| page(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// Where the agent of these options serves.
fn whereabouts(given: Options) -> Result<Target, String> {
    let error = |why: String| format!("error: {why}\n");
    let file = given.config.as_deref().map(file::read_whereabouts).transpose().map_err(|why| error(why.to_string()))?;
    let file = file.unwrap_or_default();
    let base_path = given.base_path.or(file.base_path).unwrap_or_default().0;
    match given.listen.or(file.listen).unwrap_or(default_listen()) {
        Listen::Tcp(address) => Target::tcp(&address, &base_path, given.tls_cert.or(file.tls_cert).is_some()).map_err(error),
        Listen::Unix(path) => Ok(Target::unix(path, &base_path)),
    }
}

fn default_listen() -> Listen {
    Listen::Tcp("127.0.0.1:7878".into())
}

/// Which logs it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logs<'a> {
    /// Those of the command line and the config, and there must be one.
    Needed(&'a [String]),
    /// Those of the config, if there are any, and only to say what becomes of lines: nobody is served.
    OfConfig,
    /// The program's own.
    Own,
}

fn decide(given: Options, logs: Logs<'_>) -> Result<Config, String> {
    let error = |why: String| format!("error: {why}\n");
    let file = given.config.as_deref().map(file::read).transpose().map_err(|why| error(why.to_string()))?;
    let options = given.or(file.unwrap_or_default());
    let is_from_files = options.config.is_some() || options.token_file.is_some() || options.tls_cert.is_some();
    let named = if let Logs::Needed(named) = logs { named } else { &[] };
    let patterns = named.iter().map(|log| log.parse().map_err(|why| error(format!("LOG {log:?}: {why}"))));
    let mut patterns: Vec<LogPattern> = patterns.collect::<Result<_, _>>()?;
    let mut layouts = vec![Layout::default(); patterns.len()];
    patterns.extend(options.log.iter().map(|entry| entry.pattern.clone()));
    layouts.extend(options.log.iter().map(|entry| entry.layout.clone()));
    if patterns.is_empty() && matches!(logs, Logs::Needed(_)) {
        let missing =
            "no log is named; name one: sidetail app=/var/log/app.log, or [[log]] in the config (sidetail --help says more)";
        return Err(error(missing.into()));
    }
    let from = options.config.as_deref().map_or(String::new(), |file| format!("{}: ", file.display()));
    no_name_twice(&patterns).map_err(|why| error(format!("{from}{why}")))?;
    let rules = file::rules(&options);
    // Where a glob may mean any name, nothing can be said.
    let known = patterns.iter().zip(&layouts).map(|(pattern, layout)| Some((pattern.only_name()?, layout.format)));
    let known: Option<Vec<_>> = known.collect();
    if let (Some(path), Some(known)) = (&options.config, known.filter(|_| matches!(logs, Logs::Needed(_))))
        && let Some(wrong) = file::pointless_rule(path, &rules, &known)
    {
        return Err(error(wrong.to_string()));
    }
    let time = |given: Option<Time>, default: u64| given.map_or(Duration::from_secs(default), |time| time.0);
    let files = credentials::Files::of(&options).map_err(error)?;
    // What changes while it is read is read again.
    let stamps = files.stamps();
    // Whoever tries rules need not be allowed to read them.
    let credentials = if logs == Logs::OfConfig { Credentials::default() } else { files.read().map_err(error)? };
    let listen = options.listen.unwrap_or(default_listen());
    let mut allow_hosts = options.allow_host.unwrap_or_default();
    allow_hosts.extend(named_host(&listen));
    Ok(Config {
        tls: credentials.tls,
        tokens: credentials.tokens,
        asks_certificate: files.asks_certificate(),
        credentials: files,
        stamps,
        allow_hosts,
        trusted_proxies: options.trusted_proxy.unwrap_or_default(),
        connections_per_address_max: options.max_connections_per_address.unwrap_or(Count(512)).0,
        is_from_files,
        layouts,
        rules,
        listen,
        insecure: options.insecure.unwrap_or(false),
        base_path: options.base_path.unwrap_or_default().0,
        logs: patterns,
        watch: options.watch.unwrap_or_default(),
        links: options.follow_symlinks.unwrap_or_default(),
        heartbeat: options.heartbeat.map_or(Duration::from_secs(15), |period| period.0),
        retry: time(options.retry, 2),
        grace: time(options.grace, 5),
        line_bytes_max: options.max_line.map_or(256 << 10, |LineSize(bytes)| bytes as usize),
        hot_tail_bytes: options.hot_tail.map(|Size(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX)),
        hold_time: time(options.hold_time, 600),
        hold_bytes: options.hold_bytes.unwrap_or(Size(1 << 30)).0,
        subscribers_max: options.max_subscribers.unwrap_or(Count(1024)).0,
        allow_origins: options.allow_origin.unwrap_or_default().into_iter().map(|origin| origin.0).collect(),
        log_level: options.log_level.unwrap_or(tracing::Level::INFO),
        log_format: options.log_format.unwrap_or_default(),
    })
}

/// Whether only this machine reaches `HOST:PORT`. A name but `localhost` may be anything.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    address.parse::<SocketAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |address| address.ip().is_loopback())
}

/// Why `address` is not listened on.
pub fn unguarded(address: &str) -> String {
    format!(
        "listen: other machines may reach {address}, and whoever does could read every log. Ask for a token (--token-file FILE) \
         or a certificate (--tls-client-ca FILE), or listen on 127.0.0.1 or unix:PATH; or say --insecure if something else keeps strangers away"
    )
}

fn no_name_twice(patterns: &[LogPattern]) -> Result<(), String> {
    let mut names = std::collections::BTreeMap::new();
    for (name, pattern) in patterns.iter().filter_map(|pattern| Some((pattern.only_name()?, pattern))) {
        if let Some(other) = names.insert(name.clone(), pattern.pattern.clone())
            && other != pattern.pattern
        {
            let (one, two) = (other.display(), pattern.pattern.display());
            return Err(format!("the logs {one} and {two} have the same name {name:?}; name one of them: NAME={two}"));
        }
    }
    Ok(())
}

/// The name that is listened on, if it is one.
fn named_host(listen: &Listen) -> Option<HostName> {
    let Listen::Tcp(address) = listen else { return None };
    let (host, _) = address.rsplit_once(':')?;
    host.parse().ok().filter(|_| address.parse::<SocketAddr>().is_err())
}

impl Config {
    /// The same, unless anybody could read it from elsewhere and nobody said that this is meant.
    fn guarded(self) -> Result<Config, String> {
        match &self.listen {
            Listen::Tcp(address) if self.lets_anybody_in() && !is_loopback(address) => {
                Err(format!("error: {}\n", unguarded(address)))
            }
            _ => Ok(self),
        }
    }

    /// Whether whoever reaches it may read, and nobody said that this is meant.
    pub fn lets_anybody_in(&self) -> bool {
        !self.insecure && self.tokens.is_empty() && !self.asks_certificate
    }

    /// What is read at the start only, by key: all else is taken over on SIGHUP.
    pub fn fixed(&self) -> [(&'static str, String); 9] {
        [
            ("listen", self.listen.to_string()),
            ("base-path", self.base_path.clone()),
            ("watch", format!("{:?}", self.watch)),
            ("follow-symlinks", format!("{:?}", self.links)),
            ("grace", Time(self.grace).to_string()),
            ("max-subscribers", self.subscribers_max.to_string()),
            ("log-format", format!("{:?}", self.log_format)),
            ("tls-cert, tls-key", self.tls.is_some().to_string()),
            ("tls-client-ca", self.asks_certificate.to_string()),
        ]
    }

    /// With that of `other`.
    pub fn with_fixed(self, other: &Config) -> Config {
        let Config { listen, base_path, watch, links, grace, subscribers_max, log_format, tls, asks_certificate, .. } = other;
        Config {
            listen: listen.clone(),
            base_path: base_path.clone(),
            watch: *watch,
            links: *links,
            grace: *grace,
            subscribers_max: *subscribers_max,
            log_format: *log_format,
            tls: tls.clone(),
            asks_certificate: *asks_certificate,
            ..self
        }
    }

    /// What the options come to, for people.
    fn summary(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| writeln!(text, "{name:<16} {value}").expect("writing to a string cannot fail");
        line("listen", self.listen.to_string());
        line("insecure", if self.insecure { "yes".into() } else { "no".into() });
        line("base-path", format!("{}/", self.base_path));
        line("watch", format!("{:?}", self.watch).to_lowercase());
        line("follow-symlinks", format!("{:?}", self.links).to_lowercase());
        line("heartbeat", Time(self.heartbeat).to_string());
        line("retry", Time(self.retry).to_string());
        line("grace", Time(self.grace).to_string());
        line("max-line", Size(self.line_bytes_max as u64).to_string());
        let default = || "8MiB, or an eighth of the memory that there may be".into();
        line("hot-tail", self.hot_tail_bytes.map_or_else(default, |bytes| Size(bytes as u64).to_string()));
        line("hold-time", Time(self.hold_time).to_string());
        line("hold-bytes", Size(self.hold_bytes).to_string());
        line("max-subscribers", self.subscribers_max.to_string());
        line("max-connections-per-address", self.connections_per_address_max.to_string());
        line("tokens", format!("{} {}", self.tokens.len(), self.tokens).trim_end().into());
        line("tls-client-ca", if self.asks_certificate { "yes".into() } else { "no".into() });
        line("allow-host", self.allow_hosts.iter().map(|host| host.0.as_str()).collect::<Vec<_>>().join(", "));
        line("trusted-proxy", self.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        line("tls", if self.tls.is_some() { "yes".into() } else { "no".into() });
        line("allow-origin", self.allow_origins.join(", "));
        line(
            "rules",
            format!("{} drop, {} redact, {} event", self.rules.drop.len(), self.rules.redact.len(), self.rules.event.len()),
        );
        let fixed = self.fixed().map(|(key, _)| key).join(", ");
        line(
            "restart",
            format!("{fixed} (whether there is TLS or a tls-client-ca at all) need one; all else is read again on SIGHUP"),
        );
        let layouts = self.layouts.iter().cloned().map(Some).chain(std::iter::repeat(None));
        for (pattern, layout) in self.logs.iter().zip(layouts) {
            let found: Vec<_> = pattern.expand().into_iter().collect();
            let count = |count: usize| if count == 0 { "nothing there yet".into() } else { format!("{count} log(s) now") };
            let layout = layout.unwrap_or_default();
            line("log", format!("{}  ({}; {layout})", pattern.pattern.display(), count(found.len())));
            for log in found {
                let state = match std::fs::metadata(&log.path) {
                    Ok(metadata) if metadata.is_file() => Size(metadata.len()).to_string(),
                    Ok(_) => "not a regular file".into(),
                    Err(error) => error.to_string(),
                };
                line("", format!("{} = {}  ({state})", log.name, log.path.display()));
            }
        }
        text
    }
}
