//! Layout Single: one ConfigMap, the pointer, carries the files themselves as `data` keys. It is mountable, readable and
//! replaced atomically.

use super::View;
use crate::identity::{Digest, Revision};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Largest set in this layout, in bytes of keys and files.
pub const MAX_BYTES: usize = 700 * 1024;

/// Label with which a ConfigMap is ours.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "groundlink");
/// Label with the name of the SatelliteCluster.
pub const SATELLITE: &str = "groundlink.dev/satellite";
/// Annotation with the revision.
pub const REVISION: &str = "groundlink.dev/revision";
/// Annotation with the digest of the set.
pub const DIGEST: &str = "groundlink.dev/digest";
/// Annotation with the layout.
pub const LAYOUT: &str = "groundlink.dev/layout";
/// Annotation with the number of files.
pub const OBJECTS: &str = "groundlink.dev/objects";

/// Where the pointer is and what it carries beside the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Name of the SatelliteCluster.
    pub satellite: String,
    /// Namespace on the satellite.
    pub namespace: String,
    /// Name of the ConfigMap.
    pub name: String,
    /// Labels of the SatelliteCluster's target.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the SatelliteCluster's target.
    pub annotations: BTreeMap<String, String>,
}

/// The pointer. Labels and annotations of the resources are never copied: others would act on them (Argo CD prunes by them).
pub fn pointer(target: &Target, revision: Revision, view: &View) -> ConfigMap {
    let mut labels = target.labels.clone();
    labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
    labels.insert(SATELLITE.into(), target.satellite.clone());
    let mut annotations = target.annotations.clone();
    annotations.insert(REVISION.into(), revision.to_string());
    annotations.insert(DIGEST.into(), view.digest.to_string());
    annotations.insert(LAYOUT.into(), "Single".into());
    annotations.insert(OBJECTS.into(), view.files.len().to_string());
    let data = view.files.iter().map(|(key, file)| (key.clone(), file.text())).collect();
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(target.name.clone()),
            namespace: Some(target.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..ConfigMap::default()
    }
}

/// What a pointer says of itself, and what it really holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whether it is ours, for this SatelliteCluster.
    pub ours: bool,
    /// Its revision, if it has a readable one.
    pub revision: Option<Revision>,
    /// Digest over the files that it really holds.
    pub digest: Digest,
    /// Whether annotations and labels are as they were written.
    pub marked: bool,
}

/// Reads a pointer, trusting its content alone.
pub fn read(pointer: &ConfigMap, target: &Target) -> Held {
    let labels = pointer.metadata.labels.clone().unwrap_or_default();
    let annotations = pointer.metadata.annotations.clone().unwrap_or_default();
    let ours = labels.get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1)
        && labels.get(SATELLITE) == Some(&target.satellite);
    let mut listing = String::new();
    for (key, text) in pointer.data.iter().flatten() {
        listing.push_str(&format!("{}  {key}\n", Digest::of(text.as_bytes()).hex()));
    }
    for key in pointer.binary_data.iter().flatten().map(|(key, _)| key) {
        listing.push_str(&format!("foreign  {key}\n"));
    }
    let digest = Digest::of(listing.as_bytes());
    Held {
        ours,
        revision: annotations.get(REVISION).and_then(|text| text.parse().ok()),
        digest,
        marked: annotations.get(DIGEST) == Some(&digest.to_string())
            && annotations.get(LAYOUT).is_some_and(|layout| layout == "Single")
            && target.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && target.annotations.iter().all(|(key, value)| annotations.get(key) == Some(value)),
    }
}
