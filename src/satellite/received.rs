//! A SatelliteCluster as the hub's API server sends it. Each is decoded by itself: one that this
//! version cannot read must not end the LIST of all.

use crate::api::SatelliteCluster;
use crate::api::satellite_cluster::{SatelliteClusterSpec, SecretKeyRef};
use crate::text::clean;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// Longest text of what is wrong with a spec, in bytes.
const WHY_MAX: usize = 300;

/// A SatelliteCluster, or why its spec cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// The resource. If the spec cannot be read, it names nothing and nobody may act on it.
    pub object: SatelliteCluster,
    /// Why the spec cannot be read. None if it can.
    pub unreadable: Option<String>,
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: ObjectMeta,
            #[serde(default)]
            spec: serde_json::Value,
            #[serde(default)]
            status: serde_json::Value,
        }
        let Raw { metadata, spec, status } = Raw::deserialize(deserializer)?;
        let (spec, unreadable) = match serde_json::from_value(spec) {
            Ok(spec) => (spec, None),
            Err(error) => (unknown(), Some(clean(&error.to_string(), WHY_MAX))),
        };
        // A status that cannot be read counts as missing, so it is written again.
        let status = serde_json::from_value(status).ok();
        Ok(Self { object: SatelliteCluster { metadata, spec, status }, unreadable })
    }
}

/// The spec of a resource whose spec is not known.
fn unknown() -> SatelliteClusterSpec {
    SatelliteClusterSpec {
        kubeconfig_secret_ref: SecretKeyRef { name: String::new(), key: None },
        token_renewal: None,
        zones: Vec::new(),
        namespaces: Default::default(),
        icinga_version: None,
        target: Default::default(),
        suspend: false,
        drift_policy: Default::default(),
        adoption_policy: Default::default(),
        ack_level: Default::default(),
        sync_policy: Default::default(),
        sync_timeout: "3m".into(),
        deletion: Default::default(),
        request_timeout: "10s".into(),
    }
}

impl Resource for Received {
    type DynamicType = ();
    type Scope = <SatelliteCluster as Resource>::Scope;

    fn kind(_: &()) -> Cow<'_, str> {
        SatelliteCluster::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        SatelliteCluster::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        SatelliteCluster::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        SatelliteCluster::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.object.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.object.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::ObjectList;
    use serde_json::{Value, json};

    fn listed(spec: Value, status: Value) -> Received {
        let readable =
            json!({ "metadata": { "name": "good" }, "spec": { "kubeconfigSecretRef": { "name": "edge" } } });
        let other = json!({ "metadata": { "name": "other", "uid": "u", "generation": 4 }, "spec": spec, "status": status });
        let list = json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteClusterList",
            "metadata": { "resourceVersion": "7" }, "items": [readable, other],
        });
        let mut list: ObjectList<Received> = serde_json::from_value(list).unwrap();
        let other = list.items.pop().unwrap();
        assert!(list.items.iter().all(|good| good.unreadable.is_none()), "{list:?}");
        assert_eq!(other.object.metadata.name.as_deref(), Some("other"));
        assert_eq!(other.object.metadata.generation, Some(4));
        other
    }

    #[test]
    fn one_that_cannot_be_read_does_not_end_the_list() {
        let specs = [
            json!({ "kubeconfigSecretRef": { "name": "edge" }, "driftPolicy": "Mirror" }),
            json!({ "kubeconfigSecretRef": 7 }),
            json!({ "suspend": true }),
            Value::Null,
        ];
        for spec in specs {
            let received = listed(spec.clone(), Value::Null);
            assert!(received.unreadable.is_some(), "{spec}");
            assert_eq!(received.object.spec, unknown());
        }
        let why = listed(
            json!({ "kubeconfigSecretRef": { "name": "edge" }, "driftPolicy": "Mirror" }),
            Value::Null,
        );
        assert!(why.unreadable.unwrap().contains("unknown variant `Mirror`"));
    }

    #[test]
    fn a_status_that_cannot_be_read_counts_as_missing() {
        let spec = json!({ "kubeconfigSecretRef": { "name": "edge" } });
        let condition = |status: &str, reason: &str| {
            json!({ "observedGeneration": 3, "conditions": [{
            "type": "Ready", "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-29T12:00:00Z",
        }] })
        };
        // Of another version are words that this one may not know.
        for reason in ["Unreachable", "InventedLater"] {
            let received = listed(spec.clone(), condition("False", reason));
            assert_eq!(received.object.status.unwrap().conditions[0].reason.as_str(), reason);
        }
        let received = listed(spec, condition("Perhaps", "Unreachable"));
        assert_eq!((received.unreadable, received.object.status), (None, None));
    }
}
