//! One clock for writer and readers.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(|| Instant::now() - Duration::from_secs(1));

/// Nanoseconds since shortly before the first call.
pub fn now_ns() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// Sleeps until `now_ns` says `due_ns`.
pub fn sleep_until(due_ns: u64) {
    std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns())));
}
