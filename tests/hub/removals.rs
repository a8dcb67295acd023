//! Many objects leave at once: they stay on the volume and on satellites until a person allows it.

use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, Operator, eventually};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use http::Method;
use serde_json::json;

const OBJECTS: usize = 30;

fn name(number: usize) -> String {
    format!("h{number:02}")
}

async fn with_objects() -> (Installation, Operator) {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for number in 0..OBJECTS {
        let spec = json!({ "host": { "checkCommand": "hostalive" } });
        installation.put("team-a", &name(number), spec).await;
    }
    for number in 0..OBJECTS {
        installation.synced("team-a", &name(number)).await;
    }
    assert_eq!(installation.equal("sat-a", GENEROUS).await.len(), OBJECTS);
    (installation, operator)
}

async fn is_held(operator: &Operator) {
    eventually(GENEROUS, "the operator says that it holds removals", async || {
        let (code, body) = operator.get("/readyz").await;
        let says = body.contains("removals: ") && body.contains("groundlink removals allow");
        if code == 200 && says { Ok(()) } else { Err(format!("{code} {body}")) }
    })
    .await;
}

async fn removals_held(installation: &Installation) -> Option<(ConditionStatus, Reason)> {
    let satellite = installation.satellites().get("sat-a").await.ok()?;
    let conditions = satellite.status?.conditions;
    let held = conditions.into_iter().find(|condition| condition.r#type == ConditionType::RemovalsHeld)?;
    Some((held.status, held.reason.known()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_emptied_stays_until_a_person_allows_it() {
    let (installation, operator) = with_objects().await;
    let held = installation.files();
    let server = installation.plane.server("hub");
    installation.kubectl(&["delete", "monitoringobjects", "--all", "-n", "team-a"]).await;
    is_held(&operator).await;
    assert!(operator.metrics().await.contains("groundlink_removals_held 3"), "the metric counts them");
    eventually(GENEROUS, "the SatelliteCluster says so", async || match removals_held(&installation).await {
        Some((ConditionStatus::True, Reason::ManyRemovals)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eventually(GENEROUS, "and an event", async || {
        let all = server.kubectl(&["get", "events", "-n", "groundlink", "-o", "yaml"]).await;
        let text = String::from_utf8_lossy(&all.stdout).into_owned();
        if text.contains("reason: ManyRemovals") { Ok(()) } else { Err(text) }
    })
    .await;
    // Everything else goes on.
    installation.put("team-a", "new", json!({ "host": { "checkCommand": "hostalive" } })).await;
    installation.synced("team-a", "new").await;
    let with_new = installation.equal("sat-a", GENEROUS).await;
    assert!(held.iter().all(|(path, text)| with_new.get(path) == Some(text)), "nothing is missing");
    assert_eq!(with_new.len(), OBJECTS + 1);

    // It is still held after a restart, and nothing is missing then either.
    assert!(operator.terminate(GENEROUS).await.success());
    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    eventually(GENEROUS, "the operator says it again", async || {
        let (_, body) = operator.get("/readyz").await;
        if body.contains("groundlink removals allow") { Ok(()) } else { Err(body) }
    })
    .await;
    assert_eq!(installation.equal("sat-a", GENEROUS).await, with_new);

    let allow = tokio::process::Command::new(GROUNDLINK)
        .args(["removals", "allow", "--for", "5m", "--hub-kubeconfig"])
        .arg(server.admin_kubeconfig_path())
        .output()
        .await
        .expect("the command runs");
    assert!(allow.status.success(), "{}", String::from_utf8_lossy(&allow.stderr));
    eventually(GENEROUS, "what was deleted is gone", async || {
        let files = installation.files();
        if files.len() == 1 { Ok(()) } else { Err(format!("{} files", files.len())) }
    })
    .await;
    assert_eq!(installation.equal("sat-a", GENEROUS).await.len(), 1);
    installation.ready(&operator).await;
    eventually(GENEROUS, "nothing is held", async || match removals_held(&installation).await {
        Some((ConditionStatus::False, Reason::Complete)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// A complete LIST that names nobody, from a server that was restored or lies.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_empty_by_mistake_removes_nothing() {
    let (installation, operator) = with_objects().await;
    let held = installation.equal("sat-a", GENEROUS).await;
    assert!(operator.terminate(GENEROUS).await.success());
    let empty = json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObjectList",
        "metadata": { "resourceVersion": "1" }, "items": [],
    });
    // The LIST of the watch, once.
    let answer = Action::Respond { status: 200, body: empty.to_string().into() };
    let path = "/apis/groundlink.dev/v1alpha1/monitoringobjects";
    let is_list =
        move |head: &http::request::Parts, _: &_| head.method == Method::GET && head.uri.path() == path;
    installation.hub_proxy.set_fault(Some(Fault::on(answer, is_list).times(1)));
    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    eventually(GENEROUS, "a second LIST was asked for", async || {
        let log = operator.log_text();
        if log.contains("a second LIST names them") { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    assert_eq!(installation.files(), held);
    assert_eq!(installation.equal("sat-a", GENEROUS).await, held);
}
