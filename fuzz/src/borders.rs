//! Text from outside: ids, queries, config files, lines.

use std::sync::Arc;

use actix_web::http::Uri;
use actix_web::test::TestRequest;
use sidetail::config::file;
use sidetail::format::time::Clock;
use sidetail::format::trace::Trace;
use sidetail::format::{Format, level::Level, wrapped};
use sidetail::http::query::{self, Defaults};
use sidetail::position::Cursor;
use sidetail::source::split;

use crate::files::file_with;

/// An id is one text and no other; a part of one is none.
pub fn ids(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match text.parse::<Cursor>() {
        Ok(cursor) => {
            assert_eq!(cursor.to_string(), text);
            assert!(!cursor.positions().is_empty());
            for end in 0..text.len() {
                assert!(text[..end].parse::<Cursor>().is_err(), "{:?} is an id, too", &text[..end]);
            }
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}

/// A request is understood or refused. The lines are the query, the header `Last-Event-ID`, and `Accept`.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let target = format!("/events?{}", lines.next().unwrap_or_default());
    if target.parse::<Uri>().is_err() {
        return;
    }
    let mut request = TestRequest::with_uri(&target);
    for (name, value) in ["last-event-id", "accept"].into_iter().zip(lines) {
        if actix_web::http::header::HeaderValue::from_str(value).is_ok() {
            request = request.insert_header((name, value));
        }
    }
    let request = request.to_http_request();
    for tail in [0, 10] {
        if let Ok(asked) = query::parse(&request, Arc::default(), Defaults { format: None, tail }) {
            assert!(
                asked.download.is_none_or(|name| name.len() <= query::FILE_NAME_BYTES_MAX && !name.contains(['/', '"', '\\']))
            );
        }
    }
}

/// A config file is understood, or refused in one line that names it.
pub fn config(data: &[u8]) {
    let (_file, path) = file_with(data);
    match file::read(&path) {
        Ok(options) => drop(file::rules(&options)),
        Err(why) => {
            let why = why.to_string();
            assert!(why.starts_with(&*path.to_string_lossy()) && !why.contains('\n'), "{why:?}");
        }
    }
    let _ = file::read_whereabouts(&path);
}

/// Lines are what stands between LFs, side by side, none left out.
pub fn splitter(data: &[u8]) {
    let Some((&limit, bytes)) = data.split_first() else { return };
    let (mut at, start) = (0, u64::from(limit) * 7);
    for line in split::lines(bytes, start, usize::from(limit) + 4) {
        assert_eq!(line.start, start + at as u64);
        let end = (line.end - start) as usize;
        let whole = &bytes[at..end];
        let text = whole.strip_suffix(b"\n").map_or(whole, |text| text.strip_suffix(b"\r").unwrap_or(text));
        let text = if line.start == 0 { text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text) } else { text };
        assert!(!text.contains(&b'\n') && text.starts_with(line.bytes));
        assert_eq!(line.cut_from.is_none(), line.bytes.len() == text.len());
        assert!(line.cut_from.is_none_or(|length| length == text.len() as u64 && line.bytes.len() <= usize::from(limit) + 4));
        at = end;
    }
    assert_eq!(at, bytes.len());
    let whole = split::complete(bytes);
    assert!(!bytes[whole..].contains(&b'\n') && (whole == 0 || bytes[whole - 1] == b'\n'));
}

/// Whatever a line says of itself, its fields are a JSON object on one line; and what containers put around a line comes off.
pub fn formats(data: &[u8]) {
    let (clock, latest) = (Clock::default(), "2026-11-22T10:00:00Z".parse().expect("a time"));
    let _ = Format::detect(data);
    let mut lines = data.split(|&byte| byte == b'\n');
    let mut trace = Trace::new(lines.next().unwrap_or_default());
    lines.for_each(|line| _ = trace.takes(line));
    for line in data.split(|&byte| byte == b'\n') {
        for format in Format::ALL {
            if let Some(fields) = format.meaning(line, &clock, latest).fields {
                let object: serde_json::Value =
                    serde_json::from_str(&fields).unwrap_or_else(|error| panic!("{error} in {fields}"));
                assert!(object.is_object() && !fields.contains('\n'), "{fields}");
            }
        }
        let _ = (Level::of_text(line), wrapped::cri(line), wrapped::docker(line));
    }
}
