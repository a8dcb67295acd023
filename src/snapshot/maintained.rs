//! The view of one acceptance, kept up to date from snapshot to snapshot. A change costs the
//! buckets and digests that it touches, and the objects whose references it may open or close. It
//! does not cost the whole set.

use super::format::listing::{GROUPS, digest_of, digest_of_groups, group_of};
use super::format::{BUCKETS, Bucket, View};
use super::names::SnapshotNames;
use super::set::{Difference, Snapshot};
use crate::api::IcingaVersion;
use crate::identity::{Digest, ObjectKey};
use crate::references::{Ground, is_closed};
use crate::render::Rendered;
use crate::validate::Name;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What a satellite accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acceptance {
    /// Zones whose objects are accepted. Objects without a zone always are.
    pub zones: BTreeSet<String>,
    /// Namespaces whose objects are accepted. None for all.
    pub namespaces: Option<BTreeSet<String>>,
    /// Version of the Icinga on the satellite. None if it is the version that the hub is
    /// configured for.
    pub icinga_version: Option<IcingaVersion>,
}

impl Acceptance {
    /// True if the satellite should hold an object.
    pub fn accepts(&self, content: &Rendered) -> bool {
        content.zone().is_none_or(|zone| self.zones.contains(zone))
            && self.namespaces.as_ref().is_none_or(|names| names.contains(content.key().namespace()))
    }

    /// True if an accepted object may name one that the satellite does not have. A choice of zones
    /// alone never causes that: only objects of the same zone can name an object of a zone.
    pub fn may_leave_out(&self) -> bool {
        self.namespaces.is_some() || self.icinga_version.is_some()
    }
}

/// The latest view of one acceptance, with the state from which the next one is computed.
pub struct Maintained {
    acceptance: Acceptance,
    /// Names that exist on the satellite without any object. None if they are the same as on the
    /// hub.
    reserved: Option<HashSet<Name>>,
    seen: Snapshot,
    buckets: Vec<Arc<Bucket>>,
    groups: Groups,
    latest: Arc<View>,
}

impl Maintained {
    /// Returns an empty view. `reserved` has the names that exist on the satellite without any
    /// object. None if they are the same as on the hub.
    pub fn new(acceptance: Acceptance, reserved: Option<HashSet<Name>>) -> Self {
        let buckets = vec![Arc::default(); BUCKETS];
        let mut groups = Groups::default();
        let latest = Arc::new(View::new(None, &buckets, Arc::default(), groups.digest()));
        Self { acceptance, reserved, seen: Snapshot::empty(), buckets, groups, latest }
    }

    /// Returns what its satellites accept.
    pub fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    /// Returns the latest view.
    pub fn latest(&self) -> &Arc<View> {
        &self.latest
    }

    /// True if the latest view is that of this snapshot.
    pub fn is_at(&self, snapshot: &Snapshot) -> bool {
        self.seen.is_same(snapshot)
    }

    /// Returns the view of a snapshot, which may be any number of revisions newer or older than
    /// the last one. Moves `names` to that snapshot if the view needs it.
    ///
    /// The view is closed: an accepted object is left out if it names one that is not in the view.
    pub fn update(&mut self, snapshot: &Snapshot, names: &mut SnapshotNames) -> Arc<View> {
        let mut touched = snapshot.changed_buckets(&self.seen);
        let differences = snapshot.differences(&self.seen, &touched);
        let mut left_out = self.latest.left_out.clone();
        if self.acceptance.may_leave_out() {
            names.move_to(snapshot);
            let moves = Closing::of(&self.acceptance, self.reserved.as_ref(), &left_out, names, &differences);
            if !moves.is_empty() {
                let left_out = Arc::make_mut(&mut left_out);
                for (key, is_out) in moves {
                    touched.push(Bucket::number(&key));
                    if is_out {
                        left_out.insert(key)
                    } else {
                        left_out.remove(&key)
                    };
                }
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            let bucket = self.accepted(snapshot.bucket(number), &left_out);
            let old = std::mem::replace(&mut self.buckets[number], bucket);
            Bucket::differences(&old, &self.buckets[number], |old, new| self.groups.replace(old, new));
        }
        self.seen = snapshot.clone();
        let digest = self.groups.digest();
        if digest != self.latest.digest || left_out != self.latest.left_out {
            self.latest = Arc::new(View::new(Some(&self.latest), &self.buckets, left_out, digest));
        }
        self.latest.clone()
    }

    /// Returns the part of a bucket that is in the view. If that is all of it, returns the same
    /// allocation.
    fn accepted(&self, bucket: &Arc<Bucket>, left_out: &BTreeSet<ObjectKey>) -> Arc<Bucket> {
        let is_in = |file: &Rendered| {
            self.acceptance.accepts(file) && (left_out.is_empty() || !left_out.contains(file.key()))
        };
        if bucket.files().iter().all(|file| is_in(file)) {
            return bucket.clone();
        }
        Arc::new(bucket.filtered(is_in))
    }
}

/// The files of a view by the groups of its digest.
struct Groups {
    groups: Vec<Group>,
}

/// Files whose digests begin with the same two digits.
#[derive(Clone, Default)]
struct Group {
    /// Sorted by digest, then by key, as their lines are.
    files: Vec<Arc<Rendered>>,
    /// None if there are no files, or if they changed since the digest was computed.
    digest: Option<Digest>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { groups: vec![Group::default(); GROUPS] }
    }
}

