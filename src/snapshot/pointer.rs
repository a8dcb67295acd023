//! The ConfigMaps of a set: the pointer, which is the only one that ever changes, and in layout Snapshot the shards.

use super::layout::{Form, Shard};
use super::manifest::{self, Manifest, ShardReference};
use super::view::View;
use crate::identity::{Digest, Revision};
use crate::text::clean;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};

pub use crate::api::marks::{
    DIGEST, HUB, LAYOUT, MANAGED_BY, OBJECTS, PART, PART_POINTER, PART_SHARD, PREVIOUS, REVISION, SATELLITE,
};

/// Key of a shard's `binaryData`.
pub const ARCHIVE: &str = "files.tar.gz";

/// Where the ConfigMaps are and what they carry beside the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Identity of the hub: two hubs never take each other's ConfigMaps for their own.
    pub hub: String,
    /// Name of the SatelliteCluster.
    pub satellite: String,
    /// Namespace on the satellite.
    pub namespace: String,
    /// Name of the pointer.
    pub name: String,
    /// Labels of the SatelliteCluster's target.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the SatelliteCluster's target.
    pub annotations: BTreeMap<String, String>,
}

impl Target {
    /// Labels of the ConfigMaps. Those of the resources are never copied: others would act on them (Argo CD prunes by them).
    fn labels(&self, part: &str) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
        labels.insert(SATELLITE.into(), self.satellite.clone());
        labels.insert(HUB.into(), self.hub.clone());
        labels.insert(PART.into(), part.into());
        labels
    }

    /// The label selector of everything that is ours on the satellite.
    pub fn selector(&self) -> String {
        format!("{}={},{SATELLITE}={},{HUB}={}", MANAGED_BY.0, MANAGED_BY.1, self.satellite, self.hub)
    }

    /// Whether labels say that a ConfigMap is ours.
    pub fn owns(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let label = |name: &str| labels.and_then(|labels| labels.get(name)).map(String::as_str);
        label(MANAGED_BY.0) == Some(MANAGED_BY.1)
            && label(SATELLITE) == Some(&self.satellite)
            && label(HUB) == Some(&self.hub)
    }

    fn metadata(&self, name: String, part: &str, annotations: [(&str, String); 2]) -> ObjectMeta {
        let mut all = self.annotations.clone();
        all.extend(annotations.map(|(key, value)| (key.to_owned(), value)));
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels(part)),
            annotations: Some(all),
            ..ObjectMeta::default()
        }
    }

    /// What makes a shard that is there ours, and wanted by a newer revision: whoever was about to delete it loses, because
    /// `version`, which was read, changes.
    pub fn shard_claim(&self, version: Option<String>, revision: Revision) -> serde_json::Value {
        serde_json::json!({
            "resourceVersion": version,
            "labels": self.labels(PART_SHARD),
            "annotations": { REVISION: revision.to_string() },
        })
    }

    /// Whether labels and annotations that a person asked for are there.
    fn is_marked(&self, metadata: &ObjectMeta, part: &str) -> bool {
        let holds = |held: &Option<BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| held.as_ref().and_then(|held| held.get(key)) == Some(value))
        };
        holds(&metadata.labels, &self.labels(part)) && holds(&metadata.annotations, &self.annotations)
    }
}

/// The pointer of layout Single, with the files. `previous` names the shards that the pointer before had.
pub fn single(target: &Target, revision: Revision, view: &View, previous: &BTreeSet<String>) -> ConfigMap {
    let mut pointer = base(target, revision, view, "Single");
    pointer.data =
        Some(view.files.iter().map(|file| (file.key().file_key().to_string(), file.text())).collect());
    if !previous.is_empty() {
        let names: Vec<_> = previous.iter().map(String::as_str).collect();
        pointer.metadata.annotations.get_or_insert_default().insert(PREVIOUS.into(), names.join(","));
    }
    pointer
}

/// The pointer of layout Snapshot, with the manifest.
pub fn sharded(
    target: &Target,
    revision: Revision,
    view: &View,
    bits: u8,
    shards: &[Shard],
    previous: &BTreeSet<String>,
) -> ConfigMap {
    let mut pointer = base(target, revision, view, "Snapshot");
    let manifest = Manifest {
        version: manifest::VERSION,
        revision: revision.to_string(),
        digest: view.digest.to_string(),
        objects: view.files.len(),
        bytes: view.bytes,
        bits,
        shards: shards.iter().map(|shard| ShardReference::to(&target.name, shard)).collect(),
        previous: previous.iter().cloned().collect(),
    };
    pointer.data = Some([(manifest::KEY.to_owned(), manifest.text())].into());
    pointer
}

fn base(target: &Target, revision: Revision, view: &View, layout: &str) -> ConfigMap {
    let annotations = [(REVISION, revision.to_string()), (DIGEST, view.digest.to_string())];
    let mut metadata = target.metadata(target.name.clone(), PART_POINTER, annotations);
    let more = metadata.annotations.get_or_insert_default();
    more.insert(LAYOUT.into(), layout.into());
    more.insert(OBJECTS.into(), view.files.len().to_string());
    ConfigMap { metadata, ..ConfigMap::default() }
}

/// The ConfigMap of a shard.
///
/// # Errors
/// As [`Shard::archive`].
pub fn shard(target: &Target, revision: Revision, shard: &Shard) -> std::io::Result<ConfigMap> {
    let annotations = [(REVISION, revision.to_string()), (DIGEST, shard.digest.to_string())];
    Ok(ConfigMap {
        metadata: target.metadata(shard.name(&target.name), PART_SHARD, annotations),
        binary_data: Some([(ARCHIVE.to_owned(), ByteString(shard.archive()?.to_vec()))].into()),
        // Its name is its content: the API server itself refuses an edit.
        immutable: Some(true),
        ..ConfigMap::default()
    })
}

