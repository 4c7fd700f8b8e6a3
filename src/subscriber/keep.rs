//! How many of the records that a rule is about are let through: one in so many, or so many in a time. What is held back
//! is counted, and told by the stream. Pure: the clock is handed in.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use jiff::Timestamp;

/// The largest number in a [`Keep`].
const NUMBER_MAX: u64 = 1_000_000_000;

/// How many of the records that a rule is about are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// `1/100`: one in so many, chosen by where it stands. So every stream, and every replay, has the same.
    OneIn(u64),
    /// `10/s`, `10/m`, `10/h`: of each log in each second, minute or hour of the times in the records the first so many;
    /// where records carry no time, of the clock.
    AtMost {
        /// How many.
        count: u64,
        /// In how many seconds.
        seconds: i64,
    },
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} does not say how many to keep; write 1/100 (one in a hundred), 10/s, 10/m or 10/h");
        let number = |text: &str| text.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number)).ok_or_else(wrong);
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match per {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ if count == "1" => return Ok(Keep::OneIn(number(per)?)),
            _ => return Err(wrong()),
        };
        Ok(Keep::AtMost { count: number(count)?, seconds })
    }
}

impl Keep {
    /// Whether it looks at the times in records.
    pub fn asks_time(self) -> bool {
        matches!(self, Keep::AtMost { .. })
    }
}

/// How many spans of time are remembered of a rule and a log: times are a little out of order where several write.
const SPANS_MAX: usize = 16;

/// What one stream has let through and held back.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    /// By log and rule: how many came in spans of time, the one that was met last at the end.
    spans: HashMap<String, HashMap<usize, Vec<(i64, u64)>>>,
    suppressed: BTreeMap<String, u64>,
}

impl Throttle {
    /// Begins to count anew what is let through; what was held back stays to be told.
    pub fn forget_spans(&mut self) {
        self.spans.clear();
    }

    /// Whether the record of `log` that ends at `offset` and was written at `time` is let through by rule number `rule`,
    /// which is told of as `name`.
    pub fn lets_through(&mut self, keep: Keep, (rule, log): (usize, &str), name: &str, offset: u64, time: Timestamp) -> bool {
        let through = match keep {
            Keep::OneIn(count) => scattered(offset).is_multiple_of(count),
            Keep::AtMost { count, seconds } => self.nth_in_span((rule, log), time.as_second().div_euclid(seconds)) <= count,
        };
        if !through {
            *self.suppressed.entry(name.to_owned()).or_default() += 1;
        }
        through
    }

    /// Counts a record in its span of time: the how manieth it is there. The span that was met longest ago is forgotten first.
    fn nth_in_span(&mut self, (rule, log): (usize, &str), span: i64) -> u64 {
        if !self.spans.contains_key(log) {
            self.spans.insert(log.to_owned(), HashMap::new());
        }
        let spans = self.spans.get_mut(log).expect("it was put there").entry(rule).or_default();
        let known = spans.iter().position(|&(known, _)| known == span).map(|at| spans.remove(at));
        let nth = known.map_or(0, |(_, count)| count) + 1;
        if spans.len() >= SPANS_MAX {
            spans.remove(0);
        }
        spans.push((span, nth));
        nth
    }

    /// Whether anything was held back that was not told.
    pub fn is_silent(&self) -> bool {
        self.suppressed.is_empty()
    }

    /// How many records each rule held back since the last call.
    pub fn take_suppressed(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.suppressed)
    }
}

/// A number that looks like chance and depends on `offset` alone (the finalizer of SplitMix64).
fn scattered(offset: u64) -> u64 {
    let mixed = (offset ^ (offset >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_is_about_as_many_and_the_same_ones_each_time() {
        let through = |seed: u64| {
            let mut throttle = Throttle::default();
            let keep = "1/10".parse().unwrap();
            (0..10_000u64)
                .map(|n| throttle.lets_through(keep, (0, "app"), "drop", (n + seed) * 157, Timestamp::UNIX_EPOCH))
                .collect::<Vec<_>>()
        };
        let count = through(0).into_iter().filter(|&through| through).count();
        assert!((800..1200).contains(&count), "{count}");
        assert_eq!(through(0), through(0));
        assert_eq!(through(0)[100..], through(100)[..9900], "wherever a stream starts");
    }

    #[test]
    fn so_many_in_a_time_are_the_first_of_each_and_the_rest_is_counted_by_rule() {
        let mut throttle = Throttle::default();
        let keep: Keep = "2/m".parse().unwrap();
        let mut of = |log, second, rule| {
            let time = Timestamp::from_second(second).unwrap();
            throttle.lets_through(keep, (rule, log), "noise", 0, time)
        };
        let mut at = |second, rule| of("app", second, rule);
        assert_eq!([at(0, 0), at(1, 0), at(59, 0), at(60, 0)], [true, true, false, true]);
        assert!(at(60, 1), "each rule has its own");
        assert!(of("web", 60, 0) && of("web", 60, 0), "each log, too");
        assert_eq!(throttle.take_suppressed(), BTreeMap::from([("noise".to_owned(), 1)]));
        assert!(throttle.is_silent());
    }

    #[test]
    fn times_out_of_order_let_no_more_through() {
        let mut throttle = Throttle::default();
        let keep: Keep = "2/s".parse().unwrap();
        let mut at = |second| throttle.lets_through(keep, (0, "app"), "noise", 0, Timestamp::from_second(second).unwrap());
        assert_eq!((0..100).filter(|n| at(n % 2 * 3600)).count(), 4, "two writers whose clocks differ by an hour");
        assert!((10..1000).rev().all(&mut at), "a clock that was put back");
    }

    #[test]
    fn what_does_not_say_how_many_is_refused() {
        assert_eq!("10/s".parse(), Ok(Keep::AtMost { count: 10, seconds: 1 }));
        for text in ["", "10", "2/3", "0/s", "1/0", "-1/s", "1/", "/s", "10/d", "99999999999/s", "1/x"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }
}
