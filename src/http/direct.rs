//! Streams over plain HTTP/1, written to the socket by ourselves. `actix_http` keeps two buffers of 8 KiB for a connection as
//! long as it lasts, and copies whatever is sent into one of them: an idle stream needs no buffer, and what a busy one sends
//! lies in memory already. Requests are read, judged and answered by `actix_web` as everywhere; but a stream behind which
//! nothing comes on its connection takes that along, from its first byte on. Never decides what is sent.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_LENGTH, EXPECT, HttpDate, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::WRITE_BYTES;
use super::access::peer::Connection;

/// Says of a response that it is the last of its connection.
pub struct Last;

/// How often a client that says something is read from before it is others' turn.
const READS_MAX: usize = 16;
/// How many pieces of memory go to the socket at once, at most.
const SLICES_MAX: usize = 64;
/// Up to which size a piece is copied rather than sent as three.
const SMALL_BYTES: usize = 1024;
/// What stands behind each chunk (RFC 9112, 7.1).
const CHUNK_END: Bytes = Bytes::from_static(b"\r\n");
/// The chunk that ends a body.
const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// A socket as the reader of requests has it. Gives it back when it is dropped.
pub struct Line<T> {
    /// There until then.
    socket: Option<T>,
    back: Rc<Cell<Option<T>>>,
    connection: Rc<Connection>,
    exit: Rc<Exit>,
}

/// Where an answer waits that takes its connection along.
#[derive(Default)]
struct Exit {
    answer: RefCell<Option<Answer>>,
    /// Whether the socket would not take all that was sent before.
    is_full: Cell<bool>,
}

/// What is sent over a connection until it ends.
struct Answer {
    head: Bytes,
    is_chunked: bool,
    body: BoxBody,
}

/// The way back out of a [`Line`].
pub struct Back<T> {
    socket: Rc<Cell<Option<T>>>,
    connection: Rc<Connection>,
    exit: Rc<Exit>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Back<T> {
    /// Serves a connection: `reading` its requests, from its line, and when a stream comes of one of them that is the last answer,
    /// nobody but that: what reads, boxed by itself, is gone then.
    ///
    /// # Errors
    /// What `reading` ends with.
    pub async fn serve<E>(self, mut reading: Pin<Box<impl Future<Output = Result<(), E>>>>) -> Result<(), E> {
        let Back { socket, connection: _open, exit } = self;
        let read = poll_fn(|context| match reading.as_mut().poll(context) {
            Poll::Pending if !exit.is_full.get() => exit.answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
        });
        let answer = match read.await {
            Ok(answer) => answer,
            Err(ended) => return ended,
        };
        drop((reading, exit));
        if let Some(socket) = socket.take() {
            let mut sending = Sending::new(socket, answer);
            // A client that is gone has said so itself.
            let _ = poll_fn(|context| sending.poll(context)).await;
        }
        Ok(())
    }
}

/// Lets the last answer of a connection take it along, where that is one that [`Back::serve`] serves and nothing but the request came.
pub async fn take_along(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse, Error> {
    let answer = next.call(request).await?.map_into_boxed_body();
    let is_last = answer.response().extensions().contains::<Last>();
    let is_bare = [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT].iter().all(|name| !answer.request().headers().contains_key(name));
    let exit = answer.request().conn_data::<Rc<Exit>>().filter(|_| is_last && is_bare).cloned();
    let Some(exit) = exit else { return Ok(answer) };
    let is_chunked = answer.request().version() >= Version::HTTP_11;
    let head = head(answer.response(), is_chunked);
    exit.answer.replace(Some(Answer { head, is_chunked, body: answer.into_body() }));
    // Whoever polls this finds it there, and drops this.
    pending().await
}

/// The head of an answer as it is sent (RFC 9112, 4 and 5).
fn head<B>(response: &HttpResponse<B>, is_chunked: bool) -> Bytes {
    let version = if is_chunked { "1.1" } else { "1.0" };
    let mut head = format!("HTTP/{version} {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let coding = if is_chunked { "transfer-encoding: chunked\r\n" } else { "" };
    let date = HttpDate::from(SystemTime::now());
    head.extend_from_slice(format!("connection: close\r\n{coding}date: {date}\r\n\r\n").as_bytes());
    head.into()
}

/// An answer on its way.
struct Sending<T> {
    socket: T,
    /// Sent together with what there is of the body then.
    head: Option<Bytes>,
    body: BoxBody,
    is_chunked: bool,
    /// Whether the body has ended.
    is_whole: bool,
    /// What is to be sent next.
    pieces: VecDeque<Bytes>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sending<T> {
    fn new(socket: T, answer: Answer) -> Self {
        let Answer { head, is_chunked, body } = answer;
        Sending { socket, head: Some(head), body, is_chunked, is_whole: false, pieces: VecDeque::new() }
    }

    /// Sends until the body has ended, or the client has. A body that waits is not asked again before it wakes: it may do so to
    /// let others have their turn.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_gone(context)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut waits = false;
        loop {
            if self.pieces.is_empty() && !self.is_whole && !waits {
                waits = self.fetch(context)?;
            }
            match (self.pieces.is_empty(), self.is_whole) {
                (true, true) => return Pin::new(&mut self.socket).poll_shutdown(context),
                (true, false) => return Poll::Pending,
                (false, _) => ready!(self.poll_send(context))?,
            }
        }
    }

    /// Whether the client has closed its side. Whatever else it says is passed over: it was told that nothing is answered
    /// any more on this connection.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_MAX {
            let mut space = [0; 512];
            let mut said = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut said))?;
            if said.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes from the body what there is, up to what is written at once; whether it waits for more.
    fn fetch(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut bytes = 0;
        self.pieces.extend(self.head.take());
        while bytes < WRITE_BYTES {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Pending => return Ok(true),
                Poll::Ready(None) => {
                    self.is_whole = true;
                    self.pieces.extend(self.is_chunked.then_some(LAST_CHUNK));
                    break;
                }
                Poll::Ready(Some(Err(error))) => return Err(io::Error::other(error.to_string())),
                Poll::Ready(Some(Ok(piece))) => {
                    bytes += piece.len();
                    self.add(piece);
                }
            }
        }
        Ok(false)
    }

