//! How the descriptors that the system allows are shared out: a half for logs, a half for connections, so that neither
//! takes the other's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// About how many descriptors the agent takes before it opens a log.
const OWN_FILES: usize = 16;
/// How many connections there may be that are not subscribers, if there are descriptors for them.
const OTHER_CONNECTIONS: usize = 256;

/// How many descriptors are for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Files of logs that stay open.
    pub log_files: usize,
    /// Connections of all kinds.
    pub connections: usize,
    /// Subscribers among them.
    pub subscribers: usize,
}

impl Share {
    /// Allows as many descriptors as the system lets us, and shares them out; says so where that is fewer than
    /// `subscribers` need.
    pub fn of_system(subscribers: usize) -> Self {
        let limit = raise();
        let share = Share::of(limit, subscribers);
        if share.subscribers < subscribers {
            warn!(
                limit,
                subscribers = share.subscribers,
                "the limit of open files allows fewer subscribers than max-subscribers; more are sent away. Raise it (ulimit -n, LimitNOFILE=)"
            );
        }
        share
    }

    fn of(limit: usize, subscribers: usize) -> Self {
        let half = limit / 2;
        // The rest of its half is for files that subscribers read, and some air.
        let connections = (half - half / 8).max(1);
        let others = OTHER_CONNECTIONS.min(connections / 4);
        let subscribers = subscribers.min((connections - others).max(1));
        let connections = connections.min(subscribers.saturating_add(OTHER_CONNECTIONS));
        Share { log_files: half.saturating_sub(OWN_FILES).max(1), connections, subscribers }
    }
}

/// Every log and every subscriber takes a descriptor: allow as many as the system lets us. How many that is.
fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_err() {
        warn!(limit = ?limit.current, "the limit of open files can't be raised");
    }
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_and_connections_never_take_more_together_than_there_is() {
        for limit in [0, 1, 16, 64, 256, 1024, 20_000, 1 << 20, usize::MAX] {
            for wanted in [1, 100, 1024, usize::MAX] {
                let share = Share::of(limit, wanted);
                assert!(share.log_files >= 1 && share.subscribers >= 1 && share.subscribers <= share.connections, "{share:?}");
                assert!(share.subscribers <= wanted, "{share:?}");
                if limit >= 64 {
                    assert!(share.log_files + OWN_FILES + share.connections <= limit, "{limit}: {share:?}");
                }
            }
        }
        let expected = Share { log_files: 9984, connections: 1280, subscribers: 1024 };
        assert_eq!(Share::of(20_000, 1024), expected);
    }
}
