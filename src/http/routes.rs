//! What each route answers. Decides nothing about logs: asks the feed.

use std::future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use actix_web::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
    LINK, LOCATION,
};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::web::{self, Data, ReqData, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use tracing::{debug, warn};

use super::State;
use super::access::sites::asked_host;
use super::direct::Last;
use super::guard::{Caller, LOGIN, LOGOUT, wants_html};
use super::login;
use super::metrics::{self, Server};
use super::query::{Defaults, Format, StreamRequest, parse, weighed};
use super::refusal::{self, Refusal};
use super::stream::{Common, Stage, StreamBody, Style};
use crate::page::{ASSETS, Asset, FIRST_LINES, INDEX};
use crate::{sse, subscriber};

const EVENTS: Defaults = Defaults { format: None, tail: 0 };
const TAIL: Defaults = Defaults { format: Some(Format::Text), tail: 10 };
/// How long a stream's start is looked for before the status is sent.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a client that found no room waits before it comes back, before jitter.
const BUSY_RETRY: Duration = Duration::from_secs(refusal::RETRY_AFTER_SECONDS);

/// The methods that are answered, but for the login.
const ALLOWED: &str = "GET, HEAD, OPTIONS";
/// Those of the login.
const LOGIN_ALLOWED: &str = "GET, HEAD, OPTIONS, POST";

/// Everything that is served, below the base path.
pub fn routes(config: &mut ServiceConfig) {
    let resource = |path: &str, allowed: &'static str| {
        let options = move || future::ready(HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish());
        let other = move || future::ready(refusal::method_not_allowed(allowed));
        web::resource(path).route(web::method(Method::OPTIONS).to(options)).default_service(web::to(other))
    };
    let get = |path: &str| resource(path, ALLOWED);
    let both = |path: &str, handler: fn(HttpRequest, Data<State>) -> HttpResponse| {
        let handler = move |request, state| future::ready(handler(request, state));
        get(path).route(web::get().to(handler)).route(web::head().to(handler))
    };
    config
        .service(get("/events").route(web::get().to(events)).route(web::head().to(events)))
        .service(get("/tail").route(web::get().to(tail)).route(web::head().to(tail)))
        .service(both("/", index))
        .service(both("", |_, state| redirect(&state.base_path)))
        .service(get("/logs").route(web::get().to(logs)).route(web::head().to(logs)))
        .service(both("/version", |_, _| json(&serde_json::json!({ "name": "sidetail", "version": env!("CARGO_PKG_VERSION") }))))
        .service(get("/metrics").route(web::get().to(metrics)).route(web::head().to(metrics)))
        .service(
            resource(LOGIN, LOGIN_ALLOWED)
                .route(web::get().to(login::ask))
                .route(web::head().to(login::ask))
                .route(web::post().to(login::enter)),
        )
        .service(
            web::resource(LOGOUT)
                .route(web::post().to(login::leave))
                .default_service(web::to(|| future::ready(refusal::method_not_allowed("POST")))),
        )
        .service(both("/healthz", live))
        .service(both("/livez", live))
        .service(both("/readyz", ready));
    for asset in ASSETS.iter() {
        let path = format!("/{}", asset.path);
        let handler = move |request: HttpRequest, state: Data<State>| future::ready(asset_response(asset, &request, &state));
        config.service(get(&path).route(web::get().to(handler)).route(web::head().to(handler)));
    }
}

/// The answer to any other path.
pub async fn nothing_here(request: HttpRequest) -> HttpResponse {
    Refusal::not_found(format!("there is no {:?}; / lists what there is", request.path())).response()
}

async fn events(request: HttpRequest, state: Data<State>, caller: ReqData<Caller>) -> HttpResponse {
    stream(&request, &state, &caller, EVENTS).await
}

async fn tail(request: HttpRequest, state: Data<State>, caller: ReqData<Caller>) -> HttpResponse {
    stream(&request, &state, &caller, TAIL).await
}

/// The answer to `GET /logs`.
#[derive(serde::Serialize)]
struct Told {
    #[serde(flatten)]
    status: subscriber::Status,
    /// As whom the browser is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    logged_in: Option<String>,
}

async fn logs(state: Data<State>, caller: ReqData<Caller>) -> HttpResponse {
    let logged_in = caller.token.as_ref().filter(|_| caller.login.is_some()).map(|token| token.name.clone());
    json(&Told { status: state.feed.status(&caller.grant).await, logged_in })
}

