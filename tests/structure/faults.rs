//! The register of faults names what is there: its tests run, and no case is missing.

#[path = "../faults/cases/mod.rs"]
mod cases;
#[path = "../faults/plan.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod plan;

#[path = "../mutants/list.rs"]
mod mutants;

use super::running::RUNNING;
use super::{root, text_of};
use std::collections::BTreeSet;

const FAULTS: usize = 66;
const THREATS: usize = 17;

/// True for a test that `hack/test.sh` runs, or a command of `hack/` that exists.
fn runs(test: &str) -> bool {
    match test.split_once("hack/") {
        Some((_, script)) => {
            let name = script.split([')', ' ']).next().unwrap_or_default();
            text_of("hack/test.sh").contains(name) && root().join("hack").join(name).is_file()
        }
        None => RUNNING.iter().any(|running| running.name == test),
    }
}

#[test]
fn each_fault_and_each_threat_is_there_once_with_tests_that_run() {
    let cases = cases::all();
    let wanted: Vec<_> =
        (1..=FAULTS).map(|id| id.to_string()).chain((1..=THREATS).map(|id| format!("T{id}"))).collect();
    assert_eq!(cases.iter().map(|case| case.id).collect::<Vec<_>>(), wanted);
    let mut wrong = Vec::new();
    for case in &cases {
        let unknown = case.tests().iter().filter(|test| !runs(test));
        wrong.extend(unknown.map(|test| format!("{} names {test}, which does not run", case.id)));
        let is_explained = match case.by {
            cases::By::Tests(tests) => !tests.is_empty(),
            cases::By::NotInjected(why) => !why.is_empty() && case.open.is_empty(),
        };
        let names = BTreeSet::from_iter(case.tests());
        if !is_explained
            || names.len() != case.tests().len()
            || case.title.is_empty()
            || case.injected.is_empty()
        {
            wrong.push(format!("{} lacks tests or a reason, or names a test twice", case.id));
        }
    }
    assert!(wrong.is_empty(), "tests/faults/cases: {wrong:#?}");
}

#[test]
fn each_mutant_is_one_place_of_the_library_with_tests_that_run() {
    let mut wrong = Vec::new();
    for mutant in mutants::MUTANTS {
        if let Err(why) = mutant.apply(&text_of(mutant.file)) {
            wrong.push(why);
        }
        let unknown = mutant.tests.iter().filter(|test| !runs(&format!("lib::{test}")));
        wrong.extend(unknown.map(|test| format!("{} names {test}, which does not run", mutant.id)));
        if !mutant.file.starts_with("src/") || !mutant.replace.contains("{on}") || mutant.tests.is_empty() {
            wrong.push(format!("{} lacks tests or a switch, or is not in src", mutant.id));
        }
    }
    let ids: BTreeSet<_> = mutants::MUTANTS.iter().map(|mutant| mutant.id).collect();
    assert_eq!(ids.len(), mutants::MUTANTS.len(), "two have one name");
    assert!(wrong.is_empty(), "tests/mutants/list.rs: {wrong:#?}");
}

#[test]
fn the_table_in_the_documents_is_that_of_the_register() {
    let page = text_of("docs/faults.md");
    let written = plan::rewrite(&page, &cases::all(), &plan::Runs::new()).unwrap();
    assert!(page == written, "run: make faults ARGS=\"--list --write\"");
}

#[test]
fn each_test_that_a_document_names_runs() {
    for (name, least) in [("docs/faults.md", 30), ("SECURITY.md", 15)] {
        let page = text_of(name);
        let words = page.split('`').skip(1).step_by(2);
        let is_test = |word: &&str| {
            let target = word.split("::").next().unwrap_or_default();
            word.contains("::") && ["lib", "suites", "golden", "corpus", "structure"].contains(&target)
        };
        let named: BTreeSet<_> = words.filter(is_test).collect();
        assert!(named.len() >= least, "the test sees {} names in {name}", named.len());
        let gone: Vec<_> = named.iter().filter(|test| !runs(test)).collect();
        assert!(gone.is_empty(), "{name} names tests that do not run: {gone:#?}");
    }
}
