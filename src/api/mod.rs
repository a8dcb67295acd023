//! The contract with users: the two resource kinds, their conditions and reasons, and the CRDs made from them.
//!
//! A new Icinga type starts here: one file with its fields, one line in [`monitoring_object::MonitoringObjectSpec`],
//! then one file in `validate/`.

pub mod condition;
pub mod crds;
mod icinga_version;
pub mod marks;
pub mod monitoring_object;
pub mod objects;
pub mod satellite_cluster;
pub mod text;

pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use icinga_version::IcingaVersion;
pub use monitoring_object::{MonitoringObject, MonitoringObjectSpec, MonitoringObjectStatus};
pub use satellite_cluster::{SatelliteCluster, SatelliteClusterSpec, SatelliteClusterStatus};

/// API group of both kinds.
pub const GROUP: &str = "groundlink.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
