//! What a service manager is told, in the protocol of `sd_notify(3)`: that we are ready, how it goes, that we still work.
//! Without a service manager nothing is said.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

use crate::config::Supervision;

/// The service manager that started us, if one did.
pub struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that we still work.
    pub watchdog: Option<Duration>,
}

impl Manager {
    /// Connects to the service manager, if there is one. Where it can't be reached that is said, and we go on alone.
    pub fn new(supervision: &Supervision) -> Self {
        let socket = supervision.notify_socket.as_deref().and_then(|address| {
            let failed = |error| warn!(%error, "the service manager can't be reached at NOTIFY_SOCKET");
            connect(address).map_err(failed).ok()
        });
        Manager { watchdog: supervision.watchdog.filter(|_| socket.is_some()), socket }
    }

    /// Whether anybody listens.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// We serve, and every log was looked at.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// How it goes.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={status}"));
    }

    /// We still work.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// The config is read again; [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the config again", now.as_micros()));
    }

    /// Streams end, then we do.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=ending all streams");
    }

    fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // Whoever does not listen any more needs no answer; the next message tries again.
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// A socket to a path, or to an abstract name that is written with `@` in front.
fn connect(address: &OsStr) -> std::io::Result<UnixDatagram> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
