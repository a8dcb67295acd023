//! The setting of a phase: real servers, and either Groundlink or the null operator.

use crate::load;
use crate::null::NullOperator;
use crate::plan::{Plan, patience};
use crate::report::Report;
use crate::requests::sum;
use crate::support::reader::{difference, published};
use crate::support::{GENEROUS, Installation, OPERATOR, Operator, Reader, client_of, digest, eventually};
use anyhow::{Context as _, ensure};
use groundlink::api::MonitoringObject;
use kube::Client;
use kube::api::ListParams;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// The operator under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The null operator.
    Null,
    /// Groundlink.
    Ours,
}

/// Both sides, in the order in which they take turns.
/// The rounds remove what the one before made.
pub const REMOVES_ALL: [&str; 2] = ["--removals-share", "100"];
pub const SIDES: [Side; 2] = [Side::Null, Side::Ours];

/// A hub, its satellites and a volume.
pub struct Stage {
    /// The servers; the operator talks to them directly.
    pub installation: Installation,
    /// The program under test.
    pub program: String,
    satellites: Vec<String>,
    _volume: Option<tempfile::TempDir>,
}

/// A running operator.
pub enum Running {
    /// The null operator.
    Null(NullOperator),
    /// Groundlink.
    Ours(Operator),
}

impl Running {
    /// Returns the process of Groundlink. None for the null operator.
    pub fn ours(&self) -> Option<&Operator> {
        if let Self::Ours(operator) = self { Some(operator) } else { None }
    }
}

