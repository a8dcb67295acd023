//! The files of `examples/reference`, one a type: documents of the type, then what they need, so
//! that each renders on its own.

use crate::schema;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Example {
    /// Member of `spec`.
    pub member: String,
    pub path: PathBuf,
    /// The documents of the type at the head of the file: text and content.
    pub shown: Vec<(String, Value)>,
}

/// An object of an example, as the program renders it.
pub struct Rendered {
    pub icinga_type: String,
    /// Without the host's or service's; nothing for a template, which is no object.
    pub object: Option<String>,
    /// Without what comes before the object: comments, and the dictionary in which rules note names.
    pub text: String,
}

/// Where examples lie.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

impl Example {
    /// The example of each type in the CRD.
    pub fn all() -> Vec<Self> {
        let spec = schema::spec();
        let all: Vec<_> = schema::members(&spec).map(|(member, _)| Self::of(member)).collect();
        let known: BTreeSet<_> = all.iter().map(|example| example.path.clone()).collect();
        let stored = std::fs::read_dir(directory().join("reference")).unwrap();
        let stored: BTreeSet<_> = stored.map(|entry| entry.unwrap().path()).collect();
        let stray: Vec<_> = stored.difference(&known).collect();
        assert!(stray.is_empty(), "the CRD has no type for {stray:?}");
        all
    }

    fn of(member: &str) -> Self {
        let path = directory().join("reference").join(format!("{member}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}: spec.{member} needs an example, from which its page is made", path.display())
        });
        let documents = text.split("---\n").map(|document| {
            let content: Value = serde_saphyr::from_str(document)
                .unwrap_or_else(|error| panic!("{}: {error}:\n{document}", path.display()));
            (document.to_owned(), content)
        });
        let shown: Vec<_> = documents.take_while(|(_, content)| !content["spec"][member].is_null()).collect();
        assert!(!shown.is_empty(), "the first document of {} is no {member}", path.display());
        Self { member: member.to_owned(), path, shown }
    }

    /// What is shown, rendered as part of the whole file.
    pub fn rendered(&self) -> Vec<Rendered> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        let output = command.arg("render").arg("-f").arg(&self.path).args(["-o", "json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        assert!(output.status.success(), "{}: {:#}", self.path.display(), told["refused"]);
        let rendered = |(_, document): &(String, Value)| {
            let metadata = &document["metadata"];
            let is_it = |file: &&Value| ["namespace", "name"].iter().all(|part| file[part] == metadata[part]);
            let file = told["published"].as_array().unwrap().iter().find(is_it).unwrap();
            let text = file["content"].as_str().unwrap();
            let begins =
                |line: &str| ["object ", "template ", "apply "].iter().any(|word| line.starts_with(word));
            let lines = text.lines().skip_while(|line| !begins(line));
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            let mut words = text.split(' ');
            let is_template = words.next() == Some("template");
            let name = document["spec"]["name"].as_str().or(metadata["name"].as_str()).unwrap();
            Rendered {
                icinga_type: words.next().unwrap().to_owned(),
                object: (!is_template).then(|| name.to_owned()),
                text,
            }
        };
        self.shown.iter().map(rendered).collect()
    }
}
