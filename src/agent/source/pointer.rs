//! The set that the operator delivers: a pointer ConfigMap, and its shards.

use super::{Fetched, News};
use crate::agent::core::facts::{FetchProblem, Files, Offer, Wanted, WantedSet};
use crate::api::marks::{DIGEST, REVISION, SHRINK_CONFIRMED};
use crate::follow::{RELIST, follow_one};
use crate::request::{Server, ask};
use crate::snapshot::HeldFile;
use crate::snapshot::verify::{Found, missing, verify};
use crate::text::clean;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::watcher::Event;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait for one ConfigMap.
const DEADLINE: Duration = Duration::from_secs(20);
/// Shards that are read at the same time.
const PARALLEL: usize = 4;

/// The pointer on an API server.
#[derive(Clone)]
pub struct Pointer {
    api: Api<ConfigMap>,
    server: Server,
    name: String,
    /// The newest pointer. None if there is none.
    newest: watch::Receiver<(News, Option<Arc<ConfigMap>>)>,
}

impl Pointer {
    /// Follows the pointer of this name from now on, until every clone is dropped.
    pub fn follow(api: Api<ConfigMap>, server: Server, name: &str) -> Self {
        let (sender, newest) = watch::channel((News::default(), None));
        let pointer = Self { api, server, name: name.to_owned(), newest };
        let (api, server, name) = (pointer.api.clone(), pointer.server.clone(), pointer.name.clone());
        tokio::spawn(async move {
            let stream = follow_events(api, server, name, &sender);
            tokio::select! {
                () = stream => {}
                () = sender.closed() => {}
            }
        });
        pointer
    }

    /// Waits for news. False if there will be none.
    pub async fn changed(&mut self) -> bool {
        self.newest.changed().await.is_ok()
    }

    /// Returns the newest word.
    pub fn news(&mut self) -> News {
        self.newest.borrow_and_update().0.clone()
    }

    /// Fetches the newest set, without the shards whose files are held, and verifies it.
    ///
    /// # Errors
    /// If it cannot be read, or is not what its digests say.
    pub async fn fetch(&self, held: Option<Files>) -> Result<Fetched, FetchProblem> {
        let held = held.unwrap_or_default();
        let newest = self.newest.borrow().clone();
        let (News { wanted: Some(Wanted::Set(set)), .. }, Some(pointer)) = newest else {
            return Err(FetchProblem::Unavailable(format!("ConfigMap {} does not exist", self.name)));
        };
        let names = missing(&pointer, &held);
        let reads = names.into_iter().map(|name| async move {
            let read = ask(DEADLINE, self.api.get_opt(&name)).await.map_err(|failure| {
                let why = self.server.explain(&failure);
                FetchProblem::Unavailable(format!("cannot read ConfigMap {name}: {why}"))
            })?;
            // One that is missing is reported by the verification. Either the pointer has been
            // replaced since, or somebody deleted the shard and the operator writes it again.
            Ok(read.map(|shard| (name, shard)))
        });
        let read: Vec<_> = futures::stream::iter(reads).buffer_unordered(PARALLEL).try_collect().await?;
        let shards: BTreeMap<_, _> = read.into_iter().flatten().collect();
        // Unpacking and hashing would block the probes.
        let verified = tokio::task::spawn_blocking(move || verified(set, &pointer, &shards, &held)).await;
        verified.map_err(|error| FetchProblem::Unavailable(format!("cannot verify the set: {error}")))?
    }
}

fn verified(
    set: WantedSet,
    pointer: &ConfigMap,
    shards: &BTreeMap<String, ConfigMap>,
    held: &Files,
) -> Result<Fetched, FetchProblem> {
    let report = verify(&Found { pointer, shards, inventory: None, held: Some(held) });
    if let Some(problem) = report.problems.first().filter(|_| !report.is_whole()) {
        let more = report.problems.len() - 1;
        let more = if more > 0 { format!(" (and {more} more problems)") } else { String::new() };
        return Err(FetchProblem::NotWhole(format!(
            "revision {} is not whole: ConfigMap {} {}{more}",
            set.revision, problem.config_map, problem.message
        )));
    }
    let read = report
        .files
        .iter()
        .map(|(key, content)| (key.clone(), HeldFile { digest: content.digest, size: content.bytes.len() }));
    let files = read.chain(report.held.clone()).collect();
    let content = report.files.into_iter().map(|(key, content)| (key, content.bytes.into())).collect();
    Ok(Fetched { offer: Offer { set, files: Arc::new(files) }, content })
}

async fn follow_events(
    api: Api<ConfigMap>,
    server: Server,
    name: String,
    sender: &watch::Sender<(News, Option<Arc<ConfigMap>>)>,
) {
    let described = format!("ConfigMap {name}");
    let mut events = pin!(follow_one(api, &name, RELIST));
    let mut listed = None;
    while let Some(event) = events.next().await {
        let pointer = match event {
            Ok(Event::Init) => {
                listed = None;
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed = Some(Arc::new(object));
                continue;
            }
            Ok(Event::InitDone) => listed.take(),
            Ok(Event::Apply(object)) => Some(Arc::new(object)),
            Ok(Event::Delete(_)) => None,
            Err(failure) => {
                let why = format!("cannot follow {described}: {}", server.explain(&failure));
                sender.send_if_modified(|(news, _)| {
                    let is_new = news.trouble.as_ref() != Some(&why);
                    news.trouble = Some(why);
                    is_new
                });
                continue;
            }
        };
        let wanted = pointer.as_deref().map_or(Wanted::Gone, wanted);
        sender.send_replace((News { wanted: Some(wanted), trouble: None }, pointer));
    }
}

/// Returns the set that a pointer names.
fn wanted(pointer: &ConfigMap) -> Wanted {
    let annotation = |name: &str| pointer.metadata.annotations.as_ref()?.get(name).map(String::as_str);
    let revision = annotation(REVISION).and_then(|text| text.parse().ok());
    let digest = annotation(DIGEST).and_then(|text| text.parse().ok());
    match (revision, digest) {
        (Some(revision), Some(digest)) => Wanted::Set(WantedSet {
            revision,
            digest,
            version: clean(pointer.metadata.resource_version.as_deref().unwrap_or_default(), 64),
            shrink_confirmed: annotation(SHRINK_CONFIRMED).and_then(|text| text.parse().ok()),
        }),
        _ => Wanted::Unreadable(format!(
            "annotation {REVISION} or {DIGEST} of ConfigMap {} cannot be read; the operator writes them again, find out who changed them",
            pointer.metadata.name.as_deref().unwrap_or_default()
        )),
    }
}
