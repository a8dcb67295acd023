//! One pass over one satellite: read what it holds, write what it should hold, and say what it acknowledged.
//!
//! Shards first, the pointer last. The pointer is written with the resourceVersion that was read, so a late request of an earlier
//! pass loses; and never over a higher revision, so a satellite does not go backwards. What nothing names any more is deleted
//! later, by [`Remote::collect`].

mod garbage;
mod inventory;
mod requests;
mod shards;

pub use requests::Requests;

use super::problem::{Contact, Problem};
use crate::api::Reason;
use crate::api::satellite_cluster::{AdoptionPolicy, Layout};
use crate::identity::{Digest, Revision};
use crate::lease::Leadership;
use crate::snapshot::layout::{Form, choose};
use crate::snapshot::pointer::{self, Destination, FoundPointer};
use crate::snapshot::{Shard, View};
use inventory::{Inventory, Sequence, follow};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use requests::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Requests to one satellite at the same time, beside the watch.
const PARALLEL: usize = 4;
/// Longest wait of a pass for the first list.
const FIRST_LIST: Duration = Duration::from_secs(5);
/// How often a pass begins anew because something changed under it.
const ATTEMPTS: u32 = 4;

/// A connection to one satellite, and what is known of it.
pub struct Remote {
    requests: Requests,
    target: Arc<Destination>,
    layout: Layout,
    adoption: AdoptionPolicy,
    claim: Leadership,
    /// The pointer as last read or written; nothing if that is not known.
    pointer: Option<Option<Pointer>>,
    /// Uid and resourceVersion of the pointer that was known before, to see that a satellite was replaced or put back.
    known_before: Option<(String, u64)>,
    /// Shards that were seen to hold what they should: by name, the uid, and when.
    verified: BTreeMap<String, Verified>,
    inventory: (Arc<watch::Sender<Inventory>>, watch::Receiver<Inventory>),
    sequence: Sequence,
    watch: Option<AbortOnDropHandle<()>>,
    /// Names of what this pass wrote.
    wrote: BTreeSet<String>,
}

#[derive(Clone)]
struct Pointer {
    uid: Option<String>,
    version: Option<String>,
    is_immutable: bool,
    held: FoundPointer,
}

#[derive(Clone)]
struct Verified {
    uid: String,
    at: u64,
    /// For which revision it is wanted, as its annotation says.
    wanted: Option<Revision>,
    /// When it was seen.
    seen: Instant,
}

/// What a pass found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Revision that the pointer carries.
    pub pointer_revision: Revision,
    /// Digest of what the satellite holds.
    pub digest: Digest,
    /// Number of shards.
    pub shards: usize,
    /// Names of the ConfigMaps that this pass wrote.
    pub wrote: BTreeSet<String>,
}

/// What others changed on a satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Names of the ConfigMaps that are not as they should be; never empty.
    pub names: BTreeSet<String>,
    /// The field manager that changed the pointer last, if it says so.
    pub by: Option<String>,
}

impl Remote {
    /// A remote for one target.
    pub fn new(
        requests: Requests,
        target: Destination,
        layout: Layout,
        adoption: AdoptionPolicy,
        claim: Leadership,
    ) -> Self {
        let (sender, receiver) = watch::channel(Inventory::default());
        Self {
            requests,
            target: Arc::new(target),
            layout,
            adoption,
            claim,
            pointer: None,
            known_before: None,
            verified: BTreeMap::new(),
            inventory: (Arc::new(sender), receiver),
            sequence: Sequence::default(),
            watch: None,
            wrote: BTreeSet::new(),
        }
    }

    /// Begins to follow what is there, if that was not begun.
    pub fn watch(&mut self) {
        if self.watch.as_ref().is_none_or(|task| task.is_finished()) {
            let (requests, selector) = (self.requests.clone(), self.target.selector());
            let following = follow(requests, selector, self.sequence.clone(), self.inventory.0.clone());
            self.watch = Some(AbortOnDropHandle::new(tokio::spawn(following)));
        }
    }

