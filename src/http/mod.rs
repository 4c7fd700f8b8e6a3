//! Bytes to HTTP: routes, queries, refusals, and the life of the server. The only place that names `actix_web`; never
//! touches a catalog or a log's file.

mod guard;
mod metrics;
pub mod query;
pub mod refusal;
mod routes;
pub mod stream;
pub mod tls;

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime};

use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, middleware, rt};
use rustix::net::sockopt;
use tokio::sync::{Semaphore, watch};

use crate::process::private_bytes;
use crate::subscriber::Feed;

/// The methods that are answered.
const ALLOWED: &str = "GET, HEAD, OPTIONS";
/// How much is gathered for one write to a socket, in bytes.
const WRITE_BYTES: usize = 128 * 1024;
/// How much memory a stream takes whose client does not read, about, in bytes.
const STREAM_BYTES: u64 = 192 * 1024;
/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a vanished client's connection is kept.
const VANISHED: Duration = Duration::from_secs(60);

/// Where requests come in; bound by the caller.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// How the server behaves, as far as that may change while it serves. Open streams keep their heartbeat.
#[derive(Clone, Debug)]
pub struct Manners {
    /// After how long without traffic a heartbeat is sent.
    pub heartbeat: Duration,
    /// How long clients are told to wait before they come back.
    pub retry: Duration,
    /// Tokens of which requests must bring one; none means that none is needed.
    pub tokens: Vec<String>,
    /// Origins whose pages may read.
    pub allow_origins: Vec<String>,
    /// When the config was read that holds now.
    pub config_read: SystemTime,
    /// Whether it could be taken over when it was last read.
    pub config_is_good: bool,
}

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What all paths start with: empty, or `/x`.
    pub base_path: String,
    /// What may change while it serves.
    pub manners: watch::Receiver<Arc<Manners>>,
    /// How long streams may take to end.
    pub grace: Duration,
    /// How many connections there may be.
    pub connections_max: usize,
    /// How much memory there may be, in bytes, if that is limited.
    pub memory_bytes_max: Option<u64>,
    /// The certificate to show on a TCP socket; none means plain HTTP.
    pub tls: Option<tls::Tls>,
    /// For how long the follower may be at one thing before it counts as stuck.
    pub stuck_after: Duration,
}

/// What the routes share.
struct State {
    feed: Feed,
    base_path: String,
    manners: watch::Receiver<Arc<Manners>>,
    /// Turns at the files, one for each processor: so that many who read history share them evenly.
    turns: Arc<Semaphore>,
    counts: Arc<metrics::Counts>,
    started: SystemTime,
    stuck_after: Duration,
    memory_bytes_max: Option<u64>,
    born: Instant,
    stopping: watch::Receiver<bool>,
}

impl State {
    /// Whether there is no memory for another stream: a quarter is left for those that are open, and those that have just
    /// begun may yet take theirs.
    fn is_memory_short(&self) -> bool {
        let Some(limit) = self.memory_bytes_max else { return false };
        let growing = STREAM_BYTES * self.counts.begun_lately(self.born.elapsed());
        private_bytes().is_some_and(|bytes| bytes + growing > limit - limit / 4)
    }

    /// How to behave now.
    fn manners(&self) -> Arc<Manners> {
        self.manners.borrow().clone()
    }
}

/// Serves `feed` on `listeners` until `stop` is done, then ends every stream cleanly and returns.
///
/// # Errors
/// Where a listener can't be used.
pub fn serve(listeners: Vec<Listener>, feed: Feed, settings: Settings, stop: impl Future<Output = ()>) -> io::Result<()> {
    rt::System::new().block_on(run(listeners, feed, settings, stop))
}

async fn run(listeners: Vec<Listener>, feed: Feed, settings: Settings, stop: impl Future<Output = ()>) -> io::Result<()> {
    let (stopping, is_stopping) = watch::channel(false);
    let state = Data::new(State {
        feed,
        base_path: settings.base_path.clone(),
        manners: settings.manners,
        counts: Arc::default(),
        started: SystemTime::now(),
        turns: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
        stuck_after: settings.stuck_after,
        memory_bytes_max: settings.memory_bytes_max,
        born: Instant::now(),
        stopping: is_stopping,
    });
    let base_path = settings.base_path;
    let app = move || {
        App::new()
            .app_data(state.clone())
            .wrap(middleware::from_fn(guard::guard))
            .service(web::scope(&base_path).configure(routes::routes))
            .default_service(web::to(routes::nothing_here))
    };
    let mut server = HttpServer::new(app)
        .workers(1)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .h1_write_buffer_size(WRITE_BYTES)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(Duration::from_secs(1))
        .max_connections(settings.connections_max)
        .shutdown_timeout(settings.grace.as_secs_f64().ceil() as u64)
        .disable_signals()
        .on_connect(|connection, _| {
            if let Some(socket) = connection.downcast_ref::<rt::net::TcpStream>() {
                notice_vanished(socket);
            }
        });
    for listener in listeners {
        server = match (listener, &settings.tls) {
            (Listener::Tcp(listener), Some(tls)) => server.listen_rustls_0_23(listener, tls.config())?,
            (Listener::Tcp(listener), None) => server.listen(listener)?,
            (Listener::Unix(listener), _) => server.listen_uds(listener)?,
        };
    }
    let server = server.run();
    let handle = server.handle();
    let ending = async {
        stop.await;
        stopping.send_replace(true);
        handle.stop(true).await;
        std::future::pending().await
    };
    tokio::select! {
        served = server => served,
        never = ending => never,
    }
}

/// Lets the kernel end a connection whose other end is gone. Without it a client that vanished from a quiet log would
/// stay until something is sent.
fn notice_vanished(socket: &rt::net::TcpStream) {
    // Not every socket has these; the heartbeat does the same, later.
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, VANISHED);
    let _ = sockopt::set_tcp_user_timeout(socket, u32::try_from(VANISHED.as_millis()).unwrap_or(u32::MAX));
}
