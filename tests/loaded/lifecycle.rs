//! From kubectl on the hub to the object list of each satellite's Icinga.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, Site, generations};
use groundlink::api::agent_report::AgentResult;
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::{Value, json};

fn host(address: &str) -> Value {
    json!({ "host": { "address": address, "checkCommand": "dummy" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_on_the_hub_is_what_icinga_lists() {
    let satellites = ["sat-a", "sat-b"];
    let generations = generations();
    let (Some(oldest), Some(newest)) = (generations.first(), generations.last()) else { return };
    let installation = Installation::start(&satellites).await;
    installation.namespace("team-a").await;
    for satellite in satellites {
        installation.change_satellite(satellite, json!({ "ackLevel": "Loaded" })).await;
    }
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("192.0.2.1")).await;
    installation.put("team-a", "db", host("192.0.2.2")).await;

    // One is reloaded by its API, the other by a signal.
    let mut sites = Vec::new();
    for (satellite, generation, reload) in [("sat-a", oldest, "api"), ("sat-b", newest, "signal")] {
        let mut site = Site::prepare(GROUNDLINK, &installation, satellite, generation, reload).await;
        site.start_icinga().await;
        sites.push(site);
    }
    for site in &sites {
        site.lists(&[("web", "192.0.2.1"), ("db", "192.0.2.2")]).await;
        let report = site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;
        assert!(report.icinga_version.contains(site.icinga.generation), "{report:?}");
        assert!(report.held.is_empty() && report.running.is_some());
    }
    for name in ["web", "db"] {
        installation.synced("team-a", name).await;
    }
    for satellite in satellites {
        let loaded = (ConditionStatus::True, Reason::Loaded);
        installation.satellite_says(satellite, ConditionType::Loaded, loaded, GENEROUS).await;
    }

    // Changed, created, deleted.
    installation.put("team-a", "web", host("192.0.2.9")).await;
    installation.put("team-a", "mail", host("192.0.2.3")).await;
    installation.delete("team-a", "db").await;
    for site in &sites {
        site.lists(&[("web", "192.0.2.9"), ("mail", "192.0.2.3")]).await;
    }
    for name in ["web", "mail"] {
        installation.synced("team-a", name).await;
    }
    // Renamed.
    installation.delete("team-a", "mail").await;
    installation.put("team-a", "smtp", host("192.0.2.3")).await;
    for site in &sites {
        site.lists(&[("web", "192.0.2.9"), ("smtp", "192.0.2.3")]).await;
        site.reports("its checks", |report| {
            report.checked.as_ref().is_some_and(|checked| checked.checkables == 2)
        })
        .await;
    }
}
