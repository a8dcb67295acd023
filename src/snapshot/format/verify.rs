//! Verifies that a satellite holds one whole set: compares every claim of the pointer with the
//! content. Anybody may have changed any of it, so everything that can be computed is computed,
//! not believed.

mod report;

pub use report::{Content, Fault, Problem, Report};
use report::{lines, size};

use super::archive::{is_file_key, unpack};
use super::held::{HeldFile, bucket_of_key, shards_of};
use super::layout::{Form, SHARD_MAX, SINGLE_MAX};
use super::listing;
use super::manifest::{self, Manifest, ShardReference};
use super::naming::{MAX_BITS, is_shard_name, shard_name};
use super::pointer::{self, ARCHIVE};
use crate::identity::{Digest, Revision};
use crate::text::clean;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

/// The ConfigMaps that were read from a satellite.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The pointer.
    pub pointer: &'a ConfigMap,
    /// The shards that [`wanted`] names and that exist.
    pub shards: &'a BTreeMap<String, ConfigMap>,
    /// All shards of this satellite and hub, with the latest revision that used each. None if they
    /// were not listed. Then previous and left-over shards are not judged.
    pub inventory: Option<&'a BTreeMap<String, Option<Revision>>>,
    /// The files that the reader holds already, by key. A shard of such files need not be read.
    pub held: Option<&'a BTreeMap<String, HeldFile>>,
}

/// Returns the names of the shards that must be read with this pointer. Leaves out names that do
/// not follow from their digests, so a forged manifest cannot make a reader ask for anything else.
pub fn wanted(pointer: &ConfigMap) -> BTreeSet<String> {
    let name = pointer.metadata.name.as_deref().unwrap_or_default();
    let text = pointer.data.as_ref().and_then(|data| data.get(manifest::KEY));
    let manifest = text.and_then(|text| Manifest::parse(text).ok());
    let manifest = manifest.filter(|manifest| distinct(manifest) <= most_shards(manifest.bits));
    let shards = manifest.into_iter().flat_map(|manifest| manifest.shards);
    shards.filter(|shard| is_named_by_digest(name, shard)).map(|shard| shard.name).collect()
}

/// Returns the names of the shards that must be read with this pointer by a reader that holds these
/// files already.
pub fn missing(pointer: &ConfigMap, held: &BTreeMap<String, HeldFile>) -> BTreeSet<String> {
    let mut names = wanted(pointer);
    let text = pointer.data.as_ref().and_then(|data| data.get(manifest::KEY));
    if let Some(manifest) = text.and_then(|text| Manifest::parse(text).ok()) {
        let own = pointer.metadata.name.as_deref().unwrap_or_default();
        for digest in shards_of(held, manifest.bits).keys() {
            names.remove(&shard_name(own, digest));
        }
    }
    names
}

/// Returns the largest number of shards: one for each bucket. Together with [`SHARD_MAX`] it
/// limits how much memory a reader needs.
fn most_shards(bits: u8) -> usize {
    1 << bits.min(MAX_BITS)
}

/// Returns the number of different shards in a manifest.
fn distinct(manifest: &Manifest) -> usize {
    manifest.shards.iter().map(|shard| &shard.name).collect::<BTreeSet<_>>().len()
}

fn is_named_by_digest(pointer: &str, shard: &ShardReference) -> bool {
    let digest: Option<Digest> = shard.digest.parse().ok();
    digest.is_some_and(|digest| shard.name == shard_name(pointer, &digest))
}

/// Verifies everything that was read.
pub fn verify(found: &Found<'_>) -> Report {
    let name = found.pointer.metadata.name.clone().unwrap_or_default();
    let mut check = Check { found, name, report: Report::default() };
    check.labels(found.pointer, pointer::PART_POINTER);
    if found.pointer.binary_data.as_ref().is_some_and(|data| !data.is_empty()) {
        check.pointer(Fault::Data, "binaryData is not empty; a pointer has none");
    }
    match found.pointer.data.as_ref().and_then(|data| data.get(manifest::KEY)) {
        Some(text) => check.sharded(text),
        None => check.single(),
    }
    check.beside();
    check.report
}

struct Check<'a> {
    found: &'a Found<'a>,
    name: String,
    report: Report,
}

impl<'a> Check<'a> {
    fn problem(&mut self, config_map: &str, fault: Fault, message: &str) {
        // Others may have written these names and texts, and terminals show them.
        let (config_map, message) = (clean(config_map, 253), clean(message, 500));
        self.report.problems.push(Problem { config_map, fault, message });
    }