    /// Stops following: a satellite that does not answer is only probed. What was seen of it may not be there when it returns.
    pub fn stop_watching(&mut self) {
        self.watch = None;
        // A new one: the task that is ended may be about to tell something.
        let lost = Inventory { lost: Some(Instant::now()), ..Inventory::default() };
        let (sender, receiver) = watch::channel(lost);
        self.inventory = (Arc::new(sender), receiver);
    }

    /// Waits until someone else changed something; or, of one that is well, until changes cannot be followed any more.
    pub async fn disturbed(&mut self, is_well: bool) {
        loop {
            if self.inventory.1.changed().await.is_err() {
                return std::future::pending().await;
            }
            if self.is_disturbed() || is_well && self.watch_problem().is_some() {
                return;
            }
        }
    }

    /// Whether what is there is not what this process knows.
    pub fn is_disturbed(&self) -> bool {
        let inventory = self.inventory.1.borrow();
        let shards = || self.verified.iter().any(|(name, verified)| is_lost(&inventory, name, verified));
        self.is_pointer_news(&inventory) || shards()
    }

    fn is_pointer_news(&self, inventory: &Inventory) -> bool {
        if inventory.listed.is_none() {
            return false;
        }
        let Some(known) = &self.pointer else { return false };
        let seen = inventory.items.get(&self.target.name);
        match (known, seen) {
            (Some(known), None) => inventory.deleted.get(&self.target.name) == known.uid.as_ref(),
            (Some(known), Some(seen)) => {
                // An event of our own earlier write may come late.
                let known_version = known.version.as_deref().unwrap_or_default();
                let is_late =
                    number(&seen.version) <= number(known_version) && known.uid.as_ref() == Some(&seen.uid);
                !is_late && seen.version != known_version
            }
            (None, seen) => seen.is_some(),
        }
    }

    /// Why what is there cannot be followed, if the satellite said so.
    pub fn watch_problem(&self) -> Option<Problem> {
        let problem = self.inventory.1.borrow().problem.clone();
        problem.filter(|problem| problem.contact == Contact::Answered)
    }

    /// What was known may be wrong: read it again.
    pub fn forget(&mut self) {
        self.pointer = None;
    }

    /// Whether the pointer is known.
    pub fn knows_pointer(&self) -> bool {
        self.pointer.is_some()
    }

    /// Reads the pointer: the cheap probe.
    ///
    /// # Errors
    /// The problem.
    pub async fn read(&mut self) -> Result<(), Problem> {
        self.pointer = None;
        let found = self.requests.get(&self.target.name).await?.map(|pointer| self.known(&pointer));
        let is_same = |(uid, version): &(String, u64)| {
            found.as_ref().is_some_and(|found| found.uid.as_ref() == Some(uid) && found.number() >= *version)
        };
        if !self.known_before.as_ref().is_none_or(is_same) {
            // Deleted, or another cluster, or this one as it was some time ago: no shard is taken for granted, and all is listed anew.
            self.verified.clear();
            self.stop_watching();
            self.watch();
        }
        self.know(found);
        Ok(())
    }

    fn know(&mut self, pointer: Option<Pointer>) {
        self.known_before = pointer.as_ref().and_then(|found| Some((found.uid.clone()?, found.number())));
        self.pointer = Some(pointer);
    }

    /// Whether the pointer is known, is ours, and says that it has this content.
    pub fn says(&self, digest: Digest) -> bool {
        self.held().is_some_and(|held| held.ours && held.digest == Some(digest))
    }

    /// Whether the pointer is known and ours.
    pub fn holds_ours(&self) -> bool {
        self.held().is_some_and(|held| held.ours)
    }

    /// ConfigMap that is written to, as `<namespace>/<name>`.
    pub fn pointer_name(&self) -> String {
        self.requests.full_name(&self.target.name)
    }

    fn known(&self, pointer: &ConfigMap) -> Pointer {
        Pointer {
            uid: pointer.uid(),
            version: pointer.resource_version(),
            is_immutable: pointer.immutable == Some(true),
            held: pointer::read(pointer, &self.target),
        }
    }

    fn held(&self) -> Option<&FoundPointer> {
        self.pointer.as_ref()?.as_ref().map(|pointer| &pointer.held)
    }

