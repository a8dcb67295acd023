//! The installation, its witnesses, and the questions of the acts to them.

use crate::screen::{Claim, Outcome, Screen};
use crate::support::{
    Exchange, FileEvent, FileEventKind, GENEROUS, Installation, Operator, Site, VolumeWatch, eventually,
    succeeded,
};
use futures::FutureExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// Everything that runs. The operator is dropped first.
pub struct Stage {
    pub screen: Screen,
    pub operator: Option<Operator>,
    /// The Icingas of satellites with their agents. They run to the end of the demo.
    pub sites: Vec<Site>,
    pub watch: VolumeWatch,
    pub installation: Installation,
    /// Satellites, and the number from which on each is expected to hold everything.
    pub satellites: Vec<(String, u64)>,
    pub claims: Vec<Claim>,
    program: PathBuf,
    kubeconfig: PathBuf,
    broken: bool,
}

/// The findings of an act.
pub struct Verdict {
    pub outcome: Outcome,
    pub observed: String,
}

impl Verdict {
    /// Held if nothing is wrong.
    pub fn of(wrong: Vec<String>, observed: String) -> Self {
        if wrong.is_empty() {
            return Self { outcome: Outcome::Held, observed };
        }
        Self { outcome: Outcome::Failed, observed: format!("{}; {observed}", wrong.join("; ")) }
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub struct Wrong(pub Vec<String>);

impl Wrong {
    /// Notes `otherwise` unless `so` is true.
    pub fn unless(&mut self, so: bool, otherwise: impl Into<String>) {
        if !so {
            self.0.push(otherwise.into());
        }
    }
}

impl Stage {
    /// Starts everything but the operator.
    pub async fn set_up(screen: Screen, program: PathBuf) -> Self {
        let names = ["edge-a", "edge-b"];
        let installation = screen
            .busy("etcd, kube-apiserver for hub, edge-a and edge-b, helm install", async {
                Installation::start(&names).await
            })
            .await;
        let watch = VolumeWatch::start_with_staging(installation.volume(), installation.recorder.sequence());
        installation.recorder.before_each_request(watch.flusher());
        let hub = installation.plane.server("hub");
        let kubeconfig = installation.scratch().join("kubectl.kubeconfig");
        let text = hub.admin_kubeconfig().replace(&hub.url(), &installation.hub_proxy.url());
        std::fs::write(&kubeconfig, text).expect("the kubeconfig is written");
        Self {
            screen,
            operator: None,
            watch,
            installation,
            satellites: names.map(|name| (name.to_owned(), 0)).into(),
            claims: Vec::new(),
            sites: Vec::new(),
            program,
            kubeconfig,
            broken: false,
        }
    }

    /// The program under test.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where all logs of the operator go.
    pub fn log(&self) -> PathBuf {
        self.installation.scratch().join("operator.log")
    }

    /// Starts the operator under the chart's ServiceAccount, and waits until it is ready.
    pub async fn start_operator(&mut self) {
        let program = self.program.to_str().expect("UTF-8").to_owned();
        let builder = self.installation.operator_builder(&program).await.log_to(&self.log());
        let operator = builder.spawn();
        self.installation.ready(&operator).await;
        self.operator = Some(operator);
    }

    /// The running operator.
    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("the operator was started")
    }

    /// Runs an act and notes its claim. After a panic nothing can be relied on: the rest is not reached.
    pub async fn act(
        &mut self,
        title: &str,
        claim: &'static str,
        act: impl AsyncFnOnce(&mut Self) -> Verdict,
    ) {
        if self.broken {
            let observed = "not reached".to_owned();
            self.claims.push(Claim { text: claim, outcome: Outcome::NotChecked, observed });
            return;
        }
        self.screen.heading(&format!("{}. {title}", self.claims.len() + 1));
        let verdict = AssertUnwindSafe(act(self)).catch_unwind().await.unwrap_or_else(|panic| {
            self.broken = true;
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let words = words.unwrap_or_default();
            let first: String = words.lines().next().unwrap_or_default().chars().take(300).collect();
            Verdict { outcome: Outcome::Failed, observed: first }
        });
        self.screen.verdict(&verdict.outcome, &verdict.observed);
        self.claims.push(Claim { text: claim, outcome: verdict.outcome, observed: verdict.observed });
    }

    /// The number before everything that is still to come.
    pub fn mark(&self) -> u64 {
        self.watch.flush();
        self.installation.recorder.sequence().now()
    }

    /// Runs kubectl on the hub, shows it and its output, and returns the output.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.kubectl_quietly(arguments, "").await;
        self.screen.command(&format!("kubectl {}", quoted(arguments)));
        self.screen.block(&output);
        output
    }

