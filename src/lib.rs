//! Groundlink publishes Icinga 2 objects, declared as Kubernetes resources, on a hub, and delivers to satellite clusters
//! only what is published and acknowledged.
//!
//! **The promise, in the order it happens**, each step only after the one before it succeeded:
//!
//! ```text
//! watch -> validate -> render -> references (what may be published)
//!       -> publish (temp file, sync, rename, sync of the directory) -> status Ready, acknowledged
//!       -> snapshot -> delivered to each satellite -> status Synced
//! ```
//!
//! The order is a type: [`render::Rendered`] becomes [`publish::Published`] becomes [`status::Acknowledged`], and a
//! [`snapshot::Snapshot`] is built from acknowledged contents alone. The modules stand in an order in which none imports one
//! further down; [`hub`] holds them together. `ARCHITECTURE.md` is the map.

pub(crate) mod backoff;
pub mod identity;
pub(crate) mod lasting;
pub mod text;

pub mod ownership;

pub(crate) mod request;

pub(crate) mod follow;

pub mod api;

pub mod validate;

pub mod evaluate;

pub mod render;

pub mod references;

pub mod publish;

pub mod status;

pub mod snapshot;

pub(crate) mod lease;
pub mod metrics;
pub(crate) mod readiness;

pub(crate) mod http;

pub mod satellite;

pub mod agent;

pub mod watch;

pub(crate) mod crd_probe;

pub mod hub;

pub mod page;

pub(crate) mod operator;

pub mod import;

pub mod expansion;

pub mod cli;

#[cfg(test)]
mod simulation;
