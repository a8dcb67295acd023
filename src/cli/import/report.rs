//! The report: as text, or as JSON.

use super::Outcome;
use crate::cli::output::{Document, Format, document, print};
use crate::import::Imported;
use crate::import::report::{LeftOut, Origin, Reason, Subject};
use crate::text::clean;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Longest line about one block, in bytes.
const MAX_LINE: usize = 1200;

/// Returns 0 if nothing was left out, 2 if a file cannot be read, else 1.
pub(super) fn exit_code(imported: &Imported) -> ExitCode {
    if imported.left_out.iter().any(|left| left.reason == Reason::Unreadable) {
        return ExitCode::from(2);
    }
    if imported.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the report for people.
pub(super) fn text(outcome: &Outcome) -> anyhow::Result<()> {
    let imported = &outcome.imported;
    let mut out = String::new();
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "{title}:");
            lines.iter().for_each(|line| {
                let _ = writeln!(out, "  {}", clean(line, MAX_LINE));
            });
            out.push('\n');
        }
    };
    section("Left out", imported.left_out.iter().map(line).collect());
    section("Stays in Icinga's own configuration", imported.outside.iter().map(line).collect());
    section("Remarks", remarks(imported));
    let secrets = imported
        .secrets
        .iter()
        .map(|secret| format!("{}: {}: {}", secret.origin, secret.subject, secret.variable));
    section(
        "Variables that look like secrets (who may read the manifests reads them; give plugins their secrets through files or the environment)",
        secrets.collect(),
    );
    let external = imported
        .external_objects
        .iter()
        .map(|external| format!("{} (named by {})", external.name, external.named_by));
    section(
        "Proposed for the operator's setting externalObjects, because resources name them and nothing declares them",
        external.collect(),
    );
    let by_reason = by_reason(imported);
    if !by_reason.is_empty() {
        let counts: Vec<String> =
            by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let _ = writeln!(out, "Reasons: {}.", counts.join(", "));
    }
    let _ = writeln!(
        out,
        "{}: {} in {}, {} left out, {} in Icinga's own configuration.",
        counted(imported.blocks, "block"),
        counted(imported.manifests.len(), "manifest"),
        counted(outcome.files.len(), "file"),
        imported.left_out.len(),
        imported.outside.len(),
    );
    print(format_args!("{out}"))
}

/// Returns the remarks, each once, with the first block.
fn remarks(imported: &Imported) -> Vec<String> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for note in &imported.notes {
        match places.get(note.message.as_str()).and_then(|place| lines.get_mut(*place)) {
            Some((_, more)) => *more += 1,
            None => {
                places.insert(&note.message, lines.len());
                lines.push((format!("{}: {}: {}", note.origin, note.subject, note.message), 0));
            }
        }
    }
    let line = |(line, more): (String, usize)| match more {
        0 => line,
        more => format!("{line} (also of {more} more, see -o json)"),
    };
    lines.into_iter().map(line).collect()
}

/// Returns `1 block` or `2 blocks`.
pub(super) fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn line(left: &LeftOut) -> String {
    let mut line = format!("{}: {}", left.origin, left.subject);
    if left.subject.object_type.is_empty() && left.subject.name.is_none() {
        line = left.origin.to_string();
    }
    if !left.construct.is_empty() {
        line.push_str(": ");
        line.push_str(&left.construct);
    }
    let _ = write!(line, ": {}; {}", left.reason.text(), left.remedy);
    if !left.dependents.is_empty() {
        let _ = write!(line, " (named by {})", left.dependents.join(", "));
    }
    line
}

fn by_reason(imported: &Imported) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    imported.left_out.iter().for_each(|left| *counts.entry(left.reason.as_str()).or_default() += 1);
    counts
}

/// Prints the report for programs.
pub(super) fn json(outcome: &Outcome, proof: Option<Value>) -> anyhow::Result<()> {
    let imported = &outcome.imported;
    let manifests = imported.manifests.iter().map(|manifest| {
        let (namespace, resource) = manifest.key();
        Translated { subject: Block::of(&manifest.subject, &manifest.origin), namespace, resource }
    });
    let notes = imported
        .notes
        .iter()
        .map(|note| Remark { subject: Block::of(&note.subject, &note.origin), message: &note.message });
    let secrets = imported.secrets.iter().map(|secret| SecretVariable {
        subject: Block::of(&secret.subject, &secret.origin),
        variable: &secret.variable,
    });
    let external =
        imported.external_objects.iter().map(|one| Proposed { name: &one.name, named_by: &one.named_by });
    let whole = Whole {
        blocks: imported.blocks,
        files: &outcome.files,
        imported: manifests.collect(),
        left_out: imported.left_out.iter().map(Missing::of).collect(),
        outside: imported.outside.iter().map(Missing::of).collect(),
        reasons: by_reason(imported),
        notes: notes.collect(),
        secrets: secrets.collect(),
        external_objects: external.collect(),
        proof,
    };
    document(&whole, Format::Json)
}

/// The report for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Whole<'a> {
    blocks: usize,
    files: &'a [PathBuf],
    imported: Vec<Translated<'a>>,
    left_out: Vec<Missing<'a>>,
    outside: Vec<Missing<'a>>,
    /// How many blocks are left out, by reason.
    reasons: BTreeMap<&'static str, usize>,
    notes: Vec<Remark<'a>>,
    secrets: Vec<SecretVariable<'a>>,
    external_objects: Vec<Proposed<'a>>,
    /// With --prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Value>,
}

impl Document for Whole<'_> {
    const KIND: &'static str = "Import";
}

/// A block, and where it stands. Unknown values are null.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Block<'a> {
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    form: &'static str,
    r#type: &'a str,
    name: Option<&'a str>,
}

impl<'a> Block<'a> {
    fn of(subject: &'a Subject, origin: &'a Origin) -> Self {
        Self {
            file: &origin.file,
            line: origin.at.map(|at| at.line),
            column: origin.at.map(|at| at.column),
            form: subject.form.as_str(),
            r#type: &subject.object_type,
            name: subject.name.as_deref(),
        }
    }
}

/// A block that became a manifest.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Translated<'a> {
    #[serde(flatten)]
    subject: Block<'a>,
    namespace: &'a str,
    resource: &'a str,
}

/// A block that is not imported.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Missing<'a> {
    #[serde(flatten)]
    subject: Block<'a>,
    block_line: Option<u32>,
    construct: &'a str,
    reason: &'static str,
    message: &'a str,
    remedy: &'a str,
    named_by: &'a [String],
}

impl<'a> Missing<'a> {
    fn of(left: &'a LeftOut) -> Self {
        Self {
            subject: Block::of(&left.subject, &left.origin),
            block_line: left.block.at.map(|at| at.line),
            construct: &left.construct,
            reason: left.reason.as_str(),
            message: left.reason.text(),
            remedy: &left.remedy,
            named_by: &left.dependents,
        }
    }
}

/// A remark about a block that is imported.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Remark<'a> {
    #[serde(flatten)]
    subject: Block<'a>,
    message: &'a str,
}

/// A custom variable that looks like a secret.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SecretVariable<'a> {
    #[serde(flatten)]
    subject: Block<'a>,
    variable: &'a str,
}

/// A proposal for the operator's setting externalObjects.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Proposed<'a> {
    name: &'a str,
    named_by: &'a str,
}
