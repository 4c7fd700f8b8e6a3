//! What every request passes before a route sees it: the host and the site that it comes from, who asks, and what that
//! reader may know of.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    AUTHORIZATION, CONTENT_SECURITY_POLICY, COOKIE, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, TRANSFER_ENCODING, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};

use super::access::peer::{Client, Connection, Seat};
use super::access::sessions::Login;
use super::access::sites::{allowed_origin, asked_host, is_foreign, strange_host};
use super::access::tokens::Token;
use super::flight::{board, seated as in_its_place};
use super::refusal::{self, Refusal};
use super::{Manners, Standing, State};
use crate::page;
use crate::subscriber::grant::Grant;

/// Paths that orchestrators ask without a token, under any name; they tell nothing of any log.
const PROBES: [&str; 3] = ["/healthz", "/livez", "/readyz"];
/// Where one logs in and out.
pub const LOGIN: &str = "/login";
/// Where one logs out.
pub const LOGOUT: &str = "/logout";

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The other end, or whom a trusted proxy speaks for.
    pub client: Client,
    /// The logs that it may know of.
    pub grant: Arc<Grant>,
    /// The token by which it was let in, if it was one.
    pub token: Option<Arc<Token>>,
    /// The session of its browser, if a cookie stood for that.
    pub login: Option<Login>,
    /// Whether there are as many from its address as may be.
    pub is_crowd: bool,
    /// Its place among those of its address, if a proxy speaks for it; given back with it.
    #[expect(dead_code, reason = "it is only held")]
    seat: Option<Arc<Seat>>,
}

impl Caller {
    /// Whether its streams have to end: all do, or it would not be let in any more.
    pub(super) fn is_over(&self, standing: &Standing) -> bool {
        let is_out = self.login.as_ref().is_some_and(Login::is_over);
        standing.is_stopping || is_out || self.token.as_ref().is_some_and(|token| !standing.tokens.still_has(token))
    }
}

/// Lets a request through from whom may ask, tells the route who that is, and answers named origins.
pub async fn guard(mut request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse, Error> {
    let state = request.app_data::<Data<State>>().cloned().expect("every app has its state");
    let manners = state.manners();
    let origin = allowed_origin(request.headers(), &manners.allow_origins).map(HeaderValue::from_str);
    let is_probe = PROBES.contains(&path(&request, &state));
    let unread = is_chunked(request.headers()).then(|| request.take_payload());
    let mut response = match board(&request) {
        Err(status) => request.into_response(HttpResponse::new(status)),
        Ok(place) => in_its_place(
            match admit(&request, &state, &manners) {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    next.call(request).await?.map_into_boxed_body()
                }
                Err(refused) => request.into_response(*refused),
            },
            place,
        ),
    };
    if !is_probe {
        state.counts.note_status(response.status());
    }
    let headers = response.headers_mut();
    secure(headers, origin.is_some());
    if let Some(Ok(origin)) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Last-Event-ID, Cache-Control, Authorization"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Sidetail-Cursor"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    Ok(match unread {
        Some(unread) => response.map_body(|_, body| BoxBody::new(Beside { body, _unread: unread })),
        None => response,
    })
}

/// Whether a request has a body whose length is not said before it. Nobody needs that here.
pub fn is_chunked(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
}

/// A body of an answer beside that of its request, which is not read. As long as that is kept the server closes the connection
/// behind the answer; without it, it would wait for its end for as long as the client likes.
struct Beside {
    body: BoxBody,
    _unread: Payload,
}

impl MessageBody for Beside {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut().body.as_pin_mut().poll_next(context)
    }
}

/// What browsers are to keep to, on every answer.
fn secure(headers: &mut HeaderMap, is_shared: bool) {
    let mut say = |name: HeaderName, value| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    say(X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(REFERRER_POLICY, "no-referrer");
    say(CROSS_ORIGIN_RESOURCE_POLICY, if is_shared { "cross-origin" } else { "same-origin" });
    say(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
}

/// The path below the base path.
fn path<'a>(request: &'a ServiceRequest, state: &State) -> &'a str {
    request.path().strip_prefix(&state.base_path).unwrap_or(request.path())
}

