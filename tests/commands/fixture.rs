//! A hub with the CRDs, an empty satellite, and the program with a kubeconfig for both.

use crate::GROUNDLINK;
use crate::support::{ApiServer, ControlPlane, eventually, succeeded};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// Namespace of the operator.
pub const OPERATOR: &str = "groundlink";

/// Two clusters, with contexts `hub` (the current one) and `edge`.
pub struct Clusters {
    pub plane: ControlPlane,
    pub hub: Arc<ApiServer>,
    pub edge: Arc<ApiServer>,
}

impl Clusters {
    /// Lets the hub refuse requests that `rules` match and `expression` does not allow, with the
    /// words "closed for the weekend". Updates of Secrets must be among them.
    pub async fn close(&self, rules: &Value, expression: &str) {
        let policy = json!({ "apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": "closed" },
                "spec": {
                    "matchConstraints": { "resourceRules": rules },
                    "validations": [{ "expression": expression, "message": "closed for the weekend" }],
                },
            },
            {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": { "name": "closed" }, "spec": { "policyName": "closed", "validationActions": ["Deny"] },
            },
        ] });
        apply(&self.hub, &policy.to_string()).await;
        eventually(Duration::from_secs(30), "the policy is in effect", async || {
            let annotate = ["-n", OPERATOR, "annotate", "secret", "edge-a", "a=b", "--overwrite"];
            match self.hub.kubectl(&annotate).await.status.success() {
                true => Err("not yet".into()),
                false => Ok(()),
            }
        })
        .await;
    }
}

/// Exit code and output of a run of the program.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Reads a program's output.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// Parses standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Fails unless standard error contains all these words.
    #[track_caller]
    pub fn stderr_has(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }
}

impl Clusters {
    /// Starts both; the hub has the CRDs and the operator's namespace.
    pub async fn start() -> Self {
        let plane = ControlPlane::start(&["hub", "edge"]).await;
        let (hub, edge) = (plane.server("hub"), plane.server("edge"));
        let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        succeeded("crds", &hub.kubectl(&["apply", "--server-side", "-f", crds]).await);
        let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
        succeeded("crds", &hub.kubectl(&wait).await);
        succeeded("namespace", &hub.kubectl(&["create", "namespace", OPERATOR]).await);
        Self { plane, hub, edge }
    }

    /// [`Self::start`], with `edge-a` joined in namespace `icinga`.
    pub async fn joined() -> Self {
        let clusters = Self::start().await;
        clusters.add("edge-a", &["--create-namespace"]).await.exits_with(0);
        clusters
    }

    /// Writes a file in the clusters' directory.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.plane.directory().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs `groundlink satellite ...`.
    pub async fn satellite(&self, arguments: &[&str]) -> Run {
        satellite(&self.hub, &self.edge, arguments).await
    }

    /// Runs `groundlink satellite ...` with variables in its environment.
    pub async fn satellite_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        let mut command = command(GROUNDLINK, &self.hub, &self.edge);
        command.envs(environment.iter().copied()).arg("satellite").args(arguments);
        Run::of(&command.output().await.unwrap())
    }

    /// Runs `groundlink satellite add NAME` for the satellite.
    pub async fn add(&self, name: &str, more: &[&str]) -> Run {
        let arguments = ["add", name, "--context", "edge", "--allow-loopback-satellites"];
        self.satellite(&[&arguments[..], more].concat()).await
    }

    /// Runs `groundlink satellite check NAME`, and returns its code and its steps.
    pub async fn check(&self, name: &str) -> (i32, Vec<Value>) {
        let said = self.satellite(&["check", name, "--allow-loopback-satellites", "-o", "json"]).await;
        assert!([0, 3].contains(&said.code), "{}\n{}", said.out, said.err);
        let steps = said.json()["steps"].as_array().unwrap().clone();
        (said.code, steps)
    }

    /// Runs the program as a kubectl plugin: `kubectl groundlink ...`.
    pub async fn plugin(&self, arguments: &[&str]) -> Run {
        let directory = self.plane.directory().join("plugins");
        if !directory.exists() {
            std::fs::create_dir(&directory).unwrap();
            std::os::unix::fs::symlink(GROUNDLINK, directory.join("kubectl-groundlink")).unwrap();
        }
        let mut command = command(crate::support::binary("kubectl"), &self.hub, &self.edge);
        command.env("PATH", &directory).arg("groundlink").args(arguments);
        Run::of(&command.output().await.unwrap())
    }

    /// Returns the API of the operator's Secrets on the hub.
    pub async fn hub_secrets(&self) -> Api<Secret> {
        Api::namespaced(self.hub.client().await, OPERATOR)
    }

    /// Returns the token in a Secret of the hub.
    pub async fn token(&self, name: &str) -> String {
        let secret = self.hub_secrets().await.get(name).await.unwrap();
        String::from_utf8(secret.data.unwrap()["token"].0.clone()).unwrap()
    }

    /// Replaces keys of a Secret of the hub.
    pub async fn change_secret(&self, name: &str, keys: &[(&str, &str)]) {
        let mut data = json!({});
        for (key, value) in keys {
            data[*key] = serde_json::to_value(ByteString(value.as_bytes().to_vec())).unwrap();
        }
        let patch = kube::api::Patch::Merge(json!({ "data": data }));
        self.hub_secrets().await.patch(name, &Default::default(), &patch).await.unwrap();
    }

    /// Returns a client of the satellite with this token.
    pub async fn as_token(&self, token: &str) -> Client {
        crate::support::client_of(&self.edge.kubeconfig_for(&self.edge.url(), token)).await
    }
}

