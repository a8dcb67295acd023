//! A satellite's API server in memory, which checks the order of the requests that it gets.

use super::planted::Planted;
use super::rules::{Rule, Violation, hold};
use crate::api::Reason;
use crate::identity::{Digest, Revision};
use crate::satellite::Problem;
use crate::satellite::core::inventory::{Event, Item};
use crate::satellite::core::order::Wanted;
use crate::satellite::core::requests::{Answer, Failed, FoundShard, Identity, Request};
use crate::snapshot::archive::unpack;
use crate::snapshot::pointer::{self, ARCHIVE, Destination, PART, PART_SHARD, REVISION};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Name of the pointer.
pub const POINTER: &str = "groundlink";

pub fn destination(satellite: usize) -> Destination {
    Destination {
        hub: "hub".into(),
        satellite: format!("edge-{satellite}"),
        namespace: "icinga".into(),
        name: POINTER.into(),
        ..Destination::default()
    }
}

/// Files of a set, by their key in a ConfigMap: digest and text.
pub type Set = BTreeMap<String, (Digest, String)>;

/// The server of one satellite.
pub struct Server {
    pub number: usize,
    pub objects: BTreeMap<String, ConfigMap>,
    version: u64,
    pub log: Vec<Event>,
    /// It answers nothing.
    pub is_silent: bool,
    /// It answers, and far more slowly than the hub's objects change.
    pub is_slow: bool,
    /// Requests that changed something for the operator.
    pub writes: u64,
    /// Of these, the pointers.
    pub pointers: u64,
    /// Highest revision that the pointer ever had since somebody else touched it.
    highest: Option<Revision>,
    /// Shards that somebody else deleted: the operator may not know that yet.
    stolen: BTreeSet<String>,
}

