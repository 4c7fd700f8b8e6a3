//! The query and the headers of a stream's request, parsed once into what the client asks for. Every wrong or unknown
//! parameter is refused with a sentence that names it.

use std::cmp::Reverse;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;
use actix_web::web::Query;

use jiff::{SignedDuration, Timestamp};

use super::refusal::Refusal;
use crate::event::check_name;
use crate::format::level::Level;
use crate::sse::Payload;
use crate::subscriber::Request;
use crate::subscriber::filter::{Filter, PATTERNS_MAX, Pattern};
use crate::subscriber::grant::Grant;
use crate::subscriber::start::Start;

/// The longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;
/// The largest `tail=`.
pub const TAIL_MAX: usize = 1_000_000;
/// The longest `download=`, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 100;
/// The most `log=` and `event=` parameters.
pub const NAMES_MAX: usize = 256;

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
    /// `text/plain`.
    Text,
}

impl Format {
    /// All of them, in the order of their numbers.
    pub const ALL: [Format; 3] = [Format::Sse, Format::Ndjson, Format::Text];

    /// Its name, as `format=` has it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Sse => "sse",
            Format::Ndjson => "ndjson",
            Format::Text => "text",
        }
    }
}

/// What a client asks of a stream.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// The form.
    pub format: Format,
    /// What a record's `data:` is.
    pub payload: Payload,
    /// The id that it came with.
    pub id: Option<String>,
    /// The name of the file that the client saves it in.
    pub download: Option<String>,
    /// The rest.
    pub request: Request,
}

/// How a route answers where the request does not say.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The form; `None` where `Accept` decides.
    pub format: Option<Format>,
    /// Where it starts.
    pub tail: usize,
}

/// All parameters, each as often as it was given.
#[derive(Default)]
struct Given {
    logs: Vec<String>,
    matches: Vec<Pattern>,
    excludes: Vec<Pattern>,
    events: Vec<String>,
    level: Option<Level>,
    after: Option<String>,
    before: Option<String>,
    download: Option<String>,
    /// What polyfills append to the URL when they come back: newer than what the URL began with.
    last_event_id: Option<String>,
    from: Option<Start>,
    tail: Option<Start>,
    since: Option<Start>,
    until: Option<Timestamp>,
    follow: Option<bool>,
    limit: Option<u64>,
    format: Option<Format>,
    payload: Option<Payload>,
    notices: Option<bool>,
}

/// Parses the request for a stream, of whom that was granted.
///
/// # Errors
/// 400 with a sentence that names the parameter; 406 where no form of a stream is accepted.
pub fn parse(request: &HttpRequest, grant: Arc<Grant>, defaults: Defaults) -> Result<StreamRequest, Refusal> {
    let query = request.query_string();
    if query.len() > QUERY_BYTES_MAX {
        return Err(Refusal::bad_request(format!("the query has more than {QUERY_BYTES_MAX} bytes")));
    }
    let pairs =
        Query::<Vec<(String, String)>>::from_query(query).map_err(|_| Refusal::bad_request("the query is not URL-encoded"))?;
    let mut given = Given::default();
    for (name, value) in pairs.into_inner() {
        given.take(&name, &value)?;
    }
    given.before_becomes_tail(defaults)?;
    let is_before = given.before.is_some();
    let starts = [("from", given.from), ("tail", given.tail), ("since", given.since)];
    let mut starts = starts.into_iter().filter_map(|(name, start)| Some((name, start?)));
    let fresh = match (starts.next(), starts.next()) {
        (Some((one, _)), Some((other, _))) => {
            let why = format!("parameters {one} and {other} can't be combined: a stream starts at one place");
            return Err(Refusal::bad_request(why));
        }
        (Some((_, start)), None) => start,
        (None, _) => {
            if defaults.tail == 0 {
                Start::Now
            } else {
                Start::Tail(defaults.tail)
            }
        }
    };
    let header = last_event_id(request);
    let after = given.last_event_id.or(given.after);
    let start = match (&header, &after) {
        (Some(id), _) => Start::After { id: id.clone(), otherwise: Box::new(fresh) },
        (None, Some(after)) => match after.parse() {
            Ok(offset) if after.bytes().all(|byte| byte.is_ascii_digit()) => Start::Offset(offset),
            _ => Start::After { id: after.clone(), otherwise: Box::new(fresh) },
        },
        (None, None) => fresh,
    };
    let format = match given.format.or(defaults.format) {
        Some(format) => format,
        None => accepted(request)?,
    };
    let payload = given.payload.unwrap_or_default();
    Ok(StreamRequest {
        format,
        payload,
        id: header.or(after),
        download: given.download,
        request: Request {
            grant,
            logs: given.logs,
            filter: Filter { all: given.matches, none: given.excludes, events: given.events, level: given.level },
            start,
            until: given.until,
            follow: given.follow.unwrap_or(!is_before),
            limit: given.limit,
            notices: given.notices.unwrap_or(false),
            asks_meaning: format == Format::Ndjson || payload == Payload::Json,
            form: format!("{format:?} {payload:?}"),
        },
    })
}

