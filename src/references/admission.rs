//! Admission: finds the waiting contents that may become visible, as many as possible at once.
//! Nothing is admitted whose references are not met.

use super::dependencies::circle;
use super::index::{Index, Overlay, provides};
use crate::identity::ObjectKey;
use crate::render::Rendered;
use crate::validate::Use;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

impl Index {
    /// Admits waiting contents. Returns true if any was admitted.
    pub(super) fn admit(&mut self) -> bool {
        let group = self.group();
        let mut excluded: HashSet<ObjectKey> = HashSet::new();
        let admitted = loop {
            let hoped: Overlay = group
                .iter()
                .filter(|(key, _)| !excluded.contains(*key))
                .map(|(key, content)| (key.clone(), content.clone()))
                .collect();
            let admitted = self.admissible(&hoped);
            // Exclude contents whose mutual need is not met first: they may have taken a name that
            // others in the group could have.
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
        // Nothing could be admitted together. An excluded content may be admissible without the
        // others.
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
        for (key, content) in &group {
            let lacks_nothing = || {
                let nothing = Overlay::new();
                content.uses().iter().all(|needed| self.satisfied(content, needed, &nothing))
            };
            if !admitted.contains_key(key) && self.owns_names(content) && lacks_nothing() {
                self.circular.insert(key.clone());
            }
        }
        for (key, content) in admitted {
            self.update(&key, |slots| {
                if let Some(slot) = slots.get_mut(&key) {
                    (slot.visible, slot.waiting) = (Some(content), None);
                }
            });
        }
        any
    }

    /// Returns the waiting contents that a decision may concern: the hopeful ones, the referrers
    /// of their names, and so on. The provider that a hopeful one misses is in the group if it
    /// uses a name of the group; otherwise it was admitted before, if it could be.
    fn group(&mut self) -> Overlay {
        let mut queue: Vec<ObjectKey> = std::mem::take(&mut self.hopefuls).into_iter().collect();
        let mut group = Overlay::new();
        while let Some(key) = queue.pop() {
            let Some(content) = self.slots.get(&key).and_then(|slot| slot.waiting.clone()) else { continue };
            if group.contains_key(&key) {
                continue;
            }
            let more: HashSet<_> =
                content.names().flat_map(|(name, _)| self.waiting_referrers(name)).collect();
            self.changed.insert(key.clone());
            group.insert(key, content);
            queue.extend(more);
        }
        group
    }

    /// Returns the part of `hoped` that can be admitted, step by step: each need must be met by
    /// the visible set or by an earlier step. A mutual need may be met by anything in `hoped`.
    fn admissible(&self, hoped: &Overlay) -> Overlay {
        let mut admitted = Overlay::new();
        let mut keys: Vec<_> = hoped.keys().cloned().collect();
        keys.sort();
        // No object refers to a dependency, so dependencies come last. They are sorted by age: of
        // those that would close a circle together, the oldest are admitted.
        let is_link = |key: &ObjectKey| hoped.get(key).is_some_and(|content| content.link().is_some());
        let (mut links, rest): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_link);
        links.sort_by_cached_key(|key| self.age(key));
        let mut queue: VecDeque<ObjectKey> = rest.into();
        while let Some(key) = queue.pop_front() {
            let Some(content) = hoped.get(&key).filter(|_| !admitted.contains_key(&key)) else { continue };
            if !self.is_admissible(content, &admitted, hoped) {
                continue;
            }
            admitted.insert(key.clone(), content.clone());
            for name in content.names().flat_map(|(name, _)| self.made_of(name)) {
                let referrers =
                    self.names.referrers_among(&name, hoped.keys(), |key| hoped.contains_key(key));
                queue.extend(referrers.into_iter().filter(|referrer| !is_link(referrer)));
            }
        }
        for content in links.iter().filter_map(|key| hoped.get(key)) {
            if self.is_admissible(content, &admitted, hoped) {
                admitted.insert(content.key().clone(), content.clone());
            }
        }
        admitted
    }

    fn is_admissible(&self, content: &Arc<Rendered>, admitted: &Overlay, hoped: &Overlay) -> bool {
        let ground = |needed: &Use| {
            self.satisfied(content, needed, admitted)
                || (needed.mutual && self.satisfied(content, needed, hoped))
        };
        self.owns_names(content)
            && content.uses().iter().all(ground)
            && self.obstacle(content, admitted).is_none()
    }

    /// Returns why a content whose references all exist cannot be admitted, for a person.
    pub(super) fn obstacle(&self, content: &Arc<Rendered>, admitted: &Overlay) -> Option<String> {
        if self.is_circular(content, admitted) {
            return Some(
                "it names itself, directly or through what it names; remove one of the references".into(),
            );
        }
        if self.is_too_deep(content, admitted) {
            return Some(format!(
                "it makes a chain of more than {MAX_DEPTH} templates, groups, zones or time periods, or more than \
                 {MAX_WAYS} paths through them; make the nesting flatter"
            ));
        }
        circle(content, &|name| {
            let contents = self.names.providers(name).filter_map(|key| {
                if key == content.key() {
                    return Some(content);
                }
                admitted.get(key).or_else(|| self.slots.get(key)?.visible.as_ref())
            });
            contents.filter(|content| provides(content, name)).cloned().collect()
        })
    }

