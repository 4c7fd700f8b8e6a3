//! Every limit that a client or a file can meet, by the name under which `docs/limits.md` and `/metrics` have it. Those
//! that can be set stand in [`super::Manners`].

use super::access::{failures, sessions, tokens};
use super::flight::{HEAD_BYTES_MAX, HEAD_LINES_MAX, REQUESTS_MAX};
use super::{HEAD_TIMEOUT, login, query, quiet};
use crate::format::{json, logfmt};
use crate::position::{CURSOR_BYTES_MAX, CURSOR_POSITIONS_MAX};
use crate::source::content::{HOLE_BYTES_MAX, PACKED_HOLE_BYTES_MAX};
use crate::source::follow::REPLACED_MAX;
use crate::source::links::LINKS_MAX;
use crate::source::pattern;
use crate::source::read::{LONG_BYTES_MAX, PACKED_RECORD_BYTES_MAX};
use crate::source::resolve::{RESOLVE_BYTES_MAX, RESOLVE_TIME_MAX};
use crate::source::shelf::ARCHIVES_MAX;
use crate::source::siblings::{LIKENESS_BYTES_MAX, LIKENESS_TIME_MAX, SIBLINGS_MAX};
use crate::source::zstd::WINDOW_BYTES_MAX;
use crate::subscriber::filter::{COMPILED_BYTES_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX};
use crate::subscriber::join::RECORD_LINES_MAX;
use crate::subscriber::stream::{TURN, TURN_BYTES};
use crate::subscriber::{BACK_TIME_MAX, SEARCHES_MAX};

/// Those that are the same for every agent.
pub fn fixed() -> Vec<(&'static str, u64)> {
    vec![
        ("head-bytes", HEAD_BYTES_MAX as u64),
        ("head-lines", HEAD_LINES_MAX as u64),
        ("head-seconds", HEAD_TIMEOUT.as_secs()),
        ("requests-per-connection", REQUESTS_MAX as u64),
        ("query-bytes", query::QUERY_BYTES_MAX as u64),
        ("query-names", query::NAMES_MAX as u64),
        ("query-patterns", PATTERNS_MAX as u64),
        ("pattern-bytes", PATTERN_BYTES_MAX as u64),
        ("pattern-compiled-bytes", COMPILED_BYTES_MAX as u64),
        ("tail-records", query::TAIL_MAX as u64),
        ("file-name-bytes", query::FILE_NAME_BYTES_MAX as u64),
        ("id-bytes", CURSOR_BYTES_MAX as u64),
        ("stream-logs", CURSOR_POSITIONS_MAX as u64),
        ("starts-at-a-time", SEARCHES_MAX as u64),
        ("before-milliseconds", BACK_TIME_MAX.as_millis() as u64),
        ("turn-bytes", TURN_BYTES as u64),
        ("turn-milliseconds", TURN.as_millis() as u64),
        ("resolve-bytes", RESOLVE_BYTES_MAX),
        ("resolve-seconds", RESOLVE_TIME_MAX.as_secs()),
        ("rotated-files", SIBLINGS_MAX as u64),
        ("held-files", REPLACED_MAX as u64),
        ("likeness-bytes", LIKENESS_BYTES_MAX),
        ("likeness-milliseconds", LIKENESS_TIME_MAX.as_millis() as u64),
        ("folder-depth", pattern::DEPTH_MAX as u64),
        ("links", LINKS_MAX as u64),
        ("log-name-bytes", pattern::NAME_BYTES_MAX as u64),
        ("nul-bytes", HOLE_BYTES_MAX),
        ("packed-nul-bytes", PACKED_HOLE_BYTES_MAX),
        ("packed-record-bytes", PACKED_RECORD_BYTES_MAX),
        ("zstd-archives", ARCHIVES_MAX as u64),
        ("zstd-window-bytes", WINDOW_BYTES_MAX),
        ("counted-record-bytes", LONG_BYTES_MAX as u64),
        ("record-lines", RECORD_LINES_MAX as u64),
        ("json-depth", json::DEPTH_MAX as u64),
        ("logfmt-pairs", logfmt::PAIRS_MAX as u64),
        ("tokens", tokens::TOKENS_MAX as u64),
        ("token-file-bytes", tokens::FILE_BYTES_MAX),
        ("token-name-bytes", tokens::NAME_BYTES_MAX as u64),
        ("wrong-tokens", failures::FAILURES_MAX.into()),
        ("wrong-tokens-seconds", failures::FAILURES_SPAN.as_secs()),
        ("wrong-tokens-addresses", failures::ADDRESSES_MAX as u64),
        ("own-log-lines", quiet::LINES_MAX),
        ("own-log-lines-seconds", quiet::LINES_SPAN.as_secs()),
        ("form-bytes", login::FORM_BYTES_MAX as u64),
        ("sessions", sessions::SESSIONS_MAX as u64),
        ("session-seconds", sessions::SESSION_TIME.as_secs()),
    ]
}
