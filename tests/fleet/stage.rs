//! What the tests of this suite share: equality by the independent reader, and waiting for the hub.

use crate::support::reader::{Delivered, Files, difference, digest_of, published};
use crate::support::{Installation, Place, Reader, condition_of, eventually, eventually_every};
use groundlink::api::{Condition, ConditionStatus, ConditionType, MonitoringObject, Reason};
use kube::api::{Api, ListParams};
use std::path::Path;
use std::time::Duration;

/// Namespace of the objects.
pub const TEAM: &str = "team-a";
/// A deadline that only a fault reaches, for what takes long on two cores.
pub const LONG: Duration = Duration::from_secs(300);

/// Between two looks at something that is large.
const INTERVAL: Duration = Duration::from_millis(150);

/// Waits until a satellite holds exactly these files, as the reader sees it.
pub async fn equal(place: &Place, reader: &Reader, wanted: &Files, deadline: Duration) -> Delivered {
    let digest = digest_of(wanted);
    let what = format!("{} holds {} files, {digest}", place.satellite, wanted.len());
    eventually_every(INTERVAL, deadline, &what, async || {
        // A pointer that says something else need not be read to its end.
        let marked = place.marked_digest().await?;
        if marked != digest {
            return Err(format!("it says that it holds {marked}"));
        }
        let delivered = place.read(reader).await?;
        match difference(wanted, &delivered.files) {
            None => Ok(delivered),
            Some(difference) => Err(difference),
        }
    })
    .await
}

/// Waits until the volume holds so many files in all, and of so many this is true.
pub async fn volume_holds(volume: &Path, all: usize, like: usize, is_like: impl Fn(&str) -> bool) -> Files {
    let what = format!("the volume holds {all} files, {like} of them as they should be");
    eventually_every(INTERVAL, LONG, &what, async || {
        let files = published(volume);
        let found = files.values().filter(|bytes| is_like(&String::from_utf8_lossy(bytes))).count();
        if (files.len(), found) == (all, like) {
            Ok(files)
        } else {
            Err(format!("{} and {found}", files.len()))
        }
    })
    .await
}

/// Waits until there are so many MonitoringObjects, and each says Ready for its present generation.
pub async fn all_ready(installation: &Installation, count: usize) {
    all_say(installation, ConditionType::Ready, count).await;
}

/// Waits until there are so many MonitoringObjects, and for each a condition is True for its present generation.
pub async fn all_say(installation: &Installation, kind: ConditionType, count: usize) {
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

/// Stops deliveries, and waits until the operator knows it.
pub async fn suspend(installation: &Installation, satellite: &str) {
    installation.change_satellite(satellite, serde_json::json!({ "suspend": true })).await;
    let suspended = (ConditionStatus::False, Reason::Suspended);
    installation.satellite_says(satellite, ConditionType::Ready, suspended, LONG).await;
}
