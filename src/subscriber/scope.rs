//! Which records a rule is about, apart from its pattern: of which logs, how grave, with which fields.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

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
        let fields = meaning.fields.as_deref().and_then(|fields| serde_json::from_str::<BTreeMap<Text, &RawValue>>(fields).ok());
        let Some(fields) = fields else { return false };
        self.fields.iter().all(|(name, pattern)| {
            fields.get(name.as_bytes()).is_some_and(|value| match serde_json::from_str::<Text>(value.get()) {
                Ok(text) => pattern.matches(&text.0),
                Err(_) => pattern.matches(value.get().as_bytes()),
            })
        })
    }
}

/// A string of JSON as bytes. What logs write may hold half a character (`"\ud83d"`), and a number beyond all numbers: neither
/// may keep a rule from being asked.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text(Vec<u8>);

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.as_bytes().to_vec()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_asked_whatever_else_a_record_says() {
        let asked = |pattern: &str, fields: &str| {
            let scope = Scope { fields: vec![("path".into(), Pattern::new(pattern).unwrap())], ..Scope::default() };
            scope.takes("app", &Meaning { fields: Some(fields.into()), ..Meaning::default() })
        };
        for beside in [r#""x":1e999"#, r#""x":"\ud83d""#, r#""\ud83d":1"#, r#""x":{"y":[1,null,"z"]}"#] {
            assert!(asked("^/login$", &format!(r#"{{{beside},"path":"/login"}}"#)), "{beside}");
            assert!(!asked("^/login$", &format!(r#"{{{beside},"path":"/other"}}"#)), "{beside}");
        }
        assert!(asked("^1e999$", r#"{"path":1e999}"#));
        assert!(asked("^/a/login", r#"{"path":"\/a/login\ud83d"}"#));
        assert!(asked("^true$", r#"{"path": true }"#));
        assert!(!asked("", "{}"));
    }
}
