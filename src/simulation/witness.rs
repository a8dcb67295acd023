//! What a run remembers of the past, and the checks that need it.

use super::hub_api::{HubApi, Stored, group, is_group};
use super::rules::{Rule, Violation, hold};
use super::satellite::Set;
use crate::api::{ConditionStatus, ConditionType, MonitoringObjectStatus, Reason};
use crate::identity::{Digest, ObjectKey};
use crate::render::{Rendered, read_back};
use crate::simulation::disk::ModelDisk;
use crate::validate::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The past.
#[derive(Default)]
pub struct Witness {
    /// Generations of each resource at which its spec rendered to a digest.
    generations: BTreeMap<(ObjectKey, Digest), BTreeSet<(String, i64)>>,
    /// Digests that the API server stored a status for, while the file was durable.
    acknowledged: BTreeSet<(ObjectKey, Digest)>,
    /// Resources that a person deleted, and those that name a group that a person deleted: their absence has a reason.
    may_be_absent: BTreeSet<ObjectKey>,
    /// The lowest generation that each place can have now: of the volume (`None`) and of each satellite.
    lowest: BTreeMap<(Option<usize>, ObjectKey), (String, i64)>,
    /// Objects whose file somebody changed by hand, and nobody has put back.
    meddled: BTreeSet<ObjectKey>,
    /// Objects whose file somebody ever changed: a power cut can bring that back.
    once_meddled: BTreeSet<ObjectKey>,
    /// What programs see on the volume, change by change.
    volume: Set,
    /// What each satellite had at its last pointer.
    sets: BTreeMap<usize, Set>,
    /// Contents that were read, by digest: reading one takes longer than all else.
    contents: BTreeMap<Digest, Arc<Rendered>>,
    /// What each satellite ever had.
    held: BTreeSet<(usize, ObjectKey, Digest)>,
    /// What the hub's Icinga ever ran.
    ran: BTreeSet<(ObjectKey, Digest)>,
}

/// Returns the resource of a file's key in a ConfigMap.
pub fn key_of(file_key: &str) -> Option<ObjectKey> {
    let (namespace, name) = file_key.strip_suffix(".conf")?.split_once('.')?;
    Some(ObjectKey::new(namespace, name))
}

impl Witness {
    /// A person applied a resource.
    pub fn applied(&mut self, api: &HubApi, stored: &Stored) {
        // It may be published on the ground of a group whose deletion the hub has not heard of.
        if stored.spec.group.is_some_and(|number| !api.objects.contains_key(&group(number))) {
            self.may_be_absent.insert(stored.key.clone());
        }
        if let Some(digest) = stored.digest {
            let generations = self.generations.entry((stored.key.clone(), digest)).or_default();
            generations.insert((stored.uid.clone(), stored.generation));
        }
    }

    /// A resource goes, because a person deleted it.
    pub fn deleted(&mut self, api: &HubApi, key: &ObjectKey) {
        self.may_be_absent.insert(key.clone());
        if is_group(key) {
            self.may_be_absent.extend(api.objects.keys().filter(|key| !is_group(key)).cloned());
        }
    }

    /// A person changed or removed the file of an object. What was only on the volume is lost with it, and so is what names it.
    pub fn meddled(&mut self, api: &HubApi, key: &ObjectKey) {
        self.meddled.insert(key.clone());
        self.once_meddled.insert(key.clone());
        self.deleted(api, key);
    }

    /// Nothing may be missing any more without a new reason.
    pub fn all_is_there(&mut self, disk: &ModelDisk) {
        self.may_be_absent.clear();
        // What a person removed, and nobody wanted any more, never appeared again.
        let visible = disk.all_visible();
        for key in std::mem::take(&mut self.once_meddled) {
            if !visible.contains_key(&(key.namespace().to_owned(), format!("{}.conf", key.name()))) {
                self.volume.remove(&key.file_key().to_string());
            }
        }
    }