    fn add(&mut self, piece: Bytes) {
        if !self.is_chunked {
            return self.pieces.push_back(piece);
        }
        let size = format!("{:x}\r\n", piece.len());
        if piece.len() <= SMALL_BYTES {
            self.pieces.push_back([size.as_bytes(), &piece, &CHUNK_END].concat().into());
        } else {
            self.pieces.extend([size.into(), piece, CHUNK_END]);
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = self.pieces.len().min(SLICES_MAX);
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        let socket = Pin::new(&mut self.socket);
        let mut sent = ready!(match &slices[..count] {
            [only] => socket.poll_write(context, only),
            slices => socket.poll_write_vectored(context, slices),
        })?;
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        while let Some(piece) = self.pieces.front_mut() {
            if piece.len() > sent {
                piece.advance(sent);
                break;
            }
            sent -= piece.len();
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> Line<T> {
    /// One on a socket, and the way back.
    pub fn new(socket: T, connection: Rc<Connection>) -> (Self, Back<T>) {
        let back = Back { socket: Rc::default(), connection: connection.clone(), exit: Rc::default() };
        (Line { socket: Some(socket), back: back.socket.clone(), connection, exit: back.exit.clone() }, back)
    }

    /// Tells requests of this connection what is known of it.
    pub fn introduce(&self, data: &mut Extensions) {
        data.insert(self.connection.clone());
        data.insert(self.exit.clone());
    }
}

impl<T> Drop for Line<T> {
    fn drop(&mut self) {
        self.back.set(self.socket.take());
    }
}

impl<T: Unpin> Line<T> {
    fn socket(self: Pin<&mut Self>) -> Pin<&mut T> {
        Pin::new(self.get_mut().socket.as_mut().expect("it is there until this is dropped"))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Line<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Line<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.as_mut().socket().poll_write(context, bytes);
        self.exit.is_full.set(written.is_pending());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::task::Waker;

    use actix_web::body::BodySize;
    use actix_web::rt::System;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::http::access::peer::Open;

    #[test]
    fn what_was_answered_before_is_sent_to_its_end_before_a_stream_takes_the_connection() {
        let connection = Connection {
            address: None,
            tls: false,
            certified: false,
            seat: None,
            requests: Arc::default(),
            open: Open::one(&Arc::default()),
        };
        let (socket, mut client) = duplex(16);
        let (mut line, back) = Line::new(socket, Rc::new(connection));
        let exit = line.exit.clone();
        let before = vec![b'.'; 1000];
        let reading = Box::pin(async move {
            // Asked for both, one after the other, before anything was read.
            let body = BoxBody::new(Bytes::from_static(b"stream"));
            exit.answer.replace(Some(Answer { head: Bytes::from_static(b"head "), is_chunked: false, body }));
            line.write_all(&before).await?;
            pending().await
        });
        let sent = System::new().block_on(async {
            let mut sent = String::new();
            let (served, read) = tokio::join!(back.serve::<io::Error>(reading), client.read_to_string(&mut sent));
            served.unwrap();
            read.unwrap();
            sent
        });
        assert_eq!(sent.trim_start_matches('.'), "head stream");
        assert_eq!(sent.len(), 1000 + "head stream".len());
    }

    /// Gives a piece, lets others have their turn, and so on.
    struct Turns(bool);

    impl MessageBody for Turns {
        type Error = Infallible;

        fn size(&self) -> BodySize {
            BodySize::Stream
        }

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
            self.0 = !self.0;
            if self.0 {
                return Poll::Ready(Some(Ok(Bytes::from_static(b"piece"))));
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }

    #[test]
    fn a_body_that_lets_others_have_their_turn_is_not_asked_again_in_the_same() {
        let (socket, client) = duplex(1 << 20);
        let answer = Answer { head: Bytes::from_static(b"head "), is_chunked: false, body: BoxBody::new(Turns(false)) };
        let (mut sending, mut client) = (Sending::new(socket, answer), Box::pin(client));
        let context = &mut Context::from_waker(Waker::noop());
        for expected in [&b"head piece"[..], b"piece", b"piece"] {
            assert!(sending.poll(context).is_pending());
            let mut space = [0; 99];
            let mut sent = ReadBuf::new(&mut space);
            assert!(client.as_mut().poll_read(context, &mut sent).is_ready());
            assert_eq!(sent.filled(), expected);
        }
    }
}
