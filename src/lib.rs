//! Groundlink.
#![forbid(unsafe_code)]
pub mod api;
pub mod identity;
pub mod publish;
pub mod references;
pub mod render;
pub mod settings;
pub mod snapshot;
pub mod status;
pub mod validate;
