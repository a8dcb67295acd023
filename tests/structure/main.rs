//! The shape of the code: one direction of imports, and what only decides reaches for nothing outside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules in the order of the flow; none imports one further right. `hub`, `operator` and `cli` hold the others together.
const ORDER: [&str; 22] = [
    "backoff",
    "identity",
    "text",
    "request",
    "lasting",
    "api",
    "validate",
    "render",
    "references",
    "publish",
    "status",
    "snapshot",
    "lease",
    "metrics",
    "readiness",
    "http",
    "satellite",
    "watch",
    "crd_probe",
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

/// What only decides, as `ARCHITECTURE.md` has it: the same answer anywhere and at any time.
const PURE: [&str; 11] = [
    "validate",
    "render",
    "references",
    "snapshot",
    "status/compose.rs",
    "satellite/core",
    "satellite/credential/expiry.rs",
    "satellite/credential/keys.rs",
    "satellite/credential/kubeconfig.rs",
    "satellite/credential/schedule.rs",
    "satellite/credential/server.rs",
];

/// Words by which a client, a clock or a file system is reached.
const OUTSIDE: [&str; 14] = [
    "kube",
    "hyper",
    "hyper_util",
    "tower",
    "axum",
    "tokio",
    "Client",
    "jiff",
    "Instant",
    "SystemTime",
    "fs",
    "File",
    "Path",
    "rustix",
];

/// Lines of code, comments and tests left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Modules that a source file names with `crate::`.
fn imports(text: &str) -> BTreeSet<&str> {
    code(text)
        .flat_map(|line| line.split("crate::").skip(1))
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
fn what_only_decides_knows_no_client_no_clock_and_no_file_system() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for part in PURE.map(|part| root.join(part)) {
        if part.is_dir() { sources(&part, &mut files) } else { files.push(part) }
    }
    files.retain(|file| !file.ends_with("tests.rs"));
    assert!(files.len() > 40, "the test reads {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in code(&text) {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| OUTSIDE.contains(word)) {
                wrong.push(format!(
                    "{} has {word}: {}",
                    file.strip_prefix(&root).unwrap().display(),
                    line.trim()
                ));
            }
        }
    }
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
