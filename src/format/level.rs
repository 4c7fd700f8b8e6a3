//! How grave a record is, whatever its program calls it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// How grave a record is, the least grave first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Steps within a step.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// The ordinary course.
    Info,
    /// Ordinary, and worth a look.
    Notice,
    /// Something may go wrong.
    Warn,
    /// Something went wrong.
    Error,
    /// The program, or a part of it, can't go on.
    Fatal,
}

/// How far into a line its level is looked for, in bytes.
const LOOK_BYTES: usize = 200;
/// The longest word that means a level, in bytes.
const WORD_BYTES_MAX: usize = 11;

/// What programs call the levels.
const WORDS: [(&str, Level); 35] = [
    ("trace", Level::Trace),
    ("trc", Level::Trace),
    ("trce", Level::Trace),
    ("vrb", Level::Trace),
    ("finest", Level::Trace),
    ("finer", Level::Trace),
    ("debug", Level::Debug),
    ("dbg", Level::Debug),
    ("dbug", Level::Debug),
    ("fine", Level::Debug),
    ("verbose", Level::Debug),
    ("info", Level::Info),
    ("inf", Level::Info),
    ("information", Level::Info),
    ("log", Level::Info),
    ("note", Level::Info),
    ("notice", Level::Notice),
    ("ntc", Level::Notice),
    ("warn", Level::Warn),
    ("warning", Level::Warn),
    ("wrn", Level::Warn),
    ("error", Level::Error),
    ("err", Level::Error),
    ("eror", Level::Error),
    ("severe", Level::Error),
    ("fail", Level::Error),
    ("fatal", Level::Fatal),
    ("ftl", Level::Fatal),
    ("crit", Level::Fatal),
    ("critical", Level::Fatal),
    ("alert", Level::Fatal),
    ("emerg", Level::Fatal),
    ("emergency", Level::Fatal),
    ("panic", Level::Fatal),
    ("dpanic", Level::Fatal),
];

impl Level {
    /// The level that a word means, in whatever case.
    pub fn of_word(word: &[u8]) -> Option<Self> {
        if !(3..=WORD_BYTES_MAX).contains(&word.len()) {
            return None;
        }
        WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|&(_, level)| level)
    }

    /// The level of a number as pino and bunyan write it, 10 is trace, 60 is fatal; below 8 it is a syslog severity, as
    /// GELF and the journal have it.
    pub fn of_number(number: u64) -> Option<Self> {
        Some(match number {
            0..=7 => Level::of_severity(number as u8),
            10 => Level::Trace,
            20 => Level::Debug,
            30 => Level::Info,
            40 => Level::Warn,
            50 => Level::Error,
            60 => Level::Fatal,
            _ => return None,
        })
    }

    /// The level of a syslog severity (RFC 5424 section 6.2.1), 0 to 7.
    pub fn of_severity(severity: u8) -> Self {
        match severity {
            0..=2 => Level::Fatal,
            3 => Level::Error,
            4 => Level::Warn,
            5 => Level::Notice,
            6 => Level::Info,
            _ => Level::Debug,
        }
    }

    /// The level of a letter as MongoDB writes it: `F`, `E`, `W`, `I`, `D1` to `D5`.
    pub fn of_mongodb(letter: &[u8]) -> Option<Self> {
        Some(match letter {
            b"F" => Level::Fatal,
            b"E" => Level::Error,
            b"W" => Level::Warn,
            b"I" => Level::Info,
            b"D" | [b'D', b'1'..=b'5'] => Level::Debug,
            _ => return None,
        })
    }

    /// The level that a line of text says: a word in capitals, or in brackets, or before a colon, near its beginning; the
    /// letter of glog, the sign of Redis, the severity of syslog, how the end of a thread begins.
    pub fn of_text(line: &[u8]) -> Option<Self> {
        let line = &line[..line.len().min(LOOK_BYTES)];
        of_priority(line)
            .or_else(|| of_glog(line))
            .or_else(|| of_redis(line))
            .or_else(|| of_crash(line))
            .or_else(|| of_words(line))
    }
}

