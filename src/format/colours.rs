//! Colours that programs write for terminals and leave in files.

use std::borrow::Cow;

/// How the sequences begin (ECMA-48 section 5.4: CSI).
const BEGIN: &[u8] = b"\x1b[";

/// `text` without SGR sequences (ECMA-48 section 8.3.117): `ESC [ 1 ; 31 m`.
pub fn without(text: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, BEGIN) {
        let behind = &rest[at + BEGIN.len()..];
        let length = behind.iter().take_while(|byte| byte.is_ascii_digit() || b";:".contains(byte)).count();
        let is_colour = behind.get(length) == Some(&b'm');
        plain.extend_from_slice(&rest[..if is_colour { at } else { at + BEGIN.len() }]);
        rest = if is_colour { &behind[length + 1..] } else { behind };
    }
    if rest.len() == text.len() {
        return text.into();
    }
    plain.extend_from_slice(rest);
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_colours_are_taken_out() {
        let plain = |text: &'static str| String::from_utf8(without(text.as_bytes()).into_owned()).unwrap();
        assert_eq!(plain("\x1b[2m10:00\x1b[0m \x1b[38;5;208mWARN\x1b[m x"), "10:00 WARN x");
        assert_eq!(plain("\x1b[2K\x1b[1m"), "\x1b[2K");
        assert_eq!(plain("[0m \x1b[31"), "[0m \x1b[31");
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_was_before_it_was_coloured(parts in proptest::collection::vec("[a-z0-9m;\\[ ]{0,9}", 0..9)) {
            let coloured: String = parts.iter().map(|part| format!("\x1b[1;31m{part}\x1b[0m")).collect();
            let plain = parts.concat();
            prop_assert_eq!(&*without(coloured.as_bytes()), plain.as_bytes());
        }

        #[test]
        fn any_bytes_stay_or_go(text in proptest::collection::vec(prop_oneof![Just(0x1b), Just(b'['), Just(b'm'), any::<u8>()], 0..60)) {
            prop_assert!(without(&text).len() <= text.len());
        }
    }
}
