//! The shards of a set: each is there, with its content, before the pointer names it.

use super::super::problem::Problem;
use super::requests::{Failure, Requests};
use super::{ATTEMPTS, PARALLEL, Remote, Verified, check_owner};
use crate::api::Reason;
use crate::api::satellite_cluster::AdoptionPolicy;
use crate::identity::Revision;
use crate::snapshot::Shard;
use crate::snapshot::pointer::{self, Destination, REVISION};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// For how long a shard that was seen counts as there where changes cannot be followed (the Role lacks `list` or `watch`).
const TRUST: Duration = Duration::from_mins(5);

impl Remote {
    /// Whether a shard was seen to hold what it should, and nobody can have deleted it since without our knowing: it is no garbage for
    /// anybody either.
    fn is_there(&self, name: &str) -> bool {
        let held = self.held().filter(|held| held.ours && held.form.is_some() && !held.keeps(name));
        let pointer = held.and_then(|held| held.revision);
        self.is_seen(name).is_some_and(|verified| {
            pointer.is_none_or(|pointer| verified.wanted.is_some_and(|wanted| wanted >= pointer))
        })
    }

    /// A shard that was seen, if changes are followed since. Where nobody may follow them it counts for a while.
    fn is_seen(&self, name: &str) -> Option<&Verified> {
        let inventory = self.inventory.1.borrow();
        let is_fresh = |verified: &&Verified| {
            inventory.listed.is_some()
                || inventory.lost.is_none_or(|lost| verified.seen > lost) && verified.seen.elapsed() < TRUST
        };
        self.verified.get(name).filter(is_fresh)
    }

    /// Has every shard there. What was seen to be there is not asked for again.
    pub(super) async fn ensure(&mut self, shards: &Arc<[Shard]>, revision: Revision) -> Result<(), Failure> {
        let missing: Vec<usize> =
            (0..shards.len()).filter(|at| !self.is_there(&shards[*at].name(&self.target.name))).collect();
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
        while let Some(Done { name, uid, wanted, wrote }) = done.try_next().await? {
            if wrote {
                self.wrote.insert(name.clone());
            }
            self.verified.insert(name, self.seen_now(uid, wanted));
        }
        Ok(())
    }

    /// Names of the shards that are not there, or hold something else. Reads what was not seen yet, and writes nothing.
    pub(super) async fn missing(&mut self, shards: &Arc<[Shard]>) -> Result<BTreeSet<String>, Problem> {
        let unseen: Vec<usize> = (0..shards.len())
            .filter(|at| self.is_seen(&shards[*at].name(&self.target.name)).is_none())
            .collect();
        let look = |at: usize| {
            let (requests, shards) = (self.requests.clone(), shards.clone());
            let name = shards[at].name(&self.target.name);
            async move {
                let found = requests.get(&name).await?;
                let seen = match found {
                    Some(found) => compare(found, shards, at).await?,
                    None => None,
                };
                Ok::<_, Problem>((name, seen))
            }
        };
        let looks: Vec<_> = unseen.into_iter().map(look).collect();
        let mut looks = futures::stream::iter(looks).buffer_unordered(PARALLEL);
        let mut missing = BTreeSet::new();
        while let Some((name, seen)) = looks.try_next().await? {
            match seen {
                Some(found) => {
                    let (uid, wanted) = (found.uid().unwrap_or_default(), wanted(&found));
                    self.verified.insert(name, self.seen_now(uid, wanted));
                }
                None => {
                    missing.insert(name);
                }
            }
        }
        Ok(missing)
    }

    fn seen_now(&self, uid: String, wanted: Option<Revision>) -> Verified {
        Verified { uid, at: self.sequence.next(), wanted, seen: Instant::now() }
    }
}

/// For which revision a shard was wanted last.
fn wanted(shard: &ConfigMap) -> Option<Revision> {
    shard.annotations().get(REVISION).and_then(|text| text.parse().ok())
}

/// The ConfigMap again if it holds the shard, or nothing.
async fn compare(found: ConfigMap, shards: Arc<[Shard]>, at: usize) -> Result<Option<ConfigMap>, Problem> {
    let name = found.name_any();
    // Unpacking takes a while.
    let compared = tokio::task::spawn_blocking(move || pointer::holds(&found, &shards[at]).then_some(found));
    compared
        .await
        .map_err(|error| Problem::transient(Reason::Pending, format!("cannot read {name}: {error}")))
}

/// One shard that is to be there.
struct ShardJob {
    requests: Requests,
    target: Arc<Destination>,
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
    wanted: Option<Revision>,
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
        let uid = stored.uid().unwrap_or_default();
        Ok(Done { name: self.name.clone(), uid, wanted: Some(self.revision), wrote: true })
    }

    /// Nothing if it has to be created.
    async fn look(&self) -> Result<Option<Done>, Failure> {
        let Some(found) = self.requests.get(&self.name).await? else { return Ok(None) };
        let ours = self.target.owns(found.metadata.labels.as_ref());
        let (uid, version) = (found.uid(), found.resource_version());
        let wanted = wanted(&found);
        let holds = compare(found, self.shards.clone(), self.at).await?.is_some();
        let name = self.requests.full_name(&self.name);
        // What the pointer names is ours, whatever someone did to its labels.
        check_owner(self.adoption, &name, ours || self.is_kept, holds)?;
        if !holds {
            // It is immutable, or should have been: it cannot be mended.
            self.requests.delete(&self.name, uid, version).await?;
            return Ok(None);
        }
        // Nothing names it, and it is old: a deletion of it may be on its way, from another process or from this one. Whoever
        // deletes tests the resourceVersion.
        let may_go = !self.is_kept
            && self.pointer_revision.is_none_or(|pointer| wanted.is_none_or(|wanted| wanted < pointer));
        if may_go || !ours {
            let metadata = self.target.shard_claim(version, self.revision);
            match self.requests.patch_metadata(&self.name, metadata).await {
                Err(Failure { code: Some(404), .. }) => return Ok(None),
                claimed => claimed?,
            }
        }
        let wrote = may_go || !ours;
        let wanted = if wrote { Some(self.revision) } else { wanted };
        Ok(Some(Done { name: self.name.clone(), uid: uid.unwrap_or_default(), wanted, wrote }))
    }
}
