//! Executes the requests of a [`Delivery`] for one satellite, and hands in the answers. It decides
//! nothing.

mod agents;
mod follow;
mod requests;

pub use agents::AgentWatch;
pub use requests::Requests;

use super::core::delivery::{Delivery, Ended, Facts, Job, Outcome};
use super::core::inventory::Event;
use super::core::requests::{Answer, Command, Failed, FoundShard, Identity, Request};
use super::problem::Problem;
use crate::api::Reason;
use crate::lease::Leadership;
use crate::snapshot::pointer::{self, Destination};
use follow::follow;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Events of the watch that wait to be looked at. A satellite that sends more waits itself.
const EVENTS: usize = 256;

/// The way to one satellite, and what is known of it.
pub struct Remote {
    delivery: Delivery,
    requests: Requests,
    leadership: Leadership,
    /// The times of the delivery count from here.
    origin: Instant,
    watch: Option<Following>,
}

/// The task that follows what is on the satellite.
struct Following {
    number: u64,
    events: mpsc::Receiver<Event>,
    task: AbortOnDropHandle<()>,
}

impl Remote {
    /// Returns the way to the destination of this delivery.
    pub fn new(requests: Requests, delivery: Delivery, leadership: Leadership) -> Self {
        Self { delivery, requests, leadership, origin: Instant::now(), watch: None }
    }

    /// Watches the Leases of the agents in the target's namespace. Times count from `origin`.
    pub fn watch_agents(&self, origin: Instant) -> AgentWatch {
        AgentWatch::begin(&self.requests, origin)
    }

    /// Returns what is known of the satellite.
    pub fn facts(&self) -> Facts {
        self.delivery.facts()
    }

    /// Reads the pointer again before the next decision.
    pub fn forget_pointer(&mut self) {
        self.delivery.forget_pointer();
    }

    /// Follows what is on the satellite from now on.
    pub fn follow(&mut self) {
        if self.watch.as_ref().is_some_and(|watch| watch.task.is_finished()) {
            // It never ends by itself, so it panicked.
            self.delivery.stop_following(self.origin.elapsed());
        }
        self.delivery.follow();
        self.keep_watch();
    }

    /// Stops following.
    pub fn stop_following(&mut self) {
        self.delivery.stop_following(self.origin.elapsed());
        self.keep_watch();
    }

    /// Waits until someone else changed something; or, of a satellite that is well, until changes
    /// cannot be followed any more.
    pub async fn disturbed(&mut self, is_well: bool) {
        while !self.delivery.take_disturbance(is_well) {
            let (number, event) = next_event(&mut self.watch).await;
            self.delivery.observed(number, event, self.origin.elapsed());
        }
    }

    /// Runs a job until it ends.
    ///
    /// # Errors
    /// If it failed, or was not done within `limit`.
    pub async fn run(&mut self, job: Job, limit: Option<Duration>) -> Result<Outcome, Ended> {
        self.delivery.begin(job, limit, self.origin.elapsed());
        let target = self.delivery.target().clone();
        let mut under_way = FuturesUnordered::new();
        loop {
            for command in self.delivery.next(self.origin.elapsed()) {
                let (requests, target, leadership) =
                    (self.requests.clone(), target.clone(), self.leadership.clone());
                under_way.push(execute(requests, target, leadership, command));
            }
            if let Some(ended) = self.delivery.ended() {
                return ended;
            }
            self.keep_watch();
            let wakes = self.delivery.wakes().map(|at| self.origin + at);
            tokio::select! {
                Some((id, answer)) = under_way.next() => {
                    self.delivery.answered(id, answer, self.origin.elapsed());
                }
                (number, event) = next_event(&mut self.watch) => {
                    self.delivery.observed(number, event, self.origin.elapsed());
                }
                () = tokio::time::sleep_until(wakes.unwrap_or(self.origin)), if wakes.is_some() => {}
            }
        }
    }

