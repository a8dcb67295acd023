//! The agent: turns a delivered set into a running Icinga 2 that has loaded it, and proves it; or
//! keeps the last good set and reports why.

pub mod core;
mod driver;
pub mod icinga;
mod metrics;
mod reporter;
mod run;
mod shared;
pub mod source;
pub mod trees;

pub use driver::Reload;
pub use metrics::AgentMetrics;
pub use run::{Options, run};
