//! One case: input, and what must come of it.

use crate::declared::{self, Declared};
use crate::docs::same_objects;
use crate::icinga::Icinga;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Case {
    pub name: String,
    directory: PathBuf,
}

impl Case {
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases");
        let mut cases: Vec<_> = std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|directory| Self {
                name: directory.file_name().unwrap().to_str().unwrap().to_owned(),
                directory,
            })
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    /// The documents of `input.yaml`.
    pub fn documents(&self) -> Vec<Value> {
        serde_saphyr::from_multiple(&self.read("input.yaml").unwrap()).unwrap()
    }

    /// The documents that are not refused.
    pub fn published(&self) -> Vec<Value> {
        let refusals = self.read("refusals.txt").unwrap_or_default();
        let refused: BTreeSet<_> =
            refusals.lines().filter_map(|line| line.split([' ', ':']).nth(1)).collect();
        let mut documents = self.documents();
        documents.retain(|document| !refused.contains(declared::resource(document).as_str()));
        documents
    }

    /// Runs `groundlink render` and compares; `UPDATE_GOLDEN=1` rewrites what is expected.
    pub fn check(&self) -> Result<(), String> {
        let mut arguments = Vec::new();
        if let Some(version) = self.version() {
            arguments.extend(["--icinga-version".to_owned(), version]);
        }
        let external_objects = self.external_objects();
        if !external_objects.is_empty() {
            arguments.extend(["--external-objects".to_owned(), external_objects.join(",")]);
        }
        let output = render(&self.directory.join("input.yaml"), &arguments);
        let [conf, refusals] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let code = i32::from(!refusals.is_empty());
        if output.status.code() != Some(code) {
            return Err(format!("{}: {refusals}", output.status));
        }
        if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
            std::fs::write(self.directory.join("expected.conf"), &conf).unwrap();
            match refusals.is_empty() {
                true => std::fs::remove_file(self.directory.join("refusals.txt")).unwrap_or_default(),
                false => std::fs::write(self.directory.join("refusals.txt"), &refusals).unwrap(),
            }
            return Ok(());
        }
        for (file, now) in [("expected.conf", &conf), ("refusals.txt", &refusals)] {
            let expected = self.read(file).unwrap_or_default();
            if expected != *now {
                let (old, new) = first_difference(&expected, now);
                let path = self.directory.join(file);
                return Err(format!(
                    "{} differs from what is rendered; if the new output is right, run: UPDATE_GOLDEN=1 cargo test --test golden\n\
                     expected: {old}\nrendered: {new}",
                    path.display()
                ));
            }
        }
        Ok(())
    }

    /// `icinga-version`: the version that it is rendered for, and the oldest that loads it.
    /// Nothing for the oldest of all.
    fn version(&self) -> Option<String> {
        self.read("icinga-version").map(|text| text.trim().to_owned())
    }

    /// Loads `expected.conf` into Icinga and compares what it understood with `input.yaml`.
    pub fn understood(&self, icinga: &Icinga) -> Result<(), String> {
        if self.version().is_some_and(|version| icinga.generation.unwrap_or("2.13") < version.as_str()) {
            return Ok(());
        }
        let conf = self.read("expected.conf").ok_or("there is no expected.conf")?;
        if let Some(by_hand) = self.read("by-hand.conf") {
            same_objects(icinga, &conf, &by_hand)?;
        }
        let extra = self.read("extra.conf").unwrap_or_default();
        let applied = self.read("applied.txt").unwrap_or_default();
        let understood = icinga.load(&conf, &extra)?;
        Declared::of(&self.published()).compare(icinga, &understood, Some(&applied.lines().collect()))
    }

    fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.join(file)).ok()
    }

    /// `Type!name` of each object in `extra.conf`.
    fn external_objects(&self) -> Vec<String> {
        let extra = self.read("extra.conf").unwrap_or_default();
        let heads = extra.lines().filter_map(|line| line.strip_prefix("object "));
        heads
            .filter_map(|head| {
                Some(head.split('"').next()?.trim().to_owned() + "!" + head.split('"').nth(1)?)
            })
            .collect()
    }
}

/// The real program.
pub fn render(input: &Path, arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    command.arg("render").arg("-f").arg(input).args(arguments).output().unwrap()
}

/// The first lines that differ.
pub fn first_difference<'a>(expected: &'a str, now: &'a str) -> (&'a str, &'a str) {
    let mut lines = expected.lines().map(Some).chain([None]).zip(now.lines().map(Some).chain([None]));
    let (old, new) = lines.find(|(old, new)| old != new).unwrap_or_default();
    (old.unwrap_or("(the end)"), new.unwrap_or("(the end)"))
}
