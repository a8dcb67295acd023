//! Acknowledged to Snapshot: the set that satellites get. It is closed (nothing in it names what it does not hold) at every
//! revision, whatever the order in which acknowledgements arrive. And its form on a satellite: a pointer, and shards.

pub mod archive;
mod catalog;
pub mod layout;
pub mod manifest;
pub mod pointer;
pub mod verify;
mod view;

pub use catalog::{Catalog, Snapshot};
pub use view::{Acceptance, View, view};

pub use crate::api::marks::OPERATOR_MANAGER as FIELD_MANAGER;
