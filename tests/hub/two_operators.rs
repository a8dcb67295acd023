//! Two releases in one cluster: the second is refused by name before it writes a status, the first
//! goes on, and a takeover is one flag.

use super::second::SecondRelease;
use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, Operator, eventually, host};
use groundlink::api::MonitoringObject;
use kube::api::{Api, ListParams};
use std::time::Duration;

const FIRST: &str = "groundlink/groundlink";
const SECOND: &str = "second/groundlink";
const TEAM: &str = "team-a";

/// Waits until an operator says that it writes nothing, because of this other one.
async fn refuses(operator: &Operator, other: &str) -> String {
    eventually(GENEROUS, &format!("it refuses to write beside {other}"), async || {
        let (code, body) = operator.get("/readyz").await;
        let line = body.lines().find(|line| line.starts_with("ownership: ")).map(str::to_owned);
        line.filter(|line| code == 503 && line.contains(other)).ok_or(format!("{code} {body}"))
    })
    .await
}

async fn all_name(installation: &Installation, operator: &str, count: usize) {
    let api = Api::<MonitoringObject>::all(installation.hub.clone());
    eventually(GENEROUS, &format!("{count} statuses name {operator}"), async || {
        let list = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let named: Vec<_> = list.items.into_iter().map(|o| o.status.and_then(|s| s.operator)).collect();
        match named.len() == count && named.iter().all(|name| name.as_deref() == Some(operator)) {
            true => Ok(()),
            false => Err(format!("{named:?}")),
        }
    })
    .await;
}

fn of_another(operator: &str) -> String {
    format!("groundlink_objects_of_another_operator{{kind=\"MonitoringObject\"}} {operator}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_operator_writes_nothing_until_it_takes_over() {
    let installation = Installation::start(&["sat-a"]).await;
    let first = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    installation.put(TEAM, "web", host("one")).await;
    installation.put(TEAM, "beside", host("one")).await;
    installation.synced(TEAM, "web").await;
    installation.synced(TEAM, "beside").await;

    let release = SecondRelease::install(&installation, &["--set", "crds.enabled=false"]).await;
    let second = release.start(&[]);
    let line = refuses(&second, FIRST).await;
    assert!(line.contains(SECOND) && line.contains("--take-over-from groundlink/groundlink"), "{line}");
    assert!(second.metrics().await.contains(&of_another("2")));
    // The first one goes on, also with what is new and with what it refuses.
    for version in ["two", "three", "four"] {
        installation.put(TEAM, "web", host(version)).await;
        installation.put(TEAM, version, host(version)).await;
        installation.synced(TEAM, "web").await;
        installation.synced(TEAM, version).await;
    }
    all_name(&installation, FIRST, 5).await;
    installation.equal("sat-a", GENEROUS).await;
    assert_eq!(first.get("/readyz").await.0, 200);
    assert!(first.metrics().await.contains(&of_another("0")));
    eventually(GENEROUS, "the second one has seen all of it", async || {
        let metrics = second.metrics().await;
        if metrics.contains(&of_another("5")) { Ok(()) } else { Err(String::new()) }
    })
    .await;

    // The first one is gone: a person says so, and the second one does not guess it.
    assert!(first.terminate(Duration::from_secs(10)).await.success());
    installation.put(TEAM, "web", host("five")).await;
    refuses(&second, FIRST).await;
    assert_eq!(release.writes(), Vec::<String>::new(), "a refused operator writes nothing");
    assert!(!release.volume.join("objects.d/team-a/web.conf").exists());
    let events = installation.plane.server("hub").kubectl(&["get", "events", "-n", TEAM]).await;
    assert!(String::from_utf8_lossy(&events.stdout).contains("OtherOperator"));
    assert!(second.terminate(Duration::from_secs(10)).await.success());

    let second = release.start(&["--take-over-from", FIRST]);
    installation.ready(&second).await;
    installation.published(TEAM, "web").await;
    all_name(&installation, SECOND, 5).await;
    eventually(GENEROUS, "nothing is another operator's", async || {
        let metrics = second.metrics().await;
        if metrics.contains(&of_another("0")) { Ok(()) } else { Err(String::new()) }
    })
    .await;
    // From now on without the flag, and the first one is the one that is refused.
    assert!(second.terminate(Duration::from_secs(10)).await.success());
    let second = release.start(&[]);
    installation.ready(&second).await;
    let first = installation.operator_builder(GROUNDLINK).await.spawn();
    refuses(&first, SECOND).await;
    assert_eq!(second.get("/readyz").await.0, 200);
}
