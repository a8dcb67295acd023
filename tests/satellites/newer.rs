//! A SatelliteCluster that a newer CRD admitted, and that this operator cannot read.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, condition_of, eventually, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason, SatelliteCluster};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::json;

const DRIFT_POLICY: &str =
    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/driftPolicy/enum/-";

/// It stops no other satellite, not even at a start, and it keeps what it has: it was not deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_cannot_be_read_stops_no_other_and_is_reported() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    installation.namespace("team-a").await;
    let crd = json!([{ "op": "add", "path": DRIFT_POLICY, "value": "Mirror" }]).to_string();
    let name = "satelliteclusters.groundlink.dev";
    installation.kubectl(&["patch", "crd", name, "--type=json", "-p", &crd]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "first", host("first")).await;
    installation.synced("team-a", "first").await;

    let kind = ApiResource::erase::<SatelliteCluster>(&());
    let satellites = Api::<DynamicObject>::namespaced_with(installation.hub.clone(), OPERATOR, &kind);
    let set_policy = async |policy: &str| {
        let patch = Patch::Merge(json!({ "spec": { "driftPolicy": policy } }));
        eventually(GENEROUS, "the API server knows the new CRD", async || {
            let patched = satellites.patch("sat-b", &PatchParams::default(), &patch).await;
            patched.map(drop).map_err(|error| error.to_string())
        })
        .await;
    };
    let is_reported = async || {
        eventually(GENEROUS, "sat-b says that it cannot be read", async || {
            let object = satellites.get("sat-b").await.map_err(|error| error.to_string())?;
            let all = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = all.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
            let message = ready["message"].as_str().unwrap_or_default();
            match ready["reason"] == "Unsupported" && message.contains("Mirror") {
                true => Ok(()),
                false => Err(ready.to_string()),
            }
        })
        .await;
    };
    set_policy("Mirror").await;
    is_reported().await;
    installation.put("team-a", "second", host("second")).await;
    installation.holds_keys("sat-a", "groundlink", &["team-a.first.conf", "team-a.second.conf"]).await;

    // A new process reads it for the first time. It knows nothing but the name.
    operator.terminate(GENEROUS).await;
    let writes = installation.satellite_writes().len();
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "third", host("third")).await;
    let all = ["team-a.first.conf", "team-a.second.conf", "team-a.third.conf"];
    installation.holds_keys("sat-a", "groundlink", &all).await;
    is_reported().await;
    operator.wait_for_log("cannot be read by this version of the operator", GENEROUS).await;
    installation.holds_keys("sat-b", "groundlink", &all[..1]).await;
    let late = installation.satellite_writes().split_off(writes);
    assert!(late.iter().all(|exchange| exchange.server == "sat-a"), "{late:#?}");
    // Nobody claims that it has the object.
    installation.published("team-a", "third").await;
    eventually(GENEROUS, "the object says why sat-b lacks it", async || {
        let object = installation.objects("team-a").get("third").await.map_err(|error| error.to_string())?;
        match condition_of(&object, ConditionType::Synced) {
            Some((ConditionStatus::False, Reason::SatelliteFailing, message))
                if message.contains("waiting for sat-b (Unsupported)") =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    set_policy("Correct").await;
    installation.holds_keys("sat-b", "groundlink", &all).await;
    installation.synced("team-a", "third").await;
}
