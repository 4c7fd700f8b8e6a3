//! nginx with nchan, a message a line. It follows no file, so the writer posts each line to it; what posting costs the
//! writer is not counted.

use super::{Server, free_port, nginx};
use crate::Outcome;
use crate::bench::Bench;
use crate::load::target::Target;

/// The module, where Debian puts it.
pub const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Keeps up to `messages` for those who are behind.
pub fn start(bench: &Bench, messages: u64) -> Outcome<Server> {
    let head = format!("load_module {MODULE};");
    let server = format!(
        "location = /publish {{ nchan_publisher; nchan_channel_id log;\n\
           nchan_message_buffer_length {messages}; nchan_message_timeout 10m; }}\n\
         location = /events {{ nchan_subscriber eventsource; nchan_channel_id log;\n\
           nchan_subscriber_first_message newest; }}"
    );
    let target = Target::http(free_port()?, "/events");
    Ok(nginx::start(bench, [&head, "nchan_shared_memory_size 1G;", &server], target)?.told_at("/publish"))
}
