//! A large set on real servers: created before any satellite joins, delivered in layout Snapshot,
//! and checked by the independent reader of the tests.

use crate::line::Line;
use crate::load::{self, Kind};
use crate::observe::{self, Observer, Pointers};
use crate::plan::{Plan, patience};
use crate::report::Report;
use crate::requests::sum;
use crate::stage::Stage;
use crate::support::reader::{Delivered, Files, difference, digest_of, published};
use crate::support::{OPERATOR, Operator, Place, Reader, eventually_every, grant};
use anyhow::{Context as _, ensure};
use http::Request;
use kube::api::DeleteParams;
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Interval between two probes that are expensive.
const LOOK: Duration = Duration::from_millis(250);
/// The operator counts as idle after this long without a change.
const STILL: Duration = Duration::from_secs(1);
/// Longest wait for the deletion of garbage. The operator looks at a quiet satellite within 36 s,
/// and deletes it then.
const TIDY: Duration = Duration::from_secs(90);
/// Objects that are created in one burst while there is no satellite.
const PART: usize = 5_000;

/// A stage with one operator and one namespace of objects.
pub struct Large {
    pub stage: Stage,
    pub operator: Operator,
    pub namespace: String,
    /// By name of the SatelliteCluster.
    pub lines: BTreeMap<String, Line>,
    pub reader: Reader,
    /// Numbers of the objects that exist.
    pub numbers: Range<usize>,
}

impl Large {
    /// Starts a server behind a line for each satellite, and an operator. No satellite is joined
    /// yet.
    pub async fn start(plan: &Plan, satellites: &[&str], report: &mut Report) -> anyhow::Result<Self> {
        let mut stage = Stage::start(plan, &[]).await?;
        if report.conditions.is_empty() {
            crate::servers::look(&stage, report).await?;
        }
        let mut lines = BTreeMap::new();
        for name in satellites {
            stage.installation.prepare(name).await;
            let server = stage.installation.plane.server(name);
            let line = Line::to(server.port()).await?;
            let token = server.service_account_token("icinga", "groundlink").await;
            let kubeconfig = server.kubeconfig_for(&line.url(), &token);
            stage.installation.set_secret(name, &kubeconfig).await;
            lines.insert((*name).to_owned(), line);
        }
        let operator = stage.operator().await;
        let namespace = stage.namespace().await;
        Ok(Self { stage, operator, namespace, lines, reader: Reader::default(), numbers: 0..0 })
    }

    /// Returns the number of objects that exist.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Creates objects up to this number, and waits until all are published and acknowledged.
    pub async fn grow(&mut self, count: usize) -> anyhow::Result<()> {
        while self.count() < count {
            let start = Instant::now();
            let next = self.numbers.end..self.numbers.end + PART.min(count - self.count());
            let created = next.len();
            load::burst(&self.stage.installation.hub, &self.namespace, Kind::Host, next.clone()).await?;
            self.numbers.end = next.end;
            self.quiet().await;
            let rate = created as f64 / start.elapsed().as_secs_f64();
            crate::progress!("{} objects, {rate:.0}/s", self.count());
        }
        Ok(())
    }

    /// Waits until every object is in the snapshot and every status is written.
    pub async fn quiet(&self) {
        let (mut last, mut since) = (f64::NAN, Instant::now());
        let count = self.count();
        eventually_every(LOOK, patience(count), "the operator has nothing to do", async || {
            let metrics = self.operator.metrics().await;
            let snapshot = sum(&metrics, "groundlink_snapshot_objects");
            let waiting = sum(&metrics, "groundlink_status_queue_depth");
            let written = sum(&metrics, "groundlink_status_writes_total");
            if snapshot != count as f64 || waiting > 0.0 || written != last {
                (last, since) = (written, Instant::now());
            }
            if since.elapsed() >= STILL {
                return Ok(());
            }
            Err(format!("{snapshot} of {count} objects in the snapshot, {waiting} status writes are queued"))
        })
        .await;
    }

    /// Returns the files of the volume, which every satellite should hold.
    pub fn wanted(&self) -> Files {
        published(self.stage.installation.volume())
    }

    /// Checks that nothing was lost on the hub: the volume has exactly these objects, and each
    /// status has the digest of its file.
    pub async fn verify_hub(&self) -> anyhow::Result<()> {
        self.stage.verify_statuses(&[&self.namespace], self.count()).await
    }

    /// Returns the place of the pointer of a satellite with the default namespace.
    pub async fn place(&self, name: &str) -> Place {
        place(&self.stage, name, name, "icinga").await
    }

