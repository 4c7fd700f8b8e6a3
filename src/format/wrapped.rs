//! What container runtimes write around each line of a program: when, on which stream, and whether more of it follows.

use std::borrow::Cow;

use serde::Deserialize;

use super::Format;

/// Where a program wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A line of a program and what stood around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrapped<'a> {
    /// What the program wrote, without a line end.
    pub text: Cow<'a, [u8]>,
    /// When, as the runtime wrote it.
    pub time: Cow<'a, str>,
    /// Where to.
    pub stream: Stream,
    /// Whether the line goes on in the stream's next one.
    pub partial: bool,
}

impl Format {
    /// What is wrapped in a line of this format; `None` for a line that is not in it, or a format that wraps nothing.
    pub fn unwrap(self, line: &[u8]) -> Option<Wrapped<'_>> {
        match self {
            Format::Cri => cri(line),
            Format::Docker => docker(line),
            _ => None,
        }
    }
}

/// `2026-11-22T10:00:00.123456789Z stdout F text`: the CRI logging format of Kubernetes. A `P` says that more follows.
pub fn cri(line: &[u8]) -> Option<Wrapped<'_>> {
    let mut parts = line.splitn(4, |&byte| byte == b' ');
    let time = str::from_utf8(parts.next()?).ok()?;
    let dated = time.len() >= 20 && time.as_bytes()[10] == b'T' && time.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    let stream = match parts.next()? {
        b"stdout" => Stream::Out,
        b"stderr" => Stream::Err,
        _ => return None,
    };
    // Tags may follow the first one behind colons.
    let partial = match parts.next()?.split(|&byte| byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    let text = parts.next().unwrap_or_default();
    dated.then_some(Wrapped { text: text.into(), time: time.into(), stream, partial })
}

/// `{"log":"text\n","stream":"stdout","time":"…"}`: Docker's json-file. Text without a line end goes on.
pub fn docker(line: &[u8]) -> Option<Wrapped<'_>> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        log: Cow<'a, str>,
        #[serde(borrow, default)]
        stream: Cow<'a, str>,
        #[serde(borrow)]
        time: Cow<'a, str>,
    }
    if !line.starts_with(b"{\"") {
        return None;
    }
    let Entry { log, stream, time } = serde_json::from_slice(line).ok()?;
    let stream = if stream == "stderr" { Stream::Err } else { Stream::Out };
    let partial = !log.ends_with('\n');
    let ends = |text: &str| text.strip_suffix('\n').map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
    let text = match log {
        Cow::Borrowed(text) => text.as_bytes()[..ends(text)].into(),
        Cow::Owned(text) => Cow::Owned(text.as_bytes()[..ends(&text)].to_vec()),
    };
    Some(Wrapped { text, time, stream, partial })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cri_lines_give_their_text_stream_and_whether_they_go_on() {
        let wrapped = cri(b"2026-11-22T10:00:00.123456789+01:00 stderr P half of  it ").unwrap();
        assert_eq!((&*wrapped.text, wrapped.stream, wrapped.partial), (&b"half of  it "[..], Stream::Err, true));
        assert!(cri(b"2026-11-22T10:00:00.1Z stdout F").is_some_and(|wrapped| wrapped.text.is_empty() && !wrapped.partial));
        assert!(cri(b"2026-11-22T10:00:00.1Z stdout F:tag x").is_some());
        for line in ["", "a b c d", "2026-11-22T10:00:00Z stdin F x", "2026-11-22T10:00:00Z stdout X x", "x stdout F y"] {
            assert!(cri(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn docker_lines_give_their_text_stream_and_whether_they_go_on() {
        let wrapped = docker(br#"{"log":"a \"b\"\r\n","stream":"stderr","time":"2026-11-22T10:00:00Z"}"#).unwrap();
        assert_eq!((&*wrapped.text, wrapped.stream, wrapped.partial), (&b"a \"b\""[..], Stream::Err, false));
        assert!(docker(br#"{"log":"half","stream":"stdout","time":"t"}"#).unwrap().partial);
        for line in ["", "{}", r#"{"log":1,"time":"t"}"#, r#"{"msg":"x","time":"t"}"#] {
            assert!(docker(line.as_bytes()).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_went_in(text in "[^\n\r]{0,80}", partial: bool) {
            let end = if partial { "" } else { "\n" };
            let line = serde_json::json!({ "log": format!("{text}{end}"), "stream": "stdout", "time": "t" }).to_string();
            let wrapped = docker(line.as_bytes()).unwrap();
            prop_assert_eq!((&*wrapped.text, wrapped.partial), (text.as_bytes(), partial));
            let line = format!("2026-11-22T10:00:00Z stdout {} {text}", if partial { "P" } else { "F" });
            let wrapped = cri(line.as_bytes()).unwrap();
            prop_assert_eq!((&*wrapped.text, wrapped.partial), (text.as_bytes(), partial));
        }

        #[test]
        fn any_bytes_are_wrapped_or_not(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (cri(&line), docker(&line));
        }
    }
}
