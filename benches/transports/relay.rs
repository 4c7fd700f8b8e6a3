//! Between a client and a server: passes bytes on and cuts every connection after some of them, in the middle of whatever
//! comes then.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// A connection gets at least so many bytes from the server, and at most so many more.
const BYTES_MIN: usize = 1000;
const BYTES_MORE: u64 = 6000;

/// A running relay; ended when dropped.
pub struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    cuts: AtomicUsize,
    calm: AtomicBool,
    stopped: AtomicBool,
}

impl Relay {
    /// Starts one before the server at `port`.
    pub fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let accepting = thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, port, &shared)
        });
        Ok(Relay { port: own, shared, accepting: Some(accepting) })
    }

    /// Cuts nothing any more.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    /// How many connections it has cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes it; if that fails there is nothing that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            // A panic in it has been printed already.
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, port: u16, shared: &Shared) {
    thread::scope(|scope| {
        let mut chance = 1_u64;
        for client in listener.incoming().map_while(Result::ok) {
            if shared.stopped.load(Ordering::Relaxed) {
                return;
            }
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let budget = BYTES_MIN + ((chance >> 33) % BYTES_MORE) as usize;
            // A connection that fails is one that is cut.
            scope.spawn(move || pass(client, port, budget, shared));
        }
    });
}

/// Passes a connection's bytes on, both ways, until the server has sent `budget` of them.
fn pass(client: TcpStream, port: u16, budget: usize, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    let (mut requests, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::scope(|scope| {
        scope.spawn(move || {
            // Ends with either side.
            let _ = io::copy(&mut requests, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let passed = pass_answers(&server, &client, budget, shared);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        passed
    })
}

fn pass_answers(mut server: &TcpStream, mut client: &TcpStream, mut budget: usize, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let most = if shared.calm.load(Ordering::Relaxed) { buffer.len() } else { budget.min(buffer.len()) };
        let read = server.read(&mut buffer[..most])?;
        if read == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..read])?;
        budget = budget.saturating_sub(read);
        if budget == 0 && !shared.calm.load(Ordering::Relaxed) {
            shared.cuts.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
    }
}
