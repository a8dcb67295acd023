//! The two kinds of resource.

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One Icinga object, template or rule.
    MonitoringObject,
    /// A cluster that receives what is published.
    SatelliteCluster,
}

pub(super) const BOTH_KINDS: &[Kind] = &[Kind::MonitoringObject, Kind::SatelliteCluster];
pub(super) const MONITORING_OBJECT: &[Kind] = &[Kind::MonitoringObject];
pub(super) const SATELLITE_CLUSTER: &[Kind] = &[Kind::SatelliteCluster];
