//! Witnesses: watches of the benchmark's own client, which note when a change became visible.

use anyhow::{Context as _, bail};
use futures::StreamExt;
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// A watch, with the state that its events add up to. Dropping it ends the watch.
pub struct Observer<S> {
    seen: watch::Receiver<S>,
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

/// The version of an object, from which a watch can be resumed.
pub trait Versioned {
    /// `metadata.resourceVersion`
    fn version(&self) -> &str;
}

/// How often a watch was resumed, in the whole run.
static RESUMED: AtomicUsize = AtomicUsize::new(0);

/// Returns how often a watch was closed and resumed, in the whole run.
pub fn resumed() -> usize {
    RESUMED.load(Ordering::Relaxed)
}

/// An event, and the time of its arrival.
pub type Arrived<T> = (Instant, WatchEvent<T>);

/// Watches every later change, until the receiver is dropped. An overloaded server closes watches.
/// They are resumed where they ended, with a line of progress, because their next events arrive
/// late.
pub async fn follow<T>(
    client: &Client,
    path: &str,
    selector: &str,
    accept: &'static str,
) -> anyhow::Result<mpsc::UnboundedReceiver<Arrived<T>>>
where
    T: Clone + DeserializeOwned + Versioned + Send + 'static,
{
    let list = Request::get(format!("{path}?limit=1{selector}")).body(Vec::new())?;
    let list: List = client.request(list).await.context("list")?;
    let mut version = list.metadata.resource_version;
    let uri = format!("{path}?watch=1&timeoutSeconds=7200{selector}&resourceVersion=");
    let client = client.clone();
    let open = async move |version: &str| {
        let request = Request::get(format!("{uri}{version}")).header(http::header::ACCEPT, accept);
        Ok::<_, anyhow::Error>(client.request_events::<T>(request.body(Vec::new())?).await?)
    };
    let mut events = open(&version).await.context("watch")?.boxed();
    let (sender, receiver) = mpsc::unbounded_channel();
    let path = path.to_owned();
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                () = sender.closed() => return,
                event = events.next() => event,
            };
            match event {
                Some(Ok(WatchEvent::Error(status))) => {
                    // The server no longer has that version. The closed channel ends every waiting
                    // `until`.
                    crate::progress!("the watch of {path} cannot go on: {}", status.message);
                    return;
                }
                Some(Ok(event)) => {
                    if let WatchEvent::Added(object) | WatchEvent::Modified(object) = &event {
                        version = object.version().to_owned();
                    }
                    // The `select` above notices a dropped receiver.
                    let _ = sender.send((Instant::now(), event));
                }
                other => {
                    let why = other
                        .and_then(Result::err)
                        .map_or_else(|| "closed".into(), |error| error.to_string());
                    crate::progress!(
                        "the watch of {path} ended ({why}) and is resumed; the next times are too long"
                    );
                    RESUMED.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    match open(&version).await {
                        Ok(next) => events = next.boxed(),
                        Err(error) => {
                            crate::progress!("the watch of {path} cannot be resumed yet: {error:#}");
                            // Not a hundred times a second, if the server is down.
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                    }
                }
            }
        }
    });
    Ok(receiver)
}

impl<S: Default + Send + Sync + 'static> Observer<S> {
    async fn start<T, F>(
        client: &Client,
        path: &str,
        selector: &str,
        accept: &'static str,
        fold: F,
    ) -> anyhow::Result<Self>
    where
        T: Clone + DeserializeOwned + Versioned + Send + 'static,
        F: Fn(&mut S, T, Instant) + Send + 'static,
    {
        let mut events = follow::<T>(client, path, selector, accept).await?;
        let (sender, seen) = watch::channel(S::default());
        tokio::spawn(async move {
            loop {
                // The end of the watch drops the sender, which ends every waiting `until`.
                let event = tokio::select! {
                    () = sender.closed() => return,
                    event = events.recv() => event,
                };
                match event {
                    None => return,
                    Some((at, WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                        sender.send_modify(|seen| fold(seen, object, at));
                    }
                    Some(_) => {}
                }
            }
        });
        Ok(Self { seen })
    }

    /// Waits until `done` returns `Some`.
    pub async fn until<T>(
        &mut self,
        deadline: Duration,
        what: &str,
        done: impl Fn(&S) -> Option<T>,
    ) -> anyhow::Result<T> {
        match tokio::time::timeout(deadline, self.seen.wait_for(|seen| done(seen).is_some())).await {
            Ok(Ok(seen)) => done(&seen).context("the condition holds no longer"),
            Ok(Err(_)) => bail!("the watch ended while waiting: {what}"),
            Err(_) => bail!("not within {deadline:?}: {what}"),
        }
    }
}

/// The time at which each object was first seen with a condition.
#[derive(Default)]
pub struct Objects {
    /// With `Ready=True`.
    pub ready: HashMap<String, Instant>,
    /// With `Synced=True`.
    pub synced: HashMap<String, Instant>,
}

/// Returns when the last of `count` objects arrived. None if some have not.
pub fn last_of(times: &HashMap<String, Instant>, count: usize) -> Option<Instant> {
    if times.len() < count { None } else { times.values().max().copied() }
}

/// The fields of an object that the benchmark reads.
#[derive(Clone, Deserialize)]
pub struct Seen {
    /// Its identity.
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
    #[serde(rename = "resourceVersion")]
    version: String,
}

impl Versioned for Seen {
    fn version(&self) -> &str {
        &self.metadata.version
    }
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
    metadata: Annotated,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl Versioned for Pointer {
    fn version(&self) -> &str {
        &self.metadata.version
    }
}

/// Watches a satellite's pointer, and notes when it first held each file.
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

impl Versioned for Labelled {
    fn version(&self) -> &str {
        &self.metadata.version
    }
}

#[derive(Clone, Deserialize)]
struct Annotated {
    #[serde(rename = "resourceVersion")]
    version: String,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// The times of changes in the metadata of a satellite's pointer. The data is checked only at the
/// end, because reading 600 KiB ten times a second would be a load of its own.
#[derive(Default)]
pub struct Pointers {
    /// When it first claimed this number of files.
    pub counts: BTreeMap<usize, Instant>,
    /// When it first claimed this digest.
    pub digests: HashMap<String, Instant>,
    /// The digest that it claims now.
    pub digest: String,
}

impl Pointers {
    /// Returns when it first held at least this many files.
    pub fn at_least(&self, count: usize) -> Option<Instant> {
        self.counts.range(count..).map(|(_, at)| *at).min()
    }

    /// Returns when it first had its current digest. None while that is still `digest`.
    pub fn moved_from(&self, digest: &str) -> Option<Instant> {
        let moved = !self.digest.is_empty() && self.digest != digest;
        moved.then(|| self.digests.get(&self.digest).copied()).flatten()
    }
}

/// Watches the metadata of the pointer in a namespace of a satellite.
pub async fn pointer(client: &Client, namespace: &str) -> anyhow::Result<Observer<Pointers>> {
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let fold = |seen: &mut Pointers, pointer: Labelled, now| {
        let annotation = |name: &str| pointer.metadata.annotations.get(name);
        if let Some(count) = annotation("groundlink.dev/objects").and_then(|text| text.parse().ok()) {
            seen.counts.entry(count).or_insert(now);
        }
        if let Some(digest) = annotation("groundlink.dev/digest") {
            seen.digests.entry(digest.clone()).or_insert(now);
            seen.digest.clone_from(digest);
        }
    };
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    Observer::start(client, &path, SELECTOR, accept, fold).await
}
