//! A hub and its satellites as a user would have them: the chart is installed by real helm, the
//! operator runs with exactly the chart's ServiceAccount, and its requests go through recording
//! proxies.

use super::{ApiServer, ControlPlane, Operator, OperatorBuilder, Proxy, Recorder, eventually};
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject, Reason, SatelliteCluster};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Namespace and release name of the operator.
pub const OPERATOR: &str = "groundlink";
/// A deadline that only a failure reaches.
pub const GENEROUS: Duration = Duration::from_secs(60);

/// A hub with its satellites. The test starts the operator.
pub struct Installation {
    /// Orders the observations of the proxies and of a volume watch.
    pub recorder: Recorder,
    /// Between the operator and the hub.
    pub hub_proxy: Proxy,
    /// Between the operator and each satellite, by name.
    pub proxies: BTreeMap<String, Proxy>,
    /// The servers.
    pub plane: ControlPlane,
    /// Admin of the hub.
    pub hub: Client,
    volume: PathBuf,
    scratch: TempDir,
    direct: bool,
}

impl Installation {
    /// Starts hub and satellites, installs the chart on the hub and the Role on each satellite, and
    /// joins them.
    pub async fn start(satellites: &[&str]) -> Self {
        Self::start_with(satellites, false, &[]).await
    }

    /// [`Self::start`], but the chart gives rights in these namespaces alone. It creates them, and
    /// the CRDs are applied beside the chart.
    pub async fn start_in(satellites: &[&str], namespaces: &[&str]) -> Self {
        Self::start_with(satellites, false, namespaces).await
    }

    /// [`Self::start`], but the operator connects to the servers directly, past the proxies. For
    /// benchmarks: a proxy costs about 1 ms per request.
    pub async fn start_direct(satellites: &[&str]) -> Self {
        Self::start_with(satellites, true, &[]).await
    }

    async fn start_with(satellites: &[&str], direct: bool, namespaces: &[&str]) -> Self {
        let mut names = vec!["hub"];
        names.extend(satellites);
        let plane = ControlPlane::start(&names).await;
        let server = plane.server("hub");
        let scratch = TempDir::new().expect("a temporary directory");
        let volume = scratch.path().join("volume");
        std::fs::create_dir(&volume).expect("the volume's directory");
        let recorder = Recorder::default();
        let hub_proxy = Proxy::start(&server, &recorder);
        let hub = server.client().await;
        match namespaces {
            [] => install_chart(&server, &[]).await,
            namespaces => {
                apply_crds(&server).await;
                for namespace in namespaces {
                    succeeded("namespace", &server.kubectl(&["create", "namespace", namespace]).await);
                }
                install_chart(&server, &watching(namespaces)).await;
            }
        }
        let mut installation =
            Self { recorder, hub_proxy, proxies: BTreeMap::new(), plane, hub, volume, scratch, direct };
        for name in satellites {
            installation.join(name).await;
        }
        installation
    }

    /// Returns the directory of the volume.
    pub fn volume(&self) -> &Path {
        &self.volume
    }

    /// Uses another directory as the volume.
    pub fn set_volume(&mut self, volume: &Path) {
        self.volume = volume.to_path_buf();
    }

    /// Returns a directory that lives as long as the installation.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Prepares a satellite and creates its SatelliteCluster. Starts its API server if necessary.
    pub async fn join(&mut self, name: &str) {
        self.prepare(name).await;
        self.register(name, json!({})).await;
    }

    /// Installs the Role on the satellite, starts its proxy, and creates the Secret on the hub.
    pub async fn prepare(&mut self, name: &str) {
        let server = match self.proxies.contains_key(name) || self.plane.has(name) {
            true => self.plane.server(name),
            false => self.plane.add(name).await,
        };
        let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/satellite-rbac.yaml");
        succeeded("kubectl apply", &server.kubectl(&["apply", "-f", rbac]).await);
        let proxy = Proxy::start(&server, &self.recorder);
        let token = server.service_account_token("icinga", "groundlink").await;
        let url = if self.direct { server.url() } else { proxy.url() };
        let kubeconfig = server.kubeconfig_for(&url, &token);
        self.proxies.insert(name.to_owned(), proxy);
        self.set_secret(name, &kubeconfig).await;
    }

