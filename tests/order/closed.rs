//! Whether a set is closed: no file uses a name that the set does not hold, and no two hold the same.

use super::evidence::Header;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Returns the files that use a name that the set does not hold, or provide one that another file
/// provides. With `unknown` some file could not be read; it may be the missing one, so uses are not
/// checked.
pub(super) fn open_ends(
    files: &[(&str, Arc<Header>)],
    reserved: &BTreeSet<String>,
    unknown: bool,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut held: HashMap<&str, (&str, bool)> = HashMap::new();
    for (key, header) in files {
        let exclusive = header.exclusive.iter().map(|name| (name, true));
        for (name, exclusive) in exclusive.chain(header.shared.iter().map(|name| (name, false))) {
            match held.get(name.as_str()) {
                Some((other, theirs)) if exclusive || *theirs => {
                    found.push(((*key).to_owned(), format!("{name:?} is also held by {other}")));
                }
                _ => drop(held.insert(name, (key, exclusive))),
            }
        }
    }
    if unknown {
        return found;
    }
    for (key, header) in files {
        for any_of in &header.uses {
            if !any_of.iter().any(|name| held.contains_key(name.as_str()) || reserved.contains(name)) {
                found.push((
                    (*key).to_owned(),
                    format!("needs {any_of:?}, which nothing in the set provides"),
                ));
            }
        }
    }
    found
}

/// Returns the names in Icinga's template library.
pub(super) fn reserved() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/references/itl/2.13.txt");
    std::fs::read_to_string(path)
        .expect("the table of the template library")
        .lines()
        .map(str::to_owned)
        .collect()
}
