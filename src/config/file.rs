//! The config file: its tables, and errors that name file, line and key.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::options::Options;
use super::schema;
use super::values::{BasePath, FormatWord, Listen, parsed};
use crate::event::{self, RESERVED_NAMES};
use crate::format::Format;
use crate::format::level::Level;
use crate::format::time::Clock;
use crate::source::pattern::{LogPattern, check_name};
use crate::subscriber::filter::Pattern;
use crate::subscriber::join::Multiline;
use crate::subscriber::keep::Keep;
use crate::subscriber::layout::Layout;
use crate::subscriber::rules::{DropRule, EventData, EventRule, Redact, Rules};
use crate::subscriber::scope::Scope;

/// The largest config file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// `[[log]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, try_from = "LogTable")]
pub struct LogEntry {
    /// Where the log is.
    pub pattern: LogPattern,
    /// How its lines make records.
    pub layout: Layout,
}

/// A log, or several, to follow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogTable {
    /// Its name; that of the file, if it has none. The logs of a glob or folder have it as a prefix.
    #[schemars(schema_with = "schema::log_name")]
    #[serde(default)]
    name: Option<LogName>,
    /// A path, a glob, or a folder. It need not exist yet.
    path: PathBuf,
    /// A folder in which its rotated files lie.
    rotated: Option<PathBuf>,
    /// How its lines are written; by default what its first lines say.
    format: Option<FormatWord>,
    /// Which lines belong to the one before: "auto", { start = 'REGEX' } or { continuation = 'REGEX' }.
    #[schemars(schema_with = "schema::multiline")]
    #[serde(default)]
    multiline: Option<MultilineWord>,
}

impl TryFrom<LogTable> for LogEntry {
    type Error = String;

    fn try_from(table: LogTable) -> Result<Self, String> {
        let name = table.name.as_ref().map(|LogName(name)| name.as_str());
        let pattern = LogPattern::new(name, &table.path).map_err(|error| error.to_string())?;
        let pattern = pattern.with_rotated(table.rotated);
        let format = table.format.and_then(|FormatWord(format)| format);
        let multiline = table.multiline.map(|MultilineWord(multiline)| multiline);
        Ok(LogEntry { pattern, layout: Layout { format, multiline } })
    }
}

struct LogName(String);

impl<'de> Deserialize<'de> for LogName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        check_name(&name).map_err(serde::de::Error::custom)?;
        Ok(LogName(name))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "MultilineTable")]
struct MultilineWord(Multiline);

/// `multiline = "auto"`, `multiline = { start = "…" }` or `multiline = { continuation = "…" }`
#[derive(Deserialize)]
#[serde(untagged, expecting = "write multiline = \"auto\", { start = 'REGEX' } or { continuation = 'REGEX' }")]
enum MultilineTable {
    Word(String),
    Table(MultilinePatterns),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MultilinePatterns {
    start: Option<String>,
    continuation: Option<String>,
}

impl TryFrom<MultilineTable> for MultilineWord {
    type Error = String;

