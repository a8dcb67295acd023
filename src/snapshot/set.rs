//! The snapshot: an immutable set of files. It shares every unchanged bucket with the previous
//! one.

use super::format::{BUCKETS, Bucket};
use crate::identity::{ObjectKey, Revision};
use crate::render::Rendered;
use std::sync::Arc;

/// An immutable set of acknowledged files at one revision. Cheap to clone and to keep.
#[derive(Clone)]
pub struct Snapshot {
    revision: Revision,
    buckets: Arc<[Arc<Bucket>]>,
}

/// An object that differs between two snapshots.
pub struct Difference {
    /// The file in the old snapshot. None if there was none.
    pub old: Option<Arc<Rendered>>,
    /// The file in the new snapshot. None if there is none.
    pub new: Option<Arc<Rendered>>,
}

impl Difference {
    /// Returns the files that exist.
    pub fn both(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        [&self.old, &self.new].into_iter().flatten()
    }
}

impl Snapshot {
    /// Returns a snapshot of these [`BUCKETS`] buckets.
    pub(super) fn new(revision: Revision, buckets: &[Arc<Bucket>]) -> Self {
        debug_assert_eq!(buckets.len(), BUCKETS);
        Self { revision, buckets: buckets.into() }
    }

    /// Returns a snapshot without files, older than every other.
    pub fn empty() -> Self {
        Self::new(Revision::default(), &vec![Arc::default(); BUCKETS])
    }

    /// Returns its revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns its files, in no useful order.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        self.buckets.iter().flat_map(|bucket| bucket.files())
    }

    /// Returns the file of one object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.buckets.get(Bucket::number(key))?.get(key)
    }

    /// Returns one of the [`BUCKETS`] buckets.
    pub(super) fn bucket(&self, number: usize) -> &Arc<Bucket> {
        &self.buckets[number]
    }

    /// True if both are the same snapshot.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.buckets, &other.buckets)
    }

    /// Returns the numbers of the buckets that differ from those of `old`. Only addresses are
    /// compared, so the cost does not depend on how many snapshots are between the two.
    pub(super) fn changed_buckets(&self, old: &Self) -> Vec<usize> {
        let differ = |number: &usize| !Arc::ptr_eq(self.bucket(*number), old.bucket(*number));
        (0..BUCKETS).filter(differ).collect()
    }

    /// Returns the objects that differ from those of `old`, in the buckets of these numbers.
    pub(super) fn differences(&self, old: &Self, buckets: &[usize]) -> Vec<Difference> {
        let mut differences = Vec::new();
        for number in buckets {
            Bucket::differences(old.bucket(*number), self.bucket(*number), |old, new| {
                differences.push(Difference { old: old.cloned(), new: new.cloned() });
            });
        }
        differences
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot {} of {} files", self.revision, self.files().count())
    }
}
