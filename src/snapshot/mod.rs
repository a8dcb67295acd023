//! Acknowledged to Snapshot: the set that satellites get. It is closed (nothing in it names what it does not hold) at every
//! revision, whatever the order in which acknowledgements arrive.

mod catalog;
pub mod single;
mod view;

pub use catalog::{Catalog, Snapshot};
pub use view::{Acceptance, View, view};
