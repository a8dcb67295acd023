//! What the operator's driver does for one satellite: it carries out the tasks of the actor, sends the requests of its
//! delivery, takes answers, follows the watch. Every request can be late, lost, or heard without an answer.

use super::planted::Planted;
use super::random::Random;
use super::rules::{Rule, Violation, hold};
use super::satellite::{Server, destination, silent};
use super::witness::key_of;
use crate::api::marks::FINALIZER;
use crate::api::satellite_cluster::{AdoptionPolicy, Layout, SatelliteClusterSpec};
use crate::api::{Reason, SatelliteCluster, SatelliteClusterStatus};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::satellite::core::actor::{Actor, Effect, Input, Opened, Task, Wait, Woken};
use crate::satellite::core::config::Config;
use crate::satellite::core::delivery::{Delivery, Ended, Job, PARALLEL};
use crate::satellite::core::inventory::Event;
use crate::satellite::core::order::Wanted;
use crate::satellite::core::requests::{Answer, Command, Request};
use crate::satellite::core::tell::tell;
use crate::satellite::core::times::Moment;
use crate::satellite::{Contact, Fleet, Problem};
use crate::snapshot::{manifest, pointer};
use std::sync::Arc;
use std::time::Duration;

/// Jobs in a row without an answer, after which the satellite is only probed.
const SILENT_JOBS: u32 = 5;
/// Least time between two probes.
const PROBES_APART: Duration = Duration::from_secs(8);

/// The operator's side of one satellite.
pub struct Client {
    pub name: String,
    actor: Actor,
    delivery: Delivery,
    doing: Doing,
    /// What the actor reported and nobody has taken.
    effects: Vec<Effect>,
    /// Requests on their way, and the answer if the server has heard them.
    under_way: Vec<(u64, Sent)>,
    /// What it should hold.
    wanted: Option<Wanted>,
    /// The actor has not chosen from the latest snapshot yet.
    is_newer: bool,
    /// Which watch the events come from, and how far it is in the server's log.
    watch: Option<(u64, usize)>,
    /// Requests that a job left behind: they may still arrive.
    late: Vec<Request>,
    /// Jobs in a row that got no answer, and when the last of them began.
    silent_jobs: (u32, Duration),
}

/// What the driver does for the actor.
enum Doing {
    /// It waits until this time, or for what else ends the wait. None before the first step.
    Waiting(Option<(Wait, Duration)>),
    /// A job at the satellite, which began then. `is_trial` if its end is the answer to `TryOpened`.
    Job { began: Duration, is_trial: bool },
}

/// What a step of the driver may do, and what can go wrong in it.
pub struct Chance<'a> {
    pub now: Duration,
    /// What the wall clock says.
    pub unix: i64,
    pub random: &'a mut Random,
    pub faults: bool,
    pub planted: Option<Planted>,
    /// The process believes that it may write.
    pub may_write: bool,
    /// It is the leader.
    pub is_leader: bool,
}

/// A request between the two.
pub enum Sent {
    Request(Box<Request>),
    Answer(Box<Answer>),
}

impl Client {
    /// A new actor, with the status that was recorded last. Its first reports are due.
    pub fn new(number: usize, layout: Layout, recorded: Option<SatelliteClusterStatus>) -> Self {
        let spec: SatelliteClusterSpec = serde_json::from_value(serde_json::json!({
            "kubeconfigSecretRef": { "name": "edge" },
            "target": { "namespace": "icinga" },
        }))
        .expect("the spec is complete");
        let mut object = SatelliteCluster::new(&format!("edge-{number}"), spec);
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        object.status = recorded;
        let config = Config { object: Arc::new(object), selected: Ok(Default::default()), unreadable: None };
        let mut actor = Actor::new(Arc::new(config), "hub".into());
        Self {
            name: format!("edge-{number}"),
            effects: actor.take_effects(),
            actor,
            delivery: Delivery::new(destination(number), layout, AdoptionPolicy::Never),
            doing: Doing::Waiting(None),
            under_way: Vec::new(),
            wanted: None,
            is_newer: false,
            watch: None,
            late: Vec::new(),
            silent_jobs: (0, Duration::ZERO),
        }
    }

    pub fn want(&mut self, wanted: Wanted) {
        self.wanted = Some(wanted);
        self.is_newer = true;
    }

    /// The digest of the set that it should hold.
    pub fn digest(&self) -> Option<Digest> {
        self.wanted.as_ref().map(|wanted| wanted.view.digest)
    }

    /// The snapshot that it should hold.
    pub fn revision(&self) -> Option<Revision> {
        self.wanted.as_ref().map(|wanted| wanted.revision)
    }

    /// Returns the status that the actor reports now.
    pub fn status(&self, unix: i64) -> Option<SatelliteClusterStatus> {
        self.actor.status(None, unix)
    }

