//! `Acknowledged` to `Snapshot`: the set that satellites get. It is closed at every revision:
//! every object that a file names is in the set, whatever the order in which acknowledgements
//! arrive. [`mod@format`] has the form of the set on a satellite.

mod catalog;
pub mod format;
mod maintained;
mod names;
mod set;

pub use crate::api::marks::OPERATOR_MANAGER as FIELD_MANAGER;
pub use catalog::Catalog;
pub use format::{HeldFile, Shard, View, archive, layout, manifest, pointer, verify};
pub use maintained::{Acceptance, Maintained};
pub use names::SnapshotNames;
pub use set::Snapshot;

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::identity::Revision;
    use crate::render::Rendered;
    use std::sync::Arc;

    /// Returns the view of a satellite that accepts everything.
    pub fn view_of(files: &[Arc<Rendered>]) -> Arc<View> {
        let snapshot = Catalog::of(files).cut(Revision { term: 1, counter: 1 }).0;
        Maintained::new(Acceptance::default(), None).update(&snapshot, &mut SnapshotNames::default())
    }
}