impl Given {
    /// Lets `before=` say what `tail=` counts back from.
    fn before_becomes_tail(&mut self, defaults: Defaults) -> Result<(), Refusal> {
        let Some(id) = self.before.clone() else { return Ok(()) };
        let others = [("from", self.from.is_some()), ("since", self.since.is_some()), ("after", self.after.is_some())];
        if let Some((other, _)) = others.iter().find(|(_, given)| *given) {
            let why = format!(
                "parameters before and {other} can't be combined: before=ID goes with tail=N, the last N records before it"
            );
            return Err(Refusal::bad_request(why));
        }
        if self.follow == Some(true) {
            return Err(Refusal::bad_request("parameter follow can't be true with before=ID: that stream ends at the id"));
        }
        let count = match self.tail {
            Some(Start::Tail(count)) => count,
            _ if defaults.tail > 0 => defaults.tail,
            _ => return Err(Refusal::bad_request("parameter before needs tail=N: how many records before the id")),
        };
        self.tail = Some(Start::Before { id, count });
        Ok(())
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let pattern = || Pattern::new(value).map_err(|error| Refusal::bad_request(format!("parameter {name}: {error}")));
        match name {
            "log" => push(&mut self.logs, name, value.to_string(), NAMES_MAX),
            "match" | "grep" => push(&mut self.matches, name, pattern()?, PATTERNS_MAX),
            "exclude" => push(&mut self.excludes, name, pattern()?, PATTERNS_MAX),
            "event" => push(&mut self.events, name, event_name(name, value)?, NAMES_MAX),
            "after" | "lastEventId" | "last_event_id" if value.is_empty() => Ok(()),
            "before" => once(&mut self.before, name, value.to_string()),
            "download" => once(&mut self.download, name, file_name(name, value)?),
            "after" => once(&mut self.after, name, value.to_string()),
            "lastEventId" | "last_event_id" => once(&mut self.last_event_id, name, value.to_string()),
            "from" => once(&mut self.from, name, choice(name, value, &[("start", Start::Oldest), ("end", Start::Now)])?),
            "tail" => once(&mut self.tail, name, Start::Tail(number(name, value, TAIL_MAX as u64)? as usize)),
            "follow" => once(&mut self.follow, name, choice(name, value, &BOOLEAN)?),
            "notices" => once(&mut self.notices, name, choice(name, value, &BOOLEAN)?),
            "limit" => once(&mut self.limit, name, number(name, value, u64::MAX)?),
            "format" => {
                let formats = [("sse", Format::Sse), ("ndjson", Format::Ndjson), ("text", Format::Text)];
                let long =
                    [("text/event-stream", Format::Sse), ("application/x-ndjson", Format::Ndjson), ("text/plain", Format::Text)];
                let format = choice(name, value, &long).or_else(|_| choice(name, value, &formats))?;
                once(&mut self.format, name, format)
            }
            "data" => once(&mut self.payload, name, choice(name, value, &[("line", Payload::Line), ("json", Payload::Json)])?),
            "level" => {
                let level = value.parse().map_err(|why| Refusal::bad_request(format!("parameter level: {why}")))?;
                once(&mut self.level, name, level)
            }
            "since" => once(&mut self.since, name, Start::Since(time(name, value)?)),
            "until" => once(&mut self.until, name, time(name, value)?),
            _ => Err(Refusal::bad_request(format!(
                "there is no parameter {name:?}; there are log, match, exclude, event, level, after, before, from, tail, since, until, follow, limit, format, data, notices, download"
            ))),
        }
    }
}

/// A file's name that no file system takes for anything else.
fn file_name(name: &str, value: &str) -> Result<String, Refusal> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = (1..=FILE_NAME_BYTES_MAX).contains(&value.len()) && !value.starts_with('.') && value.bytes().all(harmless);
    fits.then(|| value.to_string()).ok_or_else(|| {
        let right = format!("of at most {FILE_NAME_BYTES_MAX} letters, digits, dots, dashes and underscores");
        Refusal::bad_request(format!("parameter {name} is the name of a file, {right}, and not {value:?}"))
    })
}

