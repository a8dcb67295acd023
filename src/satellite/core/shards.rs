//! One shard on its way: read if it may exist, created if it does not, replaced if it holds
//! something else, and marked if a deletion of it may be on its way.

use super::owner::check_owner;
use super::requests::{Answer, Failed, FoundShard, Identity, Request, ShardOf};
use crate::api::Reason;
use crate::api::satellite_cluster::AdoptionPolicy;
use crate::identity::Revision;
use crate::satellite::problem::Problem;

/// How often one shard is tried while others change it at the same time.
pub(super) const ATTEMPTS: u32 = 4;

/// What a delivery knows of one shard before it asks.
#[derive(Clone, Debug)]
pub(super) struct ShardPlan {
    pub name: String,
    /// `<namespace>/<name>`, for messages.
    pub full_name: String,
    pub shard: ShardOf,
    /// The revision that wants it.
    pub revision: Revision,
    pub adoption: AdoptionPolicy,
    /// A ConfigMap of this name may exist.
    pub may_exist: bool,
    /// The pointer, or the one before it, names it.
    pub is_kept: bool,
    /// Revision of the pointer, if it is ours.
    pub pointer: Option<Revision>,
}

/// One shard, and the request that is under way for it.
#[derive(Debug)]
pub(super) struct ShardWork {
    plan: ShardPlan,
    attempt: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    Creating,
    /// It holds something else. It is immutable, or should have been, so it is deleted and
    /// created.
    Replacing(Identity),
    Marking(Identity),
}

/// What follows from an answer.
#[derive(Debug)]
pub(super) enum Step {
    /// Another request.
    Ask,
    /// The satellite holds the shard.
    Stored { found: Identity, wanted: Option<Revision>, has_written: bool },
    /// It cannot be stored now.
    Failed(Problem),
}

impl ShardWork {
    pub fn new(plan: ShardPlan) -> Self {
        let state = if plan.may_exist { State::Reading } else { State::Creating };
        Self { plan, attempt: 1, state }
    }

    /// Returns the request that is due.
    pub fn request(&self) -> Request {
        let ShardPlan { name, shard, revision, .. } = &self.plan;
        match &self.state {
            State::Reading => Request::ReadShard { name: name.clone(), shard: shard.clone() },
            State::Creating => {
                Request::CreateShard { name: name.clone(), shard: shard.clone(), revision: *revision }
            }
            State::Replacing(found) => Request::Delete(found.clone()),
            State::Marking(found) => {
                let version = found.version.clone();
                Request::MarkShard { name: name.clone(), version, revision: *revision }
            }
        }
    }

    /// Takes the answer to the request.
    pub fn answered(&mut self, answer: Answer) -> Step {
        match (&self.state, answer) {
            (State::Reading, Answer::Shard(None)) => self.ask(State::Creating),
            (State::Reading, Answer::Shard(Some(found))) => self.found(found),
            (State::Creating, Answer::ShardStored { uid, version, is_as_sent: true }) => {
                self.stored(Identity { name: self.plan.name.clone(), uid, version })
            }
            (State::Creating, Answer::ShardStored { is_as_sent: false, .. }) => {
                Step::Failed(stored_otherwise(&self.plan.full_name))
            }
            (State::Replacing(_), Answer::Done | Answer::Failed(Failed { code: Some(404), .. })) => {
                self.ask(State::Creating)
            }
            (State::Marking(found), Answer::Done) => self.stored(found.clone()),
            (State::Marking(_), Answer::Failed(Failed { code: Some(404), .. })) => self.ask(State::Creating),
            // One of this name exists, or it changed since it was read.
            (_, Answer::Failed(Failed { code: Some(409), problem })) => {
                if self.attempt == ATTEMPTS {
                    return Step::Failed(problem);
                }
                self.attempt += 1;
                self.ask(State::Reading)
            }
            (_, Answer::Failed(failure)) => Step::Failed(failure.problem),
            (_, answer) => Step::Failed(unexpected(&answer)),
        }
    }

    fn ask(&mut self, state: State) -> Step {
        self.state = state;
        Step::Ask
    }

    fn stored(&self, found: Identity) -> Step {
        Step::Stored { found, wanted: Some(self.plan.revision), has_written: true }
    }

    fn found(&mut self, found: FoundShard) -> Step {
        let ShardPlan { is_kept, pointer, adoption, .. } = self.plan;
        // What the pointer names is ours, whatever someone did to its labels.
        if let Err(problem) =
            check_owner(adoption, &self.plan.full_name, found.is_ours || is_kept, found.holds)
        {
            return Step::Failed(problem);
        }
        let FoundShard { uid, version, is_ours, wanted, holds } = found;
        let found = Identity { name: self.plan.name.clone(), uid, version };
        if !holds {
            return self.ask(State::Replacing(found));
        }
        // No pointer names it and no newer revision wants it: a deletion of it may be on its way,
        // from this process or from another. That deletion tests the resourceVersion, which the
        // mark changes.
        let is_garbage =
            !is_kept && pointer.is_none_or(|pointer| wanted.is_none_or(|wanted| wanted < pointer));
        if is_garbage || !is_ours {
            return self.ask(State::Marking(found));
        }
        Step::Stored { found, wanted, has_written: false }
    }
}

/// The problem of a ConfigMap that the satellite stored with other content than was sent.
pub(super) fn stored_otherwise(full_name: &str) -> Problem {
    let message = format!(
        "the satellite stored ConfigMap {full_name} with other content; find the admission webhook that changes it"
    );
    Problem::transient(Reason::Rejected, message)
}

/// The problem of an answer that does not belong to its request: a fault of the driver.
pub(super) fn unexpected(answer: &Answer) -> Problem {
    Problem::transient(Reason::Pending, format!("an answer does not belong to its request: {answer:?}"))
}
