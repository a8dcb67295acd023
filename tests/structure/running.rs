//! Every test runs: each file of tests is part of a target, and `hack/test.sh` runs each target.

use super::tree::Tree;
use super::{root, rust_files, text_of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A test function that `hack/test.sh` runs.
pub struct Running {
    /// Its full name: the target (`lib` for the library), its modules, its function.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Its source, with the comments.
    pub text: String,
}

/// Every test function of the library and of the test targets, but the ignored ones.
pub static RUNNING: LazyLock<Vec<Running>> = LazyLock::new(|| {
    let mut running = Vec::new();
    for (target, path) in targets("test").into_iter().chain([("lib".into(), "src/lib.rs".into())]) {
        for (module, node) in Tree::read(&root().join(path)).modules {
            for test in node.scope.tests.into_iter().filter(|test| !test.is_ignored) {
                let name = [std::slice::from_ref(&target), &module, &[test.name]].concat().join("::");
                running.push(Running { name, file: node.file.clone(), text: test.text });
            }
        }
    }
    running
});

/// The names and files of the targets of a kind in `Cargo.toml`.
fn targets(kind: &str) -> Vec<(String, String)> {
    let manifest = text_of("Cargo.toml");
    let sections = manifest.split("\n[").filter(|section| section.starts_with(&format!("[{kind}]]")));
    let value = |section: &str, key: &str| {
        let line = section.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
        line.unwrap_or_else(|| panic!("a [[{kind}]] without {key}")).trim().trim_matches('"').to_owned()
    };
    sections.map(|section| (value(section, "name"), value(section, "path"))).collect()
}

/// The suites that `hack/test.sh` runs one after the other.
fn suites() -> BTreeSet<String> {
    let script = text_of("hack/test.sh");
    let list = script.lines().find_map(|line| line.strip_prefix("suites=(")?.strip_suffix(')'));
    list.expect("suites=(...) in hack/test.sh").split(' ').map(str::to_owned).collect()
}

#[test]
fn each_target_and_each_suite_is_run() {
    let mut wanted: BTreeSet<String> = ["unit", "documentation", "chart"].map(str::to_owned).into();
    for (name, path) in targets("test") {
        if name == "suites" {
            let tree = Tree::read(&root().join(path));
            let modules = &tree.modules[&Vec::new()].scope.modules;
            wanted.extend(modules.iter().map(|module| module.name.clone()).filter(|name| name != "support"));
        } else {
            wanted.insert(name);
        }
    }
    assert!(wanted.len() >= 10, "{wanted:?}");
    assert_eq!(suites(), wanted);
}

#[test]
fn each_file_is_part_of_a_target() {
    for (directory, kinds) in [("tests", &["test", "example"][..]), ("benches", &["bench"])] {
        let targets = kinds.iter().flat_map(|kind| targets(kind));
        let trees: Vec<_> = targets.map(|(_, path)| Tree::read(&root().join(path))).collect();
        let known: BTreeSet<_> = trees.iter().flat_map(Tree::files).map(canonical).collect();
        let files = rust_files(&root().join(directory));
        assert!(files.len() > 10);
        let lost: Vec<_> = files.iter().filter(|file| !known.contains(&canonical(file))).collect();
        assert!(lost.is_empty(), "no target has these: {lost:#?}");
    }
}

#[test]
fn the_pre_commit_hooks_run_what_make_lint_runs() {
    let makefile = text_of("Makefile");
    let recipe = makefile.lines().skip_while(|line| !line.starts_with("lint:")).skip(1);
    let commands: Vec<_> = recipe.map_while(|line| line.strip_prefix('\t')).collect();
    let hooks = text_of(".pre-commit-config.yaml");
    let entries: Vec<_> = hooks.lines().filter_map(|line| line.trim().strip_prefix("entry: ")).collect();
    assert!(commands.len() >= 3, "{commands:?}");
    let is_run = |command: &&str| entries.iter().any(|entry| entry.trim_start_matches("env ") == *command);
    assert!(commands.iter().all(is_run), "{commands:#?} {entries:#?}");
    assert_eq!(commands.len(), entries.len());
}

/// Without the `..` of a `#[path]`.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().expect("a file")
}

#[test]
fn a_test_is_found_with_its_comment() {
    let scope = super::source::Scope::read(
        "/// R1 holds.\n#[tokio::test]\nasync fn one() {}\n\n#[test]\n#[ignore]\nfn two() {}\n\
         proptest! {\n    /// R2 holds.\n    #[test]\n    fn three(x in 0..3) { assert!(x < 3); }\n}\nfn four() {}",
    );
    let tests =
        scope.tests.iter().map(|test| (test.name.as_str(), test.is_ignored, test.text.contains(" holds.")));
    assert_eq!(
        tests.collect::<Vec<_>>(),
        [("one", false, true), ("two", true, false), ("three", false, true)]
    );
}
