//! Requests on which two servers in a row could disagree where one ends and the next begins: refused with a hang-up, or read
//! in the one way that the standard allows (RFC 9112).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::harness::{Agent, World};

/// The second request, which nobody may get an answer to unless it was sent as one.
const HIDDEN: &str = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Sends bytes, and reads all answers until the agent hangs up or says nothing more.
fn answers(agent: &Agent, bytes: &str) -> String {
    let mut socket = TcpStream::connect(agent.address()).expect("connecting");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    // It may have hung up on a part of them.
    let _ = socket.write_all(bytes.as_bytes());
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let starts = answer.match_indices("HTTP/1.").map(|(at, _)| &answer[at..]);
    starts.filter_map(|head| head.split(' ').nth(1)?.parse().ok()).collect()
}

#[test]
fn requests_whose_end_is_in_doubt_are_refused_and_what_follows_them_is_not_answered() {
    let world = World::new();
    world.log("app.log").write(2);
    let agent = world.agent(&["app=@/app.log"]);
    let get = |headers: &str, body: &str| format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}{HIDDEN}");
    for (what, request) in [
        ("a length and chunks", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        ("chunks and a length", get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
        ("two lengths", get("Content-Length: 0\r\nContent-Length: 5\r\n", "")),
        ("a list of lengths", get("Content-Length: 0, 5\r\n", "")),
        ("a length with a sign", get("Content-Length: +0\r\n", "")),
        ("a length that is none", get("Content-Length: 0x0\r\n", "")),
        ("a negative length", get("Content-Length: -1\r\n", "")),
        ("a length beyond all numbers", get("Content-Length: 99999999999999999999999\r\n", "")),
        ("a space before the colon", get("Content-Length : 0\r\n", "")),
        ("a space before the name", "GET /healthz HTTP/1.1\r\n Host: localhost\r\n\r\n".to_owned() + HIDDEN),
        ("a folded line", get("X: a\r\n Content-Length: 5\r\n", "")),
        ("a coding nobody knows", get("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        ("chunked not last", get("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")),
        ("chunked twice", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (
            "chunked in HTTP/1.0",
            format!("GET /healthz HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
        ),
        ("a chunk size that is none", get("Transfer-Encoding: chunked\r\n", "0x0\r\n\r\n")),
        ("a chunk size with a sign", get("Transfer-Encoding: chunked\r\n", "+0\r\n\r\n")),
        ("a chunk size beyond all numbers", get("Transfer-Encoding: chunked\r\n", "fffffffffffffffff0\r\n\r\n")),
        ("a NUL in a header", get("X: a\0b\r\n", "")),
        ("a CR alone in a header", get("X: a\rContent-Length: 5\r\n", "")),
        ("two hosts", get("Host: 127.0.0.1\r\n", "")),
        ("no host", format!("GET /healthz HTTP/1.1\r\n\r\n{HIDDEN}")),
        ("a version nobody knows", format!("GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n{HIDDEN}")),
        ("a space too many in the first line", format!("GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{HIDDEN}")),
        ("a method that is none", format!("G@T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{HIDDEN}")),
    ] {
        let said = statuses(&answers(&agent, &request));
        // Where only the body is wrong it may have been answered before that was read.
        let is_refused = said == [400] || said.is_empty() || what.starts_with("a chunk size") && said == [200];
        assert!(is_refused, "{what}: {said:?}");
    }
}

#[test]
fn what_stands_in_a_body_is_no_request() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let length = HIDDEN.len();
    let whole = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{HIDDEN}");
    let chunk = |extension: &str| {
        let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{length:x}{extension}\r\n{HIDDEN}\r\n0\r\n\r\n")
    };
    for request in [whole, chunk(""), chunk(";name=value"), chunk(";name=\"\\n\"")] {
        let answer = answers(&agent, &request);
        assert!(statuses(&answer).len() <= 1 && !answer.contains("\"sidetail\""), "{request:?}: {answer}");
        // The next one on the same connection is one: it is answered once, or the connection was closed.
        let answer = answers(&agent, &format!("{request}{HIDDEN}"));
        assert!(answer.matches("\"sidetail\"").count() <= 1 && statuses(&answer).len() <= 2, "{request:?}: {answer}");
    }
}

#[test]
fn a_body_that_never_ends_holds_no_connection() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    for request in ["GET /livez", "GET /logs", "DELETE /events", "GET /tail?follow=false", "POST /login", "GET /nothing"] {
        let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
        let mut socket = TcpStream::connect(agent.address()).expect("connecting");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        socket.write_all(head.as_bytes()).expect("writing");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{request}: no hang-up: {error}"));
        assert_eq!(statuses(&answer).len(), 1, "{request}: {answer}");
    }
}

#[test]
fn requests_in_a_row_are_answered_in_order_and_lines_that_end_with_lf_alone_as_one_or_not_at_all() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let answer = answers(
        &agent,
        &format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{HIDDEN}GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    );
    assert_eq!(statuses(&answer), [200, 200, 404]);
    let bare = answers(&agent, "GET /healthz HTTP/1.1\nHost: localhost\nX: a\n\n");
    assert!(matches!(statuses(&bare)[..], [] | [400] | [200]), "{bare}");
}
