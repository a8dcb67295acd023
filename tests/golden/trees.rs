//! Random configurations in Icinga's language: what `import` says is what Icinga makes of them, or
//! import says that it is not. `make prove-random` runs thousands.

#[path = "../trees/batch.rs"]
mod batch;
#[path = "../trees/grammar.rs"]
mod grammar;

use crate::against::programs;
use std::path::Path;

/// Configurations for each generation of Icinga.
const TREES: u64 = 40;

#[test]
fn random_configurations_are_imported_without_a_silent_difference() {
    let mut all = batch::Outcome::default();
    for (number, program) in programs().iter().enumerate() {
        let first = number as u64 * TREES;
        let groundlink = Path::new(env!("CARGO_BIN_EXE_groundlink"));
        all.add(batch::run(groundlink, program, first..first + TREES));
    }
    assert!(all.silent.is_empty(), "{:#?}", all.silent);
    // A grammar whose texts Icinga refuses, or import leaves out, would show nothing.
    assert!(all.trees >= 9 * all.refused, "{} of {}", all.refused, all.trees);
    assert!(all.imported * 10 >= all.blocks * 9, "{} of {}: {:?}", all.imported, all.blocks, all.left_out);
    assert!(all.objects > 200, "{}", all.objects);
}