    fn try_from(table: MultilineTable) -> Result<Self, String> {
        let pattern = |key: &str, text: String| Pattern::new(&text).map_err(|why| format!("multiline.{key}: {why}"));
        let multiline = match table {
            MultilineTable::Word(word) if word == "auto" => Multiline::Auto,
            MultilineTable::Table(MultilinePatterns { start: Some(text), continuation: None }) => {
                Multiline::Start(pattern("start", text)?)
            }
            MultilineTable::Table(MultilinePatterns { start: None, continuation: Some(text) }) => {
                Multiline::Continuation(pattern("continuation", text)?)
            }
            _ => return Err("multiline is \"auto\", { start = 'REGEX' } or { continuation = 'REGEX' }".into()),
        };
        Ok(MultilineWord(multiline))
    }
}

/// `[[drop]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "DropTable")]
pub struct DropEntry(DropRule);

/// Records that never leave the agent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DropTable {
    /// What the records that keep holds back are told as; "drop", if it has none.
    #[schemars(schema_with = "schema::event_name")]
    #[serde(default)]
    name: Option<EventName>,
    /// A regular expression that they match.
    #[schemars(schema_with = "schema::pattern")]
    #[serde(rename = "match", default)]
    pattern: Option<PatternWord>,
    /// Only records of these logs; a name, a glob, or a list of them.
    #[serde(default)]
    log: Names,
    /// Only records of this level and above.
    #[schemars(schema_with = "schema::level")]
    #[serde(default)]
    level: Option<LevelWord>,
    /// Only records of this level and below.
    #[schemars(schema_with = "schema::level")]
    #[serde(default)]
    max_level: Option<LevelWord>,
    /// Only records that have these fields, with values that match.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default)]
    fields: Fields,
    /// How many are let through: 1/100 is one in a hundred, 10/s, 10/m or 10/h the first ten of each.
    #[schemars(schema_with = "schema::keep")]
    #[serde(default)]
    keep: Option<KeepWord>,
}

impl TryFrom<DropTable> for DropEntry {
    type Error = String;

    fn try_from(table: DropTable) -> Result<Self, String> {
        let scope = scope(table.log, table.level, table.max_level, table.fields)?;
        let keep = table.keep.map(|KeepWord(keep)| keep);
        let name = table.name.map_or_else(|| "drop".into(), |EventName(name)| name);
        Ok(DropEntry(DropRule { name, pattern: matching(table.pattern, &scope)?, scope, keep }))
    }
}

/// `[[redact]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RedactTable")]
pub struct RedactEntry(Redact);

/// What is blotted out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RedactTable {
    /// A regular expression: what it matches is blotted out.
    #[schemars(schema_with = "schema::pattern")]
    #[serde(rename = "match")]
    pattern: PatternWord,
    /// What stands there instead; $1 is the first group.
    #[serde(default = "stars")]
    with: String,
    /// Only records of these logs; a name, a glob, or a list of them.
    #[serde(default)]
    log: Names,
    /// Only records of this level and above.
    #[schemars(schema_with = "schema::level")]
    #[serde(default)]
    level: Option<LevelWord>,
    /// Only records of this level and below.
    #[schemars(schema_with = "schema::level")]
    #[serde(default)]
    max_level: Option<LevelWord>,
    /// Only records that have these fields, with values that match.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default)]
    fields: Fields,
}

impl TryFrom<RedactTable> for RedactEntry {
    type Error = String;

    fn try_from(table: RedactTable) -> Result<Self, String> {
        let scope = scope(table.log, table.level, table.max_level, table.fields)?;
        if let Some(group) = table.pattern.0.lacks_group_of(&table.with) {
            return Err(format!(
                "with = {:?} stands for the group {group:?}, which match has not; write ${{1}} before a letter or digit, and $$ for a dollar",
                table.with
            ));
        }
        Ok(RedactEntry(Redact { pattern: table.pattern.0, with: table.with, scope }))
    }
}

fn stars() -> String {
    "***".into()
}

/// `[[event]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "EventTable")]
pub struct EventEntry(EventRule);

/// Records that become named events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventTable {
    /// The event's name.
    #[schemars(schema_with = "schema::event_name")]
    name: EventName,
    /// A regular expression that they match.
    #[schemars(schema_with = "schema::pattern")]
    #[serde(rename = "match", default)]
    pattern: Option<PatternWord>,
    /// The event's data: the line, or the named captures as a JSON object.
    #[schemars(schema_with = "schema::event_data")]
    #[serde(default)]
    data: EventData,
    /// Only records of these logs; a name, a glob, or a list of them.
    #[serde(default)]
    log: Names,
    /// Only records of this level and above.
    #[schemars(schema_with = "schema::level")]
    #[serde(default)]
    level: Option<LevelWord>,
    /// Only records of this level and below.
    #[schemars(schema_with = "schema::level")]
    #[serde(default)]
    max_level: Option<LevelWord>,
    /// Only records that have these fields, with values that match.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default)]
    fields: Fields,
    /// How many are let through: 1/100 is one in a hundred, 10/s, 10/m or 10/h the first ten of each.
    #[schemars(schema_with = "schema::keep")]
    #[serde(default)]
    keep: Option<KeepWord>,
}

