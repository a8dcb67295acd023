//! What of ours is on a satellite, followed by a watch of metadata alone: changes by others show within moments, and what nothing
//! names any more can be found.

use super::super::problem::{Contact, Problem};
use super::requests::{ALL, Failure, Requests};
use crate::identity::Revision;
use crate::snapshot::pointer::{PART, PART_SHARD, REVISION};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// After this time the API server ends a watch, and it is begun again.
const WATCH_SECONDS: u32 = 50;
/// A watch that says nothing for this long, not even that it ended, is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// A complete list after this many watches (ten minutes): it heals whatever a watch has missed.
const WATCHES_PER_LIST: u32 = 12;
/// Deletions that are remembered; more than these are found by a new list.
const DELETIONS: usize = 4096;
const BACKOFF_BASE: Duration = Duration::from_millis(500);
const BACKOFF_CAP: Duration = Duration::from_secs(30);

/// One ConfigMap of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub uid: String,
    pub version: String,
    /// Whether it is a shard.
    pub is_shard: bool,
    /// For which revision it was wanted last.
    pub revision: Option<Revision>,
}

/// What of ours is there.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// By name.
    pub items: BTreeMap<String, Item>,
    /// When the last complete list began, by [`Sequence`]; nothing before the first.
    pub listed: Option<u64>,
    /// What was deleted since then: name and uid.
    pub deleted: BTreeMap<String, String>,
    /// Why there is no watch now.
    pub problem: Option<Problem>,
    /// When changes could last have been missed.
    pub lost: Option<Instant>,
}

/// The order of what one process did to one satellite.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl Sequence {
    /// The next number.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Follows what is ours, for ever.
pub async fn follow(
    requests: Requests,
    selector: String,
    sequence: Sequence,
    inventory: Arc<watch::Sender<Inventory>>,
) {
    let mut failures = 0;
    loop {
        let problem = match list_and_watch(&requests, &selector, &sequence, &inventory, &mut failures).await {
            Ok(()) => continue,
            Err(failure) => failure.problem,
        };
        failures += 1;
        inventory.send_modify(|inventory| {
            // Nobody knows what happens there until it is listed again.
            if inventory.listed.take().is_some() || problem.contact == Contact::Silent {
                inventory.lost = Some(Instant::now());
            }
            inventory.problem = Some(problem);
        });
        let ceiling = BACKOFF_BASE.saturating_mul(1 << failures.min(10)).min(BACKOFF_CAP);
        tokio::time::sleep(ceiling.mul_f64(rand::random_range(0.3..1.0))).await;
    }
}

async fn list_and_watch(
    requests: &Requests,
    selector: &str,
    sequence: &Sequence,
    inventory: &watch::Sender<Inventory>,
    failures: &mut u32,
) -> Result<(), Failure> {
    let began = sequence.next();
    let (items, mut version) = requests.list(selector).await?;
    inventory.send_modify(|inventory| {
        inventory.items = items.iter().map(|object| (object.name_any(), item(object))).collect();
        inventory.listed = Some(began);
        inventory.deleted.clear();
    });
    let parameters = WatchParams::default().labels(selector).timeout(WATCH_SECONDS);
    for _ in 0..WATCHES_PER_LIST {
        let begin = requests.configmaps().watch_metadata(&parameters, &version);
        let mut events = requests.bounded("watch", ALL, begin).await?.boxed();
        *failures = 0;
        inventory.send_if_modified(|inventory| inventory.problem.take().is_some());
        let since = Instant::now();
        loop {
            match tokio::time::timeout(SILENCE, events.next()).await {
                // Ended by the server's own timeout.
                Ok(None) => break,
                Ok(Some(Ok(WatchEvent::Error(status)))) if status.code == 410 => return Ok(()),
                Ok(Some(Ok(WatchEvent::Error(status)))) => {
                    let error = kube::Error::Api(status);
                    return Err(requests.problem("watch", ALL, &error).into());
                }
                Ok(Some(Ok(event))) => {
                    if let Some(newer) = changed(inventory, event) {
                        version = newer;
                    }
                    let count = inventory.borrow().items.len();
                    requests.check_count(count)?;
                    if inventory.borrow().deleted.len() >= DELETIONS {
                        return Ok(());
                    }
                }
                // Cut off, or silent: what happened meanwhile comes with the next watch.
                Ok(Some(Err(_))) | Err(_) => break,
            }
        }
        if since.elapsed() < BACKOFF_BASE * 2 {
            // A server that ends every watch at once is not asked all the time.
            tokio::time::sleep(BACKOFF_BASE.mul_f64(rand::random_range(1.0..2.0))).await;
        }
    }
    Ok(())
}

/// Takes an event, and returns the resourceVersion that it brings.
fn changed(
    inventory: &watch::Sender<Inventory>,
    event: WatchEvent<PartialObjectMeta<ConfigMap>>,
) -> Option<String> {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            inventory.send_modify(|inventory| {
                inventory.items.insert(object.name_any(), item(&object));
            });
            object.resource_version()
        }
        WatchEvent::Deleted(object) => {
            inventory.send_modify(|inventory| {
                inventory.items.remove(&object.name_any());
                inventory.deleted.insert(object.name_any(), object.uid().unwrap_or_default());
            });
            object.resource_version()
        }
        WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
        WatchEvent::Error(_) => None,
    }
}

fn item(object: &PartialObjectMeta<ConfigMap>) -> Item {
    Item {
        uid: object.uid().unwrap_or_default(),
        version: object.resource_version().unwrap_or_default(),
        is_shard: object.labels().get(PART).is_some_and(|part| part == PART_SHARD),
        revision: object.annotations().get(REVISION).and_then(|text| text.parse().ok()),
    }
}