/// A name that an event can have.
fn event_name(name: &str, value: &str) -> Result<String, Refusal> {
    let refusal = |why| Refusal::bad_request(format!("parameter {name}: {why}; repeat {name}= for several"));
    check_name(value).map(|()| value.to_string()).map_err(refusal)
}

/// A time in RFC 3339, or so long ago.
fn time(name: &str, value: &str) -> Result<Timestamp, Refusal> {
    if let Ok(time) = value.parse() {
        return Ok(time);
    }
    let ago = humantime::parse_duration(value).ok().and_then(|ago| SignedDuration::try_from(ago).ok());
    ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok()).ok_or_else(|| {
        let right = "15m, 2h 30m or 2026-11-22T10:00:00Z";
        Refusal::bad_request(format!("parameter {name} is a length of time or a time in RFC 3339 ({right}) and not {value:?}"))
    })
}

const BOOLEAN: [(&str, bool); 2] = [("true", true), ("false", false)];

fn push<T>(list: &mut Vec<T>, name: &str, value: T, max: usize) -> Result<(), Refusal> {
    if list.len() >= max {
        return Err(Refusal::bad_request(format!("parameter {name} is given more than {max} times")));
    }
    list.push(value);
    Ok(())
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad_request(format!("parameter {name} is given more than once"))),
    }
}

fn choice<T: Clone>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T, Refusal> {
    let found = choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| choice.clone());
    let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
    found.ok_or_else(|| Refusal::bad_request(format!("parameter {name} is {} and not {value:?}", words())))
}

fn number(name: &str, value: &str, max: u64) -> Result<u64, Refusal> {
    let number = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    let most = if max == u64::MAX { String::new() } else { format!(" of at most {max}") };
    number
        .filter(|&number| number <= max)
        .ok_or_else(|| Refusal::bad_request(format!("parameter {name} is a whole number{most} and not {value:?}")))
}

/// The header that a reconnecting client sends; an empty one counts as absent. What is not text can't be an id, and is
/// told as a gap like any other.
fn last_event_id(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get("last-event-id")?;
    let id = String::from_utf8_lossy(header.as_bytes()).trim().to_string();
    (!id.is_empty()).then_some(id)
}

/// The form that `Accept` asks for: the acceptable one of highest weight, the first of equals; of a form that says which is
/// more exact (RFC 9110, 12.5.1).
fn accepted(request: &HttpRequest) -> Result<Format, Refusal> {
    let values = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> =
        values.flat_map(|value| value.split(',')).map(weighed).filter(|(range, _)| !range.is_empty()).collect();
    if ranges.is_empty() {
        return Ok(Format::Sse);
    }
    // Of equals the last one is taken.
    let best = Format::ALL.into_iter().rev().filter_map(|format| {
        let exactness = |range: &str| match range {
            "*/*" => Some(0),
            _ if range.ends_with("/*") => {
                media_types(format).iter().any(|own| own.starts_with(&range[..range.len() - 1])).then_some(1)
            }
            _ => media_types(format).contains(&range).then_some(2),
        };
        let about =
            ranges.iter().enumerate().filter_map(|(place, (range, weight))| Some((exactness(range)?, Reverse(place), *weight)));
        let (_, place, weight) = about.max_by_key(|&(exactness, place, _)| (exactness, place))?;
        (weight > 0.0).then_some((weight, place, format))
    });
    let best = best.max_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    best.map(|(_, _, format)| format).ok_or_else(Refusal::not_acceptable)
}

/// The media types of a form.
fn media_types(format: Format) -> &'static [&'static str] {
    match format {
        Format::Sse => &["text/event-stream"],
        Format::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
        Format::Text => &["text/plain"],
    }
}

