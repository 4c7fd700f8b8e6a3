//! A subscription as the body of a response: asked for bytes when the socket can take more, so a slow client costs no
//! memory and nobody else anything.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use super::query::Format;
use crate::sse::Payload;
use crate::subscriber::stream::{Filled, Sink, Subscription};
use crate::{event, ndjson, sse, text};

/// How a stream is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The form.
    pub format: Format,
    /// What a record's `data:` is.
    pub payload: Payload,
    /// Whether text tells of gaps and notices.
    pub notices: bool,
    /// What `hello` tells clients to wait before they come back, in milliseconds.
    pub retry_ms: u64,
    /// After how long without traffic a heartbeat is sent.
    pub heartbeat: Duration,
}

/// The body of a stream.
pub struct StreamBody(Pin<Box<dyn Stream<Item = Bytes>>>);

impl StreamBody {
    /// Streams a subscription until it ends or `stopping` turns true. Every end is a clean one.
    pub fn new(stage: Stage, style: Style, stopping: watch::Receiver<bool>) -> Self {
        let sending = Sending { stage, style, stopping, sent: Instant::now(), ended: false };
        StreamBody(Box::pin(unfold(sending, |mut sending| async move { Some((sending.next().await?, sending)) })))
    }
}

impl MessageBody for StreamBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.as_mut().poll_next(context).map(|bytes| bytes.map(Ok))
    }
}

/// How far a stream is.
pub enum Stage {
    /// Files are read to find its start.
    Starting(Pin<Box<dyn Future<Output = Subscription>>>),
    /// It runs.
    Streaming(Box<Subscription>),
}

struct Sending {
    stage: Stage,
    style: Style,
    stopping: watch::Receiver<bool>,
    sent: Instant,
    ended: bool,
}

impl Sending {
    /// The next bytes, never none of them: an empty chunk would end the response.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.ended || *self.stopping.borrow() {
                return None;
            }
            let mut writer = Writer::new(&self.style);
            let filled = match &mut self.stage {
                Stage::Streaming(subscription) => subscription.fill(&mut writer).await,
                Stage::Starting(_) => Filled::Idle,
            };
            self.ended = filled == Filled::End;
            let out = writer.out();
            if !out.is_empty() {
                return Some(self.send(out));
            }
            if self.sent.elapsed() >= self.style.heartbeat
                && let Some(heartbeat) = self.heartbeat()
            {
                return Some(heartbeat);
            }
            match filled {
                Filled::Moved => tokio::task::yield_now().await,
                Filled::Idle => self.wait().await,
                Filled::End => return None,
            }
        }
    }

    /// Waits for the start, for a log to move, the end, or the time for a heartbeat or a checkpoint.
    async fn wait(&mut self) {
        let beat = self.sent + self.style.heartbeat;
        match &mut self.stage {
            Stage::Starting(starting) => {
                let found = tokio::select! {
                    subscription = starting => Some(subscription),
                    () = tokio::time::sleep_until(beat.into()) => None,
                    _ = self.stopping.wait_for(|stopping| *stopping) => None,
                };
                if let Some(subscription) = found {
                    self.stage = Stage::Streaming(Box::new(subscription));
                }
            }
            Stage::Streaming(subscription) => {
                let until = subscription.due().map_or(beat, |due| due.min(beat));
                tokio::select! {
                    () = subscription.moved() => {}
                    () = tokio::time::sleep_until(until.into()) => {}
                    // The sender is gone only when the program ends.
                    _ = self.stopping.wait_for(|stopping| *stopping) => {}
                }
            }
        }
    }

    fn heartbeat(&mut self) -> Option<Bytes> {
        let heartbeat = match self.style.format {
            Format::Sse => sse::HEARTBEAT,
            Format::Ndjson => ndjson::HEARTBEAT,
            // Any byte would be part of the text: a dead client is noticed by the socket's keep-alive.
            Format::Text => {
                self.sent = Instant::now();
                return None;
            }
        };
        Some(self.send(heartbeat.to_vec()))
    }

    fn send(&mut self, out: Vec<u8>) -> Bytes {
        self.sent = Instant::now();
        out.into()
    }
}

/// The writer of a stream's form.
enum Writer {
    Sse(sse::Writer),
    Ndjson(ndjson::Writer),
    Text(text::Writer),
}

impl Writer {
    fn new(style: &Style) -> Self {
        match style.format {
            Format::Sse => Writer::Sse(sse::Writer::new(style.payload, style.retry_ms)),
            Format::Ndjson => Writer::Ndjson(ndjson::Writer::default()),
            Format::Text => Writer::Text(text::Writer::new(style.notices)),
        }
    }

    fn out(self) -> Vec<u8> {
        match self {
            Writer::Sse(writer) => writer.out,
            Writer::Ndjson(writer) => writer.out,
            Writer::Text(writer) => writer.out,
        }
    }
}

impl Sink for Writer {
    fn event(&mut self, id: &event::Id<'_>, event: &event::Event<'_>) {
        match self {
            Writer::Sse(writer) => writer.event(id, event),
            Writer::Ndjson(writer) => writer.event(id, event),
            Writer::Text(writer) => writer.event(id, event),
        }
    }
}
