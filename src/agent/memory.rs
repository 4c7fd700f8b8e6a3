//! How much memory there may be, as cgroups and resource limits say, and what follows from it: caches take an eighth each,
//! and near the limit new clients are sent away before the system ends the process.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};
use tracing::info;

/// Memory for the newest records where nothing limits it, in bytes.
const HOT_TAIL_BYTES: usize = 8 << 20;
/// Memory for what streams share where nothing limits it, in bytes.
const SHARED_BYTES: usize = 16 << 20;
/// What cgroups v1 say where there is no limit is about the largest number of pages.
const NO_LIMIT: u64 = 1 << 60;

/// How memory is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The limit, in bytes, if there is one.
    pub limit: Option<u64>,
    /// For the newest records of all logs, unless the operator says it.
    pub hot_tail_bytes: usize,
    /// For what streams share, in bytes.
    pub shared_bytes: usize,
}

impl Budget {
    /// What the system allows now.
    pub fn of_system() -> Self {
        let rlimits = [Resource::Data, Resource::As].into_iter().filter_map(|resource| getrlimit(resource).current);
        let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let limit = files(&cgroups).into_iter().filter_map(|file| read(&file)).chain(rlimits).min();
        let budget = Budget::of(limit);
        if let (Some(limit), true) = (limit, budget.hot_tail_bytes < HOT_TAIL_BYTES) {
            info!(limit, hot_tail = budget.hot_tail_bytes, "memory is limited: caches are smaller");
        }
        budget
    }

    fn of(limit: Option<u64>) -> Self {
        let eighth = limit.and_then(|limit| usize::try_from(limit / 8).ok()).unwrap_or(usize::MAX);
        Budget { limit, hot_tail_bytes: HOT_TAIL_BYTES.min(eighth), shared_bytes: SHARED_BYTES.min(eighth) }
    }
}

/// The files that hold limits of the groups that `/proc/self/cgroup` names, and of those around them.
fn files(cgroups: &str) -> Vec<PathBuf> {
    let groups = cgroups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        match controllers {
            "" => Some(("/sys/fs/cgroup", "memory.max", path)),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some(("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path))
            }
            _ => None,
        }
    });
    let around = |(mount, file, path): (&str, &str, &str)| {
        let path = Path::new(path.trim_start_matches('/')).to_path_buf();
        let folders: Vec<PathBuf> = path.ancestors().map(|folder| Path::new(mount).join(folder).join(file)).collect();
        folders
    };
    groups.flat_map(around).collect()
}

fn read(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_looked_for_in_both_versions_of_cgroups_and_all_groups_around() {
        let expected = ["a/b/memory.max", "a/memory.max", "memory.max"].map(|file| Path::new("/sys/fs/cgroup").join(file));
        assert_eq!(files("0::/a/b\n"), expected);
        let expected = ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        assert_eq!(files("3:cpu:/y\n2:hugetlb,memory:/x\n1:name=systemd:/z\n"), expected.map(PathBuf::from));
        assert!(files("nonsense").is_empty());
    }

    #[test]
    fn caches_take_an_eighth_each_and_no_more_than_without_a_limit() {
        let small = Budget { limit: Some(16 << 20), hot_tail_bytes: 2 << 20, shared_bytes: 2 << 20 };
        assert_eq!(Budget::of(Some(16 << 20)), small);
        let large = Budget { limit: None, hot_tail_bytes: HOT_TAIL_BYTES, shared_bytes: SHARED_BYTES };
        assert_eq!(Budget::of(None), large);
        assert_eq!(Budget { limit: None, ..Budget::of(Some(1 << 40)) }, large);
    }
}
