//! What became of every line at one reader.

use std::collections::{BTreeMap, BTreeSet};

/// Counts of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that came.
    pub came: u64,
    /// Lines that are missing without a word.
    pub lost: u64,
    /// Lines that came again.
    pub doubled: u64,
    /// Lines that are missing where a gap was told.
    pub told: u64,
    /// Gaps that were told.
    pub gaps: u64,
}

/// One reader's tally of one log.
#[derive(Default)]
pub struct Tally {
    pub counts: Counts,
    /// The number that must come next, of the lines that come in order.
    next: u64,
    gap: bool,
    may_repeat: bool,
    /// Numbers that were passed over without a gap, and are lost unless they come late.
    passed: BTreeSet<u64>,
    /// The same with a gap.
    excused: BTreeSet<u64>,
    /// The last line that came, and its place.
    last: Option<(u64, String)>,
    /// Lines right behind which a gap was told.
    before_gaps: BTreeSet<u64>,
}

impl Tally {
    /// A line came, with this id. What is wrong with that, in words; lines that come late may yet put it right.
    pub fn line(&mut self, number: u64, id: &str) -> Option<String> {
        self.counts.came += 1;
        self.last = Some((number, place(id)));
        let mut what = None;
        if number >= self.next {
            let passed = if self.gap { &mut self.excused } else { &mut self.passed };
            if !self.gap && number > self.next {
                what = Some(format!("{}..{number} did not come before", self.next));
            }
            passed.extend(self.next..number);
            (self.next, self.gap) = (number + 1, false);
        } else if !self.passed.remove(&number) && !self.excused.remove(&number) && !self.may_repeat {
            self.counts.doubled += 1;
            what = Some(format!("{number} came again"));
        }
        what
    }

    /// A gap was told, of records from an id on.
    pub fn gap(&mut self, from: &str, may_repeat: bool) {
        self.counts.gaps += 1;
        self.before_gaps.extend(self.last.as_ref().filter(|(_, last)| *last == place(from)).map(|(number, _)| number));
        (self.gap, self.may_repeat) = (true, self.may_repeat | may_repeat);
    }

    /// Whether the line before `end` has come.
    pub fn has_come_to(&self, end: u64) -> bool {
        self.next >= end
    }

    /// The counts when `written` lines were written; those of `late` to files that had a successor, behind the line that it
    /// names of the same file.
    pub fn finish(&self, written: u64, late: &BTreeMap<u64, u64>) -> Counts {
        let behind: Vec<u64> = (self.next..written).collect();
        let (told, lost) = if self.gap { (behind.len() as u64, 0) } else { (0, behind.len() as u64) };
        // A gap tells of what is missing in order. Lines that were written to a file late are told of with that file.
        let is_told = |number: &&u64| match late.get(number) {
            None => self.excused.contains(number),
            Some(before) => {
                let same_file = |line: &u64| line == before || late.get(line) == Some(before);
                self.excused.contains(before) || self.before_gaps.range(before..*number).any(same_file)
            }
        };
        let missing = self.passed.len() + self.excused.len();
        let excused = self.passed.iter().chain(&self.excused).filter(is_told).count();
        Counts { lost: (missing - excused) as u64 + lost, told: excused as u64 + told, ..self.counts }
    }
}

/// The place in a file that an id starts with: all but the hint.
fn place(id: &str) -> String {
    id.splitn(5, '.').take(4).collect::<Vec<_>>().join(".")
}
