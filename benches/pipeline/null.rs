//! The null operator: watches, answers each create with one status write, and does nothing else. It
//! is the lower bound for every operator that reports in a status.

use crate::observe::{Seen, follow};
use groundlink::api::condition::timestamp_now;
use groundlink::api::monitoring_object::PendingSatellites;
use groundlink::api::{Condition, ConditionStatus, ConditionType, MonitoringObjectStatus, Reason};
use groundlink::identity::{Digest, ObjectKey};
use http::{Request, header};
use kube::Client;
use kube::core::WatchEvent;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Concurrent status writes, as many as Groundlink sends.
const IN_FLIGHT: usize = 16;

/// A running null operator. Dropping it ends it.
pub struct NullOperator {
    task: JoinHandle<()>,
    failed: Arc<AtomicUsize>,
}

impl NullOperator {
    /// Starts it. It answers every object that is created after the return. Use Groundlink's own
    /// account for the client, so that the server does the same work to authenticate and authorize
    /// it.
    pub async fn start(client: Client) -> anyhow::Result<Self> {
        let path = "/apis/groundlink.dev/v1alpha1/monitoringobjects";
        let mut events = follow::<Seen>(&client, path, "", "application/json").await?;
        let failed = Arc::new(AtomicUsize::new(0));
        let counter = failed.clone();
        let task = tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(IN_FLIGHT));
            while let Some((_, event)) = events.recv().await {
                let WatchEvent::Added(object) = event else { continue };
                let Ok(permit) = room.clone().acquire_owned().await else { return };
                let (client, counter) = (client.clone(), counter.clone());
                tokio::spawn(async move {
                    if let Err(error) = answer(&client, &object).await {
                        counter.fetch_add(1, Ordering::Relaxed);
                        eprintln!("null operator: {error}");
                    }
                    drop(permit);
                });
            }
        });
        Ok(Self { task, failed })
    }

    /// Returns the number of writes that the server did not accept.
    pub fn failed(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for NullOperator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns a status of exactly the size of the first one that Groundlink writes for an object that
/// waits for two satellites.
fn status(object: &Seen) -> MonitoringObjectStatus {
    use ConditionStatus::{False, True};
    use ConditionType::{Ready, Reconciling, Stalled, Synced};
    let key = ObjectKey::new(&object.metadata.namespace, &object.metadata.name);
    let generation = object.metadata.generation;
    let condition = |r#type: ConditionType, status, reason: Reason, message: String| Condition {
        r#type: r#type.into(),
        status,
        observed_generation: Some(generation),
        last_transition_time: timestamp_now(),
        reason: reason.into(),
        message,
    };
    let waiting = "0 of 2 satellites have acknowledged; waiting for sat-a (Pending), sat-b (Pending)";
    MonitoringObjectStatus {
        operator: None,
        observed_generation: generation,
        r#type: Some("Host".to_owned()),
        reason: Some("Pending".to_owned()),
        satellites: Some("0/2".to_owned()),
        published_digest: Some(Digest::of(key.name().as_bytes()).to_string()),
        path: Some(key.path()),
        revision: None,
        pending_satellites: Some(PendingSatellites {
            count: 2,
            names: vec!["sat-a".to_owned(), "sat-b".to_owned()],
        }),
        conditions: vec![
            condition(Ready, True, Reason::Published, format!("published as {}", key.path())),
            condition(Synced, False, Reason::Pending, waiting.to_owned()),
            condition(Reconciling, True, Reason::Pending, waiting.to_owned()),
            condition(Stalled, False, Reason::Complete, String::new()),
        ],
    }
}

async fn answer(client: &Client, object: &Seen) -> anyhow::Result<()> {
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": object.metadata.uid },
        { "op": "test", "path": "/metadata/generation", "value": object.metadata.generation },
        { "op": "add", "path": "/status", "value": status(object) },
    ]);
    let path = crate::load::path(&object.metadata.namespace);
    let request = Request::patch(format!("{path}/{}/status?fieldManager=null", object.metadata.name))
        .header(header::CONTENT_TYPE, "application/json-patch+json")
        .header(header::ACCEPT, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        .body(patch.to_string().into_bytes())?;
    client.request_text(request).await?;
    Ok(())
}
