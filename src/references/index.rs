//! The index of names: which resources provide or use a name, and which objects may be published
//! as a result.
//!
//! A resource has at most two contents here. The *visible* one belongs in the published set. The
//! *waiting* one is newer and cannot be published yet. So a change that names something missing
//! keeps the last good state.

use super::closure::{Ground, is_met};
use super::names::Names;
use crate::api::{IcingaType, Reason};
use crate::identity::{ObjectKey, Uid};
use crate::render::Rendered;
use crate::validate::facts::{INSTEAD_OF_GLOBAL, not_global};
use crate::validate::{Name, Provided, Use};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The age of a resource: creation time in Unix seconds, then UID. If two resources provide the
/// same name, the older one keeps it.
pub(super) type Age = (i64, Uid);

/// Which valid objects may be published.
#[derive(Default)]
pub struct Index {
    reserved: HashSet<Name>,
    pub(super) slots: HashMap<ObjectKey, Slot>,
    pub(super) names: Names,
    /// Resources that have a waiting content.
    who_waits: HashSet<ObjectKey>,
    /// Visible contents that may have lost what they need.
    suspects: BTreeSet<ObjectKey>,
    /// Waiting contents that may have gained what they need.
    pub(super) hopefuls: BTreeSet<ObjectKey>,
    /// Waiting contents whose references all exist, but that would close a circle or make a chain
    /// too long.
    pub(super) circular: BTreeSet<ObjectKey>,
    pub(super) changed: BTreeSet<ObjectKey>,
    /// True if messages name the fields.
    names_fields: bool,
}

pub(super) struct Slot {
    age: Age,
    pub visible: Option<Arc<Rendered>>,
    pub waiting: Option<Arc<Rendered>>,
}

/// Why a content waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// `NameConflict` or `UnresolvedReference`.
    pub reason: Reason,
    /// For a person: the missing names, or the resource that keeps the name.
    pub message: String,
    /// True if another resource that is applied or published could end it.
    pub may_come: bool,
}

pub(super) type Overlay = HashMap<ObjectKey, Arc<Rendered>>;

impl Index {
    /// Returns an empty index. `reserved` has the names that exist without any resource: those of
    /// the template library and the external objects. No resource can take one.
    pub fn new(reserved: HashSet<Name>) -> Self {
        Self { reserved, ..Self::default() }
    }

    /// Returns the index with messages that name the fields. Only where no content was read back
    /// from a file, which knows none: a status would change by a restart.
    pub fn naming_fields(self) -> Self {
        Self { names_fields: true, ..self }
    }

    /// Takes a valid content of a resource. It becomes visible in [`Self::resolve`] at the
    /// earliest.
    pub fn upsert(&mut self, created: i64, uid: &Uid, content: Arc<Rendered>) {
        let key = content.key().clone();
        let age = (created, uid.clone());
        if self.slots.get(&key).is_some_and(|slot| slot.age != age) {
            self.remove(&key);
        }
        self.update(&key, |slots| {
            let slot = slots.entry(key.clone()).or_insert(Slot { age, visible: None, waiting: None });
            // The spec is again the published one, so nothing waits.
            let published = slot.visible.as_ref().is_some_and(|visible| visible.digest() == content.digest());
            slot.waiting = if published { None } else { Some(content) };
        });
    }

    /// Notes that the present spec is invalid or suspended: the visible content stays, and none
    /// waits.
    pub fn keep(&mut self, key: &ObjectKey) {
        self.update(key, |slots| {
            if let Some(slot) = slots.get_mut(key) {
                slot.waiting = None;
            }
        });
    }

    /// Removes a deleted resource.
    pub fn remove(&mut self, key: &ObjectKey) {
        self.update(key, |slots| {
            slots.remove(key);
        });
    }

    /// Returns the content that belongs in the published set.
    pub fn visible(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.slots.get(key)?.visible.as_ref()
    }

    /// Returns all visible contents, in no order.
    pub fn all_visible(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        self.slots.values().filter_map(|slot| slot.visible.as_ref())
    }

    /// Returns the resources that provide a name, visible or not.
    pub fn providers(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.names.providers(name)
    }

    /// Returns the resources that use a name, visible or not. Includes those that use a fact which
    /// templates derive from the name and pass on.
    pub fn referrers(&self, name: &Name) -> Vec<ObjectKey> {
        let names = self.made_of(name);
        names.iter().flat_map(|name| self.names.referrers(name)).cloned().collect()
    }

