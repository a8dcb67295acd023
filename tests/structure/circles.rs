//! No circle of imports between the modules of one folder. A folder below it counts as one module.

use super::LIBRARY;
use super::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// The modules of each circle, by name, and one line for each import in it.
fn circles(library: &Tree) -> BTreeMap<Vec<String>, Vec<String>> {
    let references = library.references();
    let folders: BTreeSet<_> = library.modules.keys().filter_map(|name| Some(name.split_last()?.1)).collect();
    let mut found = BTreeMap::new();
    for folder in folders {
        let mut imports: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for reference in &references {
            let child = |name: &[String]| {
                let is_below = name.len() > folder.len() && name.starts_with(folder);
                is_below.then_some(folder.len())
            };
            if let (Some(from), Some(to)) = (child(reference.from), child(&reference.to))
                && reference.from[from] != reference.to[to]
            {
                let of = imports.entry(&reference.from[from]).or_default();
                of.entry(&reference.to[to]).or_insert_with(|| reference.to_string());
            }
        }
        let reachable: BTreeMap<_, _> = imports.keys().map(|name| (*name, reach(&imports, name))).collect();
        for (name, reached) in &reachable {
            let is_in = |other: &&str| {
                reached.contains(*other) && reachable.get(*other).is_some_and(|back| back.contains(name))
            };
            let circle: Vec<&str> = reached.iter().copied().filter(|other| is_in(other)).collect();
            if !circle.is_empty() {
                let path = |name: &&str| {
                    folder.iter().map(String::as_str).chain([*name]).collect::<Vec<_>>().join("::")
                };
                let lines =
                    circle.iter().flat_map(|from| &imports[from]).filter(|(to, _)| circle.contains(to));
                found
                    .insert(circle.iter().map(path).collect(), lines.map(|(_, line)| line.clone()).collect());
            }
        }
    }
    found
}

/// Every module that this one imports, directly or through others.
fn reach<'a>(imports: &BTreeMap<&'a str, BTreeMap<&'a str, String>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        let next = imports.get(name).into_iter().flat_map(BTreeMap::keys);
        open.extend(next.filter(|name| reached.insert(**name)));
    }
    reached
}

#[test]
fn no_circle_of_imports() {
    let found = circles(&LIBRARY);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_circle_is_found_through_re_exports() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod room;");
    write("room/mod.rs", "mod one; mod two; mod three; pub use two::Two; struct Own;");
    write("room/one.rs", "use super::{Own, Two}; pub struct One;");
    write("room/three.rs", "use super::one::One; use crate::room::Two; pub struct Three;");
    let found = |two: &str| {
        write("room/two.rs", two);
        circles(&Tree::read(&directory.path().join("lib.rs"))).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(found("pub struct Two;"), Vec::<Vec<String>>::new());
    assert_eq!(
        found("#[cfg(test)] mod tests { use super::super::one::One; } pub struct Two;"),
        Vec::<Vec<String>>::new()
    );
    assert_eq!(found("use super::one::One; pub struct Two;"), [["room::one", "room::two"]]);
    let around = ["room::one", "room::three", "room::two"];
    assert_eq!(found("use crate::{room::three::Three}; pub struct Two;"), [around]);
}
