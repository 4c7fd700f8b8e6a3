//! Histories at random: what a writer, rotation tools, an operator with `kill -9` and a client on a bad line may do, in any
//! order and without waiting for each other. Checked against a model of what was written: every record once and in order,
//! or inside a gap; no gap where nothing was destroyed; nothing missing that is still in a file.
//!
//! `PROPTEST_CASES` sets how many histories, for a night as for a minute; `SIMULATION_SEED` repeats a run. A failing history
//! is shrunk and printed as its steps.

mod history;
mod model;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::World;
use history::History;

/// How many histories are tried unless `PROPTEST_CASES` says so.
const HISTORIES: u32 = 400;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// The writer appends so many lines.
    Append(usize),
    /// The writer writes half a line, and the rest of it when it writes again.
    Half,
    /// The log is rotated by renaming; the writer goes on in a new file.
    Rotate,
    /// The oldest plain rotated file, if it is not the newest one, is compressed.
    Compress,
    /// A second writer that did not notice the rotation appends so many lines to the file before.
    Late(usize),
    /// The log is copied, so many more lines are written, and it is cut to nothing.
    Copytruncate(usize),
    /// The log is cut to nothing.
    Truncate,
    /// The log is deleted, and begun anew.
    Recreate,
    /// The log's name, a symbolic link, leads to another file from now on.
    Switch,
    /// The agent stands still until something is read.
    Freeze,
    /// The agent is killed, and started again when something is read.
    Kill,
    /// The client reads up to so many records that it must get.
    Read(usize),
    /// The client hangs up and comes back with the last id that it got.
    Reconnect,
}

/// Which steps a history is made of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Nothing is destroyed: there must be no gap.
    Kept,
    /// The log is copied and truncated.
    Copied,
    /// The log is deleted and begun anew.
    Deleted,
    /// The log's name is a symbolic link.
    Linked,
}

fn steps(kind: Kind) -> BoxedStrategy<Vec<Step>> {
    let kept = prop_oneof![
        4 => (1usize..12).prop_map(Step::Append),
        1 => Just(Step::Half),
        1 => Just(Step::Freeze),
        1 => Just(Step::Kill),
        3 => (1usize..20).prop_map(Step::Read),
        2 => Just(Step::Reconnect),
    ];
    let renamed = prop_oneof![
        3 => Just(Step::Rotate),
        1 => Just(Step::Compress),
        2 => (1usize..4).prop_map(Step::Late),
    ];
    let copied = prop_oneof![
        3 => (0usize..3).prop_map(Step::Copytruncate),
        1 => Just(Step::Truncate),
        1 => Just(Step::Compress),
    ];
    let step = match kind {
        Kind::Kept => prop_oneof![2 => kept, 1 => renamed].boxed(),
        Kind::Copied => prop_oneof![3 => kept, 1 => copied].boxed(),
        Kind::Deleted => prop_oneof![5 => kept, 1 => Just(Step::Recreate)].boxed(),
        Kind::Linked => prop_oneof![5 => kept, 1 => Just(Step::Switch)].boxed(),
    };
    proptest::collection::vec(step, 1..40).boxed()
}

fn whatever_happens(kind: Kind) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(HISTORIES);
    let seed: u64 = std::env::var("SIMULATION_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand_seed);
    let config = Config { cases, max_shrink_iters: 500, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let ran = runner.run(&steps(kind), |steps| {
        let world = World::new();
        let mut history = History::new(&world, matches!(kind, Kind::Linked));
        for step in &steps {
            history.take(step);
        }
        history.check().map_err(TestCaseError::fail)
    });
    if let Err(failure) = ran {
        panic!("SIMULATION_SEED={seed}: {failure}");
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[test]
fn whatever_happens_every_record_comes_once_and_in_order() {
    whatever_happens(Kind::Kept);
}

#[test]
fn what_a_truncation_destroys_is_told_and_nothing_else_is_missing() {
    whatever_happens(Kind::Copied);
}

#[test]
fn what_a_deletion_destroys_is_told_and_nothing_else_is_missing() {
    whatever_happens(Kind::Deleted);
}

#[test]
fn wherever_the_link_leads_every_record_comes_once_and_in_order() {
    whatever_happens(Kind::Linked);
}
