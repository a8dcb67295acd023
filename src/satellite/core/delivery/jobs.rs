//! The jobs of a delivery, stage by stage: each answer leads to the next requests, or to the end
//! of the job.

use super::super::order::{AllShards, Division, Wanted};
use super::super::owner::check_owner;
use super::super::requests::{Answer, Failed, Identity, Request, ShardOf};
use super::super::shards::{ATTEMPTS, ShardWork, unexpected};
use super::state::Pointer;
use super::{Delivered, Delivery, Drift, PARALLEL};
use crate::api::Reason;
use crate::identity::Revision;
use crate::satellite::problem::Problem;
use crate::snapshot::layout::Form;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Longest wait of a delivery for the first list.
const FIRST_LIST: Duration = Duration::from_secs(5);

/// A job at a satellite.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Read the pointer: the cheapest probe.
    Read,
    /// Bring the satellite to this set. Writes nothing if it holds the set already.
    Deliver(Wanted),
    /// Find what differs from this set. Writes nothing.
    Compare(Wanted),
    /// Delete the garbage: shards that no pointer needs.
    Collect,
    /// Read the pointer and delete the garbage, because there is no room for the next shards.
    MakeRoom,
    /// Delete all ConfigMaps of the operator, the pointer first.
    CleanUp,
}

/// The outcome of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The pointer was read.
    Read,
    /// The satellite holds the set.
    Delivered(Delivered),
    /// The differences from the set. None if there are none.
    Compared(Option<Drift>),
    /// The garbage is deleted.
    Collected,
    /// All ConfigMaps of the operator are deleted.
    CleanedUp,
}

/// How a job goes on: not yet ended, ended with an outcome, or failed.
pub(super) type Flow = Result<Option<Outcome>, Problem>;

/// A job that is under way.
#[derive(Debug)]
pub(super) struct Running {
    pub job: Job,
    pub deadline: Option<Duration>,
    pub stage: Stage,
    attempt: u32,
    pub wrote: BTreeSet<String>,
}

/// How far a job is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for the first list until this time. With the list, shards that exist are not created
    /// in vain.
    FirstList(Duration),
    /// Reads the pointer.
    Reading,
    /// Divides the set.
    Dividing,
    /// Asks for a term above the one that the pointer has.
    Raising(Division),
    /// Reads or creates every shard. `pointer` is the revision of the pointer if it names them
    /// already.
    Shards { division: Division, waiting: VecDeque<ShardWork>, pointer: Option<Revision> },
    /// Deletes a pointer that someone made immutable: only a new one can say anything else.
    Removing { all: AllShards, previous: BTreeSet<String> },
    /// Writes the pointer.
    Writing { form: Form, shards: usize, is_replacement: bool },
    /// Reads and compares shards. `wrong` are those that are missing or have another content.
    Comparing { form: Form, waiting: VecDeque<(String, ShardOf)>, wrong: BTreeSet<String> },
    /// Deletes ConfigMaps. `page` has all of them if they are one page of a cleanup.
    Deleting { waiting: VecDeque<Identity>, page: Option<BTreeSet<Identity>> },
    /// Deletes the pointer because the SatelliteCluster is deleted.
    Leaving,
    /// Lists the remaining ConfigMaps; `before` remained last time.
    Listing { before: BTreeSet<Identity> },
    /// Between two stages.
    Over,
}

/// The purpose of a request that has no answer yet.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The only request of the stage, which knows its purpose.
    Stage,
    /// To store a shard.
    Store(Box<ShardWork>),
    /// To compare the shard of this name.
    Compare(String),
    /// To delete a ConfigMap that is no longer needed.
    Delete,
}

impl Running {
    pub fn new(job: Job, limit: Option<Duration>, now: Duration) -> Self {
        let deadline = limit.map(|limit| now + limit);
        Self { job, deadline, stage: Stage::Over, attempt: 1, wrote: BTreeSet::new() }
    }

    /// Returns until when the first list is waited for.
    pub fn list_wait(&self) -> Option<Duration> {
        if let Stage::FirstList(until) = self.stage { Some(until) } else { None }
    }
}

impl Delivery {
    /// Begins the job.
    pub(super) fn start(&mut self, running: &mut Running) -> Flow {
        match &running.job {
            Job::Deliver(_) => {
                running.stage = Stage::FirstList(self.now + FIRST_LIST);
                self.look_for_list(running)
            }
            Job::Collect => self.delete_garbage(running),
            Job::Compare(_) => self.need_pointer(running),
            Job::Read | Job::MakeRoom | Job::CleanUp => {
                self.pointer = None;
                self.need_pointer(running)
            }
        }
    }