    /// Applies what the actor reported to the hub's knowledge. Returns true if that changed.
    pub fn tell(&mut self, fleet: &mut Fleet, planted: Option<Planted>) -> bool {
        let recorded = self.actor.recorded_revision();
        let mut is_news = false;
        for effect in self.effects.drain(..) {
            if planted == Some(Planted::HealthNotReported) && matches!(effect, Effect::Health(_)) {
                continue;
            }
            is_news |= tell(fleet, &self.name, &effect, recorded).unwrap_or(false);
        }
        if let Some(revision) = self.revision().filter(|_| planted == Some(Planted::SyncedTooEarly)) {
            is_news |=
                tell(fleet, &self.name, &Effect::Holds(revision, Arc::default()), recorded).unwrap_or(false);
        }
        is_news
    }

    /// Returns when something is to be done for a set that it lacks. `None` if nothing is.
    pub fn wakes(&self) -> Option<Duration> {
        match &self.doing {
            Doing::Job { .. } => self.delivery.wakes(),
            Doing::Waiting(wait) => wait.map(|(_, until)| until).filter(|_| self.is_behind()),
        }
    }

    fn is_behind(&self) -> bool {
        self.is_newer || self.wanted.is_some() && self.delivery.facts().digest != self.digest()
    }

    /// Whether nothing is under way and nothing waits.
    pub fn is_quiet(&self, server: &Server) -> bool {
        let is_heard = self.watch.is_some_and(|(_, at)| at == server.log.len())
            && self.watch.map(|(number, _)| number) == self.delivery.watching();
        matches!(self.doing, Doing::Waiting(Some(_))) && !self.is_behind() && is_heard
    }

    /// Whether the actor does something, or its wait is over.
    pub fn is_due(&self, now: Duration) -> bool {
        match &self.doing {
            Doing::Job { .. } => true,
            Doing::Waiting(wait) => wait.is_none_or(|(_, until)| until <= now),
        }
    }

    /// Ends the actor's wait if it is over, and takes the requests that the delivery wants sent. Returns the contents in them.
    pub fn go_on(&mut self, chance: &mut Chance<'_>) -> Result<Vec<(ObjectKey, Digest)>, Violation> {
        if let Some(woken) = self.woken(chance) {
            self.step(Input::Woken(woken), chance)?;
        }
        let mut contents = Vec::new();
        for Command { id, request } in self.delivery.next(chance.now) {
            let is_write = matches!(
                request,
                Request::WritePointer(_)
                    | Request::CreateShard { .. }
                    | Request::MarkShard { .. }
                    | Request::Delete(_)
            );
            // The driver asks before each write.
            if is_write && !chance.may_write {
                self.under_way.push((id, Sent::Answer(Box::new(silent()))));
                continue;
            }
            hold(Rule::R4, chance.is_leader || !is_write, || {
                format!("{request:.60?} is sent without the leadership")
            })?;
            contents.extend(contents_of(&request));
            let sent = Sent::Request(Box::new(request));
            self.under_way.push((id, sent));
        }
        hold(Rule::I9, self.under_way.len() <= PARALLEL, || {
            format!("{} requests to one satellite are under way", self.under_way.len())
        })?;
        Ok(contents)
    }

    fn woken(&mut self, chance: &Chance<'_>) -> Option<Woken> {
        let Doing::Waiting(wait) = &self.doing else { return None };
        let Some((wait, until)) = wait else { return Some(Woken::Time) };
        if wait.is_for_snapshots && self.is_newer {
            return Some(Woken::Snapshot);
        }
        if wait.is_for_disturbances && self.delivery.take_disturbance(wait.is_well) {
            return Some(Woken::Disturbed);
        }
        let is_over = *until <= chance.now || chance.planted == Some(Planted::PausesIgnored);
        is_over.then_some(Woken::Time)
    }

    /// Carries out the tasks of the actor until it waits, or a job is under way.
    fn step(&mut self, input: Input, chance: &mut Chance<'_>) -> Result<(), Violation> {
        let mut input = input;
        loop {
            let moment = Moment {
                now: chance.now,
                unix: chance.unix,
                random: chance.random.below(1000) as f64 / 1000.0,
                is_leader: chance.may_write,
            };
            let task = self.actor.step(input, &moment, &self.delivery.facts());
            self.apply_effects(chance.now);
            let fails = chance.faults && chance.random.percent(2);
            let problem = || Problem::transient(Reason::CredentialMissing, "the Secret cannot be read");
            input = match task {
                Task::Wait(wait) => {
                    self.doing = Doing::Waiting(Some((wait, chance.now + wait.pause)));
                    return Ok(());
                }
                Task::ChooseSet(acceptance) => {
                    self.is_newer = false;
                    Input::Chosen(acceptance.map(|_| self.wanted.clone()))
                }
                Task::ReadSecret if fails => Input::SecretRead(Err(problem())),
                Task::ReadSecret => Input::SecretRead(Ok(true)),
                Task::Open(_) => {
                    let place = self.delivery.facts().place;
                    Input::Opened(Ok(Opened { place, is_elsewhere: false, validity: None }))
                }
                Task::UseOpened => Input::Used,
                Task::TryOpened => return self.begin(Job::Read, None, true, chance.now),
                Task::Do(job, limit) => return self.begin(job, limit, false, chance.now),
                task @ (Task::SetFinalizer(_) | Task::RenewToken(_) | Task::Release(_) | Task::Finish) => {
                    let what = format!("{task:?} for a satellite that neither leaves nor renews");
                    return Err(Violation { rule: Rule::I4, what });
                }
            };
        }
    }

