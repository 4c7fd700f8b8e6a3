//! Where requests come in: a socket that is bound here, or those that a service manager hands over.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tracing::info;

use crate::config::values::Listen;
use crate::config::{Config, unguarded};
use crate::http::Listener;

/// The sockets that are listened on.
pub struct Bound {
    /// The sockets; at least one.
    pub listeners: Vec<Listener>,
    /// Where the first is, as a client would write it.
    pub address: String,
    /// The first address at which other machines may reach it, if there is any.
    pub exposed: Option<String>,
    /// The file of a Unix socket that was made here, and goes when the program ends.
    pub made: Option<PathBuf>,
}

/// The sockets that were handed over, or else one bound where the config says.
///
/// # Errors
/// A sentence that names the address.
pub fn bind(config: &Config, handed_over: Vec<Listener>) -> io::Result<Bound> {
    if handed_over.is_empty() {
        let explain = |error: io::Error| io::Error::new(error.kind(), format!("can't listen on {}: {error}", config.listen));
        return match &config.listen {
            Listen::Tcp(address) => bound(config, vec![Listener::Tcp(TcpListener::bind(address).map_err(explain)?)], None),
            Listen::Unix(path) => bound(config, vec![Listener::Unix(bind_unix(path).map_err(explain)?)], Some(path.clone())),
        };
    }
    let bound = bound(config, handed_over, None)?;
    info!(sockets = bound.listeners.len(), address = bound.address, "listening on what the service manager hands over");
    Ok(bound)
}

fn bound(config: &Config, listeners: Vec<Listener>, made: Option<PathBuf>) -> io::Result<Bound> {
    let mut exposed = None;
    for listener in &listeners {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                exposed = exposed.or_else(|| (!address.ip().is_loopback()).then(|| address.to_string()));
            }
            Listener::Unix(listener) => listener.set_nonblocking(true)?,
        }
    }
    if let Some(address) = exposed.as_ref().filter(|_| config.lets_anybody_in()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, unguarded(address)));
    }
    let address = match &listeners[0] {
        Listener::Tcp(listener) => {
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}{}/", listener.local_addr()?, config.base_path)
        }
        Listener::Unix(listener) => {
            let address = listener.local_addr()?;
            format!("unix:{}", address.as_pathname().unwrap_or(Path::new("")).display())
        }
    };
    Ok(Bound { listeners, address, exposed, made })
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt;
    // A socket that an earlier run left behind and nobody serves; nothing else is touched.
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}
