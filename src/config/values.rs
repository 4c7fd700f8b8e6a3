//! Values as people write them: addresses, durations, sizes. Each is parsed once, with a sentence where it is wrong.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::format::Format;
use crate::http::access::peer::Proxy;
use crate::http::access::sites::HostName;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `HOST:PORT`, with an address or a name; port 0 lets the system choose.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("the path of the socket is missing; write unix:/run/sidetail.sock".into())
            } else {
                Ok(Listen::Unix(path.into()))
            };
        }
        let named = text.rsplit_once(':').is_some_and(|(host, port)| {
            let name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
            name && port.parse::<u16>().is_ok()
        });
        if named || text.parse::<SocketAddr>().is_ok() {
            return Ok(Listen::Tcp(text.into()));
        }
        Err(format!("{text:?} is no address to listen on; write 127.0.0.1:7878, [::1]:7878 or unix:/run/sidetail.sock"))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => f.write_str(address),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The format of a log; none for `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatWord(pub Option<Format>);

impl FromStr for FormatWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let format = Format::ALL.into_iter().find(|format| format.to_string() == text);
        if format.is_none() && text != "auto" {
            let words = Format::ALL.map(|format| format.to_string()).join(", ");
            return Err(format!("{text:?} is no format; there are auto, {words}"));
        }
        Ok(FormatWord(format))
    }
}

/// A time zone by its IANA name: `Europe/Berlin`, `UTC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub TimeZone);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zone = TimeZone::get(text).map(Zone);
        zone.map_err(|_| format!("{text:?} is no time zone; write UTC, Europe/Berlin or another name of the IANA database"))
    }
}

/// A length of time in humantime's form: `15s`, `1m 30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Time)
            .map_err(|error| format!("{text:?} is no duration ({error}); write 15s, 2m or 1h 30m"))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes: `256KiB`, `8MiB`, `1GiB`, `512B`, or a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
        let (number, shift) = unit.unwrap_or((text, 0));
        let number: Option<u64> = number.trim_end().parse().ok();
        let size = number.and_then(|number| number.checked_mul(1 << shift));
        size.map(Size).ok_or_else(|| format!("{text:?} is no size; write 256KiB, 8MiB or 1GiB"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) =
            UNITS.iter().find(|(_, shift)| self.0 >> shift << shift == self.0 && self.0 >> shift > 0).unwrap_or(&UNITS[4]);
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

/// The longest line, in bytes: a record is in memory whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSize(pub u64);

const LINE_BYTES: std::ops::RangeInclusive<u64> = 64..=64 << 20;

impl FromStr for LineSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Size(size) = text.parse()?;
        let limits = || format!("{text:?} is not between {} and {}", Size(*LINE_BYTES.start()), Size(*LINE_BYTES.end()));
        LINE_BYTES.contains(&size).then_some(LineSize(size)).ok_or_else(limits)
    }
}

/// A length of time that passes again and again, or is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

const PERIODS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(24);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Time(time) = text.parse()?;
        let limits = || format!("{text:?} is not between {} and {}; write 15s", Time(*PERIODS.start()), Time(*PERIODS.end()));
        PERIODS.contains(&time).then_some(Period(time)).ok_or_else(limits)
    }
}

/// The path under which everything is served: empty, or `/x` without a `/` at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(pub String);

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.trim_end_matches('/');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
        if path.is_empty() || (path.starts_with('/') && !path.contains("//") && path.bytes().all(allowed)) {
            return Ok(BasePath(path.into()));
        }
        Err(format!("{text:?} is no base path; write /logs or /team/logs"))
    }
}

/// An origin as browsers send it: `https://host:port`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub String);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match host {
            Some(host) if !host.is_empty() && !host.contains(['/', '*', ' ']) => Ok(Origin(text.into())),
            _ => Err(format!("{text:?} is no origin; write https://ops.example.org")),
        }
    }
}

/// A whole number that is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count) if count > 0 => Ok(Count(count)),
            _ => Err(format!("{text:?} is no number of at least 1")),
        }
    }
}

macro_rules! display {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display!(BasePath, Origin, Count);

macro_rules! from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text_or_number(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
from_text!(Listen, Zone, FormatWord, Time, Period, Size, LineSize, BasePath, Origin, Count, HostName, Proxy);

/// A TOML string, or the text of a TOML number: `1024` is as good as `"1024"`.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "write this value as a string in quotes")]
    enum Value {
        Text(String),
        Number(i64),
    }
    Ok(match Value::deserialize(deserializer)? {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
    })
}

/// Reads a value that is parsed from a string of the config file.
///
/// # Errors
/// What parsing it gives.
pub fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations_are_written_as_people_write_them() {
        for (text, bytes) in [("256KiB", 256 << 10), ("8MiB", 8 << 20), ("1GiB", 1 << 30), ("17", 17), ("0B", 0)] {
            assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
        }
        assert_eq!(Size(256 << 10).to_string(), "256KiB");
        assert_eq!(Size(1000).to_string(), "1000B");
        assert_eq!("1m 30s".parse::<Time>().unwrap().0, Duration::from_secs(90));
        for bad in ["8MB", "-1", "99999999999999999999", "8 mib", "17000000TiB"] {
            assert!(bad.parse::<Size>().unwrap_err().contains("write 256KiB"), "{bad}");
        }
    }

    #[test]
    fn addresses_are_checked_before_anything_is_bound() {
        for good in ["127.0.0.1:0", "[::1]:7878", "localhost:7878", "unix:/run/x.sock"] {
            assert_eq!(good.parse::<Listen>().unwrap().to_string(), good);
        }
        for bad in ["7878", "127.0.0.1", "host:99999", "unix:", ":80", "a b:1"] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_path_has_no_slash_at_its_end() {
        assert_eq!("/x/".parse::<BasePath>().unwrap().0, "/x");
        assert_eq!("/".parse::<BasePath>().unwrap().0, "");
        assert!("x".parse::<BasePath>().is_err() && "/a b".parse::<BasePath>().is_err());
    }

    /// What was parsed is written so that it is the same when it is parsed again.
    fn round_trips<T: FromStr<Err = String> + fmt::Display + PartialEq + fmt::Debug>(text: &str) -> Result<(), TestCaseError> {
        match text.parse::<T>() {
            Ok(value) => prop_assert_eq!(value.to_string().parse::<T>(), Ok(value)),
            Err(why) => prop_assert!(why.contains(|c: char| c.is_alphabetic()) && !why.contains('\n'), "{}", why),
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_that_is_written_as_it_is_read_or_is_refused_in_words(
            text in "[0-9]{1,20} ?(B|[KMGT]iB|s|ms|m|h|d)?|[a-z0-9.:/\\[\\]-]{0,20}|(unix:|https?://)\\PC{0,9}|\\PC{0,20}",
        ) {
            round_trips::<Size>(&text)?;
            round_trips::<Time>(&text)?;
            round_trips::<Listen>(&text)?;
            round_trips::<BasePath>(&text)?;
            round_trips::<Origin>(&text)?;
            round_trips::<Count>(&text)?;
            let _ = (text.parse::<LineSize>(), text.parse::<Period>(), text.parse::<Zone>(), text.parse::<FormatWord>());
        }

        #[test]
        fn any_size_is_read_back(bytes: u64, shift in 0u32..50) {
            let size = Size(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        }
    }
}
