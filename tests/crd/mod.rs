//! The CRDs: what the program prints is what is stored, and a real API server takes them, accepts
//! what is right and refuses what is wrong, naming the field.

mod accepted;
mod agrees;
mod files;
mod kubectl;
mod refused;
mod schema;

use crate::{GROUNDLINK, support};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::sync::Arc;

/// What `groundlink crd` prints.
fn printed() -> String {
    let output = Command::new(GROUNDLINK).arg("crd").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn crds() -> Vec<Value> {
    let crds: Vec<Value> = serde_saphyr::from_multiple(&printed()).unwrap();
    assert_eq!(crds.len(), 2);
    crds
}

/// One control plane with the CRDs for all tests of this suite; nobody drops it, the end of the
/// process does.
async fn hub() -> Arc<support::ApiServer> {
    static PLANE: tokio::sync::OnceCell<support::ControlPlane> = tokio::sync::OnceCell::const_new();
    let plane = PLANE.get_or_init(|| async {
        let plane = support::ControlPlane::start(&["hub"]).await;
        let hub = plane.server("hub");
        let applied = hub.kubectl_with_input(&["apply", "--server-side", "-f", "-"], &printed()).await;
        let (out, err) = text(&applied);
        assert!(applied.status.success() && !err.contains("Warning"), "{out}{err}");
        let wait = ["wait", "--for=condition=established", "--timeout=60s", "crd", "--all"];
        let established = hub.kubectl(&wait).await;
        assert!(established.status.success(), "{established:?}");
        for namespace in [
            "accepted",
            "refused",
            "kubectl",
            "groundlink",
            "team-a",
            "team-b",
            "cluster-east",
            "cluster-west",
        ] {
            assert!(hub.kubectl(&["create", "namespace", namespace]).await.status.success());
        }
        plane
    });
    plane.await.server("hub")
}

fn text(output: &Output) -> (String, String) {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (out, err)
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "groundlink.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn monitoring_object(name: &str, spec: Value) -> Value {
    object("MonitoringObject", name, spec)
}

fn satellite_cluster(name: &str, more: Value) -> Value {
    let mut spec = json!({ "kubeconfigSecretRef": { "name": "kubeconfig" } });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object("SatelliteCluster", name, spec)
}

/// `kubectl VERB ... -f -`.
async fn submit(arguments: &[&str], object: &Value) -> Output {
    hub().await.kubectl_with_input(&[arguments, &["-f", "-"]].concat(), &object.to_string()).await
}