    /// A published name changed on the volume.
    pub fn file_seen(
        &mut self,
        place: &(String, String),
        bytes: Option<&Arc<Vec<u8>>>,
    ) -> Result<(), Violation> {
        let key = ObjectKey::new(&place.0, place.1.trim_end_matches(".conf"));
        self.meddled.remove(&key);
        let file_key = key.file_key().to_string();
        let Some(bytes) = bytes else {
            self.volume.remove(&file_key);
            self.volume_closed()?;
            let is_known = self.may_be_absent.contains(&key);
            return hold(Rule::R6, is_known, || {
                format!("{key} is removed, and nobody deleted it or its group")
            });
        };
        self.whole(&key, bytes)?;
        let digest = Digest::of(bytes);
        self.forward(None, &key, digest)?;
        self.volume.insert(file_key, (digest, String::from_utf8_lossy(bytes).into_owned()));
        self.volume_closed()
    }

    fn volume_closed(&mut self) -> Result<(), Violation> {
        // Whoever changed a file by hand took its names away, and what it needs is not known.
        let changed: Vec<_> = self.once_meddled.iter().map(|key| format!("{:?}", key.name())).collect();
        let is_changed = |name: &Name| changed.iter().any(|end| name.to_string().ends_with(end));
        let volume = std::mem::take(&mut self.volume);
        let closed = if changed.is_empty() {
            self.closed(&volume, "the volume", &is_changed)
        } else {
            let mut rest = volume.clone();
            self.once_meddled.iter().for_each(|key| drop(rest.remove(&key.file_key().to_string())));
            self.closed(&rest, "the volume", &is_changed)
        };
        self.volume = volume;
        closed
    }

    /// The power was cut: programs see what survived.
    pub fn power_cut(&mut self, disk: &ModelDisk) -> Result<(), Violation> {
        let visible = disk.all_visible();
        for key in &self.once_meddled {
            let bytes = visible.get(&(key.namespace().to_owned(), format!("{}.conf", key.name())));
            let is_ours = |bytes: &Arc<Vec<u8>>| self.whole(key, bytes).is_ok();
            if !bytes.is_some_and(is_ours) {
                self.meddled.insert(key.clone());
            }
        }
        // A file that a person changed counts as it was, until it is put back.
        let meddled = &self.meddled;
        self.volume.retain(|file_key, _| key_of(file_key).is_some_and(|key| meddled.contains(&key)));
        for ((namespace, file), bytes) in visible {
            let key = ObjectKey::new(&namespace, file.trim_end_matches(".conf"));
            if self.meddled.contains(&key) {
                continue;
            }
            self.whole(&key, &bytes)?;
            let (digest, text) = (Digest::of(&bytes), String::from_utf8_lossy(&bytes).into_owned());
            self.back_to_what_survived(&key, digest);
            self.volume.insert(key.file_key().to_string(), (digest, text));
        }
        Ok(())
    }

    /// Checks that a file is whole.
    pub fn whole(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), Violation> {
        let is_whole = self.generations.contains_key(&(key.clone(), Digest::of(bytes)));
        hold(Rule::I1, is_whole, || format!("{key} has {} bytes that no generation has", bytes.len()))
    }

    /// Checks that a place does not go back to an older generation, and remembers it.
    fn forward(&mut self, place: Option<usize>, key: &ObjectKey, digest: Digest) -> Result<(), Violation> {
        let Some(generations) = self.generations.get(&(key.clone(), digest)) else { return Ok(()) };
        let lowest = self.lowest.get(&(place, key.clone()));
        // UIDs of the model grow, so they order the resources of one name.
        let next = generations.iter().find(|one| lowest.is_none_or(|lowest| *one >= lowest)).cloned();
        let (at, was) =
            (place.map_or("the volume".into(), |number| format!("edge-{number}")), lowest.cloned());
        let next = next.ok_or_else(|| Violation {
            rule: Rule::I7,
            what: format!("{key} on {at} goes back from {was:?} to {generations:?}"),
        })?;
        self.lowest.insert((place, key.clone()), next);
        Ok(())
    }

    /// A power cut may take what nobody was told of, and the volume goes on from what it left. That it takes nothing of which
    /// a status says Ready is checked when that is written.
    fn back_to_what_survived(&mut self, key: &ObjectKey, digest: Digest) {
        let Some(lowest) = self.lowest.get_mut(&(None, key.clone())) else { return };
        let generations = self.generations.get(&(key.clone(), digest));
        if let Some(latest) = generations.and_then(BTreeSet::last).filter(|latest| *latest < lowest) {
            lowest.clone_from(latest);
        }
    }

