//! The ConfigMaps of a set: the pointer and, if the set is sharded, its shards. Only the pointer
//! ever changes.

use super::layout::Form;
use super::listing;
use super::manifest::{self, Manifest, ShardReference};
use super::view::{Shard, View};
use crate::identity::{Digest, Revision};
use crate::render::Rendered;
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

/// Where the ConfigMaps of a satellite are, and the labels and annotations that they carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Identity of the hub. It ensures that two hubs never mistake the other's ConfigMaps for
    /// their own.
    pub hub: String,
    /// Name of the SatelliteCluster.
    pub satellite: String,
    /// Namespace on the satellite.
    pub namespace: String,
    /// Name of the pointer.
    pub name: String,
    /// Labels of `spec.target`.
    pub labels: BTreeMap<String, String>,
    /// Annotations of `spec.target`.
    pub annotations: BTreeMap<String, String>,
}

impl Destination {
    /// Returns the labels of the ConfigMaps. Labels of the resources are never copied, because
    /// other tools act on them (Argo CD prunes by them).
    fn labels(&self, part: &str) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
        labels.insert(SATELLITE.into(), self.satellite.clone());
        labels.insert(HUB.into(), self.hub.clone());
        labels.insert(PART.into(), part.into());
        labels
    }

    /// Returns the label selector of every ConfigMap of this satellite and hub.
    pub fn selector(&self) -> String {
        format!("{}={},{SATELLITE}={},{HUB}={}", MANAGED_BY.0, MANAGED_BY.1, self.satellite, self.hub)
    }

    /// True if these labels mark a ConfigMap of this satellite and hub.
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

    /// Returns the metadata that marks an existing shard as used by a newer revision. The patch
    /// changes its resourceVersion (`version` is the one that was read), so a deletion of the old
    /// version fails.
    pub fn shard_claim(&self, version: Option<String>, revision: Revision) -> serde_json::Value {
        serde_json::json!({
            "resourceVersion": version,
            "labels": self.labels(PART_SHARD),
            "annotations": { REVISION: revision.to_string() },
        })
    }

    /// True if the labels and annotations of `spec.target` are there.
    fn is_marked(&self, metadata: &ObjectMeta, part: &str) -> bool {
        let holds = |held: &Option<BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| held.as_ref().and_then(|held| held.get(key)) == Some(value))
        };
        holds(&metadata.labels, &self.labels(part)) && holds(&metadata.annotations, &self.annotations)
    }
}

/// Returns the pointer of layout Single, with the files. `previous` names the shards of the
/// pointer that it replaces.
pub fn single(
    destination: &Destination,
    revision: Revision,
    view: &View,
    previous: &BTreeSet<String>,
) -> ConfigMap {
    let mut pointer = base(destination, revision, view, "Single");
    pointer.data = Some(view.files().map(|file| (file.key().file_key().to_string(), file.text())).collect());
    if !previous.is_empty() {
        let names: Vec<_> = previous.iter().map(String::as_str).collect();
        pointer.metadata.annotations.get_or_insert_default().insert(PREVIOUS.into(), names.join(","));
    }
    pointer
}

/// Returns the pointer of a sharded set, with the manifest.
pub fn sharded(
    destination: &Destination,
    revision: Revision,
    view: &View,
    bits: u8,
    shards: &[Shard],
    previous: &BTreeSet<String>,
) -> ConfigMap {
    let mut pointer = base(destination, revision, view, "Snapshot");
    let manifest = Manifest {
        version: manifest::VERSION,
        revision: revision.to_string(),
        digest: view.digest.to_string(),
        objects: view.len(),
        bytes: view.bytes,
        bits,
        shards: shards.iter().map(|shard| ShardReference::to(&destination.name, shard)).collect(),
        previous: previous.iter().cloned().collect(),
    };
    pointer.data = Some([(manifest::KEY.to_owned(), manifest.text())].into());
    pointer
}

fn base(destination: &Destination, revision: Revision, view: &View, layout: &str) -> ConfigMap {
    let annotations = [(REVISION, revision.to_string()), (DIGEST, view.digest.to_string())];
    let mut metadata = destination.metadata(destination.name.clone(), PART_POINTER, annotations);
    let more = metadata.annotations.get_or_insert_default();
    more.insert(LAYOUT.into(), layout.into());
    more.insert(OBJECTS.into(), view.len().to_string());
    ConfigMap { metadata, ..ConfigMap::default() }
}

/// Returns the ConfigMap of a shard.
///
/// # Errors
/// If [`Shard::archive`] fails.
pub fn shard(destination: &Destination, revision: Revision, shard: &Shard) -> std::io::Result<ConfigMap> {
    let annotations = [(REVISION, revision.to_string()), (DIGEST, shard.digest().to_string())];
    Ok(ConfigMap {
        metadata: destination.metadata(shard.name(&destination.name), PART_SHARD, annotations),
        binary_data: Some([(ARCHIVE.to_owned(), ByteString(shard.archive()?.to_vec()))].into()),
        // The name follows from the content, so the content must never change: the API server
        // itself refuses an edit.
        immutable: Some(true),
        ..ConfigMap::default()
    })
}

