//! A batch of random configurations: imported and proved together.

use super::grammar;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const MAIN: &str = "object CheckerComponent \"checker\" { }\ninclude_recursive \"conf.d\"\n";

/// What became of a batch.
#[derive(Default)]
pub struct Outcome {
    /// Configurations that Icinga loads as they are.
    pub trees: usize,
    /// Configurations that Icinga itself refuses.
    pub refused: usize,
    /// Blocks, and those of them that were imported.
    pub blocks: usize,
    /// Blocks that were imported.
    pub imported: usize,
    /// Blocks that were left out, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// Objects that the proof compared.
    pub objects: u64,
    /// What differs without a word of the import, each with its seed.
    pub silent: Vec<String>,
}

impl Outcome {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.trees += other.trees;
        self.refused += other.refused;
        self.blocks += other.blocks;
        self.imported += other.imported;
        for (reason, count) in other.left_out {
            *self.left_out.entry(reason).or_default() += count;
        }
        self.objects += other.objects;
        self.silent.extend(other.silent);
    }
}

/// Imports and proves the configurations of some seeds.
pub fn run(groundlink: &Path, icinga2: &str, seeds: std::ops::Range<u64>) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    // icinga2 gives up root.
    open(directory.path());
    let files = directory.path().join("etc/conf.d");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::create_dir(directory.path().join("tmp")).unwrap();
    std::fs::write(directory.path().join("etc/icinga2.conf"), MAIN).unwrap();
    let parts = directory.path().join("etc/parts");
    std::fs::create_dir(&parts).unwrap();
    std::fs::write(parts.join("host.inc"), grammar::PART).unwrap();
    std::fs::write(parts.join("more.inc"), grammar::MORE).unwrap();
    let mut trees: BTreeSet<String> = BTreeSet::new();
    for seed in seeds {
        std::fs::write(files.join(format!("t{seed}.conf")), grammar::tree(seed)).unwrap();
        trees.insert(format!("conf.d/t{seed}.conf"));
    }
    let mut outcome = Outcome::default();
    loop {
        let report = prove(groundlink, icinga2, directory.path());
        let proof = &report["proof"];
        if proof["refused"]["side"] == "original" {
            // Some texts only look as if Icinga would take them.
            let findings = proof["refused"]["findings"].as_array().unwrap();
            let is_named = |name: &&String| {
                findings.iter().any(|finding| finding.as_str().unwrap().contains(&format!("{name}:")))
            };
            let named: Vec<String> = trees.iter().filter(is_named).cloned().collect();
            assert!(!named.is_empty(), "Icinga refuses a batch without naming a file: {proof:#}");
            for name in named {
                trees.remove(&name);
                std::fs::remove_file(directory.path().join("etc").join(&name)).unwrap();
                outcome.refused += 1;
            }
            continue;
        }
        outcome.trees = trees.len();
        outcome.blocks = report["blocks"].as_u64().unwrap() as usize;
        outcome.imported = report["imported"].as_array().unwrap().len();
        outcome.objects = proof["objects"].as_u64().unwrap_or_default();
        for (reason, count) in report["reasons"].as_object().unwrap() {
            outcome.left_out.insert(reason.clone(), count.as_u64().unwrap() as usize);
        }
        if proof["differences"].is_null() {
            outcome.silent.push(format!("the result is not proved: {proof:#}"));
        }
        for difference in proof["differences"].as_array().into_iter().flatten() {
            if !is_said(&report, difference) {
                outcome.silent.push(difference.to_string());
            }
        }
        return outcome;
    }
}

/// True if a remark stands at the block of a difference.
fn is_said(report: &Value, difference: &Value) -> bool {
    let side = &difference["original"];
    let resource = [&side["resource"], &difference["result"]["resource"]];
    let blocks = report["imported"].as_array().into_iter().flatten();
    let mut own = blocks.filter(|block| {
        let name =
            format!("{}/{}", block["namespace"].as_str().unwrap(), block["resource"].as_str().unwrap());
        resource.iter().any(|wanted| wanted.as_str() == Some(&name))
    });
    own.any(|block| {
        let mut notes = report["notes"].as_array().into_iter().flatten();
        notes.any(|note| {
            note["file"] == block["file"] && note["name"] == block["name"] && note["form"] == block["form"]
        })
    })
}

fn prove(groundlink: &Path, icinga2: &str, directory: &Path) -> Value {
    let mut command = Command::new(groundlink);
    command.arg("import").arg(directory.join("etc/icinga2.conf")).arg("--out").arg(directory.join("out"));
    command.args(["--prove", "-o", "json", "--icinga2", icinga2]).env("TMPDIR", directory.join("tmp"));
    let output = command.output().unwrap();
    let _ = std::fs::remove_dir_all(directory.join("out"));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}
