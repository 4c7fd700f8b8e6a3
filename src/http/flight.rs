//! How much one connection of HTTP/2 may ask at a time, and how large a head there may be: what HTTP/1 bounds by itself.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, Version};
use bytes::Bytes;

use super::access::peer::{Connection, Open};

/// How many requests of one connection are under way at a time.
pub const REQUESTS_MAX: usize = 256;
/// The largest head of a request, in bytes; what `actix-http` has for HTTP/1.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// The most lines in one; the same.
pub const HEAD_LINES_MAX: usize = 96;

/// Takes a place among the requests of a connection of HTTP/2, until its answer was sent.
///
/// # Errors
/// The status of an answer. Without a body it waits for no client that does not read.
pub fn board(request: &ServiceRequest) -> Result<Option<Open>, StatusCode> {
    if request.version() != Version::HTTP_2 {
        return Ok(None);
    }
    let lines = request.headers().len();
    let bytes = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if lines > HEAD_LINES_MAX || bytes + target > HEAD_BYTES_MAX {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let Some(under_way) = Connection::of(request).map(|connection| &connection.requests) else { return Ok(None) };
    let place = Open::one(under_way);
    if place.count() > REQUESTS_MAX { Err(StatusCode::SERVICE_UNAVAILABLE) } else { Ok(Some(place)) }
}

/// The answer to a request that has this place.
pub fn seated(response: ServiceResponse, place: Option<Open>) -> ServiceResponse {
    match place {
        Some(place) => response.map_body(|_, body| BoxBody::new(Seated { body, _place: place })),
        None => response,
    }
}

/// A body that gives its place back when it is dropped.
struct Seated {
    body: BoxBody,
    _place: Open,
}

impl MessageBody for Seated {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}
