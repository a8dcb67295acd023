//! The order of a delivery as types: a pointer can be written only with the proof that the
//! satellite's API server answered for every shard that the pointer names.

use super::inventory::{Inventory, Seen};
use crate::identity::Revision;
use crate::snapshot::Shard;
use crate::snapshot::View;
use crate::snapshot::layout::Form;
use crate::snapshot::pointer::{self, Destination};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The set that a satellite should hold.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// Revision of the snapshot.
    pub revision: Revision,
    /// The satellite's part of it.
    pub view: Arc<View>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.revision, self.view.digest)
    }
}

/// A set in the form in which it is delivered.
#[derive(Clone)]
pub(crate) struct Division {
    /// The form.
    pub form: Form,
    /// The shards; none in layout Single.
    pub shards: Arc<[Shard]>,
}

impl fmt::Debug for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {} shards", self.form, self.shards.len())
    }
}

/// A shard whose content the satellite's API server confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenShard {
    seen: Seen,
    /// The newest revision that uses it, from its annotation.
    wanted: Option<Revision>,
}

impl SeenShard {
    /// The newest revision that uses it, from its annotation.
    pub fn wanted(&self) -> Option<Revision> {
        self.wanted
    }

    /// When the request was sent whose answer showed it.
    pub fn asked(&self) -> Duration {
        self.seen.asked
    }
}

/// The verified shards of one satellite, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenShards(BTreeMap<String, SeenShard>);

impl SeenShards {
    /// Records an answer: the satellite holds the shard.
    pub fn answered(&mut self, name: String, seen: Seen, wanted: Option<Revision>) {
        self.0.insert(name, SeenShard { seen, wanted });
    }

    /// Returns the shard of this name. None if it was not verified.
    pub fn get(&self, name: &str) -> Option<&SeenShard> {
        self.0.get(name)
    }

    /// Forgets the shard of this name.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Forgets every shard.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Forgets the shards that were reported as deleted or replaced.
    pub fn forget_gone(&mut self, inventory: &Inventory) {
        self.0.retain(|name, shard| !inventory.is_gone(name, &shard.seen));
    }

    /// True if a verified shard is deleted or replaced.
    pub fn has_gone(&self, inventory: &Inventory) -> bool {
        self.0.iter().any(|(name, shard)| inventory.is_gone(name, &shard.seen))
    }

    /// Returns the proof that every shard of the set was verified, and none of them reported as
    /// gone since. None if one is missing.
    pub fn all(
        &self,
        set: Wanted,
        division: Division,
        name: &str,
        inventory: &Inventory,
    ) -> Option<AllShards> {
        let is_there = |shard: &Shard| {
            let name = shard.name(name);
            self.get(&name).is_some_and(|shard| !inventory.is_gone(&name, &shard.seen))
        };
        division.shards.iter().all(is_there).then_some(AllShards { set, division })
    }
}

/// Proof that the satellite's API server confirmed every shard of one set. Made only from its
/// answers, and consumed by the one pointer that names these shards.
///
/// ```
/// use groundlink::satellite::{AllShards, PointerWrite};
/// use groundlink::snapshot::pointer::Destination;
/// fn write(all: AllShards, to: &Destination) -> PointerWrite {
///     PointerWrite::new(all, to, &Default::default())
/// }
/// ```
///
/// No other code can make the proof:
///
/// ```compile_fail,E0451
/// use groundlink::satellite::{AllShards, PointerWrite};
/// use groundlink::snapshot::pointer::Destination;
/// fn write(all: AllShards, to: &Destination) -> PointerWrite {
///     PointerWrite::new(AllShards { ..all }, to, &Default::default())
/// }
/// ```
///
/// One proof serves one pointer:
///
/// ```compile_fail,E0599
/// use groundlink::satellite::{AllShards, PointerWrite};
/// use groundlink::snapshot::pointer::Destination;
/// fn write(all: AllShards, to: &Destination) -> PointerWrite {
///     PointerWrite::new(all.clone(), to, &Default::default())
/// }
/// ```
#[derive(Debug)]
pub struct AllShards {
    set: Wanted,
    division: Division,
}

impl AllShards {
    /// Number of shards.
    pub(crate) fn count(&self) -> usize {
        self.division.shards.len()
    }

    /// The form of the set.
    pub(crate) fn form(&self) -> Form {
        self.division.form
    }

    /// The shards.
    pub(crate) fn shards(&self) -> &[Shard] {
        &self.division.shards
    }
}

/// A pointer that may be written, because every shard that it names exists.
#[derive(Debug)]
pub struct PointerWrite {
    object: ConfigMap,
}

impl PointerWrite {
    /// Makes the pointer that names these shards. `previous` are shards of the pointer before it,
    /// which readers may still need.
    pub fn new(all: AllShards, target: &Destination, previous: &BTreeSet<String>) -> Self {
        let AllShards { set: Wanted { revision, view }, division } = all;
        let object = match division.form {
            Form::Single => pointer::single(target, revision, &view, previous),
            Form::Sharded { bits } => {
                pointer::sharded(target, revision, &view, bits, &division.shards, previous)
            }
        };
        Self { object }
    }

    /// Returns the same write with a precondition: it fails unless the pointer on the satellite
    /// still has this UID and resourceVersion.
    #[must_use]
    pub(crate) fn over(mut self, uid: Option<String>, version: Option<String>) -> Self {
        self.object.metadata.uid = uid;
        self.object.metadata.resource_version = version;
        self
    }

    /// The ConfigMap to send. With a resourceVersion it replaces the pointer, without one it is
    /// created.
    pub(crate) fn object(&self) -> &ConfigMap {
        &self.object
    }
}
