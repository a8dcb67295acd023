//! The report: as text, or as JSON.

use super::Outcome;
use crate::cli::output::print;
use crate::import::Imported;
use crate::import::report::{LeftOut, Origin, Reason, Subject};
use crate::text::clean;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
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
    let notes =
        imported.notes.iter().map(|note| format!("{}: {}: {}", note.origin, note.subject, note.message));
    section("Remarks", notes.collect());
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
        "{} blocks: {} manifests in {} files, {} left out, {} in Icinga's own configuration.",
        imported.blocks,
        imported.manifests.len(),
        outcome.files.len(),
        imported.left_out.len(),
        imported.outside.len(),
    );
    print(format_args!("{out}"))
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
        let (namespace, name) = manifest.key();
        let mut value = subject(&manifest.subject, &manifest.origin);
        value["namespace"] = namespace.into();
        value["resource"] = name.into();
        value
    });
    let notes = imported.notes.iter().map(|note| {
        let mut value = subject(&note.subject, &note.origin);
        value["message"] = note.message.as_str().into();
        value
    });
    let secrets = imported.secrets.iter().map(|secret| {
        let mut value = subject(&secret.subject, &secret.origin);
        value["variable"] = secret.variable.as_str().into();
        value
    });
    let external =
        imported.external_objects.iter().map(|one| json!({ "name": one.name, "namedBy": one.named_by }));
    let mut document = json!({
        "blocks": imported.blocks,
        "files": outcome.files,
        "imported": manifests.collect::<Vec<_>>(),
        "leftOut": imported.left_out.iter().map(left_out).collect::<Vec<_>>(),
        "outside": imported.outside.iter().map(left_out).collect::<Vec<_>>(),
        "reasons": by_reason(imported),
        "notes": notes.collect::<Vec<_>>(),
        "secrets": secrets.collect::<Vec<_>>(),
        "externalObjects": external.collect::<Vec<_>>(),
    });
    if let Some(proof) = proof {
        document["proof"] = proof;
    }
    print(format_args!("{document:#}\n"))
}

fn subject(subject: &Subject, origin: &Origin) -> Value {
    json!({
        "file": origin.file,
        "line": origin.at.map(|at| at.line),
        "column": origin.at.map(|at| at.column),
        "form": subject.form.as_str(),
        "type": subject.object_type,
        "name": subject.name,
    })
}

fn left_out(left: &LeftOut) -> Value {
    let mut value = subject(&left.subject, &left.origin);
    value["blockLine"] = json!(left.block.at.map(|at| at.line));
    value["construct"] = left.construct.as_str().into();
    value["reason"] = left.reason.as_str().into();
    value["message"] = left.reason.text().into();
    value["remedy"] = left.remedy.as_str().into();
    value["namedBy"] = json!(left.dependents);
    value
}