impl TryFrom<EventTable> for EventEntry {
    type Error = String;

    fn try_from(table: EventTable) -> Result<Self, String> {
        let scope = scope(table.log, table.level, table.max_level, table.fields)?;
        let pattern = matching(table.pattern, &scope)?;
        if table.data == EventData::Captures && !pattern.has_names() {
            return Err("data = \"captures\" needs a named group in match; write (?P<name>…)".into());
        }
        let keep = table.keep.map(|KeepWord(keep)| keep);
        Ok(EventEntry(EventRule { name: table.name.0, pattern, data: table.data, scope, keep }))
    }
}

/// A table is what is written in the file, an entry what that means.
macro_rules! as_table {
    ($($entry:ty, $table:ty;)*) => {$(
        impl JsonSchema for $entry {
            fn schema_name() -> Cow<'static, str> {
                <$table>::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$table>::json_schema(generator)
            }
        }
    )*};
}
as_table! {
    LogEntry, LogTable;
    DropEntry, DropTable;
    RedactEntry, RedactTable;
    EventEntry, EventTable;
    Names, NamesTable;
}

/// `"one"` or `["one", "another"]`
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a name or a list of names")]
enum NamesTable {
    One(String),
    Many(Vec<String>),
}

/// Of which logs a rule is.
#[derive(Default, Deserialize)]
#[serde(try_from = "NamesTable")]
struct Names(Scope);

impl TryFrom<NamesTable> for Names {
    type Error = String;

    fn try_from(names: NamesTable) -> Result<Self, String> {
        let names = match names {
            NamesTable::One(name) => vec![name],
            NamesTable::Many(names) => names,
        };
        Scope::of_logs(names).map(Names)
    }
}

struct LevelWord(Level);

impl<'de> Deserialize<'de> for LevelWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(LevelWord)
    }
}

struct KeepWord(Keep);

impl<'de> Deserialize<'de> for KeepWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(KeepWord)
    }
}

struct PatternWord(Pattern);

impl<'de> Deserialize<'de> for PatternWord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(PatternWord)
    }
}

type Fields = BTreeMap<String, PatternWord>;

/// What any rule may say of the records that it is about.
fn scope(
    Names(mut scope): Names,
    level: Option<LevelWord>,
    max_level: Option<LevelWord>,
    fields: Fields,
) -> Result<Scope, String> {
    scope.least = level.map(|LevelWord(level)| level);
    scope.most = max_level.map(|LevelWord(level)| level);
    if let (Some(least), Some(most)) = (scope.least, scope.most)
        && least > most
    {
        return Err(format!(
            "no record is both {least} or above and {most} or below; put level and max_level the other way round"
        ));
    }
    scope.fields = fields.into_iter().map(|(name, PatternWord(pattern))| (name, pattern)).collect();
    Ok(scope)
}

/// The pattern of a rule, which may leave it out if it says anything else of its records.
fn matching(pattern: Option<PatternWord>, scope: &Scope) -> Result<Pattern, String> {
    match pattern {
        Some(PatternWord(pattern)) => Ok(pattern),
        None if scope.asks_meaning() || !scope.names.is_empty() => Ok(Pattern::new("").expect("the empty pattern is one")),
        None => Err("a rule needs match, log, level, max_level or fields".into()),
    }
}

#[derive(Clone, Debug)]
struct EventName(String);

