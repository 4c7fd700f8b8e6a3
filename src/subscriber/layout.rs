//! How the lines of a log make records, as the operator says it.

use std::fmt;

use super::join::Multiline;
use crate::format::Format;

/// How the lines of a log make records.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// How they are written; none means that the first lines of a file tell.
    pub format: Option<Format>,
    /// Which lines belong to the one before.
    pub multiline: Option<Multiline>,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Some(format) => write!(f, "format {format}")?,
            None => write!(f, "format auto")?,
        }
        match &self.multiline {
            None => Ok(()),
            Some(Multiline::Auto) => write!(f, ", multiline auto"),
            Some(Multiline::Start(pattern)) => write!(f, ", multiline start {pattern}"),
            Some(Multiline::Continuation(pattern)) => write!(f, ", multiline continuation {pattern}"),
        }
    }
}

impl Layout {
    /// The format of a file of which the first lines say `told`.
    pub fn format(&self, told: Format) -> Format {
        self.format.unwrap_or(told)
    }

    /// Whether it is written as `other` is.
    pub fn is(&self, other: &Layout) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
