//! The shards of a set: each is there, with its content, before the pointer names it.

use super::super::problem::Problem;
use super::requests::{Failure, Requests};
use super::{ATTEMPTS, PARALLEL, Remote, Verified, check_owner};
use crate::api::Reason;
use crate::api::satellite_cluster::AdoptionPolicy;
use crate::identity::Revision;
use crate::snapshot::layout::Shard;
use crate::snapshot::pointer::{self, REVISION, Target};
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use std::sync::Arc;

impl Remote {
    /// Has every shard there. What was seen to be there is not asked for again.
    pub(super) async fn ensure(&mut self, shards: &Arc<[Shard]>, revision: Revision) -> Result<(), Failure> {
        let missing: Vec<usize> = (0..shards.len())
            .filter(|at| !self.verified.contains_key(&shards[*at].name(&self.target.name)))
            .collect();
        let ensured = {
            let job = |at: usize| {
                let name = shards[at].name(&self.target.name);
                let item = self.inventory.1.borrow().items.get(&name).cloned();
                let held = self.held().filter(|held| held.ours);
                ShardJob {
                    requests: self.requests.clone(),
                    target: self.target.clone(),
                    adoption: self.adoption,
                    may_exist: item.is_some() || held.is_some_and(|held| held.keeps(&name)),
                    is_kept: held.is_some_and(|held| held.keeps(&name)),
                    pointer_revision: held.and_then(|held| held.revision),
                    revision,
                    shards: shards.clone(),
                    at,
                    name,
                }
            };
            missing.into_iter().map(job).collect::<Vec<_>>()
        };
        let mut done =
            futures::stream::iter(ensured.into_iter().map(ShardJob::run)).buffer_unordered(PARALLEL);
        // Each is remembered at once: a pass that is cut off does not begin from nothing.
        while let Some(Done { name, uid, wrote }) = done.try_next().await? {
            if wrote {
                self.wrote.insert(name.clone());
            }
            self.verified.insert(name, Verified { uid, at: self.sequence.next() });
        }
        Ok(())
    }
}

/// One shard that is to be there.
struct ShardJob {
    requests: Requests,
    target: Arc<Target>,
    adoption: AdoptionPolicy,
    /// There may be a ConfigMap of its name.
    may_exist: bool,
    /// The pointer, or the one before it, names it.
    is_kept: bool,
    pointer_revision: Option<Revision>,
    revision: Revision,
    shards: Arc<[Shard]>,
    at: usize,
    name: String,
}

struct Done {
    name: String,
    uid: String,
    wrote: bool,
}

impl ShardJob {
    async fn run(mut self) -> Result<Done, Failure> {
        let mut attempt = 1;
        loop {
            let result = match self.may_exist {
                true => self.look().await,
                false => self.create().await.map(Some),
            };
            match result {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => self.may_exist = false,
                // There is one of this name, or it changed since it was read.
                Err(Failure { code: Some(409), problem }) => {
                    if attempt == ATTEMPTS {
                        // Not to be taken for a conflict of the pointer.
                        return Err(problem.into());
                    }
                    attempt += 1;
                    self.may_exist = true;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn create(&self) -> Result<Done, Failure> {
        let (target, shards, at, revision) =
            (self.target.clone(), self.shards.clone(), self.at, self.revision);
        let pack = tokio::task::spawn_blocking(move || pointer::shard(&target, revision, &shards[at])).await;
        let object = pack.map_err(std::io::Error::other).and_then(|packed| packed).map_err(|error| {
            Problem::transient(Reason::Pending, format!("cannot pack shard {}: {error}", self.name))
        })?;
        let stored = self.requests.create(&self.name, &object).await?;
        if stored.binary_data != object.binary_data || stored.immutable != Some(true) {
            let name = self.requests.full_name(&self.name);
            let message =
                format!("the satellite stored ConfigMap {name} with other content (an admission webhook?)");
            return Err(Problem::transient(Reason::Rejected, message).into());
        }
        Ok(Done { name: self.name.clone(), uid: stored.uid().unwrap_or_default(), wrote: true })
    }

    /// Nothing if it has to be created.
    async fn look(&self) -> Result<Option<Done>, Failure> {
        let Some(found) = self.requests.get(&self.name).await? else { return Ok(None) };
        let (shards, at) = (self.shards.clone(), self.at);
        let (found, holds) = tokio::task::spawn_blocking(move || {
            let holds = pointer::holds(&found, &shards[at]);
            (found, holds)
        })
        .await
        .map_err(|error| {
            Problem::transient(Reason::Pending, format!("cannot read {}: {error}", self.name))
        })?;
        let ours = self.target.owns(found.metadata.labels.as_ref());
        let name = self.requests.full_name(&self.name);
        // What the pointer names is ours, whatever someone did to its labels.
        check_owner(self.adoption, &name, ours || self.is_kept, holds)?;
        if !holds {
            // It is immutable, or should have been: it cannot be mended.
            self.requests.delete(&self.name, found.uid(), found.resource_version()).await?;
            return Ok(None);
        }
        let wanted: Option<Revision> = found.annotations().get(REVISION).and_then(|text| text.parse().ok());
        // Nothing names it, and it is old: a deletion of it may be on its way, from another process or from this one. Whoever
        // deletes tests the resourceVersion.
        let may_go = !self.is_kept
            && self.pointer_revision.is_none_or(|pointer| wanted.is_none_or(|wanted| wanted <= pointer));
        if may_go || !ours {
            let metadata = self.target.shard_claim(found.resource_version(), self.revision);
            match self.requests.patch_metadata(&self.name, metadata).await {
                Err(Failure { code: Some(404), .. }) => return Ok(None),
                claimed => claimed?,
            }
        }
        Ok(Some(Done {
            name: self.name.clone(),
            uid: found.uid().unwrap_or_default(),
            wrote: may_go || !ours,
        }))
    }
}
