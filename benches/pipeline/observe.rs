//! Witnesses: watches of the benchmark's own client that note when something became visible.

use anyhow::{Context as _, bail};
use futures::StreamExt;
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A watch, and what was seen by it. Dropping it ends the watch.
pub struct Observer<S> {
    seen: watch::Receiver<S>,
    task: JoinHandle<()>,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
}

/// Opens a watch on everything after this moment.
pub async fn open<T: Clone + DeserializeOwned>(
    client: &Client,
    path: &str,
    selector: &str,
    accept: &str,
) -> anyhow::Result<impl futures::Stream<Item = kube::Result<WatchEvent<T>>> + use<T>> {
    let list = Request::get(format!("{path}?limit=1{selector}")).body(Vec::new())?;
    let list: List = client.request(list).await.context("list")?;
    let version = list.metadata.resource_version;
    let uri = format!("{path}?watch=1&timeoutSeconds=7200&resourceVersion={version}{selector}");
    let request = Request::get(uri).header(http::header::ACCEPT, accept).body(Vec::new())?;
    Ok(client.request_events::<T>(request).await.context("watch")?)
}

impl<S: Default + Send + Sync + 'static> Observer<S> {
    async fn start<T, F>(
        client: &Client,
        path: &str,
        selector: &str,
        accept: &str,
        fold: F,
    ) -> anyhow::Result<Self>
    where
        T: Clone + DeserializeOwned + Send + 'static,
        F: Fn(&mut S, T, Instant) + Send + 'static,
    {
        let events = open::<T>(client, path, selector, accept).await?;
        let (sender, seen) = watch::channel(S::default());
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(events);
            // A watch that ends drops the sender, and whoever waits is told.
            while let Some(Ok(event)) = events.next().await {
                if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                    let now = Instant::now();
                    sender.send_modify(|seen| fold(seen, object, now));
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// Waits until `done` returns something of what was seen.
    pub async fn until<T>(
        &mut self,
        deadline: Duration,
        what: &str,
        done: impl Fn(&S) -> Option<T>,
    ) -> anyhow::Result<T> {
        match tokio::time::timeout(deadline, self.seen.wait_for(|seen| done(seen).is_some())).await {
            Ok(Ok(seen)) => done(&seen).context("seen and gone"),
            Ok(Err(_)) => bail!("the watch ended while waiting: {what}"),
            Err(_) => bail!("not within {deadline:?}: {what}"),
        }
    }
}

impl<S> Drop for Observer<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When each object was first seen with a condition.
#[derive(Default)]
pub struct Objects {
    /// With `Ready=True`.
    pub ready: HashMap<String, Instant>,
    /// With `Synced=True`.
    pub synced: HashMap<String, Instant>,
}

/// When the last of `count` objects arrived.
pub fn last_of(times: &HashMap<String, Instant>, count: usize) -> Option<Instant> {
    if times.len() < count { None } else { times.values().max().copied() }
}

/// The part of an object that is looked at.
#[derive(Clone, Deserialize)]
pub struct Seen {
    /// Who it is.
    pub metadata: SeenMetadata,
    status: Option<SeenStatus>,
}

/// Part of the metadata.
#[derive(Clone, Deserialize)]
pub struct SeenMetadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Generation.
    pub generation: i64,
}

#[derive(Clone, Deserialize)]
struct SeenStatus {
    #[serde(default)]
    conditions: Vec<SeenCondition>,
}

#[derive(Clone, Deserialize)]
struct SeenCondition {
    r#type: String,
    status: String,
}

/// Watches the MonitoringObjects of a namespace.
pub async fn objects(client: &Client, namespace: &str) -> anyhow::Result<Observer<Objects>> {
    let fold = |objects: &mut Objects, seen: Seen, now| {
        for condition in seen.status.into_iter().flat_map(|status| status.conditions) {
            let times = match (condition.r#type.as_str(), condition.status.as_str()) {
                ("Ready", "True") => &mut objects.ready,
                ("Synced", "True") => &mut objects.synced,
                _ => continue,
            };
            times.entry(seen.metadata.name.clone()).or_insert(now);
        }
    };
    Observer::start(client, &crate::load::path(namespace), "", "application/json", fold).await
}

const POINTER: &str = "/api/v1/namespaces/icinga/configmaps";
const SELECTOR: &str = "&fieldSelector=metadata.name%3Dgroundlink";

#[derive(Clone, Deserialize)]
struct Pointer {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Watches a satellite's pointer: when it first held each file.
pub async fn files(client: &Client) -> anyhow::Result<Observer<HashMap<String, Instant>>> {
    let fold = |files: &mut HashMap<String, Instant>, pointer: Pointer, now| {
        for key in pointer.data.into_keys() {
            files.entry(key).or_insert(now);
        }
    };
    Observer::start(client, POINTER, SELECTOR, "application/json", fold).await
}

#[derive(Clone, Deserialize)]
struct Labelled {
    metadata: Annotated,
}

#[derive(Clone, Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// Watches the metadata of a satellite's pointer: when it first said that it holds so many files. (What it really holds is
/// compared afterwards; to look at 600 KiB ten times a second would be a load of its own.)
pub async fn counts(client: &Client) -> anyhow::Result<Observer<BTreeMap<usize, Instant>>> {
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let fold = |counts: &mut BTreeMap<usize, Instant>, pointer: Labelled, now| {
        let count = pointer.metadata.annotations.get("groundlink.dev/objects");
        if let Some(count) = count.and_then(|text| text.parse().ok()) {
            counts.entry(count).or_insert(now);
        }
    };
    Observer::start(client, POINTER, SELECTOR, accept, fold).await
}
