//! The core against an API server and a disk in memory, which answer when a test says so. A test can so stop between any
//! two steps of the promise, and look at what was commanded.

mod announcements;
mod changes;
mod departures;
mod evaluation;
mod faults;
mod icinga;
mod orphans;
mod ownership;
mod promise;
mod recovery;
mod refusals;
mod removals;
mod satellites;
mod scope;
mod statuses;
mod survey;
mod unreadable;
mod waiting;

use super::*;
use crate::api::{ConditionStatus, ConditionType, Reason};
use crate::identity::{Digest, Revision, Uid};
use crate::metrics::Work;
use crate::publish::{Change, Volume};
use crate::satellite::{Exempt, Health, Satellite};
use crate::simulation::disk::ModelDisk;
use crate::simulation::hub_api::{HubApi, Spec, Written};
use crate::snapshot::{Acceptance, Snapshot};
use crate::status::{Error, Kind, Write};
use crate::validate::Name;
use crate::watch::{Crd, Event};
use std::collections::BTreeMap;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// As many status writes may be under way.
const WRITES: usize = 16;

/// A host without a group.
const PLAIN: Spec = Spec { group: None, text: 0, is_valid: true, is_suspended: false };
/// Another content of the same host.
const OTHER: Spec = Spec { text: 1, ..PLAIN };
/// A host in the group `g0`.
const IN_GROUP: Spec = Spec { group: Some(0), ..PLAIN };
const INVALID: Spec = Spec { is_valid: false, ..PLAIN };

/// The CRD is there, and nobody may ask for its UID.
const INSTALLED: Crd = Crd::Installed(None);

/// Returns the key of an object in the namespace `a`, or in the one that the name begins with.
fn key(name: &str) -> ObjectKey {
    let (namespace, name) = name.split_once('/').unwrap_or(("a", name));
    ObjectKey::new(namespace, name)
}

fn core(scan: Scan, crd: Option<Uid>) -> Core {
    let names = ["CheckCommand!hostalive"].iter().filter_map(|name| Name::parse(name).ok());
    let guard = RemovalGuard { share: 50, least: 3 };
    let start = Start { scan, crd, seed: 7, ..Start::default() };
    Core::new(Settings::default(), guard, Index::new(names.collect()), start)
}

/// The hub, and what it commanded and nobody answered yet.
struct Hub {
    core: Core,
    api: HubApi,
    disk: ModelDisk,
    volume: Volume<ModelDisk>,
    elapsed: Duration,
    term: Option<u64>,
    /// The watch reported everything before this entry of the server's log.
    reported: usize,
    commits: Vec<Vec<Change>>,
    /// Namespaces and files that are read again.
    inspections: Vec<(Vec<String>, Vec<ObjectKey>)>,
    /// As many files a slow volume gives at once.
    reads_at_once: usize,
    writes: Vec<Write>,
    probes: usize,
    lists: usize,
    /// The CRD that is recorded on the volume.
    crd: Option<Uid>,
    /// Until when a person allows large removals.
    allowed_until: i64,
    held: Option<Held>,
    /// Why it writes nothing, because another operator does.
    stopped: Option<String>,
    snapshots: Vec<Snapshot>,
    raised: Vec<Revision>,
    readiness: BTreeMap<Part, Option<String>>,
    measured: Vec<Measurement>,
    announced: Vec<Announcement>,
}

impl Hub {
    /// Returns a hub that has just started on an empty volume and leads.
    fn new() -> Self {
        Self::on(HubApi::default(), ModelDisk::default(), None, 1)
    }

    /// Returns a hub with these objects, after its first LIST and the commit: no status is answered.
    fn committed(objects: &[(&str, Spec)]) -> Self {
        let mut hub = Self::new();
        objects.iter().for_each(|(name, spec)| hub.apply(name, *spec));
        hub.list();
        hub.pass(SECOND);
        hub.commit();
        hub
    }

