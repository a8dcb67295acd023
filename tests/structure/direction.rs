//! One direction of imports: `src/lib.rs` declares the modules in the order in which data flows.

use super::tree::Tree;
use super::{LIBRARY, relative};

/// The paths of one module of the crate's root that lead to a module declared further down.
fn backwards(library: &Tree) -> Vec<String> {
    let declared = &library.modules[&Vec::new()].scope.modules;
    let position = |name: &str| declared.iter().position(|module| module.name == name);
    let references = library.references();
    let wrong = references.iter().filter(|reference| {
        let from = reference.from.first().and_then(|name| position(name));
        let to = reference.written.first().and_then(|name| position(name));
        from.zip(to).is_some_and(|(from, to)| from < to)
    });
    wrong.map(ToString::to_string).collect()
}

#[test]
fn no_module_uses_one_that_lib_rs_declares_further_down() {
    assert!(LIBRARY.references().len() > 500, "the test reads nothing");
    let wrong = backwards(&LIBRARY);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_of_src_is_part_of_the_library() {
    let files = LIBRARY.files();
    let apart = super::rust_files(&super::root().join("src"));
    let apart: Vec<_> =
        apart.iter().filter(|file| !files.contains(file.as_path())).map(|file| relative(file)).collect();
    assert_eq!(apart, ["src/main.rs"]);
}

#[test]
fn a_path_backwards_is_found_however_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("lib.rs", "mod first;\nmod second;\nmod third;");
    write("second.rs", "use crate::first::One; pub struct Two;");
    write("third.rs", "pub struct Three;");
    let found = |text: &str| {
        write("first.rs", text);
        backwards(&Tree::read(&directory.path().join("lib.rs"))).len()
    };
    assert_eq!(found("pub struct One;"), 0);
    assert_eq!(found("use crate::second::Two;"), 1);
    assert_eq!(found("use crate::{\n    second::{self, Two},\n    third::Three as Other,\n};"), 3);
    assert_eq!(found("use super::second;"), 1);
    assert_eq!(found("fn f() { super::third::Three; }"), 1);
    assert_eq!(found("fn f(two: crate::second::Two) {}"), 1);
    assert_eq!(found("fn f() { println!(\"{}\", crate::third::X) }"), 1);
    assert_eq!(found("mod below { use super::super::second::Two; }"), 1);
    assert_eq!(found("#[cfg(test)] mod tests { use super::super::second::Two; }"), 0);
    assert_eq!(found("#[cfg(test)] mod tests { }\nuse crate::second::Two;"), 1);
    assert_eq!(found("#[cfg(test)] use crate::second::Two;\n/// [`crate::second`]\nstruct A;"), 0);
}
