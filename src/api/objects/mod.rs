//! The Icinga types that a MonitoringObject can declare, one file each. Fields are the camelCase
//! of Icinga's attributes; durations are strings such as `5m`; what is left out keeps Icinga's own
//! default.

mod apply;
mod checkable;
mod command;
mod dependency;
mod endpoint;
mod filter;
mod group;
mod host;
mod notification;
mod scheduled_downtime;
mod service;
mod set;
mod time_period;
mod user;
mod zone;

pub use apply::{Apply, ApplyRule, ApplyTo, AttachedSpec, ForEach};
pub use checkable::CheckableSpec;
pub use command::{Argument, CommandArgument, CommandSpec};
pub use dependency::DependencySpec;
pub use endpoint::EndpointSpec;
pub use filter::{NotificationType, State};
pub use group::{GroupSpec, UserGroupSpec};
pub use host::HostSpec;
pub use notification::{NotificationSpec, NotificationTimes};
pub use scheduled_downtime::{ChildOptions, ScheduledDowntimeSpec};
pub use service::ServiceSpec;
pub use set::SetItem;
pub(crate) use set::{Field, Kind, MAX_ITEMS};
pub use time_period::{Ranges, TimePeriodSpec};
pub use user::UserSpec;
pub use zone::ZoneSpec;
