//! The hub's own Icinga: the agent follows the volume, and asks no API server.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Hook, Icinga, Installation, Operator, condition_of, eventually, generations};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn host(address: &str) -> Value {
    json!({ "host": { "address": address, "checkCommand": "dummy" } })
}

/// Starts the agent of a hub, which reports into this directory. It has no kubeconfig and no Lease.
fn agent(icinga: &Icinga, volume: &str, reports: &str) -> Operator {
    Operator::builder(GROUNDLINK)
        .args(["agent", "--directory", &icinga.text("load"), "--volume", volume, "--report-dir", reports])
        .args(["--icinga", &format!("127.0.0.1:{}", icinga.port()), "--reload", "signal"])
        .args(["--hook", &icinga.text("lib/api/packages/groundlink/include.conf")])
        .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--"])
        .args(icinga.command())
        .env("KUBECONFIG", "/nonexistent")
        .spawn()
}

async fn lists(icinga: &Icinga, agent: &Operator, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<_, _> =
        wanted.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
    eventually(GENEROUS, "the hub's Icinga lists what is published", async || {
        let found = icinga.hosts().await?;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}; {}", agent.log_text())) }
    })
    .await;
}

/// Waits until an object says this of the hub's Icinga. Returns the message.
async fn says(
    installation: &Installation,
    (namespace, name): (&str, &str),
    wanted: (ConditionStatus, Reason),
) -> String {
    eventually(GENEROUS, "the object says what the hub's Icinga runs", async || {
        let object = installation.objects(namespace).get(name).await.map_err(|error| error.to_string())?;
        match condition_of(&object, ConditionType::Loaded) {
            Some((status, reason, message)) if (status, reason) == wanted => Ok(message),
            other => Err(format!("{namespace}/{name} is not {wanted:?}: {other:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_icinga_runs_what_is_published_on_the_volume() {
    let Some(generation) = generations().pop() else { return };
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let shared = tempfile::tempdir().expect("a directory for reports");
    let reports = shared.path().to_str().expect("UTF-8").to_owned();
    let mut operator =
        installation.operator_builder(GROUNDLINK).await.args(["--hub-agent", &reports]).spawn();
    installation.ready(&operator).await;
    installation.put("team-a", "web", host("192.0.2.1")).await;
    installation.published("team-a", "web").await;
    const LOADED: (ConditionStatus, Reason) = (ConditionStatus::True, Reason::Loaded);
    const AWAITED: (ConditionStatus, Reason) = (ConditionStatus::False, Reason::AwaitingAgent);
    const REJECTED: (ConditionStatus, Reason) = (ConditionStatus::False, Reason::Rejected);
    says(&installation, ("team-a", "web"), AWAITED).await;

    let volume = installation.volume().to_str().expect("UTF-8").to_owned();
    let mut icinga = Icinga::prepare(generation, Hook::Missing);
    icinga.admit_the_test();
    let mut running = agent(&icinga, &volume, &reports);
    eventually(GENEROUS, "a set is in place", async || match running.get("/readyz").await {
        (200, _) => Ok(()),
        (_, body) => Err(body),
    })
    .await;
    icinga.start().await;
    lists(&icinga, &running, &[("web", "192.0.2.1")]).await;
    says(&installation, ("team-a", "web"), LOADED).await;

    // Another namespace has a directory of its own on the volume.
    installation.namespace("team-b").await;
    installation.put("team-b", "db", host("192.0.2.2")).await;
    installation.put("team-a", "web", host("192.0.2.9")).await;
    lists(&icinga, &running, &[("web", "192.0.2.9"), ("db", "192.0.2.2")]).await;

    // A host that the hub's own configuration has is refused, and harms nothing else.
    installation
        .put("team-a", "twice", json!({ "name": "by hand", "host": { "checkCommand": "dummy" } }))
        .await;
    installation.put("team-b", "db", host("192.0.2.3")).await;
    lists(&icinga, &running, &[("web", "192.0.2.9"), ("db", "192.0.2.3")]).await;
    let refused = says(&installation, ("team-a", "twice"), REJECTED).await;
    assert!(refused.contains("by hand") && refused.contains("left out"), "{refused}");
    for object in [("team-a", "web"), ("team-b", "db")] {
        says(&installation, object, LOADED).await;
    }
    eventually(GENEROUS, "the agent counts the refused object", async || {
        let metrics = running.metrics().await;
        let is_counted = metrics.lines().any(|line| line == "groundlink_agent_held_objects 1");
        if is_counted { Ok(()) } else { Err(metrics) }
    })
    .await;
    installation.delete("team-a", "twice").await;
    // An operator that starts again finds everything said.
    operator.kill();
    operator = installation.operator_builder(GROUNDLINK).await.args(["--hub-agent", &reports]).spawn();
    installation.ready(&operator).await;
    says(&installation, ("team-a", "web"), LOADED).await;

    // Changed and deleted while no agent runs.
    running.kill();
    installation.delete("team-b", "db").await;
    installation.put("team-a", "mail", host("192.0.2.4")).await;
    installation.published("team-a", "mail").await;
    says(&installation, ("team-a", "mail"), AWAITED).await;
    running = agent(&icinga, &volume, &reports);
    lists(&icinga, &running, &[("web", "192.0.2.9"), ("mail", "192.0.2.4")]).await;
    says(&installation, ("team-a", "mail"), LOADED).await;
    let metrics = operator.metrics().await;
    let written = |kind: &str| {
        let of = format!("groundlink_status_writes_total{{kind=\"{kind}\",result=\"ok\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&of)?.parse::<u64>().ok()).unwrap_or_default()
    };
    // Since its start: Ready and Loaded of one new object, once more if its wait was explained, and
    // nothing of the others.
    assert!(written("ready") == 1 && (1..=2).contains(&written("synced")), "{metrics}");
}
