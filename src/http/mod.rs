//! Bytes to HTTP: routes, queries, refusals, and the life of the server. The only place that names `actix_web`; never
//! touches a catalog or a log's file.

pub mod access;
mod direct;
mod flight;
mod guard;
mod limits;
mod login;
mod metrics;
pub mod query;
pub mod quiet;
pub mod refusal;
mod routes;
pub mod stream;
pub mod tls;

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime};

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Extensions, Server, Service, ServiceFactory, ServiceResponse};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, middleware, rt};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use access::failures::Failures;
use access::peer::{Client, Connection, Crowd, Open, Proxy, Tally};
use access::sessions::Sessions;
use access::sites::HostName;
use access::tokens::Tokens;
use direct::Line;
use quiet::Quiet;

use crate::process::{give_back_code, private_bytes};
use crate::subscriber::Feed;

/// How much is gathered for one write to a socket, in bytes.
const WRITE_BYTES: usize = 128 * 1024;
/// How much memory a stream takes whose client does not read, about, in bytes.
const STREAM_BYTES: u64 = 192 * 1024;
/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How much the kernel takes in for one connection before we read it, in bytes; nobody has much to say.
const RECEIVE_BYTES: usize = 64 * 1024;
/// How long a vanished client's connection is kept.
const VANISHED: Duration = Duration::from_secs(60);
/// How long nobody has been there when the code that answers is given back.
const REST: Duration = Duration::from_secs(2);

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
    pub tokens: Arc<Tokens>,
    /// Whether a certificate of the client does instead; then nobody is let in without either.
    pub asks_certificate: bool,
    /// Names under which it may be asked for, beside addresses and those of this machine.
    pub allow_hosts: Vec<HostName>,
    /// Proxies whose word for their clients is taken.
    pub trusted_proxies: Vec<Proxy>,
    /// How many connections there may be from one address.
    pub connections_per_address_max: usize,
    /// Origins whose pages may read.
    pub allow_origins: Vec<String>,
    /// What else can be set and limits something, by the names of `docs/limits.md`; for `/metrics`.
    pub limits: Vec<(&'static str, u64)>,
    /// When the config was read that holds now.
    pub config_read: SystemTime,
    /// Whether it could be taken over when it was last read.
    pub config_is_good: bool,
}

impl Manners {
    /// Whether it is asked who wants to read.
    fn asks_who(&self) -> bool {
        self.asks_certificate || !self.tokens.is_empty()
    }
}

/// What ends streams before their time.
#[derive(Clone, Debug)]
struct Standing {
    /// Whether the program ends.
    is_stopping: bool,
    /// The tokens that are good now.
    tokens: Arc<Tokens>,
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
    /// What keeps our own log short.
    pub quiet: Quiet,
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
    standing: watch::Receiver<Standing>,
    sessions: Sessions,
    failures: Failures,
    crowd: Crowd,
    connections_max: usize,
    open: Arc<Tally>,
    quiet: Quiet,
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

    fn is_stopping(&self) -> bool {
        self.standing.borrow().is_stopping
    }

    /// What there is to know of a connection that was just made on `socket`, if that has addresses; and where it is encrypted,
    /// whether its client showed a certificate.
    fn connection(&self, socket: Option<&TcpStream>, certified: Option<bool>) -> Rc<Connection> {
        let address = socket.and_then(|socket| socket.peer_addr().ok()).map(|address| address.ip().to_canonical());
        if let Some(socket) = socket {
            notice_vanished(socket);
        }
        Rc::new(Connection {
            address,
            tls: certified.is_some(),
            certified: certified == Some(true),
            seat: self.crowd.enter(address, self.manners.borrow().connections_per_address_max),
            requests: Arc::default(),
            open: Open::one(&self.open),
        })
    }

