//! Assertions of the fault suites on requests, statuses and satellites.

use super::{Action, Exchange, Fault, GENEROUS, Installation, OPERATOR, eventually};
use groundlink::api::{
    ConditionStatus, ConditionType, MonitoringObject, MonitoringObjectSpec, Reason, SatelliteCluster,
};
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Returns the spec of a host with these notes.
pub fn host(notes: &str) -> Value {
    json!({ "host": { "checkCommand": "hostalive", "notes": notes } })
}

/// True if a request writes the status of the MonitoringObject `name`.
pub fn writes_status(method: &Method, path: &str, name: &str) -> bool {
    method == Method::PATCH && path.ends_with(&format!("/monitoringobjects/{name}/status"))
}

/// Returns the status in a status write, which is a JSON patch with the whole status. `Null` for
/// other bodies.
pub fn written_status(body: &[u8]) -> Value {
    let patch: Value = serde_json::from_slice(body).unwrap_or_default();
    let operations = patch.as_array().cloned().unwrap_or_default();
    operations
        .into_iter()
        .find(|op| op["path"] == "/status")
        .map(|op| op["value"].clone())
        .unwrap_or_default()
}

/// True if a status write sets Ready=True.
pub fn says_ready(body: &[u8]) -> bool {
    let status = written_status(body);
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Returns a fault that applies `action` to every write of Ready=True for one object.
pub fn on_ready(action: Action, name: &str) -> Fault {
    let name = name.to_owned();
    Fault::on(action, move |head, body| {
        writes_status(&head.method, head.uri.path(), &name) && says_ready(body)
    })
}

/// True if the request's body contains the text.
pub fn carries(exchange: &Exchange, text: &str) -> bool {
    exchange.request_body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Panics unless the set provides every name that the headers of its files use. `hostalive` is in
/// Icinga's template library.
pub fn assert_closed(files: &BTreeMap<String, String>) {
    let headers: Vec<(&String, Value)> = files
        .iter()
        .map(|(key, text)| {
            let line = text.lines().nth(1).and_then(|line| line.strip_prefix("// groundlink: "));
            (key, serde_json::from_str(line.unwrap_or_else(|| panic!("{key} has no header"))).unwrap())
        })
        .collect();
    let names =
        |header: &Value, field: &str| -> Vec<Value> { header[field].as_array().cloned().unwrap_or_default() };
    let provided: BTreeSet<String> = headers
        .iter()
        .flat_map(|(_, header)| names(header, "provides").into_iter().chain(names(header, "shares")))
        .filter_map(|name| name.as_str().map(str::to_owned))
        .chain(["CheckCommand!hostalive".to_owned()])
        .collect();
    for (key, header) in &headers {
        for any_of in names(header, "uses").into_iter().chain(names(header, "mutual")) {
            let resolved = any_of.as_array().unwrap().iter().any(|n| provided.contains(n.as_str().unwrap()));
            assert!(resolved, "{key} names {any_of}, which the set does not hold: {:?}", files.keys());
        }
    }
}

impl Installation {
    /// Creates or changes a MonitoringObject; the API server may refuse it.
    pub async fn try_put(&self, namespace: &str, name: &str, spec: Value) -> kube::Result<MonitoringObject> {
        let object = json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "MonitoringObject",
            "metadata": { "name": name },
            "spec": spec,
        });
        let parameters = PatchParams::apply("test").force();
        self.objects(namespace).patch(name, &parameters, &Patch::Apply(object)).await
    }

    /// Creates or replaces a MonitoringObject by POST or PUT of JSON. Server-side apply would read
    /// the body as YAML, which admits no control characters.
    pub async fn replace(&self, namespace: &str, name: &str, spec: Value) -> MonitoringObject {
        let api = self.objects(namespace);
        let spec: MonitoringObjectSpec = serde_json::from_value(spec).expect("a spec");
        eventually(GENEROUS, &format!("{namespace}/{name} is replaced"), async || {
            let answer = match api.get_opt(name).await.expect("the hub answers") {
                Some(mut object) => {
                    object.spec = spec.clone();
                    api.replace(name, &PostParams::default(), &object).await
                }
                None => {
                    let object = MonitoringObject::new(name, spec.clone());
                    api.create(&PostParams::default(), &object).await
                }
            };
            match answer {
                // The operator wrote the status in between.
                Err(kube::Error::Api(status)) if status.is_conflict() => Err(status.message.clone()),
                answer => Ok(answer.expect("the object is accepted")),
            }
        })
        .await
    }

    /// Returns the writes to satellites since the recorder was cleared.
    pub fn satellite_writes(&self) -> Vec<Exchange> {
        self.recorder.matching(|e| e.is_mutating() && e.server != "hub")
    }

    /// Returns the writes of Ready=True for one object.
    pub fn ready_writes(&self, name: &str) -> Vec<Exchange> {
        self.recorder.matching(|e| writes_status(&e.method, &e.path, name) && says_ready(&e.request_body))
    }

    /// R1: panics unless a Ready=True of `name` with `digest` was acknowledged before any satellite
    /// write with `marker` began. `digest` is that of the content with the marker. Returns the
    /// number of these writes.
    pub fn assert_acknowledged_first(&self, name: &str, marker: &str, digest: &str) -> usize {
        let acknowledged = self
            .ready_writes(name)
            .into_iter()
            .filter(|e| e.is_acknowledged() && written_status(&e.request_body)["publishedDigest"] == digest)
            .filter_map(|e| e.seq_end)
            .min();
        let writes: Vec<_> = self.satellite_writes().into_iter().filter(|e| carries(e, marker)).collect();
        for write in &writes {
            assert!(
                acknowledged.is_some_and(|seq| seq < write.seq_start),
                "{} {} at {} carries {marker:?}; its Ready was acknowledged at {acknowledged:?}",
                write.server,
                write.path,
                write.seq_start,
            );
        }
        writes.len()
    }

    /// Waits until a SatelliteCluster's condition has this status and reason at the current
    /// generation. Returns its message.
    pub async fn satellite_says(
        &self,
        name: &str,
        kind: ConditionType,
        wanted: (ConditionStatus, Reason),
        deadline: Duration,
    ) -> String {
        let api = self.satellites();
        eventually(deadline, &format!("satellite {name} says {kind:?}={wanted:?}"), async || {
            let object = api.get(name).await.map_err(|error| error.to_string())?;
            let conditions = object.status.map(|status| status.conditions).unwrap_or_default();
            let found = conditions
                .into_iter()
                .find(|c| c.r#type == kind && c.observed_generation == object.metadata.generation);
            match found {
                Some(c) if (c.status, c.reason.known()) == (wanted.0, Some(wanted.1)) => Ok(c.message),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits until a SatelliteCluster is Ready and Synced.
    pub async fn satellite_in_sync(&self, name: &str, deadline: Duration) {
        let connected = (ConditionStatus::True, Reason::Connected);
        self.satellite_says(name, ConditionType::Ready, connected, deadline).await;
        self.satellite_says(name, ConditionType::Synced, (ConditionStatus::True, Reason::InSync), deadline)
            .await;
    }

    /// Waits until a SatelliteCluster is gone.
    pub async fn satellite_gone(&self, name: &str, deadline: Duration) {
        let api: Api<SatelliteCluster> = self.satellites();
        eventually(deadline, &format!("SatelliteCluster {name} is gone"), async || {
            match api.get_opt(name).await.map_err(|error| error.to_string())? {
                None => Ok(()),
                Some(object) => Err(format!("{:?} {:?}", object.metadata.finalizers, object.status)),
            }
        })
        .await;
    }

    /// Returns the API of the ConfigMaps in a satellite's target namespace, as its admin.
    pub async fn config_maps(&self, server: &str) -> Api<ConfigMap> {
        let client: Client = self.plane.server(server).client().await;
        Api::namespaced(client, "icinga")
    }

    /// Waits until a ConfigMap of any name on a satellite holds exactly these keys, and returns its
    /// files.
    pub async fn holds_keys(&self, server: &str, name: &str, keys: &[&str]) -> BTreeMap<String, String> {
        let api = self.config_maps(server).await;
        let wanted: BTreeSet<&str> = keys.iter().copied().collect();
        eventually(GENEROUS, &format!("{server} holds {wanted:?} in {name}"), async || {
            let held = api.get_opt(name).await.map_err(|error| error.to_string())?;
            let held = held.and_then(|map| map.data).unwrap_or_default();
            match held.keys().map(String::as_str).eq(wanted.iter().copied()) {
                true => Ok(held),
                false => Err(format!("{:?}", held.keys())),
            }
        })
        .await
    }

    /// Runs kubectl against the hub; it must succeed.
    pub async fn kubectl(&self, args: &[&str]) {
        super::succeeded(&format!("kubectl {args:?}"), &self.plane.server("hub").kubectl(args).await);
    }

    /// Allows large removals for half an hour, as `groundlink removals allow` does.
    pub async fn allow_removals(&self) {
        let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30)).to_string();
        let annotation = format!("groundlink.dev/removals-allowed-until={until}");
        self.kubectl(&["annotate", "--overwrite", "lease", "groundlink", "-n", OPERATOR, &annotation]).await;
    }

    /// Returns the kubeconfig in a Secret of the operator's namespace.
    pub async fn secret(&self, name: &str) -> String {
        let api: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(self.hub.clone(), OPERATOR);
        let secret = api.get(name).await.expect("the Secret exists");
        String::from_utf8(secret.data.unwrap()["value"].0.clone()).unwrap()
    }
}
