//! A set that Icinga refuses.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, Site, condition_of, eventually, generations};
use groundlink::api::agent_report::{AgentResult, HeldContent};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::{Value, json};

fn host(address: &str) -> Value {
    json!({ "host": { "address": address, "checkCommand": "dummy" } })
}

/// A host of this name is in the satellite's own configuration, which the hub cannot know.
fn taken() -> Value {
    json!({ "name": "by hand", "host": { "checkCommand": "dummy" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_object_is_named_on_the_hub_and_the_others_are_loaded() {
    let Some(generation) = generations().pop() else { return };
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    installation.change_satellite("sat-a", json!({ "ackLevel": "Loaded" })).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("192.0.2.1")).await;
    let mut site = Site::prepare(GROUNDLINK, &installation, "sat-a", generation, "signal").await;
    site.start_icinga().await;
    site.lists(&[("web", "192.0.2.1")]).await;
    installation.synced("team-a", "web").await;

    installation.put("team-a", "twice", taken()).await;
    installation.put("team-a", "web", host("192.0.2.2")).await;
    site.lists(&[("web", "192.0.2.2")]).await;
    let report = site.reports("the held object", |report| report.result == AgentResult::LoadedInPart).await;
    assert_eq!(report.object.as_deref(), Some("team-a/twice"));
    assert_eq!((report.held.len(), report.held[0].content), (1, HeldContent::LeftOut));
    let rejected = (ConditionStatus::False, Reason::Rejected);
    let said = installation.satellite_says("sat-a", ConditionType::Loaded, rejected, GENEROUS).await;
    assert!(said.contains("team-a/twice"), "{said}");
    // Only this object is at fault, and it says why.
    let message = eventually(GENEROUS, "Synced of the object says Rejected", async || {
        let object = installation.objects("team-a").get("twice").await.map_err(|error| error.to_string())?;
        match condition_of(&object, ConditionType::Synced) {
            Some((ConditionStatus::False, Reason::Rejected, message)) => Ok(message),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(message.contains("sat-a") && message.contains("re-defined"), "{message}");
    installation.synced("team-a", "web").await;

    // A good revision heals everything.
    installation.delete("team-a", "twice").await;
    site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;
    let loaded = (ConditionStatus::True, Reason::Loaded);
    installation.satellite_says("sat-a", ConditionType::Loaded, loaded, GENEROUS).await;
}