    /// Returns a hub with these objects, each Ready and in a snapshot.
    fn with(objects: &[(&str, Spec)]) -> Self {
        let mut hub = Self::committed(objects);
        hub.settle();
        hub
    }

    fn on(api: HubApi, disk: ModelDisk, crd: Option<Uid>, term: u64) -> Self {
        let volume = Volume::on(disk.clone());
        let scan = volume.scan().unwrap();
        Self {
            core: core(scan, crd.clone()),
            reported: api.log.len(),
            api,
            disk,
            volume,
            elapsed: SECOND,
            term: Some(term),
            commits: Vec::new(),
            inspections: Vec::new(),
            reads_at_once: usize::MAX,
            writes: Vec::new(),
            probes: 0,
            lists: 0,
            crd,
            allowed_until: 0,
            held: None,
            stopped: None,
            snapshots: Vec::new(),
            raised: Vec::new(),
            readiness: BTreeMap::new(),
            measured: Vec::new(),
            announced: Vec::new(),
        }
    }

    /// The scan found this instead.
    fn start_with(&mut self, scan: Scan) {
        self.core = core(scan, self.crd.clone());
    }

    /// The process is killed, and another one starts. Nothing that was under way is carried out.
    fn restarted(self) -> Self {
        let term = self.term.unwrap_or(1) + 1;
        self.disk.kill();
        Self::on(self.api, self.disk, self.crd, term)
    }

    fn tell(&mut self, input: Input) {
        let now = Now { elapsed: self.elapsed, unix: self.elapsed.as_secs() as i64, term: self.term };
        let mut checks = Vec::new();
        for command in self.core.step(now, input) {
            match command {
                Command::Commit(batch) => self.commits.push(batch),
                Command::Inspect { namespaces, keys } => self.inspections.push((namespaces, keys)),
                Command::ListFiles => checks.push(Input::FilesListed(self.volume.keys())),
                Command::Check(keys) => checks.push(Input::Checked(
                    self.volume.check(&keys[..keys.len().min(self.reads_at_once)], &|| true),
                )),
                Command::WriteStatus(write) => self.writes.push(*write),
                Command::AskConsent => self.probes += 1,
                Command::ListAgain => self.lists += 1,
                Command::RememberCrd(uid) => self.crd = Some(uid),
                Command::Hold(why) => self.stopped = why,
                Command::HoldRemovals(held) => self.held = held,
                Command::Deliver(snapshot) => self.snapshots.push(snapshot),
                Command::RaiseTerm { revision, .. } => self.raised.push(revision),
                Command::Readiness { part, missing } => drop(self.readiness.insert(part, missing)),
                Command::Measure(measurement) => self.measured.push(measurement),
                Command::Announce(announcement) => self.announced.push(announcement),
            }
        }
        // Files are checked at once.
        checks.into_iter().for_each(|check| self.tell(check));
    }

    // What happens.

    /// A person applies a resource. The hub has not heard of it yet.
    fn apply(&mut self, name: &str, spec: Spec) {
        self.api.apply(&key(name), spec);
    }

    /// The watch begins with a LIST, and the CRD is there.
    fn list(&mut self) {
        self.list_only();
        if self.probes > 0 {
            self.probed(INSTALLED);
        }
    }

    fn list_only(&mut self) {
        let mut events = self.first_page();
        events.push(Event::ListComplete);
        self.tell(Input::Watched(events));
    }

    /// Returns a LIST of everything, without its end.
    fn first_page(&mut self) -> Vec<Event> {
        self.reported = self.api.log.len();
        let objects: Vec<_> = self.api.objects.values().cloned().collect();
        let objects = objects.iter().map(|stored| Event::Object(Box::new(self.api.received(stored))));
        std::iter::once(Event::ListBegins).chain(objects).collect()
    }

    /// The watch reports everything that happened.
    fn watch(&mut self) {
        let logged = self.api.log[self.reported..].to_vec();
        self.reported = self.api.log.len();
        let events = logged.iter().map(|logged| self.api.event(logged)).collect();
        self.tell(Input::Watched(events));
    }

