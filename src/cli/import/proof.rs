//! The proof: as text, or as JSON.

use super::prove::{Owner, Proved, Verdicts};
use super::report;
use crate::agent::icinga::output::Finding;
use crate::cli::output::print;
use crate::cli::render::{FINDINGS_MAX, in_words};
use crate::expansion::{Comparison, Id, Place, Proof, Side};
use crate::import::report::{Manifest, Reason};
use crate::text::clean;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Most differences that are printed for people.
const SHOWN: usize = 100;
/// Most differences that are printed for programs.
const LISTED: usize = 10_000;
/// Longest line, in bytes.
const MAX_LINE: usize = 1200;
/// Stands for the reason of objects whose file import did not read.
const NOT_READ: &str = "NotRead";

/// Exit codes: 0 no object differs, 1 a block was left out and that is an error, 2 a file cannot be
/// read, 3 Icinga refuses a side, 4 objects differ.
pub(super) fn exit_code(proved: &Proved<'_>, strict: bool) -> u8 {
    if proved.imported.left_out.iter().any(|left| left.reason == Reason::Unreadable) {
        return 2;
    }
    let Verdicts::Compared { proof, .. } = &proved.verdicts else { return 3 };
    if differing(proof) > 0 {
        return 4;
    }
    let stays = Staying::of(proved, proof);
    let is_left_out = !proved.imported.left_out.is_empty() || stays.left_out.contains_key(NOT_READ);
    u8::from(strict && is_left_out)
}

fn differing(proof: &Proof) -> usize {
    proof.comparison.differing() + proof.left_out_comparison.differing()
}

/// Differences of objects that have too many to keep each.
fn untold(proof: &Proof) -> usize {
    let changed = proof.comparison.changed.iter().chain(&proof.left_out_comparison.changed);
    changed.map(|changed| changed.more).sum()
}

/// Objects without a manifest, by reason: how many, and of how many blocks.
#[derive(Default)]
struct Staying {
    left_out: BTreeMap<&'static str, (usize, usize)>,
    outside: BTreeMap<&'static str, (usize, usize)>,
}

impl Staying {
    fn of(proved: &Proved<'_>, proof: &Proof) -> Self {
        let mut staying = Self::default();
        let mut seen = BTreeSet::new();
        for (_, place) in &proof.left_out {
            let owner = proved.places.owner(place);
            let imported = proved.imported;
            let (counts, reason) = match owner {
                Some(Owner::Outside(number)) => (&mut staying.outside, imported.outside.get(number)),
                Some(Owner::LeftOut(number)) => (&mut staying.left_out, imported.left_out.get(number)),
                _ => (&mut staying.left_out, None),
            };
            let reason = reason.map_or(NOT_READ, |left| left.reason.as_str());
            let count = counts.entry(reason).or_default();
            count.0 += 1;
            // A file that was not read counts as one block.
            let block = if owner.is_some() { (owner, String::new()) } else { (None, place.file.clone()) };
            count.1 += usize::from(seen.insert(block));
        }
        staying
    }
}

fn sum(counts: &BTreeMap<&'static str, (usize, usize)>) -> (usize, usize) {
    counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
}

