//! One run: a hub, its volume, satellites, and one operator process after another, with everything
//! that can go wrong between them. The seed chooses what happens next, and the rules are checked
//! after each step.

use super::disk::ModelDisk;
use super::hub_api::{HubApi, Logged, Spec, Stored, Written, group, host};
use super::planted::Planted;
use super::random::Random;
use super::rules::{Rule, Violation, hold};
use super::satellite::{self, Client, Server};
use super::witness::{Witness, desired, in_set, on_volume};
use crate::api::satellite_cluster::Layout;
use crate::api::{ConditionStatus, ConditionType, MonitoringObject, MonitoringObjectStatus};
use crate::hub::core::{Command, Core, Input, Now};
use crate::identity::{Digest, ObjectKey, Uid};
use crate::publish::{Change, Outcome, Volume};
use crate::references::Index;
use crate::satellite::core::requests::Request;
use crate::satellite::{Fleet, Satellite};
use crate::snapshot::{Acceptance, Catalog, Maintained, Snapshot, SnapshotNames};
use crate::status::{Error, Write};
use crate::validate::{Name, Settings};
use crate::watch::{Crd, Event};
use std::collections::BTreeMap;
use std::time::Duration;

/// Numbers of the host groups and hosts that people change.
const GROUPS: usize = 3;
const HOSTS: usize = 6;
/// Most status writes that may be under way.
const WRITES: usize = 16;
/// Most steps until nothing changes any more after the faults have stopped.
const QUIET_STEPS: usize = 20_000;

/// The choices of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub seed: u64,
    pub planted: Option<Planted>,
    /// True to keep a trace for a person.
    pub traces: bool,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Done {
    pub steps: u64,
    pub trace: Vec<String>,
    pub violation: Option<Violation>,
}

struct World {
    plan: Plan,
    random: Random,
    trace: Vec<String>,
    steps: u64,
    clock: Duration,
    /// True while faults happen.
    faults: bool,
    api: HubApi,
    disk: ModelDisk,
    servers: Vec<Server>,
    witness: Witness,
    process: Option<Process>,
    /// Highest term that any process had.
    terms: u64,
    /// Requests of dead processes that are still under way.
    late_writes: Vec<(ObjectKey, Uid, i64, MonitoringObjectStatus)>,
    late_requests: Vec<(usize, Request)>,
    /// Number of snapshots that were cut.
    snapshots: u64,
    layout: Layout,
}

/// One operator process.
struct Process {
    core: Core,
    volume: Volume<ModelDisk>,
    started: Duration,
    /// True if it holds the lease.
    leads: bool,
    /// The term that it believes it has.
    term: Option<u64>,
    floor: u64,
    watch: Watch,
    /// True if a LIST was complete.
    has_listed: bool,
    commit: Option<Batch>,
    writes: Vec<StatusWrite>,
    is_probing: bool,
    latest: Option<Snapshot>,
    /// The view of every satellite, kept up to date from snapshot to snapshot.
    view: Maintained,
    clients: Vec<Client>,
    fleet: Fleet,
}

struct Batch {
    changes: Vec<Change>,
    /// True if the outcomes were reported before the work was done (planted).
    is_told: bool,
}

struct StatusWrite {
    write: Write,
    /// The answer of the server, if it has received the write.
    heard: Option<Result<Written, Error>>,
}

/// The state of the watch.
enum Watch {
    /// Not listed, or interrupted: it begins with a LIST.
    Idle,
    /// A LIST that is read object by object.
    Listing { objects: Vec<Stored>, at: usize, log: usize },
    /// A watch that follows the log from this position.
    Following(usize),
}

type Step = Result<(), Violation>;

