//! The catalog: what was acknowledged last of each object, and from it the next snapshot.
//!
//! An acknowledgement or a withdrawal enters only together with what keeps the set closed: a host whose group is not
//! acknowledged yet waits for it, and a group leaves only when the last object that names it has left or let go. Until then
//! the previous confirmed bytes stay.

use crate::identity::{ObjectKey, Revision};
use crate::references::{Index, MAX_RELAYED, circle};
use crate::render::Rendered;
use crate::status::Acknowledged;
use crate::validate::{Name, Use};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

const BUCKETS: usize = 256;

type Bucket = BTreeMap<ObjectKey, Arc<Rendered>>;

/// An immutable set of acknowledged files at one revision. Cheap to clone and to keep.
#[derive(Clone, Debug)]
pub struct Snapshot {
    revision: Revision,
    buckets: Arc<[Arc<Bucket>]>,
}

impl Snapshot {
    /// Its revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Its files, in no useful order.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        self.buckets.iter().flat_map(|bucket| bucket.values())
    }

    /// The file of one object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.buckets.get(bucket_of(key))?.get(key)
    }
}

fn bucket_of(key: &ObjectKey) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % BUCKETS as u64) as usize
}

/// What was acknowledged, and what of it satellites may have.
pub struct Catalog {
    admitted: Vec<Arc<Bucket>>,
    /// What waits to enter (or, as nothing, to leave).
    pending: BTreeMap<ObjectKey, Option<Arc<Rendered>>>,
    /// Objects whose file on the volume is newer than what is admitted: the index of names does not know the older one.
    in_transit: BTreeSet<ObjectKey>,
    changed: BTreeSet<ObjectKey>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            admitted: vec![Arc::default(); BUCKETS],
            pending: BTreeMap::new(),
            in_transit: BTreeSet::new(),
            changed: BTreeSet::new(),
        }
    }
}

impl Catalog {
    /// A catalog that has these, whatever they name.
    #[cfg(test)]
    pub fn of(contents: &[Arc<Rendered>]) -> Self {
        let mut catalog = Self::default();
        for content in contents {
            Arc::make_mut(&mut catalog.admitted[bucket_of(content.key())])
                .insert(content.key().clone(), content.clone());
        }
        catalog
    }

    /// A newer file of this object is on the volume and not acknowledged yet.
    pub fn publishing(&mut self, key: &ObjectKey) {
        // What was never acknowledged has no older content that the index could have forgotten.
        if self.admitted(key).is_some() || self.pending.contains_key(key) {
            self.in_transit.insert(key.clone());
        }
    }

    /// The API server acknowledged an object.
    pub fn offer(&mut self, acknowledged: Acknowledged) {
        let content = acknowledged.into_content();
        self.pending.insert(content.key().clone(), Some(content));
    }

    /// The file of an object was removed from the volume.
    pub fn withdraw(&mut self, key: &ObjectKey) {
        self.publishing(key);
        self.pending.insert(key.clone(), None);
    }

    /// What satellites may have of an object.
    pub fn admitted(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.admitted.get(bucket_of(key))?.get(key)
    }

    /// Number of objects that satellites may have.
    pub fn len(&self) -> usize {
        self.admitted.iter().map(|bucket| bucket.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Admits what can be admitted without leaving anything unresolved, as much as possible at once. True if the set
    /// changed since the last snapshot.
    pub fn settle(&mut self, index: &Index) -> bool {
        let mut applied = std::mem::take(&mut self.pending);
        loop {
            let culprits = Proposal { catalog: self, applied: &applied, index }.culprits();
            if culprits.is_empty() {
                break;
            }
            self.pending.extend(culprits.into_iter().filter_map(|key| applied.remove_entry(&key)));
        }
        for (key, content) in applied {
            if content.as_ref().map(|c| c.digest()) == index.visible(&key).map(|c| c.digest()) {
                self.in_transit.remove(&key);
            } else {
                self.in_transit.insert(key.clone());
            }
            let Some(bucket) = self.admitted.get_mut(bucket_of(&key)) else { continue };
            let unchanged =
                bucket.get(&key).map(|old| old.digest()) == content.as_ref().map(|new| new.digest());
            if unchanged {
                continue;
            }
            let bucket = Arc::make_mut(bucket);
            match content {
                Some(content) => bucket.insert(key.clone(), content),
                None => bucket.remove(&key),
            };
            self.changed.insert(key);
        }
        !self.changed.is_empty()
    }

    /// The snapshot of what is admitted, and which objects changed since the last one.
    pub fn cut(&mut self, revision: Revision) -> (Snapshot, BTreeSet<ObjectKey>) {
        let snapshot = Snapshot { revision, buckets: self.admitted.clone().into() };
        (snapshot, std::mem::take(&mut self.changed))
    }
}

/// The admitted set with some of the pending changes applied.
struct Proposal<'a> {
    catalog: &'a Catalog,
    applied: &'a BTreeMap<ObjectKey, Option<Arc<Rendered>>>,
    index: &'a Index,
}

impl Proposal<'_> {
    fn get(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        match self.applied.get(key) {
            Some(content) => content.as_ref(),
            None => self.catalog.admitted(key),
        }
    }

