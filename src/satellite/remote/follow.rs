//! The watch of metadata on one satellite, which shows changes by others within moments.

use super::super::core::inventory::{Event, Item};
use super::requests::{ALL, Requests};
use crate::backoff::Backoff;
use crate::satellite::core::requests::Failed;
use crate::snapshot::pointer::{PART, PART_SHARD, REVISION};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The API server ends a watch after this time, and the next one begins.
const WATCH_SECONDS: u32 = 50;
/// A watch that is silent for this long, without even an end, is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// After this many watches (ten minutes), a complete list finds whatever a watch has missed.
const WATCHES_PER_LIST: u32 = 12;
/// Most deletions that are remembered. If there are more, a new list finds them.
const DELETIONS: usize = 4096;
/// The pause after a list or a watch that failed.
const PAUSE: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };
/// A server that ends every watch at once is asked again after this pause, twice at most.
const SHORTEST: Duration = Duration::from_millis(500);

/// The receiver is gone: nobody needs the events.
struct Unheard;

/// The reason to list or watch again.
enum End {
    Failed(Failed),
    Unheard,
}

impl From<Failed> for End {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<Unheard> for End {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

/// Follows the ConfigMaps that the selector chooses until nobody listens. Times count from
/// `origin`.
pub async fn follow(requests: Requests, selector: String, origin: Instant, events: mpsc::Sender<Event>) {
    let mut watch = Watch { requests, selector, origin, events, failures: 0 };
    loop {
        match watch.list_and_watch().await {
            Ok(()) => {}
            Err(End::Unheard) => return,
            Err(End::Failed(failed)) => {
                watch.failures += 1;
                if watch.send(Event::Failed(failed.problem)).await.is_err() {
                    return;
                }
                tokio::time::sleep(PAUSE.pause(watch.failures, rand::random())).await;
            }
        }
    }
}

struct Watch {
    requests: Requests,
    selector: String,
    origin: Instant,
    events: mpsc::Sender<Event>,
    /// Failures in a row.
    failures: u32,
}

impl Watch {
    async fn send(&self, event: Event) -> Result<(), Unheard> {
        self.events.send(event).await.map_err(|_| Unheard)
    }

    /// Lists once and watches from there, until another list is needed.
    async fn list_and_watch(&mut self) -> Result<(), End> {
        let began = self.origin.elapsed();
        let (listed, mut version) = self.requests.list(&self.selector).await?;
        let mut names: BTreeSet<String> = listed.iter().map(ResourceExt::name_any).collect();
        let items = listed.iter().map(|object| (object.name_any(), item(object))).collect();
        drop(listed);
        self.send(Event::Listed { began, items }).await?;
        let mut deletions = 0;
        for _ in 0..WATCHES_PER_LIST {
            let parameters = WatchParams::default().labels(&self.selector).timeout(WATCH_SECONDS);
            let begin = self.requests.configmaps().watch_metadata(&parameters, &version);
            let mut stream = self.requests.bounded("watch", ALL, begin).await?.boxed();
            self.failures = 0;
            self.send(Event::Watching).await?;
            let since = Instant::now();
            // Ended by the server's own timeout, cut off, or silent: what happened meanwhile comes
            // with the next watch.
            while let Ok(Some(Ok(event))) = tokio::time::timeout(SILENCE, stream.next()).await {
                let (event, newer) = match event {
                    WatchEvent::Error(status) if status.code == 410 => return Ok(()),
                    WatchEvent::Error(status) => {
                        let error = kube::Error::Api(status);
                        return Err(Failed::from(self.requests.problem("watch", ALL, &error)).into());
                    }
                    WatchEvent::Bookmark(bookmark) => {
                        version = bookmark.metadata.resource_version;
                        continue;
                    }
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        names.insert(object.name_any());
                        self.requests.check_count(names.len())?;
                        (Event::Changed { name: object.name_any(), item: item(&object) }, object)
                    }
                    WatchEvent::Deleted(object) => {
                        names.remove(&object.name_any());
                        deletions += 1;
                        let uid = object.uid().unwrap_or_default();
                        (Event::Deleted { name: object.name_any(), uid }, object)
                    }
                };
                if let Some(newer) = newer.resource_version() {
                    version = newer;
                }
                self.send(event).await?;
                if deletions >= DELETIONS {
                    return Ok(());
                }
            }
            if since.elapsed() < SHORTEST * 2 {
                tokio::time::sleep(SHORTEST.mul_f64(rand::random_range(1.0..2.0))).await;
            }
        }
        Ok(())
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
