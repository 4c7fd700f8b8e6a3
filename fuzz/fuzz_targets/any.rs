//! All targets in one program, which is built faster than one for each: `FUZZ_TARGET` names the one that is meant.
#![no_main]

use std::sync::LazyLock;

/// What is called with each input.
type Target = fn(&[u8]);

/// The functions by their names.
const TARGETS: [(&str, Target); 7] = [
    ("ids", sidetail_fuzz::ids),
    ("query", sidetail_fuzz::query),
    ("config", sidetail_fuzz::config),
    ("splitter", sidetail_fuzz::splitter),
    ("formats", sidetail_fuzz::formats),
    ("sse", sidetail_fuzz::sse),
    ("gzip", sidetail_fuzz::gzip),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let named = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    TARGETS.iter().find(|(name, _)| *name == named).expect("FUZZ_TARGET is one of the targets").1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