    /// A status write is sent.
    pub fn status_sent(
        &self,
        api: &HubApi,
        disk: &ModelDisk,
        key: &ObjectKey,
        status: &MonitoringObjectStatus,
        satellites: usize,
    ) -> Result<(), Violation> {
        let of = |kind| status.conditions.iter().find(|condition| condition.r#type == kind);
        let is_true = |kind| of(kind).is_some_and(|condition| condition.status == ConditionStatus::True);
        if !is_true(ConditionType::Ready) {
            return Ok(());
        }
        let digest: Option<Digest> = status.published_digest.as_deref().and_then(|text| text.parse().ok());
        let generation = status.observed_generation;
        let Some(digest) = digest else {
            return Err(Violation { rule: Rule::I2, what: format!("{key} is Ready without a digest") });
        };
        let is_of = self
            .generations
            .get(&(key.clone(), digest))
            .is_some_and(|all| all.iter().any(|(_, of)| *of == generation));
        hold(Rule::I2, is_of, || {
            format!("{key} is Ready at generation {generation}, which is not {digest}")
        })?;
        // Nobody can know what a person did a moment ago.
        let left = disk.after_power_cut(key.namespace(), &format!("{}.conf", key.name()));
        for left in left.into_iter().filter(|_| !self.meddled.contains(key)) {
            let is_as_new = match &left {
                // What it names was deleted, and the hub has not heard yet that the file is gone.
                None => self.may_be_absent.contains(key),
                Some(bytes) => self
                    .generations
                    .get(&(key.clone(), Digest::of(bytes)))
                    .is_some_and(|all| all.iter().any(|(_, of)| *of >= generation)),
            };
            hold(Rule::I2, is_as_new, || {
                format!(
                    "{key} is said to be Ready at generation {generation}, and a power cut leaves {:?} bytes of another",
                    left.map(|bytes| bytes.len())
                )
            })?;
        }
        if is_true(ConditionType::Loaded) {
            let ran = self.ran.contains(&(key.clone(), digest));
            hold(Rule::I12, ran, || {
                format!("{key} is said to be Loaded, and the hub's Icinga never ran it")
            })?;
        }
        let is_everywhere = is_true(ConditionType::Synced)
            && of(ConditionType::Synced).is_some_and(|condition| condition.reason == Reason::AllSatellites);
        let is_current = api.objects.contains_key(key);
        if is_everywhere && is_current {
            for satellite in 0..satellites {
                let has = self.held.contains(&(satellite, key.clone(), digest));
                hold(Rule::I4, has, || {
                    format!("{key} is said to be Synced, and edge-{satellite} never had it")
                })?;
            }
        }
        Ok(())
    }

    /// A resource has this status now.
    pub fn status_stored(&mut self, key: &ObjectKey, stored: &Stored) -> Result<(), Violation> {
        let Some(status) = &stored.status else { return Ok(()) };
        let ready = status.conditions.iter().find(|c| c.r#type == ConditionType::Ready);
        let digest: Option<Digest> = status.published_digest.as_deref().and_then(|text| text.parse().ok());
        let Some(digest) = digest else { return Ok(()) };
        if ready.is_some_and(|ready| ready.status == ConditionStatus::True) {
            // Whoever reads it believes it of this very resource.
            let generations = self.generations.get(&(key.clone(), digest));
            let is_of = generations
                .is_some_and(|all| all.contains(&(stored.uid.clone(), status.observed_generation)));
            hold(Rule::I2, is_of, || {
                format!(
                    "{key} {} is Ready at generation {} with {digest} of another",
                    stored.uid, status.observed_generation
                )
            })?;
        }
        self.acknowledged.insert((key.clone(), digest));
        Ok(())
    }

    /// Checks that a set names nothing that it does not hold.
    fn closed(&mut self, set: &Set, of: &str, may_miss: &dyn Fn(&Name) -> bool) -> Result<(), Violation> {
        let mut contents = Vec::with_capacity(set.len());
        for (file_key, (digest, text)) in set {
            let known = match self.contents.get(digest) {
                Some(known) => known.clone(),
                None => {
                    let read = key_of(file_key).and_then(|key| read_back(&key, text.clone().into_bytes()));
                    let Some(read) = read.map(Arc::new) else { continue };
                    self.contents.insert(*digest, read.clone());
                    read
                }
            };
            contents.push(known);
        }
        let is_provided = |name: &Name| {
            contents.iter().flat_map(|content| content.provides()).any(|provided| provided.name == *name)
        };
        for content in &contents {
            for needed in content.uses() {
                let is_there = needed.any_of.iter().any(|name| {
                    is_provided(name) || name.to_string().contains("CheckCommand") || may_miss(name)
                });
                hold(Rule::R9, is_there, || format!("{of}: {} names {:?}", content.key(), needed.any_of))?;
            }
        }
        Ok(())
    }

    /// A satellite had an object.
    pub fn had(&mut self, satellite: usize, key: ObjectKey, digest: Digest) {
        self.held.insert((satellite, key, digest));
    }

    /// The hub's Icinga runs these.
    pub fn icinga_loaded(&mut self, running: &BTreeMap<ObjectKey, Digest>) {
        self.ran.extend(running.iter().map(|(key, digest)| (key.clone(), *digest)));
    }

    /// Checks that contents were acknowledged.
    pub fn were_acknowledged<'a>(
        &self,
        rule: Rule,
        contents: impl IntoIterator<Item = &'a (ObjectKey, Digest)>,
        of: &str,
    ) -> Result<(), Violation> {
        contents.into_iter().try_for_each(|content| {
            let is_acknowledged = self.acknowledged.contains(content);
            hold(rule, is_acknowledged, || format!("{of} has {content:?}, which was never acknowledged"))
        })
    }

    /// A satellite has a new pointer.
    pub fn set_stored(&mut self, satellite: usize, set: Set) -> Result<(), Violation> {
        for (file_key, (digest, text)) in &set {
            let Some(key) = key_of(file_key) else { continue };
            let is_acknowledged = self.acknowledged.contains(&(key.clone(), *digest));
            hold(Rule::R1, is_acknowledged, || {
                format!("edge-{satellite} has {key} with {digest}, which was never acknowledged")
            })?;
            self.whole(&key, text.as_bytes())?;
            self.forward(Some(satellite), &key, *digest)?;
            self.held.insert((satellite, key.clone(), *digest));
        }
        self.closed(&set, &format!("edge-{satellite}"), &|_| false)?;
        let before = self.sets.insert(satellite, set);
        let now = &self.sets[&satellite];
        for file_key in before.iter().flat_map(|set| set.keys()).filter(|key| !now.contains_key(*key)) {
            let Some(key) = key_of(file_key) else { continue };
            let is_known = self.may_be_absent.contains(&key);
            hold(Rule::R7, is_known, || {
                format!("edge-{satellite} lost {key}, and nobody deleted it or its group")
            })?;
        }
        Ok(())
    }
}

/// Returns what should be published of these resources: every valid one that names nothing missing.
pub fn desired(api: &HubApi) -> BTreeMap<ObjectKey, Digest> {
    let is_there =
        |number: usize| api.objects.get(&group(number)).is_some_and(|group| group.digest.is_some());
    let published = |stored: &&Stored| stored.spec.group.is_none_or(is_there);
    let digest = |stored: &Stored| Some((stored.key.clone(), stored.digest?));
    api.objects.values().filter(published).filter_map(digest).collect()
}

/// Returns what the volume holds.
pub fn on_volume(disk: &ModelDisk) -> BTreeMap<ObjectKey, Digest> {
    let file = |((namespace, file), bytes): ((String, String), Arc<Vec<u8>>)| {
        (ObjectKey::new(&namespace, file.trim_end_matches(".conf")), Digest::of(&bytes))
    };
    disk.all_visible().into_iter().map(file).collect()
}

/// Returns what a set holds.
pub fn in_set(set: &Set) -> BTreeMap<ObjectKey, Digest> {
    set.iter().filter_map(|(file_key, (digest, _))| Some((key_of(file_key)?, *digest))).collect()
}
