//! The Common Log Format of web servers, and the Combined one, which nginx and Apache write.

use jiff::Timestamp;

use super::Meaning;
use super::fields::json_of_captures;
use super::level::Level;
use super::time::Clock;

/// A request as an access log has it.
pub struct Access<'a> {
    site: Option<&'a [u8]>,
    host: &'a [u8],
    user: &'a [u8],
    time: &'a [u8],
    request: &'a [u8],
    status: &'a [u8],
    bytes: &'a [u8],
    referer: Option<&'a [u8]>,
    agent: Option<&'a [u8]>,
}

/// `HOST IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT"`, the last two if they are there, and perhaps
/// `SITE:PORT` in front.
pub fn parse<'a>(line: &'a [u8]) -> Option<Access<'a>> {
    let site = until(line, b" ")
        .filter(|(site, rest)| is_site(site) && until(rest, b" ").is_some_and(|(_, rest)| rest.starts_with(b"- ")));
    let (host, rest) = until(site.map_or(line, |(_, rest)| rest), b" ")?;
    let (_, rest) = until(rest, b" ")?;
    let (user, rest) = until(rest, b" [")?;
    let (time, rest) = until(rest, b"] \"")?;
    let (request, rest) = quoted(rest)?;
    let (status, rest) = word(rest.strip_prefix(b" ")?);
    let (bytes, rest) = word(rest.strip_prefix(b" ")?);
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) || host.is_empty() {
        return None;
    }
    let behind = |rest: &'a [u8]| quoted(rest.strip_prefix(b" \"")?);
    let referer = behind(rest);
    let agent = referer.and_then(|(_, rest)| behind(rest));
    let text = |found: Option<(&'a [u8], &'a [u8])>| found.map(|(text, _)| text);
    Some(Access {
        site: site.map(|(site, _)| site),
        host,
        user,
        time,
        request,
        status,
        bytes,
        referer: text(referer),
        agent: text(agent),
    })
}

/// Whether a line that begins so may be a request: all up to its quote is there.
pub fn begins(line: &[u8]) -> bool {
    let quote = memchr::memmem::find(line, b"] \"").map(|at| &line[..at]);
    let time = quote.and_then(|before| Some(&before[memchr::memrchr(b'[', before)? + 1..]));
    time.is_some_and(|time| time.first().is_some_and(u8::is_ascii_digit) && time.contains(&b'/') && time.contains(&b':'))
}

/// What a request says of itself: the time, a level by its status, its parts by name.
pub fn meaning<'a>(text: &'a [u8], clock: &Clock, latest: Timestamp) -> Option<Meaning<'a>> {
    let access = parse(text)?;
    let level = match access.status[0] {
        b'5' => Level::Error,
        b'4' => Level::Warn,
        _ => Level::Info,
    };
    let mut words = access.request.splitn(3, |&byte| byte == b' ');
    let parts = [
        ("site", access.site),
        ("host", Some(access.host)),
        ("user", Some(access.user)),
        ("method", words.next()),
        ("path", words.next()),
        ("protocol", words.next()),
        ("status", Some(access.status)),
        ("bytes", Some(access.bytes)),
        ("referer", access.referer),
        ("agent", access.agent),
    ];
    let known = parts.into_iter().filter_map(|(name, part)| Some((name, part.filter(|part| *part != b"-")?)));
    Some(Meaning { time: clock.in_text(access.time, latest), level: Some(level), fields: Some(json_of_captures(known).into()) })
}

/// Whether a word is `example.org:443`, as Apache's `vhost_combined` begins.
fn is_site(word: &[u8]) -> bool {
    let digits = word.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let name = word[..word.len() - digits].strip_suffix(b":").unwrap_or_default();
    digits > 0 && name.iter().any(u8::is_ascii_alphanumeric) && !name.contains(&b':')
}

fn until<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, end)?;
    Some((&text[..at], &text[at + end.len()..]))
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|&byte| byte == b' ').unwrap_or(text.len()))
}

