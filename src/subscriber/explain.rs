//! What lines become: the rules and the layout of a config, tried on a text, without a log or a client.

use std::io::{self, BufRead, Read as _, Write};

use jiff::Timestamp;
use serde_json::json;

use super::join::{Joined, Joiner, Way};
use super::keep::Throttle;
use super::layout::Layout;
use super::rules::{Origin, Rules};
use crate::format::Format;
use crate::position::Position;
use crate::source::split::lines;

/// The most text that rules are tried on, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Reads all of `input` and writes one JSON object a record: what it says of itself and becomes, or that it is dropped.
/// The lines are taken for those of the log called `log`.
///
/// # Errors
/// What reading and writing give.
pub fn explain(
    mut input: impl BufRead,
    mut out: impl Write,
    log: &str,
    (rules, layout): (&Rules, &Layout),
    line_bytes_max: usize,
) -> io::Result<()> {
    let mut text = Vec::new();
    input.by_ref().take(TEXT_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::other(format!("there are more than {TEXT_BYTES_MAX} bytes; try the rules on fewer lines")));
    }
    let format = layout.format.unwrap_or_else(|| Format::detect(&text[..text.len().min(1024)]));
    let way = Way { format, multiline: layout.multiline.as_ref(), clock: &rules.clock, line_bytes_max };
    let (mut joiner, mut throttle) = (Joiner::default(), Throttle::default());
    let mut tell = |joined: Option<Joined>| -> io::Result<()> {
        let Some(joined) = joined else { return Ok(()) };
        let origin = Origin { log, format, latest: Timestamp::now(), time: joined.time, asked: true };
        let line = joined.line(line_bytes_max);
        let told = match rules.apply(&origin, line, &mut throttle) {
            None => {
                json!({"off": [line.start, line.end], "dropped": true, "line": String::from_utf8_lossy(line.bytes)}).to_string()
            }
            Some(record) => {
                let mut object = Vec::new();
                record.write_object("", &mut object);
                // It has no id.
                String::from_utf8_lossy(&object).replacen("\"id\":\"\",", "", 1)
            }
        };
        writeln!(out, "{told}")
    };
    for line in lines(&text, 0, line_bytes_max) {
        tell(joiner.take(0, &line, Position::of_no_log(), &way))?;
    }
    while let Some(joined) = joiner.end_quiet(true) {
        tell(Some(joined))?;
    }
    Ok(())
}