/// Whether a ConfigMap holds this shard, whatever else it says of itself.
pub fn holds(held: &ConfigMap, shard: &Shard) -> bool {
    let archive = held.binary_data.as_ref().filter(|data| data.len() == 1).and_then(|data| data.get(ARCHIVE));
    let only = held.data.as_ref().is_none_or(BTreeMap::is_empty);
    let (Some(archive), true, Some(true)) = (archive, only, held.immutable) else { return false };
    // What we packed is compared as it is. Another program, or another version of the library, packs the same files otherwise.
    let same = |packed: &[u8]| {
        super::archive::unpack(packed).is_ok_and(|files| {
            files.len() == shard.files.len()
                && shard.files.iter().all(|file| {
                    files
                        .get(&file.key().file_key().to_string())
                        .is_some_and(|bytes| Digest::of(bytes) == file.digest())
                })
        })
    };
    same(&archive.0)
}

/// What a pointer says of itself, and what it really holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whether it is ours, for this SatelliteCluster.
    pub ours: bool,
    /// Its revision, if it has a readable one.
    pub revision: Option<Revision>,
    /// Digest over the files that it holds, or that its manifest names.
    pub digest: Option<Digest>,
    /// Its form; nothing if what it holds cannot be read.
    pub form: Option<Form>,
    /// Its manifest, in layout Snapshot.
    pub manifest: Option<Manifest>,
    /// Shards that it names.
    pub shards: BTreeSet<String>,
    /// Shards that the pointer before it named.
    pub previous: BTreeSet<String>,
    /// Whether annotations, labels and content are as they were written.
    pub intact: bool,
    /// Who else wrote it last, if anybody did.
    pub changed_by: Option<String>,
}

impl Held {
    /// Shards that must not be deleted while this is the pointer.
    pub fn keeps(&self, name: &str) -> bool {
        self.shards.contains(name) || self.previous.contains(name)
    }

    /// Whether it holds this set in this form, as it would be written.
    pub fn is(&self, target: &Target, view: &View, form: Form) -> bool {
        let named = match (form, &self.manifest) {
            (Form::Single, None) => true,
            (Form::Sharded { bits }, Some(manifest)) => {
                let shards = view.shards(bits);
                // Each figure counts: a reader refuses a set that does not agree with its manifest.
                manifest.objects == view.files.len()
                    && manifest.bytes == view.bytes
                    && manifest.bits == bits
                    && manifest.shards.len() == shards.len()
                    && manifest
                        .shards
                        .iter()
                        .zip(shards.iter())
                        .all(|(named, shard)| *named == ShardReference::to(&target.name, shard))
            }
            _ => false,
        };
        self.ours && self.intact && self.form == Some(form) && self.digest == Some(view.digest) && named
    }
}

/// Reads a pointer, trusting its content alone.
pub fn read(pointer: &ConfigMap, target: &Target) -> Held {
    let metadata = &pointer.metadata;
    let annotation =
        |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name)).map(String::as_str);
    let revision: Option<Revision> = annotation(REVISION).and_then(|text| text.parse().ok());
    let data = pointer.data.as_ref();
    let layout = annotation(LAYOUT);
    let mut held = Held {
        ours: target.owns(metadata.labels.as_ref()),
        revision,
        digest: None,
        form: None,
        manifest: None,
        shards: BTreeSet::new(),
        previous: annotation(PREVIOUS)
            .into_iter()
            .flat_map(|names| names.split(','))
            .map(str::to_owned)
            .collect(),
        intact: false,
        changed_by: changed_by(metadata),
    };
    let marked = |objects: usize, digest: Digest| {
        target.is_marked(metadata, PART_POINTER)
            && pointer.binary_data.as_ref().is_none_or(BTreeMap::is_empty)
            && annotation(DIGEST) == Some(&digest.to_string())
            && annotation(OBJECTS) == Some(&objects.to_string())
    };
    if let Some(text) = data.and_then(|data| data.get(manifest::KEY)) {
        let Ok(manifest) = Manifest::parse(text) else { return held };
        held.digest = manifest.digest.parse().ok();
        held.form = Some(Form::Sharded { bits: manifest.bits });
        held.intact = held.digest.is_some_and(|digest| marked(manifest.objects, digest))
            && layout == Some("Snapshot")
            && data.is_some_and(|data| data.len() == 1)
            && manifest.text() == *text
            && annotation(REVISION) == Some(&manifest.revision);
        held.shards = manifest.shards.iter().map(|shard| shard.name.clone()).collect();
        held.previous = manifest.previous.iter().cloned().collect();
        held.manifest = Some(manifest);
        return held;
    }
    let mut listing = String::new();
    for (key, text) in data.into_iter().flatten() {
        listing.push_str(&format!("{}  {key}\n", Digest::of(text.as_bytes()).hex()));
    }
    let digest = Digest::of(listing.as_bytes());
    held.digest = Some(digest);
    held.form = Some(Form::Single);
    held.intact = marked(data.map_or(0, BTreeMap::len), digest) && layout == Some("Single");
    held
}

/// The field manager, other than us, that wrote last.
fn changed_by(metadata: &ObjectMeta) -> Option<String> {
    let entries = metadata.managed_fields.as_ref()?;
    let last = entries.iter().max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    last.manager.as_ref().filter(|name| *name != super::FIELD_MANAGER).map(|name| clean(name, 100))
}

#[cfg(test)]
mod tests;
