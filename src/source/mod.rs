//! Files to records: finds logs, follows them through rotations, and reads them at positions. Does not know that
//! anyone listens.
//!
//! Reading order: a [`pattern`] means logs; [`follow`] looks at them when [`watch`] rings, [`change`] decides,
//! [`append`] reads, `container` knows how Kubernetes names files, `succeed` says how one file follows another, `history` minds rotated files, `links` says how far links may lead, `interest` whether anybody still waits for what is read, the [`catalog`] knows; [`resolve`] finds the place of an id and
//! [`read`] serves readers from the hot [`tail`] or a [`generation`]'s [`content`], packed or not; [`back`] goes the other way.

pub mod append;
pub mod back;
pub mod catalog;
pub mod change;
mod container;
pub mod content;
pub mod counts;
pub mod follow;
mod folder;
mod followed;
pub mod generation;
mod gzip;
mod history;
pub mod identity;
pub mod interest;
pub mod links;
pub mod pattern;
pub mod read;
pub mod resolve;
pub mod rotation;
pub mod shelf;
pub mod siblings;
pub mod split;
pub mod strength;
mod succeed;
pub mod tail;
pub mod unpack;
pub mod watch;
pub mod zstd;
