//! When a record was written, as the record says it. Times without a zone are of the zone that the operator names.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// How far into a line its time is looked for, in bytes.
const LOOK_BYTES: usize = 128;

/// What times in lines leave out.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The zone of times that name none.
    pub zone: TimeZone,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { zone: TimeZone::UTC }
    }
}

impl Clock {
    /// The first time that stands near the beginning of a line of text. One without a year is of the last twelve months
    /// before `latest`, when its file was last written.
    pub fn in_text(&self, line: &[u8], latest: Timestamp) -> Option<Timestamp> {
        let line = &line[..line.len().min(LOOK_BYTES)];
        if let Some(time) = epoch_at_start(line).or_else(|| audit(line)).or_else(|| self.glog(line, latest)) {
            return Some(time);
        }
        let starts_word = |at: usize| at == 0 || !line[at - 1].is_ascii_alphanumeric();
        let tokens = (0..line.len()).filter(|&at| line[at].is_ascii_alphanumeric() && starts_word(at));
        tokens.filter_map(|at| self.at_start(&line[at..], latest)).next()
    }

    /// The time that a whole text is: in any of the forms that lines have, or a number of seconds, milliseconds,
    /// microseconds or nanoseconds since 1970.
    pub fn of_value(&self, text: &str, latest: Timestamp) -> Option<Timestamp> {
        if let Ok(number) = text.parse::<f64>() {
            return of_number(number);
        }
        self.at_start(text.as_bytes(), latest)
    }

    fn at_start(&self, text: &[u8], latest: Timestamp) -> Option<Timestamp> {
        let mut scan = Scan(text);
        match text.first()? {
            byte if byte.is_ascii_digit() => self.year_first(Scan(text)).or_else(|| self.day_first(scan)),
            _ => {
                let (month, day) = (scan.month()?, {
                    scan.spaces()?;
                    scan.number(1, 2)?
                });
                if let Some(rest) = scan.0.strip_prefix(b", ") {
                    return self.twelve_hours(Scan(rest), month, day);
                }
                scan.spaces()?;
                let clock = scan.clock()?;
                // Apache and ctime put the year behind.
                let mut behind = Scan(scan.0);
                let year = behind.byte(b' ').and_then(|()| behind.number(4, 4)).filter(|year| (1970..2200).contains(year));
                match year {
                    Some(year) => self.timestamp(year, month, day, clock, None),
                    None => self.of_last_year(month, day, clock, latest),
                }
            }
        }
    }

    /// `2026 10:00:00 AM`, as java.util.logging has it behind the month and day.
    fn twelve_hours(&self, mut scan: Scan<'_>, month: i64, day: i64) -> Option<Timestamp> {
        let year = scan.number(4, 4)?;
        scan.spaces()?;
        let clock = scan.clock()?;
        let half = scan.0.trim_ascii_start();
        let hour = match clock.hour {
            hour @ 1..=12 if half.starts_with(b"AM") => hour % 12,
            hour @ 1..=12 if half.starts_with(b"PM") => hour % 12 + 12,
            hour => hour,
        };
        self.timestamp(year, month, day, ClockTime { hour, ..clock }, None)
    }

    /// `2026-11-22T10:00:00.123Z` and its relatives: RFC 3339, ISO 8601, nginx's slashes, CloudFront's tab.
    fn year_first(&self, mut scan: Scan<'_>) -> Option<Timestamp> {
        let year = scan.number(4, 4)?;
        let Some(&separator) = scan.0.first().filter(|byte| b"-/".contains(byte)) else { return self.basic(scan, year) };
        scan.byte(separator)?;
        let month = scan.number(2, 2)?;
        scan.byte(separator)?;
        let day = scan.number(2, 2)?;
        scan.one_of(b"T t_\t")?;
        let clock = scan.clock()?;
        self.timestamp(year, month, day, clock, scan.zone())
    }

