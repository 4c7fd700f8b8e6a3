//! A subscription as the body of a response: asked for bytes when the socket can take more, so a slow client costs no
//! memory and nobody else anything.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{Semaphore, watch};
use tracing::debug;

use super::guard::Caller;
use super::metrics::Counts;
use super::query::Format;
use super::{Standing, State};
use crate::position::Mint;
use crate::source::interest::Interest;
use crate::sse::Payload;
use crate::subscriber::sink::{Out, Run, Sink};
use crate::subscriber::stream::{Filled, Subscription};
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

/// What a stream is given by the server.
pub struct Common {
    /// Turns at the files: whoever reads there has one.
    turns: Arc<Semaphore>,
    counts: Arc<Counts>,
    /// What ends streams before their time.
    standing: watch::Receiver<Standing>,
    /// Whose stream it is.
    caller: Caller,
    /// What all streams reckon the times of their heartbeats from.
    born: Instant,
}

impl Common {
    /// What the server says.
    pub(super) fn of(state: &State, caller: Caller) -> Self {
        let State { turns, counts, standing, born, .. } = state;
        Common { turns: turns.clone(), counts: counts.clone(), standing: standing.clone(), caller, born: *born }
    }

    /// Whether the stream has to end, whatever there is.
    fn is_over(&self) -> bool {
        self.caller.is_over(&self.standing.borrow())
    }

