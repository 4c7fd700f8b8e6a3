//! What every request passes before a route sees it: the token, and the origins that may read across sites.

use std::hint::black_box;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, HeaderValue, ORIGIN,
    VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};

use super::State;
use super::refusal::Refusal;

/// Paths that orchestrators ask without a token; they tell nothing of any log.
const OPEN_PATHS: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// Lets a request through if it brings a token, where tokens are asked for, and answers named origins.
pub async fn guard(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse, Error> {
    let state = request.app_data::<Data<State>>().cloned().expect("every app has its state");
    let manners = state.manners();
    let origin = request.headers().get(ORIGIN).cloned();
    let path = request.path().strip_prefix(&state.base_path).unwrap_or(request.path());
    let open = OPEN_PATHS.contains(&path) || request.method() == Method::OPTIONS;
    let mut response = if open || is_authorized(&request, &manners.tokens) {
        next.call(request).await?.map_into_boxed_body()
    } else {
        let mut refused: HttpResponse = Refusal::unauthorized().response();
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sidetail\""));
        request.into_response(refused)
    };
    if !open {
        state.counts.note_status(response.status());
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(origin) =
        origin.filter(|origin| manners.allow_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()))
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Last-Event-ID, Cache-Control, Authorization"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Sidetail-Cursor"));
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    Ok(response)
}

fn is_authorized(request: &ServiceRequest, tokens: &[String]) -> bool {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
    // All are compared, each to its end: how long it takes tells nothing.
    tokens.is_empty() || given.is_some_and(|given| tokens.iter().fold(false, |found, token| found | same(given, token)))
}

/// The token of an `Authorization` header; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether two texts are equal, in time that depends on their lengths only.
fn same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |differing, (one, other)| black_box(differing | (one ^ other)));
    one.len() == other.len() && differing == 0
}
