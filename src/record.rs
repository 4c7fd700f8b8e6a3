//! One record of a log: what a filter looks at and a client receives. A pure value; it never knows where its
//! bytes came from or where they go.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::format::level::Level;

/// One record of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// The log's name.
    pub log: &'a str,
    /// Offset of the record's first byte in the uncompressed content of its generation; none where it begins in an
    /// earlier one.
    pub start: Option<u64>,
    /// Offset just after the record's terminator: where the next record starts.
    pub end: u64,
    /// The record's bytes without its terminator (LF or CR LF): any bytes but LF, at most `--max-line` of them.
    pub line: Cow<'a, [u8]>,
    /// How long the line really is, in bytes, where `line` holds only its beginning.
    pub cut_from: Option<u64>,
    /// When it was written, as it says itself, where that is asked for and known.
    pub time: Option<Timestamp>,
    /// How grave it is, where that is asked for and known.
    pub level: Option<Level>,
    /// The name that a rule gave the record.
    pub event: Option<&'a str>,
    /// What it says by name, or what a rule captured, as a JSON object.
    pub fields: Option<String>,
    /// Whether `fields` takes the line's place as the payload.
    pub fields_are_payload: bool,
}

impl<'a> Record<'a> {
    /// The record at `[start, end)` of `log` that says nothing of itself.
    pub fn plain(log: &'a str, (start, end): (u64, u64), line: Cow<'a, [u8]>, cut_from: Option<u64>) -> Self {
        Record {
            log,
            start: Some(start),
            end,
            line,
            cut_from,
            time: None,
            level: None,
            event: None,
            fields: None,
            fields_are_payload: false,
        }
    }

    /// Appends the record object: one line of JSON, without what is not known.
    pub fn write_object(&self, id: &str, out: &mut Vec<u8>) {
        #[derive(serde::Serialize)]
        struct Object<'a> {
            log: &'a str,
            id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            off: Option<[u64; 2]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            time: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            level: Option<Level>,
            #[serde(skip_serializing_if = "Option::is_none")]
            event: Option<&'a str>,
            line: Cow<'a, str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            truncated: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            line_bytes: Option<u64>,
        }
        let object = Object {
            log: self.log,
            id,
            off: self.start.map(|start| [start, self.end]),
            time: self.time.map(|time| time.to_string()),
            level: self.level,
            event: self.event,
            line: String::from_utf8_lossy(&self.line),
            truncated: self.cut_from.map(|_| true),
            line_bytes: self.cut_from,
        };
        serde_json::to_writer(&mut *out, &object).expect("strings and numbers always serialize");
        if let Some(fields) = &self.fields {
            // `fields` is JSON already, with its keys in the pattern's order.
            out.pop();
            out.extend_from_slice(b",\"fields\":");
            out.extend_from_slice(fields.as_bytes());
            out.push(b'}');
        }
    }

    /// What is said behind a line that was cut.
    pub fn cut_mark(&self) -> Option<String> {
        self.cut_from.map(|bytes| format!(" … [cut: the line has {bytes} bytes]"))
    }
}