    /// `20261122T100000Z`, of which the year was taken: the basic format of ISO 8601.
    fn basic(&self, mut scan: Scan<'_>, year: i64) -> Option<Timestamp> {
        let (month, day) = (scan.number(2, 2)?, scan.number(2, 2)?);
        scan.byte(b'T')?;
        let (hour, minute, second) = (scan.number(2, 2)?, scan.number(2, 2)?, scan.number(2, 2)?);
        let nanosecond = scan.fraction();
        let clock = ClockTime::new(hour, minute, second, nanosecond)?;
        self.timestamp(year, month, day, clock, scan.zone())
    }

    /// `22/Nov/2026:10:00:00 +0000` of the Common Log Format, `22 Nov 2026 10:00:00,123` of log4j, `22-Nov-2026 10:00:00`.
    fn day_first(&self, mut scan: Scan<'_>) -> Option<Timestamp> {
        let day = scan.number(1, 2)?;
        scan.one_of(b"/ -")?;
        let month = scan.month()?;
        scan.one_of(b"/ -")?;
        let year = scan.number(4, 4)?;
        scan.one_of(b": ")?;
        let clock = scan.clock()?;
        self.timestamp(year, month, day, clock, scan.zone())
    }

    /// `I1122 10:00:00.123456`
    fn glog(&self, line: &[u8], latest: Timestamp) -> Option<Timestamp> {
        let mut scan = Scan(line);
        scan.one_of(b"IWEFD")?;
        let (month, day) = (scan.number(2, 2)?, scan.number(2, 2)?);
        scan.spaces()?;
        let clock = scan.clock()?;
        self.of_last_year(month, day, clock, latest)
    }

    fn of_last_year(&self, month: i64, day: i64, clock: ClockTime, latest: Timestamp) -> Option<Timestamp> {
        // A clock may be a little ahead of the file's.
        let limit = latest.checked_add(SignedDuration::from_hours(24)).ok()?;
        let year = i64::from(latest.to_zoned(self.zone.clone()).year());
        let in_year = |year| self.timestamp(year, month, day, clock, None).filter(|time| *time <= limit);
        in_year(year + 1).or_else(|| in_year(year)).or_else(|| in_year(year - 1))
    }

    fn timestamp(&self, year: i64, month: i64, day: i64, clock: ClockTime, zone: Option<TimeZone>) -> Option<Timestamp> {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let time = DateTime::new(i16::try_from(year).ok()?, month, day, clock.hour, clock.minute, clock.second, clock.nanosecond);
        let time = time.ok()?;
        zone.as_ref().unwrap_or(&self.zone).to_ambiguous_timestamp(time).compatible().ok()
    }
}

/// The time of a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size.
pub fn of_number(number: f64) -> Option<Timestamp> {
    let microseconds_per_unit = match number.abs() {
        // The year 1973 in seconds, and all later ones until 5138.
        size if (1e8..1e11).contains(&size) => 1e6,
        size if (1e11..1e14).contains(&size) => 1e3,
        size if (1e14..1e17).contains(&size) => 1.0,
        size if (1e17..1e20).contains(&size) => {
            return Timestamp::from_microsecond((number as i64).saturating_add(500).div_euclid(1000)).ok();
        }
        _ => return None,
    };
    // A double has not quite the digits: no more than microseconds are promised.
    Timestamp::from_microsecond((number * microseconds_per_unit).round() as i64).ok()
}

/// `1795341600.123` or `1795341600123` before a space or a bracket.
fn epoch_at_start(line: &[u8]) -> Option<Timestamp> {
    let line = line.strip_prefix(b"[").unwrap_or(line);
    let length = line.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let whole = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = line.get(length).is_some_and(|byte| b" ]\t:,".contains(byte));
    if !ends || !matches!(whole, 10 | 13 | 16 | 19) {
        return None;
    }
    of_number(str::from_utf8(&line[..length]).ok()?.parse().ok()?)
}

/// `type=LOGIN msg=audit(1795341600.123:42): …`
fn audit(line: &[u8]) -> Option<Timestamp> {
    const BEFORE: &[u8] = b"msg=audit(";
    let rest = &line[memchr::memmem::find(line, BEFORE)? + BEFORE.len()..];
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    rest.get(length).filter(|byte| **byte == b':')?;
    of_number(str::from_utf8(&rest[..length]).ok()?.parse().ok()?)
}

