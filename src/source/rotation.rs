//! Names that rotated files get: which log a file belongs to and how old it is among its siblings. Pure; only names.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// How a rotated file's name tells its age. The live file has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// `.1`, `.2`, …: a higher number is older.
    Number(u32),
    /// `-20261122`, `-1795000000`, `.20261122-101500`, …: digits that sort by time.
    Date(Vec<u8>),
    /// Which run of a container it is of, and the digits of its date; none for the last file of a run.
    Run(u32, Vec<u8>),
}

impl Suffix {
    /// Whether it is of a file that was written before the live file of a container's run.
    pub fn is_before_run(&self, live: u32) -> bool {
        matches!(self, Suffix::Run(run, date) if *run < live || *run == live && !date.is_empty())
    }
}

/// Endings of compressed files. They say nothing of the content: magic bytes do.
const COMPRESSED: [&[u8]; 4] = [b".gz", b".zst", b".bz2", b".xz"];
/// Fewest digits of a date suffix: `20261122`.
const DATE_DIGITS_MIN: usize = 8;
/// Most digits of a number suffix.
const NUMBER_DIGITS_MAX: usize = 5;

/// The live name that `name` belongs to, and the suffix that rotation gave it: `app.log.2.gz` is `app.log` and 2.
/// A name without such a suffix is its own live name.
pub fn base_of(name: &OsStr) -> (OsString, Option<Suffix>) {
    let bytes = name.as_bytes();
    let plain = without_compression(bytes);
    let live = |base: &[u8]| OsString::from_vec(base.to_vec());
    match split_suffix(plain) {
        Some((base, suffix)) if !base.is_empty() && base != b"." => (live(base), Some(suffix)),
        _ => (name.to_os_string(), None),
    }
}

/// The live name that `name` belongs to if rotation put the suffix before the extension: `app.1.log` and
/// `app-20261122.log.gz` are of `app.log`, where there is one.
pub fn infixed(name: &OsStr) -> Option<(OsString, Suffix)> {
    let plain = without_compression(name.as_bytes());
    let (stem, extension) = plain.split_at(plain.iter().rposition(|&byte| byte == b'.')?);
    let (base, suffix) = split_suffix(stem).filter(|(base, _)| !base.is_empty())?;
    Some((OsString::from_vec([base, extension].concat()), suffix))
}

/// Whether a name says that the file is, or will be, compressed.
pub fn is_compressed_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    without_compression(name).len() < name.len()
}

fn without_compression(name: &[u8]) -> &[u8] {
    COMPRESSED.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name)
}

/// Splits a rotation suffix off: the longest run of digits and date punctuation at the end, from a `.` or `-` on.
fn split_suffix(name: &[u8]) -> Option<(&[u8], Suffix)> {
    let tail = name.iter().rev().take_while(|byte| byte.is_ascii_digit() || b".-_:TZ".contains(byte)).count();
    let start = name.len() - tail;
    (start..name.len()).filter(|&at| b".-".contains(&name[at])).find_map(|at| {
        let digits: Vec<u8> = name[at + 1..].iter().copied().filter(u8::is_ascii_digit).collect();
        let all_digits = digits.len() == name.len() - at - 1;
        let suffix = if name[at] == b'.' && all_digits && (1..=NUMBER_DIGITS_MAX).contains(&digits.len()) {
            Suffix::Number(str::from_utf8(&digits).ok()?.parse().ok()?)
        } else if digits.len() >= DATE_DIGITS_MIN && name[at + 1].is_ascii_digit() {
            Suffix::Date(digits)
        } else {
            return None;
        };
        Some((&name[..at], suffix))
    })
}

