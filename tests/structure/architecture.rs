//! The documents for contributors name what is there: each path exists, and `ARCHITECTURE.md` has a test that runs for each
//! rule.

use super::running::RUNNING;
use super::{relative, root, rust_files, text_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The quoted words of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// True for a word that names a file or a folder of this repository.
fn is_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let file = [".rs", ".md", ".sh", ".toml", ".yaml"].iter().any(|ending| word.ends_with(ending));
    plain && (word.contains('/') || file) && !word.starts_with('/') && !word.starts_with("target/")
}

/// The paths of a text. A folder named in it is the place of the files named after it: `` `api/`: `condition.rs` ``.
///
/// # Errors
/// Every word that names nothing.
fn paths(text: &str) -> Result<Vec<PathBuf>, Vec<String>> {
    let mut places = vec![root().to_path_buf(), root().join("src")];
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for word in quoted(text).filter(|word| is_path(word)) {
        let Some(path) = places.iter().rev().map(|place| place.join(word)).find(|path| path.exists()) else {
            missing.push(word.to_owned());
            continue;
        };
        if path.is_dir() {
            places.push(path.clone());
        }
        found.push(path);
    }
    if missing.is_empty() { Ok(found) } else { Err(missing) }
}

/// Paragraphs, and the lines of tables.
fn pieces(document: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for line in document.lines() {
        if line.is_empty() || line.starts_with('|') {
            pieces.push(String::new());
        }
        let last = pieces.last_mut().expect("never empty");
        last.push_str(line);
        last.push('\n');
    }
    pieces
}

#[test]
fn each_path_exists() {
    let mut missing = Vec::new();
    for (name, least) in [("ARCHITECTURE.md", 60), ("CONTRIBUTING.md", 20), ("SECURITY.md", 4)] {
        let document = text_of(name);
        let mut count = 0;
        for piece in pieces(&document) {
            match paths(&piece) {
                Ok(paths) => count += paths.len(),
                Err(words) => missing.extend(words.into_iter().map(|word| format!("{name}: {word}"))),
            }
        }
        assert!(count >= least || !missing.is_empty(), "the test sees {count} paths in {name}");
    }
    assert!(missing.is_empty(), "named, and not there: {missing:#?}");
}

#[test]
fn a_path_that_is_gone_is_found() {
    assert_eq!(
        paths("`api/`, `condition.rs`, `POST /x`, `/metrics`, `*.conf`, `Catalog::withdraw`").unwrap().len(),
        2
    );
    assert_eq!(
        paths("`condition.rs`, `src/nothing.rs`, `api/gone/`").unwrap_err(),
        ["condition.rs", "src/nothing.rs", "api/gone/"]
    );
}

/// The rows of the table of invariants: the rule, and the cell that says which tests hold it.
fn invariants(document: &str) -> Vec<(&str, &str)> {
    let table = document.lines().skip_while(|line| !line.starts_with("| rule |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        (cells[0].trim(), cells[cells.len() - 1].trim())
    })
    .collect()
}

#[test]
fn each_invariant_is_held_by_a_test_that_runs() {
    let document = text_of("ARCHITECTURE.md");
    let invariants = invariants(&document);
    assert!(invariants.len() > 9, "the table has {} rows", invariants.len());
    let mut files: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (rule, held_by) in invariants {
        let named = paths(held_by).unwrap_or_default();
        if named.is_empty() {
            wrong.push(format!("no test is named for: {rule}"));
        }
        for path in &named {
            if !RUNNING.iter().any(|test| test.file.starts_with(path)) && !path.ends_with("fuzz") {
                wrong.push(format!("{} has no test that runs, named for: {rule}", path.display()));
            }
        }
        if let Some(rule) = rule.strip_prefix("**").and_then(|rule| rule.split_once("**")) {
            files.insert(rule.0, named);
        }
    }
    for rule in 1..=9 {
        let rule = format!("R{rule}");
        let Some(files) = files.get(rule.as_str()) else {
            wrong.push(format!("ARCHITECTURE.md has no row for {rule}"));
            continue;
        };
        if !RUNNING.iter().any(|test| is_in(&test.file, files) && names(&test.text, &rule)) {
            wrong.push(format!("no test names {rule}, of those that ARCHITECTURE.md names for it"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_in(file: &Path, places: &[PathBuf]) -> bool {
    places.iter().any(|place| file.starts_with(place))
}

/// True if the rule stands there as a word of its own: `R1`, and not a part of `R12`.
fn names(text: &str, rule: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == rule)
}

/// The names of rules and invariants in a text: `R1`, `I10`.
fn named_rules(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| {
        let number = word.strip_prefix('R').or_else(|| word.strip_prefix('I'));
        number.is_some_and(|n| !n.is_empty() && n.len() < 3 && n.chars().all(|c| c.is_ascii_digit()))
    })
}

#[test]
fn each_rule_that_a_test_names_is_defined() {
    let rules = text_of("tests/order/rules.rs");
    let defined: BTreeSet<_> =
        rules.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(' ').next()).collect();
    assert!(defined.contains("R9") && defined.contains("I10"), "{defined:?}");
    let mut unknown = BTreeSet::new();
    for file in rust_files(&root().join("tests"))
        .iter()
        .filter(|file| !file.starts_with(root().join("tests/structure")))
    {
        let text = std::fs::read_to_string(file).unwrap();
        let words = named_rules(&text).filter(|word| !defined.contains(word));
        unknown.extend(words.map(|word| format!("{} names {word}", relative(file))));
    }
    assert!(unknown.is_empty(), "tests/order/rules.rs does not define: {unknown:#?}");
    assert_eq!(named_rules("R1, I12: `R2` and R100, RA, I").collect::<Vec<_>>(), ["R1", "I12", "R2"]);
}
