//! The statuses of the SatelliteClusters as their actors see them, also while the hub's API server
//! stores none.

use crate::api::{SatelliteCluster, SatelliteClusterStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One satellite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posted {
    /// `spec.suspend`
    pub suspended: bool,
    /// The latest status. `None` if the operator has not looked at it yet.
    pub status: Option<SatelliteClusterStatus>,
}

/// The latest status of each satellite, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Arc<Posted>>>>);

impl Board {
    /// Posts the latest status of a satellite.
    pub fn post(&self, object: &SatelliteCluster, status: Option<&SatelliteClusterStatus>) {
        let Some(name) = object.metadata.name.clone() else { return };
        let posted = Posted { suspended: object.spec.suspend, status: status.cloned() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(posted));
    }

    /// Forgets a satellite whose resource is gone.
    pub(super) fn remove(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Returns all satellites.
    pub fn all(&self) -> BTreeMap<String, Arc<Posted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
