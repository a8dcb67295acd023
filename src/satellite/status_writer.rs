//! Writes the statuses of one SatelliteCluster: a mailbox of depth one beside the actor, so that a
//! slow hub API never delays a delivery.

use super::context::HUB_TIMEOUT;
use crate::api::marks::OPERATOR_MANAGER;
use crate::api::{SatelliteCluster, SatelliteClusterStatus};
use crate::backoff::Backoff;
use crate::lasting::{Change, Lasting};
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::request::ask;
use kube::api::{Api, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The latest status, with the resource that it was composed from.
pub type Letter = Option<(Arc<SatelliteCluster>, SatelliteClusterStatus)>;

/// Of the answers only the metadata are read: another version may have written the rest.
type Statuses = Api<PartialObjectMeta<SatelliteCluster>>;

/// Shortest time between two writes.
const WINDOW: Duration = Duration::from_secs(1);
/// The pause after a failed write; never shorter than [`WINDOW`].
const PAUSE: Backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(30) };

/// Writes the latest status in the mailbox, at most one a second, until the sender or the resource
/// is gone.
pub async fn write(
    api: Statuses,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    mut mailbox: watch::Receiver<Letter>,
) {
    let mut last: Option<SatelliteClusterStatus> = None;
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
                false if !leadership.is_current() => Ok(Fate::Postponed),
                false => patch(&api, &object, &status).await,
            };
            match outcome {
                Ok(Fate::Gone) => return,
                Ok(Fate::Postponed) => mailbox.mark_changed(),
                Ok(Fate::Stored) => {
                    (last, failures) = (Some(status), 0);
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
    /// The resource does not exist any more, or it is another one.
    Gone,
}

async fn patch(
    api: &Statuses,
    object: &SatelliteCluster,
    status: &SatelliteClusterStatus,
) -> Result<Fate, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": object.metadata.uid },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let patch: Patch<()> = match serde_json::from_value(patch) {
        Ok(patch) => Patch::Json(patch),
        Err(error) => return Err(error.to_string()),
    };
    let parameters = PatchParams { field_manager: Some(OPERATOR_MANAGER.into()), ..PatchParams::default() };
    match ask(HUB_TIMEOUT, api.patch_status(name, &parameters, &patch)).await {
        Ok(_) => Ok(Fate::Stored),
        // 422: the test of the UID, or a status that is refused for another reason.
        Err(failure) if matches!(failure.code(), Some(404 | 422)) && is_gone(api, object).await => {
            Ok(Fate::Gone)
        }
        Err(failure) => Err(failure.to_string()),
    }
}

/// True if the resource does not exist any more.
async fn is_gone(api: &Statuses, object: &SatelliteCluster) -> bool {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match ask(HUB_TIMEOUT, api.get_metadata_opt(name)).await {
        Ok(found) => found.is_none_or(|found| found.metadata.uid != object.metadata.uid),
        // Unknown: the write is tried again.
        Err(_) => false,
    }
}