async fn metrics(request: HttpRequest, state: Data<State>, caller: ReqData<Caller>) -> HttpResponse {
    let form = metrics::form(&request);
    let server = Server {
        counts: state.counts.clone(),
        started: state.started,
        manners: state.manners(),
        grant: caller.grant.clone(),
        sessions: state.sessions.count(),
        connections: state.open.count(),
        connections_max: state.connections_max,
        unreadable: state.quiet.unreadable(),
        is_ready: !state.is_stopping() && state.feed.is_ready(),
    };
    let feed = state.feed.clone();
    match tokio::task::spawn_blocking(move || metrics::gather(form, &feed, &server)).await {
        Ok(text) => {
            let mut answer = HttpResponse::Ok();
            answer.content_type(form.content_type()).insert_header((CACHE_CONTROL, "no-store")).body(text)
        }
        // The pool ends only with the program.
        Err(_) => unwell("stopping\n".into()),
    }
}

async fn stream(request: &HttpRequest, state: &State, caller: &Caller, defaults: Defaults) -> HttpResponse {
    let asked = match parse(request, caller.grant.clone(), defaults) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.response(),
    };
    let manners = state.manners();
    let StreamRequest { format, payload, id, download, request: wanted } = asked;
    let is_endless = wanted.follow && wanted.limit.is_none() && wanted.until.is_none();
    let (notices, id_given) = (wanted.notices, id.is_some());
    if caller.is_crowd {
        return crowded(request, state, format, id.as_deref());
    }
    let is_memory_short = state.is_memory_short();
    let subscribed = if is_memory_short { Err(subscriber::Refusal::Busy) } else { state.feed.subscribe(wanted).await };
    if matches!(subscribed, Err(subscriber::Refusal::Busy)) && state.counts.is_time_to_warn(state.born.elapsed()) {
        let why = if is_memory_short { "memory is near its limit" } else { "there are as many subscribers as there may be" };
        warn!(why, subscribers = state.feed.subscribers(), "clients are sent away");
    }
    let mut starting = match subscribed {
        Ok(starting) => Box::pin(starting),
        Err(subscriber::Refusal::Busy) => return crowded(request, state, format, id.as_deref()),
        Err(refusal) => return Refusal::from(refusal).response(),
    };
    let mut head = stream_head(format);
    if let Some(name) = download {
        head.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    }
    let stage = match tokio::time::timeout(PATIENCE.min(manners.heartbeat), &mut starting).await {
        Ok(mut subscription) => {
            if subscription.has_nothing_left() {
                return HttpResponse::NoContent().finish();
            }
            head.insert_header(("Sidetail-Cursor", subscription.cursor().to_string()));
            Stage::Streaming(Box::new(subscription))
        }
        // The status goes out, so that nobody on the way takes the silence for a failure.
        Err(_) => Stage::Starting(starting),
    };
    if request.method() == Method::HEAD {
        // An endless body would be produced for a client that reads none of it.
        return head.finish();
    }
    let token = caller.token.as_ref().map(|token| &*token.name);
    debug!(form = format.name(), resumed = id_given, token, "a stream begins");
    let style = Style { format, payload, notices, retry_ms: jittered(manners.retry), heartbeat: manners.heartbeat };
    let mut answer = head.body(StreamBody::new(stage, style, Common::of(state, caller.clone()))).map_into_boxed_body();
    if is_endless || request.head().connection_type() == ConnectionType::Close {
        answer.extensions_mut().insert(Last);
    }
    unchunked(request, answer)
}

/// There is no room now. An EventSource would give up for good on another status than 200.
fn crowded(request: &HttpRequest, state: &State, format: Format, id: Option<&str>) -> HttpResponse {
    if format != Format::Sse {
        return refusal::busy();
    }
    state.counts.note_status(StatusCode::SERVICE_UNAVAILABLE);
    let block = sse::busy(jittered(BUSY_RETRY), id);
    let block = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(block))]);
    unchunked(request, stream_head(format).streaming(block))
}

