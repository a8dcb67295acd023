//! What is killed, and by whom.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, Site, generations};
use groundlink::api::agent_report::AgentResult;
use serde_json::{Value, json};

fn host(address: &str) -> Value {
    json!({ "host": { "address": address, "checkCommand": "dummy" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_and_icinga_are_killed_and_come_back_with_the_whole_set() {
    let Some(generation) = generations().pop() else { return };
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("192.0.2.1")).await;
    let mut site = Site::prepare(GROUNDLINK, &installation, "sat-a", generation, "signal").await;
    site.start_icinga().await;
    site.lists(&[("web", "192.0.2.1")]).await;

    // Without an agent Icinga goes on, and starts with the last good set.
    site.agent.kill();
    site.icinga.kill();
    installation.put("team-a", "db", host("192.0.2.2")).await;
    installation.synced("team-a", "db").await;
    site.icinga.start().await;
    site.lists(&[("web", "192.0.2.1")]).await;
    site.restart_agent();
    site.lists(&[("web", "192.0.2.1"), ("db", "192.0.2.2")]).await;

    // Without Icinga the agent puts the newest set in place, and waits for its proof.
    site.icinga.kill();
    installation.put("team-a", "mail", host("192.0.2.3")).await;
    let wanted = site.reports("that nobody proves it", |report| {
        report.result == AgentResult::Unproved && report.message.contains("does not answer")
    });
    wanted.await;
    site.icinga.start().await;
    site.lists(&[("web", "192.0.2.1"), ("db", "192.0.2.2"), ("mail", "192.0.2.3")]).await;
    site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_one_directory_is_refused() {
    let Some(generation) = generations().pop() else { return };
    let installation = Installation::start(&["sat-a"]).await;
    let site = Site::prepare(GROUNDLINK, &installation, "sat-a", generation, "signal").await;
    site.agent.base_url().await;
    let second = site.another_agent();
    assert!(!second.wait(GENEROUS).await.success());
    assert!(second.log_text().contains("another agent uses this directory"), "{}", second.log_text());
    assert!(site.agent.exit_status().is_none());
}