/// `<PRI>` at the beginning (RFC 5424 section 6.2.1, RFC 3164 section 4.1.1).
fn of_priority(line: &[u8]) -> Option<Level> {
    let end = line.strip_prefix(b"<")?.iter().take(4).position(|&byte| byte == b'>')?;
    let number: u8 = str::from_utf8(&line[1..=end]).ok()?.parse().ok().filter(|&number| number < 192)?;
    Some(Level::of_severity(number % 8))
}

/// `I1122 10:00:00.123456`
fn of_glog(line: &[u8]) -> Option<Level> {
    let (letter, rest) = line.split_first()?;
    let dated = rest.len() > 6 && rest[..4].iter().all(u8::is_ascii_digit) && rest[4] == b' ' && rest[5].is_ascii_digit();
    match letter {
        _ if !dated => None,
        b'I' => Some(Level::Info),
        b'W' => Some(Level::Warn),
        b'E' => Some(Level::Error),
        b'F' => Some(Level::Fatal),
        _ => None,
    }
}

/// `12:M 22 Nov 2026 10:00:00.123 * text`
fn of_redis(line: &[u8]) -> Option<Level> {
    const TIME: &[u8; 24] = b"00 xxx 0000 00:00:00.000";
    let pid = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let [b':', b'X' | b'C' | b'S' | b'M', b' ', rest @ ..] = &line[pid..] else { return None };
    let (time, [b' ', sign, b' ', ..]) = rest.split_at_checked(TIME.len())? else { return None };
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_alphabetic(),
        form => byte == form,
    };
    let signs = [(b'.', Level::Debug), (b'-', Level::Debug), (b'*', Level::Notice), (b'#', Level::Warn)];
    let known = pid > 0 && time.iter().zip(TIME).all(fits);
    signs.into_iter().find(|(known_sign, _)| known && known_sign == sign).map(|(_, level)| level)
}

/// What runtimes print of what nobody caught: `thread 'main' panicked at`, `Exception in thread "main" …`.
fn of_crash(line: &[u8]) -> Option<Level> {
    const BEGINNINGS: [(&[u8], Level); 3] = [
        (b"Exception in thread \"", Level::Fatal),
        (b"Unhandled exception.", Level::Fatal),
        (b"Traceback (most recent call last):", Level::Error),
    ];
    let panicked = line.starts_with(b"thread '") && memchr::memmem::find(line, b" panicked at ").is_some();
    let begins = |&&(beginning, _): &&(&[u8], Level)| line.starts_with(beginning);
    if panicked { Some(Level::Fatal) } else { BEGINNINGS.iter().find(begins).map(|&(_, level)| level) }
}