impl Stage {
    /// Starts the servers and joins the satellites.
    pub async fn start(plan: &Plan, satellites: &[&str]) -> anyhow::Result<Self> {
        crate::progress!("starting a hub and {} satellites", satellites.len());
        let program = std::env::var("GROUNDLINK").unwrap_or_else(|_| env!("CARGO_BIN_EXE_groundlink").into());
        let mut installation = Installation::start_direct(satellites).await;
        let volume = match &plan.volume {
            Some(parent) => {
                Some(tempfile::Builder::new().prefix("groundlink-bench-").tempdir_in(parent).with_context(
                    || format!("--volume {}: cannot create a directory there", parent.display()),
                )?)
            }
            None => None,
        };
        if let Some(directory) = &volume {
            let path = directory.path().join("volume");
            std::fs::create_dir(&path)?;
            installation.set_volume(&path);
        }
        for name in satellites {
            // The default of the resource. The tests use a shorter timeout.
            installation.register(name, json!({ "requestTimeout": "10s" })).await;
        }
        let satellites = satellites.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { installation, program, satellites, _volume: volume })
    }

    /// Returns the names of the satellites.
    pub fn satellites(&self) -> &[String] {
        &self.satellites
    }

    /// Returns a client of a satellite with admin rights.
    pub async fn satellite(&self, name: &str) -> Client {
        self.installation.plane.server(name).client().await
    }

    /// Creates a new namespace. Its name is short, because it is part of every file.
    pub async fn namespace(&self) -> String {
        let name = format!("b{}", load::nonce());
        self.installation.namespace(&name).await;
        // The first creates wait until the server's own caches have the namespace.
        tokio::time::sleep(Duration::from_millis(500)).await;
        name
    }

    /// Starts an operator, and waits until it is ready to work.
    pub async fn run(&self, side: Side) -> anyhow::Result<Running> {
        match side {
            Side::Null => {
                // Groundlink's account: the server checks its token and rights, unlike an admin's.
                let server = self.installation.plane.server("hub");
                let kubeconfig = server.service_account_kubeconfig(OPERATOR, OPERATOR).await;
                Ok(Running::Null(NullOperator::start(client_of(&kubeconfig).await).await?))
            }
            Side::Ours => Ok(Running::Ours(self.operator().await)),
        }
    }

    /// Starts Groundlink, and waits until it is ready to work.
    pub async fn operator(&self) -> Operator {
        // As in the image (Dockerfile).
        let builder = self.installation.operator_builder(&self.program).await.args(REMOVES_ALL);
        let builder = builder.env("MALLOC_ARENA_MAX", "1");
        let operator = builder.spawn();
        self.working(&operator).await;
        operator
    }

    /// Waits until Groundlink is ready and every satellite has acknowledged its first snapshot.
    pub async fn working(&self, operator: &Operator) {
        self.installation.ready(operator).await;
        let wanted = self.satellites.len();
        eventually(GENEROUS, "every satellite acknowledged the first snapshot", async || {
            let metrics = operator.metrics().await;
            let acknowledged = self.satellites.iter().filter(|name| {
                let label = format!("groundlink_satellite_acknowledgements_total{{satellite=\"{name}\"}}");
                sum(&metrics, &label) > 0.0
            });
            let count = acknowledged.count();
            if count == wanted { Ok(()) } else { Err(format!("{count} of {wanted}")) }
        })
        .await;
    }

    /// Checks that nothing was lost and no status is wrong: the volume holds exactly these objects,
    /// every status has the digest of its file, and every satellite holds the files of the volume.
    pub async fn verify(&self, namespaces: &[impl AsRef<str>], count: usize) -> anyhow::Result<()> {
        self.verify_statuses(namespaces, count).await?;
        self.equal(GENEROUS).await;
        Ok(())
    }

    /// Waits until every satellite holds the files of the volume in any layout, by the independent
    /// reader.
    async fn equal(&self, deadline: Duration) {
        let wanted = published(self.installation.volume());
        for satellite in &self.satellites {
            let (place, reader) = (self.installation.place(satellite).await, Reader::default());
            eventually(deadline, &format!("{satellite} holds the files of the volume"), async || {
                let held = place.read(&reader).await?.files;
                difference(&wanted, &held).map_or(Ok(()), Err)
            })
            .await;
        }
    }

    /// The hub's part of [`Self::verify`].
    pub async fn verify_statuses(&self, namespaces: &[impl AsRef<str>], count: usize) -> anyhow::Result<()> {
        let files = self.installation.files();
        ensure!(files.len() == count, "{count} objects, but {} files on the volume", files.len());
        let mut objects: Vec<MonitoringObject> = Vec::new();
        for namespace in namespaces {
            let mut parameters = ListParams::default().limit(500);
            loop {
                let page = self.installation.objects(namespace.as_ref()).list(&parameters).await?;
                parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
                objects.extend(page.items);
                if parameters.continue_token.is_none() {
                    break;
                }
            }
        }
        ensure!(objects.len() == count, "{count} objects were created, but the server has {}", objects.len());
        for object in &objects {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
            let file = files.get(&format!("{namespace}.{name}.conf"));
            let said = object.status.as_ref().and_then(|status| status.published_digest.as_deref());
            let held = file.map(|text| digest(text.as_bytes()));
            ensure!(
                said.is_some() && said == held.as_deref(),
                "{namespace}/{name}: the status has digest {said:?}, the file on the volume {held:?}"
            );
        }
        Ok(())
    }

    /// Deletes the objects, waits until they are gone everywhere, and ends the operator.
    pub async fn finish(
        &self,
        running: Running,
        namespace: &str,
        count: usize,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        load::delete_all(&self.installation.hub, namespace, count).await?;
        match running {
            Running::Null(null) => {
                ensure!(null.failed() == 0, "{} writes of the null operator failed", null.failed());
            }
            Running::Ours(operator) => {
                self.emptied(count).await?;
                self.end(&operator, report).await;
            }
        }
        Ok(())
    }

    async fn emptied(&self, count: usize) -> anyhow::Result<()> {
        eventually(patience(count), "the volume is empty", async || {
            let left = self.installation.files().len();
            if left == 0 { Ok(()) } else { Err(format!("{left} files")) }
        })
        .await;
        self.equal(patience(count)).await;
        Ok(())
    }

    /// Ends Groundlink with SIGTERM, as a rollout does.
    pub async fn terminate(&self, operator: &Operator, report: &mut Report) {
        let status = operator.terminate(Duration::from_secs(20)).await;
        if !status.success() {
            report.failures.push(format!("the operator ended with {status}"));
        }
    }

    /// Ends Groundlink, and notes its warnings and errors.
    pub async fn end(&self, operator: &Operator, report: &mut Report) {
        self.terminate(operator, report).await;
        let mut complaints: BTreeMap<String, usize> = BTreeMap::new();
        for line in operator.log_text().lines() {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            if line["level"] == "WARN" || line["level"] == "ERROR" {
                let text = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
                let complaint: String =
                    format!("{} {}", text("message"), text("why")).chars().take(200).collect();
                *complaints.entry(complaint).or_default() += 1;
            }
        }
        report
            .notes
            .extend(complaints.into_iter().map(|(text, count)| format!("operator's log: {count} x {text}")));
    }
}
