//! The delivery to one satellite as a state machine: it decides each request, and never asks by
//! itself.
//!
//! [`Delivery::begin`] starts a [`Job`]. Then, until [`Delivery::ended`] returns how it ended, the
//! driver executes the commands of [`Delivery::next`], hands in each answer with
//! [`Delivery::answered`] and each event of the watch with [`Delivery::observed`], and calls
//! `next` again after every one of these and at the time of [`Delivery::wakes`]. Times are
//! monotonic, from any origin. A request that is under way when its job ends may be dropped: its
//! outcome is unknown then, and nothing relies on it.
//!
//! Shards first, the pointer last (R3). The pointer is written with the resourceVersion that was
//! read, so a late request of an earlier job fails; and never over a higher revision, so a
//! satellite does not go backwards (R4).

mod jobs;
mod removing;
mod state;
mod storing;

pub(crate) use jobs::{Job, Outcome};

use super::inventory::{Event, Inventory};
use super::order::SeenShards;
use super::requests::{Answer, Command, Request};
use crate::api::satellite_cluster::{AdoptionPolicy, Layout};
use crate::identity::{Digest, Revision};
use crate::satellite::problem::Problem;
use crate::snapshot::pointer::Destination;
use jobs::{Flow, Purpose, Running};
use state::Pointer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Requests to one satellite at the same time, beside the watch.
pub(crate) const PARALLEL: usize = 4;

/// The deliveries to one satellite, and what is known of it.
#[derive(Debug)]
pub(crate) struct Delivery {
    target: Arc<Destination>,
    layout: Layout,
    adoption: AdoptionPolicy,
    /// The pointer as last read or written. None if it is unknown, `Some(None)` if there is none.
    pointer: Option<Option<Pointer>>,
    /// UID and resourceVersion of the pointer that was known before, which show that a satellite
    /// was replaced or restored from a backup.
    known_before: Option<(String, u64)>,
    seen: SeenShards,
    inventory: Inventory,
    watch: Watch,
    job: Option<Running>,
    ended: Option<Result<Outcome, Ended>>,
    /// Requests that are due.
    outbox: Vec<(Purpose, Request)>,
    /// Requests without an answer, by number: what they are for, and when they were sent.
    asked: BTreeMap<u64, (Purpose, Duration)>,
    /// Number of the last request.
    number: u64,
    /// The time of the last call.
    now: Duration,
}

/// Why a job ended without an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It failed.
    Failed(Problem),
    /// It was not done in its time.
    OutOfTime,
}

/// Which watch should run.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    /// Number of the watch whose events count.
    number: u64,
    is_wanted: bool,
    /// An event arrived since the last look for disturbances.
    has_news: bool,
}

/// What a job did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Revision that the pointer carries.
    pub pointer_revision: Revision,
    /// Digest of the set that the satellite holds.
    pub digest: Digest,
    /// Number of shards.
    pub shards: usize,
    /// Names of the ConfigMaps that were written.
    pub wrote: BTreeSet<String>,
}

/// What others changed on a satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drift {
    /// Names of the ConfigMaps that are not as they should be; never empty.
    pub names: BTreeSet<String>,
    /// The field manager that changed the pointer last, if it is known.
    pub by: Option<String>,
}

/// What the decisions of the actor need to know of the delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The ConfigMap that is written to, as `<namespace>/<name>`.
    pub place: String,
    /// True if the pointer was read, and nothing says that it changed since.
    pub knows_pointer: bool,
    /// True if the pointer is ours.
    pub holds_ours: bool,
    /// Digest of the set that the pointer says it has, if it is ours.
    pub digest: Option<Digest>,
    /// Number of shards that no pointer needs.
    pub garbage: usize,
    /// Why the satellite refuses that changes are followed.
    pub watch_problem: Option<Problem>,
}

impl Delivery {
    /// Returns the delivery to one destination, of which nothing is known yet.
    pub fn new(target: Destination, layout: Layout, adoption: AdoptionPolicy) -> Self {
        Self {
            target: Arc::new(target),
            layout,
            adoption,
            pointer: None,
            known_before: None,
            seen: SeenShards::default(),
            inventory: Inventory::default(),
            watch: Watch::default(),
            job: None,
            ended: None,
            outbox: Vec::new(),
            asked: BTreeMap::new(),
            number: 0,
            now: Duration::ZERO,
        }
    }

    /// Where the ConfigMaps go.
    pub fn target(&self) -> &Arc<Destination> {
        &self.target
    }

    /// Returns what the actor's decisions need.
    pub fn facts(&self) -> Facts {
        let ours = self.held().filter(|held| held.ours);
        Facts {
            place: self.full_name(&self.target.name),
            knows_pointer: self.pointer.is_some(),
            holds_ours: ours.is_some(),
            digest: ours.and_then(|held| held.digest),
            garbage: self.garbage().len(),
            watch_problem: self.inventory.refusal().cloned(),
        }
    }

