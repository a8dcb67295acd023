//! Replays the committed corpus of the fuzz targets without a fuzzer: every input that reached new code, and every one that once
//! showed a fault. Also checks that the fuzzer's generator and vocabulary cover every field of the CRD.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

#[path = "../../fuzz/oracles/mod.rs"]
mod oracles;
#[path = "../golden/schema.rs"]
mod schema;

use arbitrary::Unstructured;
use oracles::vocabulary::{ADDED, DURATIONS, MEMBERS, STATEMENTS};
use oracles::{Verdict, generator};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;
use std::path::Path;

/// Gives every file of a target's corpus to its oracle. Fails if there is no corpus, or if no input is accepted or none refused:
/// then it tests nothing.
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
    assert!(wrong.is_empty(), "these fail; the reasons are above: {wrong:#?}");
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

#[test]
fn kubeconfigs() {
    replay("kubeconfig", oracles::kubeconfig::kubeconfig);
}

/// The field that no rendered file depends on, so a fuzzer can find nothing with it.
const NOT_MADE: [&str; 1] = ["spec.suspend"];

#[test]
fn the_generator_makes_every_field_of_the_crd() {
    let schema = schema::spec();
    let (mut wanted, mut made) = (BTreeSet::new(), BTreeSet::new());
    schema::fields_of_schema(&schema, "spec", &mut wanted);
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..4_000 {
        let bytes: [u8; 512] = rng.random();
        let resource = generator::resource(&mut Unstructured::new(&bytes)).unwrap();
        schema::fields_of_value(&resource["spec"], &schema, "spec", &mut made);
    }
    let missing: BTreeSet<_> = wanted.difference(&made).map(String::as_str).collect();
    assert_eq!(missing, NOT_MADE.into(), "add what is missing to fuzz/oracles/generator.rs");
}

#[test]
fn the_vocabulary_is_the_crds() {
    let schema = schema::spec();
    let members: BTreeSet<_> = schema::members(&schema).map(|(member, _)| member).collect();
    assert_eq!(members, MEMBERS.map(|(member, _)| member).into());
    let mut fields = BTreeSet::new();
    let mut durations = BTreeSet::new();
    for (member, of_member) in schema::members(&schema) {
        let mut paths = BTreeSet::new();
        schema::fields_of_schema(of_member, "", &mut paths);
        for path in &paths {
            let steps = path.split('.').filter(|step| !step.is_empty());
            let field = steps.fold(of_member, |schema, step| &schema["properties"][step]);
            let name = path.rsplit('.').next().unwrap();
            fields.insert(name.to_owned());
            if field["pattern"].as_str().is_some_and(|pattern| pattern.contains("ms|s|m|h|d")) {
                durations.insert(name.to_owned());
            }
        }
        assert!(!paths.is_empty(), "{member} has no fields");
    }
    assert_eq!(durations, DURATIONS.map(str::to_owned).into());
    for word in [&ADDED[..], &STATEMENTS].concat() {
        assert!(fields.contains(word), "{word:?} is no field of the CRD");
    }
}
