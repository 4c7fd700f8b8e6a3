//! One record of a log: what a filter looks at and a client receives. A pure value; it never knows where its
//! bytes came from or where they go.

use std::borrow::Cow;
use std::fmt::Write as _;

/// One record of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// The log's name.
    pub log: &'a str,
    /// Offset of the record's first byte in the uncompressed content of its generation.
    pub start: u64,
    /// Offset just after the record's terminator: where the next record starts.
    pub end: u64,
    /// The record's bytes without its terminator (LF or CR LF): any bytes but LF, at most `--max-line` of them.
    pub line: Cow<'a, [u8]>,
    /// How long the line really is, in bytes, where `line` holds only its beginning.
    pub cut_from: Option<u64>,
    /// The name that a rule gave the record.
    pub event: Option<&'a str>,
    /// What a rule captured, as a JSON object, where the rule asks for it.
    pub fields: Option<String>,
    /// Whether `fields` takes the line's place as the payload.
    pub fields_are_payload: bool,
}

impl Record<'_> {
    /// Appends the record object: one line of JSON, without what is not known.
    pub fn write_object(&self, id: &str, out: &mut Vec<u8>) {
        #[derive(serde::Serialize)]
        struct Object<'a> {
            log: &'a str,
            id: &'a str,
            off: [u64; 2],
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
            off: [self.start, self.end],
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

/// A JSON object from named captures, in order. Numbers, booleans and null that a capture spells become JSON's.
pub fn json_of_captures<'a>(captures: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut json = String::from("{");
    for (name, value) in captures {
        let value = String::from_utf8_lossy(value);
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let comma = if json.len() > 1 { "," } else { "" };
        let value = if is_json_scalar(&value) { value } else { quote(&value).into() };
        write!(json, "{comma}{}:{value}", quote(name)).expect("writing to a string cannot fail");
    }
    json.push('}');
    json
}

/// Whether `text` is exactly a number, `true`, `false` or `null` as RFC 8259 spells them.
fn is_json_scalar(text: &str) -> bool {
    let spelled = text.bytes().next().is_some_and(|byte| byte == b'-' || byte.is_ascii_digit())
        && text.bytes().last().is_some_and(|byte| byte.is_ascii_digit());
    match text {
        "true" | "false" | "null" => true,
        _ => spelled && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn captures_that_spell_numbers_booleans_and_null_become_them() {
        let captures: [(&str, &[u8]); 8] = [
            ("symbol", b"ACME"),
            ("price", b"150.25"),
            ("up", b"true"),
            ("none", b"null"),
            ("code", b"007"),
            ("dots", b"1.2.3"),
            ("e", b"-1e9"),
            ("quote", b"a\"b\\"),
        ];
        assert_eq!(
            json_of_captures(captures),
            r#"{"symbol":"ACME","price":150.25,"up":true,"none":null,"code":"007","dots":"1.2.3","e":-1e9,"quote":"a\"b\\"}"#
        );
    }

    proptest! {
        #[test]
        fn captures_of_any_bytes_are_one_line_of_valid_json(name in "[a-z]{1,9}", value in any::<Vec<u8>>()) {
            let json = json_of_captures([(name.as_str(), value.as_slice())]);
            prop_assert!(!json.contains(['\n', '\r']));
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert!(parsed.get(&name).is_some());
        }
    }
}
