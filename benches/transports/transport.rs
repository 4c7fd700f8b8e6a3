//! The ways from a log to a client that are compared.

use std::time::Duration;

/// A way from a log to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A request every so often: what is new since the last id (`follow=false`).
    Polling(Duration),
    /// A request that waits for the next record (`limit=1`), then one for what else there is (`follow=false`).
    LongPolling,
    /// One response that does not end.
    Sse,
    /// The same events, each a frame of text.
    WebSocket,
}

impl Transport {
    /// What it is called in the table.
    pub fn name(self) -> String {
        match self {
            Transport::Polling(interval) if interval.subsec_millis() == 0 => format!("polling every {} s", interval.as_secs()),
            Transport::Polling(interval) => format!("polling every {} ms", interval.as_millis()),
            Transport::LongPolling => "long polling".into(),
            Transport::Sse => "Server-Sent Events".into(),
            Transport::WebSocket => "WebSocket".into(),
        }
    }

    /// How far apart its requests are, where a clock says so.
    pub fn interval(self) -> Duration {
        match self {
            Transport::Polling(interval) => interval,
            _ => Duration::ZERO,
        }
    }
}