    /// Begins a job, which ends after `limit` at the latest. A job that was under way is dropped.
    pub fn begin(&mut self, job: Job, limit: Option<Duration>, now: Duration) {
        self.drop_job();
        self.now = now;
        self.ended = None;
        let running = Running::new(job, limit, now);
        self.go_on(running, Self::start);
    }

    /// Returns the requests that are due.
    pub fn next(&mut self, now: Duration) -> Vec<Command> {
        self.now = now;
        if let Some(running) = self.job.take() {
            match running.deadline.is_some_and(|deadline| deadline <= now) {
                true => self.end(&running.job, Err(Ended::OutOfTime)),
                false => self.go_on(running, Self::look_for_list),
            }
        }
        let mut commands = Vec::with_capacity(self.outbox.len());
        for (purpose, request) in std::mem::take(&mut self.outbox) {
            self.number += 1;
            self.asked.insert(self.number, (purpose, now));
            commands.push(Command { id: self.number, request });
        }
        commands
    }

    /// Takes the answer to the request of this number. A request is forgotten with its job, so a
    /// late answer counts for nothing.
    pub fn answered(&mut self, id: u64, answer: Answer, now: Duration) {
        self.now = now;
        let (Some((purpose, asked)), Some(running)) = (self.asked.remove(&id), self.job.take()) else {
            return;
        };
        self.go_on(running, |delivery, running| delivery.take(running, purpose, asked, answer));
    }

    /// Takes an event of the watch with this number.
    pub fn observed(&mut self, watch: u64, event: Event, now: Duration) {
        self.now = now;
        if self.watching() == Some(watch) {
            self.inventory.observe(event, now);
            self.watch.has_news = true;
        }
    }

    /// Returns how the job ended, once.
    pub fn ended(&mut self) -> Option<Result<Outcome, Ended>> {
        self.ended.take()
    }

    /// Returns when `next` must be called although nothing happened. None if there is no such
    /// time.
    pub fn wakes(&self) -> Option<Duration> {
        let running = self.job.as_ref()?;
        running.list_wait().into_iter().chain(running.deadline).min()
    }

    /// Returns the number of the watch that should run. The driver runs none but this one.
    pub fn watching(&self) -> Option<u64> {
        self.watch.is_wanted.then_some(self.watch.number)
    }

    /// Follows what is on the satellite from now on.
    pub fn follow(&mut self) {
        self.watch.is_wanted = true;
    }

    /// Stops following: a satellite that does not answer is only probed. What was seen of it may
    /// be gone when it returns.
    pub fn stop_following(&mut self, now: Duration) {
        self.now = now;
        self.follow_anew();
        self.watch.is_wanted = false;
    }

    /// Drops everything that the watch reported and begins another one.
    fn follow_anew(&mut self) {
        self.watch = Watch { number: self.watch.number + 1, is_wanted: true, has_news: false };
        self.inventory = Inventory::lost(self.now);
    }

    /// Reads the pointer again before the next decision.
    pub fn forget_pointer(&mut self) {
        self.pointer = None;
    }

    /// True if an event arrived since the last call, and what is on the satellite is not what this
    /// process knows; or if a satellite that is well refuses that changes are followed.
    pub fn take_disturbance(&mut self, is_well: bool) -> bool {
        std::mem::take(&mut self.watch.has_news)
            && (self.is_pointer_changed()
                || self.seen.has_gone(&self.inventory)
                || is_well && self.inventory.refusal().is_some())
    }

    fn enqueue(&mut self, purpose: Purpose, request: Request) {
        self.outbox.push((purpose, request));
    }

    /// Number of requests that are due or under way.
    fn under_way(&self) -> usize {
        self.outbox.len() + self.asked.len()
    }

    fn go_on(&mut self, mut running: Running, step: impl FnOnce(&mut Self, &mut Running) -> Flow) {
        match step(self, &mut running) {
            Ok(None) => self.job = Some(running),
            Ok(Some(outcome)) => self.end(&running.job, Ok(outcome)),
            Err(problem) => self.end(&running.job, Err(Ended::Failed(problem))),
        }
    }

    fn end(&mut self, job: &Job, how: Result<Outcome, Ended>) {
        if matches!(job, Job::Deliver(_)) && how.is_err() {
            // Nobody knows what was written.
            self.pointer = None;
        }
        self.drop_job();
        self.ended = Some(how);
    }

    fn drop_job(&mut self) {
        self.job = None;
        self.asked.clear();
        self.outbox.clear();
    }
}

#[cfg(test)]
mod tests;
