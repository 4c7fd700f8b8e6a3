//! nginx as a reverse proxy, with nothing set that a proxy does not need.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cores::{self, SERVER_CORE};

/// All but the `location` is where its files are: `@` is a folder of its own.
const CONFIG: &str = "
daemon off; worker_processes 1; pid @/nginx.pid; error_log @/error.txt; USER
events { }
http {
    access_log off;
    client_body_temp_path @/tmp; proxy_temp_path @/tmp; fastcgi_temp_path @/tmp; uwsgi_temp_path @/tmp; scgi_temp_path @/tmp;
    server {
        listen 127.0.0.1:OWN;
        location / { proxy_pass http://127.0.0.1:THEIRS; MORE }
    }
}
";

/// What a WebSocket needs beyond `proxy_pass`.
pub const UPGRADE: &str =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";
/// Makes of a server that says `X-Accel-Buffering: no` one that does not.
pub const BUFFERING: &str = "proxy_ignore_headers X-Accel-Buffering;";

/// A running nginx; ended when dropped.
pub struct Nginx {
    child: Child,
    pub port: u16,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one before the server at `port`; `more` stands in its `location`.
    pub fn start(port: u16, more: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let own = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let config = CONFIG
            .replace("USER", user)
            .replace("OWN", &own.to_string())
            .replace("THEIRS", &port.to_string())
            .replace("MORE", more)
            .replace('@', &folder.path().to_string_lossy());
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, config)?;
        let mut command = cores::command(SERVER_CORE, program());
        command.arg("-p").arg(folder.path()).arg("-c").arg(path).arg("-e").arg(folder.path().join("error.txt"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut nginx = Nginx { child, port: own, _folder: folder };
        nginx.wait_for_start()?;
        Ok(nginx)
    }

    fn wait_for_start(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("nginx did not start ({status}); apt-get install nginx-light?")));
            }
            if began.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other("nginx does not listen"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Not killed: its worker would stay.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// It may stand where only root has its path.
fn program() -> &'static Path {
    let admin = Path::new("/usr/sbin/nginx");
    if admin.exists() { admin } else { Path::new("nginx") }
}
