//! The contract with users: the two resource kinds, their conditions and reasons, and the CRDs
//! made from them.
//!
//! A new Icinga type starts in `types.rs`, a new reason in `reason.rs`.

pub mod agent_report;
mod agent_status;
mod closed;
pub mod condition;
pub(crate) mod crds;
pub(crate) mod duration;
pub mod hub_report;
mod icinga_version;
mod kind;
pub mod marks;
mod member;
pub mod monitoring_object;
pub mod objects;
mod open;
mod reason;
mod rules;
pub mod satellite_cluster;
pub mod text;
mod types;

pub use agent_report::{AgentReport, AgentResult};
pub use condition::{Condition, ConditionStatus, ConditionType};
pub use icinga_version::IcingaVersion;
pub use kind::Kind;
pub(crate) use member::Member;
pub use monitoring_object::{MonitoringObject, MonitoringObjectSpec, MonitoringObjectStatus};
pub use open::{Open, Vocabulary};
pub use reason::{Outlook, Reason};
pub use satellite_cluster::{SatelliteCluster, SatelliteClusterSpec, SatelliteClusterStatus};
pub use types::IcingaType;
pub(crate) use types::list as list_of_members;
