//! The WebSocket bridge: the same follower, the same subscriptions and the same HTTP server as in sidetail, so that only
//! the transport differs. Each event is a frame: `ID LINE`, or `!NAME ID DATA` for what is no record.

use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use actix_web::web::{self, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, error, rt};
use actix_ws::{Closed, Message, MessageStream, Session};
use sidetail::event::{Event, Id};
use sidetail::source::follow::{self, follow};
use sidetail::source::pattern::LogPattern;
use sidetail::source::watch::WatchMode;
use sidetail::subscriber::filter::Filter;
use sidetail::subscriber::layout::Layout;
use sidetail::subscriber::rules::Rules;
use sidetail::subscriber::start::Start;
use sidetail::subscriber::stream::{Filled, Sink, Subscription};
use sidetail::subscriber::{Feed, Limits, Request};

/// What is gathered for one write to a socket: as much as in sidetail, in bytes.
const WRITE_BYTES: usize = 128 * 1024;

/// Serves `log` until the process is killed; says on standard output where.
pub fn run(log: &Path) -> io::Result<()> {
    // sidetail's own defaults.
    let settings = follow::Settings {
        watch: WatchMode::Auto,
        hot_tail_bytes: 8 << 20,
        hold_time: Duration::from_secs(600),
        hold_bytes: 1 << 30,
        open_files_max: 500,
    };
    let pattern = LogPattern::new(Some("app"), log).map_err(io::Error::other)?;
    let (logs, _follower) = follow(vec![pattern], settings)?;
    let limits = Limits { line_bytes_max: 256 << 10, subscribers_max: 1024 };
    let feed = Data::new(Feed::new(logs, vec![Layout::default()], Rules::default(), limits));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}/", listener.local_addr()?);
    io::stdout().flush()?;
    rt::System::new().block_on(async move {
        HttpServer::new(move || App::new().app_data(feed.clone()).route("/events", web::get().to(events)))
            .workers(1)
            .tcp_nodelay(true)
            .h1_write_buffer_size(WRITE_BYTES)
            .listen(listener)?
            .run()
            .await
    })
}

async fn events(request: HttpRequest, payload: Payload, feed: Data<Feed>) -> actix_web::Result<HttpResponse> {
    let start = match request.query_string().strip_prefix("after=") {
        Some(id) => Start::After { id: id.to_owned(), otherwise: Box::new(Start::Now) },
        None => Start::Now,
    };
    let (response, session, messages) = actix_ws::handle(&request, payload)?;
    let wanted = Request {
        logs: Vec::new(),
        filter: Filter::default(),
        start,
        until: None,
        follow: true,
        limit: None,
        notices: false,
        asks_meaning: false,
    };
    let starting = feed.subscribe(wanted).await.map_err(|refusal| error::ErrorServiceUnavailable(refusal.to_string()))?;
    rt::spawn(async move { send(starting.await, session, messages).await });
    Ok(response)
}

/// Sends the events of a subscription until the client is gone.
async fn send(mut subscription: Subscription, mut session: Session, mut messages: MessageStream) -> Result<(), Closed> {
    loop {
        let mut frames = Frames(Vec::new());
        let filled = subscription.fill(&mut frames).await;
        for frame in frames.0 {
            session.text(frame).await?;
        }
        match filled {
            Filled::Moved => tokio::task::yield_now().await,
            Filled::End => return session.close(None).await,
            Filled::Idle => {
                let due = subscription.due();
                tokio::select! {
                    () = subscription.moved() => {}
                    () = async { tokio::time::sleep_until(due.expect("a time").into()).await }, if due.is_some() => {}
                    message = messages.recv() => match message {
                        Some(Ok(Message::Ping(payload))) => session.pong(&payload).await?,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                        Some(Ok(_)) => {}
                    },
                }
            }
        }
    }
}

/// Events as texts of frames.
struct Frames(Vec<String>);

impl Sink for Frames {
    fn event(&mut self, id: &Id<'_>, event: &Event<'_>) {
        let name = match event {
            Event::Record(record) => return self.0.push(format!("{id} {}", String::from_utf8_lossy(&record.line))),
            Event::Hello(hello) => return self.0.push(format!("!hello {id} {}", own(hello))),
            Event::Gap(gap) => return self.0.push(format!("!gap {id} {}", own(gap))),
            Event::Pos => "pos",
            Event::Live => "live",
            Event::Rotate(_) => "rotate",
            Event::Log(_) => "log",
        };
        self.0.push(format!("!{name} {id} {{}}"));
    }
}

fn own(event: &impl serde::Serialize) -> String {
    serde_json::to_string(event).expect("our own events always serialize")
}
