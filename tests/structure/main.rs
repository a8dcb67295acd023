//! The shape of the code: one direction of imports.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules in the order of the flow; none imports one further right. `hub`, `operator` and `cli` hold the others together.
const ORDER: [&str; 16] = [
    "identity",
    "api",
    "validate",
    "render",
    "references",
    "publish",
    "status",
    "snapshot",
    "lease",
    "metrics",
    "http",
    "satellite",
    "watch",
    "hub",
    "operator",
    "cli",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// Modules that a source file names with `crate::`, tests left out.
fn imports(text: &str) -> BTreeSet<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap())
        .filter(|module| !module.is_empty())
        .collect()
}

#[test]
fn no_module_imports_one_further_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let position = |module: &str| ORDER.iter().position(|name| *name == module);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        if relative.ends_with("tests.rs") {
            continue;
        }
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let own =
            position(module).unwrap_or_else(|| panic!("{module} has no place in the flow: add it to ORDER"));
        for import in imports(&std::fs::read_to_string(&file).unwrap()) {
            seen += 1;
            match position(import) {
                Some(other) if other <= own => {}
                _ => wrong.push(format!("{} imports {import}", relative.display())),
            }
        }
    }
    assert!(seen > 50, "the test reads nothing");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_setting_of_the_chart_is_one_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let template = std::fs::read_to_string(root.join("charts/groundlink/templates/deployment.yaml")).unwrap();
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_groundlink"))
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let names: BTreeSet<&str> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- name: "))
        .filter(|n| n.starts_with("GROUNDLINK_"))
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(
            help.contains(&format!("{name}=")),
            "the chart sets {name}, which `groundlink run` does not know"
        );
    }
}
