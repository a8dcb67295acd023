//! A satellite's API server in memory, and the driver that a delivery needs.

use super::super::{Delivery, Ended, Job, Outcome};
use crate::api::Reason;
use crate::api::satellite_cluster::{AdoptionPolicy, Layout};
use crate::identity::{ObjectKey, Revision};
use crate::render::read_back;
use crate::satellite::core::inventory::{Event, Item};
use crate::satellite::core::order::Wanted;
use crate::satellite::core::requests::{Answer, Command, Failed, FoundShard, Identity, Request};
use crate::satellite::problem::Problem;
use crate::snapshot::pointer::{self, Destination, PART, PART_SHARD, REVISION};
use crate::snapshot::testing::view_of;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a test does to a request before the server gets it: answers in its place, or changes the
/// server.
pub type Fault = Box<dyn FnMut(&mut Server, &Request) -> Option<Answer>>;

pub fn target() -> Destination {
    Destination {
        hub: "hub-1".into(),
        satellite: "edge".into(),
        namespace: "icinga".into(),
        name: "groundlink".into(),
        ..Destination::default()
    }
}

/// A set at revision 1.`counter`: each object is a name and a word of its content.
pub fn wanted(counter: u64, objects: &[(&str, &str)]) -> Wanted {
    let file = |(name, word): &(&str, &str)| {
        let header = serde_json::json!({ "provides": [format!("Host!{name}")] });
        let text = format!("// {word}\n// groundlink: {header}\n");
        Arc::new(read_back(&ObjectKey::new("n", name), text.into_bytes()).unwrap())
    };
    let files: Vec<_> = objects.iter().map(file).collect();
    let revision = Revision { term: 1, counter };
    Wanted { revision, view: view_of(&files) }
}

/// A failure with this status.
pub fn refused(code: u16) -> Answer {
    let problem = Problem::transient(Reason::Conflict, format!("{code}")).answered();
    Answer::Failed(Failed { problem, code: Some(code) })
}

#[derive(Default)]
pub struct Server {
    pub objects: BTreeMap<String, ConfigMap>,
    version: u64,
    events: Vec<Event>,
    /// The largest term that anybody can have had.
    pub highest_term: u64,
    /// Writes in the order in which they were applied, as `create NAME` and so on.
    pub writes: Vec<String>,
    /// All requests.
    pub requests: Vec<String>,
}

impl Server {
    fn stamp(&mut self, mut object: ConfigMap) -> ConfigMap {
        self.version += 1;
        object.metadata.resource_version = Some(self.version.to_string());
        object.metadata.uid.get_or_insert(format!("uid-{}", self.version));
        let name = object.metadata.name.clone().unwrap();
        self.events.push(Event::Changed { name: name.clone(), item: item(&object) });
        self.objects.insert(name, object.clone());
        object
    }

    /// What somebody else does.
    pub fn put(&mut self, object: ConfigMap) {
        self.stamp(object);
    }

    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut ConfigMap)) {
        let mut object = self.objects[name].clone();
        change(&mut object);
        self.stamp(object);
    }

    pub fn delete(&mut self, name: &str) {
        let gone = self.objects.remove(name).unwrap();
        let uid = gone.metadata.uid.unwrap();
        self.events.push(Event::Deleted { name: name.to_owned(), uid });
    }

    pub fn shards(&self) -> Vec<String> {
        self.objects.keys().filter(|name| *name != "groundlink").cloned().collect()
    }

    fn apply(&mut self, request: Request) -> Answer {
        let is_as_read = |object: &ConfigMap, uid: &Option<String>, version: &Option<String>| {
            (uid.is_none() || object.metadata.uid == *uid)
                && (version.is_none() || object.metadata.resource_version == *version)
        };
        match request {
            Request::ReadPointer => {
                self.requests.push("read groundlink".into());
                Answer::Pointer(self.objects.get("groundlink").cloned().map(Box::new))
            }
            Request::ReadShard { name, shard } => {
                self.requests.push(format!("read {name}"));
                let found = self.objects.get(&name);
                Answer::Shard(found.map(|found| FoundShard::of(found, shard.shard(), &target())))
            }
            Request::CreateShard { name, shard, revision } => {
                if self.objects.contains_key(&name) {
                    return refused(409);
                }
                let sent = pointer::shard(&target(), revision, shard.shard()).unwrap();
                let stored = self.stamp(sent.clone());
                self.writes.push(format!("create {name}"));
                Answer::shard_stored(&sent, &stored)
            }
            Request::MarkShard { name, version, revision } => {
                let Some(found) = self.objects.get(&name).cloned() else { return refused(404) };
                if !is_as_read(&found, &None, &version) {
                    return refused(409);
                }
                let mut marked = found;
                let text = revision.to_string();
                marked.metadata.annotations.get_or_insert_default().insert(REVISION.into(), text);
                let claim = target().shard_claim(version, revision);
                marked.metadata.labels = serde_json::from_value(claim["labels"].clone()).unwrap();
                self.stamp(marked);
                self.writes.push(format!("mark {name}"));
                Answer::Done
            }
            Request::Delete(Identity { name, uid, version }) => {
                let Some(found) = self.objects.get(&name) else { return refused(404) };
                if !is_as_read(found, &uid, &version) {
                    return refused(409);
                }
                self.delete(&name);
                self.writes.push(format!("delete {name}"));
                Answer::Done
            }
            Request::WritePointer(write) => {
                let object = write.object().clone();
                let (uid, version) = (&object.metadata.uid, &object.metadata.resource_version);
                let what = match (self.objects.get("groundlink"), version) {
                    (None, Some(_)) => return refused(404),
                    (Some(_), None) => return refused(409),
                    (Some(found), Some(_)) if !is_as_read(found, uid, version) => return refused(409),
                    (Some(_), Some(_)) => "replace",
                    (None, None) => "create",
                };
                self.writes.push(format!("{what} groundlink"));
                Answer::PointerStored(Box::new(self.stamp(object)))
            }
            Request::ListPage => {
                let identity = |(name, object): (&String, &ConfigMap)| Identity {
                    name: name.clone(),
                    uid: object.metadata.uid.clone(),
                    version: object.metadata.resource_version.clone(),
                };
                let ours = self.objects.iter().filter(|(_, o)| target().owns(o.metadata.labels.as_ref()));
                Answer::Page(ours.map(identity).take(3).collect())
            }
            Request::Divide { set, layout, present } => Answer::divided(&set, layout, present),
            Request::RaiseTerm { above } => Answer::TermRaised(above.term <= self.highest_term),
        }
    }
}

