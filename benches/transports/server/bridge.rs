//! The WebSocket bridge: the same follower, the same subscriptions and the same HTTP server as in sidetail, so that only
//! the transport differs.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use actix_http::ws::{OpCode, Parser, handshake};
use actix_web::body::{BodyStream, MessageBody};
use actix_web::web::{self, Bytes, BytesMut, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, error, rt};
use futures_util::StreamExt;
use futures_util::stream::unfold;
use sidetail::source::follow::{self, follow};
use sidetail::source::pattern::LogPattern;
use sidetail::source::watch::WatchMode;
use sidetail::subscriber::filter::Filter;
use sidetail::subscriber::ruling::Ruling;
use sidetail::subscriber::sink::Sink;
use sidetail::subscriber::start::Start;
use sidetail::subscriber::stream::{Filled, Subscription};
use sidetail::subscriber::{Feed, Limits, Request};

use super::frames::Frames;

/// What is gathered for one write to a socket: as much as in sidetail, in bytes.
const WRITE_BYTES: usize = 128 * 1024;
/// The longest frame that a client may send, in bytes.
const FRAME_BYTES_MAX: usize = 1024;

/// Serves `log` until the process is killed; says on standard output where.
pub fn run(log: &Path) -> io::Result<()> {
    // sidetail's own defaults.
    let settings = follow::Settings {
        links: Default::default(),
        watch: WatchMode::Auto,
        hot_tail_bytes: 8 << 20,
        hold_time: Duration::from_secs(600),
        hold_bytes: 1 << 30,
        open_files_max: 500,
    };
    let pattern = LogPattern::new(Some("app"), log).map_err(io::Error::other)?;
    let (logs, _follower) = follow(vec![pattern], settings)?;
    let ruling = Ruling { line_bytes_max: 256 << 10, ..Ruling::default() };
    let feed = Data::new(Feed::new(logs, ruling, Limits { subscribers_max: 1024, shared_bytes_max: 16 << 20 }));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}/", listener.local_addr()?);
    io::stdout().flush()?;
    rt::System::new().block_on(async move {
        HttpServer::new(move || App::new().app_data(feed.clone()).route("/events", web::get().to(events)))
            .workers(1)
            .tcp_nodelay(true)
            .h1_allow_half_closed(false)
            .h1_write_buffer_size(WRITE_BYTES)
            .listen(listener)?
            .run()
            .await
    })
}

async fn events(request: HttpRequest, incoming: Payload, feed: Data<Feed>) -> actix_web::Result<HttpResponse> {
    let mut response = handshake(request.head()).map_err(error::ErrorBadRequest)?;
    let start = match request.query_string().strip_prefix("after=") {
        Some(id) => Start::After { id: id.to_owned(), otherwise: Box::new(Start::Now) },
        None => Start::Now,
    };
    let wanted = Request {
        grant: std::sync::Arc::default(),
        logs: Vec::new(),
        filter: Filter::default(),
        start,
        until: None,
        follow: true,
        limit: None,
        notices: false,
        asks_meaning: false,
        form: "websocket".into(),
    };
    let starting = feed.subscribe(wanted).await.map_err(|refusal| error::ErrorServiceUnavailable(refusal.to_string()))?;
    let subscription = Some(Box::new(starting.await));
    let sending = Sending { subscription, frames: Frames::default(), incoming, received: BytesMut::new(), ended: false };
    let body = unfold(sending, |mut sending| async move { Some((Ok::<_, Infallible>(sending.next().await?), sending)) });
    Ok(response.message_body(BodyStream::new(Box::pin(body)).boxed())?.into())
}

/// One client's connection.
struct Sending {
    /// Gone where its files were being read when the program ended.
    subscription: Option<Box<Subscription>>,
    frames: Frames,
    incoming: Payload,
    received: BytesMut,
    ended: bool,
}

impl Sending {
    /// The next bytes of frames.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.frames.out().take() {
                return Some(piece);
            }
            let subscription = self.subscription.as_mut().filter(|_| !self.ended)?;
            let mut filled = subscription.fill(&mut self.frames);
            if filled == Filled::OutOfReach && self.frames.out().is_empty() {
                filled = self.read_files().await?;
            }
            match filled {
                _ if !self.frames.out().is_empty() => {}
                Filled::Moved | Filled::OutOfReach => tokio::task::yield_now().await,
                Filled::Idle => self.wait().await,
                Filled::End => self.end(),
            }
        }
    }

    async fn read_files(&mut self) -> Option<Filled> {
        let mut subscription = self.subscription.take()?;
        let mut frames = std::mem::take(&mut self.frames);
        let reading = tokio::task::spawn_blocking(move || (subscription.fill_from_files(&mut frames), subscription, frames));
        let (filled, subscription, frames) = reading.await.ok()?;
        (self.subscription, self.frames) = (Some(subscription), frames);
        Some(filled)
    }

    /// Waits for a log to move, for the time that the subscription says, or for the client to say something.
    async fn wait(&mut self) {
        let Some(subscription) = &mut self.subscription else { return };
        let due = subscription.due();
        let time = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = subscription.moved() => {}
            () = time => {}
            received = self.incoming.next() => match received {
                Some(Ok(bytes)) => self.hear(&bytes),
                _ => self.ended = true,
            },
        }
    }

    /// Answers what a client says of the connection; what else it says is passed over.
    fn hear(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        loop {
            match Parser::parse(&mut self.received, true, FRAME_BYTES_MAX) {
                Ok(None) => return,
                Ok(Some((_, OpCode::Ping, payload))) => self.frames.pong(&payload.unwrap_or_default()),
                Ok(Some((_, OpCode::Close, _))) | Err(_) => return self.end(),
                Ok(Some(_)) => {}
            }
        }
    }

    fn end(&mut self) {
        self.frames.close();
        self.ended = true;
    }
}