/// Orders two rotated files by their suffixes, the older first; `None` where the names do not tell.
pub fn by_age(one: &Suffix, other: &Suffix) -> Option<Ordering> {
    match (one, other) {
        (Suffix::Number(one), Suffix::Number(other)) => Some(other.cmp(one)),
        (Suffix::Date(one), Suffix::Date(other)) if one.len() == other.len() => Some(one.cmp(other)),
        (Suffix::Run(one, date), Suffix::Run(other, other_date)) => {
            Some((one, date.is_empty(), date).cmp(&(other, other_date.is_empty(), other_date)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base(name: &str) -> (String, Option<Suffix>) {
        let (base, suffix) = base_of(OsStr::new(name));
        (base.into_string().unwrap(), suffix)
    }

    #[test]
    fn rotated_names_belong_to_their_live_name() {
        let date = |digits: &str| Some(Suffix::Date(digits.into()));
        for (name, live, suffix) in [
            ("app.log", "app.log", None),
            ("app.log.1", "app.log", Some(Suffix::Number(1))),
            ("app.log.12.gz", "app.log", Some(Suffix::Number(12))),
            ("app.log.3.zst", "app.log", Some(Suffix::Number(3))),
            ("app.log-20261122", "app.log", date("20261122")),
            ("app.log-20261122.gz", "app.log", date("20261122")),
            ("app.log-1795000000", "app.log", date("1795000000")),
            ("0.log.20261122-101500", "0.log", date("20261122101500")),
            ("0.log.20261122-101500.gz", "0.log", date("20261122101500")),
            ("timed.log.2026-11-22_22-17-31", "timed.log", date("20261122221731")),
            ("1.log", "1.log", None),
            ("app-2.log", "app-2.log", None),
            ("v1.2", "v1", Some(Suffix::Number(2))),
            (".1", ".1", None),
            ("20261122", "20261122", None),
            ("app.log.gz", "app.log.gz", None),
        ] {
            assert_eq!(base(name), (live.to_string(), suffix), "{name}");
        }
    }

    #[test]
    fn higher_numbers_and_earlier_dates_are_older() {
        let number = Suffix::Number;
        assert_eq!(by_age(&number(2), &number(1)), Some(Ordering::Less));
        assert_eq!(by_age(&Suffix::Date(b"20261121".into()), &Suffix::Date(b"20261122".into())), Some(Ordering::Less));
        assert_eq!(by_age(&number(1), &Suffix::Date(b"20261122".into())), None);
    }

    proptest! {
        #[test]
        fn what_rotation_makes_of_any_name_belongs_to_it(
            name in "[a-z._=-]{0,9}[a-z]", number in 0u32..100_000, date in "20[0-9]{6}([-_.T]?[0-9]{4,6})?", end in 0usize..5,
        ) {
            let end = ["", ".gz", ".zst", ".bz2", ".xz"][end];
            prop_assert_eq!(base(&format!("{name}.{number}{end}")), (name.clone(), Some(Suffix::Number(number))));
            let digits = date.bytes().filter(u8::is_ascii_digit).collect();
            prop_assert_eq!(base(&format!("{name}-{date}{end}")), (name.clone(), Some(Suffix::Date(digits))));
            let (live, suffix) = infixed(OsStr::new(&format!("{name}.{number}.log{end}"))).unwrap();
            prop_assert_eq!((live.to_str(), suffix), (Some(&*format!("{name}.log")), Suffix::Number(number)));
        }

        #[test]
        fn any_bytes_are_a_name_of_their_own_or_begin_with_their_live_name(
            name in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'-'), b'0'..=b'9', Just(b'T'), any::<u8>()], 0..40),
        ) {
            let name = OsString::from_vec(name);
            let (live, suffix) = base_of(&name);
            prop_assert!(name.as_bytes().starts_with(live.as_bytes()));
            prop_assert_eq!(suffix.is_none(), live == name);
            prop_assert!(infixed(&name).is_none_or(|(live, _)| live.len() < name.len()));
            let _ = is_compressed_name(Path::new(&name));
        }

        #[test]
        fn ages_are_an_order(one: u32, other: u32, dates in ("[0-9]{8}", "[0-9]{8}")) {
            let (one, other) = (Suffix::Number(one), Suffix::Number(other));
            prop_assert_eq!(by_age(&one, &one), Some(Ordering::Equal));
            prop_assert_eq!(by_age(&one, &other), by_age(&other, &one).map(Ordering::reverse));
            let (one, other) = (Suffix::Date(dates.0.into()), Suffix::Date(dates.1.into()));
            prop_assert_eq!(by_age(&one, &other), by_age(&other, &one).map(Ordering::reverse));
        }
    }
}
