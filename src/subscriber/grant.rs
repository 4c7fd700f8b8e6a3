//! Which logs a reader may know of. All others are to it as if they were not there.

use super::Wanted;

/// Logs that were granted. The default is all there are and will be.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    logs: Wanted,
    /// The names and globs that it was made of; none for all logs.
    pub names: Vec<String>,
}

impl Grant {
    /// Only logs of these names, or that these globs mean; all if there are none.
    ///
    /// # Errors
    /// Where a glob is none, in words.
    pub fn of_logs(names: Vec<String>) -> Result<Self, String> {
        let logs = Wanted::new(&names).map_err(|refusal| refusal.to_string())?;
        Ok(Grant { logs, names })
    }

    /// Whether it covers the log of this name.
    pub fn covers(&self, log: &str) -> bool {
        self.logs.wants(log)
    }

    /// Whether it covers all there can be.
    pub fn is_everything(&self) -> bool {
        self.names.is_empty()
    }
}

impl PartialEq for Grant {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}