impl<'de> Deserialize<'de> for EventName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl std::str::FromStr for EventName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if RESERVED_NAMES.contains(&name) {
            return Err(format!("the event name {name:?} is sidetail's own ({}); choose another", RESERVED_NAMES.join(", ")));
        }
        event::check_name(name)?;
        Ok(EventName(name.into()))
    }
}

/// The rules of a config file.
pub fn rules(options: &Options) -> Rules {
    Rules {
        clock: Clock { zone: options.timezone.clone().map_or(jiff::tz::TimeZone::UTC, |zone| zone.0) },
        drop: options.drop.iter().map(|DropEntry(rule)| rule.clone()).collect(),
        redact: options.redact.iter().map(|RedactEntry(rule)| rule.clone()).collect(),
        event: options.event.iter().map(|EventEntry(rule)| rule.clone()).collect(),
    }
}

/// The first rule of the file at `path` that can't be about any record of `logs`, if there is one: these are all logs that
/// there can be, with the format that each was said to have.
pub fn pointless_rule(path: &Path, rules: &Rules, logs: &[(String, Option<Format>)]) -> Option<FileError> {
    let drop = rules.drop.iter().enumerate().map(|(number, rule)| ("drop", number, &rule.scope));
    let redact = rules.redact.iter().enumerate().map(|(number, rule)| ("redact", number, &rule.scope));
    let event = rules.event.iter().enumerate().map(|(number, rule)| ("event", number, &rule.scope));
    let pointless = |(table, number, scope)| pointless(scope, logs).map(|(key, why)| (table, number, key, why));
    let (table, number, key, why) = drop.chain(redact).chain(event).find_map(pointless)?;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Some(FileError { path: path.into(), line: line_of(&text, table, number, key), key: Some(format!("{table}.{key}")), why })
}

/// The key of a rule that keeps it from being about any record, and why.
fn pointless(scope: &Scope, logs: &[(String, Option<Format>)]) -> Option<(&'static str, String)> {
    let is_wrong = |name: &&String| !name.contains(['*', '?', '[', '{']) && logs.iter().all(|(log, _)| log != *name);
    let mut meant = logs.iter().filter(|(log, _)| scope.takes_log(log)).peekable();
    // Of several a glob may mean nothing; a name is written wrong.
    let unknown = scope.names.iter().find(is_wrong).or_else(|| scope.names.first().filter(|_| meant.peek().is_none()));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = logs.iter().map(|(log, _)| log.as_str()).collect();
        return Some(("log", format!("there is no log {unknown:?}; there are: {}", known.join(", "))));
    }
    let fieldless = !scope.fields.is_empty() && meant.all(|(_, format)| *format == Some(Format::Plain));
    fieldless.then(|| ("fields", "records of format plain have no fields, and it is about no others".into()))
}

/// The line, counted from 1, of a key in a table of an array; of the table's header, where the key is not found.
fn line_of(text: &str, table: &str, number: usize, key: &str) -> Option<usize> {
    let is_header = |line: &str| {
        line.split('#').next().is_some_and(|line| line.split_whitespace().collect::<String>() == format!("[[{table}]]"))
    };
    let header = text.lines().enumerate().filter(|(_, line)| is_header(line)).nth(number)?.0;
    let mut own = text.lines().enumerate().skip(header + 1).take_while(|(_, line)| !line.trim_start().starts_with('['));
    let line = own.find(|(_, line)| line.split_once('=').is_some_and(|(name, _)| name.trim() == key));
    Some(line.map_or(header, |(line, _)| line) + 1)
}

/// What is wrong with a config file.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    line: Option<usize>,
    key: Option<String>,
    why: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for FileError {}

/// Reads the options of a config file.
///
/// # Errors
/// Where it can't be read or is wrong; names file, line and key.
pub fn read(path: &Path) -> Result<Options, FileError> {
    read_as(path)
}

