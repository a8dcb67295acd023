//! The index of names: who provides one, who uses it, and what follows when that changes.
//!
//! A resource has at most two contents here: the *visible* one, which belongs into the published set, and a *waiting* one,
//! which is newer and cannot be published yet. So a change that names something missing keeps the last good state.

use crate::api::Reason;
use crate::identity::ObjectKey;
use crate::render::Rendered;
use crate::validate::{Claim, Name, Use};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Who is older: creation time in Unix seconds, then UID. It decides who keeps a name that two resources claim.
type Age = (i64, Arc<str>);

/// Which valid objects may be published.
#[derive(Default)]
pub struct Index {
    reserved: HashSet<Name>,
    slots: HashMap<ObjectKey, Slot>,
    names: HashMap<Name, Entry>,
    /// Visible contents that may have lost what they need.
    suspects: BTreeSet<ObjectKey>,
    /// Waiting contents that may have gained what they need.
    hopefuls: BTreeSet<ObjectKey>,
    changed: BTreeSet<ObjectKey>,
}

struct Slot {
    age: Age,
    visible: Option<Arc<Rendered>>,
    waiting: Option<Arc<Rendered>>,
}

impl Slot {
    fn contents(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        self.visible.iter().chain(self.waiting.iter())
    }
}

#[derive(Default)]
struct Entry {
    exclusive: Vec<ObjectKey>,
    shared: HashSet<ObjectKey>,
    users: HashSet<ObjectKey>,
}

impl Entry {
    fn claimants(&self) -> impl Iterator<Item = &ObjectKey> {
        self.exclusive.iter().chain(self.shared.iter())
    }

    fn is_unused(&self) -> bool {
        self.exclusive.is_empty() && self.users.is_empty() && self.shared.is_empty()
    }
}

/// Why a content waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// NameConflict or UnresolvedReference.
    pub reason: Reason,
    /// Names what is missing, or the winner.
    pub message: String,
}

type Overlay = HashMap<ObjectKey, Arc<Rendered>>;

impl Index {
    /// An empty index; `reserved` are the names that exist without any resource: the template library's and the external
    /// objects. No resource can claim one.
    pub fn new(reserved: HashSet<Name>) -> Self {
        Self { reserved, ..Self::default() }
    }

    /// A valid content of a resource. Nothing is decided before [`Self::resolve`].
    pub fn upsert(&mut self, created: i64, uid: &Arc<str>, content: Arc<Rendered>) {
        let key = content.key().clone();
        let age = (created, uid.clone());
        if self.slots.get(&key).is_some_and(|slot| slot.age != age) {
            self.remove(&key);
        }
        self.update(&key, |slots| {
            let slot = slots.entry(key.clone()).or_insert(Slot { age, visible: None, waiting: None });
            // Back to what is published: nothing is waiting any more.
            let published = slot.visible.as_ref().is_some_and(|visible| visible.digest() == content.digest());
            slot.waiting = if published { None } else { Some(content) };
        });
    }

    /// The resource's present content is not valid (or suspended): what is visible stays, nothing waits.
    pub fn keep(&mut self, key: &ObjectKey) {
        self.update(key, |slots| {
            if let Some(slot) = slots.get_mut(key) {
                slot.waiting = None;
            }
        });
    }

    /// The resource is gone.
    pub fn remove(&mut self, key: &ObjectKey) {
        self.update(key, |slots| {
            slots.remove(key);
        });
    }

    /// The content that belongs into the published set.
    pub fn visible(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.slots.get(key)?.visible.as_ref()
    }

    /// All visible contents, in no order.
    pub fn all_visible(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        self.slots.values().filter_map(|slot| slot.visible.as_ref())
    }

    /// Resources that claim a name, visible or not.
    pub fn claimants(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.names.get(name).into_iter().flat_map(Entry::claimants)
    }

