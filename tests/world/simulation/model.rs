//! What a client must have got: every line once and in order, or a gap where lines are missing. Knows lines and gaps only.

use std::collections::{BTreeMap, BTreeSet};

/// What a client got, in order.
#[derive(Clone, Debug)]
pub enum Got {
    /// A line.
    Line(String),
    /// A gap; whether lines may come again after it.
    Gap {
        /// Whether lines may follow that were had before.
        may_repeat: bool,
    },
}

impl Got {
    /// The line, if it is one.
    pub fn line(&self) -> Option<&String> {
        match self {
            Got::Line(line) => Some(line),
            Got::Gap { .. } => None,
        }
    }
}

/// Everything that was written.
#[derive(Default)]
pub struct Written {
    /// The lines in the order in which they must come.
    pub lines: Vec<String>,
    /// Lines that were written to a file after its successor had been begun: they may come anywhere.
    pub late: BTreeSet<String>,
    /// Lines that are in no file any more, and that nobody can have known of.
    pub unknowable: BTreeSet<String>,
    /// Lives of the file that were destroyed before the agent was killed: only who had something of one can be told.
    pub forgotten: Vec<Vec<String>>,
}

impl Written {
    /// Whether `got` is right for a client that had `before`: in words what is wrong.
    pub fn judge(&self, before: &[Got], got: &[Got]) -> Result<(), String> {
        let place: BTreeMap<&str, usize> = self.lines.iter().map(String::as_str).zip(0..).collect();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut repeats = false;
        let mut last: Option<usize> = None;
        let all: Vec<&Got> = before.iter().chain(got).collect();
        for (at, got) in all.iter().enumerate() {
            match got {
                Got::Gap { may_repeat } => repeats |= may_repeat,
                Got::Line(line) if seen.insert(line, at).is_some() => {
                    if !repeats {
                        return Err(format!("twice: {line}"));
                    }
                }
                Got::Line(line) if self.late.contains(line) => {}
                Got::Line(line) => {
                    let Some(&now) = place.get(line.as_str()) else { return Err(format!("nobody wrote {line:?}")) };
                    if last.is_some_and(|last| now < last) && !repeats {
                        return Err(format!("out of order: {line}"));
                    }
                    last = Some(now);
                }
            }
        }
        let had: BTreeSet<&String> = before.iter().filter_map(Got::line).collect();
        let never_met = self.forgotten.iter().filter(|life| !life.iter().any(|line| had.contains(line)));
        let excused: BTreeSet<&String> = never_met.flatten().chain(&self.unknowable).collect();
        self.no_silent_loss(&all, &seen, &excused)
    }

    /// Whether there is a gap at every place where lines are missing, up to the last line that was got.
    fn no_silent_loss(&self, all: &[&Got], seen: &BTreeMap<&str, usize>, excused: &BTreeSet<&String>) -> Result<(), String> {
        let Some(end) = self.lines.iter().rposition(|line| seen.contains_key(line.as_str())) else { return Ok(()) };
        let mut from = None;
        let mut missing: Vec<&str> = Vec::new();
        for line in &self.lines[..=end] {
            match seen.get(line.as_str()) {
                None if excused.contains(line) => {}
                None => missing.push(line),
                Some(&to) => {
                    let told = |at: usize| matches!(all[at], Got::Gap { .. });
                    let between = from.map_or(0, |from| from + 1)..to;
                    // Where lines came again, order says nothing.
                    let turned = between.start > to;
                    if !missing.is_empty() && !turned && !between.clone().any(told) {
                        return Err(format!("silently lost: {missing:?}"));
                    }
                    missing.clear();
                    from = Some(to);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(got: &[&str]) -> Result<(), String> {
        let line = |text: &&str| match *text {
            "gap" => Got::Gap { may_repeat: false },
            "again" => Got::Gap { may_repeat: true },
            line => Got::Line(line.to_owned()),
        };
        let lines = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let late = BTreeSet::from(["x".to_owned()]);
        Written { lines, late, ..Written::default() }.judge(&got.iter().map(line).collect::<Vec<_>>(), &[])
    }

    #[test]
    fn a_loss_a_double_and_a_disorder_are_found_and_gaps_excuse_them() {
        for right in
            [&["a", "b", "c", "d"][..], &["a", "x", "b"], &["a", "gap", "c"], &["gap", "d"], &["a", "b", "again", "a", "b"]]
        {
            assert_eq!(judge(right), Ok(()), "{right:?}");
        }
        for wrong in [&["a", "c"][..], &["a", "a"], &["b", "a"], &["x", "x"], &["gap", "a", "c"], &["a", "c", "gap"], &["z"]] {
            assert!(judge(wrong).is_err(), "{wrong:?}");
        }
    }
}
