//! Clusters as the person who calls sees them: reading, applying and deleting objects with that
//! person's rights.

pub(super) mod apply;
mod cluster;
mod flags;
mod kubeconfig;
mod observed;
pub(super) mod owned;

pub(super) use cluster::{Cluster, Refused, satellite_clusters};
pub(super) use flags::{HubArguments, SATELLITE, SatelliteArguments};
pub(super) use kubeconfig::{Endpoint, endpoint};
pub(super) use observed::Observed;