fn item(object: &ConfigMap) -> Item {
    let annotations = object.metadata.annotations.clone().unwrap_or_default();
    Item {
        uid: object.metadata.uid.clone().unwrap(),
        version: object.metadata.resource_version.clone().unwrap(),
        is_shard: object.metadata.labels.as_ref().and_then(|l| l.get(PART)).is_some_and(|p| p == PART_SHARD),
        revision: annotations.get(REVISION).and_then(|text| text.parse().ok()),
    }
}

/// A delivery with its server. Each request takes a millisecond.
pub struct World {
    pub delivery: Delivery,
    pub server: Server,
    pub now: Duration,
    pub fault: Option<Fault>,
    /// Events of the watch arrive.
    pub is_watched: bool,
    /// Most requests that were under way at once.
    pub most: usize,
}

impl World {
    pub fn new(layout: Layout, adoption: AdoptionPolicy) -> Self {
        let mut world = Self {
            delivery: Delivery::new(target(), layout, adoption),
            server: Server { highest_term: 100, ..Server::default() },
            now: Duration::from_secs(1),
            fault: None,
            is_watched: true,
            most: 0,
        };
        world.delivery.follow();
        world.list();
        world
    }

    /// Layout Snapshot: the sets of these tests are small.
    pub fn sharded() -> Self {
        Self::new(Layout::Snapshot, AdoptionPolicy::Never)
    }

    pub fn sleep(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    pub fn list(&mut self) {
        self.now += Duration::from_millis(1);
        self.server.events.clear();
        let ours = self.server.objects.iter().filter(|(_, o)| target().owns(o.metadata.labels.as_ref()));
        let items = ours.map(|(name, object)| (name.clone(), item(object))).collect();
        self.observe(Event::Listed { began: self.now, items });
    }

    pub fn observe(&mut self, event: Event) {
        if let Some(number) = self.delivery.watching() {
            self.delivery.observed(number, event, self.now);
        }
    }

    /// Lets the events of the watch arrive.
    pub fn hear(&mut self) {
        for event in std::mem::take(&mut self.server.events) {
            self.observe(event);
        }
    }

    /// Does a job until it ends.
    pub fn run(&mut self, job: Job, limit: Option<Duration>) -> Result<Outcome, Ended> {
        self.delivery.begin(job, limit, self.now);
        let mut under_way: Vec<Command> = Vec::new();
        for _ in 0..100_000 {
            let watching = self.delivery.watching();
            under_way.extend(self.delivery.next(self.now));
            self.most = self.most.max(under_way.len());
            if let Some(ended) = self.delivery.ended() {
                return ended;
            }
            if self.delivery.watching() != watching && self.is_watched {
                // The delivery wants another watch, which begins with a list.
                self.list();
            }
            match under_way.is_empty() {
                true => self.now = self.delivery.wakes().expect("a job that waits for nothing"),
                false => {
                    let Command { id, request } = under_way.remove(0);
                    self.now += Duration::from_millis(1);
                    let mut fault = self.fault.take();
                    let instead = fault.as_mut().and_then(|fault| fault(&mut self.server, &request));
                    self.fault = fault;
                    let answer = instead.unwrap_or_else(|| self.server.apply(request));
                    self.delivery.answered(id, answer, self.now);
                }
            }
            if self.is_watched {
                self.hear();
            }
        }
        panic!("the job does not end: {:?}", self.delivery);
    }

    /// Delivers a set, which must succeed, and returns the writes.
    pub fn deliver(&mut self, set: &Wanted) -> Vec<String> {
        self.server.writes.clear();
        self.server.requests.clear();
        match self.run(Job::Deliver(set.clone()), None) {
            Ok(Outcome::Delivered(delivered)) => {
                assert_eq!(delivered.digest, set.view.digest);
                assert_eq!(self.delivery.facts().digest, Some(set.view.digest));
                self.server.writes.clone()
            }
            other => panic!("{other:?} after {:?}", self.server.writes),
        }
    }

    /// Delivers a set, which must fail, and returns why.
    pub fn refuse(&mut self, set: &Wanted) -> Problem {
        self.server.writes.clear();
        match self.run(Job::Deliver(set.clone()), None) {
            Err(Ended::Failed(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }

    /// Says what differs from a set.
    pub fn compare(&mut self, set: &Wanted) -> Vec<String> {
        match self.run(Job::Compare(set.clone()), None) {
            Ok(Outcome::Compared(drift)) => drift.into_iter().flat_map(|drift| drift.names).collect(),
            other => panic!("{other:?}"),
        }
    }
}
