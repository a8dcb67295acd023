//! The shards and the pointer of a set: stored, or compared.

use super::super::inventory::{Seen, number};
use super::super::order::{AllShards, Division, PointerWrite};
use super::super::requests::{Answer, FoundShard, Identity, Request, ShardOf};
use super::super::shards::{ShardPlan, ShardWork, Step, stored_otherwise};
use super::jobs::{Flow, Outcome, Purpose, Running, Stage};
use super::state::Pointer;
use super::{Delivered, Delivery, Drift};
use crate::api::Reason;
use crate::identity::Revision;
use crate::satellite::problem::Problem;
use crate::snapshot::layout::Form;
use std::collections::BTreeSet;
use std::time::Duration;

impl Delivery {
    /// Stores every shard that is not verified yet.
    pub(super) fn store_shards(
        &mut self,
        running: &mut Running,
        division: Division,
        pointer: Option<Revision>,
    ) -> Flow {
        let revision = running.set().map(|set| set.revision).unwrap_or_default();
        let held = self.held().filter(|held| held.ours);
        let plan = |at: usize| {
            let name = division.shards[at].name(&self.target.name);
            let is_kept = held.is_some_and(|held| held.keeps(&name));
            ShardPlan {
                full_name: self.full_name(&name),
                shard: ShardOf { shards: division.shards.clone(), at },
                revision,
                adoption: self.adoption,
                may_exist: is_kept || self.inventory.items.contains_key(&name),
                is_kept,
                pointer: held.and_then(|held| held.revision),
                name,
            }
        };
        let missing = (0..division.shards.len())
            .filter(|at| !self.is_there(&division.shards[*at].name(&self.target.name)));
        let waiting = missing.map(|at| ShardWork::new(plan(at))).collect();
        running.stage = Stage::Shards { division, waiting, pointer };
        self.fill(running)
    }

    pub(super) fn take_for_shard(
        &mut self,
        running: &mut Running,
        mut work: ShardWork,
        asked: Duration,
        answer: Answer,
    ) -> Result<(), Problem> {
        match work.answered(answer) {
            Step::Ask => {
                let request = work.request();
                self.enqueue(Purpose::Store(Box::new(work)), request);
            }
            // Recorded at once, so that a job after an interruption does not begin from scratch.
            Step::Stored { found: Identity { name, uid, version }, wanted, has_written } => {
                if has_written {
                    running.wrote.insert(name.clone());
                }
                self.seen.answered(name, seen(uid, version, asked), wanted);
            }
            Step::Failed(problem) => return Err(problem),
        }
        Ok(())
    }

    pub(super) fn compare_shards(&mut self, running: &mut Running, division: Division) -> Flow {
        let Division { form, shards } = division;
        let one = |at: usize| (shards[at].name(&self.target.name), ShardOf { shards: shards.clone(), at });
        let waiting = (0..shards.len()).map(one).filter(|(name, _)| self.recently_seen(name).is_none());
        running.stage = Stage::Comparing { form, waiting: waiting.collect(), wrong: BTreeSet::new() };
        self.fill(running)
    }

    pub(super) fn compared(
        &mut self,
        running: &mut Running,
        name: String,
        found: Option<FoundShard>,
        asked: Duration,
    ) {
        match found.filter(|found| found.holds) {
            Some(FoundShard { uid, version, wanted, .. }) => {
                self.seen.answered(name, seen(uid, version, asked), wanted);
            }
            None => {
                if let Stage::Comparing { wrong, .. } = &mut running.stage {
                    wrong.insert(name);
                }
            }
        }
    }

    pub(super) fn higher_revision(&self, running: &Running) -> Problem {
        let theirs = self.held().and_then(|held| held.revision).unwrap_or_default();
        let ours = running.set().map(|set| set.revision).unwrap_or_default();
        let message = format!(
            "ConfigMap {} holds revision {theirs}, which is newer than {ours}; the operator takes a newer term",
            self.full_name(&self.target.name)
        );
        Problem::transient(Reason::Conflict, message)
    }

    pub(super) fn all_stored(
        &mut self,
        running: &mut Running,
        division: Division,
        pointer: Option<Revision>,
    ) -> Flow {
        let Some(set) = running.set().cloned() else { return Ok(None) };
        let digest = set.view.digest;
        let Some(all) = self.seen.all(set, division, &self.target.name, &self.inventory) else {
            let place = self.full_name(&self.target.name);
            let message = format!("shards of ConfigMap {place} are deleted while they are written");
            return self.again(running, Problem::transient(Reason::Conflict, message));
        };
        if let Some(pointer_revision) = pointer {
            let (shards, wrote) = (all.count(), running.wrote.clone());
            return Ok(Some(Outcome::Delivered(Delivered { pointer_revision, digest, shards, wrote })));
        }
        let previous = self.previous(all.shards(), |held| held.digest == Some(digest));
        let known = self.pointer.clone().flatten();
        match known {
            Some(known) if known.is_immutable => {
                let request = Request::Delete(self.identity(&known));
                self.send(running, Stage::Removing { all, previous }, request)
            }
            known => self.write_pointer(running, all, &previous, known),
        }
    }

    pub(super) fn write_pointer(
        &mut self,
        running: &mut Running,
        all: AllShards,
        previous: &BTreeSet<String>,
        over: Option<Pointer>,
    ) -> Flow {
        let is_replacement = over.is_some();
        let stage = Stage::Writing { form: all.form(), shards: all.count(), is_replacement };
        let mut write = PointerWrite::new(all, &self.target, previous);
        if let Some(Pointer { uid, version, .. }) = over {
            write = write.over(uid, version);
        }
        self.send(running, stage, Request::WritePointer(Box::new(write)))
    }

    /// Takes the answer. It counts what the server stored, because a webhook may have changed the
    /// request.
    pub(super) fn stored(
        &mut self,
        running: &mut Running,
        stored: Pointer,
        form: Form,
        shards: usize,
    ) -> Flow {
        running.wrote.insert(self.target.name.clone());
        let Some(set) = running.set() else { return Ok(None) };
        let is_as_sent = stored.held.is(&self.target, &set.view, form);
        let (pointer_revision, digest) = (set.revision, set.view.digest);
        self.know(Some(stored));
        if !is_as_sent {
            return Err(stored_otherwise(&self.full_name(&self.target.name)));
        }
        let wrote = running.wrote.clone();
        Ok(Some(Outcome::Delivered(Delivered { pointer_revision, digest, shards, wrote })))
    }

    pub(super) fn drift(&self, running: &Running, form: Form, mut names: BTreeSet<String>) -> Outcome {
        let held = self.held();
        let is_as_written =
            running.set().zip(held).is_some_and(|(set, held)| held.is(&self.target, &set.view, form));
        if !is_as_written {
            names.insert(self.target.name.clone());
        }
        let by = held.and_then(|held| held.changed_by.clone());
        Outcome::Compared(if names.is_empty() { None } else { Some(Drift { names, by }) })
    }
}

fn seen(uid: Option<String>, version: Option<String>, asked: Duration) -> Seen {
    Seen { uid: uid.unwrap_or_default(), version: number(&version.unwrap_or_default()), asked }
}
