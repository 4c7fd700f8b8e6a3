//! What the operator's config makes of lines, as one value: it is replaced as a whole when the config is read again, and
//! every stream goes on under the new one between two records.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::join::Way;
use super::layout::Layout;
use super::rules::{Origin, Rules};
use crate::format::Format;
use crate::source::catalog::Log;

/// Rules and layouts that hold at one time.
#[derive(Debug, Default)]
pub struct Ruling {
    /// Grows with every change; streams that see another than theirs take it over.
    pub version: u64,
    /// The operator's rules.
    pub rules: Rules,
    /// How the lines of logs make records, by the number of the pattern that means the log.
    pub layouts: HashMap<usize, Arc<Layout>>,
    /// The longest line that is delivered whole, in bytes.
    pub line_bytes_max: usize,
}

impl Ruling {
    /// How the lines of a log make records.
    pub fn layout(&self, log: &Log) -> Arc<Layout> {
        self.layouts.get(&log.pattern()).cloned().unwrap_or_default()
    }

    /// Where the texts of a log come from that stand in generation `serial`, or in the newest.
    pub fn origin<'a>(&self, log: &'a Log, layout: &Layout, serial: Option<u64>, asked: bool) -> Origin<'a> {
        let state = log.state();
        let generation = serial.map_or_else(|| state.newest(), |serial| state.generation(serial));
        let format = layout.format(generation.map_or(Format::default(), |generation| generation.head.format));
        let latest = generation.and_then(|generation| Timestamp::try_from(generation.modified).ok()).unwrap_or_default();
        Origin { log: &log.name, format, latest, asked, time: None }
    }

    /// The time that a line carries.
    pub fn time_of(&self, log: &Log, layout: &Layout, serial: u64, line: &[u8]) -> Option<Timestamp> {
        let Origin { format, latest, .. } = self.origin(log, layout, Some(serial), false);
        match format.unwrap(line) {
            Some(wrapped) => self.rules.clock.of_value(&wrapped.time, latest),
            None => format.time(line, &self.rules.clock, latest),
        }
    }

    /// How lines are put together that are written in `format`.
    pub fn way<'a>(&'a self, layout: &'a Layout, format: Format) -> Way<'a> {
        Way { format, multiline: layout.multiline.as_ref(), clock: &self.rules.clock, line_bytes_max: self.line_bytes_max }
    }
}