    fn apply_effects(&mut self, now: Duration) {
        for effect in self.actor.take_effects() {
            match effect {
                Effect::Follow => self.delivery.follow(),
                Effect::StopFollowing => self.delivery.stop_following(now),
                Effect::ForgetPointer => self.delivery.forget_pointer(),
                effect => self.effects.push(effect),
            }
        }
    }

    /// A satellite that answers nothing is only probed, and at no shorter intervals than promised.
    fn begin(
        &mut self,
        job: Job,
        limit: Option<Duration>,
        is_trial: bool,
        now: Duration,
    ) -> Result<(), Violation> {
        let (jobs, last) = self.silent_jobs;
        hold(Rule::I9, jobs < SILENT_JOBS || now >= last + PROBES_APART, || {
            format!(
                "{} answered none of {jobs} jobs, and is called again {:?} after the last",
                self.name,
                now - last
            )
        })?;
        self.doing = Doing::Job { began: now, is_trial };
        self.delivery.begin(job, limit, now);
        Ok(())
    }

    /// One request gets a step further: it is heard, answered, or lost.
    pub fn advance(
        &mut self,
        server: &mut Server,
        terms: &mut u64,
        chance: &mut Chance<'_>,
    ) -> Result<(), Violation> {
        let (now, faults, planted) = (chance.now, chance.faults, chance.planted);
        if self.under_way.is_empty() {
            return Ok(());
        }
        let at = chance.random.below(self.under_way.len());
        let (id, sent) = self.under_way.swap_remove(at);
        match sent {
            Sent::Request(request) => {
                let asks_nobody = matches!(*request, Request::Divide { .. } | Request::RaiseTerm { .. });
                if let Request::RaiseTerm { above } = *request {
                    *terms = (*terms).max(above.term + 1);
                }
                let is_lost = !asks_nobody && (server.is_silent || faults && chance.random.percent(4));
                let is_late = planted == Some(Planted::PointerBeforeShards)
                    && matches!(*request, Request::CreateShard { .. });
                let answer = match is_lost {
                    true => silent(),
                    false if is_late => {
                        // Answered, and never heard.
                        let Request::CreateShard { shard, revision, .. } = &*request else {
                            return Ok(());
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
                        // Heard, and the answer is lost.
                        if !asks_nobody && faults && chance.random.percent(4) { silent() } else { answer }
                    }
                };
                self.under_way.push((id, Sent::Answer(Box::new(answer))));
                Ok(())
            }
            Sent::Answer(answer) => {
                self.delivery.answered(id, *answer, now);
                self.take_end(chance)
            }
        }
    }

    /// Hands the end of a job to the actor.
    pub fn take_end(&mut self, chance: &mut Chance<'_>) -> Result<(), Violation> {
        let (Some(ended), &Doing::Job { began, is_trial }) = (self.delivery.ended(), &self.doing) else {
            return Ok(());
        };
        // What is still on its way is not waited for, and may arrive all the same.
        self.leave_requests();
        let is_silent = match &ended {
            Ok(_) => false,
            Err(Ended::Failed(problem)) => problem.contact == Contact::Silent,
            Err(Ended::OutOfTime) => false,
        };
        self.silent_jobs = if is_silent { (self.silent_jobs.0 + 1, began) } else { (0, began) };
        let input = match (is_trial, ended) {
            (false, ended) => Input::Job(ended),
            (true, Ok(_)) => Input::Tried(Ok(())),
            (true, Err(Ended::Failed(problem))) => Input::Tried(Err(problem)),
            (true, Err(Ended::OutOfTime)) => {
                Input::Tried(Err(Problem::silent(Reason::Unreachable, "no answer")))
            }
        };
        self.step(input, chance)
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

    /// The process is gone. Returns the requests that may still arrive.
    pub fn end(mut self) -> Vec<Request> {
        self.leave_requests();
        self.late
    }

    /// The watch reports one event, or begins anew.
    pub fn hear(&mut self, server: &Server, chance: &mut Chance<'_>) {
        let now = chance.now;
        let Some(wanted) = self.delivery.watching() else { return };
        if server.is_silent || chance.faults && chance.random.percent(3) {
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
