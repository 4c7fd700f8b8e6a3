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
}
