//! What a row found, as a table: medians, how far they spread, and how they stand to the targets.

use std::fmt;

/// What figures are of.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// 1,000,000 bytes a second.
    Megabytes,
    /// Lines a second.
    Lines,
    /// Processor seconds for a million delivered lines.
    PerMillion,
    /// Milliseconds of one processor a second.
    CpuMs,
    /// 1,024 bytes.
    Kib,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Megabytes => "MB/s",
            Unit::Lines => "lines/s",
            Unit::PerMillion => "CPU s per million lines",
            Unit::CpuMs => "ms of CPU a second",
            Unit::Kib => "KiB",
        }
    }
}

/// What is aimed at.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Nothing: the figure is for information.
    None,
}

impl Target {
    fn met(self, value: f64) -> &'static str {
        match self {
            Target::AtLeast(least) => {
                if value >= least {
                    "yes"
                } else {
                    "NO"
                }
            }
            Target::AtMost(most) => {
                if value <= most {
                    "yes"
                } else {
                    "NO"
                }
            }
            Target::None => "",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtLeast(least) => write!(out, "≥ {}", plain(*least)),
            Target::AtMost(most) => write!(out, "≤ {}", plain(*most)),
            Target::None => Ok(()),
        }
    }
}

/// A table in the making.
pub struct Report {
    title: String,
    lines: Vec<[String; 6]>,
    notes: Vec<String>,
}

impl Report {
    /// An empty one; `title` says what was run.
    pub fn new(title: impl Into<String>) -> Self {
        Report { title: title.into(), lines: Vec::new(), notes: Vec::new() }
    }

    /// What was run.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// A figure of ours that has to be so large or so small by itself.
    pub fn figure(&mut self, what: &str, unit: Unit, ours: &[f64], target: Target) {
        let met = target.met(median(ours)).to_owned();
        self.lines.push([what.to_owned(), with_unit(ours, unit), String::new(), String::new(), target.to_string(), met]);
    }

    /// A figure of ours beside a peer's: the ratio, ours to theirs, of each round. Nothing if the peer was not there.
    pub fn ratio(&mut self, what: &str, peer: &str, unit: Unit, ours: &[f64], theirs: Option<Vec<f64>>, target: Target) {
        let Some(theirs) = theirs else { return };
        let ratios: Vec<_> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let met = target.met(median(&ratios)).to_owned();
        let theirs = format!("{peer}: {}", with_unit(&theirs, unit));
        self.lines.push([what.to_owned(), with_unit(ours, unit), theirs, spread(&ratios), target.to_string(), met]);
    }

    /// Something that a reader of the figures has to know.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "### {}\n", self.title)?;
        writeln!(out, "| figure | sidetail | peer | ratio | target | met |\n| --- | --- | --- | --- | --- | --- |")?;
        for [what, ours, theirs, ratio, target, met] in &self.lines {
            writeln!(out, "| {what} | {ours} | {theirs} | {ratio} | {target} | {met} |")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "\n{note}"))
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

fn with_unit(values: &[f64], unit: Unit) -> String {
    format!("{} {}", spread(values), unit.name())
}

/// The median, and the least and the greatest.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} ({}..{})", plain(median(values)), plain(least), plain(greatest))
}

/// Three digits that count.
fn plain(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_median_spread_ratio_and_whether_the_target_is_met() {
        let mut report = Report::new("catch-up");
        report.ratio("time", "nginx", Unit::Seconds, &[2.0, 1.0, 4.0], Some(vec![1.0, 1.0, 1.0]), Target::AtMost(1.5));
        let text = report.to_string();
        assert!(
            text.contains("| time | 2.00 (1.00..4.00) s | nginx: 1.00 (1.00..1.00) s | 2.00 (1.00..4.00) | ≤ 1.50 | NO |"),
            "{text}"
        );
    }
}
