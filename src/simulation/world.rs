//! One run: a hub, its volume, satellites and one operator process after another, with everything that can go wrong
//! between them. The seed chooses what happens next; after each step the rules are checked.

mod icinga;
mod people;
mod process;
mod quiet;
mod satellites;
mod statuses;
mod volume;
mod watch;

use super::client::{Chance, Client};
use super::disk::ModelDisk;
use super::hub_api::{HubApi, Logged, Spec, Stored, Written, group, host, is_group};
use super::planted::Planted;
use super::random::Random;
use super::rules::{Rule, Violation, hold};
use super::satellite::{self, Server};
use super::witness::{Witness, desired, in_set, on_volume};
use crate::api::agent_report::{HeldContent, HeldObject};
use crate::api::hub_report::HubReport;
use crate::api::satellite_cluster::Layout;
use crate::api::{
    AgentReport, AgentResult, ConditionStatus, ConditionType, MonitoringObject, MonitoringObjectStatus,
    Reason, SatelliteClusterStatus,
};
use crate::hub::core::{Command, Consent, Core, HubIcinga, Input, Now, RemovalGuard, Start};
use crate::identity::{Digest, ObjectKey, Revision, Uid};
use crate::ownership::Claim;
use crate::publish::{Change, Outcome, Volume};
use crate::references::Index;
use crate::satellite::Fleet;
use crate::satellite::core::requests::Request;
use crate::snapshot::{Acceptance, Catalog, Maintained, Snapshot, SnapshotNames};
use crate::status::{Error, Kind, Write};
use crate::validate::{Name, Settings};
use crate::watch::{Crd, Event};
use icinga::ModelIcinga;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Host groups and hosts that a person plays with.
const GROUPS: usize = 3;
const HOSTS: usize = 6;
/// Most status writes that may be under way.
const WRITES: usize = 16;
/// The name of another operator.
const OTHER_OPERATOR: &str = "other/groundlink";
/// Steps in which everything must become quiet after the faults have stopped.
const QUIET_STEPS: usize = 20_000;

/// How one run differs from others, beside its seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub seed: u64,
    pub planted: Option<Planted>,
    /// Keep what happened, for a person.
    pub traces: bool,
}

/// What a run did.
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
    /// How far the wall clock is from the monotonic one, in seconds.
    jumped: i64,
    /// Things go wrong.
    faults: bool,
    api: HubApi,
    disk: ModelDisk,
    servers: Vec<Server>,
    witness: Witness,
    process: Option<Process>,
    /// Highest term that any process had.
    terms: u64,
    /// Requests of dead processes, on their way.
    late_writes: Vec<LateWrite>,
    late_requests: Vec<(usize, Request)>,
    /// The number of the CRD that is installed. `None` while there is none.
    crd: Option<u64>,
    crds: u64,
    /// What the CRD took with it and nobody applied again.
    lost: BTreeMap<ObjectKey, Spec>,
    /// The CRD that the volume records.
    recorded_crd: Option<Uid>,
    guard: RemovalGuard,
    /// Snapshots that were cut.
    snapshots: u64,
    layout: Layout,
    /// Files that somebody touched and the process has not heard of.
    touched: Vec<ObjectKey>,
    /// The hub's own Icinga, and its agent.
    icinga: ModelIcinga,
    /// The status of each SatelliteCluster.
    recorded: Vec<Option<SatelliteClusterStatus>>,
}

/// One operator process.
struct Process {
    core: Core,
    volume: Volume<ModelDisk>,
    started: Duration,
    /// It holds the lease.
    leads: bool,
    /// The term that it believes it has.
    term: Option<u64>,
    floor: u64,
    watch: Watch,
    /// Objects whose status named another operator when the process saw them last.
    of_others: BTreeSet<ObjectKey>,
    /// A LIST was complete.
    has_listed: bool,
    is_listing_again: bool,
    commit: Option<Vec<Change>>,
    /// Namespaces and files that are being read again.
    inspection: Option<(Vec<String>, Vec<ObjectKey>)>,
    check: Option<Check>,
    writes: Vec<StatusWrite>,
    is_probing: bool,
    latest: Option<Snapshot>,
    /// What every satellite gets, from snapshot to snapshot.
    view: Maintained,
    clients: Vec<Client>,
    fleet: Fleet,
}