    /// The form that the set gets, with its shards.
    async fn form(&self, view: &Arc<View>) -> Result<(Form, Arc<[Shard]>), Problem> {
        let present = self.held().filter(|held| held.ours).and_then(|held| held.form);
        let (layout, view) = (self.layout, view.clone());
        // Hashing and dividing a large set takes a while.
        let divide = move || {
            let form = choose(layout, present, &view)?;
            let shards = match form {
                Form::Single => Arc::from([]),
                Form::Sharded { bits } => view.shards(bits),
            };
            Ok((form, shards))
        };
        match tokio::task::spawn_blocking(divide).await {
            Ok(divided) => divided.map_err(|why: String| Problem::stalled(Reason::TooLarge, why)),
            Err(error) => Err(Problem::transient(Reason::Pending, format!("cannot divide the set: {error}"))),
        }
    }

    /// What differs on the satellite from `view`; nothing if nothing does. Writes nothing.
    ///
    /// # Errors
    /// The problem.
    pub async fn drift(&mut self, view: &Arc<View>) -> Result<Option<Drift>, Problem> {
        if self.pointer.is_none() || self.is_pointer_news(&self.inventory.1.borrow()) {
            self.read().await?;
        }
        let (form, shards) = self.form(view).await?;
        self.look_at_inventory();
        let mut names = self.missing(&shards).await?;
        let held = self.held();
        if !held.is_some_and(|held| held.is(&self.target, view, form)) {
            names.insert(self.target.name.clone());
        }
        let by = held.and_then(|held| held.changed_by.clone());
        Ok(if names.is_empty() { None } else { Some(Drift { names, by }) })
    }

    /// Brings the satellite to `view`; writes nothing if it holds that already.
    ///
    /// # Errors
    /// The problem; what the pointer named before is still there.
    pub async fn pass(&mut self, revision: Revision, view: &Arc<View>) -> Result<Acked, Problem> {
        self.wrote.clear();
        self.first_list().await;
        let mut attempt = 1;
        loop {
            if self.pointer.is_none() || self.is_pointer_news(&self.inventory.1.borrow()) {
                self.read().await?;
            }
            match self.attempt(revision, view).await {
                // It changed since it was read: read it again and decide anew.
                Err(Failure { code: Some(409), .. }) if attempt < ATTEMPTS => {
                    attempt += 1;
                    self.pointer = None;
                }
                Err(failure) => {
                    self.pointer = None;
                    return Err(failure.problem);
                }
                Ok(acked) => return Ok(acked),
            }
        }
    }

    /// Waits for the first list, or for why there is none: what is there already need not be tried to be created. A pass does not
    /// depend on it.
    async fn first_list(&mut self) {
        // A receiver of its own: what it sees is still news for `disturbed`.
        let mut inventory = self.inventory.1.clone();
        // One that did not answer is listed again soon; one that refuses is not.
        let is_refused = |problem: &Problem| problem.contact == Contact::Answered;
        let listed = inventory.wait_for(|inventory| {
            inventory.listed.is_some() || inventory.problem.as_ref().is_some_and(is_refused)
        });
        // Neither is an error here: what cannot be listed is found when it is to be created.
        let _ = tokio::time::timeout(FIRST_LIST, listed).await;
    }