impl Server {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            objects: BTreeMap::new(),
            version: 0,
            log: Vec::new(),
            is_silent: false,
            is_slow: false,
            writes: 0,
            pointers: 0,
            highest: None,
            stolen: BTreeSet::new(),
        }
    }

    fn stamp(&mut self, mut object: ConfigMap) -> ConfigMap {
        self.version += 1;
        object.metadata.resource_version = Some(self.version.to_string());
        object.metadata.uid.get_or_insert(format!("uid-{}", self.version));
        let name = object.metadata.name.clone().unwrap_or_default();
        self.log.push(Event::Changed { name: name.clone(), item: item(&object) });
        self.objects.insert(name, object.clone());
        object
    }

    /// Somebody else deletes an object.
    pub fn steal(&mut self, name: &str) {
        self.stolen.insert(name.to_owned());
        self.delete(name);
    }

    fn delete(&mut self, name: &str) {
        if let Some(gone) = self.objects.remove(name) {
            self.version += 1;
            let uid = gone.metadata.uid.unwrap_or_default();
            self.log.push(Event::Deleted { name: name.to_owned(), uid });
            if name == POINTER {
                self.highest = None;
            }
        }
    }

    /// Somebody else empties the pointer.
    pub fn tamper(&mut self) {
        if let Some(mut pointer) = self.objects.get(POINTER).cloned() {
            pointer.data = None;
            self.stamp(pointer);
        }
    }

    /// Returns the files that the pointer leads to. `None` if there is no pointer, or it cannot be followed.
    pub fn set(&self) -> Option<Set> {
        let pointer = self.objects.get(POINTER)?;
        let held = pointer::read(pointer, &destination(self.number));
        let mut set = Set::new();
        if held.manifest.is_none() {
            for (key, text) in pointer.data.iter().flatten() {
                set.insert(key.clone(), (Digest::of(text.as_bytes()), text.clone()));
            }
            return Some(set);
        }
        for name in &held.shards {
            let archive = self.objects.get(name)?.binary_data.as_ref()?.get(ARCHIVE)?;
            for (key, bytes) in unpack(&archive.0).ok()? {
                let text = String::from_utf8(bytes.clone()).ok()?;
                set.insert(key.clone(), (Digest::of(&bytes), text));
            }
        }
        Some(set)
    }

    /// Carries out a request, and checks what the order of requests must be.
    pub fn apply(
        &mut self,
        request: Request,
        planted: Option<Planted>,
        terms: u64,
    ) -> Result<Answer, Violation> {
        let destination = destination(self.number);
        let is_as_read = |object: &ConfigMap, uid: &Option<String>, version: &Option<String>| {
            (uid.is_none() || object.metadata.uid == *uid)
                && (version.is_none() || object.metadata.resource_version == *version)
        };
        Ok(match request {
            Request::ReadPointer => Answer::Pointer(self.objects.get(POINTER).cloned().map(Box::new)),
            Request::ReadShard { name, shard } => {
                let found = self.objects.get(&name);
                Answer::Shard(found.map(|found| FoundShard::of(found, shard.shard(), &destination)))
            }
            Request::CreateShard { name, shard, revision } => {
                if self.objects.contains_key(&name) {
                    return Ok(refused(409));
                }
                let Ok(sent) = pointer::shard(&destination, revision, shard.shard()) else {
                    return Ok(refused(500));
                };
                let stored = self.stamp(sent.clone());
                self.stolen.remove(&name);
                self.writes += 1;
                Answer::shard_stored(&sent, &stored)
            }
            Request::MarkShard { name, version, revision } => {
                let Some(mut marked) = self.objects.get(&name).cloned() else { return Ok(refused(404)) };
                if !is_as_read(&marked, &None, &version) {
                    return Ok(refused(409));
                }
                let claim = destination.shard_claim(version, revision);
                marked.metadata.labels = serde_json::from_value(claim["labels"].clone()).ok();
                let annotations = marked.metadata.annotations.get_or_insert_default();
                annotations.insert(REVISION.into(), revision.to_string());
                self.stamp(marked);
                self.writes += 1;
                Answer::Done
            }
            Request::Delete(Identity { name, uid, version }) => {
                let Some(found) = self.objects.get(&name) else { return Ok(refused(404)) };
                if !is_as_read(found, &uid, &version) {
                    return Ok(refused(409));
                }
                self.delete_for_operator(&name)?;
                if planted == Some(Planted::PreviousShardsDeleted) {
                    let previous = self.objects.get(POINTER).map(|p| pointer::read(p, &destination).previous);
                    for name in previous
                        .into_iter()
                        .flatten()
                        .filter(|n| self.objects.contains_key(n))
                        .collect::<Vec<_>>()
                    {
                        self.delete_for_operator(&name)?;
                    }
                }
                Answer::Done
            }
            Request::WritePointer(write) => {
                let object = write.object().clone();
                let (uid, version) = (&object.metadata.uid, &object.metadata.resource_version);
                match (self.objects.get(POINTER), version) {
                    (None, Some(_)) => return Ok(refused(404)),
                    (Some(_), None) => return Ok(refused(409)),
                    (Some(found), Some(_)) if !is_as_read(found, uid, version) => return Ok(refused(409)),
                    _ => {}
                }
                Answer::PointerStored(Box::new(self.store_pointer(object)?))
            }
            Request::ListPage => {
                let identity = |(name, object): (&String, &ConfigMap)| Identity {
                    name: name.clone(),
                    uid: object.metadata.uid.clone(),
                    version: object.metadata.resource_version.clone(),
                };
                let ours = self.objects.iter().filter(|(_, o)| destination.owns(o.metadata.labels.as_ref()));
                Answer::Page(ours.map(identity).take(3).collect())
            }
            Request::Divide { set, layout, present } => Answer::divided(&set, layout, present),
            Request::RaiseTerm { above } => {
                let is_known = above.term <= terms && planted != Some(Planted::RevisionGoesBack);
                Answer::TermRaised(is_known)
            }
        })
    }

    fn delete_for_operator(&mut self, name: &str) -> Result<(), Violation> {
        let held = self.objects.get(POINTER).map(|p| pointer::read(p, &destination(self.number)));
        if name != POINTER {
            let keeps = held.as_ref().is_some_and(|held| held.ours && held.keeps(name));
            hold(Rule::R3, !keeps, || {
                format!("edge-{}: {name} is deleted while a pointer names it", self.number)
            })?;
        }
        self.writes += 1;
        self.delete(name);
        Ok(())
    }

    fn store_pointer(&mut self, object: ConfigMap) -> Result<ConfigMap, Violation> {
        let number = self.number;
        let held = pointer::read(&object, &destination(number));
        for name in &held.shards {
            let is_there = self.objects.contains_key(name) || self.stolen.contains(name);
            hold(Rule::R3, is_there, || {
                format!("edge-{number}: the pointer names {name}, which is not there")
            })?;
        }
        let is_forward = held.revision >= self.highest;
        hold(Rule::R4, is_forward, || {
            format!("edge-{number}: from {:?} back to {:?}", self.highest, held.revision)
        })?;
        self.highest = held.revision;
        self.writes += 1;
        self.pointers += 1;
        Ok(self.stamp(object))
    }

    pub fn list(&self, began: Duration) -> Event {
        let ours =
            self.objects.iter().filter(|(_, o)| destination(self.number).owns(o.metadata.labels.as_ref()));
        Event::Listed { began, items: ours.map(|(name, object)| (name.clone(), item(object))).collect() }
    }
}

fn item(object: &ConfigMap) -> Item {
    let annotation = |name: &str| object.metadata.annotations.as_ref().and_then(|all| all.get(name));
    let part = object.metadata.labels.as_ref().and_then(|labels| labels.get(PART));
    Item {
        uid: object.metadata.uid.clone().unwrap_or_default(),
        version: object.metadata.resource_version.clone().unwrap_or_default(),
        is_shard: part.is_some_and(|part| part == PART_SHARD),
        revision: annotation(REVISION).and_then(|text| text.parse().ok()),
    }
}

fn refused(code: u16) -> Answer {
    let problem = Problem::transient(Reason::Conflict, format!("{code}")).answered();
    Answer::Failed(Failed { problem, code: Some(code) })
}

pub fn silent() -> Answer {
    Answer::Failed(Failed { problem: Problem::silent(Reason::Unreachable, "no answer"), code: None })
}

/// A request of a dead process arrives.
pub fn arrive_late(server: &mut Server, request: Request, terms: u64) -> Result<(), Violation> {
    if !server.is_silent {
        server.apply(request, None, terms)?;
    }
    Ok(())
}

/// Returns a set as it is delivered.
pub fn wanted(revision: Revision, view: Arc<crate::snapshot::View>) -> Wanted {
    Wanted { revision, view }
}
