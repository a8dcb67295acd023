//! A witness of the ConfigMaps of one satellite. A watch replays every state of the store, and the
//! independent reader reads each. A state that is not a complete set is a complaint.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::task::JoinHandle;

use super::reader::{Delivered, Maps, Place, Reader, Revision};
use super::wait::eventually;

#[derive(Default)]
struct Seen {
    maps: Maps,
    last: Option<Delivered>,
    turns: Vec<Revision>,
    complaints: Vec<String>,
    events: usize,
    created: Vec<String>,
    markers: BTreeSet<String>,
}

/// The witness. Dropping it ends the watch.
pub struct SatelliteWatch {
    place: Place,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl SatelliteWatch {
    /// Watches from this moment on.
    pub async fn start(place: &Place, reader: &Reader) -> Self {
        let api = place.api();
        let list = api.list(&ListParams::default()).await.expect("the satellite answers");
        let version = list.metadata.resource_version.clone().expect("a list has a version");
        let maps = list.items.into_iter().map(|map| (map.name_any(), map)).collect();
        let mut first = Seen { maps, ..Seen::default() };
        first.judge(reader, place, "at the start");
        let seen = Arc::new(Mutex::new(first));
        let task = tokio::spawn(follow(api, version, place.clone(), reader.clone(), seen.clone()));
        Self { place: place.clone(), seen, task }
    }

    /// Returns when everything that happened before this call has been read.
    pub async fn caught_up(&self) {
        let name = format!("witness-{:08x}", rand::random::<u32>());
        let marker: ConfigMap =
            serde_json::from_value(json!({ "metadata": { "name": name } })).expect("valid");
        let api = self.place.api();
        api.create(&PostParams::default(), &marker).await.expect("the marker is created");
        eventually(Duration::from_secs(60), "the watch sees the marker", async || {
            assert!(!self.task.is_finished(), "the watch ended: {:?}", self.lock().complaints);
            if self.lock().markers.contains(&name) { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        api.delete(&name, &DeleteParams::default()).await.expect("the marker is deleted");
    }

    /// Returns the revision of every state of the pointer so far.
    pub fn turns(&self) -> Vec<Revision> {
        self.lock().turns.clone()
    }

    /// Returns the name of every ConfigMap created so far, in order. A recreated one is there
    /// again.
    pub fn created(&self) -> Vec<String> {
        self.lock().created.clone()
    }

    /// Returns the complaints so far.
    pub fn complaints(&self) -> Vec<String> {
        self.lock().complaints.clone()
    }

    /// Panics unless every state was complete and no revision went back.
    pub async fn assert_clean(&self) {
        self.caught_up().await;
        let seen = self.lock();
        assert!(
            seen.complaints.is_empty(),
            "{} of {} states of {} were wrong: {:#?}",
            seen.complaints.len(),
            seen.events,
            self.place.satellite,
            &seen.complaints[..seen.complaints.len().min(10)]
        );
        // A watch without events would prove nothing.
        assert!(seen.events > 0, "the watch saw nothing");
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SatelliteWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    /// Checks the current state, after `what` happened.
    fn judge(&mut self, reader: &Reader, place: &Place, what: &str) {
        if !self.maps.contains_key(&place.pointer) {
            if self.last.take().is_some() {
                self.complaints.push(format!("{what}: the pointer is gone"));
            }
            return;
        }
        let found = match reader.read(&self.maps, &place.pointer, &place.satellite) {
            Ok(found) => found,
            Err(why) => return self.complaints.push(format!("{what}: {why}")),
        };
        if self.last.as_ref() == Some(&found) {
            return;
        }
        if let Some(last) =
            self.last.as_ref().filter(|last| last.shards != found.shards || last.digest != found.digest)
        {
            if found.revision <= last.revision {
                let text = format!("{what}: revision {:?} after {:?}", found.revision, last.revision);
                self.complaints.push(text);
            }
            let named: BTreeSet<_> = last.shards.difference(&found.shards).cloned().collect();
            if found.previous != named {
                let text = format!(
                    "{what}: {:?} says that only the previous revision names {:?}; it was {named:?}",
                    found.revision, found.previous
                );
                self.complaints.push(text);
            }
        } else if let Some(last) = self.last.as_ref().filter(|last| found.revision < last.revision) {
            self.complaints.push(format!("{what}: revision {:?} after {:?}", found.revision, last.revision));
        }
        self.turns.push(found.revision);
        self.last = Some(found);
    }
}

async fn follow(
    api: Api<ConfigMap>,
    mut version: String,
    place: Place,
    reader: Reader,
    seen: Arc<Mutex<Seen>>,
) {
    let complain = |why: String| seen.lock().unwrap_or_else(PoisonError::into_inner).complaints.push(why);
    loop {
        let mut events = match api.watch(&WatchParams::default().timeout(280), &version).await {
            Ok(events) => events.boxed(),
            Err(error) => {
                // The server may be stopped for a while, which loses no event.
                complain_if_lost(&error.to_string(), &complain);
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while let Ok(Some(event)) = events.try_next().await {
            let (map, gone) = match event {
                WatchEvent::Added(map) | WatchEvent::Modified(map) => (map, false),
                WatchEvent::Deleted(map) => (map, true),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) => {
                    complain(format!("the watch cannot go on: {}", status.message));
                    return;
                }
            };
            version = map.resource_version().unwrap_or(version);
            let name = map.name_any();
            let what = format!("{} {name} ({version})", if gone { "deleted" } else { "written" });
            let (reader, place, seen) = (reader.clone(), place.clone(), seen.clone());
            // Unpacking starts programs and waits for them.
            let judged = tokio::task::spawn_blocking(move || {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if name.starts_with("witness-") {
                    seen.markers.insert(name);
                    return;
                }
                seen.events += 1;
                if gone {
                    seen.maps.remove(&name);
                } else if seen.maps.insert(name.clone(), map).is_none() {
                    seen.created.push(name);
                }
                seen.judge(&reader, &place, &what);
            });
            if let Err(error) = judged.await {
                complain(format!("the witness itself failed: {error}"));
                return;
            }
        }
    }
}

fn complain_if_lost(error: &str, complain: &impl Fn(String)) {
    if error.contains("too old") || error.contains("Expired") {
        complain(format!("events were lost: {error}"));
    }
}
