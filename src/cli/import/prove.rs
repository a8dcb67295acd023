//! `groundlink import --prove`: lets Icinga load the original and the result, and compares them.

use super::disk::Disk;
use super::{Arguments, Outcome};
use crate::agent::icinga::output::Finding;
use crate::cli::output::progress;
use crate::cli::render::block_on_result;
use crate::expansion::{self, Configuration, Expansion, Icinga, Place, Proof, Verdict};
use crate::import::Imported;
use crate::import::remaining::Remaining;
use crate::import::report::Span;
use crate::import::tree::{self, Source as _, Tree, join};
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// A proof, or why there is none.
pub(super) enum Verdicts {
    /// Icinga loads both sides.
    Compared { proof: Box<Proof>, version: String },
    /// Icinga refuses one side, with at least one finding.
    Refused { side: &'static str, findings: Vec<Finding> },
}

/// What was proved, and where everything stands.
pub(super) struct Proved<'a> {
    pub(super) imported: &'a Imported,
    pub(super) verdicts: Verdicts,
    pub(super) places: Places,
}

/// What became of a block of the original. The numbers are those in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// It is a manifest.
    Manifest(usize),
    /// It was left out.
    LeftOut(usize),
    /// It belongs to Icinga's own configuration.
    Outside(usize),
}

/// Translates places of both sides.
#[derive(Default)]
pub(super) struct Places {
    /// Lines and owners of the blocks of a file, by its absolute path.
    blocks: HashMap<Arc<str>, Vec<(u32, u32, Owner)>>,
    /// The files that import read, by absolute path, as the report names them.
    shown: HashMap<Arc<str>, String>,
    /// The original of each file of the result, by its path there.
    originals: HashMap<String, Arc<str>>,
    /// Number of the manifest of each rendered file.
    manifests: HashMap<String, usize>,
}

impl Places {
    fn new(outcome: &Outcome) -> Self {
        let imported = &outcome.imported;
        let mut places = Self::default();
        for source in &imported.sources {
            places.blocks.entry(source.clone()).or_default();
        }
        let mut add = |span: &Option<Span>, owner| {
            if let Some(span) = span {
                let lines = (span.from.line, span.to.line, owner);
                places.blocks.entry(span.file.clone()).or_default().push(lines);
            }
        };
        let mut numbers = HashMap::new();
        for (number, manifest) in imported.manifests.iter().enumerate() {
            add(&manifest.span, Owner::Manifest(number));
            numbers.insert(manifest.key(), number);
        }
        imported.left_out.iter().enumerate().for_each(|(i, left)| add(&left.span, Owner::LeftOut(i)));
        imported.outside.iter().enumerate().for_each(|(i, left)| add(&left.span, Owner::Outside(i)));
        for content in &outcome.rendered {
            let key = content.key();
            if let Some(number) = numbers.get(&(key.namespace(), key.name())) {
                places.manifests.insert(key.path(), *number);
            }
        }
        // Where two blocks share a line, it counts for what was imported: a difference is then
        // one too many, and none is hidden.
        for blocks in places.blocks.values_mut() {
            blocks.sort_unstable();
            // A loop makes one block many times.
            blocks.dedup_by_key(|(from, to, _)| (*from, *to));
        }
        places
    }

    /// Returns the file of the original at a place of either side. None for a rendered file.
    pub(super) fn original(&self, place: &Place) -> Option<Arc<str>> {
        if place.file.starts_with('/') {
            return Some(join("/", &place.file).into());
        }
        self.originals.get(&place.file).cloned()
    }

    /// True if import read the file at a place of the original.
    pub(super) fn was_read(&self, place: &Place) -> bool {
        self.original(place).is_some_and(|file| self.blocks.contains_key(&file))
    }

    /// Returns what became of the block at a place of the original. None if there is no block, or
    /// its file was not read.
    pub(super) fn owner(&self, place: &Place) -> Option<Owner> {
        let blocks = self.blocks.get(&self.original(place)?)?;
        // Blocks overlap only if they share their first or last line.
        let end = blocks.partition_point(|(from, _, _)| *from <= place.line);
        let candidates = blocks[..end].iter().rev().take(64).filter(|(_, to, _)| *to >= place.line);
        candidates.map(|(_, _, owner)| *owner).min()
    }

    /// Returns the number of the manifest that a place of the result belongs to.
    pub(super) fn manifest(&self, place: &Place) -> Option<usize> {
        self.manifests.get(&place.file).copied()
    }

