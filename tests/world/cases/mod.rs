//! The hard cases of following files, each provoked against the real program; `docs/hard-cases.md` lists them all.

mod alike;
mod copies;
mod faults;
mod hostile;
mod links;
mod mounts;
mod names;
mod replaced;
mod returned;
mod writes;