/// True if a ConfigMap holds exactly the files of this shard, whatever its labels and annotations
/// say.
pub fn holds(held: &ConfigMap, shard: &Shard) -> bool {
    let archive = held.binary_data.as_ref().filter(|data| data.len() == 1).and_then(|data| data.get(ARCHIVE));
    let only = held.data.as_ref().is_none_or(BTreeMap::is_empty);
    let (Some(archive), true, Some(true)) = (archive, only, held.immutable) else { return false };
    // Compares the files, not the archives: another version of the library may pack the same files
    // to different bytes.
    super::archive::unpack(&archive.0).is_ok_and(|files| {
        let is_held = |file: &Rendered| {
            let held = files.get(&file.key().file_key().to_string());
            held.is_some_and(|bytes| Digest::of(bytes) == file.digest())
        };
        files.len() == shard.len() && shard.files().into_iter().all(|file| is_held(file))
    })
}

/// The claims of a pointer, and its true content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPointer {
    /// True if its labels are those of this SatelliteCluster and hub.
    pub ours: bool,
    /// Its revision. None if that cannot be read.
    pub revision: Option<Revision>,
    /// Digest of its files in layout Single. Otherwise the digest in its manifest.
    pub digest: Option<Digest>,
    /// Its form. None if its content cannot be read.
    pub form: Option<Form>,
    /// Its manifest, if the set is sharded.
    pub manifest: Option<Manifest>,
    /// Shards that it names.
    pub shards: BTreeSet<String>,
    /// Shards that the previous pointer named.
    pub previous: BTreeSet<String>,
    /// True if annotations, labels and content are as the operator wrote them.
    pub intact: bool,
    /// The field manager that wrote it last. None if that is the operator.
    pub changed_by: Option<String>,
}

impl FoundPointer {
    /// True if the shard of this name must not be deleted while this is the pointer.
    pub fn keeps(&self, name: &str) -> bool {
        self.shards.contains(name) || self.previous.contains(name)
    }

    /// True if it has this set in this form, exactly as the operator would write it.
    pub fn is(&self, destination: &Destination, view: &View, form: Form) -> bool {
        let named = match (form, &self.manifest) {
            (Form::Single, None) => true,
            (Form::Sharded { bits }, Some(manifest)) => {
                let shards = view.shards(bits);
                // Every figure must agree: a reader refuses a set that contradicts its manifest.
                manifest.objects == view.len()
                    && manifest.bytes == view.bytes
                    && manifest.bits == bits
                    && manifest.shards.len() == shards.len()
                    && manifest
                        .shards
                        .iter()
                        .zip(shards.iter())
                        .all(|(named, shard)| *named == ShardReference::to(&destination.name, shard))
            }
            _ => false,
        };
        self.ours && self.intact && self.form == Some(form) && self.digest == Some(view.digest) && named
    }
}

/// Reads a pointer. Its content is trusted, its annotations are not.
pub fn read(pointer: &ConfigMap, destination: &Destination) -> FoundPointer {
    let metadata = &pointer.metadata;
    let annotation =
        |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name)).map(String::as_str);
    let revision: Option<Revision> = annotation(REVISION).and_then(|text| text.parse().ok());
    let data = pointer.data.as_ref();
    let layout = annotation(LAYOUT);
    let mut found = FoundPointer {
        ours: destination.owns(metadata.labels.as_ref()),
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
        destination.is_marked(metadata, PART_POINTER)
            && pointer.binary_data.as_ref().is_none_or(BTreeMap::is_empty)
            && annotation(DIGEST) == Some(&digest.to_string())
            && annotation(OBJECTS) == Some(&objects.to_string())
    };
    if let Some(text) = data.and_then(|data| data.get(manifest::KEY)) {
        let Ok(manifest) = Manifest::parse(text) else { return found };
        found.digest = manifest.digest.parse().ok();
        found.form = Some(Form::Sharded { bits: manifest.bits });
        found.intact = found.digest.is_some_and(|digest| marked(manifest.objects, digest))
            && layout == Some("Snapshot")
            && data.is_some_and(|data| data.len() == 1)
            && manifest.text() == *text
            && annotation(REVISION) == Some(&manifest.revision);
        found.shards = manifest.shards.iter().map(|shard| shard.name.clone()).collect();
        found.previous = manifest.previous.iter().cloned().collect();
        found.manifest = Some(manifest);
        return found;
    }
    let files = data.into_iter().flatten();
    let digest = listing::digest_of_set(files.map(|(key, text)| (Digest::of(text.as_bytes()), key)));
    found.digest = Some(digest);
    found.form = Some(Form::Single);
    found.intact = marked(data.map_or(0, BTreeMap::len), digest) && layout == Some("Single");
    found
}

/// Returns the field manager that wrote last. None if that is the operator.
fn changed_by(metadata: &ObjectMeta) -> Option<String> {
    let entries = metadata.managed_fields.as_ref()?;
    let last = entries.iter().max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    last.manager.as_ref().filter(|name| *name != crate::snapshot::FIELD_MANAGER).map(|name| clean(name, 100))
}

#[cfg(test)]
mod tests;
