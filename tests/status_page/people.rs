//! A hub with the chart and its people.

use crate::support::{ApiServer, ControlPlane, GENEROUS, OPERATOR, client_of, eventually, succeeded};
use groundlink::page::Guard;
use std::sync::Arc;

/// Installs the chart with the page and creates a few people, each with a right of the chart's role
/// for viewers: `all` everywhere, `one` in team-a, `fleet` in the operator's namespace, `nobody` nowhere.
pub async fn install(server: &ApiServer) {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");
    let install = [
        "upgrade",
        "--install",
        OPERATOR,
        chart,
        "-n",
        OPERATOR,
        "--create-namespace",
        "--set",
        "page.enabled=true",
        "--wait=false",
    ];
    succeeded("helm install", &server.helm(&install).await);
    populate(server).await;
}

/// Creates the people alone.
pub async fn populate(server: &ApiServer) {
    let mut list = vec![
        serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "people" } }),
    ];
    for name in ["team-a", "team-b"] {
        list.push(
            serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        );
    }
    for name in ["all", "one", "fleet", "nobody"] {
        list.push(serde_json::json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "people" } }));
    }
    for (name, namespace) in [("all", None), ("one", Some("team-a")), ("fleet", Some(OPERATOR))] {
        let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        list.push(serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": format!("page-{name}"), "namespace": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("{OPERATOR}-view") },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": "people" }],
        }));
    }
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": list }).to_string();
    let arguments = ["apply", "--server-side", "-f", "-"];
    succeeded("kubectl apply", &server.kubectl_with_input(&arguments, &list).await);
    let list = ["list", "monitoringobjects.groundlink.dev"];
    may(server, "people:all", &[&list[..], &["-A"]].concat()).await;
    may(server, "people:one", &[&list[..], &["-n", "team-a"]].concat()).await;
    may(server, "people:fleet", &[&list[..], &["-n", OPERATOR]].concat()).await;
}

/// Waits until the API server knows a right: it learns of bindings a moment after they are stored.
async fn may(server: &ApiServer, account: &str, request: &[&str]) {
    let account = format!("--as=system:serviceaccount:{account}");
    let question = [&["auth", "can-i"], request, &[&account]].concat();
    eventually(GENEROUS, &format!("{account} may {request:?}"), async || {
        let answer = server.kubectl(&question).await;
        if answer.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&answer.stderr).into_owned())
        }
    })
    .await;
}

/// Returns a token of one of the people.
pub async fn token(server: &ApiServer, name: &str) -> String {
    server.service_account_token("people", name).await
}

/// Returns a hub with people, and the guard of an operator with exactly the chart's rights.
pub async fn hub() -> (ControlPlane, Arc<ApiServer>, Guard) {
    let plane = ControlPlane::start(&["hub"]).await;
    let server = plane.server("hub");
    install(&server).await;
    may(&server, &format!("{OPERATOR}:{OPERATOR}"), &["create", "subjectaccessreviews.authorization.k8s.io"])
        .await;
    let kubeconfig = server.service_account_kubeconfig(OPERATOR, OPERATOR).await;
    let guard = Guard::new(client_of(&kubeconfig).await, OPERATOR);
    (plane, server, guard)
}