/// A time of day.
#[derive(Clone, Copy)]
struct ClockTime {
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
}

impl ClockTime {
    /// A leap second is the second before it.
    fn new(hour: i64, minute: i64, second: i64, nanosecond: i32) -> Option<Self> {
        let second = if minute == 59 && second == 60 { 59 } else { second };
        Some(ClockTime {
            hour: i8::try_from(hour).ok()?,
            minute: i8::try_from(minute).ok()?,
            second: i8::try_from(second).ok()?,
            nanosecond,
        })
    }
}

/// Text from which the front is taken piece by piece.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        self.one_of(&[byte])
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        bytes.contains(first).then_some(())
    }

    fn spaces(&mut self) -> Option<()> {
        let count = self.0.iter().take_while(|&&byte| byte == b' ').count();
        self.0 = &self.0[count..];
        (1..=2).contains(&count).then_some(())
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        (digits >= least).then(|| number.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }

    fn month(&mut self) -> Option<i64> {
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let name = self.0.get(..3)?;
        self.0 = &self.0[3..];
        MONTHS.chunks(3).zip(1..).find(|(month, _)| *month == name).map(|(_, number)| number)
    }

    /// `10:00:00`, with a fraction of any length behind a point or a comma.
    fn clock(&mut self) -> Option<ClockTime> {
        let hour = self.number(2, 2)?;
        self.byte(b':')?;
        let minute = self.number(2, 2)?;
        self.byte(b':')?;
        let second = self.number(2, 2)?;
        ClockTime::new(hour, minute, second, self.fraction())
    }

    /// A fraction of any length behind a point or a comma, in nanoseconds.
    fn fraction(&mut self) -> i32 {
        let Some((b'.' | b',', rest)) = self.0.split_first() else { return 0 };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return 0;
        }
        self.0 = &rest[digits..];
        let nine = rest[..digits].iter().copied().chain(std::iter::repeat(b'0')).take(9);
        nine.fold(0, |value, digit| value * 10 + i32::from(digit - b'0'))
    }

    /// `Z`, `+01:00`, `+0100`, ` +0100`, ` UTC`, ` CET`, ` Europe/Berlin`.
    fn zone(&mut self) -> Option<TimeZone> {
        if let [b'Z' | b'z', ..] = self.0 {
            return Some(TimeZone::UTC);
        }
        let mut scan = Scan(self.0.strip_prefix(b" ").unwrap_or(self.0));
        let sign = match scan.0.first()? {
            b'+' => 1,
            b'-' => -1,
            b'A'..=b'Z' if self.0.starts_with(b" ") => return scan.named_zone(),
            _ => return None,
        };
        scan.0 = &scan.0[1..];
        let hours = scan.number(2, 2)?;
        scan.0 = scan.0.strip_prefix(b":").unwrap_or(scan.0);
        let minutes = scan.number(2, 2).unwrap_or(0);
        offset(sign * (hours * 60 + minutes))
    }

    /// A zone by its abbreviation, as PostgreSQL writes it, or by its name in the IANA database, as PHP does.
    fn named_zone(&self) -> Option<TimeZone> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(byte)).count();
        let name = str::from_utf8(&self.0[..length]).ok()?;
        match ABBREVIATIONS.iter().find(|(known, _)| *known == name) {
            Some((_, hours)) => offset(hours * 60),
            // Words that are no zone cost no search.
            None => name.contains('/').then(|| TimeZone::get(name).ok()).flatten(),
        }
    }
}