    /// Counts a wrong token; says so, but not how it was.
    fn note_failure(&self, client: &Client) {
        self.counts.note_wrong_token();
        self.failures.note(client.address);
        let address = client.address.map(tracing::field::display);
        if self.failures.pause(client.address).is_some() {
            warn!(address, "too many wrong tokens: nothing is taken from this address for a while");
        } else {
            info!(address, "a wrong token");
        }
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
    let mut manners = settings.manners.clone();
    let tokens = manners.borrow_and_update().tokens.clone();
    let (stopping, standing) = watch::channel(Standing { is_stopping: false, tokens });
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
        standing,
        sessions: Sessions::default(),
        failures: Failures::default(),
        crowd: Crowd::default(),
        connections_max: settings.connections_max,
        open: Arc::default(),
        quiet: settings.quiet,
    });
    let mut server = Server::build()
        .workers(1)
        .max_concurrent_connections(settings.connections_max)
        .shutdown_timeout(settings.grace.as_secs_f64().ceil() as u64)
        .disable_signals();
    for listener in listeners {
        let state = state.clone();
        server = match (listener, &settings.tls) {
            (Listener::Tcp(listener), Some(tls)) => {
                let tls = tls.clone();
                server.listen("https", listener, move || encrypted(&state, &tls))?
            }
            (Listener::Tcp(listener), None) => {
                let meet = |state: &State, socket: &TcpStream| {
                    let _ = socket.set_nodelay(true);
                    state.connection(Some(socket), None)
                };
                server.listen("http", listener, move || plain(&state, meet))?
            }
            (Listener::Unix(listener), _) => {
                let meet = |state: &State, _: &UnixStream| state.connection(None, None);
                server.listen_uds("unix", listener, move || plain(&state, meet))?
            }
        };
    }
    let server = server.run();
    let handle = server.handle();
    let ending = async {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                changed = manners.changed() => match changed {
                    Ok(()) => stopping.send_modify(|standing| standing.tokens = manners.borrow_and_update().tokens.clone()),
                    Err(_) => break stop.await,
                },
            }
        }
        stopping.send_modify(|standing| standing.is_stopping = true);
        handle.stop(true).await;
        std::future::pending().await
    };
    tokio::select! {
        served = server => served,
        never = ending => never,
        never = rest(&state.open) => never,
    }
}

/// Gives back the code that starting and answering took, whenever nobody is there. Never ends.
async fn rest<T>(open: &Tally) -> T {
    loop {
        while timeout(REST, open.last_closed()).await.is_ok() {}
        if open.count() == 0 {
            // It is no loss where that can't be.
            let _ = give_back_code();
        }
        open.last_closed().await;
    }
}

/// Requests of HTTP and what answers them, on connections of which `introduce` says what is known.
fn http<T, I>(
    state: &Data<State>,
    introduce: I,
) -> HttpService<
    T,
    impl ServiceFactory<
        Request,
        Config = (),
        Response = ServiceResponse,
        Error = HttpResponse,
        InitError = (),
        Future: 'static,
        Service: Service<Request, Future: 'static>,
    > + use<T, I>,
    BoxBody,
>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    I: Fn(&T, &mut Extensions) + 'static,
{
    let app = App::new()
        .app_data(state.clone())
        .wrap(middleware::from_fn(guard::guard))
        .wrap(middleware::from_fn(direct::take_along))
        .service(web::scope(&state.base_path).configure(routes::routes))
        .default_service(web::to(routes::nothing_here));
    let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
    let standing = state.standing.clone();
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let mut standing = standing.clone();
            async move { drop(standing.wait_for(|standing| standing.is_stopping).await) }
        })
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .h1_write_buffer_size(WRITE_BYTES)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(Duration::from_secs(1))
        .on_connect_ext(introduce)
        .finish(map_config(app, |()| AppConfig::default()))
}

/// HTTP on plain sockets, of which `meet` says what is known. What reads requests has a clock that ticks twice a second, and
/// is there only while some may come: not where all connections are streams.
fn plain<T, M>(
    state: &Data<State>,
    meet: M,
) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<T, M>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    M: Fn(&State, &T) -> Rc<Connection> + Clone,
{
    let (state, last) = (state.clone(), Rc::new(RefCell::new(Weak::new())));
    fn_service(move |socket: T| {
        let known = meet(&state, &socket);
        let (line, back) = Line::new(socket, known);
        let (state, last) = (state.clone(), last.clone());
        back.serve(Box::pin(async move {
            let there = last.borrow().upgrade();
            let reader = match there {
                Some(reader) => reader,
                None => {
                    let reader = http(&state, Line::introduce).new_service(()).await;
                    let reader = Rc::new(reader.map_err(|()| DispatchError::InternalError)?);
                    *last.borrow_mut() = Rc::downgrade(&reader);
                    reader
                }
            };
            reader.call((line, Protocol::Http1, None)).await
        }))
    })
}

/// HTTP inside TLS on a socket of TCP.
fn encrypted(
    state: &Data<State>,
    tls: &tls::Tls,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = TlsError<io::Error, DispatchError>, InitError = ()> + use<>
{
    let known = state.clone();
    let http = http(state, move |stream: &TlsStream<TcpStream>, data| {
        let (socket, session) = stream.get_ref();
        data.insert(known.connection(Some(socket), Some(session.peer_certificates().is_some())));
    });
    http.rustls_0_23(tls.config())
}

/// Lets the kernel end a connection whose other end is gone. Without it a client that vanished from a quiet log would
/// stay until something is sent.
fn notice_vanished(socket: &TcpStream) {
    let _ = sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BYTES);
    // Not every socket has these; the heartbeat does the same, later.
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, VANISHED);
    let _ = sockopt::set_tcp_user_timeout(socket, u32::try_from(VANISHED.as_millis()).unwrap_or(u32::MAX));
}
