//! Who may read: tokens, sessions of browsers, hosts and origins, the addresses of clients. Knows nothing of what is read.

pub mod failures;
pub mod peer;
mod secret;
pub mod sessions;
pub mod sites;
pub mod tokens;
