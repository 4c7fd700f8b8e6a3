//! `key=value key="another value" flag`, as Heroku and Go programs write it.

use std::borrow::Cow;

use jiff::Timestamp;

use super::fields::json_of_captures;
use super::level::Level;
use super::time::Clock;
use super::{Meaning, is_level, is_time};

/// A line has at most so many pairs; what follows is text.
pub const PAIRS_MAX: usize = 200;

/// The pairs of a line, in order; words without `=` between them are passed over.
pub fn pairs(line: &[u8]) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_ascii_start();
            let length = rest.iter().take_while(|&&byte| byte > b' ' && byte != b'=' && byte != b'"').count();
            let (key, after) = rest.split_at(length);
            if let Some(value) = after.strip_prefix(b"=").filter(|_| is_key(key)) {
                let (value, after) = value_of(value);
                rest = after;
                return Some((str::from_utf8(key).ok()?, value));
            }
            // A word, or a stray quote.
            rest = after.get(after.len().min(1)..).filter(|_| !rest.is_empty())?;
        }
    })
    .take(PAIRS_MAX)
}

/// Whether a pair is the first thing on a line.
pub fn starts_with_pair(line: &[u8]) -> bool {
    let length = line.iter().take_while(|&&byte| byte > b' ' && byte != b'=' && byte != b'"').count();
    line.get(length) == Some(&b'=') && is_key(&line[..length])
}

/// What a line says of itself.
pub fn meaning<'a>(text: &'a [u8], clock: &Clock, latest: Timestamp) -> Option<Meaning<'a>> {
    let (mut time, mut level) = (None, None);
    let pairs: Vec<_> = pairs(text).collect();
    for (key, value) in &pairs {
        if time.is_none() && is_time(key) {
            time = str::from_utf8(value).ok().and_then(|value| clock.of_value(value, latest));
        } else if level.is_none() && is_level(key) {
            let number = || Level::of_number(str::from_utf8(value).ok()?.parse().ok()?);
            level = Level::of_word(value).or_else(number);
        }
    }
    if pairs.is_empty() {
        return None;
    }
    let fields = json_of_captures(pairs.iter().map(|(key, value)| (*key, &**value)));
    Some(Meaning { time: time.or_else(|| clock.in_text(text, latest)), level, fields: Some(fields.into()) })
}

fn is_key(key: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-@/".contains(byte);
    key.first().is_some_and(|first| first.is_ascii_alphabetic() || b"_@".contains(first)) && key.iter().all(letter)
}

/// The value at the front of `text`, in quotes or up to the next space, and what follows it.
fn value_of(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let length = text.iter().take_while(|&&byte| byte > b' ').count();
        return (text[..length].into(), &text[length..]);
    };
    let mut escaped = false;
    let end = quoted.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    // A quote that is not closed holds the rest.
    let (value, rest) = end.map_or((quoted, &quoted[quoted.len()..]), |end| (&quoted[..end], &quoted[end + 1..]));
    if !value.contains(&b'\\') {
        return (value.into(), rest);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(&other) => other,
                None => b'\\',
            },
            (byte, _) => byte,
        });
    }
    (plain.into(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_with_quotes_escapes_and_words_between_are_read() {
        let line = br#"time=2026-11-22T10:00:00Z level=warn hello msg="a \"b\"\nc" n=1.5 ok=true empty= q="" last="open"#;
        let meaning = meaning(line, &Clock::default(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(meaning.time.unwrap().to_string(), "2026-11-22T10:00:00Z");
        assert_eq!(meaning.level, Some(Level::Warn));
        assert_eq!(
            meaning.fields.unwrap(),
            r#"{"time":"2026-11-22T10:00:00Z","level":"warn","msg":"a \"b\"\nc","n":1.5,"ok":true,"empty":"","q":"","last":"open"}"#
        );
        assert!(super::meaning(b"no pairs here", &Clock::default(), Timestamp::UNIX_EPOCH).is_none());
    }

    /// A value as Go's programs write it: in quotes where it needs them.
    fn written(value: &str) -> String {
        if !value.is_empty() && value.bytes().all(|byte| byte > b' ' && byte != b'"') {
            return value.to_owned();
        }
        let escapes = [("\\", "\\\\"), ("\"", "\\\""), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")];
        format!("\"{}\"", escapes.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to)))
    }

    proptest! {
        #[test]
        fn what_a_program_writes_is_read_back(
            given in proptest::collection::vec(("[a-zA-Z_@][a-zA-Z0-9_.@/-]{0,9}", prop_oneof![any::<String>(), "[ \t\n\r\"\\\\=a]{0,9}"]), 1..9),
            word in "( [a-z]{1,4})?",
        ) {
            let line: Vec<String> = given.iter().map(|(key, value)| format!("{key}={}{word}", written(value))).collect();
            let line = line.join(" ");
            let found: Vec<_> = pairs(line.as_bytes())
                .map(|(key, value)| (key.to_owned(), String::from_utf8(value.into_owned()).unwrap())).collect();
            prop_assert_eq!(found, given);
            prop_assert!(starts_with_pair(line.as_bytes()));
        }

        #[test]
        fn any_bytes_have_at_most_as_many_pairs_as_there_is_room_for(
            line in proptest::collection::vec(prop_oneof![Just(b'='), Just(b'"'), Just(b' '), Just(b'\\'), Just(b'a'), any::<u8>()], 0..900),
        ) {
            let found: Vec<_> = pairs(&line).collect();
            prop_assert!(found.len() <= PAIRS_MAX);
            let bytes: usize = found.iter().map(|(key, value)| key.len() + 1 + value.len()).sum();
            prop_assert!(bytes <= line.len());
            let _ = meaning(&line, &Clock::default(), Timestamp::UNIX_EPOCH);
        }
    }
}