    /// Applies a manifest that is shown.
    pub async fn kubectl_apply(&self, manifest: &str) {
        let output = self.kubectl_quietly(&["apply", "-f", "-"], manifest).await;
        self.screen.command("kubectl apply -f - <<EOF");
        self.screen.block(manifest);
        println!("  EOF");
        self.screen.block(&output);
    }

    /// Runs kubectl on the hub, through the proxy: what a person does is seen by the same witness as what the operator does.
    pub async fn kubectl_quietly(&self, arguments: &[&str], input: &str) -> String {
        self.run_kubectl("hub", Some(&self.kubeconfig), arguments, input).await
    }

    /// Runs kubectl on a satellite.
    pub async fn kubectl_on(&self, satellite: &str, arguments: &[&str]) -> String {
        self.run_kubectl(satellite, None, arguments, "").await
    }

    async fn run_kubectl(
        &self,
        server: &str,
        kubeconfig: Option<&Path>,
        arguments: &[&str],
        input: &str,
    ) -> String {
        let mut command = self.installation.plane.server(server).command("kubectl");
        if let Some(path) = kubeconfig {
            command.env("KUBECONFIG", path);
        }
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("piped");
        // kubectl get does not read its input, and may have ended.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("kubectl ends");
        succeeded(&format!("kubectl {}", quoted(arguments)), &output);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Requests since `mark` that ask for a change, made by the operator; not those for its Lease, and no events.
    pub fn writes(&self, mark: u64) -> Vec<Exchange> {
        self.installation.recorder.matching(|e| {
            let is_aside = e.path.contains("/leases") || e.path.ends_with("/events");
            e.seq_start > mark && e.is_mutating() && !is_kubectl(e) && !is_aside
        })
    }

    /// The request of kubectl that changed something first since `mark`: time zero.
    pub fn request_of_kubectl(&self, mark: u64) -> Exchange {
        let mut found = self.installation.recorder.matching(|e| {
            e.seq_start > mark && e.is_mutating() && is_kubectl(e) && e.path.contains("/monitoringobjects")
        });
        found.drain(..1).next().expect("kubectl went through the proxy")
    }

    /// File events below objects.d since `mark`.
    pub fn file_events(&self, mark: u64) -> Vec<FileEvent> {
        let history = self.watch.history();
        history
            .into_iter()
            .filter(|event| event.seq > mark && !matches!(event.kind, FileEventKind::Staged))
            .collect()
    }

    /// When, since `mark`, each satellite acknowledged a pointer of which `wanted` is true.
    pub fn acknowledged(
        &self,
        mark: u64,
        wanted: impl Fn(&Value) -> bool,
    ) -> BTreeMap<String, (u64, Instant)> {
        let mut first = BTreeMap::new();
        for exchange in self.installation.recorder.matching(|e| e.seq_start > mark && is_pointer_write(e)) {
            let (Some(seq), Some(at)) = (exchange.seq_end, exchange.answered) else { continue };
            if exchange.is_acknowledged() && wanted(&exchange.request_json()["data"]) {
                first.entry(exchange.server).or_insert((seq, at));
            }
        }
        first
    }

    /// Waits until every satellite holds exactly what the volume holds, read from the satellites' API servers.
    pub async fn all_equal(&self) -> usize {
        let mut files = 0;
        for (satellite, _) in &self.satellites {
            files = self.installation.equal(satellite, GENEROUS).await.len();
        }
        files
    }

    /// Shows the SatelliteClusters, once their statuses say what the satellites hold: they are written at most once a second.
    pub async fn show_satellites(&self) {
        use groundlink::api::{ConditionStatus, ConditionType};
        for (satellite, _) in &self.satellites {
            eventually(GENEROUS, &format!("SatelliteCluster {satellite} says what it holds"), async || {
                let object = self.installation.satellites().get(satellite).await;
                let status = object.map_err(|error| error.to_string())?.status.unwrap_or_default();
                let held = self.installation.pointer(satellite).await.unwrap_or_default();
                let annotations = held.metadata.annotations.unwrap_or_default();
                let synced = status
                    .conditions
                    .iter()
                    .any(|c| c.r#type == ConditionType::Synced && c.status == ConditionStatus::True);
                let digest = status.acked.as_ref().map(|acked| &acked.digest);
                let objects = status.stats.as_ref().map(|stats| stats.objects as usize);
                let files = held.data.unwrap_or_default().len();
                let says =
                    synced && digest == annotations.get("groundlink.dev/digest") && objects == Some(files);
                if says { Ok(()) } else { Err(format!("{digest:?}, {objects:?} of {files} objects")) }
            })
            .await;
        }
        self.kubectl(&["get", "sat", "-n", "groundlink"]).await;
    }

    /// Waits until every MonitoringObject says Ready and Synced for its generation and its file has the digest that its
    /// status names, and there is no other file. Returns how many there are.
    pub async fn all_synced(&self) -> usize {
        use crate::support::{condition_of, digest};
        use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject};
        let api = kube::Api::<MonitoringObject>::all(self.installation.hub.clone());
        let deadline = GENEROUS + Duration::from_secs(30);
        eventually(deadline, "every object is Ready and Synced, and its file is in place", async || {
            let objects = api.list(&Default::default()).await.map_err(|error| error.to_string())?.items;
            let mut files = self.installation.files();
            for object in &objects {
                let name = format!(
                    "{}.{}.conf",
                    object.metadata.namespace.as_deref().unwrap_or_default(),
                    object.metadata.name.as_deref().unwrap_or_default()
                );
                for kind in [ConditionType::Ready, ConditionType::Synced] {
                    let found = condition_of(object, kind);
                    if !matches!(found, Some((ConditionStatus::True, _, _))) {
                        return Err(format!("{name}: {kind:?} is {found:?}"));
                    }
                }
                let file = files.remove(&name).ok_or_else(|| format!("{name} is not there"))?;
                let recorded = object.status.as_ref().and_then(|status| status.published_digest.clone());
                if recorded != Some(digest(file.as_bytes())) {
                    return Err(format!("{name} is not what its status says: {recorded:?}"));
                }
            }
            match files.keys().next() {
                Some(name) => Err(format!("{name} belongs to no object")),
                None => Ok(objects.len()),
            }
        })
        .await
    }
}

fn is_kubectl(exchange: &Exchange) -> bool {
    exchange.user_agent.as_deref().is_some_and(|agent| agent.starts_with("kubectl"))
}

/// True if it writes the ConfigMap of a satellite.
pub fn is_pointer_write(exchange: &Exchange) -> bool {
    exchange.server != "hub" && exchange.is_mutating() && exchange.path.contains("/configmaps")
}

/// The status that a request writes to a MonitoringObject: namespace, name, and the status.
pub fn written_status(exchange: &Exchange) -> Option<(String, String, Value)> {
    let rest = exchange.path.strip_prefix("/apis/groundlink.dev/v1alpha1/namespaces/")?;
    let (namespace, rest) = rest.split_once("/monitoringobjects/")?;
    let name = rest.strip_suffix("/status")?;
    let patch = exchange.request_json();
    let status = patch.as_array()?.iter().find(|op| op["path"] == "/status")?["value"].clone();
    Some((namespace.to_owned(), name.to_owned(), status))
}

/// True if a status says that a condition is True.
pub fn says(status: &Value, condition: &str) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == condition && c["status"] == "True"))
}

/// Arguments as a person would type them.
fn quoted(arguments: &[&str]) -> String {
    let quote = |word: &&str| match word.contains(['{', ' ', '"', '*']) {
        true => format!("'{word}'"),
        false => (*word).to_owned(),
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Lines of a that b does not have, and the other way round; enough for a file of a few lines.
pub fn difference(a: &str, b: &str) -> Vec<String> {
    let only = |mark: char, these: &str, those: &str| {
        let missing = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        missing.map(|line| format!("{mark} {line}")).collect::<Vec<_>>()
    };
    [only('-', a, b), only('+', b, a)].concat()
}