    /// Prepares a namespace on a server for a satellite of the same name, and creates its Secret on
    /// the hub.
    pub async fn furnish(&self, server: &str, name: &str) -> Place {
        let api_server = self.stage.installation.plane.server(server);
        grant(&api_server, name).await;
        let token = api_server.service_account_token(name, "groundlink").await;
        let kubeconfig = api_server.kubeconfig_for(&api_server.url(), &token);
        self.stage.installation.set_secret(name, &kubeconfig).await;
        place(&self.stage, name, server, name).await
    }

    /// Creates a SatelliteCluster, whose Secret must exist.
    pub async fn join(&self, name: &str, namespace: &str) -> anyhow::Result<()> {
        let object = json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
            "metadata": { "name": name },
            "spec": {
                "kubeconfigSecretRef": { "name": name },
                "requestTimeout": "10s",
                "target": { "namespace": namespace, "layout": "Snapshot" },
                "deletion": { "cleanup": "Orphan" },
            },
        });
        let path = format!("/apis/groundlink.dev/v1alpha1/namespaces/{OPERATOR}/satelliteclusters");
        let request = Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes())?;
        let hub = &self.stage.installation.hub;
        hub.request_text(request).await.with_context(|| format!("join {name}"))?;
        Ok(())
    }

    /// Deletes a SatelliteCluster, and waits until it is gone. The delivered ConfigMaps stay.
    pub async fn leave(&self, name: &str) -> anyhow::Result<()> {
        let api = self.stage.installation.satellites();
        api.delete(name, &DeleteParams::default()).await?;
        eventually_every(LOOK, TIDY, &format!("SatelliteCluster {name} is gone"), async || {
            match api.get_opt(name).await {
                Ok(None) => Ok(()),
                other => Err(format!("{:?}", other.map(|found| found.is_some()))),
            }
        })
        .await;
        Ok(())
    }

    /// Joins a satellite, and waits until it holds everything. Returns the watch of its pointer.
    pub async fn joined(&self, place: &Place, wanted: &Files) -> anyhow::Result<Observer<Pointers>> {
        let mut pointer = observe::pointer(&place.client, &place.namespace).await?;
        self.join(&place.satellite, &place.namespace).await?;
        if place.marked_digest().await.ok() != Some(digest_of(wanted)) {
            holds(&mut pointer, place, wanted).await?;
        }
        Ok(pointer)
    }

    /// Checks that a satellite holds exactly these files, as the independent reader unpacks them.
    pub async fn verify(&self, place: &Place, wanted: &Files) -> anyhow::Result<Delivered> {
        let read = place.read(&self.reader).await;
        let delivered = read.map_err(|why| anyhow::anyhow!("{}: {why}", place.satellite))?;
        let difference = difference(wanted, &delivered.files);
        ensure!(difference.is_none(), "{}: {}", place.satellite, difference.unwrap_or_default());
        Ok(delivered)
    }

    /// Waits until the satellite holds only the pointer, its shards, and those of the previous
    /// revision.
    pub async fn tidy(&self, place: &Place, delivered: &Delivered) {
        let what = format!("{} has no garbage", place.satellite);
        eventually_every(LOOK, TIDY, &what, async || {
            let names = place.names().await?;
            let ours = names.iter().filter(|name| name.starts_with(&place.pointer)).count();
            let wanted = 1 + delivered.shards.len() + delivered.previous.len();
            if ours == wanted { Ok(()) } else { Err(format!("{ours} ConfigMaps, not {wanted}")) }
        })
        .await;
    }

    /// Ends the operator, and notes its warnings and errors.
    pub async fn end(self, report: &mut Report) {
        self.stage.end(&self.operator, report).await;
    }
}

async fn place(stage: &Stage, satellite: &str, server: &str, namespace: &str) -> Place {
    let (namespace, pointer) = (namespace.to_owned(), "groundlink".to_owned());
    Place { satellite: satellite.to_owned(), client: stage.satellite(server).await, namespace, pointer }
}

/// Waits until a pointer has the digest of these files. Returns the time when it first had.
pub async fn holds(
    pointer: &mut Observer<Pointers>,
    place: &Place,
    wanted: &Files,
) -> anyhow::Result<Instant> {
    let digest = digest_of(wanted);
    let what = format!("{} holds {} files", place.satellite, wanted.len());
    pointer.until(patience(wanted.len()), &what, |seen| seen.digests.get(&digest).copied()).await
}
