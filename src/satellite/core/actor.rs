//! Decides the next task of the actor of one satellite, as a state machine.
//!
//! [`Actor::step`] takes an input and returns the next [`Task`]; [`Actor::take_effects`] returns
//! the reports that are due meanwhile. The driver applies the effects, does the task, and comes
//! back with its outcome. One step of a satellite is: the finalizer, the set that it should hold,
//! the connection, a probe, the delivery, the work that can wait until the set is delivered, and
//! the token. Any failure ends the step with a pause.

mod agents;
mod connecting;
mod delivering;
mod ending;
mod health;
mod leaving;

pub(crate) use super::access::{Opened, Renewal, Source};

use super::access::Access;
use super::breaker::Event;
use super::config::Config;
use super::contact::ContactState;
use super::delivery::{Ended, Facts, Job, Outcome};
use super::drift::Corrections;
use super::order::Wanted;
use super::report::{Report, compose};
use super::times::Moment;
use crate::api::satellite_cluster::{AgentState, BreakerState, Stats, TokenRenewal};
use crate::api::{Reason, SatelliteCluster, SatelliteClusterStatus};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::satellite::fleet::{Exempt, Health, Rejection};
use crate::satellite::problem::{Contact, Problem};
use crate::snapshot::Acceptance;
use agents::Listening;
use delivering::Doing;
use health::Failures;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often a process that is not the leader looks whether it has become one.
const FOLLOW: Duration = Duration::from_millis(100);

/// The next task of the driver.
#[derive(Debug)]
pub(crate) enum Task {
    /// Wait, and come back with [`Input::Woken`].
    Wait(Wait),
    /// Add (true) or remove (false) the finalizer: [`Input::FinalizerSet`].
    SetFinalizer(bool),
    /// Choose the set of a satellite that accepts this: [`Input::Chosen`].
    ChooseSet(Result<Acceptance, Problem>),
    /// Read the credential from the Secret: [`Input::SecretRead`].
    ReadSecret,
    /// Open a connection, without a request: [`Input::Opened`].
    Open(Source),
    /// Read the pointer through the connection that was opened: [`Input::Tried`].
    TryOpened,
    /// Use the connection that was opened: [`Input::Used`].
    UseOpened,
    /// Do a job at the satellite: [`Input::Job`].
    Do(Job, Option<Duration>),
    /// Ask for a new token and store it in the hub's Secret: [`Input::TokenRenewed`].
    RenewToken(TokenRenewal),
    /// Publish this warning, if there is one, and remove the finalizer: [`Input::Released`].
    Release(Option<(Reason, String)>),
    /// End: the resource may go.
    Finish,
}

/// The length of a wait, and the events that end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub pause: Duration,
    /// A new snapshot ends it. A change of the resource or of its Secret always does.
    pub is_for_snapshots: bool,
    /// A change by others on the satellite ends it.
    pub is_for_disturbances: bool,
    /// True if the satellite is well. Then the wait also ends if changes cannot be followed any
    /// more.
    pub is_well: bool,
}

/// The event that ended a wait.
#[derive(Clone, Debug)]
pub(crate) enum Woken {
    /// The time is over.
    Time,
    /// There is a new snapshot.
    Snapshot,
    /// The resource changed, or the namespaces that it chooses.
    Config(Arc<Config>),
    /// The Secret changed.
    Secret,
    /// Someone else changed something on the satellite.
    Disturbed,
}

/// An input of [`Actor::step`].
#[derive(Debug)]
pub(crate) enum Input {
    Woken(Woken),
    FinalizerSet(Result<(), Problem>),
    /// None before the first snapshot.
    Chosen(Result<Option<Wanted>, Problem>),
    /// True if the credential is the one in use.
    SecretRead(Result<bool, Problem>),
    Opened(Result<Opened, Problem>),
    Tried(Result<(), Problem>),
    Used,
    Job(Result<Outcome, Ended>),
    TokenRenewed(Result<Renewal, Problem>),
    Released(Result<(), Problem>),
    /// The task was not done before [`Actor::deadline`].
    OutOfTime,
}

