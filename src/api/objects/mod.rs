//! The Icinga types that a MonitoringObject can declare, one file each. Fields are the camelCase of Icinga's
//! attributes; durations are strings such as `5m`; what is left out keeps Icinga's own default.

mod check_command;
mod checkable;
mod endpoint;
mod host;
mod host_group;
mod service;
mod zone;

pub use check_command::{CheckCommandSpec, CommandArgument};
pub use checkable::CheckableSpec;
pub use endpoint::EndpointSpec;
pub use host::HostSpec;
pub use host_group::HostGroupSpec;
pub use service::{ServiceApply, ServiceSpec};
pub use zone::ZoneSpec;
