//! The world that the tests play in: the real program, real sockets, real files.
//!
//! [`World`] is a temporary folder; [`Log`] writes in it as an application would; [`Agent`] is the program;
//! [`client`] speaks HTTP to it byte by byte, and [`Stream`] reads events as the WHATWG text says.

pub mod agent;
pub mod chunked;
pub mod client;
pub mod log;
pub mod sse;
pub mod stream;
pub mod tools;
mod wait;
mod world;

pub use agent::{Agent, is_root};
pub use client::{get, post};
pub use log::Log;
pub use sse::Block;
pub use stream::{Stream, lines_of};
pub use wait::eventually;
pub use world::World;