    /// True if a content that replaces a visible one would refer to itself through other objects,
    /// or would refer to an object that needs a name which the replacement gives up.
    fn is_circular(&self, content: &Rendered, admitted: &Overlay) -> bool {
        let key = content.key();
        let has_referrers =
            self.slots.get(key).and_then(|slot| slot.visible.as_ref()).is_some_and(|visible| {
                visible
                    .provides()
                    .iter()
                    .any(|provided| self.names.referrers(&provided.name).next().is_some())
            });
        if !has_referrers {
            return false;
        }
        let mut seen: HashSet<(&ObjectKey, bool)> = HashSet::new();
        let mut queue: Vec<(&Use, bool)> =
            content.uses().iter().map(|needed| (needed, needed.mutual)).collect();
        while let Some((needed, mutual)) = queue.pop() {
            for name in &needed.any_of {
                for provider in self.names.providers(name) {
                    // A mutual need may lead back to the content, if the content still provides
                    // the needed name.
                    if provider == key && !(mutual && provides(content, name)) {
                        return true;
                    }
                    let stands =
                        admitted.get(provider).or_else(|| self.slots.get(provider)?.visible.as_ref());
                    let Some(stands) = stands.filter(|stands| provider != key && provides(stands, name))
                    else {
                        continue;
                    };
                    if seen.insert((provider, mutual)) {
                        queue.extend(stands.uses().iter().map(|needed| (needed, mutual || needed.mutual)));
                    }
                }
            }
        }
        false
    }

    /// True if templates, groups, zones or time periods would form a longer chain, or more paths,
    /// than Icinga bears. A replaced content changes this for every object that refers to it.
    fn is_too_deep(&self, content: &Arc<Rendered>, admitted: &Overlay) -> bool {
        let visible = self.slots.get(content.key()).and_then(|slot| slot.visible.as_ref());
        let is_as_before = visible.is_some_and(|visible| {
            visible.provides() == content.provides() && visible.below().eq(content.below())
        });
        if is_as_before || content.below().next().is_none() {
            return false;
        }
        let mut nesting = Nesting { index: self, admitted, changed: content, known: HashMap::new() };
        let mut queue = vec![content.clone()];
        let mut seen = HashSet::new();
        while let Some(content) = queue.pop() {
            if !seen.insert(content.key().clone()) {
                continue;
            }
            let Shape { depth, ways } = nesting.of(&content, 0);
            if depth > MAX_DEPTH || ways > MAX_WAYS {
                return true;
            }
            for provided in content.provides() {
                let referrers =
                    self.names.referrers(&provided.name).filter_map(|referrer| nesting.content(referrer));
                queue.extend(
                    referrers.filter(|referrer| referrer.below().any(|name| *name == provided.name)).cloned(),
                );
            }
        }
        false
    }
}

/// Longest chain. Icinga itself fails at about 75 templates or 32 zones, and silently drops
/// members of groups that are nested more than 20 deep.
const MAX_DEPTH: usize = 20;
/// Most paths from an object down to the ends of its chains. Icinga follows each of them.
const MAX_WAYS: usize = 1_000;

/// The chains below an object, through references to objects of its own type.
#[derive(Clone, Copy)]
struct Shape {
    depth: usize,
    ways: usize,
}

struct Nesting<'a> {
    index: &'a Index,
    admitted: &'a Overlay,
    changed: &'a Arc<Rendered>,
    known: HashMap<ObjectKey, Shape>,
}

impl<'a> Nesting<'a> {
    fn content(&self, key: &ObjectKey) -> Option<&'a Arc<Rendered>> {
        if key == self.changed.key() {
            return Some(self.changed);
        }
        self.admitted.get(key).or_else(|| self.index.slots.get(key)?.visible.as_ref())
    }

    /// Returns the chains below a content. Stops just past the limit, however long they are.
    fn of(&mut self, content: &Rendered, above: usize) -> Shape {
        if let Some(known) = self.known.get(content.key()) {
            return *known;
        }
        let mut shape = Shape { depth: 1, ways: 0 };
        if above <= MAX_DEPTH {
            for name in content.below() {
                let mut ways = 1;
                let providers = self.index.names.providers(name);
                let providers: Vec<_> = providers.filter_map(|key| self.content(key)).collect();
                for provider in providers {
                    if provides(provider, name) {
                        let below = self.of(provider, above + 1);
                        shape.depth = shape.depth.max(below.depth + 1);
                        ways = below.ways;
                    }
                }
                shape.ways = shape.ways.saturating_add(ways);
            }
        }
        shape.ways = shape.ways.max(1);
        self.known.insert(content.key().clone(), shape);
        shape
    }
}