    /// Resources that use a name, visible or not.
    pub fn users(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.names.get(name).into_iter().flat_map(|entry| entry.users.iter())
    }

    /// Whether a name exists without any resource.
    pub fn is_reserved(&self, name: &Name) -> bool {
        self.reserved.contains(name)
    }

    /// Resources whose visible content or reason to wait may have changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.changed)
    }

    /// Why the newest content of a resource is not visible; nothing if it is.
    pub fn waiting(&self, key: &ObjectKey) -> Option<Waiting> {
        let content = self.slots.get(key)?.waiting.as_ref()?;
        for claim in content.provides() {
            if self.is_taken(claim) {
                return Some(Waiting {
                    reason: Reason::NameConflict,
                    message: format!(
                        "{} exists already in the Icinga Template Library or among the external objects; choose another name",
                        claim.name
                    ),
                });
            }
            if let Some(winner) = self.winner_over(key, claim) {
                return Some(Waiting {
                    reason: Reason::NameConflict,
                    message: format!(
                        "{} is claimed by MonitoringObject {winner}, which is older; choose another name or delete that one",
                        claim.name
                    ),
                });
            }
        }
        let overlay = Overlay::new();
        let missing: Vec<String> = content
            .uses()
            .iter()
            .filter(|needed| !self.satisfied(content, needed, &overlay))
            .map(|needed| self.describe_missing(content, needed))
            .collect();
        let message = if missing.is_empty() {
            "it names itself, directly or through what it names; remove one of the references".into()
        } else {
            format!("not published: {}; it is published by itself when that appears", missing.join(", "))
        };
        Some(Waiting { reason: Reason::UnresolvedReference, message })
    }

    /// Decides again about everything that changed: withdraws what lost its ground, admits what gained it.
    pub fn resolve(&mut self) {
        loop {
            self.withdraw();
            if !self.admit() {
                return;
            }
        }
    }

    /// Applies a change to one slot and keeps the name entries in step with it.
    fn update(&mut self, key: &ObjectKey, change: impl FnOnce(&mut HashMap<ObjectKey, Slot>)) {
        let (claims_before, uses_before) = self.names_of(key);
        change(&mut self.slots);
        let (claims_after, uses_after) = self.names_of(key);
        for (name, exclusive) in claims_before.difference(&claims_after) {
            if let Some(entry) = self.names.get_mut(name) {
                if *exclusive {
                    entry.exclusive.retain(|other| other != key);
                } else {
                    entry.shared.remove(key);
                }
            }
            self.claim_changed(name);
        }
        for (name, exclusive) in claims_after.difference(&claims_before) {
            let entry = self.names.entry(name.clone()).or_default();
            if *exclusive {
                entry.exclusive.push(key.clone());
            } else {
                entry.shared.insert(key.clone());
            }
            self.claim_changed(name);
        }
        for name in uses_before.difference(&uses_after) {
            if let Some(entry) = self.names.get_mut(name) {
                entry.users.remove(key);
            }
        }
        for name in uses_after.difference(&uses_before) {
            self.names.entry(name.clone()).or_default().users.insert(key.clone());
        }
        for name in claims_before.iter().map(|(name, _)| name).chain(&uses_before) {
            if self.names.get(name).is_some_and(Entry::is_unused) {
                self.names.remove(name);
            }
        }
        self.suspects.insert(key.clone());
        self.hopefuls.insert(key.clone());
        self.changed.insert(key.clone());
    }

    fn names_of(&self, key: &ObjectKey) -> (BTreeSet<(Name, bool)>, BTreeSet<Name>) {
        let (mut claims, mut uses) = (BTreeSet::new(), BTreeSet::new());
        for content in self.slots.get(key).into_iter().flat_map(Slot::contents) {
            claims.extend(content.provides().iter().map(|claim| (claim.name.clone(), claim.exclusive)));
            uses.extend(content.uses().iter().flat_map(|needed| needed.any_of.iter().cloned()));
        }
        (claims, uses)
    }

    /// Others who claim the name win or lose it, and its users gain or lose it.
    fn claim_changed(&mut self, name: &Name) {
        if let Some(twin) = name.twin().and_then(|twin| self.names.get(&twin)) {
            self.suspects.extend(twin.exclusive.iter().cloned());
            self.hopefuls.extend(twin.exclusive.iter().cloned());
            self.changed.extend(twin.exclusive.iter().cloned());
        }
        let Some(entry) = self.names.get(name) else { return };
        self.suspects.extend(entry.users.iter().cloned());
        // Sharers only meet exclusive claimants, so a crowd of sharers alone need not be looked at.
        if !entry.exclusive.is_empty() {
            self.suspects.extend(entry.claimants().cloned());
            self.hopefuls.extend(entry.claimants().cloned());
            self.changed.extend(entry.claimants().cloned());
        } else {
            let waiting: Vec<_> = entry.shared.iter().filter(|key| self.waits(key)).cloned().collect();
            self.hopefuls.extend(waiting);
        }
    }

    fn waits(&self, key: &ObjectKey) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.waiting.is_some())
    }

    /// The older resource that keeps `key` from having the name, or the name's twin.
    fn winner_over(&self, key: &ObjectKey, claim: &Claim) -> Option<&ObjectKey> {
        let own = &self.slots.get(key)?.age;
        let entry = self.names.get(&claim.name);
        let twin = claim.name.twin().and_then(|twin| self.names.get(&twin));
        let shared = entry.into_iter().flat_map(|entry| &entry.shared).filter(|_| claim.exclusive);
        let exclusive = entry.into_iter().chain(twin).flat_map(|entry| &entry.exclusive);
        exclusive
            .chain(shared)
            .filter(|other| *other != key && self.slots.get(*other).is_some_and(|slot| slot.age < *own))
            .min_by_key(|other| self.slots.get(*other).map(|slot| slot.age.clone()))
    }

    /// Whether the name, or its twin, exists without any resource.
    fn is_taken(&self, claim: &Claim) -> bool {
        self.reserved.contains(&claim.name)
            || claim.name.twin().is_some_and(|twin| self.reserved.contains(&twin))
    }

    fn owns_names(&self, content: &Rendered) -> bool {
        let provides = content.provides();
        provides.iter().all(|claim| !self.is_taken(claim) && self.winner_over(content.key(), claim).is_none())
    }

    /// Whether something visible (or in `overlay`, which stands before it) provides one of the alternatives, where the
    /// user can see it: an object of a zone is seen only from that zone, because only its satellites have it.
    fn satisfied(&self, user: &Rendered, needed: &Use, overlay: &Overlay) -> bool {
        needed.any_of.iter().any(|name| {
            self.reserved.contains(name)
                || self.names.get(name).is_some_and(|entry| {
                    entry.claimants().any(|key| {
                        let content = overlay.get(key).or_else(|| self.slots.get(key)?.visible.as_ref());
                        key != user.key()
                            && content.is_some_and(|content| provides(content, name) && sees(user, content))
                    })
                })
        })
    }

    fn describe_missing(&self, user: &Rendered, needed: &Use) -> String {
        let alternatives: Vec<_> = needed.any_of.iter().map(ToString::to_string).collect();
        let mut text = format!("{} is missing", alternatives.join(" or "));
        let elsewhere = needed.any_of.iter().find_map(|name| {
            let entry = self.names.get(name)?;
            entry.claimants().find_map(|key| {
                let content = self.slots.get(key)?.visible.as_ref()?;
                let zone = content.zone().filter(|_| provides(content, name) && !sees(user, content))?;
                Some(format!(" here (MonitoringObject {key} is in zone {zone:?}, which this object is not)"))
            })
        });
        text.push_str(elsewhere.as_deref().unwrap_or_default());
        text
    }

    fn withdraw(&mut self) {
        while let Some(key) = self.suspects.pop_first() {
            let Some(content) = self.slots.get(&key).and_then(|slot| slot.visible.clone()) else { continue };
            let overlay = Overlay::new();
            if self.owns_names(&content)
                && content.uses().iter().all(|needed| self.satisfied(&content, needed, &overlay))
            {
                continue;
            }
            self.update(&key, |slots| {
                if let Some(slot) = slots.get_mut(&key) {
                    let lost = slot.visible.take();
                    slot.waiting = slot.waiting.take().or(lost);
                }
            });
            self.suspect_users_of(&content);
        }
    }

    fn suspect_users_of(&mut self, content: &Rendered) {
        for claim in content.provides() {
            if let Some(entry) = self.names.get(&claim.name) {
                self.suspects.extend(entry.users.iter().cloned());
                let waiting: Vec<_> = entry.users.iter().filter(|key| self.waits(key)).cloned().collect();
                self.changed.extend(waiting);
            }
        }
    }

    /// Admits what can be admitted; true if anything was.
    fn admit(&mut self) -> bool {
        let group = self.group();
        let mut excluded: HashSet<ObjectKey> = HashSet::new();
        let admitted = loop {
            let hoped: Overlay =
                group.iter().filter(|(key, _)| !excluded.contains(*key)).map(clone_pair).collect();
            let admitted = self.admissible(&hoped);
            // Those whose mutual need is not met after all go first: they may have taken a name from others here.
            let unmet = |mutual: bool| -> Vec<ObjectKey> {
                let met = |content: &Rendered, needed: &Use| {
                    needed.mutual != mutual || self.satisfied(content, needed, &admitted)
                };
                let unmet = admitted
                    .values()
                    .filter(|content| !content.uses().iter().all(|needed| met(content, needed)));
                unmet.map(|content| content.key().clone()).collect()
            };
            let mut disappointed = unmet(true);
            if disappointed.is_empty() {
                disappointed = unmet(false);
            }
            if disappointed.is_empty() {
                break admitted;
            }
            excluded.extend(disappointed);
        };
        // What was left out for the sake of others may stand alone.
        let mut admitted = admitted;
        if admitted.is_empty() {
            let alone = |key: &ObjectKey| -> Option<Overlay> {
                let hoped = Overlay::from([(key.clone(), group.get(key)?.clone())]);
                let admitted = self.admissible(&hoped);
                let met = |content: &Arc<Rendered>| {
                    content.uses().iter().all(|n| self.satisfied(content, n, &admitted))
                };
                (!admitted.is_empty() && admitted.values().all(met)).then_some(admitted)
            };
            let mut keys: Vec<_> = excluded.iter().collect();
            keys.sort();
            admitted = keys.into_iter().find_map(alone).unwrap_or_default();
        }
        let any = !admitted.is_empty();
        self.hopefuls.extend(excluded.into_iter().filter(|_| any));
        for (key, content) in admitted {
            let mut replaced = None;
            for claim in content.provides() {
                let users =
                    self.names.get(&claim.name).into_iter().flat_map(|entry| entry.users.iter().cloned());
                self.hopefuls.extend(users);
            }
            self.update(&key, |slots| {
                if let Some(slot) = slots.get_mut(&key) {
                    slot.waiting = None;
                    replaced = slot.visible.replace(content);
                }
            });
            if let Some(replaced) = replaced {
                self.suspect_users_of(&replaced);
            }
        }
        any
    }

    /// The waiting contents that a decision may concern: the hopeful ones, those that use what these provide, and those
    /// that provide what these miss.
    fn group(&mut self) -> Overlay {
        let mut queue: Vec<ObjectKey> = std::mem::take(&mut self.hopefuls).into_iter().collect();
        let mut group = Overlay::new();
        let none = Overlay::new();
        while let Some(key) = queue.pop() {
            let Some(content) = self.slots.get(&key).and_then(|slot| slot.waiting.clone()) else { continue };
            if group.contains_key(&key) {
                continue;
            }
            let mut more = HashSet::new();
            for claim in content.provides() {
                more.extend(
                    self.names.get(&claim.name).into_iter().flat_map(|entry| entry.users.iter().cloned()),
                );
            }
            for needed in content.uses().iter().filter(|needed| !self.satisfied(&content, needed, &none)) {
                for entry in needed.any_of.iter().filter_map(|name| self.names.get(name)) {
                    more.extend(entry.claimants().cloned());
                }
            }
            self.changed.insert(key.clone());
            group.insert(key, content);
            queue.extend(more.into_iter().filter(|key| self.waits(key)));
        }
        group
    }

    /// The part of `hoped` that stands on visible ground, step by step; a mutual need may be met by anything in `hoped`.
    fn admissible(&self, hoped: &Overlay) -> Overlay {
        let mut admitted = Overlay::new();
        let mut keys: Vec<_> = hoped.keys().cloned().collect();
        keys.sort();
        let mut queue: VecDeque<ObjectKey> = keys.into();
        while let Some(key) = queue.pop_front() {
            let Some(content) = hoped.get(&key).filter(|_| !admitted.contains_key(&key)) else { continue };
            let ground = |needed: &Use| {
                self.satisfied(content, needed, &admitted)
                    || (needed.mutual && self.satisfied(content, needed, hoped))
            };
            if !self.owns_names(content)
                || !content.uses().iter().all(ground)
                || self.is_circular(content, &admitted)
            {
                continue;
            }
            admitted.insert(key.clone(), content.clone());
            for claim in content.provides() {
                let users = self.names.get(&claim.name).into_iter().flat_map(|entry| entry.users.iter());
                queue.extend(users.filter(|user| hoped.contains_key(*user)).cloned());
            }
        }
        admitted
    }

    /// Whether a content, taking the place of a visible one, would name itself through what it names, or stand on
    /// something that stands on a name it gives up.
    fn is_circular(&self, content: &Rendered, admitted: &Overlay) -> bool {
        let key = content.key();
        let has_users = self.slots.get(key).and_then(|slot| slot.visible.as_ref()).is_some_and(|visible| {
            visible
                .provides()
                .iter()
                .any(|claim| self.names.get(&claim.name).is_some_and(|entry| !entry.users.is_empty()))
        });
        if !has_users {
            return false;
        }
        let mut seen: HashSet<(&ObjectKey, bool)> = HashSet::new();
        let mut queue: Vec<(&Use, bool)> =
            content.uses().iter().map(|needed| (needed, needed.mutual)).collect();
        while let Some((needed, mutual)) = queue.pop() {
            for name in &needed.any_of {
                for provider in self.names.get(name).into_iter().flat_map(Entry::claimants) {
                    // Through a mutual need it may come back to itself, if it still provides what is needed there.
                    if provider == key && !(mutual && provides(content, name)) {
                        return true;
                    }
                    if provider != key && seen.insert((provider, mutual)) {
                        let content =
                            admitted.get(provider).or_else(|| self.slots.get(provider)?.visible.as_ref());
                        let uses = content.into_iter().flat_map(|content| content.uses());
                        queue.extend(uses.map(|needed| (needed, mutual || needed.mutual)));
                    }
                }
            }
        }
        false
    }
}

fn provides(content: &Rendered, name: &Name) -> bool {
    content.provides().iter().any(|claim| claim.name == *name)
}

fn sees(user: &Rendered, provider: &Rendered) -> bool {
    provider.zone().is_none() || provider.zone() == user.zone()
}

fn clone_pair((key, content): (&ObjectKey, &Arc<Rendered>)) -> (ObjectKey, Arc<Rendered>) {
    (key.clone(), content.clone())
}

#[cfg(test)]
mod tests;
