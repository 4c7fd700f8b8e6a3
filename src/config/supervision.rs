//! What a service manager says in the environment: where to tell it how it goes, and the sockets that it hands over.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use listenfd::ListenFd;

use crate::http::Listener;

/// The most sockets that are taken over.
pub const SOCKETS_MAX: usize = 16;

/// Who looks after us.
#[derive(Debug, Default)]
pub struct Supervision {
    /// `NOTIFY_SOCKET`: where to tell how it goes.
    pub notify_socket: Option<OsString>,
    /// `WATCHDOG_USEC`: how often it wants to hear that we still work.
    pub watchdog: Option<Duration>,
}

/// What the environment says of a service manager.
pub fn supervision() -> Supervision {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let watchdog = number("WATCHDOG_USEC").filter(|&time| is_ours && time > 0).map(Duration::from_micros);
    Supervision { notify_socket: env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()), watchdog }
}

/// The sockets that a service manager hands over (`LISTEN_FDS`), none where there are none for this process.
///
/// # Errors
/// A sentence, where one of them is no socket to serve on.
pub fn handed_over() -> Result<Vec<Listener>, String> {
    let mut handed_over = ListenFd::from_env();
    if handed_over.len() > SOCKETS_MAX {
        return Err(format!("LISTEN_FDS: {} sockets are handed over; at most {SOCKETS_MAX} are taken", handed_over.len()));
    }
    let mut listeners = Vec::new();
    for index in 0..handed_over.len() {
        let tcp = handed_over.take_tcp_listener(index).ok().flatten().map(Listener::Tcp);
        let listener = tcp.or_else(|| handed_over.take_unix_listener(index).ok().flatten().map(Listener::Unix));
        let wrong = || format!("LISTEN_FDS: socket {index} is no stream socket of TCP or Unix that listens");
        listeners.push(listener.ok_or_else(wrong)?);
    }
    Ok(listeners)
}
