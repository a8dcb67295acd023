//! The watch of the Leases of agents in one namespace of one satellite: one request that lasts, and
//! none for each change.

use super::requests::Requests;
use crate::api::marks::{MANAGED_BY, PART, PART_AGENT};
use crate::backoff::Backoff;
use crate::request::{Failure, answer};
use crate::satellite::core::agents::{Found, Heard, MOST};
use crate::satellite::explain::Redaction;
use crate::text::clean;
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Events that wait to be looked at. A satellite that sends more waits itself.
const EVENTS: usize = 64;
/// Leases in one page of a list. The largest reports of as many agents fit the largest answer.
const PAGE: u32 = 4;
/// The API server ends a watch after this time, and the next one begins.
const WATCH_SECONDS: u32 = 50;
/// A watch that is silent for this long, without even an end, is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// After this many watches (ten minutes), a list finds whatever a watch has missed.
const WATCHES_PER_LIST: u32 = 12;
/// The pause after a list or a watch that failed.
const PAUSE: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };
/// The pause after an answer that a person must mend. A changed SatelliteCluster or Secret ends it.
const RARE: Duration = Duration::from_secs(300);
/// A server that ends every watch at once, or deletes one Lease after the other, is asked again
/// after this pause, twice at most.
const SHORTEST: Duration = Duration::from_millis(500);
/// Longest text of a failure, in bytes.
const WHY_MAX: usize = 200;

/// The task that watches, and what it saw.
pub struct AgentWatch {
    events: mpsc::Receiver<(Duration, Heard)>,
    task: AbortOnDropHandle<()>,
}

impl AgentWatch {
    /// Begins to watch. Times count from `origin`.
    pub(super) fn begin(requests: &Requests, origin: Instant) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let (client, namespace, deadline, redaction) = requests.parts();
        let api = Api::namespaced(client, &namespace);
        let watch = Watch { api, namespace, deadline, redaction, origin, events: sender, failures: 0 };
        Self { events, task: AbortOnDropHandle::new(tokio::spawn(watch.run())) }
    }

    /// False if the task panicked: it never ends by itself.
    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Returns the next event, and when it came. Waits for ever if the task panicked.
    pub async fn next(&mut self) -> (Duration, Heard) {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

/// Why the Leases are listed again.
enum End {
    Failed {
        code: Option<u16>,
        why: String,
    },
    /// The receiver is gone: nobody needs the events.
    Unheard,
}

struct Watch {
    api: Api<Lease>,
    namespace: Arc<str>,
    deadline: Duration,
    redaction: Redaction,
    origin: Instant,
    events: mpsc::Sender<(Duration, Heard)>,
    /// Failures in a row.
    failures: u32,
}

impl Watch {
    async fn run(mut self) {
        loop {
            match self.list_and_watch().await {
                Ok(()) => {}
                Err(End::Unheard) => return,
                Err(End::Failed { code, why }) => {
                    self.failures += 1;
                    // The API group may also be missing (404).
                    let is_forbidden = matches!(code, Some(403 | 404));
                    if self.send(Heard::Failed { why, is_forbidden }).await.is_err() {
                        return;
                    }
                    let random: f64 = rand::random();
                    let pause = PAUSE.pause(self.failures, random);
                    tokio::time::sleep(if is_forbidden { RARE.mul_f64(0.8 + 0.4 * random) } else { pause })
                        .await;
                }
            }
        }
    }

    async fn send(&self, heard: Heard) -> Result<(), End> {
        self.events.send((self.origin.elapsed(), heard)).await.map_err(|_| End::Unheard)
    }

    /// Waits for an answer until the deadline.
    async fn bounded<T>(
        &self,
        action: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, End> {
        match answer(self.deadline, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(action, &error)),
            Err(late) => Err(self.explain(action, &late)),
        }
    }

    fn failed(&self, action: &str, error: &kube::Error) -> End {
        // Redacted before it is cut: half a token would not be found.
        match error {
            kube::Error::Api(status) => {
                let said = clean(&self.redaction.of(&status.message), WHY_MAX);
                let why =
                    format!("cannot {action} Leases in namespace {}: {} {said}", self.namespace, status.code);
                End::Failed { code: Some(status.code), why }
            }
            error => {
                let text = clean(&self.redaction.of(&crate::request::causes(error)), WHY_MAX);
                let why = format!("cannot {action} Leases in namespace {}: {text}", self.namespace);
                End::Failed { code: None, why }
            }
        }
    }

    fn explain(&self, action: &str, failure: &Failure) -> End {
        let why = format!("cannot {action} Leases in namespace {}: {failure}", self.namespace);
        End::Failed { code: failure.code(), why }
    }

    /// Lists once and watches from there, until another list is needed.
    async fn list_and_watch(&mut self) -> Result<(), End> {
        let selector = format!("{}={},{PART}={PART_AGENT}", MANAGED_BY.0, MANAGED_BY.1);
        let (found, is_more, mut version) = self.list(&selector).await?;
        self.send(Heard::Listed { found, is_more }).await?;
        for _ in 0..WATCHES_PER_LIST {
            let parameters = WatchParams::default().labels(&selector).timeout(WATCH_SECONDS);
            let begin = self.api.watch(&parameters, &version);
            let mut stream = self.bounded("watch", begin).await?.boxed();
            self.failures = 0;
            let since = Instant::now();
            // Ended by the server's own timeout, cut off, or silent: what happened meanwhile comes
            // with the next watch.
            while let Ok(Some(Ok(event))) = tokio::time::timeout(SILENCE, stream.next()).await {
                let lease = match event {
                    WatchEvent::Error(status) if status.code == 410 => {
                        self.rest(since).await;
                        return Ok(());
                    }
                    WatchEvent::Error(status) => return Err(self.failed("watch", &kube::Error::Api(status))),
                    WatchEvent::Bookmark(bookmark) => {
                        version = bookmark.metadata.resource_version;
                        continue;
                    }
                    WatchEvent::Added(lease) | WatchEvent::Modified(lease) => lease,
                    WatchEvent::Deleted(lease) => {
                        self.send(Heard::Deleted(Found::of(&lease).name)).await?;
                        // Another one may take its place: at most so many are known.
                        self.rest(since).await;
                        return Ok(());
                    }
                };
                if let Some(newer) = lease.resource_version() {
                    version = newer;
                }
                self.send(Heard::Changed(Found::of(&lease))).await?;
            }
            self.rest(since).await;
        }
        Ok(())
    }

    /// Pauses after a watch that was short.
    async fn rest(&self, since: Instant) {
        if since.elapsed() < SHORTEST * 2 {
            tokio::time::sleep(SHORTEST.mul_f64(rand::random_range(1.0..2.0))).await;
        }
    }

    /// Lists the first Leases. Returns them, whether there are more, and the resourceVersion.
    async fn list(&self, selector: &str) -> Result<(Vec<Found>, bool, String), End> {
        let mut parameters = ListParams::default().labels(selector).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = self.bounded("list", self.api.list(&parameters)).await?;
            let version = page.metadata.resource_version.unwrap_or_default();
            found.extend(page.items.iter().map(Found::of));
            let token = page.metadata.continue_.filter(|token| !token.is_empty());
            let is_more = found.len() > MOST || found.len() == MOST && token.is_some();
            match token {
                Some(token) if found.len() < MOST && !page.items.is_empty() => {
                    parameters = parameters.continue_token(&token);
                }
                _ => {
                    found.truncate(MOST);
                    return Ok((found, is_more, version));
                }
            }
        }
    }
}