/// Runs one seed.
pub fn run(plan: Plan) -> Done {
    let mut world = World::new(plan);
    let violation = world.whole_run().err();
    Done { steps: world.steps, trace: world.trace, violation }
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let satellites = 1 + random.below(2);
        let layout = if random.percent(50) { Layout::Single } else { Layout::Snapshot };
        Self {
            random,
            trace: Vec::new(),
            steps: 0,
            clock: Duration::from_secs(1),
            faults: true,
            api: HubApi::default(),
            disk: ModelDisk::new(plan.planted),
            servers: (0..satellites).map(Server::new).collect(),
            witness: Witness::default(),
            process: None,
            terms: 0,
            late_writes: Vec::new(),
            late_requests: Vec::new(),
            snapshots: 0,
            layout,
            plan,
        }
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.plan.traces {
            let line = format!("{:>6} {:>10.3} {}", self.steps, self.clock.as_secs_f64(), what());
            self.trace.push(line);
        }
    }

    /// Several rounds of faults and then quiet. At the end, a restart that has nothing to do.
    fn whole_run(&mut self) -> Step {
        for _ in 0..1 + self.random.below(2) {
            self.faults = true;
            for _ in 0..60 + self.random.below(160) {
                self.step()?;
            }
            self.faults = false;
            self.disk.fail_one_in(0, 0);
            self.disk.stop_after(None);
            let dead = self.dead_satellite();
            for (number, server) in self.servers.iter_mut().enumerate() {
                server.is_silent = Some(number) == dead;
            }
            self.late_requests.clear();
            let before =
                (self.snapshots, self.servers.iter().map(|server| server.pointers).collect::<Vec<_>>());
            self.become_quiet(dead)?;
            self.one_pass_each(&before)?;
            self.everything_is_equal(dead)?;
            if dead.is_none() {
                self.witness.all_is_there();
                self.restart_writes_nothing()?;
            }
        }
        Ok(())
    }

    /// One satellite may stay silent while everything else becomes quiet.
    fn dead_satellite(&mut self) -> Option<usize> {
        let may_be_dead = self.servers.len() > 1 && self.random.percent(20);
        may_be_dead.then(|| self.random.below(self.servers.len()))
    }

    fn step(&mut self) -> Step {
        self.steps += 1;
        self.clock += Duration::from_millis(self.random.below(40) as u64);
        match self.random.below(100) {
            0..12 if self.faults => self.person(),
            12..14 if self.faults => self.end_process(),
            14..16 if self.faults => self.lease_changes(),
            16..19 if self.faults => self.satellite_fault(),
            19..21 if self.faults => self.disk_fault(),
            21..23 => self.late_arrives(),
            23..40 => self.watch_reports(),
            40..52 => self.commit_ends(),
            52..66 => self.status_advances(),
            66..70 => self.crd_answers(),
            70..95 => self.satellite_advances(),
            _ => self.time_passes(),
        }
    }

    // Changes by people.

    fn person(&mut self) -> Step {
        let key = match self.random.percent(30) {
            true => group(self.random.below(GROUPS)),
            false => host(self.random.below(HOSTS)),
        };
        let what = self.random.below(100);
        if what < 12 {
            self.say(|| format!("delete {key}"));
            self.witness.deleted(&self.api, &key);
            self.api.delete(&key);
            if self.random.percent(30) {
                self.apply(&key);
            }
        } else if what < 15 {
            let status = self.api.objects.values().find_map(|stored| stored.status.clone());
            let status = status.filter(|_| self.random.percent(50));
            // A status that is written by hand may claim anything, so the model only writes an
            // empty one.
            if status.is_none() {
                self.say(|| format!("wipe the status of {key}"));
                self.api.edit_status(&key, None);
            }
        } else {
            self.apply(&key);
        }
        Ok(())
    }

    fn apply(&mut self, key: &ObjectKey) {
        let is_host = !super::hub_api::is_group(key);
        let spec = Spec {
            group: (is_host && self.random.percent(70)).then(|| self.random.below(GROUPS)),
            text: self.random.below(4) as u32,
            is_valid: !self.random.percent(10),
            is_suspended: self.random.percent(6),
        };
        self.say(|| format!("apply {key} {spec:?}"));
        self.api.apply(key, spec);
        if let Some(stored) = self.api.objects.get(key) {
            self.witness.applied(&self.api, stored);
        }
    }

    // Processes.

    fn end_process(&mut self) -> Step {
        let Some(process) = self.process.take() else { return Ok(()) };
        let is_power = self.random.percent(50);
        self.say(|| if is_power { "the power is cut".into() } else { "the process is killed".into() });
        if let Some(batch) = process.commit {
            // The commit is interrupted somewhere in the middle.
            self.disk.stop_after(Some(self.random.below(30) as u32));
            drop(process.volume.commit(batch.changes, &|| true));
            self.look_at_volume()?;
        }
        if is_power {
            self.disk.cut_power(&mut self.random);
            self.witness.power_cut(&self.disk)?;
        } else {
            self.disk.kill();
        }
        for StatusWrite { write, heard } in process.writes {
            if heard.is_none() && self.random.percent(50) {
                let (key, uid) = (write.key().clone(), write.uid().clone());
                self.late_writes.push((key, uid, write.generation(), write.body().clone()));
            }
        }
        for (number, client) in process.clients.into_iter().enumerate() {
            self.late_requests.extend(client.end().into_iter().map(|request| (number, request)));
        }
        Ok(())
    }

    fn start_process(&mut self) -> Step {
        self.terms = match self.random.below(100) {
            // Somebody deleted the Lease, so the terms begin again.
            0..3 => 0,
            // Somebody else led in between.
            3..12 => self.terms + 1,
            _ => self.terms,
        };
        self.terms += 1;
        let volume = Volume::on(self.disk.clone());
        let found = match volume.scan() {
            Ok(found) => found,
            Err(error) => {
                self.say(|| format!("cannot start: {error}"));
                return Ok(());
            }
        };
        self.say(|| format!("a process starts and finds {} files", found.len()));
        let names = ["CheckCommand!hostalive"].iter().filter_map(|name| Name::parse(name).ok());
        let known = || Satellite { acceptance: Some(Acceptance::default()), ..Satellite::default() };
        let satellites = (0..self.servers.len()).map(|number| (format!("edge-{number}"), known())).collect();
        let fleet = Fleet { listed: self.random.percent(70), satellites };
        let seed = self.random.next();
        let core = Core::new(Settings::default(), Index::new(names.collect()), found, fleet.clone(), seed);
        self.process = Some(Process {
            core,
            volume,
            started: self.clock,
            leads: true,
            term: Some(self.terms),
            floor: 0,
            watch: Watch::Idle,
            has_listed: false,
            commit: None,
            writes: Vec::new(),
            is_probing: false,
            latest: None,
            view: Maintained::new(Acceptance::default(), None),
            clients: (0..self.servers.len()).map(|number| Client::new(number, self.layout)).collect(),
            fleet,
        });
        Ok(())
    }

    fn lease_changes(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.leads = !process.leads;
        if self.plan.planted == Some(Planted::LeadershipNotAsked) {
            return Ok(());
        }
        if process.leads {
            self.terms = self.terms.max(process.floor) + 1;
        }
        process.term = process.leads.then_some(self.terms);
        let term = process.term;
        self.say(|| format!("the term is {term:?}"));
        self.tell(Input::Tick)
    }

    /// Hands an event to the core, and carries out its commands.
    fn tell(&mut self, input: Input) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.term.is_some_and(|term| process.floor > term) {
            // The lease's next renewal takes a higher term.
            self.terms = self.terms.max(process.floor);
            process.term = Some(process.floor);
        }
        let now = Now {
            elapsed: self.clock - process.started,
            unix: self.clock.as_secs() as i64,
            term: process.term,
        };
        for command in process.core.step(now, input) {
            self.carry_out(command)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, command: Command) -> Step {
        match command {
            Command::Commit(changes) => {
                self.say(|| format!("commit {:?}", changes.iter().map(Change::key).collect::<Vec<_>>()));
                let Some(process) = &mut self.process else { return Ok(()) };
                hold(Rule::I9, process.commit.is_none(), || "two commits are under way".into())?;
                process.commit = Some(Batch { changes, is_told: false });
            }
            Command::WriteStatus(write) => self.status_begins(write)?,
            Command::ProbeCrd => {
                if let Some(process) = &mut self.process {
                    process.is_probing = true;
                }
            }
            Command::Deliver(snapshot) => self.deliver(snapshot)?,
            Command::RaiseTerm { revision, .. } => {
                if let Some(process) = &mut self.process {
                    process.floor = process.floor.max(revision.term + 1);
                }
            }
            Command::Readiness { part, missing } => self.say(|| format!("{part:?}: {missing:?}")),
            Command::Measure(_) => {}
        }
        Ok(())
    }

    fn deliver(&mut self, snapshot: Snapshot) -> Step {
        let contents: Vec<_> = snapshot.files().map(|file| (file.key().clone(), file.digest())).collect();
        self.witness.were_acknowledged(Rule::R2, &contents, "a snapshot")?;
        self.snapshots += 1;
        let snapshot = self.mangled(snapshot);
        let revision = snapshot.revision();
        self.say(|| format!("snapshot {revision} of {}", snapshot.files().count()));
        if let Some(process) = &mut self.process {
            let view = process.view.update(&snapshot, &mut SnapshotNames::default());
            for client in &mut process.clients {
                client.want(satellite::wanted(revision, view.clone()));
            }
            process.latest = Some(snapshot);
        }
        Ok(())
    }

    /// Returns the snapshot that the driver hands on. It is the same one unless a violation is
    /// planted.
    fn mangled(&mut self, snapshot: Snapshot) -> Snapshot {
        let is_first = self.process.as_ref().is_some_and(|process| process.latest.is_none());
        let drops: fn(&ObjectKey) -> bool = match self.plan.planted {
            Some(Planted::OpenSet) => |key| key.name() == "g0",
            Some(Planted::SnapshotBeforeRecovery) if is_first => |key| key.name() == "h1",
            _ => return snapshot,
        };
        let kept: Vec<_> = snapshot.files().filter(|file| !drops(file.key())).cloned().collect();
        Catalog::of(&kept).cut(snapshot.revision()).0
    }

    // The watch.

    fn watch_reports(&mut self) -> Step {
        let faults = self.faults;
        if self.process.is_none() {
            return self.start_process();
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        let mut events = Vec::new();
        if faults && self.random.percent(6) {
            let is_complete =
                self.plan.planted == Some(Planted::FailedListTakenAsComplete) && process.has_listed;
            if let (true, Watch::Listing { .. }) = (is_complete, &process.watch) {
                process.watch = Watch::Idle;
                events.push(Event::ListComplete);
            } else {
                if !matches!(process.watch, Watch::Following(_)) || self.random.percent(50) {
                    process.watch = Watch::Idle;
                }
                events.push(Event::Broken("the stream ended".into()));
            }
        } else {
            for _ in 0..1 + self.random.below(4) {
                match &mut process.watch {
                    Watch::Idle => {
                        let objects = self.api.objects.values().cloned().collect();
                        process.watch = Watch::Listing { objects, at: 0, log: self.api.log.len() };
                        events.push(Event::ListBegins);
                    }
                    Watch::Listing { objects, at, log } => match objects.get(*at) {
                        Some(stored) => {
                            *at += 1;
                            let mut received = self.api.received(stored);
                            if !process.has_listed {
                                misread(self.plan.planted, &self.disk, &mut received.object);
                            }
                            events.push(Event::Object(Box::new(received)));
                        }
                        None => {
                            process.has_listed = true;
                            process.watch = Watch::Following(*log);
                            events.push(Event::ListComplete);
                        }
                    },
                    Watch::Following(at) => {
                        let Some(logged) = self.api.log.get(*at).cloned() else { break };
                        *at += 1;
                        events.push(self.api.event(&logged));
                    }
                }
            }
            if faults && self.random.percent(4) && matches!(process.watch, Watch::Following(_)) {
                events.extend(self.stale_event());
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        self.say(|| {
            format!("the watch reports {}", events.iter().map(name_of).collect::<Vec<_>>().join(", "))
        });
        self.tell(Input::Watched(events))
    }

    /// An older server reports an object as it was.
    fn stale_event(&mut self) -> Option<Event> {
        let old = self.api.log.get(self.random.below(self.api.log.len().max(1)))?.clone();
        let Logged::Put(stored) = old else { return None };
        let now = self.api.objects.get(&stored.key).filter(|now| now.uid == stored.uid)?.clone();
        let mut received = self.api.received(&stored.clone());
        if self.plan.planted == Some(Planted::StaleReadBelieved) {
            received.object.metadata.generation = Some(now.generation + 1);
            received.object.metadata.resource_version = Some((now.version + 1).to_string());
        }
        Some(Event::Object(Box::new(received)))
    }

    fn crd_answers(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        if !process.is_probing {
            return Ok(());
        }
        process.is_probing = false;
        let is_unknown = self.faults && self.random.percent(10);
        self.tell(Input::CrdProbed(if is_unknown {
            Crd::Unknown("no answer".into())
        } else {
            Crd::Installed
        }))
    }

    // The volume.

    fn disk_fault(&mut self) -> Step {
        let fails = if self.random.percent(60) { 0 } else { 3 + self.random.below(20) as u64 };
        self.say(|| format!("one disk operation in {fails} fails"));
        self.disk.fail_one_in(fails, self.random.next());
        Ok(())
    }

    fn commit_ends(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        let Some(batch) = process.commit.take() else { return Ok(()) };
        let took = Duration::from_millis(1);
        if self.plan.planted == Some(Planted::StatusBeforeCommit) && !batch.is_told {
            let dry = Volume::on(self.disk.fork());
            let outcomes = dry.commit(batch.changes, &|| true);
            return self.tell(Input::Committed { outcomes, took });
        }
        if self.faults && self.random.percent(2) {
            // The commit panics somewhere.
            self.disk.stop_after(Some(self.random.below(20) as u32));
            let keys: Vec<_> = batch.changes.iter().map(|change| change.key().clone()).collect();
            drop(process.volume.commit(batch.changes, &|| true));
            self.disk.stop_after(None);
            // The driver tries until it has read the volume.
            let found = (0..1_000).find_map(|_| process.volume.look(&keys).ok()).unwrap_or_default();
            self.look_at_volume()?;
            self.say(|| format!("the commit panics, and leaves {} files", found.len()));
            return self.tell(Input::CommitPanicked(found));
        }
        let is_leader = process.term.is_some();
        let stays = self.plan.planted == Some(Planted::DeletedFileStays);
        let (changes, kept): (Vec<_>, Vec<_>) =
            batch.changes.into_iter().partition(|change| !(stays && matches!(change, Change::Remove { .. })));
        let mut outcomes = process.volume.commit(changes, &|| is_leader);
        outcomes.extend(kept.into_iter().map(|change| Outcome::Removed(change.key().clone())));
        self.look_at_volume()?;
        self.say(|| format!("committed: {}", outcomes.iter().map(outcome).collect::<Vec<_>>().join(", ")));
        self.tell(Input::Committed { outcomes, took })
    }

    fn look_at_volume(&mut self) -> Step {
        for (place, bytes) in self.disk.take_seen() {
            self.witness.file_seen(&place, bytes.as_ref())?;
        }
        Ok(())
    }

    // Statuses.

    fn status_begins(&mut self, write: Write) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        hold(Rule::R4, process.term.is_some(), || {
            format!("{} is written without the leadership", write.key())
        })?;
        self.witness.status_sent(&self.api, &self.disk, write.key(), write.body(), self.servers.len())?;
        self.trace_write(&write);
        let Some(process) = &mut self.process else { return Ok(()) };
        process.writes.push(StatusWrite { write, heard: None });
        let twice = if self.plan.planted == Some(Planted::WritesTwice) { 2 } else { 1 };
        hold(Rule::I9, process.writes.len() * twice <= WRITES, || {
            format!("{} status writes are under way", process.writes.len())
        })
    }

    fn trace_write(&mut self, write: &Write) {
        let (key, kind, generation) = (write.key().clone(), write.kind(), write.generation());
        self.say(|| format!("write {kind:?} of {key} for generation {generation}"));
    }

    fn status_advances(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.writes.is_empty() {
            return Ok(());
        }
        let at = self.random.below(process.writes.len());
        let StatusWrite { write, heard } = process.writes.swap_remove(at);
        match heard {
            None => {
                let heard = Some(self.status_heard(&write)?);
                let Some(process) = &mut self.process else { return Ok(()) };
                process.writes.push(StatusWrite { write, heard });
                Ok(())
            }
            Some(answer) => self.status_ends(write, answer),
        }
    }

    /// Lets a write reach the server, or loses the write or its answer.
    fn status_heard(&mut self, write: &Write) -> Result<Result<Written, Error>, Violation> {
        let planted = self.plan.planted;
        if planted == Some(Planted::AcknowledgementWithoutStore) && self.random.percent(30) {
            return Ok(Ok(Written::Stored(1)));
        }
        if self.faults && self.random.percent(6) {
            return Ok(Err(Error::Unknown("the connection broke".into())));
        }
        if self.faults && self.random.percent(4) {
            return Ok(Err(Error::Refused("403".into())));
        }
        let (key, uid) = (write.key().clone(), write.uid().clone());
        let tests = planted != Some(Planted::GenerationNotTested);
        let written = self.api.write_status(&key, &uid, write.generation(), write.body(), tests);
        self.status_arrived(&key, written)?;
        let is_answer_lost = self.faults && self.random.percent(6);
        Ok(if is_answer_lost { Err(Error::Unknown("no answer".into())) } else { Ok(written) })
    }

    fn status_ends(&mut self, write: Write, answer: Result<Written, Error>) -> Step {
        let key = write.key().clone();
        self.say(|| format!("the write of {key} is answered: {answer:?}"));
        if self.faults && self.random.percent(1) {
            drop(write);
            self.say(|| "and panics".into());
            return self.tell(Input::StatusPanicked(key));
        }
        let believes = self.plan.planted == Some(Planted::UnknownTakenForStored);
        let answer = match answer {
            Ok(Written::Stored(version)) => write.stored_by_model(version),
            Ok(Written::Stale) => write.refused_by_model(Error::Stale),
            Ok(Written::Gone) => write.refused_by_model(Error::Gone),
            Err(Error::Unknown(_)) if believes => write.stored_by_model(1),
            Err(error) => write.refused_by_model(error),
        };
        self.tell(Input::StatusAnswered(answer))
    }

    fn status_arrived(&mut self, key: &ObjectKey, written: Written) -> Step {
        if let (Written::Stored(_), Some(stored)) = (written, self.api.objects.get(key)) {
            self.witness.status_stored(key, stored)?;
        }
        Ok(())
    }

    fn late_arrives(&mut self) -> Step {
        if !self.late_writes.is_empty() {
            let (key, uid, generation, status) =
                self.late_writes.swap_remove(self.random.below(self.late_writes.len()));
            let tests = self.plan.planted != Some(Planted::GenerationNotTested);
            let written = self.api.write_status(&key, &uid, generation, &status, tests);
            self.say(|| format!("a status write of a dead process arrives: {key} {written:?}"));
            return self.status_arrived(&key, written);
        }
        if !self.late_requests.is_empty() {
            let (number, request) =
                self.late_requests.swap_remove(self.random.below(self.late_requests.len()));
            self.say(|| format!("a request of a dead process arrives at edge-{number}: {request:?}"));
            let pointers = self.servers[number].pointers;
            satellite::arrive_late(&mut self.servers[number], request, self.terms)?;
            return self.look_at_set(number, pointers);
        }
        Ok(())
    }

    // Satellites.

    fn satellite_fault(&mut self) -> Step {
        let number = self.random.below(self.servers.len());
        let server = &mut self.servers[number];
        match self.random.below(4) {
            0 => {
                server.is_silent = !server.is_silent;
                let is_silent = server.is_silent;
                self.say(|| format!("edge-{number} is silent: {is_silent}"));
            }
            1 => {
                let names: Vec<_> = server.objects.keys().cloned().collect();
                if !names.is_empty() {
                    let name = self.random.one_of(&names).clone();
                    server.steal(&name);
                    self.say(|| format!("somebody deletes {name} on edge-{number}"));
                }
            }
            2 => {
                server.tamper();
                self.say(|| format!("somebody empties the pointer of edge-{number}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn satellite_advances(&mut self) -> Step {
        let number = match self.plan.planted {
            // Planted: everything waits for the dead satellite, for ever.
            Some(Planted::DeadSatelliteBlocks) => self
                .servers
                .iter()
                .position(|server| server.is_silent)
                .unwrap_or(self.random.below(self.servers.len())),
            _ => self.random.below(self.servers.len()),
        };
        let (now, faults, planted) = (self.clock, self.faults, self.plan.planted);
        let Some(process) = &mut self.process else { return Ok(()) };
        let (client, server) = (&mut process.clients[number], &mut self.servers[number]);
        if self.random.percent(30) {
            client.hear(server, now, &mut self.random, faults);
        }
        let (is_leader, may_write) = (process.leads, process.term.is_some());
        let sent = client.go_on(now, may_write, is_leader)?;
        self.witness.were_acknowledged(Rule::I3, &sent, "a request")?;
        let pointers = server.pointers;
        let mut is_delivered = client.take_end(now);
        if client.under_way() > 0 {
            is_delivered |=
                client.advance(server, now, &mut self.random, faults, planted, &mut process.floor)?;
        }
        is_delivered |= planted == Some(Planted::SyncedTooEarly) && client.digest().is_some();
        self.late_requests.extend(client.take_late().into_iter().map(|request| (number, request)));
        let delivered = client.delivered.or(process.latest.as_ref().map(Snapshot::revision));
        self.look_at_set(number, pointers)?;
        if is_delivered {
            self.say(|| format!("edge-{number} has {delivered:?}"));
            let Some(process) = &mut self.process else { return Ok(()) };
            if let Some(held) = process.fleet.satellites.get_mut(&format!("edge-{number}")) {
                held.acked = delivered;
            }
            let fleet = process.fleet.clone();
            return self.tell(Input::FleetChanged(fleet));
        }
        Ok(())
    }

    /// Checks the set of a satellite if the operator wrote its pointer.
    fn look_at_set(&mut self, number: usize, pointers: u64) -> Step {
        if self.servers[number].pointers == pointers {
            return Ok(());
        }
        match self.servers[number].set() {
            Some(set) => {
                self.say(|| format!("edge-{number} holds {:?}", set.keys().collect::<Vec<_>>()));
                self.witness.set_stored(number, set)
            }
            None => {
                // Somebody deleted the shard after its answer and before the pointer, so the proof
                // was true.
                let latest = self.process.iter().filter_map(|process| process.latest.as_ref());
                for file in latest.flat_map(Snapshot::files) {
                    self.witness.had(number, file.key().clone(), file.digest());
                }
                Ok(())
            }
        }
    }

    fn time_passes(&mut self) -> Step {
        let most = if self.faults { 2_000 } else { 60_000 };
        let Some(process) = &mut self.process else { return Ok(()) };
        let wake = process.started + process.core.next_wake();
        let clients = process.clients.iter().filter_map(Client::wakes);
        let next = clients.chain([wake]).min().unwrap_or(wake);
        self.clock = self.clock.max(next.min(self.clock + Duration::from_millis(most)));
        if !process.fleet.listed {
            process.fleet.listed = true;
            let fleet = process.fleet.clone();
            return self.tell(Input::FleetChanged(fleet));
        }
        self.tell(Input::Tick)
    }

    // The end.

    fn is_quiet(&self, dead: Option<usize>) -> bool {
        let Some(process) = &self.process else { return false };
        let is_watched = matches!(process.watch, Watch::Following(at) if at == self.api.log.len());
        let satellites = process.clients.iter().zip(&self.servers).enumerate();
        is_watched
            && process.leads
            && process.commit.is_none()
            && process.writes.is_empty()
            && !process.is_probing
            && self.late_writes.is_empty()
            && self.late_requests.is_empty()
            && satellites
                .filter(|(number, _)| Some(*number) != dead)
                .all(|(_, (client, server))| client.is_quiet(server))
    }

    /// Continues until nothing happens any more.
    fn become_quiet(&mut self, dead: Option<usize>) -> Step {
        let mut quiet = 0;
        for _ in 0..QUIET_STEPS {
            if self.process.as_ref().is_some_and(|process| !process.leads) {
                self.lease_changes()?;
            }
            if self.is_quiet(dead) {
                quiet += 1;
                // Long enough for every retry.
                self.clock += Duration::from_secs(10);
                self.tell(Input::Tick)?;
                if quiet > 12 {
                    return Ok(());
                }
                continue;
            }
            quiet = 0;
            self.step()?;
        }
        let rule = if dead.is_some() { Rule::I6 } else { Rule::I4 };
        Err(Violation { rule, what: format!("still busy after {QUIET_STEPS} steps without faults") })
    }

    /// Checks that a satellite got each snapshot, and each correction, in one pass.
    fn one_pass_each(&self, (snapshots, pointers): &(u64, Vec<u64>)) -> Step {
        let most = self.snapshots - snapshots + 2;
        for (server, before) in self.servers.iter().zip(pointers) {
            let passes = server.pointers - before;
            hold(Rule::R8, passes <= most, || {
                format!("edge-{} got {passes} pointers for {most} snapshots", server.number)
            })?;
        }
        Ok(())
    }

    /// Checks that the volume, the statuses and the satellites agree with the resources.
    fn everything_is_equal(&mut self, dead: Option<usize>) -> Step {
        let mut wanted = desired(&self.api);
        let volume = on_volume(&self.disk);
        // Suspended or not valid: the published file stays, whatever it is.
        let is_free = |stored: &Stored| stored.spec.is_suspended || !stored.spec.is_valid;
        let free: Vec<_> = self.api.objects.values().filter(|s| is_free(s)).map(|s| s.key.clone()).collect();
        for key in &free {
            wanted.remove(key);
        }
        // An object that names a kept or missing one may be published or not.
        let is_sure = |key: &ObjectKey| {
            let names = self.api.objects.get(key).and_then(|stored| stored.spec.group).map(group);
            !free.contains(key) && names.is_none_or(|group| !free.contains(&group))
        };
        for key in volume.keys() {
            let is_known = self.api.objects.contains_key(key);
            hold(Rule::I5, is_known, || format!("{key} was deleted, and its file is still there"))?;
        }
        for (key, digest) in wanted.iter().filter(|(key, _)| is_sure(key)) {
            let is_there = volume.get(key) == Some(digest);
            hold(Rule::I4, is_there, || {
                format!("{key} should be published as {digest}: {:?}", volume.get(key))
            })?;
        }
        for (number, server) in self.servers.iter().enumerate().filter(|(number, _)| Some(*number) != dead) {
            let set = server.set().map(|set| in_set(&set)).unwrap_or_default();
            for key in set.keys() {
                let is_known = self.api.objects.contains_key(key);
                hold(Rule::R5, is_known, || format!("edge-{number} has {key}, whose resource is gone"))?;
            }
            let rule = if dead.is_some() { Rule::I6 } else { Rule::I4 };
            hold(rule, set == volume, || {
                let differs: BTreeMap<_, _> = volume
                    .iter()
                    .filter(|(key, digest)| set.get(*key) != Some(digest))
                    .map(|(key, digest)| (key, (digest, set.get(key))))
                    .collect();
                let more: Vec<_> = set.keys().filter(|key| !volume.contains_key(*key)).collect();
                format!("edge-{number} differs from the volume: {differs:?}, and has {more:?}")
            })?;
        }
        for key in wanted.keys().filter(|key| is_sure(key)) {
            let stored = &self.api.objects[key];
            let is_true = |kind| {
                stored.status.iter().flat_map(|status| &status.conditions).any(|condition| {
                    condition.r#type == kind
                        && condition.status == ConditionStatus::True
                        && condition.observed_generation == Some(stored.generation)
                })
            };
            hold(Rule::I4, is_true(ConditionType::Ready), || format!("{key} is published and not Ready"))?;
            let is_synced = dead.is_some() || is_true(ConditionType::Synced);
            hold(Rule::I4, is_synced, || format!("{key} is everywhere and not Synced"))?;
        }
        Ok(())
    }

    /// Checks that a restart with nothing to do writes nothing.
    fn restart_writes_nothing(&mut self) -> Step {
        let writes = |world: &Self| {
            (
                world.disk.writes(),
                world.api.status_writes,
                world.servers.iter().map(|s| s.writes).sum::<u64>(),
            )
        };
        let before = writes(self);
        self.say(|| "a restart with nothing to do".into());
        self.process = None;
        self.disk.kill();
        self.late_requests.clear();
        self.late_writes.clear();
        self.become_quiet(None)?;
        let after = writes(self);
        hold(Rule::I8, before == after, || {
            format!("files, statuses, satellites were written: {before:?} before, {after:?} after a restart")
        })?;
        self.everything_is_equal(None)
    }
}

/// A planted driver that reads statuses wrongly in its first LIST.
fn misread(planted: Option<Planted>, disk: &ModelDisk, object: &mut MonitoringObject) {
    match planted {
        Some(Planted::StatusesNotRead) => object.status = None,
        Some(Planted::FoundTakenForAcknowledged) => {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            let place = (text(&object.metadata.namespace), format!("{}.conf", text(&object.metadata.name)));
            if let Some(bytes) = disk.all_visible().get(&place) {
                let status = object.status.get_or_insert_with(|| MonitoringObjectStatus {
                    observed_generation: 0,
                    published_digest: None,
                    path: None,
                    revision: None,
                    pending_satellites: None,
                    conditions: Vec::new(),
                });
                status.published_digest = Some(Digest::of(bytes).to_string());
            }
        }
        _ => {}
    }
}

fn name_of(event: &Event) -> String {
    match event {
        Event::ListBegins => "a list".into(),
        Event::ListComplete => "its end".into(),
        Event::Broken(_) => "that it broke off".into(),
        Event::Deleted { namespace, name, .. } => format!("-{namespace}/{name}"),
        Event::Object(received) => {
            let metadata = &received.object.metadata;
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            format!(
                "{}/{}@{}",
                text(&metadata.namespace),
                text(&metadata.name),
                metadata.generation.unwrap_or(0)
            )
        }
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Published(published) => format!("+{}", published.content().key()),
        Outcome::Removed(key) => format!("-{key}"),
        Outcome::Failed(failure) => format!("!{} ({})", failure.key, failure.message),
    }
}