/// Prints the proof for people.
pub(super) fn text(proved: &Proved<'_>) -> anyhow::Result<()> {
    let Verdicts::Compared { proof, version } = &proved.verdicts else { return Ok(()) };
    let mut out = String::new();
    let differences = all(proved, proof);
    if !differences.is_empty() {
        out.push_str("\nDifferences:\n");
        for difference in differences.iter().take(SHOWN) {
            let _ = writeln!(out, "  {}", clean(&difference.line(), MAX_LINE));
        }
        let more = differences.len().saturating_sub(SHOWN) + untold(proof);
        if more > 0 {
            let _ = writeln!(out, "  and {more} more (-o json lists most of them)");
        }
    }
    let count = proof.comparison.equal + proof.comparison.differing();
    let _ = writeln!(
        out,
        "\nProof by icinga2 {version}: {}, {}.",
        report::counted(count, "object"),
        report::counted(differences.len() + untold(proof), "difference")
    );
    let staying = Staying::of(proved, proof);
    let mut counted = |title: &str, counts: &BTreeMap<&'static str, (usize, usize)>| {
        let (objects, blocks) = sum(counts);
        if objects > 0 {
            let reasons: Vec<String> =
                counts.iter().map(|(reason, (objects, _))| format!("{reason} {objects}")).collect();
            let (objects, blocks) = (report::counted(objects, "object"), report::counted(blocks, "block"));
            let _ = writeln!(out, "{title}: {objects} of {blocks} ({}).", reasons.join(", "));
        }
    };
    counted("Left out, not proved", &staying.left_out);
    counted("In Icinga's own configuration", &staying.outside);
    if !proof.other_types.is_empty() {
        let types: Vec<String> =
            proof.other_types.iter().map(|(name, count)| format!("{} {count}", clean(name, 64))).collect();
        let _ = writeln!(out, "Of types that are no resources: {}.", types.join(", "));
    }
    if proof.from_global_zones > 0 {
        let _ = writeln!(
            out,
            "From global zones, and without a zone as resources: {}. Every satellite gets them.",
            report::counted(proof.from_global_zones, "object")
        );
    }
    if proof.from_zones > 0 {
        let _ = writeln!(
            out,
            "{} zones and endpoints of a zone's directory have no zone as resources: they are everywhere.",
            proof.from_zones
        );
    }
    if proof.on_themselves > 0 {
        let _ = writeln!(
            out,
            "{} dependencies of an object on itself have no counterpart: Icinga 2.14 and later refuse them.",
            proof.on_themselves
        );
    }
    if !proof.comparison.unknown.is_empty() {
        let _ = writeln!(
            out,
            "{} objects have a function on both sides, which Icinga does not show.",
            proof.comparison.unknown.len()
        );
    }
    print(format_args!("{out}"))
}

/// Prints why Icinga refuses a side.
pub(super) fn print_refusal(proved: &Proved<'_>) {
    let Verdicts::Refused { side, findings } = &proved.verdicts else { return };
    for finding in findings.iter().take(FINDINGS_MAX) {
        eprintln!("icinga2 refuses the {side}: {}", refusal(proved, finding));
    }
    if let Some(more) = findings.len().checked_sub(FINDINGS_MAX).filter(|more| *more > 0) {
        eprintln!("icinga2 refuses the {side}: and {more} more");
    }
}

fn refusal(proved: &Proved<'_>, finding: &Finding) -> String {
    let file = finding.file.clone().unwrap_or_default();
    let place = Place { file, line: finding.line.unwrap_or_default() };
    match proved.places.manifest(&place).and_then(|number| proved.imported.manifests.get(number)) {
        Some(manifest) => format!("{}: {}", resource(manifest), in_words(finding)),
        None if finding.file.is_some() => {
            in_words(&Finding { file: Some(proved.places.shown(&place)), ..finding.clone() })
        }
        None => in_words(finding),
    }
}

/// Returns the name of a manifest, and the block that it is from.
fn resource(manifest: &Manifest) -> String {
    let (namespace, name) = manifest.key();
    format!("MonitoringObject {namespace}/{name} (from {})", manifest.origin)
}

/// One difference, with the words for both sides.
struct Line<'a> {
    id: &'a Id,
    /// The attribute. Empty for an object that one side does not have.
    path: &'a str,
    old: Option<Shown<'a>>,
    new: Option<Shown<'a>>,
}

struct Shown<'a> {
    value: Option<&'a str>,
    file: String,
    line: u32,
    manifest: Option<&'a Manifest>,
    /// True if a block that was left out has it.
    is_left_out: bool,
}

impl Line<'_> {
    fn line(&self) -> String {
        match (&self.old, &self.new) {
            (Some(old), None) => format!("{}: is missing in the result; it is from {}", self.id, old.place()),
            (None, Some(new)) => format!("{}: is only in the result; it is from {}", self.id, new.place()),
            (Some(old), Some(new)) => {
                format!("{}: {}: {} -> {}", self.id, self.path, old.words(), new.words())
            }
            (None, None) => self.id.to_string(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "type": self.id.kind, "name": self.id.name,
            "attribute": (!self.path.is_empty()).then_some(self.path),
            "original": self.old.as_ref().map(Shown::json), "result": self.new.as_ref().map(Shown::json),
        })
    }
}

