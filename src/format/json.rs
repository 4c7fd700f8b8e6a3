//! One JSON object a line.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::level::Level;
use super::time::{Clock, of_number};
use super::{Meaning, is_level, is_time};

/// Fields that are nested deeper are not given: parsers of clients stop at about 128.
pub const DEPTH_MAX: usize = 100;

/// What is looked for in an object.
#[derive(Default)]
pub struct Object<'a> {
    time: Option<Scalar<'a>>,
    level: Option<Scalar<'a>>,
    /// The severity of MongoDB, which stands where others have texts.
    letter: Option<Scalar<'a>>,
}

/// A line that is a JSON object (RFC 8259 section 4), and nothing else.
pub fn object(line: &[u8]) -> Option<Object<'_>> {
    // Most lines are none: that costs nothing.
    if !line.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(line).ok()
}

/// What an object says of itself. Bytes that are not UTF-8 are what they are in the line that is given, U+FFFD.
pub fn meaning<'a>(text: &'a [u8], clock: &Clock, latest: Timestamp) -> Option<Meaning<'a>> {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(_) => of_utf8(text, clock, latest),
        Cow::Owned(text) if text.trim_start().starts_with('{') => {
            of_utf8(text.as_bytes(), clock, latest).map(Meaning::into_owned)
        }
        Cow::Owned(_) => None,
    }
}

fn of_utf8<'a>(text: &'a [u8], clock: &Clock, latest: Timestamp) -> Option<Meaning<'a>> {
    let Object { time, level, letter } = object(text)?;
    let time = time.and_then(|time| match time {
        Scalar::Text(text) => clock.of_value(&text, latest),
        Scalar::Number(number) => of_number(number),
        Scalar::Level(_) | Scalar::Other => None,
    });
    let level = level.and_then(|level| match level {
        Scalar::Text(text) => Level::of_word(text.as_bytes()).or_else(|| Level::of_number(text.parse().ok()?)),
        // Neither a fraction nor a negative number is one.
        Scalar::Number(number) => Some(number as u64).filter(|whole| *whole as f64 == number).and_then(Level::of_number),
        Scalar::Level(_) | Scalar::Other => None,
    });
    let level = level.or_else(|| match letter? {
        Scalar::Text(letter) => Level::of_mongodb(letter.as_bytes()),
        _ => None,
    });
    // Between tokens there may be line ends, as a record may be of several lines; each would end the line that it is sent in.
    let fields = str::from_utf8(text).ok()?.trim();
    let ends = ['\r', '\n'];
    let fields = if fields.contains(ends) { fields.replace(ends, " ").into() } else { Cow::Borrowed(fields) };
    let is_deep = depth(fields.as_bytes()) > DEPTH_MAX;
    Some(Meaning { time, level, fields: Some(fields).filter(|_| !is_deep) })
}

