//! Groundlink publishes Icinga 2 objects, declared as Kubernetes resources, on a hub, and delivers to satellite clusters
//! only what is published and acknowledged.
//!
//! **The promise, in the order it happens**, each step only after the one before it succeeded:
//!
//! ```text
//! watch -> validate -> references -> render -> publish (temp, fsync, rename, fsync directory)
//!       -> status Ready acknowledged -> snapshot -> satellite -> acknowledgement -> status Synced
//! ```
//!
//! The order is a type: [`render::Rendered`] becomes [`publish::Published`] becomes [`status::Acknowledged`], and a
//! [`snapshot::Snapshot`] is built from acknowledged contents alone. The modules stand in the order of the flow, and none
//! imports one further right; [`hub`] and [`operator`] hold them together.

pub mod backoff;
pub mod identity;
pub mod lasting;
pub mod text;

pub mod api;

pub mod validate;

pub mod render;

pub mod references;

pub mod publish;

pub mod status;

pub mod snapshot;

pub mod request;

pub mod lease;
pub mod metrics;
pub mod readiness;

pub mod http;

pub mod satellite;

pub mod watch;

pub mod crd_probe;

pub mod hub;

pub mod operator;

pub mod cli;