    fn pointer(&mut self, fault: Fault, message: &str) {
        self.problem(&self.name.clone(), fault, message);
    }

    fn annotation(&self, name: &str) -> Option<&'a str> {
        let annotations = self.found.pointer.metadata.annotations.as_ref();
        annotations.and_then(|all| all.get(name)).map(String::as_str)
    }

    fn labels(&mut self, object: &ConfigMap, part: &str) {
        fn label<'b>(object: &'b ConfigMap, name: &str) -> Option<&'b str> {
            object.metadata.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str)
        }
        let pointer = self.found.pointer;
        for (name, wanted) in [
            (pointer::MANAGED_BY.0, Some(pointer::MANAGED_BY.1)),
            (pointer::PART, Some(part)),
            (pointer::SATELLITE, label(pointer, pointer::SATELLITE)),
            (pointer::HUB, label(pointer, pointer::HUB)),
        ] {
            let message = match (label(object, name), wanted) {
                (None, _) => format!("label {name} is missing"),
                (Some(is), Some(wanted)) if is != wanted => format!("label {name} is {is:?}, not {wanted:?}"),
                _ => continue,
            };
            let object = object.metadata.name.clone().unwrap_or_default();
            self.problem(&object, Fault::Labels, &message);
        }
    }

    /// Compares the annotations of the pointer with its content.
    fn annotations(&mut self, layout: &str, digest: Option<Digest>, objects: usize) {
        let revision = self.annotation(pointer::REVISION).and_then(|text| text.parse().ok());
        let revision = self.report.revision.or(revision);
        self.report.revision = revision;
        for (name, wanted, fault) in [
            (pointer::LAYOUT, Some(layout.to_owned()), Fault::Annotation),
            (pointer::REVISION, revision.map(|revision| revision.to_string()), Fault::Annotation),
            (pointer::DIGEST, digest.map(|digest| digest.to_string()), Fault::Digest),
            (pointer::OBJECTS, Some(objects.to_string()), Fault::Objects),
        ] {
            match (self.annotation(name), wanted) {
                (None, _) => self.pointer(Fault::Annotation, &format!("annotation {name} is missing")),
                (Some(is), None) => {
                    self.pointer(
                        Fault::Annotation,
                        &format!("annotation {name} is {is:?}, which cannot be read"),
                    );
                }
                (Some(is), Some(wanted)) if is != wanted => {
                    // In a sharded set the annotation contradicts the manifest; in layout Single,
                    // the files.
                    let fault = if layout == "Single" { fault } else { Fault::Annotation };
                    self.pointer(fault, &format!("annotation {name} is {is:?}; what it holds says {wanted}"));
                }
                _ => {}
            }
        }
    }

    fn single(&mut self) {
        self.report.form = Some(Form::Single);
        for (key, text) in self.found.pointer.data.iter().flatten() {
            if !is_file_key(key) {
                self.pointer(
                    Fault::Data,
                    &format!("data has the key {key:?}, which is not <namespace>.<name>.conf"),
                );
                continue;
            }
            let content = Content { bytes: text.clone().into_bytes(), digest: Digest::of(text.as_bytes()) };
            self.report.files.insert(key.clone(), content);
        }
        let bytes = self.report.bytes();
        if bytes > SINGLE_MAX {
            self.pointer(Fault::TooLarge, &format!("has {bytes} bytes; layout Single holds {SINGLE_MAX}"));
        }
        let names = self.annotation(pointer::PREVIOUS).into_iter().flat_map(|names| names.split(','));
        self.report.previous = names.map(str::to_owned).collect();
        let digest = self.report.digest_of_files();
        self.report.digest = self.annotation(pointer::DIGEST).and_then(|text| text.parse().ok());
        self.annotations("Single", Some(digest), self.report.files.len());
    }

    fn sharded(&mut self, text: &str) {
        if self.found.pointer.data.as_ref().is_some_and(|data| data.len() != 1) {
            self.pointer(Fault::Data, &format!("data has more than {}", manifest::KEY));
        }
        let manifest = match Manifest::parse(text) {
            Ok(manifest) if manifest.bits > MAX_BITS => {
                let why =
                    format!("{} has bits {}; at most {MAX_BITS} are used", manifest::KEY, manifest.bits);
                return self.pointer(Fault::Manifest, &why);
            }
            Ok(manifest) => manifest,
            Err(why) => return self.pointer(Fault::Manifest, &why),
        };
        let (count, most) = (distinct(&manifest), most_shards(manifest.bits));
        if count > most {
            let why = format!(
                "{} names {count} shards; with bits {} there are at most {most}",
                manifest::KEY,
                manifest.bits
            );
            return self.pointer(Fault::Manifest, &why);
        }
        self.report.form = Some(Form::Sharded { bits: manifest.bits });
        self.report.revision = manifest.revision.parse().ok();
        self.report.digest = manifest.digest.parse().ok();
        self.report.shards = manifest.shards.iter().map(|shard| shard.name.clone()).collect();
        self.report.previous.clone_from(&manifest.previous);
        self.annotations("Snapshot", self.report.digest, manifest.objects);

        let held = self.found.held.map(|held| shards_of(held, manifest.bits)).unwrap_or_default();
        let mut shards =
            Shards { bits: manifest.bits, owner: BTreeMap::new(), buckets: BTreeMap::new(), held };
        let mut named = BTreeSet::new();
        let mut complete = true;
        for reference in &manifest.shards {
            if !named.insert(&reference.name) {
                self.pointer(
                    Fault::Twice,
                    &format!("{} names shard {} twice", manifest::KEY, reference.name),
                );
                continue;
            }
            complete &= self.shard(reference, &mut shards);
        }
        // The missing shard is reported already. It also makes the sums differ.
        if !complete {
            return;
        }
        let (objects, bytes) = (self.report.files.len() + self.report.held.len(), self.report.bytes());
        if objects != manifest.objects {
            let why =
                format!("{} says {} objects; its shards hold {objects}", manifest::KEY, manifest.objects);
            self.pointer(Fault::Objects, &why);
        }
        if bytes != manifest.bytes {
            let why = format!("{} says {} bytes; its shards hold {bytes}", manifest::KEY, manifest.bytes);
            self.pointer(Fault::Bytes, &why);
        }
        let digest = self.report.digest_of_files();
        if self.report.digest != Some(digest) {
            let why = format!("{} says digest {}; its shards hold {digest}", manifest::KEY, manifest.digest);
            self.pointer(Fault::Digest, &why);
        }
    }

    /// Verifies one shard. Returns true if its files were read. Files of a shard that has another
    /// digest or is too large are not kept: whoever can write ConfigMaps must not decide how much
    /// memory a reader needs.
    fn shard(&mut self, reference: &ShardReference, shards: &mut Shards<'a>) -> bool {
        let name = &reference.name;
        if !is_named_by_digest(&self.name, reference) {
            let why = format!("{} names shard {name}, whose digest is {}", manifest::KEY, reference.digest);
            self.pointer(Fault::Name, &why);
            return false;
        }
        let Some(shard) = self.found.shards.get(name) else {
            if let Some(files) = self.held_shard(reference, shards) {
                self.figures(
                    reference,
                    files.len(),
                    files.iter().map(|(key, file)| key.len() + file.size).sum(),
                );
                self.places(name, files.keys(), shards);
                self.report.held.extend(files);
                return true;
            }
            self.problem(name, Fault::ShardMissing, "does not exist, and the pointer names it");
            return false;
        };
        self.labels(shard, pointer::PART_SHARD);
        if shard.immutable != Some(true) {
            self.problem(name, Fault::NotImmutable, "immutable is not true: anybody may change it in place");
        }
        let keys = shard
            .data
            .iter()
            .flat_map(BTreeMap::keys)
            .chain(shard.binary_data.iter().flat_map(BTreeMap::keys));
        if let Some(other) = keys.into_iter().find(|key| *key != ARCHIVE) {
            self.problem(name, Fault::Data, &format!("has the key {other:?} beside binaryData {ARCHIVE}"));
        }
        let Some(archive) = shard.binary_data.as_ref().and_then(|data| data.get(ARCHIVE)) else {
            self.problem(name, Fault::Data, &format!("binaryData has no {ARCHIVE}"));
            return false;
        };
        let files: BTreeMap<String, Content> = match unpack(&archive.0) {
            Ok(files) => files
                .into_iter()
                .map(|(key, bytes)| (key, Content { digest: Digest::of(&bytes), bytes }))
                .collect(),
            Err(why) => {
                self.problem(name, Fault::Archive, &format!("{ARCHIVE} {why}"));
                return false;
            }
        };
        let digest = listing::digest_of(lines(&files)).to_string();
        if digest != reference.digest {
            self.problem(
                name,
                Fault::Digest,
                &format!("has the digest {digest}; the pointer says {}", reference.digest),
            );
            return false;
        }
        let said = shard.metadata.annotations.as_ref().and_then(|all| all.get(pointer::DIGEST));
        if said != Some(&reference.digest) {
            // Not a problem: no reader uses it, because name and pointer carry the digest, too.
            self.report.notes.push(format!("shard {name}: annotation {} is not its digest", pointer::DIGEST));
        }
        let bytes: usize = files.iter().map(size).sum();
        self.figures(reference, files.len(), bytes);
        if bytes > SHARD_MAX {
            self.problem(
                name,
                Fault::TooLarge,
                &format!("holds {bytes} bytes; a shard has at most {SHARD_MAX}"),
            );
            return false;
        }
        self.places(name, files.keys(), shards);
        self.report.files.extend(files);
        true
    }

    /// Returns the files of a shard that the reader holds.
    fn held_shard(
        &self,
        reference: &ShardReference,
        shards: &Shards<'a>,
    ) -> Option<BTreeMap<String, HeldFile>> {
        let held = self.found.held?;
        let keys = shards.held.get(&reference.digest.parse().ok()?)?;
        Some(keys.iter().filter_map(|key| Some(((*key).clone(), *held.get(*key)?))).collect())
    }

    /// Compares the figures of a shard with those in the manifest.
    fn figures(&mut self, reference: &ShardReference, objects: usize, bytes: usize) {
        let name = &reference.name;
        if objects != reference.objects {
            let why = format!("holds {objects} objects; the pointer says {}", reference.objects);
            self.problem(name, Fault::Objects, &why);
        }
        if bytes != reference.bytes {
            let why = format!("holds {bytes} bytes; the pointer says {}", reference.bytes);
            self.problem(name, Fault::Bytes, &why);
        }
    }

    /// Checks that every file is in the shard of its bucket, and in no other.
    fn places<'k>(
        &mut self,
        name: &str,
        keys: impl Iterator<Item = &'k String> + Clone,
        shards: &mut Shards<'a>,
    ) {
        let own = keys.clone().next().map(|key| bucket_of_key(key, shards.bits));
        let other = own.and_then(|own| shards.buckets.insert(own, name.to_owned()));
        if let Some(other) = other {
            self.problem(name, Fault::Bucket, &format!("is of the same bucket as {other}"));
        }
        if let Some(key) = keys.clone().find(|key| Some(bucket_of_key(key, shards.bits)) != own) {
            let why =
                format!("holds {key}, which is of another bucket than its first file (bits {})", shards.bits);
            self.problem(name, Fault::Bucket, &why);
        }
        for key in keys {
            if let Some(other) = shards.owner.insert(key.clone(), name.to_owned()) {
                self.problem(name, Fault::Twice, &format!("holds {key}, which is in {other} too"));
            }
        }
    }

    /// Judges the kept shards of the previous revision, and those that are left over.
    fn beside(&mut self) {
        let previous = self.report.previous.clone();
        for name in &previous {
            if !is_shard_name(&self.name, name) {
                self.pointer(Fault::Name, &format!("names {name:?} as a shard of the previous revision"));
            } else if self.found.inventory.is_some_and(|inventory| !inventory.contains_key(name)) {
                let why = "does not exist, and the pointer names it as a shard of the previous revision";
                self.problem(name, Fault::PreviousMissing, why);
            }
        }
        if self.report.form.is_none() {
            return;
        }
        let named: BTreeSet<&String> = self.report.shards.iter().chain(&previous).collect();
        let left = self.found.inventory.into_iter().flatten().filter(|(name, _)| !named.contains(name));
        let notes: Vec<_> = left
            .map(|(name, wanted)| match (wanted, self.report.revision) {
                (Some(wanted), Some(revision)) if *wanted > revision => {
                    format!("shard {name} is for revision {wanted}, which is being written")
                }
                _ => {
                    format!("shard {name} is left over: no pointer names it, and the operator will delete it")
                }
            })
            .map(|note| clean(&note, 500))
            .collect();
        self.report.notes.extend(notes);
    }
}

/// The places of the files that were read.
struct Shards<'a> {
    bits: u8,
    /// Shard of each file.
    owner: BTreeMap<String, String>,
    /// Shard of each bucket.
    buckets: BTreeMap<u16, String>,
    /// Keys of the files that the reader holds, by the digest of the shard that they are.
    held: BTreeMap<Digest, Vec<&'a String>>,
}

#[cfg(test)]
mod tests;