/// Abbreviations that stand for one offset only, in hours. `CST`, `IST` and `BST` are several places'.
const ABBREVIATIONS: [(&str, i64); 18] = [
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("JST", 9),
    ("KST", 9),
    ("EST", -5),
    ("EDT", -4),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

fn offset(minutes: i64) -> Option<TimeZone> {
    Offset::from_seconds(i32::try_from(minutes * 60).ok()?).ok().map(TimeZone::fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latest() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn found(line: &str) -> Option<String> {
        Clock::default().in_text(line.as_bytes(), latest()).map(|time| time.to_string())
    }

    #[test]
    fn times_of_common_layouts_are_found() {
        for (line, time) in [
            ("2026-11-22T10:00:00.123Z INFO x", "2026-11-22T10:00:00.123Z"),
            ("2026-11-22T10:00:00.123456789+01:30 x", "2026-11-22T08:30:00.123456789Z"),
            ("[2026-11-22T10:00:00Z INFO  app] x", "2026-11-22T10:00:00Z"),
            ("2026-11-22 10:00:00,123 - app - INFO - x", "2026-11-22T10:00:00.123Z"),
            ("2026-11-22 10:00:00.123 UTC [71] LOG:  x", "2026-11-22T10:00:00.123Z"),
            ("2026/11/22 10:00:00 [error] 1#1: x", "2026-11-22T10:00:00Z"),
            ("INFO 2026-11-22 10:00:00 x", "2026-11-22T10:00:00Z"),
            ("127.0.0.1 - - [22/Nov/2026:10:00:00 +0100] \"GET / HTTP/1.1\" 200 5", "2026-11-22T09:00:00Z"),
            ("22 Nov 2026 10:00:00,123 [main] INFO x", "2026-11-22T10:00:00.123Z"),
            ("[Sun Nov 22 10:00:00.123456 2026] [core:error] x", "2026-11-22T10:00:00.123456Z"),
            ("Nov 22 10:00:00 host app[1]: x", "2026-11-22T10:00:00Z"),
            ("Nov  2 10:00:00 host app[1]: x", "2026-11-02T10:00:00Z"),
            ("<34>Dec 31 23:59:59 host x", "2025-12-31T23:59:59Z"),
            ("<34>1 2026-11-22T10:00:00Z host x", "2026-11-22T10:00:00Z"),
            ("I1122 10:00:00.123456    1 main.go:1] x", "2026-11-22T10:00:00.123456Z"),
            ("1795341600.25 x", "2026-11-22T10:00:00.25Z"),
            ("20261122T100000Z x", "2026-11-22T10:00:00Z"),
            ("20261122T100000.5+0100 x", "2026-11-22T09:00:00.5Z"),
            ("type=LOGIN msg=audit(1795341600.250:42): pid=1", "2026-11-22T10:00:00.25Z"),
            ("1795341600250 x", "2026-11-22T10:00:00.25Z"),
            ("Nov 22, 2026 12:30:00 AM com.example.App main", "2026-11-22T00:30:00Z"),
            ("Nov 22, 2026 12:30:00 PM com.example.App main", "2026-11-22T12:30:00Z"),
            ("2016-12-31T23:59:60Z a leap second", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(found(line).as_deref(), Some(time), "{line}");
        }
        for line in
            ["", "no time at all", "10:00:00 only a time of day", "2026-13-01T10:00:00Z", "build 20261122 1.2.3", "12345 x"]
        {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_of_the_zone_that_is_named() {
        let clock = Clock { zone: TimeZone::get("Europe/Berlin").unwrap() };
        let time = |line: &str| clock.in_text(line.as_bytes(), latest()).unwrap().to_string();
        assert_eq!(time("2026-11-22 10:00:00 x"), "2026-11-22T09:00:00Z");
        assert_eq!(time("2026-07-22 10:00:00 x"), "2026-07-22T08:00:00Z");
        assert_eq!(time("2026-07-22 10:00:00Z x"), "2026-07-22T10:00:00Z");
    }

    #[test]
    fn numbers_are_seconds_or_their_thousandths_by_their_size() {
        for number in [1_795_341_600.0, 1_795_341_600e3, 1_795_341_600e6, 1_795_341_600e9] {
            assert_eq!(of_number(number).unwrap().to_string(), "2026-11-22T10:00:00Z");
        }
        assert_eq!(of_number(42.0), None);
        assert_eq!(of_number(f64::NAN), None);
    }

    /// Layouts in the terms of `strftime`, and into how many parts they cut a second.
    const LAYOUTS: [(&str, i32); 17] = [
        ("%Y-%m-%dT%H:%M:%S%.6fZ x", 1_000_000),
        ("%Y-%m-%dT%H:%M:%S.%3f+00:00 x", 1000),
        ("%Y-%m-%d %H:%M:%S,%3f - app - INFO - x", 1000),
        ("%Y-%m-%d %H:%M:%S.%3f UTC [12] LOG:  x", 1000),
        ("%Y-%m-%d %H:%M:%S x", 1),
        ("%Y/%m/%d %H:%M:%S [error] x", 1),
        ("%Y-%m-%d\t%H:%M:%S\tx", 1),
        ("127.0.0.1 - - [%d/%b/%Y:%H:%M:%S +0000] x", 1),
        ("%d %b %Y %H:%M:%S,%3f [main] x", 1000),
        ("[%d-%b-%Y %H:%M:%S] x", 1),
        ("[%a %b %e %H:%M:%S.%6f %Y] x", 1_000_000),
        ("%b %e %H:%M:%S host app: x", 1),
        ("%b %d, %Y %I:%M:%S %p x", 1),
        ("I%m%d %H:%M:%S.%6f    1 main.go:1] x", 1_000_000),
        ("12:M %d %b %Y %H:%M:%S.%3f * x", 1000),
        ("%s.%6f x", 1_000_000),
        ("[%s] x", 1),
    ];

    proptest! {
        #[test]
        fn what_is_written_in_rfc_3339_is_read_back(seconds in 0i64..4_000_000_000, nanoseconds in 0i32..1_000_000_000) {
            let time = Timestamp::new(seconds, nanoseconds).unwrap();
            prop_assert_eq!(found(&format!("x {time} y")), Some(time.to_string()));
        }

        #[test]
        fn any_bytes_have_a_time_or_none(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Clock::default().in_text(&line, latest());
        }

        #[test]
        fn anything_like_a_time_is_one_or_none(line in "[0-9TZ:., /+-]{0,40}(Jan|Nov|Feb)?[0-9: ]{0,20}") {
            let _ = Clock::default().in_text(line.as_bytes(), latest());
        }

        #[test]
        fn what_any_layout_writes_is_read_back(seconds in 1_700_000_000i64..1_795_000_000, micros in 0i32..1_000_000, layout in 0..LAYOUTS.len()) {
            let (layout, per_second) = LAYOUTS[layout];
            let time = Timestamp::new(seconds, micros / (1_000_000 / per_second) * (1_000_000 / per_second) * 1000).unwrap();
            let line = time.to_zoned(TimeZone::UTC).strftime(layout).to_string();
            // What leaves out the year is of the last one.
            let latest = time + SignedDuration::from_hours(24);
            prop_assert_eq!(Clock::default().in_text(line.as_bytes(), latest), Some(time), "{}", line);
        }

        #[test]
        fn a_number_of_any_unit_is_its_time(micros in 1_000_000_000_000_000i64..4_000_000_000_000_000) {
            let time = Timestamp::from_microsecond(micros).unwrap();
            let read = |text: String| Clock::default().of_value(&text, latest());
            prop_assert_eq!(read(micros.to_string()), Some(time));
            prop_assert_eq!(read(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)), Some(time));
            prop_assert_eq!(read(format!("{micros}000")), Some(time));
            prop_assert_eq!(read((micros / 1000).to_string()), Some(Timestamp::from_millisecond(micros / 1000).unwrap()));
        }

        #[test]
        fn any_number_has_a_time_or_none(number: f64, text in "\\PC{0,40}") {
            let _ = (of_number(number), Clock::default().of_value(&text, latest()), Clock::default().of_value(&text, Timestamp::MAX));
            let _ = Clock::default().in_text(text.as_bytes(), Timestamp::MIN);
        }
    }
}