/// A report that the driver makes. The order counts.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// To the hub: the satellite accepts this, or None if that is not known; and why no object waits
    /// for it.
    Accepts(Option<Acceptance>, Option<Exempt>),
    /// To the hub: forget the last delivery of the satellite. It is lost, or may be.
    NotHeld,
    /// To the hub, beside `NotHeld`: it is known to be lost.
    Lost,
    /// To the hub: whether the satellite gets what it lacks.
    Health(Health),
    /// To the hub: the satellite holds its part of this snapshot, except these objects, which it
    /// accepts and cannot hold.
    Holds(Revision, Arc<BTreeSet<ObjectKey>>),
    /// To the hub: the satellite's Icinga 2 refused these objects. Before the `Holds` of the same
    /// set.
    Rejects(Arc<BTreeMap<ObjectKey, Rejection>>),
    /// A metric: the state of the breaker.
    Breaker(BreakerState),
    /// An Event of the SatelliteCluster.
    Event { is_warning: bool, reason: Reason, note: String },
    /// A log line: something began, changed or ended.
    Log(Log),
    /// A metric: the satellite lacks something of the latest snapshot.
    Behind,
    /// A metric: a delivery succeeded.
    Delivered(Option<Stats>),
    /// A metric: the set of this snapshot was written, and there are agents that load it.
    Loading(Revision),
    /// A metric: all agents run the set of this snapshot.
    Loaded(Revision),
    /// A metric: the agents by state.
    Agents(BTreeMap<AgentState, u32>),
    /// A metric: a ConfigMap that someone changed was written again.
    Corrected(String),
    /// A metric: a step failed.
    Failed(Reason),
    /// A metric: when the credential in use ends.
    Expiry(Option<i64>),
    /// Follow what is on the satellite, if that was not begun.
    Follow,
    /// Stop following.
    StopFollowing,
    /// Read the pointer again before the next decision.
    ForgetPointer,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// A problem began or changed.
    Problem(Problem),
    /// The satellite works again.
    Recovered,
    /// The satellite holds another set. The number of writes that it took.
    Delivered(Revision, Digest, usize),
    /// Something that a person should see began or changed.
    Warning(&'static str, String),
    /// The cause of a warning is over.
    Over(&'static str),
}

/// The actor of one satellite.
#[derive(Debug)]
pub(crate) struct Actor {
    config: Arc<Config>,
    /// Identity of the hub.
    hub: Arc<str>,
    contact: ContactState,
    access: Access,
    progress: Progress,
    listening: Listening,
    failures: Failures,
    report: Report,
    /// When the deletion of the resource began.
    deleting_since: Option<Duration>,
    step: StepState,
    effects: Vec<Effect>,
}

/// The last delivery to one satellite, and the corrections there.
#[derive(Debug, Default)]
struct Progress {
    /// The last delivery: the snapshot's revision and the digest of the set.
    last: Option<(Revision, Digest)>,
    /// The set that the satellite should hold. Kept for the next step, and so for all satellites
    /// that accept the same.
    set: Option<Wanted>,
    corrections: Corrections,
}

/// The state of one step.
#[derive(Debug)]
struct StepState {
    /// The set that the satellite should hold. None before the first snapshot.
    desired: Result<Option<Wanted>, Problem>,
    /// The satellite held the set already when the step began.
    has_nothing_new: bool,
    doing: Doing,
    /// When the job began.
    began: Duration,
    /// The end of the step, kept while the token is renewed.
    result: Option<Result<Duration, Problem>>,
    /// The cleanup must be done before this time.
    deadline: Option<Duration>,
}

impl Actor {
    /// Returns an actor that knows nothing yet. `hub` is the hub's identity. The first effects
    /// tell the hub what the satellite accepts.
    pub fn new(config: Arc<Config>, hub: Arc<str>) -> Self {
        let mut actor = Self {
            config: config.clone(),
            hub,
            contact: ContactState::default(),
            access: Access::default(),
            progress: Progress::default(),
            listening: Listening::of(&config.object),
            failures: Failures::of(&config.object),
            report: Report::default(),
            deleting_since: None,
            step: StepState {
                desired: Ok(None),
                has_nothing_new: true,
                doing: Doing::Nothing,
                began: Duration::ZERO,
                result: None,
                deadline: None,
            },
            effects: Vec::new(),
        };
        actor.configured(config);
        actor
    }

    /// Takes a resource in which only our own status writes changed something, such as the
    /// resourceVersion.
    pub fn refresh(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// Takes an input and returns the next task. `facts` is the present knowledge of the delivery
    /// of the connection in use.
    pub fn step(&mut self, input: Input, moment: &Moment, facts: &Facts) -> Task {
        match input {
            Input::Woken(woken) => self.woken(woken, moment),
            Input::FinalizerSet(Ok(())) => self.choose(),
            Input::FinalizerSet(Err(problem)) => self.finish(Err(problem), moment),
            Input::Chosen(desired) => {
                self.chosen(desired);
                self.connect(moment, facts)
            }
            Input::SecretRead(read) => self.secret_read(read, moment, facts),
            Input::Opened(opened) => self.opened(opened, moment, facts),
            Input::Tried(Ok(())) => self.use_opened(facts),
            Input::Tried(Err(problem)) => self.cannot_open(problem, moment, facts),
            Input::Used => self.used(moment, facts),
            Input::Job(result) => self.done(result, moment, facts),
            Input::TokenRenewed(result) => self.token_renewed(result, moment),
            Input::Released(Ok(())) => Task::Finish,
            Input::Released(Err(problem)) => self.finish(Err(problem), moment),
            Input::OutOfTime => self.out_of_time(moment),
        }
    }

    /// Returns the reports that are due.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Returns the deadline of the task that is under way. None if it has none.
    pub fn deadline(&self) -> Option<Duration> {
        self.step.deadline
    }

    /// The resource.
    pub fn object(&self) -> &Arc<SatelliteCluster> {
        &self.config.object
    }

    /// Notes why objects that left the hub's set stay, or that none do. The status says it, and an Event when it begins and
    /// ends.
    pub fn removals_held(&mut self, why: Option<String>) {
        if self.report.removals_held.is_some() != why.is_some() {
            let note = why.clone().unwrap_or_else(|| "no removal waits any more".into());
            self.effects.push(Effect::Event {
                is_warning: why.is_some(),
                reason: Reason::ManyRemovals,
                note,
            });
        }
        self.report.removals_held = why;
    }

    /// Returns the status to report; `old` is the previous one. None while nothing is known: after
    /// a restart, the recorded status stays until there is a newer fact.
    pub fn status(&self, old: Option<&SatelliteClusterStatus>, unix: i64) -> Option<SatelliteClusterStatus> {
        let report = &self.report;
        if old.is_none() && self.awaits_first_list() {
            return None;
        }
        if old.is_none() && report.desired.is_none() && report.problem.is_none() && !report.suspended {
            return None;
        }
        let old = old.or(self.object().status.as_ref()).cloned().unwrap_or_default();
        Some(compose(self.object(), old, report, &self.contact.breaker, unix))
    }

    fn woken(&mut self, woken: Woken, moment: &Moment) -> Task {
        let is_changed = matches!(woken, Woken::Config(_) | Woken::Secret);
        match woken {
            Woken::Time => {}
            Woken::Snapshot => self.contact.attempts = 0,
            Woken::Config(config) => self.configured(config),
            Woken::Secret => {
                self.access.reload = true;
                self.contact.attempts = 0;
            }
            Woken::Disturbed => self.effects.push(Effect::ForgetPointer),
        }
        match self.contact.rest(moment.now).filter(|_| !is_changed) {
            Some(until) => Task::Wait(Wait {
                pause: until - moment.now,
                is_for_snapshots: false,
                is_for_disturbances: false,
                is_well: false,
            }),
            None => self.begin(moment),
        }
    }

    /// Takes a new or changed resource. Its acceptance and its place may have changed.
    fn configured(&mut self, config: Arc<Config>) {
        self.config = config;
        self.access.configured();
        self.contact.attempts = 0;
        self.progress.last = None;
        let exempt = self.exempt();
        self.effects.push(Effect::Accepts(self.config.acceptance().ok(), exempt));
        self.forget_rejections();
        self.not_held();
    }

    fn begin(&mut self, moment: &Moment) -> Task {
        if !moment.is_leader {
            return Task::Wait(self.wait(FOLLOW));
        }
        let readable = self.config.readable();
        self.report.suspended = self.object().spec.suspend && readable.is_ok();
        if let Err(problem) = readable {
            // Not even the deletion: the target and the policy of the cleanup are unknown.
            return self.finish(Err(problem), moment);
        }
        if self.config.is_deleted() {
            return self.leave(moment);
        }
        match self.config.finalizer_change() {
            Some(wanted) => Task::SetFinalizer(wanted),
            None => self.choose(),
        }
    }

    fn choose(&self) -> Task {
        Task::ChooseSet(self.config.acceptance())
    }

    fn log(&mut self, log: Log) {
        self.effects.push(Effect::Log(log));
    }

    fn event(&mut self, is_warning: bool, reason: Reason, note: impl Into<String>) {
        self.effects.push(Effect::Event { is_warning, reason, note: note.into() });
    }

    /// Forgets the last delivery: it is lost, or may be.
    fn not_held(&mut self) {
        (self.report.written, self.report.acked) = (None, None);
        self.listening.history.clear();
        self.listening.told = None;
        self.effects.push(Effect::NotHeld);
    }

    fn breaker_after(&mut self, event: Event, moment: &Moment) {
        self.contact.after(event, moment.now);
        self.effects.push(Effect::Breaker(self.contact.breaker.state()));
    }

    #[cfg(test)]
    fn breaker(&self) -> &super::breaker::Breaker {
        &self.contact.breaker
    }
}

#[cfg(test)]
mod tests;