/// Chunks are unknown to HTTP/1.0: there the end of the connection ends the body.
fn unchunked(request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
    if request.version() < Version::HTTP_11 {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// Status and headers of a stream, the same for HEAD and GET.
fn stream_head(format: Format) -> HttpResponseBuilder {
    let content_type = match format {
        Format::Sse => "text/event-stream",
        Format::Ndjson => "application/x-ndjson",
        Format::Text => "text/plain; charset=utf-8",
    };
    let mut head = HttpResponse::Ok();
    head.insert_header((CONTENT_TYPE, content_type))
        .insert_header((CACHE_CONTROL, "no-store, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header(("Vary", "Accept"));
    head
}

/// `time` in milliseconds, spread over 80 to 120 % so that clients which lost their stream together do not come back
/// together.
fn jittered(time: Duration) -> u64 {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 1000);
    let spread = ms / 5;
    // Every RandomState has other keys: as random as this needs to be.
    ms - spread + RandomState::new().hash_one(0) % (2 * spread + 1)
}

fn index(request: HttpRequest, state: Data<State>) -> HttpResponse {
    if wants_html(request.headers()) {
        let mut page = asset_response(&INDEX, &request, &state);
        let is_elsewhere = request.query_string().split('&').any(|pair| pair.starts_with("q=") || pair.starts_with("at="));
        if !is_elsewhere {
            page.headers_mut().insert(LINK, HeaderValue::from_static(FIRST_LINES));
        }
        return page;
    }
    // What a client sends as its host goes into commands that people paste.
    let harmless = |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:[]-".contains(&byte));
    let client = request.extensions().get().map(|caller: &Caller| caller.client.clone());
    let asked = client.as_ref().and_then(|client| asked_host(&request, client)).filter(harmless);
    let scheme = if client.as_ref().is_some_and(|client| client.https) { "https" } else { "http" };
    let base = format!("{scheme}://{}{}", asked.unwrap_or("localhost:7878"), state.base_path);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header(("Vary", "Accept"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(commands(&base))
}

/// The page for those who come with curl: commands to paste.
fn commands(base: &str) -> String {
    format!(
        "sidetail {version}: follows log files and streams their lines\n\n\
         curl -N {base}/tail                                  the last 10 lines, then live\n\
         curl -N '{base}/tail?tail=100&match=ERROR'           only lines that match a regular expression\n\
         curl -N '{base}/tail?from=start&follow=false'        everything that still exists, then end\n\
         curl -N {base}/events                                live, as Server-Sent Events with resumable ids\n\
         curl -N -H 'Last-Event-ID: ID' {base}/events         exactly what came after the event with this id\n\
         curl -N -H 'Accept: application/x-ndjson' {base}/events   one JSON object a line\n\
         curl {base}/logs                                     the logs, their files, what is wrong with them\n         curl {base}/metrics                                  numbers for Prometheus\n\n\
         Parameters: log= match= exclude= level= event= after= before= from= tail= since= until= follow= limit= format= data= notices= download=\n\
         A browser gets a page of its own here.\n",
        version = env!("CARGO_PKG_VERSION")
    )
}

/// Whether the follower's loop still turns; that of the server does, or nobody would answer.
fn live(_: HttpRequest, state: Data<State>) -> HttpResponse {
    let stuck = state.feed.since_turn();
    if stuck <= state.stuck_after {
        return plain("ok\n");
    }
    unwell(format!("the follower has been at one thing for {} s; is a file system hanging?\n", stuck.as_secs()))
}

fn ready(_: HttpRequest, state: Data<State>) -> HttpResponse {
    match () {
        () if state.is_stopping() => unwell("stopping\n".into()),
        () if !state.feed.is_ready() => unwell("not every log has been looked at yet\n".into()),
        () => plain("ok\n"),
    }
}

fn unwell(why: String) -> HttpResponse {
    let mut answer = HttpResponse::ServiceUnavailable();
    answer.content_type("text/plain; charset=utf-8").insert_header((CACHE_CONTROL, "no-store")).body(why)
}

fn redirect(base_path: &str) -> HttpResponse {
    // Only a relative place: whatever stands in front of this server stays there.
    let place = HeaderValue::from_str(&format!("{base_path}/")).unwrap_or(HeaderValue::from_static("/"));
    HttpResponse::PermanentRedirect().insert_header((LOCATION, place)).finish()
}

fn plain(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header((CACHE_CONTROL, "no-store")).body(text)
}

fn json(value: &impl serde::Serialize) -> HttpResponse {
    let body = serde_json::to_string_pretty(value).expect("our own status always serializes") + "\n";
    HttpResponse::Ok().content_type("application/json").insert_header((CACHE_CONTROL, "no-store")).body(body)
}

/// A file of the page: not again for whom has it, and compressed for whom that helps.
fn asset_response(asset: &'static Asset, request: &HttpRequest, state: &State) -> HttpResponse {
    let given = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let had = given(IF_NONE_MATCH).flat_map(|tags| tags.split(',')).any(|tag| tag.trim().trim_start_matches("W/") == asset.etag);
    let mut answer = if had { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // An address with the version never means another text.
    let lasts = request.query_string() == asset.version();
    answer
        .insert_header((CACHE_CONTROL, if lasts { "max-age=31536000, immutable" } else { "no-cache" }))
        .insert_header((ETAG, asset.etag.clone()))
        .insert_header(("Vary", "Accept, Accept-Encoding"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .insert_header(("Content-Security-Policy", policy(&state.manners().allow_origins)));
    if had {
        return answer.finish();
    }
    answer.content_type(asset.content_type);
    let takes_gzip = given(ACCEPT_ENCODING).flat_map(|codings| codings.split(',')).any(|coding| {
        let (name, weight) = weighed(coding);
        name == "gzip" && weight > 0.0
    });
    if takes_gzip {
        return answer.insert_header((CONTENT_ENCODING, "gzip")).body(asset.gzip());
    }
    answer.body(&*asset.body)
}

/// What the page may do: run its own code and ask this server. Who may read across sites may show it in a frame.
fn policy(allow_origins: &[String]) -> String {
    let origins: String = allow_origins.iter().map(|origin| format!(" {origin}")).collect();
    format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'self'{origins}"
    )
}
