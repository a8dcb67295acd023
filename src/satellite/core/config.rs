//! The settings of an actor for its satellite.

use crate::api::duration::parse_duration;
use crate::api::marks::FINALIZER;
use crate::api::satellite_cluster::{Cleanup, NamespacesFrom};
use crate::api::{Reason, SatelliteCluster};
use crate::satellite::problem::Problem;
use crate::snapshot::Acceptance;
use crate::snapshot::pointer::Destination;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The settings of an actor.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The resource.
    pub object: Arc<SatelliteCluster>,
    /// Namespaces that its selector chooses, or why they are not known; empty without a selector.
    pub selected: Result<BTreeSet<String>, String>,
    /// Why `spec` cannot be read. None if it can. Otherwise the spec in `object` is an earlier one,
    /// or empty, and nothing may be done because of it.
    pub unreadable: Option<String>,
}

impl Config {
    /// Checks that the spec can be read.
    ///
    /// # Errors
    /// If the spec cannot be read.
    pub fn readable(&self) -> Result<(), Problem> {
        let Some(why) = &self.unreadable else { return Ok(()) };
        Err(Problem::stalled(
            Reason::Unsupported,
            format!(
                "spec cannot be read by this version of the operator: {why}; correct the field, or run the version of the \
                 operator that the CRD belongs to. Until then nothing is written to the satellite"
            ),
        ))
    }

    /// Returns what the satellite accepts.
    ///
    /// # Errors
    /// If the spec cannot be read, or the namespaces that it chooses are not known.
    pub fn acceptance(&self) -> Result<Acceptance, Problem> {
        self.readable()?;
        let spec = &self.object.spec;
        let namespaces = match spec.namespaces.from {
            NamespacesFrom::All => None,
            NamespacesFrom::List => Some(spec.namespaces.names.iter().cloned().collect()),
            NamespacesFrom::Selector => match &self.selected {
                Ok(selected) => Some(selected.clone()),
                Err(why) => {
                    let message = format!("spec.namespaces: the hub's namespaces are not known: {why}");
                    return Err(Problem::transient(Reason::Pending, message));
                }
            },
        };
        Ok(Acceptance {
            zones: spec.zones.iter().map(|zone| zone.as_str().to_owned()).collect(),
            namespaces,
            icinga_version: spec.icinga_version,
        })
    }

    /// Returns where the satellite's ConfigMaps are.
    pub fn target(&self, hub: &str) -> Destination {
        let target = &self.object.spec.target;
        Destination {
            hub: hub.to_owned(),
            satellite: self.object.metadata.name.clone().unwrap_or_default(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            labels: target.labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect(),
            annotations: target
                .annotations
                .iter()
                .map(|(key, value)| (key.clone(), value.0.clone()))
                .collect(),
        }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    /// True if the finalizer is there.
    pub(super) fn is_kept(&self) -> bool {
        let finalizers = self.object.metadata.finalizers.as_deref().unwrap_or_default();
        finalizers.iter().any(|name| name == FINALIZER)
    }

    /// Returns whether the finalizer is to be added (true) or removed (false): it is there if the
    /// ConfigMaps are to be deleted with the resource, and only then. None if that is so.
    pub(super) fn finalizer_change(&self) -> Option<bool> {
        let wanted = self.object.spec.deletion.cleanup == Cleanup::Delete;
        (wanted != self.is_kept()).then_some(wanted)
    }
}

/// Returns a duration of a resource.
pub(crate) fn duration(text: &crate::api::text::Duration) -> Duration {
    // The CRD admits nothing that cannot be parsed.
    Duration::from_secs_f64(parse_duration(text.as_str()).unwrap_or(10.0))
}
