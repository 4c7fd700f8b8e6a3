//! The closed set of things a stream can say (`busy` is said instead of one, by `sse`). Pure values; `sse` and its siblings turn them into bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::position::{Position, write_id};
use crate::record::Record;

/// Event names that the server keeps for itself; no rule may give a record one of them.
pub const RESERVED_NAMES: [&str; 8] = ["hello", "pos", "busy", "gap", "live", "rotate", "log", "message"];

/// The longest name of an event, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Checks a name for events.
///
/// # Errors
/// A name that is empty, too long or has other characters than letters, digits and `._-`, in words.
pub fn check_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(format!("{name:?} is no event name: 1 to {NAME_BYTES_MAX} letters, digits, '.', '_' or '-'"));
    }
    Ok(())
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The first event of every stream.
    Hello(Hello),
    /// A record of a log.
    Record(Record<'a>),
    /// Records that were kept back have moved the position.
    Pos(Pos),
    /// Records that can't be given, or may have been given before.
    Gap(Gap),
    /// History ended here; what follows is live. Sent with `notices=true`.
    Live,
    /// A log went on in another file. Sent with `notices=true`.
    Rotate(Rotate),
    /// A log appeared, vanished or has an error. Sent with `notices=true`.
    Log(LogNotice),
}

/// The id of an event: the position after it, and the other positions of its stream as written by
/// [`crate::position::write_others`].
#[derive(Clone, Copy, Debug)]
pub struct Id<'a> {
    /// Where the event's own log goes on.
    pub own: Position,
    /// The rest of a joined id; empty for a stream with one position.
    pub others: &'a [u8],
}

impl Id<'_> {
    /// Appends the id's text.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_id(out, &self.own, self.others);
    }
}

impl std::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        f.write_str(str::from_utf8(&text).expect("ids are ASCII"))
    }
}

/// What a stream says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// How its start relates to the id that the client came with.
    pub resume: Resume,
    /// What a start by time went by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_basis: Option<Basis>,
}

/// The position has moved without a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pos {
    /// How many records rules that let only some through have held back since that was last told, by the rule's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub suppressed: BTreeMap<String, u64>,
}

/// What a start by time went by, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// When the agent read the records.
    Arrival,
    /// The times in them.
    Time,
    /// When their files were last written.
    Mtime,
}

/// How a stream's start relates to the id that the client came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resume {
    /// The client brought no id.
    Fresh,
    /// The stream goes on with exactly the next record.
    Exact,
    /// Something is missing or uncertain; a [`Gap`] follows and says what.
    Gap,
}

impl Resume {
    /// All of them, in the order of their numbers.
    pub const ALL: [Resume; 3] = [Resume::Fresh, Resume::Exact, Resume::Gap];

    /// Its name, as events and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Resume::Fresh => "fresh",
            Resume::Exact => "exact",
            Resume::Gap => "gap",
        }
    }
}

/// Why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The file that held them is not there any more.
    Gone,
    /// The file was cut short while they were in it.
    Truncated,
    /// The file holds other bytes where they were.
    Rewritten,
    /// More than one file could be the one meant, or none surely is.
    Ambiguous,
    /// The file is there but can't be read.
    Unreadable,
    /// The reader was so far behind that the file was deleted meanwhile.
    Overrun,
    /// The id is not one.
    BadId,
    /// The id is of a log that this agent does not have.
    UnknownLog,
    /// A limit ended the search for them.
    Budget,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Reason; 9] = {
        use Reason::{Ambiguous, BadId, Budget, Gone, Overrun, Rewritten, Truncated, UnknownLog, Unreadable};
        [Gone, Truncated, Rewritten, Ambiguous, Unreadable, Overrun, BadId, UnknownLog, Budget]
    };

    /// Its name, as events and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Gone => "gone",
            Reason::Truncated => "truncated",
            Reason::Rewritten => "rewritten",
            Reason::Ambiguous => "ambiguous",
            Reason::Unreadable => "unreadable",
            Reason::Overrun => "overrun",
            Reason::BadId => "bad-id",
            Reason::UnknownLog => "unknown-log",
            Reason::Budget => "budget",
        }
    }
}

/// A hole in a stream, told to the client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// Why.
    pub reason: Reason,
    /// The log's name; null where the id does not tell.
    pub log: Option<String>,
    /// The id from which records are missing.
    pub from: Option<String>,
    /// The id where delivery goes on.
    pub to: Option<String>,
    /// The file concerned, if one is known.
    pub file: Option<String>,
    /// Whether records are surely missing; false means that it is possible and can't be proved.
    pub certain: bool,
    /// How many bytes are missing, where that is known.
    pub lost_bytes: Option<u64>,
    /// Whether records may follow that the client has had before.
    pub may_repeat: bool,
}

/// A log went on in another file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rotate {
    /// The log's name.
    pub log: String,
    /// How it came about.
    pub kind: RotateKind,
    /// Whether nothing can have been written in between.
    pub continuity: Continuity,
}

/// How a log came to go on in another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RotateKind {
    /// Another file took the name, and the one before has another.
    Rename,
    /// The file was copied, then cut to nothing in place.
    Copytruncate,
    /// The file was cut to nothing in place, and there is no copy.
    Truncate,
    /// The file was deleted, and another took the name.
    Recreate,
    /// The name is a symbolic link, which leads to another file now.
    Symlink,
}

impl RotateKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [RotateKind; 5] = {
        use RotateKind::{Copytruncate, Recreate, Rename, Symlink, Truncate};
        [Rename, Copytruncate, Truncate, Recreate, Symlink]
    };

    /// Its name, as events and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            RotateKind::Rename => "rename",
            RotateKind::Copytruncate => "copytruncate",
            RotateKind::Truncate => "truncate",
            RotateKind::Recreate => "recreate",
            RotateKind::Symlink => "symlink",
        }
    }

    /// Whether the file stayed and lost its content: what was written just before is in no file.
    pub fn is_in_place(self) -> bool {
        matches!(self, RotateKind::Copytruncate | RotateKind::Truncate)
    }
}

/// How sure it is that one generation follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Continuity {
    /// The earlier generation was drained before the later one began.
    Proved,
    /// A generation between them may have come and gone.
    Assumed,
}

/// A log appeared, vanished or has an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogNotice {
    /// The log's name.
    pub log: String,
    /// What happened.
    pub state: LogChange,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What happened to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogChange {
    /// It has a file now.
    Appeared,
    /// Its file is gone and no other has taken the name.
    Vanished,
    /// It can't be read.
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_sets_are_complete_in_order_and_named_as_they_are_written() {
        fn check<T: Copy + Serialize + std::fmt::Debug>(all: &[T], name: fn(T) -> &'static str, number: fn(T) -> usize) {
            for (index, &one) in all.iter().enumerate() {
                assert_eq!(number(one), index, "{one:?}");
                assert_eq!(serde_json::to_value(one).unwrap(), name(one));
            }
        }
        check(&Reason::ALL, Reason::name, |reason| reason as usize);
        check(&RotateKind::ALL, RotateKind::name, |kind| kind as usize);
        check(&Resume::ALL, Resume::name, |resume| resume as usize);
    }
}
