//! Writes the statuses of one SatelliteCluster: a mailbox of depth one beside the actor, so that a
//! slow hub API never delays a delivery.

use super::context::{Context, HUB_TIMEOUT};
use super::received::Received;
use crate::api::marks::OPERATOR_MANAGER;
use crate::api::{SatelliteCluster, SatelliteClusterStatus};
use crate::backoff::Backoff;
use crate::lasting::{Change, Lasting};
use crate::ownership::Owner;
use crate::request::ask;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The latest status, with the resource that it was composed from.
pub type Letter = Option<(Arc<SatelliteCluster>, SatelliteClusterStatus)>;

/// Each part of an answer is read by itself: another version may have written it.
type Statuses = Api<Received>;

/// Shortest time between two writes.
const WINDOW: Duration = Duration::from_secs(1);
/// The pause after a failed write; never shorter than [`WINDOW`].
const PAUSE: Backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(30) };

/// Writes the latest status in the mailbox, at most one a second, until the sender or the resource
/// is gone.
pub async fn write(api: Statuses, context: Context, mut mailbox: watch::Receiver<Letter>) {
    let metrics = &context.metrics;
    let mut last: Option<SatelliteClusterStatus> = None;
    // The operator in the stored status, where a write has found another one than the watch had brought.
    let mut found: Option<Option<String>> = None;
    let mut failing = Lasting::default();
    let mut failures = 0;
    loop {
        let next = mailbox.borrow_and_update().clone();
        if let Some((object, status)) = next {
            let satellite = object.metadata.name.as_deref().unwrap_or_default();
            let conditions = status.conditions.iter();
            let words = conditions.map(|c| (c.r#type.as_str(), c.status, c.reason.as_str()));
            metrics.satellite_conditions(satellite, words);
            let recorded = last.as_ref().or(object.status.as_ref());
            let outcome = match recorded == Some(&status) {
                true => Ok(Fate::Stored),
                false if !context.is_current() => Ok(Fate::Postponed),
                false => {
                    let named =
                        found.clone().unwrap_or_else(|| recorded.and_then(|old| old.operator.clone()));
                    match context.claim.owner(named.as_deref()) {
                        Owner::This => patch(&api, &object, &status, None).await,
                        Owner::Nobody | Owner::Former => {
                            patch(&api, &object, &status, Some(json!(named))).await
                        }
                        // The registry holds everything as soon as the watch brings it.
                        Owner::Other => {
                            found = None;
                            Ok(Fate::Postponed)
                        }
                    }
                }
            };
            match outcome {
                Ok(Fate::Gone) => return,
                Ok(Fate::Postponed) => mailbox.mark_changed(),
                Ok(Fate::Another(named)) => {
                    found = Some(named);
                    mailbox.mark_changed();
                }
                Ok(Fate::Stored) => {
                    (last, failures, found) = (Some(status), 0, None);
                    if failing.set(None) == Change::Ended {
                        tracing::info!(satellite, "the status of the SatelliteCluster can be written again");
                    }
                }
                Err(why) => {
                    failures += 1;
                    metrics.satellite_status_write_failed();
                    if let Change::Began(why) | Change::Changed(why) = failing.set(Some(why)) {
                        tracing::warn!(satellite, why, "cannot write the status of the SatelliteCluster");
                    }
                    mailbox.mark_changed();
                }
            }
        }
        let pause = if failures == 0 { WINDOW } else { PAUSE.pause(failures, rand::random()).max(WINDOW) };
        tokio::time::sleep(pause).await;
        // Nobody waits for the last status of an actor that has ended.
        if mailbox.has_changed().is_err() || mailbox.changed().await.is_err() {
            return;
        }
    }
}

/// The outcome of a status write.
enum Fate {
    Stored,
    /// This process is not the leader now.
    Postponed,
    /// The stored status names this operator, or none, instead of the one that was expected.
    Another(Option<String>),
    /// The resource does not exist any more, or it is another one.
    Gone,
}

async fn patch(
    api: &Statuses,
    object: &SatelliteCluster,
    status: &SatelliteClusterStatus,
    named: Option<Value>,
) -> Result<Fate, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let mut patch = vec![json!({ "op": "test", "path": "/metadata/uid", "value": object.metadata.uid })];
    if let Some(named) = &named {
        // Of two operators that find a status of nobody, one gets it. null also matches a field that is not there.
        patch.push(json!({ "op": "test", "path": "/status/operator", "value": named }));
    }
    patch.push(json!({ "op": "add", "path": "/status", "value": status }));
    let patch: Patch<()> = match serde_json::from_value(patch.into()) {
        Ok(patch) => Patch::Json(patch),
        Err(error) => return Err(error.to_string()),
    };
    let parameters = PatchParams { field_manager: Some(OPERATOR_MANAGER.into()), ..PatchParams::default() };
    match ask(HUB_TIMEOUT, api.patch_status(name, &parameters, &patch)).await {
        Ok(_) => Ok(Fate::Stored),
        // 422: a test, or a status that is refused for another reason.
        Err(failure) if matches!(failure.code(), Some(404 | 422)) => {
            match (found(api, object).await, named) {
                (Found::Nothing, _) => Ok(Fate::Gone),
                (Found::Named(stored), Some(named)) if json!(stored) != named => Ok(Fate::Another(stored)),
                _ => Err(failure.to_string()),
            }
        }
        Err(failure) => Err(failure.to_string()),
    }
}

enum Found {
    /// The resource does not exist any more, or it is another one.
    Nothing,
    /// The operator that its status names.
    Named(Option<String>),
    /// There was no answer.
    Unknown,
}

async fn found(api: &Statuses, object: &SatelliteCluster) -> Found {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match ask(HUB_TIMEOUT, api.get_opt(name)).await {
        Ok(Some(found)) if found.object.metadata.uid == object.metadata.uid => {
            Found::Named(found.object.status.and_then(|status| status.operator))
        }
        Ok(_) => Found::Nothing,
        // The write is tried again.
        Err(_) => Found::Unknown,
    }
}