/// Up to the next quote that no backslash precedes.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(line: &str) -> serde_json::Value {
        let meaning = meaning(line.as_bytes(), &Clock::default(), Timestamp::UNIX_EPOCH).expect("a request");
        serde_json::from_str(&meaning.fields.expect("fields")).expect("JSON")
    }

    #[test]
    fn a_site_in_front_is_told_from_the_host() {
        let found = fields(r#"example.org:443 ::1 - ann [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#);
        assert_eq!((&found["site"], &found["host"], &found["user"]), (&"example.org:443".into(), &"::1".into(), &"ann".into()));
        for line in [
            r#"2001:db8::443 - John Doe [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#,
            r#"10.0.0.1 - John - Doe [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#,
        ] {
            let found = fields(line);
            assert!(found.get("site").is_none() && found["host"] == line.split(' ').next().unwrap(), "{found}");
            assert!(found["user"].as_str().unwrap().starts_with("John"), "{found}");
        }
    }

    #[test]
    fn the_parts_of_a_request_have_names() {
        let line =
            br#"203.0.113.9 - ada [22/Nov/2026:10:00:00 +0100] "GET /a?b=\"c\" HTTP/1.1" 503 17 "https://x.example/" "curl/8 "q"""#;
        let meaning = meaning(line, &Clock::default(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((meaning.time.unwrap().to_string().as_str(), meaning.level), ("2026-11-22T09:00:00Z", Some(Level::Error)));
        let fields: serde_json::Value = serde_json::from_str(&meaning.fields.unwrap()).unwrap();
        assert_eq!((fields["host"].as_str(), fields["user"].as_str()), (Some("203.0.113.9"), Some("ada")));
        assert_eq!(
            (fields["method"].as_str(), fields["status"].as_u64(), fields["bytes"].as_u64()),
            (Some("GET"), Some(503), Some(17))
        );
        assert_eq!(fields["referer"], "https://x.example/");
        assert!(parse(b"127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"-\" 400 0").is_some());
        for line in ["", "a b c", "127.0.0.1 - - [x] \"GET\" 20 5", "127.0.0.1 - - [x] \"GET 200 5"] {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_read_back(
            host in "[a-z0-9.:]{1,20}", user in "[a-zA-Z0-9]{1,9}( [a-z]{1,5})?", request in r#"[A-Z]{3} /([!#-\[\]-~]|\\["\\]){0,9}"#,
            status in "[1-5][0-9][0-9]", bytes in "[0-9]{1,9}", agent in r#"([ !#-\[\]-~]|\\["\\]){0,12}"#,
        ) {
            let line = format!("{host} - {user} [22/Nov/2026:10:00:00 +0000] \"{request}\" {status} {bytes} \"-\" \"{agent}\"");
            let access = parse(line.as_bytes()).unwrap();
            prop_assert_eq!((access.site, access.host, access.user), (None, host.as_bytes(), user.as_bytes()));
            prop_assert_eq!((access.request, access.status), (request.as_bytes(), status.as_bytes()));
            prop_assert_eq!((access.bytes, access.agent), (bytes.as_bytes(), Some(agent.as_bytes())));
        }

        #[test]
        fn any_bytes_are_a_request_or_none(
            line in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..120),
                "[-a:0-9]{0,3} - a \\[[^\n]{0,9}\\] \"[^\n]{0,12}\" [0-9]{2,4} [0-9-]{1,3}[ \"\\\\a]{0,9}".prop_map(String::into_bytes),
            ],
        ) {
            if let Some(access) = parse(&line) {
                let parts = [access.host, access.user, access.time, access.request, access.status, access.bytes];
                let all = parts.into_iter().chain(access.site).chain(access.referer).chain(access.agent);
                prop_assert!(all.map(<[u8]>::len).sum::<usize>() <= line.len());
                prop_assert!(meaning(&line, &Clock::default(), Timestamp::UNIX_EPOCH).is_some());
            }
        }
    }
}
