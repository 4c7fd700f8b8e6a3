//! How the lines of a log make records, as the operator says it.

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