/// Returns a command with a context for each server, under its name. The hub's is the current one.
fn command(path: impl AsRef<std::ffi::OsStr>, hub: &ApiServer, edge: &ApiServer) -> Command {
    let mut command = Command::new(path);
    let both = [hub.admin_kubeconfig_path(), edge.admin_kubeconfig_path()];
    command.env("KUBECONFIG", std::env::join_paths(both).unwrap()).env("HOME", "/nonexistent");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs `groundlink satellite ...`. Fails if it prints a token.
pub async fn satellite(hub: &ApiServer, edge: &ApiServer, arguments: &[&str]) -> Run {
    let output = command(GROUNDLINK, hub, edge).arg("satellite").args(arguments).output();
    let output = tokio::time::timeout(Duration::from_secs(120), output).await.expect("it ends").unwrap();
    let said = Run::of(&output);
    // A token begins with the base64 of `{"alg":`.
    assert!(!said.out.contains("eyJhbGci") && !said.err.contains("eyJhbGci"), "a token was printed");
    said
}

/// Runs kubectl, which must succeed, and returns what it printed.
pub async fn kubectl(server: &ApiServer, arguments: &[&str]) -> String {
    let output = server.kubectl(arguments).await;
    succeeded(&format!("kubectl {arguments:?}"), &output);
    String::from_utf8(output.stdout).unwrap()
}

/// Applies a manifest with kubectl, which must succeed.
pub async fn apply(server: &ApiServer, manifest: &str) {
    let arguments = ["apply", "--server-side", "-f", "-"];
    succeeded("kubectl apply", &server.kubectl_with_input(&arguments, manifest).await);
}

/// Returns all stored objects that the commands could touch, by `kind namespace/name`.
pub async fn everything(server: &ApiServer) -> std::collections::BTreeMap<String, Value> {
    let mut kinds = "namespaces,serviceaccounts,secrets,configmaps,roles,rolebindings".to_owned();
    if server.name() == "hub" {
        kinds += ",satelliteclusters";
    }
    let list = kubectl(server, &["get", &kinds, "-A", "-o", "json", "--show-managed-fields"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        // Without those of the API server itself.
        .filter(|item| {
            let namespace = item["metadata"]["namespace"].as_str().unwrap_or_default();
            !namespace.starts_with("kube-") && namespace != "default"
        })
        .map(|item| {
            let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default();
            let kind = item["kind"].as_str().unwrap();
            (format!("{kind} {}/{}", text("namespace"), text("name")), item.clone())
        })
        .collect()
}

/// Fails unless both are the same. The message lists the differences.
#[track_caller]
pub fn assert_same(
    now: &std::collections::BTreeMap<String, Value>,
    before: &std::collections::BTreeMap<String, Value>,
) {
    let keys: std::collections::BTreeSet<_> = now.keys().chain(before.keys()).collect();
    let differ: Vec<_> = keys
        .into_iter()
        .filter(|key| now.get(*key) != before.get(*key))
        .map(|key| format!("{key}\n  was {:?}\n  is  {:?}", before.get(key), now.get(key)))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