    /// Whether something provides or passes on one of the alternatives. Objects that may: those the index knows, and those whose
    /// admitted content it does not.
    fn holds(&self, referrer: &ObjectKey, needed: &Use) -> bool {
        needed.any_of.iter().any(|name| self.has(referrer, name, 0))
    }

    fn has(&self, referrer: &ObjectKey, name: &Name, relayed: usize) -> bool {
        self.index.is_reserved(name)
            || self.index.providers(name).chain(&self.catalog.in_transit).any(|key| {
                let relays = |given: &Name| relayed < MAX_RELAYED && self.has(referrer, given, relayed + 1);
                key != referrer && self.get(key).is_some_and(|content| content.gives(name, &relays))
            })
    }

    fn is_closed(&self, content: &Rendered) -> bool {
        content.uses().iter().all(|needed| self.holds(content.key(), needed))
    }

    /// Whether something would depend on itself by it, while what stands in its way has not left yet.
    fn makes_circle(&self, content: &Rendered) -> bool {
        let is_new = self.catalog.admitted(content.key()).and_then(|old| old.link()) != content.link();
        is_new
            && circle(content, &|name| {
                let keys: BTreeSet<_> = self.index.providers(name).chain(&self.catalog.in_transit).collect();
                let contents = keys.into_iter().filter_map(|key| self.get(key));
                let has = |content: &&Arc<Rendered>| content.provides().iter().any(|c| c.name == *name);
                contents.filter(has).cloned().collect()
            })
            .is_some()
    }

    /// The changes that cannot be applied: entering without what they need, taking a name that is still held, or leaving
    /// while needed.
    fn culprits(&self) -> BTreeSet<ObjectKey> {
        let mut culprits = BTreeSet::new();
        let mut takers: HashMap<&Name, &ObjectKey> = HashMap::new();
        let mut in_transit: HashMap<&Name, Vec<&ObjectKey>> = HashMap::new();
        for key in &self.catalog.in_transit {
            for provided in self.catalog.admitted(key).iter().flat_map(|content| content.provides()) {
                in_transit.entry(&provided.name).or_default().push(key);
            }
        }
        for (key, content) in self.applied {
            if let Some(content) = content {
                if !self.is_closed(content) || self.makes_circle(content) {
                    culprits.insert(key.clone());
                }
                for provided in content.provides() {
                    let twin = provided.name.twin();
                    let names = [Some(&provided.name), twin.as_ref()].into_iter().flatten();
                    let in_transit = names.filter_map(|name| in_transit.get(name)).flatten().copied();
                    let held = self.index.rivals(provided).iter().chain(in_transit).any(|other| {
                        let clashes =
                            |content: &Arc<Rendered>| content.provides().iter().any(|c| c.clashes(provided));
                        other != key
                            && !self.applied.contains_key(other)
                            && self.get(other).is_some_and(clashes)
                    });
                    if held || provided.exclusive && takers.insert(&provided.name, key).is_some() {
                        culprits.insert(key.clone());
                    }
                }
            }
            let Some(old) = self.catalog.admitted(key) else { continue };
            let kept = |name: &Name| {
                content.as_ref().is_some_and(|c| c.provides().iter().any(|provided| provided.name == *name))
            };
            for (name, _) in old.names().filter(|(name, _)| !kept(name)) {
                let needed_by = |referrer: &ObjectKey| {
                    referrer != key
                        && !self.applied.contains_key(referrer)
                        && self.get(referrer).is_some_and(|content| !self.is_closed(content))
                };
                let referrers = self.index.referrers(name);
                if referrers.iter().chain(&self.catalog.in_transit).any(needed_by) {
                    culprits.insert(key.clone());
                }
            }
        }
        culprits
    }
}

#[cfg(test)]
mod tests;
