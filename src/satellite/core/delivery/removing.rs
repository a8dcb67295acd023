//! Deletes ConfigMaps: garbage, and everything if the SatelliteCluster is deleted.

use super::super::requests::{Identity, Request};
use super::Delivery;
use super::jobs::{Flow, Outcome, Running, Stage};
use crate::api::Reason;
use crate::satellite::problem::Problem;
use std::collections::BTreeSet;

impl Delivery {
    pub(super) fn delete_garbage(&mut self, running: &mut Running) -> Flow {
        let garbage = self.garbage();
        garbage.iter().for_each(|shard| self.seen.forget(&shard.name));
        running.stage = Stage::Deleting { waiting: garbage.into(), page: None };
        self.fill(running)
    }

    pub(super) fn list(&mut self, running: &mut Running, before: BTreeSet<Identity>) -> Flow {
        self.send(running, Stage::Listing { before }, Request::ListPage)
    }

    /// Page by page, however many there are; the caller has a deadline for all of them.
    pub(super) fn left(
        &mut self,
        running: &mut Running,
        before: &BTreeSet<Identity>,
        left: Vec<Identity>,
    ) -> Flow {
        let Some(first) = left.first() else { return Ok(Some(Outcome::CleanedUp)) };
        let page: BTreeSet<Identity> = left.iter().cloned().collect();
        if page == *before {
            let name = self.full_name(&first.name);
            let message = format!("ConfigMaps are left, for example {name}");
            return Err(Problem::transient(Reason::Conflict, message));
        }
        running.stage = Stage::Deleting { waiting: left.into(), page: Some(page) };
        self.fill(running)
    }
}