    async fn attempt(&mut self, revision: Revision, view: &Arc<View>) -> Result<Acked, Failure> {
        let known = self.pointer.clone().flatten();
        if let Some(known) = &known {
            let is_identical = known.held.digest == Some(view.digest);
            let name = self.requests.full_name(&self.target.name);
            check_owner(self.adoption, &name, known.held.ours, is_identical)?;
        }
        let (form, shards) = self.form(view).await?;
        self.look_at_inventory();
        let acked = |pointer_revision, wrote: &BTreeSet<String>| Acked {
            pointer_revision,
            digest: view.digest,
            shards: shards.len(),
            wrote: wrote.clone(),
        };
        if let Some(held) =
            known.as_ref().map(|known| &known.held).filter(|held| held.is(&self.target, view, form))
        {
            self.ensure(&shards, revision).await?;
            return Ok(acked(held.revision.unwrap_or(revision), &self.wrote));
        }
        if let Some(known) = &known {
            self.check_revision(&known.held, revision)?;
        }
        self.ensure(&shards, revision).await?;
        let previous = self.previous(known.as_ref().map(|known| &known.held), &shards, view.digest);
        let mut object = match form {
            Form::Single => pointer::single(&self.target, revision, view, &previous),
            Form::Sharded { bits } => {
                pointer::sharded(&self.target, revision, view, bits, &shards, &previous)
            }
        };
        let name = &self.target.name;
        let stored = match known {
            Some(Pointer { is_immutable: false, uid, version, .. }) => {
                object.metadata.uid = uid;
                object.metadata.resource_version = version;
                self.requests.replace(name, &object).await?
            }
            known => {
                if let Some(Pointer { uid, version, .. }) = known {
                    // Someone made it immutable: only a new one can say anything else.
                    self.requests.delete(name, uid, version).await?;
                }
                self.requests.create(name, &object).await?
            }
        };
        self.wrote.insert(name.clone());
        // The answer is the acknowledgement: what the server stored, not what was sent.
        let stored = self.known(&stored);
        let is_it = stored.held.is(&self.target, view, form);
        self.know(Some(stored));
        if !is_it {
            let message = format!(
                "the satellite stored ConfigMap {} with other content (an admission webhook?)",
                self.pointer_name()
            );
            return Err(Problem::transient(Reason::Rejected, message).into());
        }
        Ok(acked(revision, &self.wrote))
    }

    /// The same or a newer revision with other content: someone changed it, or another term wrote it. Only a higher revision may
    /// replace it.
    fn check_revision(&self, held: &FoundPointer, revision: Revision) -> Result<(), Failure> {
        let Some(theirs) = held.revision.filter(|theirs| held.ours && *theirs >= revision) else {
            return Ok(());
        };
        if theirs == revision {
            return Ok(());
        }
        // Of our own term too: the Lease may have been made anew.
        if !self.claim.raise_above(theirs.term) {
            let name = self.requests.full_name(&self.target.name);
            tracing::warn!(configmap = %name, revision = %theirs, "nobody had this revision: somebody wrote it, and it is overwritten");
            return Ok(());
        }
        let message = format!(
            "ConfigMap {} holds revision {theirs}, which is newer than {revision}; taking a newer term",
            self.requests.full_name(&self.target.name)
        );
        Err(Problem::transient(Reason::Conflict, message).into())
    }

    /// Forgets what the watch says is not there any more.
    fn look_at_inventory(&mut self) {
        let inventory = self.inventory.1.borrow();
        self.verified.retain(|name, verified| !is_lost(&inventory, name, verified));
    }
}

impl Pointer {
    /// Its resourceVersion, which Kubernetes compares as a number; 0 if it is none.
    fn number(&self) -> u64 {
        self.version.as_deref().and_then(number).unwrap_or(0)
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

/// Whether a verified shard is not there any more, or is another one.
fn is_lost(inventory: &Inventory, name: &str, verified: &Verified) -> bool {
    match inventory.items.get(name) {
        Some(item) => item.uid != verified.uid,
        None => {
            inventory.listed.is_some_and(|listed| listed > verified.at)
                || inventory.deleted.get(name) == Some(&verified.uid)
        }
    }
}

/// Nothing of someone else is written over or deleted, unless `spec.adoptionPolicy` says so.
fn check_owner(
    adoption: AdoptionPolicy,
    full_name: &str,
    is_ours: bool,
    is_identical: bool,
) -> Result<(), Problem> {
    let may_adopt = match adoption {
        AdoptionPolicy::Never => false,
        AdoptionPolicy::IfIdentical => is_identical,
        AdoptionPolicy::Always => true,
    };
    if is_ours || may_adopt {
        return Ok(());
    }
    let message = format!(
        "ConfigMap {full_name} exists and is not this SatelliteCluster's; delete it, choose another spec.target.name, or set \
         spec.adoptionPolicy"
    );
    Err(Problem::stalled(Reason::Conflict, message))
}
