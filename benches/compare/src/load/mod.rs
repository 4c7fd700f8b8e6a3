//! The load: who writes the logs, and who reads what the servers send and checks every line of it.

pub mod client;
pub mod clock;
pub mod decoder;
pub mod histogram;
pub mod line;
pub mod publisher;
pub mod sequence;
pub mod target;
pub mod writer;