    /// Returns the referrers that have a waiting content. These are few, even if thousands use the
    /// name.
    pub(super) fn waiting_referrers(&self, name: &Name) -> Vec<ObjectKey> {
        let names = self.made_of(name).into_iter();
        names
            .flat_map(|name| self.names.referrers_among(&name, self.who_waits.iter(), |key| self.waits(key)))
            .collect()
    }

    /// Returns a name, plus every fact that is passed on because of it, through any number of
    /// templates.
    pub(super) fn made_of(&self, name: &Name) -> Vec<Name> {
        let mut names = vec![name.clone()];
        let mut at = 0;
        while let Some(name) = names.get(at).cloned() {
            at += 1;
            let slots = self.names.relayers(&name).filter_map(|key| self.slots.get(key));
            let contents = slots.flat_map(|slot| [&slot.visible, &slot.waiting]).flatten();
            for relay in contents.flat_map(|content| content.relays()) {
                if relay.given.iter().flatten().any(|given| *given == name) && !names.contains(&relay.name) {
                    names.push(relay.name.clone());
                }
            }
        }
        names
    }

    /// True if a name exists without any resource.
    pub fn is_reserved(&self, name: &Name) -> bool {
        self.reserved.contains(name)
    }

    /// Returns the resources whose visible content, or whose reason to wait, may have changed
    /// since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.changed)
    }

    /// Returns why the newest content of a resource is not visible. None if it is.
    pub fn waiting(&self, key: &ObjectKey) -> Option<Waiting> {
        let content = self.slots.get(key)?.waiting.as_ref()?;
        for provided in content.provides() {
            if provided.is_taken(&self.reserved) {
                return Some(Waiting {
                    reason: Reason::NameConflict,
                    message: format!(
                        "{} exists already in the Icinga Template Library or among the external objects; choose another name",
                        provided.name
                    ),
                    may_come: false,
                });
            }
            if let Some(winner) = self.winner_over(key, provided) {
                return Some(Waiting {
                    reason: Reason::NameConflict,
                    message: format!(
                        "{} is declared by MonitoringObject {winner}, which is older; choose another name or delete that one",
                        provided.name
                    ),
                    may_come: false,
                });
            }
        }
        let is_own = |needed: &&Use| needed.any_of.iter().all(|name| provides(content, name));
        if let Some(own) = content.uses().iter().find(is_own).and_then(|needed| needed.any_of.first()) {
            return Some(Waiting {
                reason: Reason::UnresolvedReference,
                message: format!("it names itself, as {own}; remove that reference"),
                may_come: false,
            });
        }
        let overlay = Overlay::new();
        let is_missing = |needed: &&Use| !self.satisfied(content, needed, &overlay);
        if let Some(zone) = content.zone() {
            let [exists, is_no_place] =
                [Name::object(IcingaType::Zone, zone), not_global(zone)].map(Use::one);
            if content.uses().contains(&is_no_place) && is_missing(&&is_no_place) && !is_missing(&&exists) {
                let message = format!("spec.zone: Zone {zone:?} is global; {INSTEAD_OF_GLOBAL}");
                return Some(Waiting { reason: Reason::UnresolvedReference, message, may_come: false });
            }
        }
        let all: Vec<&Use> = content.uses().iter().filter(is_missing).collect();
        // What would have to be true of an object says nothing more if the object is missing.
        let says_more = |needed: &&&Use| {
            let is_same = |other: &&Use| !other.is_fact() && other.field == needed.field;
            !self.names_fields || !needed.is_fact() || needed.field.is_empty() || !all.iter().any(is_same)
        };
        let missing: Vec<String> =
            all.iter().filter(says_more).map(|needed| self.describe_missing(content, needed)).collect();
        let may_come = !missing.is_empty();
        let message = if missing.is_empty() {
            self.obstacle(content, &overlay).unwrap_or_else(|| {
                "it names itself, directly or through what it names; remove one of the references".into()
            })
        } else {
            // What a person can list in the setting, unless it is there, only in another zone. A
            // service that a rule makes can be named by nothing.
            let is_listed = |name: &&Name| name.sort().is_some() && name.as_str().matches('!').count() == 1;
            let elsewhere = all.iter().filter_map(|needed| needed.any_of.last().filter(is_listed)).next();
            let elsewhere =
                elsewhere.filter(|_| !missing.iter().any(|text| text.contains(" is missing here")));
            let elsewhere = elsewhere
                .map(|name| {
                    format!(
                        ", or list {:?} in externalObjects if Icinga has it from elsewhere",
                        name.as_str()
                    )
                })
                .unwrap_or_default();
            let missing = missing.join(", ");
            format!("not published: {missing}; create what is missing, or correct the name{elsewhere}")
        };
        Some(Waiting { reason: Reason::UnresolvedReference, message, may_come })
    }

    /// Decides again about everything that changed: withdraws contents that lost a name they need,
    /// and admits those that gained it.
    pub fn resolve(&mut self) {
        loop {
            self.withdraw();
            if !self.admit() {
                return;
            }
        }
    }

    /// Applies a change to one slot, updates the names, and marks every resource that the change
    /// may concern.
    pub(super) fn update(&mut self, key: &ObjectKey, change: impl FnOnce(&mut HashMap<ObjectKey, Slot>)) {
        let of = |slots: &HashMap<ObjectKey, Slot>| {
            slots.get(key).map(|slot| [slot.visible.clone(), slot.waiting.clone()]).unwrap_or_default()
        };
        let before = of(&self.slots);
        change(&mut self.slots);
        let after = of(&self.slots);
        if after[1].is_some() {
            self.who_waits.insert(key.clone());
        } else {
            self.who_waits.remove(key);
        }
        // A content that moves between waiting and visible keeps its names.
        let which = |both: &[Option<Arc<Rendered>>; 2]| {
            let mut which = both.each_ref().map(|content| content.as_ref().map(Arc::as_ptr));
            which.sort();
            which
        };
        let contents = |both: &[Option<Arc<Rendered>>; 2]| both.iter().flatten().cloned().collect::<Vec<_>>();
        if which(&before) != which(&after) {
            for (name, exclusive) in self.names.replace(key, &contents(&before), &contents(&after)) {
                self.provider_changed(&name, exclusive);
            }
        }
        let ([before, _], [after, _]) = (before, after);
        if before.as_ref().map(|content| content.digest()) != after.as_ref().map(|content| content.digest()) {
            self.visible_changed(before.as_deref(), after.as_deref());
        }
        self.suspects.insert(key.clone());
        self.hopefuls.insert(key.clone());
        self.changed.insert(key.clone());
    }

    /// Marks the resources that a new visible content may concern. Referrers of the old content
    /// may have lost a name. Waiting referrers of either content may have gained one, or now wait
    /// for another reason.
    fn visible_changed(&mut self, old: Option<&Rendered>, new: Option<&Rendered>) {
        let same_place = old.map(Rendered::zone) == new.map(Rendered::zone);
        for (name, _) in old.into_iter().flat_map(Rendered::names) {
            // A fact that is passed on may come from another provider now.
            if !(same_place && new.is_some_and(|new| provides(new, name))) {
                self.suspects.extend(self.referrers(name));
            }
        }
        for (name, _) in [old, new].into_iter().flatten().flat_map(Rendered::names) {
            let waiting = self.waiting_referrers(name);
            self.hopefuls.extend(waiting.iter().cloned());
            self.changed.extend(waiting);
        }
        if old.is_some() {
            // The old content may have been part of any circle.
            self.hopefuls.append(&mut self.circular);
        } else if new.is_some_and(|new| new.link().is_some()) {
            // The new dependency may be a shorter way round a reported circle, so the message may
            // change.
            self.changed.extend(self.circular.iter().cloned());
        }
    }

    /// Marks the resources that a gained or lost provider may concern: other providers of the
    /// name, and its referrers.
    fn provider_changed(&mut self, name: &Name, exclusive: bool) {
        self.suspects.extend(self.referrers(name));
        let mut rivals: Vec<_> = self.names.exclusive(name).cloned().collect();
        let is_contested = !rivals.is_empty();
        if let Some(twin) = name.twin() {
            rivals.extend(self.names.exclusive(&twin).cloned());
        }
        // A sharer conflicts only with exclusive providers. So one sharer more or less, among
        // thousands, does not concern the others.
        if exclusive {
            let shared = self.names.shared(name).filter(|key| is_contested || self.waits(key));
            rivals.extend(shared.cloned());
        }
        self.concerns(rivals);
    }

    fn concerns(&mut self, rivals: Vec<ObjectKey>) {
        self.suspects.extend(rivals.iter().cloned());
        self.hopefuls.extend(rivals.iter().cloned());
        self.changed.extend(rivals);
    }

    /// Returns the content of a resource that waits, beside the visible one or without one.
    pub fn waiting_content(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.slots.get(key)?.waiting.as_ref()
    }

    pub(super) fn age(&self, key: &ObjectKey) -> Option<Age> {
        self.slots.get(key).map(|slot| slot.age.clone())
    }

    pub(super) fn waits(&self, key: &ObjectKey) -> bool {
        self.who_waits.contains(key)
    }

    /// Returns the resources, visible or not, that cannot provide the name together with this one.
    pub fn rivals(&self, provided: &Provided) -> Vec<ObjectKey> {
        let twin = provided.name.twin();
        // Sharers do not conflict with each other. There may be thousands, so a sharer skips them.
        let shared = provided.exclusive.then(|| self.names.shared(&provided.name)).into_iter().flatten();
        let exclusive = self.names.exclusive(&provided.name);
        let twins = twin.iter().flat_map(|twin| self.names.exclusive(twin));
        exclusive.chain(twins).chain(shared).cloned().collect()
    }

    /// Returns the older resource that has the name or its twin, so that `key` cannot have it.
    fn winner_over(&self, key: &ObjectKey, provided: &Provided) -> Option<ObjectKey> {
        let own = &self.slots.get(key)?.age;
        let age = |other: &ObjectKey| self.slots.get(other).map(|slot| &slot.age);
        let rivals = self.rivals(provided).into_iter();
        rivals
            .filter(|other| other != key && age(other).is_some_and(|age| age < own))
            .min_by_key(|other| age(other).cloned())
    }

    pub(super) fn owns_names(&self, content: &Rendered) -> bool {
        let provides = content.provides();
        provides.iter().all(|provided| {
            !provided.is_taken(&self.reserved) && self.winner_over(content.key(), provided).is_none()
        })
    }

    /// True if a content that the referrer can see provides one of the alternatives. If an object
    /// is in the overlay, its content there counts instead of the visible one.
    pub(super) fn satisfied(&self, referrer: &Rendered, needed: &Use, overlay: &Overlay) -> bool {
        is_met(needed, &Seen { index: self, referrer, overlay })
    }

    fn describe_missing(&self, referrer: &Rendered, needed: &Use) -> String {
        let alternatives: Vec<_> = needed.any_of.iter().map(ToString::to_string).collect();
        let path = needed.path().filter(|_| self.names_fields);
        let path = path.map(|path| path + ": ").unwrap_or_default();
        let mut text = format!("{path}{} is missing", alternatives.join(" or "));
        let elsewhere = needed.any_of.iter().flat_map(|name| {
            self.names.providers(name).filter_map(move |key| {
                let content = self.slots.get(key)?.visible.as_ref()?;
                let zone = content.zone().filter(|_| provides(content, name) && !sees(referrer, content))?;
                Some((key, zone))
            })
        });
        // The lowest key, so that the message does not change while the set is the same.
        if let Some((key, zone)) = elsewhere.min() {
            text.push_str(&format!(
                " here (MonitoringObject {key} is in zone {zone:?}, which this object is not)"
            ));
        }
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
        }
    }
}

/// The visible set, as one object sees it. Only the satellites of a zone have its objects, so only
/// objects of the same zone see them.
struct Seen<'a> {
    index: &'a Index,
    referrer: &'a Rendered,
    overlay: &'a Overlay,
}

impl Ground for Seen<'_> {
    fn is_reserved(&self, name: &Name) -> bool {
        self.index.is_reserved(name)
    }

    fn any_provider(&self, name: &Name, is_wanted: &dyn Fn(&Rendered) -> bool) -> bool {
        self.index.names.providers(name).filter(|key| *key != self.referrer.key()).any(|key| {
            let content = self.overlay.get(key).or_else(|| self.index.slots.get(key)?.visible.as_ref());
            content.is_some_and(|content| sees(self.referrer, content) && is_wanted(content))
        })
    }
}

pub(super) fn provides(content: &Rendered, name: &Name) -> bool {
    content.provides().iter().any(|provided| provided.name == *name)
}

fn sees(referrer: &Rendered, provider: &Rendered) -> bool {
    provider.zone().is_none() || provider.zone() == referrer.zone()
}

#[cfg(test)]
mod tests;