    /// Continues if the job waits for the first list, and the list is complete, refused or late.
    pub(super) fn look_for_list(&mut self, running: &mut Running) -> Flow {
        let Stage::FirstList(until) = running.stage else { return Ok(None) };
        // A satellite that did not answer the list is asked again soon. One that refuses is not.
        let is_decided = self.inventory.listed.is_some() || self.inventory.refusal().is_some();
        if is_decided || self.now >= until { self.need_pointer(running) } else { Ok(None) }
    }

    /// Takes an answer.
    pub(super) fn take(
        &mut self,
        running: &mut Running,
        purpose: Purpose,
        asked: Duration,
        answer: Answer,
    ) -> Flow {
        match (purpose, answer) {
            (Purpose::Stage, answer) => return self.take_for_stage(running, answer),
            (Purpose::Store(work), answer) => self.take_for_shard(running, *work, asked, answer)?,
            (Purpose::Compare(name), Answer::Shard(found)) => self.compared(running, name, found, asked),
            // It is gone already, or it changed since it was seen: another operator uses it.
            (Purpose::Delete, Answer::Done | Answer::Failed(Failed { code: Some(404 | 409), .. })) => {}
            (Purpose::Compare(_) | Purpose::Delete, Answer::Failed(failed)) => return Err(failed.problem),
            (Purpose::Compare(_) | Purpose::Delete, answer) => return Err(unexpected(&answer)),
        }
        self.fill(running)
    }

    fn take_for_stage(&mut self, running: &mut Running, answer: Answer) -> Flow {
        match (std::mem::replace(&mut running.stage, Stage::Over), answer) {
            (Stage::Reading, Answer::Pointer(found)) => {
                let found = found.map(|pointer| Pointer::of(&pointer, &self.target));
                self.found(found);
                self.with_pointer(running)
            }
            (Stage::Dividing, Answer::Divided(Ok(division))) => self.divided(running, division),
            (Stage::Dividing, Answer::Divided(Err(why))) => Err(Problem::stalled(Reason::TooLarge, why)),
            (Stage::Raising(division), Answer::TermRaised(false)) => {
                self.store_shards(running, division, None)
            }
            (Stage::Raising(_), Answer::TermRaised(true)) => Err(self.higher_revision(running)),
            (
                Stage::Removing { all, previous },
                Answer::Done | Answer::Failed(Failed { code: Some(404), .. }),
            ) => self.write_pointer(running, all, &previous, None),
            (Stage::Writing { form, shards, .. }, Answer::PointerStored(stored)) => {
                let stored = Pointer::of(&stored, &self.target);
                self.stored(running, stored, form, shards)
            }
            // It changed since it was read, or it is gone. Start again from a new reading.
            (
                Stage::Removing { .. } | Stage::Writing { .. },
                Answer::Failed(Failed { code: Some(409), problem }),
            )
            | (
                Stage::Writing { is_replacement: true, .. },
                Answer::Failed(Failed { code: Some(404), problem }),
            ) => self.again(running, problem),
            (Stage::Leaving, Answer::Done | Answer::Failed(Failed { code: Some(404), .. })) => {
                self.list(running, BTreeSet::new())
            }
            (Stage::Listing { before }, Answer::Page(left)) => self.left(running, &before, left),
            (_, Answer::Failed(failed)) => Err(failed.problem),
            (_, answer) => Err(unexpected(&answer)),
        }
    }

    /// Reads the pointer if it is unknown, or if the watch reported another one.
    pub(super) fn need_pointer(&mut self, running: &mut Running) -> Flow {
        if self.pointer.is_some() && !self.is_pointer_changed() {
            return self.with_pointer(running);
        }
        self.pointer = None;
        self.send(running, Stage::Reading, Request::ReadPointer)
    }

