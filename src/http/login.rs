//! Where a browser gives a token and gets a cookie for it: a form, no script. The cookie says nothing of the token.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE};
use actix_web::web::{Data, Payload, Query, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use tracing::info;

use super::State;
use super::access::sessions::SESSION_TIME;
use super::guard::{Caller, LOGIN, cookie, cookie_name, is_chunked, logged_in};
use super::refusal::{self, Refusal};
use crate::page;

/// The largest form, in bytes.
pub const FORM_BYTES_MAX: usize = 8 * 1024;
/// How long it may take to come in.
const FORM_TIME: Duration = Duration::from_secs(5);
/// What the page of the form may do.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The form, or who is logged in.
pub async fn ask(request: HttpRequest, state: Data<State>, caller: ReqData<Caller>) -> HttpResponse {
    let manners = state.manners();
    let why = if manners.tokens.is_empty() { "No token is asked for here." } else { "" };
    let who = logged_in(&request, &caller.client, &state, &manners).map(|(token, _)| token.name.clone());
    shown(StatusCode::OK, &page::login(why, who.as_deref()))
}

/// Takes the form: the right token gives a cookie and leads to the page.
pub async fn enter(request: HttpRequest, state: Data<State>, caller: ReqData<Caller>, body: Payload) -> HttpResponse {
    let address = caller.client.address;
    if let Some(pause) = state.failures.pause(address) {
        let why = format!("Too many wrong tokens came from your address. Wait {} seconds.", pause.as_secs() + 1);
        let mut refused = shown(StatusCode::TOO_MANY_REQUESTS, &page::login(&why, None));
        refusal::retry_after(refused.headers_mut(), pause);
        return refused;
    }
    if is_chunked(request.headers()) {
        return Refusal::bad_request("a form says by Content-Length how long it is").response();
    }
    let form = match tokio::time::timeout(FORM_TIME, body.to_bytes_limited(FORM_BYTES_MAX)).await {
        Ok(Ok(Ok(form))) => form,
        Ok(_) => return Refusal::too_large(FORM_BYTES_MAX).response(),
        Err(_) => return Refusal::bad_request("the form did not come in within 5 s").response(),
    };
    let fields = Query::<Vec<(String, String)>>::from_query(&String::from_utf8_lossy(&form));
    let given = fields.ok().and_then(|fields| fields.into_inner().into_iter().find(|(name, _)| name == "token"));
    let token = given.and_then(|(_, given)| state.manners().tokens.find(given.trim()).cloned());
    let Some(token) = token else {
        state.note_failure(&caller.client);
        return shown(StatusCode::UNAUTHORIZED, &page::login("This is no token of the token file.", None));
    };
    info!(token = token.name, "a browser logs in");
    let name = cookie_name(&request, &caller.client);
    let cookie = format!(
        "{name}={}; Path={}/; Max-Age={}; HttpOnly; SameSite=Strict{}",
        state.sessions.begin(token.tag),
        state.base_path,
        SESSION_TIME.as_secs(),
        if caller.client.https { "; Secure" } else { "" }
    );
    let query = request.query_string();
    let place = format!("{}/{}{query}", state.base_path, if query.is_empty() { "" } else { "?" });
    leading(&place, &cookie)
}

/// Forgets the cookie.
pub async fn leave(request: HttpRequest, state: Data<State>, caller: ReqData<Caller>) -> HttpResponse {
    let name = cookie_name(&request, &caller.client);
    if let Some(cookie) = cookie(request.headers(), &name) {
        state.sessions.end(cookie);
    }
    let gone = format!("{name}=; Path={}/; Max-Age=0; HttpOnly; SameSite=Strict", state.base_path);
    leading(&format!("{}{LOGIN}", state.base_path), &gone)
}

fn leading(place: &str, cookie: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, place))
        .insert_header((SET_COOKIE, cookie))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

fn shown(status: StatusCode, page: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(page.to_owned())
}
