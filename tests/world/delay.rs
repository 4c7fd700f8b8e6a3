//! A network that is slow: a relay between client and agent that passes on every byte a while later, in pieces, stands still
//! now and then, and hangs up.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Block, Stream, World, get};

/// How long every byte is on its way, in each direction.
const DELAY: Duration = Duration::from_millis(100);
/// The longest that the relay stands still, which it does about once in so many pieces.
const STALL: Duration = Duration::from_millis(600);
const PIECES_TO_A_STALL: u64 = 12;

/// Numbers at random, the same each time.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Passes on what comes, each byte [`DELAY`] after it came and in its order, until one of the ends hangs up.
fn pass(mut from: TcpStream, mut to: TcpStream, mut seed: u64) {
    let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    let end = from.try_clone().expect("a second handle");
    thread::spawn(move || {
        for (due, piece) in pieces {
            let stall = if random(&mut seed).is_multiple_of(PIECES_TO_A_STALL) { STALL } else { Duration::ZERO };
            thread::sleep(
                due.saturating_duration_since(Instant::now()) + stall.mul_f64(random(&mut seed) as f64 / (1_u64 << 31) as f64),
            );
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Both), end.shutdown(Shutdown::Both));
    });
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            if sender.send((Instant::now() + DELAY, piece[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// The address of a relay to `agent`.
fn relay(agent: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (number, client) in (1_u64..).zip(listener.incoming().map_while(Result::ok)) {
            // The agent may have gone at the end of the test.
            let Ok(server) = TcpStream::connect(agent) else { break };
            let [client_too, server_too] = [&client, &server].map(|socket| socket.try_clone().expect("a second handle"));
            pass(client, server, number);
            pass(server_too, client_too, number << 32);
        }
    });
    address
}

#[test]
fn over_a_slow_network_that_stands_still_now_and_then_every_record_comes_once_however_often_it_is_cut() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(1);
    let agent = world.agent(&["app=@/app.log", "--heartbeat", "200ms"]);
    let slow = relay(agent.address());
    let began = Instant::now();
    let mut stream = Stream::open(get("/events?from=start").send(slow));
    assert!(began.elapsed() >= 2 * DELAY, "the relay delays nothing: {:?}", began.elapsed());
    let mut had: Vec<Block> = vec![stream.record()];
    let mut seed = 8;
    for round in 0..12 {
        log.write(300);
        if round % 3 == 0 {
            log.rotate();
        }
        log.write(300);
        let until = had.len() + (random(&mut seed) % 600) as usize;
        while had.len() < until {
            had.push(stream.record());
        }
        // Hung up with much on its way, which nobody will read.
        drop(stream);
        let id = had.last().expect("a record").id();
        stream = Stream::open(get("/events").header("Last-Event-ID", id).send(slow));
        assert_eq!(stream.resumed(), "exact");
    }
    while had.len() < log.written().len() {
        had.push(stream.record());
    }
    let wrong = had.iter().zip(log.written()).position(|(record, line)| record.data != *line);
    assert_eq!(wrong, None, "a record that is lost, doubled or in another place");
    let lines = log.write(1);
    stream.goes_on_with(&lines);
}