    fn with_pointer(&mut self, running: &mut Running) -> Flow {
        match &running.job {
            Job::Read => Ok(Some(Outcome::Read)),
            Job::Collect | Job::MakeRoom => self.delete_garbage(running),
            Job::CleanUp => match self.pointer.take().flatten().filter(|pointer| pointer.held.ours) {
                Some(pointer) => {
                    let request = Request::Delete(self.identity(&pointer));
                    self.send(running, Stage::Leaving, request)
                }
                None => self.list(running, BTreeSet::new()),
            },
            Job::Compare(set) => {
                let set = set.clone();
                self.divide(running, set)
            }
            Job::Deliver(set) => {
                let set = set.clone();
                if let Some(held) = self.held() {
                    let is_identical = held.digest == Some(set.view.digest);
                    let name = self.full_name(&self.target.name);
                    check_owner(self.adoption, &name, held.ours, is_identical)?;
                }
                self.divide(running, set)
            }
        }
    }

    fn divide(&mut self, running: &mut Running, set: Wanted) -> Flow {
        let present = self.held().filter(|held| held.ours).and_then(|held| held.form);
        let layout = self.layout;
        self.send(running, Stage::Dividing, Request::Divide { set, layout, present })
    }

    fn divided(&mut self, running: &mut Running, division: Division) -> Flow {
        self.seen.forget_gone(&self.inventory);
        let set = match &running.job {
            Job::Deliver(set) => set.clone(),
            _ => return self.compare_shards(running, division),
        };
        let held = self.held();
        if let Some(held) = held.filter(|held| held.is(&self.target, &set.view, division.form)) {
            let revision = held.revision.unwrap_or(set.revision);
            return self.store_shards(running, division, Some(revision));
        }
        // A higher revision with other content: another term wrote it, or a person. The same
        // revision: someone changed its content. One of another hub that is adopted must become
        // higher, too: agents take no set back.
        let theirs = held.and_then(|held| held.revision.map(|revision| (revision, held.ours)));
        let is_higher =
            |(theirs, ours): &(Revision, bool)| *theirs > set.revision || !ours && *theirs == set.revision;
        if let Some((above, _)) = theirs.filter(is_higher) {
            return self.send(running, Stage::Raising(division), Request::RaiseTerm { above });
        }
        self.store_shards(running, division, None)
    }

    /// Sends the waiting requests, as many at once as allowed. If none is under way any more, the
    /// stage ends.
    pub(super) fn fill(&mut self, running: &mut Running) -> Flow {
        while self.under_way() < PARALLEL {
            let next = match &mut running.stage {
                Stage::Shards { waiting, .. } => waiting.pop_front().map(|work| {
                    let request = work.request();
                    (Purpose::Store(Box::new(work)), request)
                }),
                Stage::Comparing { waiting, .. } => waiting.pop_front().map(|(name, shard)| {
                    (Purpose::Compare(name.clone()), Request::ReadShard { name, shard })
                }),
                Stage::Deleting { waiting, .. } => {
                    waiting.pop_front().map(|found| (Purpose::Delete, Request::Delete(found)))
                }
                _ => None,
            };
            let Some((purpose, request)) = next else { break };
            self.enqueue(purpose, request);
        }
        if self.under_way() > 0 {
            return Ok(None);
        }
        match std::mem::replace(&mut running.stage, Stage::Over) {
            Stage::Shards { division, pointer, .. } => self.all_stored(running, division, pointer),
            Stage::Comparing { form, wrong, .. } => Ok(Some(self.drift(running, form, wrong))),
            Stage::Deleting { page: Some(page), .. } => self.list(running, page),
            Stage::Deleting { page: None, .. } => Ok(Some(Outcome::Collected)),
            stage => {
                running.stage = stage;
                Ok(None)
            }
        }
    }

    /// Starts again with a new reading of the pointer.
    pub(super) fn again(&mut self, running: &mut Running, problem: Problem) -> Flow {
        if running.attempt == ATTEMPTS {
            return Err(problem);
        }
        running.attempt += 1;
        self.pointer = None;
        self.need_pointer(running)
    }

    pub(super) fn identity(&self, pointer: &Pointer) -> Identity {
        let Pointer { uid, version, .. } = pointer.clone();
        Identity { name: self.target.name.clone(), uid, version }
    }

    pub(super) fn send(&mut self, running: &mut Running, stage: Stage, request: Request) -> Flow {
        running.stage = stage;
        self.enqueue(Purpose::Stage, request);
        Ok(None)
    }
}

impl Running {
    /// Returns the set that the job is about.
    pub(super) fn set(&self) -> Option<&Wanted> {
        match &self.job {
            Job::Deliver(set) | Job::Compare(set) => Some(set),
            _ => None,
        }
    }
}
