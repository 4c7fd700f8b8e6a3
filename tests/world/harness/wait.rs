//! Waiting for something to happen, with a deadline that only fails.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits before it calls the thing it waits for broken. Never a delay: what happens, happens sooner.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `probe` again and again until it has an answer; fails, naming `what`, when [`PATIENCE`] is at its end.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
