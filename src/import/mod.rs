//! Icinga 2's configuration to manifests.

pub mod document;
pub mod language;
pub mod names;
pub mod tree;
pub mod yaml;