/// A status write of a dead process.
struct LateWrite {
    key: ObjectKey,
    uid: Uid,
    generation: i64,
    status: MonitoringObjectStatus,
    /// The operator that the stored status must still name.
    claimed: Option<Option<String>>,
}

struct StatusWrite {
    write: Write,
    /// How the server answered, if it has heard the write.
    heard: Option<Result<Written, Error>>,
}

/// Files that are being checked.
enum Check {
    List,
    Files(Vec<ObjectKey>),
}

impl Process {
    fn is_volume_idle(&self) -> bool {
        self.commit.is_none() && self.inspection.is_none() && self.check.is_none()
    }
}

/// How far the watch is.
enum Watch {
    /// Not listed, or broken off: begins with a LIST.
    Idle,
    /// A LIST, object by object.
    Listing { objects: Vec<Stored>, at: usize, log: usize },
    /// Follows the log from here.
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
        let few = random.percent(50);
        let layout = if random.percent(50) { Layout::Single } else { Layout::Snapshot };
        Self {
            random,
            trace: Vec::new(),
            steps: 0,
            clock: Duration::from_secs(1),
            jumped: 0,
            faults: true,
            api: HubApi::default(),
            disk: ModelDisk::new(plan.planted),
            servers: (0..satellites).map(Server::new).collect(),
            witness: Witness::default(),
            process: None,
            terms: 0,
            late_writes: Vec::new(),
            late_requests: Vec::new(),
            crd: Some(1),
            crds: 1,
            lost: BTreeMap::new(),
            recorded_crd: None,
            guard: if few { RemovalGuard { share: 40, least: 3 } } else { RemovalGuard::default() },
            snapshots: 0,
            layout,
            touched: Vec::new(),
            icinga: ModelIcinga::default(),
            recorded: vec![None; satellites],
            plan,
        }
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.plan.traces {
            let line = format!("{:>6} {:>10.3} {}", self.steps, self.clock.as_secs_f64(), what());
            self.trace.push(line);
        }
    }

    /// What the wall clock says. It orders nothing, so it may jump.
    fn unix(&self) -> i64 {
        self.clock.as_secs() as i64 + self.jumped
    }

    fn wall_clock_jumps(&mut self) -> Step {
        self.jumped += if self.random.percent(50) { 86_400 } else { -86_400 };
        let jumped = self.jumped;
        self.say(|| format!("the wall clock is {jumped} s away"));
        Ok(())
    }

    /// Faults for a while, then quiet, more than once; at the end a restart that has nothing to do.
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
                server.is_slow = false;
            }
            self.late_requests.clear();
            self.restore();
            let before =
                (self.snapshots, self.servers.iter().map(|server| server.pointers).collect::<Vec<_>>());
            self.become_quiet(dead)?;
            self.one_pass_each(&before)?;
            self.everything_is_equal(dead)?;
            if dead.is_none() {
                self.witness.all_is_there(&self.disk);
                self.restart_writes_nothing()?;
            }
        }
        Ok(())
    }

    /// One satellite may stay away while all else becomes quiet.
    fn dead_satellite(&mut self) -> Option<usize> {
        let may_be_dead = self.servers.len() > 1 && self.random.percent(20);
        may_be_dead.then(|| self.random.below(self.servers.len()))
    }

    fn step(&mut self) -> Step {
        self.steps += 1;
        self.clock += Duration::from_millis(self.random.below(40) as u64);
        match self.random.below(100) {
            0..11 if self.faults => self.person(),
            11..12 if self.faults => self.crd_changes(),
            12..14 if self.faults => self.end_process(),
            14..16 if self.faults => self.lease_changes(),
            16..19 if self.faults => self.satellite_fault(),
            19..21 if self.faults => self.disk_fault(),
            94..95 if self.faults => self.wall_clock_jumps(),
            21..23 => self.late_arrives(),
            23..40 => self.watch_reports(),
            40..52 => self.commit_ends(),
            52..66 => self.status_advances(),
            66..70 => self.hub_answers(),
            70..92 => self.some_satellite_advances(),
            92..95 => self.icinga_advances(),
            _ => self.time_passes(),
        }
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
                    r#type: None,
                    reason: None,
                    operator: None,
                    satellites: None,
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