    /// Writes the Secret with a satellite's kubeconfig.
    pub async fn set_secret(&self, name: &str, kubeconfig: &str) {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": OPERATOR },
            "stringData": { "value": kubeconfig },
        });
        self.apply(&[secret]).await;
    }

    /// Creates a SatelliteCluster; `spec` is merged over the defaults.
    pub async fn register(&self, name: &str, spec: Value) {
        let mut object = json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "SatelliteCluster",
            "metadata": { "name": name, "namespace": OPERATOR },
            "spec": { "kubeconfigSecretRef": { "name": name }, "requestTimeout": "3s" },
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            object["spec"][key] = value.clone();
        }
        self.apply(&[object]).await;
    }

    /// Applies objects with `kubectl apply --server-side`. They must be accepted.
    pub async fn apply(&self, objects: &[Value]) {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        succeeded("kubectl apply", &self.plane.server("hub").kubectl_with_input(&arguments, &list).await);
    }

    /// Creates a namespace on the hub.
    pub async fn namespace(&self, name: &str) {
        self.apply(&[json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })]).await;
    }

    /// Returns the builder of an operator with the chart's ServiceAccount and settings, behind the
    /// proxy.
    pub async fn operator_builder(&self, program: &str) -> OperatorBuilder {
        let server = self.plane.server("hub");
        let token = server.service_account_token_for(OPERATOR, OPERATOR, 24 * 3600).await;
        let path = self.scratch.path().join("operator.kubeconfig");
        let url = if self.direct { server.url() } else { self.hub_proxy.url() };
        std::fs::write(&path, server.kubeconfig_for(&url, &token)).expect("the kubeconfig is written");
        self.operator_builder_again(program)
    }

    /// [`Self::operator_builder`] with the token of the previous one, while the hub is away.
    pub fn operator_builder_again(&self, program: &str) -> OperatorBuilder {
        let path = self.scratch.path().join("operator.kubeconfig");
        Operator::builder(program)
            .arg("run")
            .args(["--volume", self.volume.to_str().expect("UTF-8")])
            .args(["--namespace", OPERATOR, "--listen", "127.0.0.1:0", "--allow-loopback-satellites"])
            .args(["--log-format", "json", "--log", "info"])
            .kubeconfig(&path)
    }

    /// Starts the operator and waits until it is ready.
    pub async fn operator(&self, program: &str) -> Operator {
        let operator = self.operator_builder(program).await.spawn();
        self.ready(&operator).await;
        operator
    }

    /// Waits until the operator is ready.
    pub async fn ready(&self, operator: &Operator) {
        eventually(GENEROUS, "the operator is ready", async || {
            let (code, body) = operator.get("/readyz").await;
            if code == 200 { Ok(()) } else { Err(format!("{code} {body}")) }
        })
        .await;
    }

    /// Returns the API of the MonitoringObjects in a namespace.
    pub fn objects(&self, namespace: &str) -> Api<MonitoringObject> {
        Api::namespaced(self.hub.clone(), namespace)
    }

    /// Returns the API of the SatelliteClusters.
    pub fn satellites(&self) -> Api<SatelliteCluster> {
        Api::namespaced(self.hub.clone(), OPERATOR)
    }

    /// Creates or changes a MonitoringObject. Waits for nothing.
    pub async fn put(&self, namespace: &str, name: &str, spec: Value) -> MonitoringObject {
        let object = json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "MonitoringObject",
            "metadata": { "name": name },
            "spec": spec,
        });
        let parameters = PatchParams::apply("test").force();
        self.objects(namespace)
            .patch(name, &parameters, &Patch::Apply(object))
            .await
            .expect("the object is accepted")
    }

    /// Deletes a MonitoringObject.
    pub async fn delete(&self, namespace: &str, name: &str) {
        self.objects(namespace).delete(name, &DeleteParams::default()).await.expect("the object is deleted");
    }

    /// Waits until a condition of an object has this status at the current generation.
    pub async fn condition(
        &self,
        namespace: &str,
        name: &str,
        kind: ConditionType,
        wanted: ConditionStatus,
    ) -> MonitoringObject {
        let api = self.objects(namespace);
        eventually(GENEROUS, &format!("{namespace}/{name} has {kind:?}={wanted:?}"), async || {
            let object = api.get(name).await.map_err(|error| error.to_string())?;
            match condition_of(&object, kind) {
                Some((status, _, _)) if status == wanted => Ok(object),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits for Ready=True.
    pub async fn published(&self, namespace: &str, name: &str) -> MonitoringObject {
        self.condition(namespace, name, ConditionType::Ready, ConditionStatus::True).await
    }

    /// Waits for Synced=True.
    pub async fn synced(&self, namespace: &str, name: &str) -> MonitoringObject {
        self.condition(namespace, name, ConditionType::Synced, ConditionStatus::True).await
    }

    /// Waits for Synced=False because a satellite leaves the object out, and returns the message.
    pub async fn rejected(&self, namespace: &str, name: &str) -> String {
        let api = self.objects(namespace);
        eventually(GENEROUS, &format!("{namespace}/{name} is left out"), async || {
            let object = api.get(name).await.map_err(|error| error.to_string())?;
            match condition_of(&object, ConditionType::Synced) {
                Some((ConditionStatus::False, Reason::Rejected, message)) => Ok(message),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits for Ready=False with this reason, and returns the message.
    pub async fn refused(&self, namespace: &str, name: &str, reason: Reason) -> String {
        let api = self.objects(namespace);
        eventually(GENEROUS, &format!("{namespace}/{name} is refused as {reason:?}"), async || {
            let object = api.get(name).await.map_err(|error| error.to_string())?;
            match condition_of(&object, ConditionType::Ready) {
                Some((ConditionStatus::False, found, message)) if found == reason => Ok(message),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Returns the texts of the volume's files, by ConfigMap key.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let Ok(namespaces) = std::fs::read_dir(self.volume.join("objects.d")) else { return files };
        for namespace in namespaces.flatten() {
            let Ok(entries) = std::fs::read_dir(namespace.path()) else { continue };
            for entry in entries.flatten() {
                let key = format!("{}.{}", namespace.file_name().display(), entry.file_name().display());
                // A file that is removed between the listing and the reading counts as absent.
                if let Ok(text) = std::fs::read_to_string(entry.path()) {
                    files.insert(key, text);
                }
            }
        }
        files
    }

    /// Returns the pointer of a satellite.
    pub async fn pointer(&self, satellite: &str) -> Option<ConfigMap> {
        let client = self.plane.server(satellite).client().await;
        Api::<ConfigMap>::namespaced(client, "icinga")
            .get_opt("groundlink")
            .await
            .expect("the satellite answers")
    }

    /// Waits until a satellite holds exactly the files of the volume, and returns them.
    pub async fn equal(&self, satellite: &str, deadline: Duration) -> BTreeMap<String, String> {
        eventually(deadline, &format!("{satellite} holds the files of the volume"), async || {
            let files = self.files();
            let held = self.pointer(satellite).await.and_then(|pointer| pointer.data).unwrap_or_default();
            if files == held {
                return Ok(held);
            }
            let missing: Vec<_> =
                files.iter().filter(|(key, text)| held.get(*key) != Some(text)).map(|(k, _)| k).collect();
            let extra: Vec<_> = held.keys().filter(|key| !files.contains_key(*key)).collect();
            Err(format!("missing or stale {missing:?}, extra {extra:?}"))
        })
        .await
    }
}

/// Returns status, reason and message of a condition. None unless it is for the current generation.
pub fn condition_of(
    object: &MonitoringObject,
    kind: ConditionType,
) -> Option<(ConditionStatus, Reason, String)> {
    let status = object.status.as_ref()?;
    let condition = status.conditions.iter().find(|condition| condition.r#type == kind)?;
    let current = condition.observed_generation == object.metadata.generation;
    let reason = condition.reason.known()?;
    current.then(|| (condition.status, reason, condition.message.clone()))
}

/// Returns the arguments of helm for a release of named namespaces.
pub fn watching(namespaces: &[&str]) -> Vec<String> {
    let namespaces = namespaces.join(",");
    let values = format!("watchNamespaces={{{namespaces}}},crds.enabled=false,rbac.aggregate=false");
    vec!["--set".into(), values]
}

async fn apply_crds(server: &Arc<ApiServer>) {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    succeeded("crds", &server.kubectl(&["apply", "--server-side", "-f", crds]).await);
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    succeeded("kubectl wait", &server.kubectl(&wait).await);
}

async fn install_chart(server: &Arc<ApiServer>, values: &[String]) {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");
    let arguments =
        ["install", OPERATOR, chart, "--namespace", OPERATOR, "--create-namespace", "--wait=false"];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    succeeded("helm install", &server.helm(&[&arguments[..], &values].concat()).await);
    let arguments = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    succeeded("kubectl wait", &server.kubectl(&arguments).await);
}

/// Panics with the program's output if it failed.
pub fn succeeded(what: &str, output: &std::process::Output) {
    assert!(
        output.status.success(),
        "{what} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
