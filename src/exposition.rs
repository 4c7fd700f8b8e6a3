//! Numbers to the text that Prometheus reads: its text format 0.0.4, or OpenMetrics 1.0. Pure.

use std::fmt::{Display, Write as _};

/// The form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Form {
    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family of numbers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is always 1, its labels tell; its name ends in `_info`.
    Info,
}

/// The text, as it is written: a family, then its samples, then the next.
pub struct Exposition {
    form: Form,
    text: String,
    name: &'static str,
}

impl Exposition {
    /// Nothing yet.
    pub fn new(form: Form) -> Self {
        Exposition { form, text: String::new(), name: "" }
    }

    /// Begins a family of samples.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        self.name = name;
        let (base, kind) = match (self.form, kind) {
            (Form::OpenMetrics, Kind::Counter) => (name.strip_suffix("_total").unwrap_or(name), "counter"),
            (Form::OpenMetrics, Kind::Info) => (name.strip_suffix("_info").unwrap_or(name), "info"),
            (_, Kind::Counter) => (name, "counter"),
            (_, Kind::Gauge | Kind::Info) => (name, "gauge"),
        };
        self.line(format_args!("# HELP {base} {}\n# TYPE {base} {kind}\n", escaped(help)));
        if let (Form::OpenMetrics, Some(unit)) = (self.form, ["bytes", "seconds"].iter().find(|unit| base.ends_with(**unit))) {
            self.line(format_args!("# UNIT {base} {unit}\n"));
        }
        self
    }

    /// A sample of the family that was begun last.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            self.line(format_args!("{before}{label}=\"{}\"", escaped(text)));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.line(format_args!("{after} {value}\n"));
        self
    }

    /// The text.
    pub fn finish(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("writing to a string cannot fail");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form) -> String {
        let mut text = Exposition::new(form);
        text.family("x_read_bytes_total", Kind::Counter, "What was read.").sample(&[("log", "a\"\\\nb"), ("kind", "c")], 7);
        text.family("x_build_info", Kind::Info, "The build.").sample(&[("version", "1")], 1);
        text.family("x_lag_seconds", Kind::Gauge, "How late.").sample(&[], 0.5);
        text.finish()
    }

    #[test]
    fn both_forms_are_written_as_their_specifications_say() {
        assert_eq!(
            written(Form::Text),
            "# HELP x_read_bytes_total What was read.\n# TYPE x_read_bytes_total counter\n\
             x_read_bytes_total{log=\"a\\\"\\\\\\nb\",kind=\"c\"} 7\n\
             # HELP x_build_info The build.\n# TYPE x_build_info gauge\nx_build_info{version=\"1\"} 1\n\
             # HELP x_lag_seconds How late.\n# TYPE x_lag_seconds gauge\nx_lag_seconds 0.5\n"
        );
        assert_eq!(
            written(Form::OpenMetrics),
            "# HELP x_read_bytes What was read.\n# TYPE x_read_bytes counter\n# UNIT x_read_bytes bytes\n\
             x_read_bytes_total{log=\"a\\\"\\\\\\nb\",kind=\"c\"} 7\n\
             # HELP x_build The build.\n# TYPE x_build info\nx_build_info{version=\"1\"} 1\n\
             # HELP x_lag_seconds How late.\n# TYPE x_lag_seconds gauge\n# UNIT x_lag_seconds seconds\nx_lag_seconds 0.5\n# EOF\n"
        );
    }
}
