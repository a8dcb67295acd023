//! Replays the committed corpus of the fuzz targets: every input that a fuzzer found worth keeping, and every one that once
//! showed a fault, without a fuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

#[path = "../../fuzz/oracles/mod.rs"]
mod oracles;

use oracles::Verdict;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::Path;

/// Gives every file of a target's corpus to its oracle. A corpus that is not there, or in which nothing is accepted or nothing
/// refused, tests nothing.
fn replay(target: &str, oracle: fn(&[u8]) -> Verdict) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(&directory).expect("a corpus").map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        match catch_unwind(|| oracle(&bytes)) {
            Ok(verdict) => *verdicts.entry(verdict).or_default() += 1,
            Err(_) => wrong.push(file),
        }
    }
    println!("{target}: {verdicts:?}");
    assert!(wrong.is_empty(), "what is wrong with these is said above: {wrong:#?}");
    for verdict in [Verdict::Accepted, Verdict::Refused] {
        assert!(verdicts.contains_key(&verdict), "no file of {} is {verdict:?}", directory.display());
    }
}

#[test]
fn conditions() {
    replay("expression", oracles::expression);
}

#[test]
fn manifests() {
    replay("decoder", oracles::decoder);
}

#[test]
fn resources() {
    replay("render", oracles::render);
}