impl Shown<'_> {
    fn place(&self) -> String {
        let left_out = if self.is_left_out { ", a block that was left out" } else { "" };
        match self.manifest {
            Some(manifest) if self.file.is_empty() => resource(manifest),
            Some(manifest) => {
                let (namespace, name) = manifest.key();
                format!("{}:{}, MonitoringObject {namespace}/{name}", self.file, self.line)
            }
            None => format!("{}:{}{left_out}", self.file, self.line),
        }
    }

    fn words(&self) -> String {
        format!("{} ({})", self.value.unwrap_or("not set"), self.place())
    }

    fn json(&self) -> Value {
        let resource = self.manifest.map(|manifest| {
            let (namespace, name) = manifest.key();
            format!("{namespace}/{name}")
        });
        json!({
            "value": self.value, "file": (!self.file.is_empty()).then_some(&self.file),
            "line": (!self.file.is_empty()).then_some(self.line),
            "resource": resource, "leftOut": self.is_left_out,
        })
    }
}

/// Returns all differences, those of objects that were left out last.
fn all<'a>(proved: &Proved<'a>, proof: &'a Proof) -> Vec<Line<'a>> {
    let mut all = Vec::new();
    for comparison in [&proof.comparison, &proof.left_out_comparison] {
        add(proved, comparison, &mut all);
    }
    all
}

fn add<'a>(proved: &Proved<'a>, comparison: &'a Comparison, all: &mut Vec<Line<'a>>) {
    let places = &proved.places;
    let shown = |place: &Place, value: Option<&'a str>| {
        let manifest = |number: usize| proved.imported.manifests.get(number);
        if let Some(number) = places.manifest(place) {
            let (file, manifest) = (String::new(), manifest(number));
            return Shown { value, file, line: 0, manifest, is_left_out: false };
        }
        let owner = places.owner(place);
        let manifest = match owner {
            Some(Owner::Manifest(number)) => manifest(number),
            _ => None,
        };
        let is_left_out = matches!(owner, Some(Owner::LeftOut(_) | Owner::Outside(_)))
            || owner.is_none() && places.original(place).is_some() && !places.was_read(place);
        Shown { value, file: places.shown(place), line: place.line, manifest, is_left_out }
    };
    let side = |side: &'a Side| Some(shown(&side.place, side.value.as_deref()));
    for (id, place) in &comparison.only_old {
        all.push(Line { id, path: "", old: Some(shown(place, None)), new: None });
    }
    for (id, place) in &comparison.only_new {
        all.push(Line { id, path: "", old: None, new: Some(shown(place, None)) });
    }
    for changed in &comparison.changed {
        for one in &changed.differences {
            all.push(Line { id: &changed.id, path: &one.path, old: side(&one.old), new: side(&one.new) });
        }
    }
}

/// Returns the proof for programs.
pub(super) fn json(proved: &Proved<'_>) -> Value {
    let (proof, version) = match &proved.verdicts {
        Verdicts::Compared { proof, version } => (proof, version),
        Verdicts::Refused { side, findings } => {
            let findings: Vec<String> =
                findings.iter().take(FINDINGS_MAX).map(|finding| refusal(proved, finding)).collect();
            return json!({ "refused": { "side": side, "findings": findings } });
        }
    };
    let counted = |counts: &BTreeMap<&'static str, (usize, usize)>| {
        let (objects, blocks) = sum(counts);
        let reasons: serde_json::Map<String, Value> = counts
            .iter()
            .map(|(reason, (objects, blocks))| {
                ((*reason).to_owned(), json!({ "objects": objects, "blocks": blocks }))
            })
            .collect();
        json!({ "objects": objects, "blocks": blocks, "reasons": reasons })
    };
    let staying = Staying::of(proved, proof);
    let differences = all(proved, proof);
    json!({
        "icinga2": version,
        "objects": proof.comparison.equal + proof.comparison.differing(),
        "equal": proof.comparison.equal,
        "differing": differing(proof),
        "differences": differences.iter().take(LISTED).map(Line::json).collect::<Vec<_>>(),
        "more": differences.len().saturating_sub(LISTED) + untold(proof),
        "leftOut": counted(&staying.left_out),
        "outside": counted(&staying.outside),
        "otherTypes": proof.other_types,
        "fromGlobalZones": proof.from_global_zones,
        "fromZones": proof.from_zones,
        "onThemselves": proof.on_themselves,
        "unknown": proof.comparison.unknown.len(),
    })
}
