//! How much is measured: all of it, or just enough to see that everything works.

use std::time::Duration;

use crate::transport::Transport;

/// A log that is written.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Lines a second.
    pub rate: u64,
    /// How many.
    pub lines: u64,
    /// How many clients read it.
    pub clients: u32,
}

/// What is measured.
pub struct Plan {
    pub transports: [Transport; 5],
    /// For bytes, latency and CPU: a slow log and a busy one.
    pub steady: [Load; 2],
    /// While connections are cut.
    pub cuts: Load,
    /// Behind nginx.
    pub proxied: Load,
    /// How long a log says nothing behind nginx.
    pub silence: Duration,
    /// nginx's `proxy_read_timeout`; its default if there is none.
    pub proxy_timeout: Option<Duration>,
    /// After how long without traffic sidetail sends a heartbeat; its default if there is none.
    pub heartbeat: Option<Duration>,
}

impl Plan {
    /// What docs/sse.md quotes: about two minutes.
    pub fn full() -> Self {
        Plan {
            transports: transports(1000, 100),
            steady: [Load { rate: 100, lines: 600, clients: 20 }, Load { rate: 1000, lines: 6000, clients: 20 }],
            cuts: Load { rate: 200, lines: 600, clients: 1 },
            proxied: Load { rate: 100, lines: 300, clients: 20 },
            silence: Duration::from_secs(65),
            proxy_timeout: None,
            heartbeat: None,
        }
    }

    /// The same in small: some seconds. Its figures mean nothing.
    pub fn smoke() -> Self {
        Plan {
            transports: transports(200, 50),
            steady: [Load { rate: 100, lines: 20, clients: 2 }, Load { rate: 1000, lines: 200, clients: 2 }],
            cuts: Load { rate: 200, lines: 100, clients: 1 },
            proxied: Load { rate: 100, lines: 20, clients: 2 },
            silence: Duration::from_secs(4),
            proxy_timeout: Some(Duration::from_secs(2)),
            heartbeat: Some(Duration::from_millis(200)),
        }
    }
}

fn transports(slow_ms: u64, fast_ms: u64) -> [Transport; 5] {
    let polling = |ms| Transport::Polling(Duration::from_millis(ms));
    [polling(slow_ms), polling(fast_ms), Transport::LongPolling, Transport::Sse, Transport::WebSocket]
}
