use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use super::shared;
use crate::support::{ControlPlane, client_of, eventually};

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"key": "value"}})).unwrap()
}

#[tokio::test]
async fn a_service_account_is_refused_outside_its_role() {
    let server = shared().await.server("hub");
    let manifest = r"
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
";
    let applied = server.kubectl_with_input(&["apply", "-f", "-"], manifest).await;
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));

    let client = client_of(&server.service_account_kubeconfig("default", "reader").await).await;
    let own: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    // The authorizer learns of the binding through its own watch.
    eventually(Duration::from_secs(10), "the Role is in force", async || {
        own.list(&ListParams::default()).await.map_err(|error| error.to_string())
    })
    .await;

    let other: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    let refusals = [
        other.list(&ListParams::default()).await.err(),
        own.create(&PostParams::default(), &config_map("refused")).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(&refusal, Some(kube::Error::Api(status)) if status.is_forbidden()), "{refusal:?}");
    }
}

#[tokio::test]
async fn pause_keeps_the_port_open_and_answers_nothing() {
    let plane = ControlPlane::start(&["one"]).await;
    let server = plane.server("one");
    let maps: Api<ConfigMap> = Api::namespaced(server.client().await, "default");
    maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();

    server.pause();
    let asked = tokio::time::timeout(Duration::from_millis(500), maps.get("kept")).await;
    assert!(asked.is_err(), "a stopped server answered: {asked:?}");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.is_ok());
    server.resume();
    maps.get("kept").await.unwrap();
}

#[tokio::test]
async fn restart_keeps_port_certificates_tokens_and_objects() {
    let plane = ControlPlane::start(&["one"]).await;
    let server = plane.server("one");
    let maps: Api<ConfigMap> = Api::namespaced(server.client().await, "default");
    let created = maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();
    let (port, pid, certificate) = (server.port(), server.pid(), server.cert_and_key());

    server.stop();
    let refused = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    assert!(refused.is_err(), "a stopped server accepts connections");
    let started = Instant::now();
    server.restart().await;
    println!("restart: {:?}", started.elapsed());

    assert_ne!(server.pid(), pid);
    assert_eq!((server.port(), server.cert_and_key()), (port, certificate));
    assert_eq!(maps.get("kept").await.unwrap().metadata.uid, created.metadata.uid);
}

#[tokio::test]
async fn clusters_on_one_etcd_do_not_see_each_other_and_one_can_join_later() {
    let plane = shared().await;
    let started = Instant::now();
    let late = plane.add("late").await;
    println!("one more API server: {:?}", started.elapsed());
    let hub: Api<ConfigMap> = Api::namespaced(plane.server("hub").client().await, "default");
    hub.create(&PostParams::default(), &config_map("only-on-the-hub")).await.unwrap();
    let late: Api<ConfigMap> = Api::namespaced(late.client().await, "default");
    assert!(late.get_opt("only-on-the-hub").await.unwrap().is_none());
}

#[tokio::test]
async fn kubectl_and_helm_talk_to_the_server() {
    let server = shared().await.server("sat-a");
    let version = server.kubectl(&["version"]).await;
    assert!(String::from_utf8_lossy(&version.stdout).contains("Server Version: v1."), "{version:?}");
    let list = server.helm(&["list", "--all-namespaces", "--output=json"]).await;
    assert_eq!(String::from_utf8_lossy(&list.stdout).trim(), "[]", "{list:?}");
    let wrong = server.kubectl(&["get", "nonsense"]).await;
    assert!(!wrong.status.success());
}
