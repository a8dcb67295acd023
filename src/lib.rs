//! Groundlink.
#![forbid(unsafe_code)]
pub mod api;
pub mod identity;
pub mod references;
pub mod render;
pub mod settings;
pub mod validate;