/// How deep values are nested in an object, at least where that is more than [`DEPTH_MAX`].
fn depth(text: &[u8]) -> usize {
    let opened = memchr::memchr2_iter(b'{', b'[', text).count();
    if opened <= DEPTH_MAX {
        return opened;
    }
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A value, as far as a time or a level can be one.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    /// An object that has a level.
    Level(Cow<'a, str>),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(text.to_owned().into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number as f64))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
                while values.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // MongoDB's way to write a time: `{"$date": "…"}`; a level as ECS nests it.
                let mut found = Scalar::Other;
                while let Some(Key(key)) = map.next_key()? {
                    match &*key {
                        "$date" => found = map.next_value()?,
                        "level" => {
                            if let Scalar::Text(level) = map.next_value()? {
                                found = Scalar::Level(level);
                            }
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some(Key(key)) = map.next_key()? {
                    match &*key {
                        key if object.time.is_none() && is_time(key) => object.time = Some(map.next_value()?),
                        key if object.level.is_none() && is_level(key) => object.level = Some(map.next_value()?),
                        "s" => object.letter = Some(map.next_value()?),
                        // ECS nests it.
                        "log" if object.level.is_none() => {
                            if let Scalar::Level(level) = map.next_value()? {
                                object.level = Some(Scalar::Text(level));
                            }
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn time_and_level_are_found_by_their_usual_names() {
        for (line, time, level) in [
            (r#"{"time":"2026-11-22T10:00:00Z","level":"WARN","msg":"x"}"#, true, Some(Level::Warn)),
            (r#"{"ts":1795341600.5,"lvl":"error"}"#, true, Some(Level::Error)),
            (r#"{"level":50,"time":1795341600000,"pid":1,"msg":"pino"}"#, true, Some(Level::Error)),
            (r#"{"@timestamp":"2026-11-22T10:00:00.000Z","log.level":"info"}"#, true, Some(Level::Info)),
            (r#"{"severity":"CRITICAL","nested":{"time":1}}"#, false, Some(Level::Fatal)),
            (r#"{"level":{"x":[1]},"time":null}"#, false, None),
            (r#"{"@timestamp":"2026-11-22T10:00:00Z","log":{"logger":"a","level":"error","x":[1]}}"#, true, Some(Level::Error)),
            (r#"{"log":"a text","level":"warn"}"#, false, Some(Level::Warn)),
            (r#"{"log":{"level":7},"x":1}"#, false, None),
            (r#"{"log":[[1]],"level":"error"}"#, false, Some(Level::Error)),
            (r#"{"timeUnixNano":"1795341600000000000","severityNumber":17,"severityText":"ERROR"}"#, true, Some(Level::Error)),
            (r#"{}"#, false, None),
        ] {
            let meaning = meaning(line.as_bytes(), &Clock::default(), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!((meaning.time.is_some(), meaning.level, meaning.fields.as_deref()), (time, level, Some(line)), "{line}");
        }
        for line in ["", "[1]", "{", "{\"a\":1} trailing", "text"] {
            assert!(meaning(line.as_bytes(), &Clock::default(), Timestamp::UNIX_EPOCH).is_none(), "{line}");
        }
    }

    #[test]
    fn a_byte_that_is_not_utf_8_hides_nothing_else() {
        let line = b"{\"level\":\"error\",\"msg\":\"bad \xe9 byte\"}";
        let found = meaning(line, &Clock::default(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            (found.level, &*found.fields.unwrap()),
            (Some(Level::Error), "{\"level\":\"error\",\"msg\":\"bad \u{fffd} byte\"}")
        );
        assert!(meaning(b"bad \xe9 byte", &Clock::default(), Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn numbers_that_are_no_level_are_none() {
        for line in
            [r#"{"level":-1}"#, r#"{"level":30.5}"#, r#"{"level":8}"#, r#"{"level":1e30}"#, r#"{"s":"x"}"#, r#"{"s":["I"]}"#]
        {
            assert_eq!(meaning(line.as_bytes(), &Clock::default(), Timestamp::UNIX_EPOCH).unwrap().level, None, "{line}");
        }
    }

    /// Any JSON, its objects with the names that are looked for.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            prop_oneof!["\\PC{0,9}", Just("warn".to_owned()), Just("2026-11-22T10:00:00Z".to_owned())].prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let key = prop_oneof![Just("time"), Just("level"), Just("s"), Just("$date"), Just("a\"b"), Just("é")];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::vec((key, inner), 0..5).prop_map(|pairs| pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_object_and_nothing_else_has_a_meaning(value in any_json(), cut in 0usize..50) {
            let line = value.to_string();
            let found = meaning(line.as_bytes(), &Clock::default(), Timestamp::UNIX_EPOCH);
            prop_assert_eq!(found.as_ref().and_then(|found| found.fields.as_deref()), value.is_object().then_some(&*line));
            if value.get("level").and_then(|level| level.as_str()) == Some("warn") {
                prop_assert_eq!(found.unwrap().level, Some(Level::Warn));
            }
            let part = &line.as_bytes()[..cut.min(line.len() - 1)];
            prop_assert!(meaning(part, &Clock::default(), Timestamp::UNIX_EPOCH).is_none());
        }
    }
}