    /// Waits until it has to. The sender is gone only when the program ends.
    async fn over(&mut self) {
        let mut login = self.caller.login.clone();
        let caller = &self.caller;
        let left = async {
            match &mut login {
                Some(login) => login.over().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.standing.wait_for(|standing| caller.is_over(standing)) => {}
            () = left => {}
        }
    }
}

/// Into how many parts the time between two heartbeats is divided: all that are due in one of them are sent at its begin.
const BEATS_TOGETHER: u32 = 8;
/// After so many bytes at once the other streams have their turn: so those that read the same stay side by side.
const YIELD_BYTES: usize = 64 << 10;

/// The body of a stream.
pub struct StreamBody(Pin<Box<dyn Stream<Item = Bytes>>>);

impl StreamBody {
    /// Streams a subscription until it ends or the server does. Every end is a clean one.
    pub fn new(stage: Stage, style: Style, common: Common) -> Self {
        let (writer, sent) = (Writer::new(&style), Instant::now());
        let sending = Sending { stage, style, writer, common, sent, bytes: 0, yields: false, ended: false };
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
    /// Its files were being read when the program ended.
    Lost,
}

struct Sending {
    stage: Stage,
    style: Style,
    writer: Writer,
    common: Common,
    sent: Instant,
    /// How much was sent.
    bytes: u64,
    /// Whether it is the others' turn.
    yields: bool,
    ended: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        debug!(form = self.style.format.name(), bytes = self.bytes, ended = self.ended, "a stream ends");
    }
}

impl Sending {
    /// The next bytes, never none of them: an empty chunk would end the response.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if std::mem::take(&mut self.yields) {
                tokio::task::yield_now().await;
            }
            if let Some(piece) = self.writer.out().take() {
                self.sent = Instant::now();
                self.bytes += piece.len() as u64;
                self.common.counts.note_sent(self.style.format, piece.len());
                self.yields = piece.len() >= YIELD_BYTES;
                return Some(piece);
            }
            if self.ended || self.common.is_over() {
                return None;
            }
            let mut filled = match &mut self.stage {
                Stage::Streaming(subscription) => subscription.fill(&mut self.writer),
                Stage::Starting(_) => Filled::Idle,
                Stage::Lost => Filled::End,
            };
            if filled == Filled::OutOfReach && self.writer.out().is_empty() {
                filled = self.read_files().await;
            }
            self.ended = filled == Filled::End;
            if !self.writer.out().is_empty() {
                continue;
            }
            let is_time = match filled {
                _ if Instant::now() >= self.beat() => true,
                Filled::Moved | Filled::OutOfReach => {
                    tokio::task::yield_now().await;
                    false
                }
                Filled::Idle => self.wait().await,
                Filled::End => return None,
            };
            if is_time && let Some(heartbeat) = self.heartbeat() {
                return Some(heartbeat);
            }
        }
    }

    /// Lets the subscription have its turn at the files, on a thread that may block. If nobody waits for that any more it
    /// ends there.
    async fn read_files(&mut self) -> Filled {
        // The semaphore is never closed.
        let Ok(turn) = self.common.turns.clone().acquire_owned().await else { return Filled::End };
        let stage = std::mem::replace(&mut self.stage, Stage::Lost);
        let Stage::Streaming(mut subscription) = stage else { return Filled::End };
        let mut writer = std::mem::replace(&mut self.writer, Writer::new(&self.style));
        let interest = Interest::default();
        let errand = interest.errand();
        let reading = tokio::task::spawn_blocking(move || {
            let filled = errand.run(|| subscription.fill_from_files(&mut writer));
            drop(turn);
            (filled, subscription, writer)
        });
        // The pool ends only with the program.
        let Ok((filled, subscription, writer)) = reading.await else { return Filled::End };
        (self.stage, self.writer) = (Stage::Streaming(subscription), writer);
        filled
    }

    /// Waits for the start, for a log to move, the end, or the time for a heartbeat or a checkpoint; whether it is the time for
    /// a heartbeat, and nothing else has come.
    async fn wait(&mut self) -> bool {
        let beat = self.beat();
        match &mut self.stage {
            Stage::Lost => false,
            Stage::Starting(starting) => {
                let found = tokio::select! {
                    subscription = starting => subscription,
                    () = tokio::time::sleep_until(beat.into()) => return true,
                    () = self.common.over() => return false,
                };
                self.stage = Stage::Streaming(Box::new(found));
                false
            }
            Stage::Streaming(subscription) => {
                let until = subscription.due().map_or(beat, |due| due.min(beat));
                tokio::select! {
                    () = subscription.moved() => false,
                    () = tokio::time::sleep_until(until.into()) => until == beat,
                    () = self.common.over() => false,
                }
            }
        }
    }

    /// When the next heartbeat is due. Those of many streams are sent together: that takes fewer awakenings.
    fn beat(&self) -> Instant {
        let grid = (self.style.heartbeat / BEATS_TOGETHER).as_nanos();
        let since = (self.sent.duration_since(self.common.born) + self.style.heartbeat).as_nanos();
        self.common.born + Duration::from_nanos_u128(since - since % grid)
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
        self.sent = Instant::now();
        self.common.counts.note_sent(self.style.format, heartbeat.len());
        Some(Bytes::from_static(heartbeat))
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
}

impl Sink for Writer {
    fn event(&mut self, id: &event::Id<'_>, event: &event::Event<'_>) {
        match self {
            Writer::Sse(writer) => writer.event(id, event),
            Writer::Ndjson(writer) => writer.event(id, event),
            Writer::Text(writer) => writer.event(id, event),
        }
    }

    fn run(&mut self, run: &Run<'_>, mint: Option<&mut Mint<'_>>) -> u64 {
        match self {
            Writer::Sse(writer) => writer.run(run, mint),
            Writer::Ndjson(writer) => writer.run(run, mint),
            Writer::Text(writer) => writer.run(run, mint),
        }
    }

    fn around_ids(&self) -> (&'static [u8], &'static [u8]) {
        match self {
            Writer::Sse(writer) => writer.around_ids(),
            Writer::Ndjson(writer) => writer.around_ids(),
            Writer::Text(writer) => writer.around_ids(),
        }
    }

    fn out(&mut self) -> &mut Out {
        match self {
            Writer::Sse(writer) => writer.out(),
            Writer::Ndjson(writer) => writer.out(),
            Writer::Text(writer) => writer.out(),
        }
    }
}