impl Groups {
    fn replace(&mut self, old: Option<&Arc<Rendered>>, new: Option<&Arc<Rendered>>) {
        if let Some(old) = old {
            let group = &mut self.groups[group_of(&old.digest())];
            if let Ok(place) = group.place(old) {
                group.files.remove(place);
                group.digest = None;
            }
        }
        if let Some(new) = new {
            let group = &mut self.groups[group_of(&new.digest())];
            if let Err(place) = group.place(new) {
                group.files.reserve_exact(1);
                group.files.insert(place, new.clone());
                group.digest = None;
            }
        }
    }

    /// Returns the digest of the set. Hashes only the groups that changed.
    fn digest(&mut self) -> Digest {
        digest_of_groups(self.groups.iter_mut().map(|group| {
            if group.digest.is_none() && !group.files.is_empty() {
                let files = group.files.iter();
                group.digest = Some(digest_of(files.map(|file| (file.digest(), file.key().file_key()))));
            }
            group.digest
        }))
    }
}

impl Group {
    fn place(&self, file: &Rendered) -> Result<usize, usize> {
        let line = (file.digest(), file.key().file_key());
        self.files.binary_search_by(|other| (other.digest(), other.key().file_key()).cmp(&line))
    }
}

/// One step that keeps a view closed: decides which objects are newly left out, and which return.
///
/// An object that was left out can return only if it refers to a name that changed, or to a name
/// of another object that returns. First, all of these return. Then every object with a missing
/// reference is left out again, and so are its referrers if that opens them. So objects that need
/// each other return together.
struct Closing<'a> {
    acceptance: &'a Acceptance,
    reserved: Option<&'a HashSet<Name>>,
    names: &'a SnapshotNames,
    before: &'a BTreeSet<ObjectKey>,
    /// Objects about which this step has decided. True if the object is left out.
    decided: HashMap<ObjectKey, bool>,
}

impl<'a> Closing<'a> {
    /// Returns the objects whose place changes: true if the object is newly left out, false if it
    /// returns.
    fn of(
        acceptance: &'a Acceptance,
        reserved: Option<&'a HashSet<Name>>,
        before: &'a BTreeSet<ObjectKey>,
        names: &'a SnapshotNames,
        differences: &'a [Difference],
    ) -> Vec<(ObjectKey, bool)> {
        let mut closing = Self { acceptance, reserved, names, before, decided: HashMap::new() };
        let mut suspects: Vec<&Arc<Rendered>> = Vec::new();
        let mut changed: Vec<&Name> = Vec::new();
        for difference in differences {
            for file in difference.both() {
                closing.decided.insert(file.key().clone(), false);
            }
            if let Some(new) = difference.new.as_ref().filter(|new| acceptance.accepts(new)) {
                closing.decided.insert(new.key().clone(), closing.clashes(new));
                suspects.push(new);
            }
            if !closing.is_the_same_for_others(difference) {
                changed.extend(difference.both().flat_map(|file| file.names()).map(|(name, _)| name));
            }
        }
        // Each name is followed once, however many objects share it.
        let mut followed = HashSet::new();
        while let Some(name) = changed.pop() {
            if !followed.insert(name) {
                continue;
            }
            for referrer in names.referrers(name).filter(|referrer| acceptance.accepts(referrer)) {
                // It is a suspect already, or cannot be in the view at all.
                if closing.decided.contains_key(referrer.key()) {
                    continue;
                }
                if before.contains(referrer.key()) {
                    if closing.clashes(referrer) {
                        continue;
                    }
                    closing.decided.insert(referrer.key().clone(), false);
                    changed.extend(referrer.names().map(|(name, _)| name));
                }
                suspects.push(referrer);
            }
        }
        closing.put_out(suspects);
        let Self { decided, before, .. } = closing;
        decided.into_iter().filter(|(key, is_out)| *is_out != before.contains(key)).collect()
    }

    /// Leaves out each object with a missing reference, and the objects that this opens.
    fn put_out(&mut self, mut suspects: Vec<&'a Arc<Rendered>>) {
        while let Some(suspect) = suspects.pop() {
            if self.is_out(suspect.key()) || is_closed(suspect, self) {
                continue;
            }
            self.decided.insert(suspect.key().clone(), true);
            for (name, _) in suspect.names() {
                suspects
                    .extend(self.names.referrers(name).filter(|referrer| self.acceptance.accepts(referrer)));
            }
        }
    }

    fn is_out(&self, key: &ObjectKey) -> bool {
        self.decided.get(key).copied().unwrap_or_else(|| self.before.contains(key))
    }

    /// True if an object provides a name that is reserved on the satellite.
    fn clashes(&self, file: &Rendered) -> bool {
        self.reserved
            .is_some_and(|reserved| file.provides().iter().any(|provided| provided.is_taken(reserved)))
    }

    /// True if a difference cannot affect any other object.
    fn is_the_same_for_others(&self, difference: &Difference) -> bool {
        let (Some(old), Some(new)) = (&difference.old, &difference.new) else { return false };
        let is_in = |file: &Arc<Rendered>| self.acceptance.accepts(file);
        old.provides() == new.provides()
            && old.relays() == new.relays()
            && is_in(old) == is_in(new)
            && !self.before.contains(old.key())
    }
}

impl Ground for Closing<'_> {
    /// If no object of the whole snapshot provides a name, the name is reserved on the hub. It is
    /// reserved on the satellite, too, unless that has reserved names of its own.
    fn is_reserved(&self, name: &Name) -> bool {
        self.names.providers(name).is_none() && self.reserved.is_none_or(|reserved| reserved.contains(name))
    }

    fn any_provider(&self, name: &Name, is_wanted: &dyn Fn(&Rendered) -> bool) -> bool {
        let is_in = |file: &Arc<Rendered>| self.acceptance.accepts(file) && !self.is_out(file.key());
        self.names.providers(name).into_iter().flatten().any(|file| is_in(file) && is_wanted(file))
    }
}

#[cfg(test)]
mod tests;