    /// Runs the watch that the delivery wants, and no other.
    fn keep_watch(&mut self) {
        let wanted = self.delivery.watching();
        if self.watch.as_ref().map(|watch| watch.number) == wanted {
            return;
        }
        self.watch = wanted.map(|number| {
            let (sender, events) = mpsc::channel(EVENTS);
            let selector = self.delivery.target().selector();
            let following = follow(self.requests.clone(), selector, self.origin, sender);
            Following { number, events, task: AbortOnDropHandle::new(tokio::spawn(following)) }
        });
    }
}

/// The next event of the watch, with the watch's number.
async fn next_event(watch: &mut Option<Following>) -> (u64, Event) {
    if let Some(watch) = watch
        && let Some(event) = watch.events.recv().await
    {
        return (watch.number, event);
    }
    std::future::pending().await
}

/// Executes one command.
async fn execute(
    requests: Requests,
    target: Arc<Destination>,
    leadership: Leadership,
    Command { id, request }: Command,
) -> (u64, Answer) {
    let answer = answer(requests, target, leadership, request).await.unwrap_or_else(Answer::Failed);
    (id, answer)
}

async fn answer(
    requests: Requests,
    target: Arc<Destination>,
    leadership: Leadership,
    request: Request,
) -> Result<Answer, Failed> {
    Ok(match request {
        Request::ReadPointer => Answer::Pointer(requests.get(&target.name).await?.map(Box::new)),
        Request::WritePointer(write) => {
            let (name, object) = (&target.name, write.object());
            let stored = match object.metadata.resource_version {
                Some(_) => requests.replace(name, object).await?,
                None => requests.create(name, object).await?,
            };
            Answer::PointerStored(Box::new(stored))
        }
        Request::ReadShard { name, shard } => {
            let Some(found) = requests.get(&name).await? else { return Ok(Answer::Shard(None)) };
            let compare = move || FoundShard::of(&found, shard.shard(), &target);
            Answer::Shard(Some(blocking(&format!("read {name}"), compare).await?))
        }
        Request::CreateShard { name, shard, revision } => {
            let what = format!("pack shard {name}");
            let pack = move || pointer::shard(&target, revision, shard.shard());
            let packed = blocking(&what, pack).await?;
            let object = packed.map_err(|error| cannot(&what, &error))?;
            Answer::shard_stored(&object, &requests.create(&name, &object).await?)
        }
        Request::MarkShard { name, version, revision } => {
            requests.patch_metadata(&name, target.shard_claim(version, revision)).await?;
            Answer::Done
        }
        Request::Delete(Identity { name, uid, version }) => {
            requests.delete(&name, uid, version).await?;
            Answer::Done
        }
        Request::ListPage => {
            let page = requests.page(&target.selector()).await?;
            let identity = |object: kube::core::PartialObjectMeta<ConfigMap>| Identity {
                name: object.name_any(),
                uid: object.uid(),
                version: object.resource_version(),
            };
            Answer::Page(page.into_iter().map(identity).collect())
        }
        Request::Divide { set, layout, present } => {
            blocking("divide the set", move || Answer::divided(&set, layout, present)).await?
        }
        Request::RaiseTerm { above } => {
            let is_raised = leadership.raise_above(above.term);
            if !is_raised {
                let configmap = requests.full_name(&target.name);
                tracing::warn!(%configmap, revision = %above, "no operator had this revision: a person wrote it, and it is overwritten");
            }
            Answer::TermRaised(is_raised)
        }
    })
}

/// Runs slow computations on a thread of their own, where they block no other task.
async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failed> {
    tokio::task::spawn_blocking(work).await.map_err(|error| cannot(what, &error))
}

fn cannot(what: &str, error: &dyn std::error::Error) -> Failed {
    let why = crate::text::clean(&crate::request::causes(error), 200);
    Problem::transient(Reason::Pending, format!("cannot {what}: {why}")).into()
}
