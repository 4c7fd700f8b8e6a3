//! Which records a rule is about, apart from its pattern: of which logs, how grave, with which fields.

use super::filter::Pattern;
use super::{Refusal, Wanted};
use crate::format::Meaning;
use crate::format::level::Level;

/// Which records a rule is about. The empty one is about all.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    logs: Option<Wanted>,
    /// The names that it was made of.
    pub names: Vec<String>,
    /// Only records of which it is known that they are at least so grave.
    pub least: Option<Level>,
    /// Only records of which it is known that they are at most so grave.
    pub most: Option<Level>,
    /// Only records in which each of these fields is there and matches.
    pub fields: Vec<(String, Pattern)>,
}

impl Scope {
    /// Only logs of these names, or that these globs mean; all if there are none.
    ///
    /// # Errors
    /// Where a glob is none, in words.
    pub fn of_logs(names: Vec<String>) -> Result<Self, String> {
        let logs = if names.is_empty() { None } else { Some(Wanted::new(&names).map_err(|error: Refusal| error.to_string())?) };
        Ok(Scope { logs, names, ..Scope::default() })
    }

    /// Whether it looks at what records say of themselves.
    pub fn asks_meaning(&self) -> bool {
        self.least.is_some() || self.most.is_some() || !self.fields.is_empty()
    }

    /// Whether records of a log can be meant.
    pub fn takes_log(&self, log: &str) -> bool {
        self.logs.as_ref().is_none_or(|logs| logs.wants(log))
    }

    /// Whether a record of a log is meant that says this of itself.
    pub fn takes(&self, log: &str, meaning: &Meaning<'_>) -> bool {
        let known = |ask: Option<Level>, fits: fn(&Level, &Level) -> bool| {
            ask.is_none_or(|bound| meaning.level.is_some_and(|level| fits(&level, &bound)))
        };
        self.takes_log(log)
            && known(self.least, Level::ge)
            && known(self.most, Level::le)
            && (self.fields.is_empty() || self.takes_fields(meaning))
    }

    fn takes_fields(&self, meaning: &Meaning<'_>) -> bool {
        use serde_json::{Map, Value, from_str};
        let Some(fields) = meaning.fields.as_deref().and_then(|fields| from_str::<Map<String, Value>>(fields).ok()) else {
            return false;
        };
        self.fields.iter().all(|(name, pattern)| match fields.get(name) {
            None => false,
            Some(Value::String(text)) => pattern.matches(text.as_bytes()),
            Some(other) => pattern.matches(other.to_string().as_bytes()),
        })
    }
}
