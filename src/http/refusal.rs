//! Refusals as problem JSON (RFC 9457): the status, and one sentence that says what would be right.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::subscriber;

/// After how many seconds a client that found no room should come back.
pub const RETRY_AFTER_SECONDS: u64 = 30;

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    /// 400: the request can't be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Refusal { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    /// 401: who asks is not known.
    pub fn unauthorized(detail: &str) -> Self {
        Refusal { status: StatusCode::UNAUTHORIZED, detail: detail.into() }
    }

    /// 403: a page of another site asks.
    pub fn foreign() -> Self {
        let detail = "a page of another site may not read here; --allow-origin ORIGIN names those that may";
        Refusal { status: StatusCode::FORBIDDEN, detail: detail.into() }
    }

    /// 421: it was asked for under a name that may be anybody's.
    pub fn misdirected(host: &str) -> Self {
        let detail = format!("{host:?} is no name of this server; --allow-host NAME names others than localhost and addresses");
        Refusal { status: StatusCode::MISDIRECTED_REQUEST, detail }
    }

    /// 413: more was sent than is read.
    pub fn too_large(bytes_max: usize) -> Self {
        Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, detail: format!("at most {bytes_max} bytes are taken here") }
    }

    /// 404: there is nothing of this name.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Refusal { status: StatusCode::NOT_FOUND, detail: detail.into() }
    }

    /// 406: it can't be given in any of the forms that the client accepts.
    pub fn not_acceptable() -> Self {
        let detail = "a stream is text/event-stream, application/x-ndjson or text/plain; accept one of them";
        Refusal { status: StatusCode::NOT_ACCEPTABLE, detail: detail.into() }
    }

    /// What it says.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        problem(&mut HttpResponse::build(self.status), self.status, &self.detail)
    }
}

/// 405, with what would be allowed.
pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    problem(HttpResponse::build(status).insert_header((ALLOW, allowed)), status, &format!("what is answered here is {allowed}"))
}

/// 503: there is no room now.
pub fn busy() -> HttpResponse {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let retry = (RETRY_AFTER, RETRY_AFTER_SECONDS.to_string());
    problem(HttpResponse::build(status).insert_header(retry), status, &subscriber::Refusal::Busy.to_string())
}

/// 429: too many wrong tokens came from there.
pub fn too_often(pause: Duration) -> HttpResponse {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response =
        problem(&mut HttpResponse::build(status), status, "too many wrong tokens came from this address; come back later");
    retry_after(response.headers_mut(), pause);
    response
}

/// Says when to come back.
pub fn retry_after(headers: &mut HeaderMap, pause: Duration) {
    headers.insert(RETRY_AFTER, HeaderValue::from(pause.as_secs() + 1));
}

impl From<subscriber::Refusal> for Refusal {
    fn from(refusal: subscriber::Refusal) -> Self {
        let status = match refusal {
            subscriber::Refusal::UnknownLog { .. } => StatusCode::NOT_FOUND,
            subscriber::Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Refusal { status, detail: refusal.to_string() }
    }
}

fn problem(builder: &mut HttpResponseBuilder, status: StatusCode, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    builder.insert_header((CONTENT_TYPE, "application/problem+json")).body(body.to_string())
}