    /// A person applies a resource, and the watch reports it.
    fn change(&mut self, name: &str, spec: Spec) {
        self.apply(name, spec);
        self.watch();
    }

    /// A person deletes a resource, the watch reports it, and the CRD is still there.
    fn delete(&mut self, name: &str) {
        self.api.delete(&key(name));
        self.watch();
        self.pass(SECOND);
        self.probed(INSTALLED);
    }

    /// The probe for the CRD that is under way ends.
    fn probed(&mut self, crd: Crd) {
        assert_eq!(std::mem::take(&mut self.probes), 1, "one probe is under way");
        self.tell(Input::ConsentAnswered(Consent { crd, allowed_until: self.allowed_until }));
    }

    /// The second LIST that is under way ends.
    fn listed_again(&mut self) {
        assert_eq!(std::mem::take(&mut self.lists), 1, "one LIST is under way");
        let watched =
            self.api.objects.values().filter(|stored| self.core.watched.has(stored.key.namespace()));
        let all = watched.map(|stored| (stored.key.clone(), Uid::new(&stored.uid))).collect();
        self.tell(Input::ListedAgain(Ok(all)));
    }

    fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        self.tell(Input::Tick);
    }

    /// The leadership comes or goes.
    fn leads(&mut self, term: Option<u64>) {
        self.term = term;
        self.tell(Input::Tick);
    }

    /// Takes the commit that is under way.
    fn take_commit(&mut self) -> Vec<Change> {
        assert_eq!(self.commits.len(), 1, "one commit is under way");
        self.commits.remove(0)
    }

    /// The commit that is under way ends.
    fn commit(&mut self) {
        let batch = self.take_commit();
        let outcomes = self.volume.commit(batch, &|| true);
        self.tell(Input::Committed { outcomes, took: MILLISECOND });
    }

    /// The files that are being read again are read.
    fn inspect(&mut self) {
        assert_eq!((self.inspections.len(), self.commits.len()), (1, 0), "one, and no commit beside it");
        let (namespaces, keys) = self.inspections.remove(0);
        let result = self.volume.scan_again(&namespaces, &keys).map_err(|error| error.to_string());
        self.tell(Input::Inspected(result));
    }

    /// The commit that is under way ends, and the volume took nothing.
    fn commit_fails(&mut self) {
        let batch = self.take_commit();
        let outcomes = self.volume.commit(batch, &|| false);
        self.tell(Input::Committed { outcomes, took: MILLISECOND });
    }

    /// The commit that is under way ends, and the disk has failed after so many operations.
    fn commit_fails_after(&mut self, operations: u32) {
        self.disk.stop_after(Some(operations));
        self.commit();
        self.disk.stop_after(None);
    }

    fn take_write(&mut self, name: &str) -> Write {
        let at = self.writes.iter().position(|write| *write.key() == key(name));
        self.writes.remove(at.unwrap_or_else(|| panic!("no write of {name} is under way")))
    }

    /// The server answers the status write of an object.
    fn answer(&mut self, name: &str) {
        let write = self.take_write(name);
        let (key, uid) = (write.key().clone(), write.uid().clone());
        let answer = match self.api.write_status(
            &key,
            &uid,
            write.generation(),
            write.body(),
            write.claimed(),
            true,
        ) {
            Written::Stored(version) => write.stored_by_model(version),
            Written::Stale => write.refused_by_model(Error::Stale),
            Written::Gone => write.refused_by_model(Error::Gone),
        };
        self.tell(Input::StatusAnswered(answer));
    }

    /// The status write of an object is not stored.
    fn answer_with(&mut self, name: &str, error: Error) {
        let answer = self.take_write(name).refused_by_model(error);
        self.tell(Input::StatusAnswered(answer));
    }

    /// The server answers every write that is under way.
    fn answer_all(&mut self) {
        for name in self.written() {
            self.answer(&name);
        }
    }

    /// Everything is answered at once, until there is nothing left to do.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.watch();
            if !self.commits.is_empty() {
                self.commit();
            }
            self.answer_all();
            self.pass(200 * MILLISECOND);
            if self.probes > 0 {
                self.probed(INSTALLED);
            }
            if self.lists > 0 {
                self.listed_again();
            }
            if self.commits.is_empty() && self.writes.is_empty() {
                // The next snapshot is cut at once.
                self.elapsed += SECOND;
                return;
            }
        }
        panic!("it does not become quiet: {:?}", self.writes);
    }

    /// Reports a fleet with these satellites, which accept everything, and the revision that each delivered last.
    fn fleet(&mut self, delivered: &[Option<Revision>]) {
        let satellite = |acked: &Option<Revision>| Satellite {
            acceptance: Some(Acceptance::default()),
            acked: *acked,
            ..Satellite::default()
        };
        let names = (0..).map(|number| format!("edge-{number}"));
        let satellites = names.zip(delivered.iter().map(satellite)).collect();
        self.tell(Input::FleetChanged(Fleet { listed: true, satellites }));
    }

    // What is to be seen.

    /// Returns the objects whose status is being written.
    fn written(&self) -> Vec<String> {
        self.writes.iter().map(|write| write.key().as_str().trim_start_matches("a/").to_owned()).collect()
    }

    fn kind_of(&self, name: &str) -> Kind {
        self.writes.iter().find(|write| *write.key() == key(name)).unwrap().kind()
    }

    /// Returns the digest of what an object's present spec renders to.
    fn wanted(&self, name: &str) -> Option<Digest> {
        self.api.objects[&key(name)].digest
    }

    /// Returns the digest of an object's file.
    fn on_disk(&self, name: &str) -> Option<Digest> {
        let key = key(name);
        let place = (key.namespace().to_owned(), format!("{}.conf", key.name()));
        self.disk.all_visible().get(&place).map(|bytes| Digest::of(bytes))
    }

    /// Returns the digest of what the latest snapshot has of an object.
    fn delivered(&self, name: &str) -> Option<Digest> {
        self.snapshots.last()?.get(&key(name)).map(|content| content.digest())
    }

    fn condition(&self, name: &str, kind: ConditionType) -> Option<(ConditionStatus, Reason)> {
        let status = self.api.objects[&key(name)].status.as_ref()?;
        let found = status.conditions.iter().find(|condition| condition.r#type == kind)?;
        Some((found.status, found.reason.known()?))
    }

    fn ready(&self, name: &str) -> Option<(ConditionStatus, Reason)> {
        self.condition(name, ConditionType::Ready)
    }

    /// Returns the generation that the status of an object is about.
    fn observed(&self, name: &str) -> Option<i64> {
        Some(self.api.objects[&key(name)].status.as_ref()?.observed_generation)
    }

    /// Returns the work that panicked, as the metrics count it.
    fn panics(&self) -> Vec<Work> {
        let work = |measured: &Measurement| match measured {
            Measurement::Panicked(work) => Some(*work),
            _ => None,
        };
        self.measured.iter().filter_map(work).collect()
    }

    fn revision(&self) -> Revision {
        self.snapshots.last().map(Snapshot::revision).unwrap_or_default()
    }

    /// Returns what a part of the readiness waits for. Empty if it is ready.
    fn missing(&self, part: Part) -> &str {
        self.readiness[&part].as_deref().unwrap_or_default()
    }
}

const READY: Option<(ConditionStatus, Reason)> = Some((ConditionStatus::True, Reason::Published));

fn not_ready(reason: Reason) -> Option<(ConditionStatus, Reason)> {
    Some((ConditionStatus::False, reason))
}

fn keys(batch: &[Change]) -> Vec<&str> {
    batch.iter().map(|change| change.key().name()).collect()
}
