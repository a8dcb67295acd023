//! A namespace of objects that ends: nothing can be created in it any more.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, eventually, host};
use groundlink::api::Reason;
use http::Request;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

/// R5, I5: objects of a namespace that ends are served like others, and leave although the
/// satellite is away. There is no controller of namespaces here, so the test does its work.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_ends_is_served_and_held_by_nothing() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    for namespace in ["team-a", "ending"] {
        installation.namespace(namespace).await;
        for name in ["one", "two"] {
            installation.put(namespace, name, named(namespace, name)).await;
            installation.synced(namespace, name).await;
        }
    }
    let namespaces = Api::<Namespace>::all(installation.hub.clone());
    namespaces.delete("ending", &DeleteParams::default()).await.unwrap();
    let phase = namespaces.get("ending").await.unwrap().status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Terminating"));
    let refused = installation.try_put("ending", "new", host("too late")).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));

    // A change is published, and a refusal is reported.
    let changed =
        json!({ "name": "ending one", "host": { "checkCommand": "hostalive", "notes": "changed" } });
    installation.put("ending", "one", changed).await;
    installation.synced("ending", "one").await;
    let broken = json!({ "name": "ending two", "host": { "checkCommand": "no-such-command" } });
    installation.put("ending", "two", broken).await;
    installation.refused("ending", "two", Reason::UnresolvedReference).await;

    // The objects go while the satellite does not answer.
    installation.proxies["sat-a"].pause_all();
    let objects = installation.objects("ending");
    for name in ["one", "two"] {
        installation.delete("ending", name).await;
    }
    let left = objects.list(&ListParams::default()).await.unwrap().items.len();
    assert_eq!(left, 0, "a finalizer holds an object");
    let mut ending: Value = serde_json::to_value(namespaces.get("ending").await.unwrap()).unwrap();
    ending["spec"]["finalizers"] = json!([]);
    let request = Request::put("/api/v1/namespaces/ending/finalize").body(ending.to_string().into_bytes());
    installation.hub.request_text(request.unwrap()).await.unwrap();
    assert!(namespaces.get_opt("ending").await.unwrap().is_none());
    eventually(GENEROUS, "the files of the namespace are gone", async || {
        let files: Vec<_> = installation.files().into_keys().collect();
        if files == ["team-a.one.conf", "team-a.two.conf"] { Ok(()) } else { Err(format!("{files:?}")) }
    })
    .await;
    installation.proxies["sat-a"].resume_all();
    let held = installation.holds_keys("sat-a", "groundlink", &["team-a.one.conf", "team-a.two.conf"]).await;
    assert_eq!(installation.equal("sat-a", GENEROUS).await, held);
    // A namespace of this name may begin again.
    installation.namespace("ending").await;
    installation.put("ending", "one", host("again")).await;
    installation.synced("ending", "one").await;
    assert!(operator.exit_status().is_none());
}

/// Icinga's names are unique over all namespaces.
fn named(namespace: &str, name: &str) -> Value {
    json!({ "name": format!("{namespace} {name}"), "host": { "checkCommand": "hostalive", "notes": "first" } })
}
