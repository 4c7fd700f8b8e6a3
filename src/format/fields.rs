//! What a record says by name, as JSON.

use std::fmt::Write as _;

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
        // What is beyond all numbers many parsers refuse, and all that stands around it.
        _ => spelled && text.parse().is_ok_and(f64::is_finite) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn captures_that_spell_numbers_booleans_and_null_become_them() {
        let captures: [(&str, &[u8]); 9] = [
            ("symbol", b"ACME"),
            ("price", b"150.25"),
            ("up", b"true"),
            ("none", b"null"),
            ("code", b"007"),
            ("dots", b"1.2.3"),
            ("e", b"-1e9"),
            ("far", b"1e999"),
            ("quote", b"a\"b\\"),
        ];
        assert_eq!(
            json_of_captures(captures),
            r#"{"symbol":"ACME","price":150.25,"up":true,"none":null,"code":"007","dots":"1.2.3","e":-1e9,"far":"1e999","quote":"a\"b\\"}"#
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
