//! nginx, one worker: what serving bytes costs at least.

use std::path::Path;

use super::{Server, free_port};
use crate::Outcome;
use crate::bench::Bench;
use crate::load::target::Target;

/// The program.
pub const PROGRAM: &str = "nginx";

/// Serves `file` as an event stream, by sendfile.
pub fn serve(bench: &Bench, file: &Path) -> Outcome<Server> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(format!("{} is no file", file.display()));
    };
    let port = free_port()?;
    let location = format!("root {}; sendfile on; default_type text/event-stream;", folder.display());
    start(bench, ["", "", &location], Target::http(port, &format!("/{}", name.to_string_lossy())))
}

/// Starts it with what to say before all else, of HTTP, and of the one server.
pub fn start(bench: &Bench, [head, http, server]: [&str; 3], target: Target) -> Outcome<Server> {
    let folder = bench.folder("nginx")?;
    let at = folder.display();
    let port = target.port;
    let config = format!(
        "{head}\n\
         daemon off; user root; worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n\
         worker_rlimit_nofile 20000;\n\
         events {{ worker_connections 10000; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; {http}\n\
           client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n\
           uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
           server {{ listen 127.0.0.1:{port} backlog=4096; {server} }} }}\n"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut command = bench.on_server_cpu(PROGRAM);
    command.arg("-c").arg(&path).arg("-e").arg(folder.join("error.log"));
    Server::start(command, target)
}