fn of_words(line: &[u8]) -> Option<Level> {
    let mut at = 0;
    while at < line.len() {
        let length = line[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if length == 0 {
            at += 1;
            continue;
        }
        let word = &line[at..at + length];
        if let Some(level) = Level::of_word(word) {
            let (front, behind) = (&line[..at], &line[at + length..]);
            let capitals = word.iter().all(u8::is_ascii_uppercase);
            // `[core:error]`, as Apache writes it, and `[ info]` are in brackets too.
            let bracketed = matches!(front.trim_ascii_end().last(), Some(b'[' | b'<' | b'(' | b'|' | b':'))
                && matches!(behind.trim_ascii_start().first(), Some(b']' | b'>' | b')' | b'|'));
            let announced =
                (behind.starts_with(b":") || behind.starts_with(b" error:")) && matches!(front.last(), None | Some(b' '));
            let assigned = front.ends_with(b"level=");
            if capitals || bracketed || announced || assigned {
                return Some(level);
            }
        }
        at += length;
    }
    None
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Notice => "notice",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Fatal => "fatal",
        })
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Level::of_word(text.as_bytes())
            .ok_or_else(|| format!("{text:?} is no level; there are trace, debug, info, notice, warn, error and fatal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_of_common_layouts_are_found() {
        for (line, level) in [
            ("2026-11-22T10:00:00.123Z ERROR upstream timed out", Some(Level::Error)),
            ("2026-11-22 10:00:00,123 - app.db - WARNING - slow", Some(Level::Warn)),
            ("2026/11/22 10:00:00 [crit] 12#12: *1 open() failed", Some(Level::Fatal)),
            ("[Sun Nov 22 10:00:00.123456 2026] [core:error] [pid 1] no", Some(Level::Error)),
            ("2026-11-22 10:00:00.123 UTC [71] LOG:  checkpoint starting", Some(Level::Info)),
            ("2026-11-22 10:00:00.123 UTC [71] FATAL:  role missing", Some(Level::Fatal)),
            ("E1122 10:00:00.123456    1 main.go:12] broken", Some(Level::Error)),
            ("<34>1 2026-11-22T10:00:00Z host su - ID47 - failed", Some(Level::Fatal)),
            ("<190>Nov 22 10:00:00 host app: fine", Some(Level::Info)),
            ("[2026-11-22T10:00:00Z INFO  app] started", Some(Level::Info)),
            ("error: could not compile", Some(Level::Error)),
            ("thread 'main' panicked at src/main.rs:2:5:", Some(Level::Fatal)),
            ("thread 'worker ERROR' (4711) panicked at src/main.rs:2:5:", Some(Level::Fatal)),
            ("Exception in thread \"main\" java.lang.NullPointerException: INFO", Some(Level::Fatal)),
            ("panic: runtime error: index out of range", Some(Level::Fatal)),
            ("Unhandled exception. System.InvalidOperationException: no", Some(Level::Fatal)),
            ("Traceback (most recent call last):", Some(Level::Error)),
            ("he said: Exception in thread \"main\"", None),
            ("time=2026 level=warn msg=x", Some(Level::Warn)),
            ("10:00:00 |DEBUG| x", Some(Level::Debug)),
            ("127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"GET /error HTTP/1.1\" 200 5", None),
            ("an error is mentioned here", None),
            ("a call (error is nil) and its [info about it]", None),
            ("the terror of errors", None),
            ("", None),
        ] {
            assert_eq!(Level::of_text(line.as_bytes()), level, "{line}");
        }
    }

    #[test]
    fn levels_are_ordered_and_have_one_spelling() {
        let all = [Level::Trace, Level::Debug, Level::Info, Level::Notice, Level::Warn, Level::Error, Level::Fatal];
        assert!(all.is_sorted());
        assert!(all.iter().all(|level| level.to_string().parse() == Ok(*level)));
        assert!("loud".parse::<Level>().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_level_or_none(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Level::of_text(&line);
        }

        #[test]
        fn a_word_in_brackets_is_a_level_in_whatever_case_and_a_part_of_a_word_is_none(
            word in 0..WORDS.len(), upper in proptest::collection::vec(any::<bool>(), WORD_BYTES_MAX), more in "[a-z]{1,4}",
        ) {
            let (word, level) = WORDS[word];
            let cased: String =
                word.chars().zip(upper).map(|(letter, upper)| if upper { letter.to_ascii_uppercase() } else { letter }).collect();
            prop_assert_eq!(Level::of_text(format!("10:00:00 [{cased}] x").as_bytes()), Some(level));
            let longer = format!("{cased}{more}");
            prop_assume!(Level::of_word(longer.as_bytes()).is_none());
            prop_assert_eq!(Level::of_text(format!("10:00:00 [{longer}] x").as_bytes()), None);
        }
    }

    #[test]
    fn words_are_in_lower_case_and_no_longer_than_is_looked_for() {
        assert!(WORDS.iter().all(|(word, _)| word.len() <= WORD_BYTES_MAX && !word.contains(char::is_uppercase)));
    }
}
