//! What must hold of any bytes, one function for each border of sidetail. A function that panics has found a bug.

mod borders;
mod files;
mod wire;

pub use borders::{config, formats, ids, query, splitter};
pub use files::gzip;
pub use wire::sse;
