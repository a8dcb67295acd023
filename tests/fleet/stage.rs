//! Shared by the tests of this suite: equality by the independent reader, and waiting for the hub.

use crate::support::reader::{Delivered, Files, difference, digest_of, published};
use crate::support::{Installation, Place, Reader, condition_of, eventually, eventually_every};
use groundlink::api::{Condition, ConditionStatus, ConditionType, MonitoringObject, Reason};
use kube::api::{Api, ListParams};
use std::path::Path;
use std::time::Duration;

/// Namespace of the objects.
pub const TEAM: &str = "team-a";
/// A deadline for slow steps that only a failure reaches.
pub const LONG: Duration = Duration::from_secs(300);

/// Interval between two probes of something large.
const INTERVAL: Duration = Duration::from_millis(150);

/// Waits until a satellite holds exactly these files, by the independent reader.
pub async fn equal(place: &Place, reader: &Reader, wanted: &Files, deadline: Duration) -> Delivered {
    let digest = digest_of(wanted);
    let what = format!("{} holds {} files, {digest}", place.satellite, wanted.len());
    eventually_every(INTERVAL, deadline, &what, async || {
        // A pointer with another digest need not be unpacked.
        let marked = place.marked_digest().await?;
        if marked != digest {
            return Err(format!("its pointer claims {marked}"));
        }
        let delivered = place.read(reader).await?;
        match difference(wanted, &delivered.files) {
            None => Ok(delivered),
            Some(difference) => Err(difference),
        }
    })
    .await
}

/// Waits until the volume holds `all` files, and `is_like` is true for `like` of them.
pub async fn volume_holds(volume: &Path, all: usize, like: usize, is_like: impl Fn(&str) -> bool) -> Files {
    let what = format!("the volume holds {all} files, {like} of them with the expected content");
    eventually_every(INTERVAL, LONG, &what, async || {
        let files = published(volume);
        let found = files.values().filter(|bytes| is_like(&String::from_utf8_lossy(bytes))).count();
        if (files.len(), found) == (all, like) {
            Ok(files)
        } else {
            Err(format!("{} files, {found} with the expected content", files.len()))
        }
    })
    .await
}

/// Waits until there are this many MonitoringObjects, each Ready at its current generation.
pub async fn all_ready(installation: &Installation, count: usize) {
    all_have(installation, ConditionType::Ready, count).await;
}

/// Waits until there are this many MonitoringObjects, each with the condition True at its current
/// generation.
pub async fn all_have(installation: &Installation, kind: ConditionType, count: usize) {
    let api = Api::<MonitoringObject>::namespaced(installation.hub.clone(), TEAM);
    eventually_every(INTERVAL, LONG, &format!("{count} objects are {kind:?}"), async || {
        let list = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let is_true = |object: &&MonitoringObject| {
            condition_of(object, kind).is_some_and(|(status, _, _)| status == ConditionStatus::True)
        };
        let found = list.iter().filter(is_true).count();
        if (list.items.len(), found) == (count, count) {
            Ok(())
        } else {
            Err(format!("{found} of {}", list.items.len()))
        }
    })
    .await;
}

/// Waits until a condition of a SatelliteCluster has this status, and one of these reasons.
pub async fn says(
    installation: &Installation,
    name: &str,
    kind: ConditionType,
    status: ConditionStatus,
    reasons: &[&str],
) -> Condition {
    eventually(LONG, &format!("{name} says {kind:?}={status:?} {reasons:?}"), async || {
        let object = installation.satellites().get(name).await.map_err(|error| error.to_string())?;
        let conditions = object.status.map(|status| status.conditions).unwrap_or_default();
        match conditions.into_iter().find(|condition| condition.r#type == kind) {
            Some(c) if c.status == status && reasons.contains(&format!("{:?}", c.reason).as_str()) => Ok(c),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// Suspends a satellite, and waits until the operator has seen that.
pub async fn suspend(installation: &Installation, satellite: &str) {
    installation.change_satellite(satellite, serde_json::json!({ "suspend": true })).await;
    let suspended = (ConditionStatus::False, Reason::Suspended);
    installation.satellite_says(satellite, ConditionType::Ready, suspended, LONG).await;
}