    /// Returns the file of the original as the report names it.
    pub(super) fn shown(&self, place: &Place) -> String {
        let Some(file) = self.original(place) else { return place.file.clone() };
        self.shown.get(&file).cloned().unwrap_or_else(|| file.to_string())
    }
}

/// Runs Icinga on both sides, one after the other.
///
/// # Errors
/// If there is no main file, a file cannot be read, or Icinga cannot be run or does not end.
pub(super) fn prove<'a>(arguments: &Arguments, outcome: &'a Outcome) -> anyhow::Result<Proved<'a>> {
    let imported = &outcome.imported;
    if let Some(basket) = imported.sources.iter().find(|source| source.ends_with(".json")) {
        bail!(
            "{basket}: --prove cannot tell which objects of Icinga's configuration a basket of Director stands for; deploy it, and import and prove the files that Director wrote"
        );
    }
    let main = main_file(arguments)?;
    let defines: BTreeMap<String, String> = arguments.defines.iter().cloned().collect();
    let mut places = Places::new(outcome);
    let result = {
        let tree = tree::read(&Disk, std::slice::from_ref(&main), &defines, &mut |_| {});
        result(outcome, &tree, &defines, &mut places)?
    };
    let icinga = Icinga::new(arguments.icinga2.split_whitespace().map(str::to_owned).collect())
        .with_time(arguments.timeout);
    let original = expansion::original(Path::new(&main), defines);
    let verdicts = block_on_result(async {
        let mut interrupts = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let mut ends = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        // The private directory is removed when the run is dropped.
        tokio::select! {
            verdicts = both(&icinga, original, result, outcome.rendered.len(), &places) => verdicts,
            _ = interrupts.recv() => Err("interrupted".to_owned()),
            _ = ends.recv() => Err("terminated".to_owned()),
        }
    })?;
    Ok(Proved { imported, verdicts, places })
}

async fn both(
    icinga: &Icinga,
    original: Configuration,
    result: Configuration,
    count: usize,
    places: &Places,
) -> Result<Verdicts, String> {
    progress("icinga2 loads the original");
    let old = match icinga.expand(&original, count).await? {
        Verdict::Accepted(old) => old,
        Verdict::Refused(findings) => return Ok(Verdicts::Refused { side: "original", findings }),
    };
    progress("icinga2 loads the result");
    let new = match icinga.expand(&result, old.objects.len()).await? {
        Verdict::Accepted(new) => new,
        Verdict::Refused(findings) => return Ok(Verdicts::Refused { side: "result", findings }),
    };
    drop(result);
    progress("comparing");
    let stays = |place: &Place| match places.owner(place) {
        Some(Owner::Manifest(_)) => false,
        Some(Owner::LeftOut(_) | Owner::Outside(_)) => true,
        None => !places.was_read(place),
    };
    let Expansion { objects, version, .. } = old;
    let proof = expansion::proof(&objects, &new.objects, stays);
    Ok(Verdicts::Compared { proof: Box::new(proof), version })
}

/// Returns the configuration of the manifests and of what stays.
fn result(
    outcome: &Outcome,
    tree: &Tree,
    defines: &BTreeMap<String, String>,
    places: &mut Places,
) -> anyhow::Result<Configuration> {
    let spans = outcome.imported.manifests.iter().filter_map(|manifest| manifest.span.as_ref());
    let remaining = Remaining::new(tree, spans);
    let mut files = Vec::new();
    for (file, path) in remaining.files() {
        let bytes = Disk.bytes(&file.source).map_err(anyhow::Error::msg);
        let text = bytes.and_then(|bytes| Ok(String::from_utf8(bytes)?));
        let text = text.with_context(|| format!("{}: cannot be read again", file.path))?;
        files.push((path.to_owned(), remaining.text(file, &text).into_bytes()));
        places.originals.insert(path.to_owned(), file.source.clone());
        places.shown.insert(file.source.clone(), file.path.clone());
    }
    files.extend(remaining.links().iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
    let rendered = outcome.rendered.iter().map(|content| (content.key().path(), content.bytes()));
    Ok(expansion::result(rendered, &remaining.main(), files, defines.clone()))
}

/// Returns the absolute path of the file that Icinga loads.
fn main_file(arguments: &Arguments) -> anyhow::Result<String> {
    if let Some(path) = &arguments.icinga2_conf {
        return super::absolute(path);
    }
    for path in &arguments.paths {
        let path = if path.is_dir() { &path.join("icinga2.conf") } else { path };
        if path.file_name().is_some_and(|name| name == "icinga2.conf") && path.is_file() {
            return super::absolute(path);
        }
    }
    bail!("--prove needs the file that Icinga loads; name it with --icinga2-conf")
}
