//! `crds/` and the chart hold what the program prints.

use super::crds;
use crate::GROUNDLINK;
use crate::support::binary;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The API server refuses an annotation beyond this, and `kubectl apply` stores the whole object in one.
const MAX_APPLY_BYTES: usize = 256 * 1024;

fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), read(&entry.path()))).collect()
}

#[test]
fn the_stored_crds_are_what_the_program_prints() {
    let out = tempfile::tempdir().unwrap();
    let status = Command::new(GROUNDLINK).args(["crd", "--out"]).arg(out.path()).status().unwrap();
    assert!(status.success());
    let (printed, stored) = (files(out.path()), files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")));
    let different: Vec<_> =
        printed.keys().chain(stored.keys()).filter(|n| printed.get(*n) != stored.get(*n)).collect();
    assert!(different.is_empty(), "crds/ is out of date in {different:?}: run make crds");
    assert!(printed.len() == 2, "{:?}", printed.keys());
    for (name, yaml) in printed {
        assert!(yaml.len() < MAX_APPLY_BYTES, "{name} has {} bytes", yaml.len());
    }
}

#[test]
fn the_chart_installs_the_same_crds() {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/groundlink");
    let output = Command::new(binary("helm")).args(["template", "groundlink"]).arg(chart).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let installed: Vec<_> = documents.iter().filter(|d| d["kind"] == "CustomResourceDefinition").collect();
    assert_eq!(installed.len(), 2);
    for crd in crds() {
        let same =
            installed.iter().find(|other| other["metadata"]["name"] == crd["metadata"]["name"]).unwrap();
        assert!(
            same["spec"] == crd["spec"],
            "{} of the chart differs: run make crds",
            crd["metadata"]["name"]
        );
    }
}
