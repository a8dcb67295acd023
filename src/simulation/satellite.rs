//! A satellite's API server in memory, and the operator's driver for one delivery: it sends
//! requests, hands in answers, and follows the watch. Every request can be late or lost, or get an
//! answer although the server never received it.

use super::planted::Planted;
use super::random::Random;
use super::rules::{Rule, Violation, hold};
use super::witness::key_of;
use crate::api::Reason;
use crate::api::satellite_cluster::{AdoptionPolicy, Layout};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::satellite::Problem;
use crate::satellite::core::delivery::{Delivery, Ended, Job, Outcome, PARALLEL};
use crate::satellite::core::inventory::{Event, Item};
use crate::satellite::core::order::Wanted;
use crate::satellite::core::requests::{Answer, Command, Failed, FoundShard, Identity, Request};
use crate::snapshot::archive::unpack;
use crate::snapshot::manifest;
use crate::snapshot::pointer::{self, ARCHIVE, Destination, PART, PART_SHARD, REVISION};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Name of the pointer.
pub const POINTER: &str = "groundlink";
/// Longest time of a delivery.
const LIMIT: Duration = Duration::from_secs(60);

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
    log: Vec<Event>,
    /// True if it does not answer.
    pub is_silent: bool,
    /// Number of requests by the operator that changed something.
    pub writes: u64,
    /// Number of these that wrote the pointer.
    pub pointers: u64,
    /// Highest revision of the pointer since somebody else last changed it.
    highest: Option<Revision>,
    /// Shards that somebody else deleted, which the operator may not know yet.
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

    /// Returns the files that the pointer leads to. `None` if there is no pointer, or it cannot be
    /// followed.
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

    /// Carries out a request, and checks the order of requests.
    fn apply(&mut self, request: Request, planted: Option<Planted>, terms: u64) -> Result<Answer, Violation> {
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

    fn list(&self, began: Duration) -> Event {
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

/// Returns the contents that a request carries to the satellite.
fn contents_of(request: &Request) -> Vec<(ObjectKey, Digest)> {
    match request {
        Request::CreateShard { shard, .. } => {
            shard.shard().files().into_iter().map(|file| (file.key().clone(), file.digest())).collect()
        }
        Request::WritePointer(write)
            if write.object().data.iter().flatten().all(|(key, _)| key != manifest::KEY) =>
        {
            let files = write.object().data.iter().flatten();
            files.filter_map(|(key, text)| Some((key_of(key)?, Digest::of(text.as_bytes())))).collect()
        }
        _ => Vec::new(),
    }
}

fn refused(code: u16) -> Answer {
    let problem = Problem::transient(Reason::Conflict, format!("{code}")).answered();
    Answer::Failed(Failed { problem, code: Some(code) })
}

fn silent() -> Answer {
    Answer::Failed(Failed { problem: Problem::silent(Reason::Unreachable, "no answer"), code: None })
}

/// The operator's side of one satellite.
pub struct Client {
    delivery: Delivery,
    /// Requests under way, or their answers once the server has received them.
    under_way: Vec<(u64, Sent)>,
    is_busy: bool,
    /// The set that the satellite should hold.
    wanted: Option<Wanted>,
    /// The revision that was delivered last.
    pub delivered: Option<Revision>,
    /// Number of the watch that is followed, and its position in the log of the server.
    watch: Option<(u64, usize)>,
    /// Nothing is tried before this time.
    rests_until: Duration,
    failures: u32,
    /// Requests that an ended job left behind. They may still arrive.
    late: Vec<Request>,
}

/// A request that is under way, or its answer.
pub enum Sent {
    Request(Box<Request>),
    Answer(Box<Answer>),
}

impl Client {
    pub fn new(number: usize, layout: Layout) -> Self {
        let mut delivery = Delivery::new(destination(number), layout, AdoptionPolicy::Never);
        delivery.follow();
        Self {
            delivery,
            under_way: Vec::new(),
            is_busy: false,
            wanted: None,
            delivered: None,
            watch: None,
            rests_until: Duration::ZERO,
            failures: 0,
            late: Vec::new(),
        }
    }

    pub fn want(&mut self, wanted: Wanted) {
        self.wanted = Some(wanted);
        self.rests_until = Duration::ZERO;
    }

    /// Returns the digest of the set that the satellite should hold.
    pub fn digest(&self) -> Option<Digest> {
        self.wanted.as_ref().map(|wanted| wanted.view.digest)
    }

    /// Returns when the next attempt is due. `None` if nothing waits.
    pub fn wakes(&self) -> Option<Duration> {
        if self.is_busy { self.delivery.wakes() } else { Some(self.rests_until).filter(|_| self.is_behind()) }
    }

    fn is_behind(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| self.delivered != Some(wanted.revision))
    }

    /// True if nothing is under way and nothing waits.
    pub fn is_quiet(&self, server: &Server) -> bool {
        let is_heard = self.watch.is_some_and(|(_, at)| at == server.log.len())
            && self.watch.map(|(number, _)| number) == self.delivery.watching();
        !self.is_busy && !self.is_behind() && is_heard
    }

    /// Begins the job that is due, and takes the requests of the delivery. Returns the contents in
    /// them.
    pub fn go_on(
        &mut self,
        now: Duration,
        may_write: bool,
        is_leader: bool,
    ) -> Result<Vec<(ObjectKey, Digest)>, Violation> {
        let mut contents = Vec::new();
        if !self.is_busy && may_write && now >= self.rests_until && self.watch.is_some() {
            let is_disturbed = self.delivery.take_disturbance(true);
            if is_disturbed {
                self.delivered = None;
            }
            if let Some(wanted) = self.wanted.clone().filter(|_| self.is_behind()) {
                self.delivery.begin(Job::Deliver(wanted), Some(LIMIT), now);
                self.is_busy = true;
            } else if self.delivery.facts().garbage > 0 {
                self.delivery.begin(Job::Collect, Some(LIMIT), now);
                self.is_busy = true;
            }
        }
        for Command { id, request } in self.delivery.next(now) {
            let is_write = matches!(
                request,
                Request::WritePointer(_)
                    | Request::CreateShard { .. }
                    | Request::MarkShard { .. }
                    | Request::Delete(_)
            );
            // The driver asks before each write.
            if is_write && !may_write {
                self.under_way.push((id, Sent::Answer(Box::new(silent()))));
                continue;
            }
            hold(Rule::R4, is_leader || !is_write, || {
                format!("{request:.60?} is sent without the leadership")
            })?;
            contents.extend(contents_of(&request));
            let sent = Sent::Request(Box::new(request));
            self.under_way.push((id, sent));
        }
        hold(Rule::I9, self.under_way.len() <= 2 * PARALLEL, || {
            format!("{} requests to one satellite are under way", self.under_way.len())
        })?;
        Ok(contents)
    }

    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Advances one request: the server receives it, the client gets its answer, or it is lost.
    /// Returns true if a set was delivered.
    pub fn advance(
        &mut self,
        server: &mut Server,
        now: Duration,
        random: &mut Random,
        faults: bool,
        planted: Option<Planted>,
        terms: &mut u64,
    ) -> Result<bool, Violation> {
        if self.under_way.is_empty() {
            return Ok(false);
        }
        let at = random.below(self.under_way.len());
        let (id, sent) = self.under_way.swap_remove(at);
        match sent {
            Sent::Request(request) => {
                let asks_nobody = matches!(*request, Request::Divide { .. } | Request::RaiseTerm { .. });
                if let Request::RaiseTerm { above } = *request {
                    *terms = (*terms).max(above.term + 1);
                }
                let is_lost = !asks_nobody && (server.is_silent || faults && random.percent(4));
                let is_late = planted == Some(Planted::PointerBeforeShards)
                    && matches!(*request, Request::CreateShard { .. });
                let answer = match is_lost {
                    true => silent(),
                    false if is_late => {
                        // It gets an answer, although the server never received it.
                        let Request::CreateShard { shard, revision, .. } = &*request else {
                            return Ok(false);
                        };
                        match pointer::shard(&destination(server.number), *revision, shard.shard()) {
                            Ok(mut stored) => {
                                stored.metadata.uid = Some(format!("late-{now:?}"));
                                stored.metadata.resource_version = Some("1".into());
                                Answer::shard_stored(&stored.clone(), &stored)
                            }
                            Err(_) => silent(),
                        }
                    }
                    false => {
                        let answer = server.apply(*request, planted, *terms)?;
                        // The server receives it, and the answer is lost.
                        if !asks_nobody && faults && random.percent(4) { silent() } else { answer }
                    }
                };
                self.under_way.push((id, Sent::Answer(Box::new(answer))));
                Ok(false)
            }
            Sent::Answer(answer) => {
                self.delivery.answered(id, *answer, now);
                Ok(self.take_end(now))
            }
        }
    }

    /// Takes the end of a job. Returns true if a set was delivered.
    pub fn take_end(&mut self, now: Duration) -> bool {
        let Some(ended) = self.delivery.ended() else { return false };
        self.is_busy = false;
        // The job does not wait for requests under way, and they may still arrive.
        self.leave_requests();
        match ended {
            Ok(Outcome::Delivered(delivered)) => {
                self.failures = 0;
                let is_wanted = self.digest() == Some(delivered.digest);
                self.delivered = self.wanted.as_ref().map(|wanted| wanted.revision).filter(|_| is_wanted);
                self.delivered.is_some()
            }
            Ok(_) => false,
            Err(Ended::Failed(_) | Ended::OutOfTime) => {
                self.failures += 1;
                self.rests_until = now + Duration::from_millis(250) * (1 << self.failures.min(6));
                false
            }
        }
    }

    fn leave_requests(&mut self) {
        let requests = self.under_way.drain(..).filter_map(|(_, sent)| match sent {
            Sent::Request(request) => Some(*request),
            Sent::Answer(_) => None,
        });
        self.late.extend(requests);
    }

    /// Returns the requests that were left behind.
    pub fn take_late(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.late)
    }

    /// Ends with the process. Returns the requests that may still arrive.
    pub fn end(mut self) -> Vec<Request> {
        self.leave_requests();
        self.late
    }

    /// Hands in one event of the watch, or begins the watch again.
    pub fn hear(&mut self, server: &Server, now: Duration, random: &mut Random, faults: bool) {
        let Some(wanted) = self.delivery.watching() else { return };
        if server.is_silent || faults && random.percent(3) {
            self.watch = None;
            let problem = Problem::silent(Reason::Unreachable, "the watch broke off");
            self.delivery.observed(wanted, Event::Failed(problem), now);
            return;
        }
        match self.watch.filter(|(number, _)| *number == wanted) {
            None => {
                self.delivery.observed(wanted, server.list(now), now);
                self.delivery.observed(wanted, Event::Watching, now);
                self.watch = Some((wanted, server.log.len()));
            }
            Some((_, at)) => {
                if let Some(event) = server.log.get(at) {
                    self.delivery.observed(wanted, event.clone(), now);
                    self.watch = Some((wanted, at + 1));
                }
            }
        }
    }
}

/// Lets a request of a dead process arrive.
pub fn arrive_late(server: &mut Server, request: Request, terms: u64) -> Result<(), Violation> {
    if !server.is_silent {
        server.apply(request, None, terms)?;
    }
    Ok(())
}

/// Returns a set in the form that a delivery takes.
pub fn wanted(revision: Revision, view: Arc<crate::snapshot::View>) -> Wanted {
    Wanted { revision, view }
}