/// What of a config file says where its agent serves; the rest may be wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Whereabouts {
    /// Where to listen.
    pub listen: Option<Listen>,
    /// What all paths start with.
    #[serde(alias = "base_path")]
    pub base_path: Option<BasePath>,
    /// The certificate to show.
    #[serde(alias = "tls_cert")]
    pub tls_cert: Option<PathBuf>,
}

/// Reads only that of a config file.
///
/// # Errors
/// Where it can't be read, is no TOML, or is wrong there.
pub fn read_whereabouts(path: &Path) -> Result<Whereabouts, FileError> {
    read_as(path)
}

fn read_as<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let unreadable = |why: String| FileError { path: path.into(), line: None, key: None, why };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("a config file has at most {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    toml::from_str(&text).map_err(|error| {
        let place = error.span().map(|span| place(&text, span));
        let why = error.message().replace('\n', "; ");
        FileError { path: path.into(), line: place.as_ref().map(|place| place.0), key: place.and_then(|place| place.1), why }
    })
}

/// The line of a span of `text`, counted from 1, and the key that stands there with its table in front.
fn place(text: &str, span: Range<usize>) -> (usize, Option<String>) {
    let before = &text[..span.start.min(text.len())];
    let line = before.matches('\n').count();
    let table = |line: &str| Some(line.trim().strip_prefix('[')?.trim_start_matches('[').split(']').next()?.trim().to_string());
    let current = text.lines().nth(line).unwrap_or_default();
    let key =
        current.split_once('=').map(|(key, _)| key.trim().to_string()).filter(|key| !key.is_empty() && !key.starts_with('#'));
    let section = text.lines().take(line).filter_map(table).last();
    let key = match (section, key, table(current)) {
        (_, _, Some(header)) => Some(header),
        (Some(section), Some(key), _) => Some(format!("{section}.{key}")),
        (None, Some(key), _) => Some(key),
        (_, None, _) => None,
    };
    (line + 1, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriber::grant::Grant;
    use proptest::prelude::*;

    fn why(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        error.strip_prefix(&file.path().display().to_string()).unwrap().to_string()
    }

    #[test]
    fn an_error_names_the_line_the_key_and_what_would_be_right() {
        for (text, expected) in [
            ("\nheartbeat = \"15\"\n", ":2: heartbeat: \"15\" is no duration"),
            ("heartbeet = \"15s\"\n", ":1: heartbeet: unknown field `heartbeet`, expected one of `listen`"),
            ("listen = \"x\"\n", ":1: listen: \"x\" is no address to listen on; write 127.0.0.1:7878"),
            (
                "[[event]]\nname = \"a\"\nmatch = 'a('\n",
                ":3: event.match: the pattern \"a(\" is no regular expression: unclosed group",
            ),
            ("[[event]]\nname = \"gap\"\nmatch = 'a'\n", ":2: event.name: the event name \"gap\" is sidetail's own"),
            ("[[event]]\nname = \"a\"\nmatch = 'a'\ndata = \"captures\"\n", ":1: event: data = \"captures\" needs a named group"),
            ("[[drop]]\nmatsch = 'a'\n", ":2: drop.matsch: unknown field `matsch`, expected one of `name`, `match`"),
            ("[[log]]\nname = \"a b\"\npath = \"/x\"\n", ":2: log.name: \"a b\" is no name for a log"),
            (
                "[[log]]\npath = \"/x\"\nmultiline = { start = '(' }\n",
                ":3: log.multiline: multiline.start: the pattern \"(\" is no",
            ),
            ("[[log]]\npath = \"/x\"\nmultiline = { begin = '(' }\n", ":3: log.multiline: write multiline = \"auto\""),
            ("[[drop]]\nmatch = 'a'\nlog = \"[\"\n", ":3: drop.log: "),
            ("[[drop]]\nmatch = '[^\\s\\S]'\n", ":2: drop.match: the pattern \"[^\\\\s\\\\S]\" matches nothing"),
            ("[[drop]]\nlevel = 'warn'\nmax_level = 'info'\n", ":1: drop: no record is both warn or above and info or below"),
            ("[[redact]]\nmatch = '(a)'\nwith = '$1x'\n", ":1: redact: with = \"$1x\" stands for the group \"1x\""),
            ("[[redact]]\nwith = 'x'\n", ":1: redact: missing field `match`"),
            ("[[drop]]\nmatch = 'a'\nkeep = \"2/3\"\n", ":3: drop.keep: \"2/3\" does not say how many to keep; write 1/100"),
            ("watch = \"often\"\n", ":1: watch: unknown variant `often`, expected one of `auto`, `notify`, `poll`"),
            ("log-level = 'loud'\n", ":1: log-level: \"loud\" is not one of error, warn"),
            ("max-line = \"1B\"\n", ":1: max-line: \"1B\" is not between 64B and 64MiB"),
            ("heartbeat = \"0s\"\n", ":1: heartbeat: \"0s\" is not between 10ms and 1day; write 15s"),
            ("max-line = true\n", ":1: max-line: write this value as a string in quotes"),
            ("a = = b\n", ":1: a: "),
        ] {
            assert!(why(text).starts_with(expected), "{text}\n{}", why(text));
        }
    }

    #[test]
    fn the_file_of_the_contract_is_understood_and_says_what_is_not_done_yet() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "listen = \"0.0.0.0:7878\"\nhot_tail = \"1MiB\"\n[[log]]\nname = \"app\"\npath = \"/var/log/app/app.log\"\n\
             format = \"auto\"\nmultiline = { start = '^\\d{4}' }\n[[drop]]\nmatch = 'GET /healthz'\n[[redact]]\n\
             match = '(password|token)=\\S+'\nwith = '$1=***'\n[[event]]\nname = \"update\"\n\
             match = 'price (?P<symbol>[A-Z]+) (?P<price>[0-9.]+)'\ndata = \"captures\"\n";
        std::fs::write(file.path(), text).unwrap();
        let options = read(file.path()).unwrap();
        assert_eq!(rules(&options).event_names(&Grant::default(), &[]), ["update"]);
        assert!(options.log[0].layout.multiline.is_some());
        assert_eq!(options.hot_tail.unwrap().0, 1 << 20);
    }

    /// Lines that config files have, right and wrong ones.
    fn any_line() -> impl Strategy<Value = String> {
        let key = "(name|path|match|with|format|multiline|level|max_level|fields|log|data|listen|heartbeat|hot_tail|x)";
        let value =
            "('[a-z(*.]{0,6}'|\"[a-z0-9\\\\ ]{0,6}\"|[0-9]{1,3}|true|\\{ ?[a-z]{0,5} ?= ?'\\(?' ?\\}|\\[\"a\"\\]|\"auto\")";
        prop_oneof![
            "\\[\\[(log|drop|redact|event|other)\\]\\]".prop_map(String::from),
            (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
            "\\PC{0,12}".prop_map(String::from),
        ]
    }

    proptest! {
        #[test]
        fn any_file_is_options_or_an_error_at_one_of_its_lines(lines in proptest::collection::vec(any_line(), 0..12)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            match read(file.path()) {
                Ok(options) => prop_assert!(rules(&options).event.len() <= lines.len()),
                Err(error) => {
                    prop_assert!(error.line.is_none_or(|line| (1..=lines.len().max(1) + 1).contains(&line)), "{}", error);
                    prop_assert!(!error.why.is_empty() && !error.to_string().contains('\n'), "{}", error);
                }
            }
        }

        #[test]
        fn any_place_in_any_text_has_a_line(text in "\\PC{0,20}(\n\\PC{0,9}){0,5}", start: usize) {
            let start = start % (text.len() + 2);
            prop_assume!(text.is_char_boundary(start.min(text.len())));
            let (line, _) = place(&text, start..start);
            prop_assert!((1..=text.matches('\n').count() + 1).contains(&line));
        }
    }
}