fn admit(request: &ServiceRequest, state: &State, manners: &Manners) -> Result<Caller, Box<HttpResponse>> {
    let client = Client::of(request, &manners.trusted_proxies);
    let path = path(request, state);
    let anybody = Caller { client, grant: Arc::default(), token: None, login: None, is_crowd: false, seat: None };
    if PROBES.contains(&path) {
        return Ok(anybody);
    }
    // With a token asked for, a page that DNS brought here has none to send. On a Unix socket there is no DNS.
    let on_tcp = Connection::of(request).is_some_and(|connection| connection.address.is_some());
    if on_tcp
        && !manners.asks_who()
        && let Some(host) = strange_host(request, &anybody.client, &manners.allow_hosts)
    {
        return Err(Box::new(Refusal::misdirected(host).response()));
    }
    if is_foreign(request, &anybody.client, &manners.allow_origins) {
        return Err(Box::new(Refusal::foreign().response()));
    }
    let anybody = seated(request, anybody, state, manners);
    if anybody.is_crowd && !["/events", "/tail"].contains(&path) {
        return Err(Box::new(closing(refusal::busy())));
    }
    let is_open = [LOGIN, LOGOUT].contains(&path) || page::ASSETS.iter().any(|asset| path.strip_prefix('/') == Some(asset.path));
    if request.method() == Method::OPTIONS || is_open || !manners.asks_who() {
        return Ok(anybody);
    }
    recognized(request, anybody, state, manners).map_err(|why| {
        Box::new(match why {
            // Whoever comes with a browser is asked for a token there.
            Unknown::Silent if path == "/" && wants_html(request.headers()) => to_login(request, state),
            Unknown::Silent => {
                unauthorized("send a token of the token file: Authorization: Bearer TOKEN; a browser logs in at login")
            }
            Unknown::Wrong => unauthorized("this is no token of the token file"),
            Unknown::TooOften(pause) => refusal::too_often(pause),
        })
    })
}

/// With its place among those of its address, if there is one.
fn seated(request: &ServiceRequest, caller: Caller, state: &State, manners: &Manners) -> Caller {
    let connection = Connection::of(request);
    if !caller.client.proxied {
        return Caller { is_crowd: connection.is_some_and(|connection| connection.seat.is_none()), ..caller };
    }
    let seat = state.crowd.enter(caller.client.address, manners.connections_per_address_max).map(Arc::new);
    Caller { is_crowd: seat.is_none(), seat, ..caller }
}

/// Why it is not known who asks.
enum Unknown {
    /// It does not say.
    Silent,
    /// It says something wrong.
    Wrong,
    /// It has said too much that was wrong: wait so long.
    TooOften(Duration),
}

fn recognized(request: &ServiceRequest, caller: Caller, state: &State, manners: &Manners) -> Result<Caller, Unknown> {
    let let_in = |caller: Caller, token: &Arc<Token>, login| Caller {
        grant: Arc::new(token.grant.clone()),
        token: Some(token.clone()),
        login,
        ..caller
    };
    if manners.asks_certificate && Connection::of(request).is_some_and(|connection| connection.certified) {
        return Ok(caller);
    }
    if let Some(given) = request.headers().get(AUTHORIZATION) {
        if let Some(pause) = state.failures.pause(caller.client.address) {
            return Err(Unknown::TooOften(pause));
        }
        let token = given.to_str().ok().and_then(bearer).and_then(|given| manners.tokens.find(given));
        return token.map(|token| let_in(caller.clone(), token, None)).ok_or_else(|| {
            state.note_failure(&caller.client);
            Unknown::Wrong
        });
    }
    // A cookie can't be guessed and was no token: a wrong one is only old.
    match logged_in(request.request(), &caller.client, state, manners) {
        Some((token, login)) => Ok(let_in(caller, &token, Some(login))),
        None => Err(Unknown::Silent),
    }
}

/// Whether a client would rather have a page than text.
pub fn wants_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

fn to_login(request: &ServiceRequest, state: &State) -> HttpResponse {
    let query = request.query_string();
    let place = format!("{}{LOGIN}{}{query}", state.base_path, if query.is_empty() { "" } else { "?" });
    HttpResponse::SeeOther().insert_header((LOCATION, place)).insert_header(("Cache-Control", "no-store")).finish()
}

fn unauthorized(why: &str) -> HttpResponse {
    let mut refused = Refusal::unauthorized(why).response();
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sidetail\""));
    refused
}

fn closing(mut response: HttpResponse) -> HttpResponse {
    response.head_mut().set_connection_type(ConnectionType::Close);
    response
}

/// The token of an `Authorization` header; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Who is logged in, by the cookie, with a token that is still good.
pub fn logged_in(request: &HttpRequest, client: &Client, state: &State, manners: &Manners) -> Option<(Arc<Token>, Login)> {
    let login = state.sessions.login(cookie(request.headers(), &cookie_name(request, client))?)?;
    Some((manners.tokens.of_tag(&login.token)?.clone(), login))
}

/// What the cookie is called: browsers keep the same cookies for all ports of a host.
pub fn cookie_name(request: &HttpRequest, client: &Client) -> String {
    let host = asked_host(request, client).unwrap_or("");
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    port.map_or_else(|| "sidetail".into(), |port| format!("sidetail-{port}"))
}

/// The cookie of this name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(found, _)| *found == name).map(|(_, value)| value)
}
