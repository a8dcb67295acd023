//! Many satellites on few API servers. Each has its own namespace, Role, ServiceAccount, Secret and
//! SatelliteCluster, so the operator treats it as a cluster.

use std::process::Output;

use futures::future::join_all;
use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::installation::{Installation, OPERATOR, succeeded};
use super::proxy::Proxy;
use super::reader::Place;

/// The life of a token in seconds: longer than a soak.
const LONG_LIFE: i64 = 24 * 3600;

const RBAC: &str = include_str!("../../examples/satellite-rbac.yaml");

impl Installation {
    /// Starts missing servers, prepares `each` satellites on each server, and registers them all.
    /// Their names and namespaces are `<server>-<number>`. All satellites of a server share its
    /// proxy in `proxies`.
    pub async fn join_fleet(&mut self, servers: &[&str], each: usize, spec: Value) -> Vec<Place> {
        let new: Vec<_> = servers.iter().filter(|name| !self.plane.has(name)).collect();
        join_all(new.iter().map(|name| self.plane.add(name))).await;
        let mut places = Vec::new();
        let mut objects = Vec::new();
        for server in servers {
            let api_server = self.plane.server(server);
            if !self.proxies.contains_key(*server) {
                self.proxies.insert((*server).to_owned(), Proxy::start(&api_server, &self.recorder));
            }
            let client = api_server.client().await;
            for number in 0..each {
                let name = format!("{server}-{number}");
                grant(&api_server, &name).await;
                let token = api_server.service_account_token_for(&name, "groundlink", LONG_LIFE).await;
                let kubeconfig = api_server.kubeconfig_for(&self.proxies[*server].url(), &token);
                objects.push(secret(&name, &kubeconfig));
                objects.push(satellite(&name, &name, &spec));
                let (namespace, pointer) = (name.clone(), "groundlink".to_owned());
                places.push(Place { satellite: name, client: client.clone(), namespace, pointer });
            }
        }
        self.apply(&objects).await;
        places
    }

    /// Returns the place of the pointer of a satellite with its own server and the default
    /// namespace.
    pub async fn place(&self, name: &str) -> Place {
        let client = self.plane.server(name).client().await;
        Place { satellite: name.into(), client, namespace: "icinga".into(), pointer: "groundlink".into() }
    }

    /// Registers a satellite with this URL, the certificate of `server`, and this token.
    pub async fn register_at(&self, name: &str, server: &ApiServer, url: &str, token: &str, spec: Value) {
        let kubeconfig = server.kubeconfig_for(url, token);
        self.apply(&[secret(name, &kubeconfig), satellite(name, "icinga", &spec)]).await;
    }

    /// Merges `spec` into that of a SatelliteCluster.
    pub async fn change_satellite(&self, name: &str, spec: Value) {
        let patch = json!({ "spec": spec }).to_string();
        self.kubectl(&["patch", "sat", name, "-n", OPERATOR, "--type=merge", "-p", &patch]).await;
    }
}

/// Applies the example Role in another namespace.
pub async fn grant(server: &ApiServer, namespace: &str) {
    let rbac = RBAC
        .replace("name: icinga\n", &format!("name: {namespace}\n"))
        .replace("namespace: icinga\n", &format!("namespace: {namespace}\n"));
    let output: Output = server.kubectl_with_input(&["apply", "-f", "-"], &rbac).await;
    succeeded("kubectl apply", &output);
}

fn secret(name: &str, kubeconfig: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": name, "namespace": OPERATOR },
        "stringData": { "value": kubeconfig },
    })
}

fn satellite(name: &str, namespace: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
        "metadata": { "name": name, "namespace": OPERATOR },
        "spec": {
            "kubeconfigSecretRef": { "name": name }, "requestTimeout": "3s",
            "target": { "namespace": namespace },
            // The end of a test does not wait for a cleanup.
            "deletion": { "cleanup": "Orphan" },
        },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}
