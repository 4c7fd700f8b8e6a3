//! Follows log files and serves their lines as Server-Sent Events that resume exactly where a client left off.
//!
//! See ARCHITECTURE.md for how the parts fit together.

pub mod position;
pub mod format;
pub mod record;
pub mod event;
pub mod source;
pub mod subscriber;
pub mod sse;
pub mod ndjson;
pub mod text;
pub mod exposition;
pub mod process;
pub mod page;
pub mod http;
pub mod health;
pub mod config;
pub mod agent;
pub mod demo;
