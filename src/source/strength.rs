//! Whether content can be told from other content: lines with times are never written twice, lines without may be.
//! Pure.

/// Whether `windows`, pieces of one file's content, show that no other file has the same: a time of day with a fraction
/// of a second, or two different times.
pub fn is_strong(windows: &[&[u8]]) -> bool {
    let mut first = None;
    windows.iter().flat_map(|window| times(window)).any(|time| {
        let other = *first.get_or_insert(time) != time;
        other || time.has_fraction()
    })
}

/// What stands for a time in a line: `10:00:01`, `10:00:01.123`, or ten and more digits since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time<'a>(&'a [u8]);

/// Digits of seconds since 1970; with more digits they are fractions of a second.
const EPOCH_DIGITS: usize = 10;

impl Time<'_> {
    fn has_fraction(&self) -> bool {
        let digits_only = self.0.iter().all(u8::is_ascii_digit);
        if digits_only { self.0.len() > EPOCH_DIGITS } else { self.0.len() > b"10:00:01".len() }
    }
}

fn times(text: &[u8]) -> impl Iterator<Item = Time<'_>> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b":.,".contains(byte);
    text.split(move |byte| !is_part(byte)).filter_map(|token| {
        let token = &token[token.iter().take_while(|byte| !byte.is_ascii_digit()).count()..];
        let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits >= EPOCH_DIGITS && token.starts_with(b"1") {
            return Some(Time(&token[..digits]));
        }
        clock(token)
    })
}

/// The first time of day in a run of digits and punctuation, with its fraction.
fn clock(token: &[u8]) -> Option<Time<'_>> {
    const SHAPE: &[u8] = b"00:00:00";
    let fits = |window: &[u8]| {
        window.iter().zip(SHAPE).all(|(byte, shape)| if *shape == b':' { byte == shape } else { byte.is_ascii_digit() })
    };
    // The last: in `2026:10:00:01` the year ends like an hour.
    let at = token.windows(SHAPE.len()).rposition(fits)?;
    let rest = &token[at + SHAPE.len()..];
    let fraction = match rest {
        [b'.' | b',', digits @ ..] => digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let length = if fraction > 0 { SHAPE.len() + 1 + fraction } else { SHAPE.len() };
    Some(Time(&token[at..at + length]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_make_content_strong_and_banners_do_not() {
        for strong in [
            "2026-11-22T10:00:01.123Z INFO start",
            "10:00:01 a\n10:00:02 b\n",
            "127.0.0.1 [22/Nov/2026:10:00:01 +0000] a\n127.0.0.1 [22/Nov/2026:10:00:02 +0000] b",
            "{\"ts\":1795342801123}",
            "ts=1795342801 a\nts=1795342802 b",
            "10:00:01,999 ERROR",
        ] {
            assert!(is_strong(&[strong.as_bytes()]), "{strong}");
        }
        for weak in ["", "tick\ntick\n", "*** server 1.2.3 ***\n", "10:00:01 a\n10:00:01 b\n", "port 8080 id 123456789", "12:34"]
        {
            assert!(!is_strong(&[weak.as_bytes()]), "{weak}");
        }
        assert!(is_strong(&[b"10:00:01 head", b"10:00:09 tip"]), "over both windows");
    }

    proptest! {
        #[test]
        fn any_bytes_are_strong_or_weak_and_more_of_them_never_make_them_weak(
            text in proptest::collection::vec(prop_oneof![Just(b':'), Just(b'.'), b'0'..=b'9', any::<u8>()], 0..200), more: Vec<u8>,
        ) {
            prop_assert!(!is_strong(&[&text]) || is_strong(&[&text, &more]));
        }

        #[test]
        fn two_times_are_strong_and_one_is_weak(one in 0u32..86_400, other in 0u32..86_400) {
            let line = |second: u32| format!("{:02}:{:02}:{:02} x\n", second / 3600, second / 60 % 60, second % 60);
            let (one_line, other_line) = (line(one), line(other));
            prop_assert_eq!(is_strong(&[one_line.as_bytes(), other_line.as_bytes()]), one != other);
            prop_assert!(is_strong(&[line(one).replace(" x", ".25 x").as_bytes()]));
        }
    }
}
