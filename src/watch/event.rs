//! What the hub learns from its API server, as values.

use crate::api::{MonitoringObject, MonitoringObjectSpec};
use crate::identity::{ObjectKey, Uid};
use crate::text::clean;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An event of the watch.
#[derive(Debug)]
pub enum Event {
    /// A LIST begins. An object of the place where it looks that it does not name is gone once it is complete.
    ListBegins,
    /// An object of the LIST, or one that changed.
    Object(Box<Received>),
    /// The LIST is complete.
    ListComplete,
    /// An object was deleted.
    Deleted {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
    /// The watch failed; the text is for a person. It says nothing about any object.
    Broken(String),
}

/// An object, or why it could not be read.
#[derive(Clone, Debug)]
pub struct Received {
    /// The object. Its spec is empty if it could not be read, and its metadata has only the fields
    /// that decide something.
    pub object: MonitoringObject,
    /// Why the spec could not be read: one bad object must not end the watch.
    pub unreadable: Option<String>,
}

/// Reads spec and status by themselves, so that an unexpected shape of either does not end the
/// stream. Managed fields, which are most of an object, are skipped.
impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: RawMetadata,
            #[serde(default)]
            spec: serde_json::Value,
            #[serde(default)]
            status: serde_json::Value,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RawMetadata {
            name: Option<String>,
            namespace: Option<String>,
            uid: Option<String>,
            generation: Option<i64>,
            resource_version: Option<String>,
            creation_timestamp: Option<Time>,
        }
        let Raw { metadata, spec, status } = Raw::deserialize(deserializer)?;
        let (spec, unreadable) = match serde_json::from_value(spec) {
            Ok(spec) => (spec, None),
            Err(error) => (MonitoringObjectSpec::default(), Some(clean(&error.to_string(), 500))),
        };
        let object = MonitoringObject {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                generation: metadata.generation,
                resource_version: metadata.resource_version,
                creation_timestamp: metadata.creation_timestamp,
                ..ObjectMeta::default()
            },
            spec,
            // A status that cannot be read counts as missing, so it is written again.
            status: serde_json::from_value(status).ok(),
        };
        Ok(Self { object, unreadable })
    }
}

/// What one LIST beside the watch named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The resources with their UIDs, of every namespace that could be listed.
    pub objects: BTreeMap<ObjectKey, Uid>,
    /// Namespaces that could not be listed, and why. Nothing is known of their objects.
    pub unknown: BTreeMap<Arc<str>, String>,
}

impl Listed {
    /// Returns the LIST of everything that there is.
    pub fn of_all(objects: BTreeMap<ObjectKey, Uid>) -> Self {
        Self { objects, unknown: BTreeMap::new() }
    }
}

/// The state of the CRD of MonitoringObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crd {
    /// Installed; its UID, unless the operator may not ask.
    Installed(Option<Uid>),
    /// Deleted, or being deleted. Its objects were deleted with it, not by a person.
    Lost,
    /// The API server did not say; ask again.
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_that_cannot_be_read_does_not_end_the_watch() {
        let received: Received = serde_json::from_value(json!({
            "metadata": { "name": "web", "namespace": "team-a", "uid": "u", "generation": 3, "managedFields": [{}] },
            "spec": { "host": 7 },
            "status": { "conditions": "none" },
        }))
        .unwrap();
        assert!(received.unreadable.is_some_and(|why| why.contains("invalid type")));
        let metadata = received.object.metadata;
        assert_eq!((metadata.generation, metadata.managed_fields), (Some(3), None));
        assert!(received.object.status.is_none());
    }
}