/// One of the values of `Accept` or `Accept-Encoding`, in lower case, and its weight (RFC 9110, 12.4.2).
pub fn weighed(value: &str) -> (String, f32) {
    let mut parts = value.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q="))?.parse().ok());
    (name, weight.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    const EVENTS: Defaults = Defaults { format: None, tail: 0 };

    fn parsed(query: &str) -> Result<StreamRequest, Refusal> {
        parse(&TestRequest::with_uri(&format!("/events?{query}")).to_http_request(), Arc::default(), EVENTS)
    }

    fn why(query: &str) -> String {
        parsed(query).unwrap_err().detail().to_string()
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_would_be_right() {
        for (query, expected) in [
            ("form=x", "there is no parameter \"form\"; there are log, match,"),
            ("match=(", "parameter match: the pattern \"(\" is no regular expression"),
            ("from=middle", "parameter from is start or end and not \"middle\""),
            ("tail=-1", "parameter tail is a whole number of at most 1000000 and not \"-1\""),
            ("limit=1&limit=2", "parameter limit is given more than once"),
            ("from=start&tail=1", "parameters from and tail can't be combined"),
            ("follow=yes", "parameter follow is true or false and not \"yes\""),
            ("format=xml", "parameter format is sse or ndjson or text and not \"xml\""),
            ("since=soon", "parameter since is a length of time or a time in RFC 3339"),
            ("since=1m&tail=3", "parameters tail and since can't be combined"),
            ("before=x&after=y&tail=1", "parameters before and after can't be combined"),
            ("before=x", "parameter before needs tail=N"),
            ("before=x&tail=1&follow=true", "parameter follow can't be true with before=ID"),
            ("download=../x", "parameter download is the name of a file"),
        ] {
            assert!(why(query).starts_with(expected), "{query}: {}", why(query));
        }
    }

    #[test]
    fn the_header_beats_the_query_and_an_empty_one_counts_as_absent() {
        let start = |header: &str, query: &str| {
            let request = TestRequest::with_uri(&format!("/events?{query}")).insert_header(("Last-Event-ID", header));
            parse(&request.to_http_request(), Arc::default(), EVENTS).unwrap().request.start
        };
        let after = |id: &str, otherwise: Start| Start::After { id: id.into(), otherwise: Box::new(otherwise) };
        assert_eq!(start("h", "after=q&tail=3"), after("h", Start::Tail(3)));
        assert_eq!(start("", "lastEventId=q"), after("q", Start::Now));
        assert_eq!(start("", "last_event_id=17"), Start::Offset(17));
        assert_eq!(start("", "after="), Start::Now);
        assert_eq!(start("", "after=old&lastEventId=new"), after("new", Start::Now));
    }

    #[test]
    fn accept_decides_the_form_by_weight() {
        let format = |accept: &str| {
            let request = TestRequest::with_uri("/events").insert_header(("Accept", accept)).to_http_request();
            parse(&request, Arc::default(), EVENTS).map(|request| request.format)
        };
        assert_eq!(format("*/*"), Ok(Format::Sse));
        assert_eq!(format("text/html, application/x-ndjson"), Ok(Format::Ndjson));
        assert_eq!(format("text/plain;q=0.5, text/event-stream"), Ok(Format::Sse));
        assert_eq!(format("text/plain;q=0.5, text/*;q=0.4"), Ok(Format::Text));
        assert_eq!(format("text/plain, text/event-stream"), Ok(Format::Text), "the first of equals");
        assert_eq!(format("application/*"), Ok(Format::Ndjson));
        // What is more exact holds, whatever stands first.
        assert_eq!(format("*/*, text/event-stream;q=0"), Ok(Format::Ndjson));
        assert_eq!(format("text/event-stream;q=0.1, text/*, application/*;q=0"), Ok(Format::Text));
        for none in ["application/json", "text/event-stream;q=0", "*/*;q=0.0", "text/html, image/*"] {
            assert_eq!(format(none), Err(Refusal::not_acceptable()), "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_a_request_or_is_refused_with_400_in_one_line(
            pairs in proptest::collection::vec(prop_oneof![
                "(log=a|match=b|grep=c|exclude=d|event=e|level=warn|after=17|tail=5|follow=true|data=json|until=15m)",
                "[a-z]{1,9}=(start|true|[0-9]{1,25}|15m|%[0-9a-fA-F]{2}|[a-z(*+%&=.-]{0,9})",
                "(tail|limit|since|until|match|follow)=(-?[0-9]{1,25}|[a-z(*+%&=.-]{0,9})",
            ], 0..4),
            header in " ?[!-~]{0,9} ?", accept in "(\\*/\\*)|text/plain;q=0\\.[0-9]|[a-z*/;=q0-9., -]{0,20}",
        ) {
            let uri = format!("/events?{}", pairs.join("&"));
            prop_assume!(uri.parse::<actix_web::http::Uri>().is_ok());
            let request = TestRequest::with_uri(&uri).insert_header(("Last-Event-ID", header.as_str())).insert_header(("Accept", accept));
            match parse(&request.to_http_request(), Arc::default(), EVENTS) {
                Ok(request) => {
                    let StreamRequest { request, id, .. } = request;
                    prop_assert!(request.filter.all.len() <= PATTERNS_MAX && request.logs.len() <= NAMES_MAX);
                    prop_assert!(header.trim().is_empty() || id.as_deref() == Some(header.trim()));
                }
                Err(refusal) => prop_assert!(!refusal.detail().is_empty() && !refusal.detail().contains('\n'), "{}", refusal.detail()),
            }
        }
    }
}
