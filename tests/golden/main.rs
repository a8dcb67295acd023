//! What is declared is what Icinga gets: rendered bytes against files, and what a real Icinga 2
//! understood against what was declared.
//!
//! A case is a directory of `cases/`: `input.yaml`; `expected.conf`, which `UPDATE_GOLDEN=1`
//! writes; `refusals.txt`, the lines on standard error; `applied.txt`, what the apply rules make
//! (`Type host!name`); `extra.conf`, objects that Icinga has from elsewhere; `by-hand.conf`, the
//! same objects as a person would write them; `icinga-version`, the oldest that loads it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

mod against;
mod assigned;
mod case;
mod cli;
mod closure;
mod declared;
mod docs;
mod evaluated;
mod example;
mod fields;
mod hostile;
mod icinga;
mod pages;
mod proved;
mod random;
mod schema;
mod set;
mod setups;
mod trees;
mod types;
mod unset_paths;
#[path = "../../fuzz/oracles/vocabulary.rs"]
mod vocabulary;
mod weight;

use case::Case;

#[test]
fn each_case_renders_to_its_golden_file() {
    report(Case::all().iter().map(|case| (case.name.clone(), case.check())));
}

#[test]
fn icinga_understands_each_case_as_declared() {
    let cases = Case::all();
    let generations = icinga::generations();
    let verdicts = generations.iter().flat_map(|icinga| {
        let generation = icinga.generation.unwrap_or("installed");
        cases
            .iter()
            .map(move |case| (format!("{}, icinga2 {generation}", case.name), case.understood(icinga)))
    });
    if !generations.is_empty() {
        report(verdicts);
    }
}

/// Fails with everything that is wrong, not with the first.
fn report(verdicts: impl Iterator<Item = (String, Result<(), String>)>) {
    let mut count = 0;
    let wrong: Vec<_> = verdicts
        .inspect(|_| count += 1)
        .filter_map(|(name, verdict)| verdict.err().map(|why| format!("== {name}\n{why}")))
        .collect();
    assert!(count > 0, "there are no cases");
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
