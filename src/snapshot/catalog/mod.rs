//! The catalog: the last acknowledged file of each object, from which snapshots are cut.
//!
//! A change (an acknowledged file or a removal) is admitted only if the set stays closed. A host
//! waits until its group is acknowledged. A group is removed only once no admitted object names
//! it. Until then the previous acknowledged bytes stay.

use super::format::{BUCKETS, Bucket};
use super::set::Snapshot;
use crate::identity::{ObjectKey, Revision};
use crate::references::{Ground, Index, circle, is_closed};
use crate::render::Rendered;
use crate::status::Acknowledged;
use crate::validate::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The files that satellites may have, and the acknowledged changes that wait to join them.
pub struct Catalog {
    /// The files that satellites may have.
    admitted: Vec<Arc<Bucket>>,
    /// Number of admitted files.
    count: usize,
    /// Changes that wait to be admitted. None is a removal.
    pending: BTreeMap<ObjectKey, Option<Arc<Rendered>>>,
    /// Objects whose file on the volume differs from the admitted one. The index of names only
    /// knows the file on the volume.
    in_transit: BTreeSet<ObjectKey>,
    changed: BTreeSet<ObjectKey>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            admitted: vec![Arc::default(); BUCKETS],
            count: 0,
            pending: BTreeMap::new(),
            in_transit: BTreeSet::new(),
            changed: BTreeSet::new(),
        }
    }
}

impl Catalog {
    /// Returns a catalog that has these contents, without a check of references.
    #[cfg(test)]
    pub fn of(contents: &[Arc<Rendered>]) -> Self {
        let mut catalog = Self::default();
        contents.iter().for_each(|content| catalog.admit(content.key(), Some(content.clone())));
        catalog
    }

    /// Puts a file into the set, or removes it with `None`, without a check of references.
    pub(super) fn admit(&mut self, key: &ObjectKey, content: Option<Arc<Rendered>>) {
        let is_in = content.is_some();
        let old = Arc::make_mut(&mut self.admitted[Bucket::number(key)]).set(key, content);
        self.count = self.count + usize::from(is_in) - usize::from(old.is_some());
        self.changed.insert(key.clone());
    }

    /// Notes that a newer file of this object is on the volume and not acknowledged yet.
    pub fn publishing(&mut self, key: &ObjectKey) {
        // An object that was never acknowledged has no older content, so the index knows all of
        // it.
        if self.admitted(key).is_some() || self.pending.contains_key(key) {
            self.in_transit.insert(key.clone());
        }
    }

    /// Takes an object that the API server acknowledged.
    pub fn offer(&mut self, acknowledged: Acknowledged) {
        let content = acknowledged.into_content();
        self.pending.insert(content.key().clone(), Some(content));
    }

    /// Notes that the file of an object was removed from the volume.
    pub fn withdraw(&mut self, key: &ObjectKey) {
        self.publishing(key);
        self.pending.insert(key.clone(), None);
    }

    /// True if an acknowledged content of an object waits for an object that it names.
    pub fn is_waiting(&self, key: &ObjectKey) -> bool {
        self.pending.get(key).is_some_and(Option::is_some)
    }

    /// Returns the file of an object that satellites may have.
    pub fn admitted(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.admitted.get(Bucket::number(key))?.get(key)
    }

    /// Returns the number of objects that satellites may have.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if satellites may have no object.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Admits the pending changes that leave no reference open, as many as possible at once.
    /// Returns true if the set changed since the last snapshot.
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
            let is_new =
                self.admitted(&key).map(|old| old.digest()) != content.as_ref().map(|new| new.digest());
            if is_new {
                self.admit(&key, content);
            }
        }
        !self.changed.is_empty()
    }

    /// Returns the snapshot of the admitted files, and the objects that changed since the last
    /// one.
    pub fn cut(&mut self, revision: Revision) -> (Snapshot, BTreeSet<ObjectKey>) {
        (Snapshot::new(revision, &self.admitted), std::mem::take(&mut self.changed))
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

    fn is_closed(&self, content: &Rendered) -> bool {
        is_closed(content, &Others { proposal: self, than: content.key() })
    }

    /// True if the content would close a circle of dependencies with those that are admitted,
    /// including ones that are about to leave.
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

    /// Returns the changes that cannot be applied: a file that needs a missing object or takes a
    /// name that another file still has, and a removal of a name that is still needed.
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

/// The proposed set without one object, as that object sees it.
struct Others<'a> {
    proposal: &'a Proposal<'a>,
    than: &'a ObjectKey,
}

impl Ground for Others<'_> {
    fn is_reserved(&self, name: &Name) -> bool {
        self.proposal.index.is_reserved(name)
    }

    /// Considers the providers that the index knows, plus objects in transit, whose admitted
    /// content the index does not know.
    fn any_provider(&self, name: &Name, is_wanted: &dyn Fn(&Rendered) -> bool) -> bool {
        let Proposal { catalog, index, .. } = self.proposal;
        let keys = index.providers(name).chain(&catalog.in_transit).filter(|key| *key != self.than);
        keys.filter_map(|key| self.proposal.get(key)).any(|content| is_wanted(content))
    }
}

#[cfg(test)]
mod tests;
