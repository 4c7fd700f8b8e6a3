//! What the machine says of processes, and which processor they run on.

pub mod pin;
pub mod usage;
