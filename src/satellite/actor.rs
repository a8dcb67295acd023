//! The actor of one satellite: waits for something to do, does one step, tells what came of it.

use super::apply::{Acked, Remote};
use super::breaker::Breaker;
use super::client::connect;
use super::context::Context;
use super::credential::Credential;
use super::problem::{Contact, Problem};
use super::report::{self, Report};
use super::watermark::Held;
use crate::api::condition::clean;
use crate::api::satellite_cluster::{
    AckLevel, BreakerState, Cleanup, DriftPolicy, Layout, NamespacesFrom, Stats,
};
use crate::api::{Reason, SatelliteCluster};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::snapshot::single::Target;
use crate::snapshot::{Acceptance, Snapshot, view};
use crate::validate::value::parse_duration;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Keeps the resource until the satellite is cleaned up, or the time for that is over.
pub const FINALIZER: &str = "groundlink.dev/satellite-cleanup";

/// How often a quiet satellite's pointer is read, to find what someone changed.
const VERIFY_EVERY: Duration = Duration::from_secs(30);
/// Longest wait for the answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest wait for the hub's API server.
const HUB_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a process that is not the leader looks whether it has become one.
const FOLLOW: Duration = Duration::from_millis(100);
/// A pass that took some time is followed by this many times of rest, so that a burst costs a satellite's API server (which
/// takes the whole set each time in layout Single) a share of its time and not all of it.
const REST: u32 = 3;
/// Longest rest.
const REST_MAX: Duration = Duration::from_secs(2);
/// How often a cause that needs a person is looked at again all the same.
const RECHECK: Duration = Duration::from_secs(30);

/// The actor.
pub struct Actor {
    context: Context,
    name: String,
    config: watch::Receiver<Arc<SatelliteCluster>>,
    snapshots: watch::Receiver<Option<Snapshot>>,
    secret_changed: Arc<Notify>,
    stop: CancellationToken,
    remote: Option<Remote>,
    breaker: Breaker,
    attempts: u32,
    report: Report,
    /// What was acknowledged last: the snapshot's revision and the content's digest.
    last: Option<(Revision, Digest)>,
    statuses: watch::Sender<Option<(Arc<SatelliteCluster>, crate::api::SatelliteClusterStatus)>>,
    started: Instant,
    deleting_since: Option<Instant>,
    /// No pass before this time.
    rested: Instant,
}

/// What to wait for after a step.
enum Next {
    /// This long, or for news.
    Wait(Duration),
    /// The resource may go; the actor ends.
    Finished,
}

impl Actor {
    /// An actor for one SatelliteCluster.
    pub fn new(
        context: Context,
        name: String,
        config: watch::Receiver<Arc<SatelliteCluster>>,
        secret_changed: Arc<Notify>,
        stop: CancellationToken,
    ) -> Self {
        let (statuses, mailbox) = watch::channel(None);
        let api = Api::namespaced(context.hub.clone(), &context.namespace);
        tokio::spawn(report::write(api, context.claim.clone(), context.metrics.clone(), mailbox));
        let mut actor = Self {
            snapshots: context.snapshots.clone(),
            context,
            name,
            config,
            secret_changed,
            stop,
            remote: None,
            breaker: Breaker::default(),
            attempts: 0,
            report: Report::default(),
            last: None,
            statuses,
            started: Instant::now(),
            deleting_since: None,
            rested: Instant::now(),
        };
        // Before the registry says that it knows all satellites.
        actor.configured();
        actor
    }

    /// Runs until it is stopped or its resource may go.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep_until(self.rested) => {}
            }
            let pause = match self.step().await {
                Next::Finished => break,
                Next::Wait(pause) => pause,
            };
            self.tell();
            tokio::select! {
                () = self.stop.cancelled() => break,
                // A new snapshot resets the backoff, not the breaker: an open one waits for its probe.
                changed = self.snapshots.changed(), if self.breaker.state() != BreakerState::Open => {
                    if changed.is_err() { break }
                    self.attempts = 0;
                }
                changed = self.config.changed() => {
                    if changed.is_err() { break }
                    self.configured();
                }
                () = self.secret_changed.notified() => {
                    self.remote = None;
                    self.attempts = 0;
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The resource is new or changed: what it accepts and where it goes may be different.
    fn configured(&mut self) {
        self.config.mark_unchanged();
        self.remote = None;
        self.attempts = 0;
        self.last = None;
        let acceptance = acceptance(&self.config.borrow());
        let unreachable = self.breaker.state() == BreakerState::Open;
        let entry = Held { acceptance, acked: None, left_out: Arc::default(), unreachable };
        self.context.fleet.send_modify(|fleet| {
            fleet.satellites.insert(self.name.clone(), entry);
        });
    }

    async fn step(&mut self) -> Next {
        if !self.context.claim.is_current() {
            return Next::Wait(FOLLOW);
        }
        let object = self.config.borrow().clone();
        self.report.suspended = object.spec.suspend;
        if object.metadata.deletion_timestamp.is_some() {
            return self.clean_up(&object).await;
        }
        if let Err(problem) = self.keep_finalizer(&object).await {
            return self.failed(problem);
        }
        if object.spec.suspend {
            self.report.problem = None;
            return Next::Wait(RECHECK);
        }
        if let Some(problem) = unsupported(&object) {
            return self.failed(problem);
        }
        match self.deliver(&object).await {
            Ok(()) => {
                self.report.problem = None;
                self.attempts = 0;
                Next::Wait(VERIFY_EVERY.mul_f64(rand::random_range(0.8..1.2)))
            }
            Err(problem) => self.failed(problem),
        }
    }

    fn failed(&mut self, problem: Problem) -> Next {
        if self.report.problem.as_ref() != Some(&problem) {
            tracing::warn!(satellite = %self.name, reason = ?problem.reason, why = %problem.message, "satellite has a problem");
        }
        self.context.metrics.satellite_failed(&self.name, problem.reason);
        self.attempts += 1;
        match problem.contact {
            Contact::Silent => self.breaker.failed(self.started.elapsed()),
            Contact::Answered => self.breaker.answered(),
            Contact::None => {}
        }
        if matches!(problem.reason, Reason::Unauthorized) {
            // The Secret is read again at once.
            self.remote = None;
        }
        let transient = problem.transient;
        self.report.problem = Some(problem);
        self.set_unreachable(self.breaker.state() == BreakerState::Open);
        if !transient {
            return Next::Wait(RECHECK.mul_f64(rand::random_range(0.8..1.2)));
        }
        Next::Wait(self.breaker.pause(self.attempts, rand::random()))
    }

    fn set_unreachable(&self, unreachable: bool) {
        self.context.fleet.send_if_modified(|fleet| match fleet.satellites.get_mut(&self.name) {
            Some(held) if held.unreachable != unreachable => {
                held.unreachable = unreachable;
                true
            }
            _ => false,
        });
        self.context.metrics.satellite_up(&self.name, !unreachable);
    }

    async fn deliver(&mut self, object: &SatelliteCluster) -> Result<(), Problem> {
        if self.remote.is_none() {
            self.remote = Some(self.connect(object).await?);
        }
        let Some(remote) = self.remote.as_mut() else { return Ok(()) };
        let snapshot = self.snapshots.borrow_and_update().clone();
        let snapshot = snapshot.map(|snapshot| {
            let acceptance = acceptance(object);
            let reserved = acceptance.icinga_version.map(|version| self.context.reserved(version));
            let view = view(&snapshot, &acceptance, reserved.as_ref());
            self.report.desired = Some((snapshot.revision(), view.digest));
            self.report.left_out = view.left_out.len();
            self.report.left_out_example = view.left_out.first().map(ToString::to_string);
            self.report.stats =
                Some(Stats { objects: view.files.len() as u32, bytes: view.bytes as u64, shards: 0 });
            (snapshot, view)
        });
        if self.breaker.state() == BreakerState::Open {
            let probe = tokio::time::timeout(PROBE_TIMEOUT, remote.read()).await;
            let silent = format!("no answer to a probe within {} s", PROBE_TIMEOUT.as_secs());
            probe.unwrap_or_else(|_| Err(Problem::silent(Reason::Unreachable, silent)))?;
            self.breaker.answered();
        }
        let Some((snapshot, view)) = snapshot else {
            remote.read().await?;
            self.breaker.answered();
            return Ok(());
        };
        if self.last == Some((snapshot.revision(), view.digest)) {
            // Nothing new: look whether someone changed it.
            remote.read().await?;
            self.report.drifted =
                object.spec.drift_policy == DriftPolicy::Report && remote.digest() != Some(view.digest);
            if self.report.drifted {
                self.breaker.answered();
                return Ok(());
            }
        }
        let began = Instant::now();
        let acked = remote.pass(&snapshot, &view, &self.context.claim).await?;
        if acked.wrote {
            self.rested = Instant::now() + (began.elapsed() * REST).min(REST_MAX);
        }
        self.breaker.answered();
        self.report.drifted = false;
        self.acknowledged(object, snapshot.revision(), &acked, &view.left_out);
        Ok(())
    }

    fn acknowledged(
        &mut self,
        object: &SatelliteCluster,
        revision: Revision,
        acked: &Acked,
        left_out: &BTreeSet<ObjectKey>,
    ) {
        self.last = Some((revision, acked.digest));
        self.report.written = Some((acked.pointer_revision, acked.digest));
        self.report.acked = self.report.written;
        if acked.wrote {
            tracing::info!(satellite = %self.name, %revision, digest = %acked.digest, "delivered");
        }
        self.context.metrics.satellite_acked(&self.name, acked.wrote, self.report.stats.as_ref());
        self.set_unreachable(false);
        if object.spec.ack_level == AckLevel::Loaded {
            return;
        }
        self.context.fleet.send_if_modified(|fleet| match fleet.satellites.get_mut(&self.name) {
            Some(held) if held.acked < Some(revision) => {
                held.acked = Some(revision);
                if *held.left_out != *left_out {
                    held.left_out = Arc::new(left_out.clone());
                }
                true
            }
            _ => false,
        });
    }

    fn tell(&mut self) {
        if self.report.desired.is_none() && self.report.problem.is_none() && !self.report.suspended {
            // Nothing is known yet. After a restart the recorded status is true until something else is.
            return;
        }
        let object = self.config.borrow().clone();
        let status = report::compose(&object, &self.report, &self.breaker);
        self.statuses.send_if_modified(|current| {
            // Times of a status that says the same are not news.
            let next = match current.as_ref() {
                Some((_, old)) => {
                    report::compose(&with_status(&object, old.clone()), &self.report, &self.breaker)
                }
                None => status,
            };
            if current.as_ref().is_some_and(|(_, old)| *old == next) {
                return false;
            }
            *current = Some((object.clone(), next));
            true
        });
    }

    async fn connect(&self, object: &SatelliteCluster) -> Result<Remote, Problem> {
        let reference = &object.spec.kubeconfig_secret_ref;
        let api = Api::<Secret>::namespaced(self.context.hub.clone(), &self.context.namespace);
        let missing = |what: String| {
            Problem::transient(Reason::CredentialMissing, format!("spec.kubeconfigSecretRef: {what}"))
        };
        let secret = match tokio::time::timeout(HUB_TIMEOUT, api.get_opt(&reference.name)).await {
            Err(_) => return Err(missing("the hub's API server does not answer".into())),
            Ok(Err(error)) => {
                return Err(missing(format!(
                    "cannot read Secret {}: {}",
                    reference.name,
                    clean(&error.to_string(), 200)
                )));
            }
            Ok(Ok(None)) => {
                return Err(missing(format!("Secret {} does not exist; create it", reference.name)));
            }
            Ok(Ok(Some(secret))) => secret,
        };
        let policy = self.context.policy;
        let credential = Credential::from_secret(&secret, reference, &policy.into())?;
        let refused = |why: String| {
            Problem::stalled(Reason::CredentialRefused, format!("Secret {}: {why}", reference.name))
        };
        let timeout =
            duration(&object.spec.request_timeout).clamp(Duration::from_secs(1), Duration::from_secs(60));
        let client = connect(credential.kubeconfig(), policy, timeout).await.map_err(refused)?;
        Ok(Remote::new(client, target(object), object.spec.adoption_policy, timeout))
    }

    async fn keep_finalizer(&self, object: &SatelliteCluster) -> Result<(), Problem> {
        let has = object.finalizers().iter().any(|name| name == FINALIZER);
        match (object.spec.deletion.cleanup, has) {
            (Cleanup::Delete, false) => self.set_finalizer(object, true).await,
            (Cleanup::Orphan, true) => self.set_finalizer(object, false).await,
            _ => Ok(()),
        }
    }

    async fn set_finalizer(&self, object: &SatelliteCluster, wanted: bool) -> Result<(), Problem> {
        let failed = |why: String| {
            Problem::transient(Reason::Pending, format!("cannot change metadata.finalizers: {why}"))
        };
        if !self.context.claim.is_current() {
            return Err(failed("this process is not the leader any more".into()));
        }
        let mut finalizers: Vec<_> =
            object.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        }
        // The resourceVersion makes a patch from an old reading fail.
        let patch = json!({ "metadata": { "finalizers": finalizers, "resourceVersion": object.metadata.resource_version } });
        let api = Api::<SatelliteCluster>::namespaced(self.context.hub.clone(), &self.context.namespace);
        let parameters = PatchParams::default();
        let patch = Patch::Merge(patch);
        match tokio::time::timeout(HUB_TIMEOUT, api.patch(&self.name, &parameters, &patch)).await {
            Err(_) => Err(failed("the hub's API server does not answer".into())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
            Ok(Err(error)) => Err(failed(clean(&error.to_string(), 200))),
        }
    }

    /// The resource is being deleted: removes the ConfigMaps if that is wanted, within the time that is allowed for it.
    async fn clean_up(&mut self, object: &SatelliteCluster) -> Next {
        let since = *self.deleting_since.get_or_insert_with(Instant::now);
        if !object.finalizers().iter().any(|name| name == FINALIZER) {
            return Next::Finished;
        }
        if object.spec.deletion.cleanup == Cleanup::Delete && !object.spec.suspend {
            let result = async {
                if self.remote.is_none() {
                    self.remote = Some(self.connect(object).await?);
                }
                match self.remote.as_mut() {
                    Some(remote) => remote.delete().await,
                    None => Ok(()),
                }
            };
            if let Err(problem) = result.await {
                if since.elapsed() < duration(&object.spec.deletion.timeout) {
                    return self.failed(problem);
                }
                tracing::warn!(
                    satellite = %self.name, reason = ?Reason::CleanupSkipped, why = %problem.message,
                    "the satellite could not be cleaned up in time; its ConfigMaps stay"
                );
            }
        }
        match self.set_finalizer(object, false).await {
            Ok(()) => Next::Finished,
            Err(problem) => self.failed(problem),
        }
    }
}

fn with_status(object: &SatelliteCluster, status: crate::api::SatelliteClusterStatus) -> SatelliteCluster {
    SatelliteCluster { status: Some(status), ..object.clone() }
}

fn duration(text: &crate::api::text::Duration) -> Duration {
    // The CRD admits nothing that cannot be parsed.
    Duration::from_secs_f64(parse_duration(text.as_str()).unwrap_or(10.0))
}

/// What a SatelliteCluster accepts.
fn acceptance(object: &SatelliteCluster) -> Acceptance {
    let namespaces = &object.spec.namespaces;
    Acceptance {
        zones: object.spec.zones.iter().map(|zone| zone.as_str().to_owned()).collect(),
        namespaces: (namespaces.from != NamespacesFrom::All)
            .then(|| namespaces.names.iter().cloned().collect()),
        icinga_version: object.spec.icinga_version,
    }
}

fn target(object: &SatelliteCluster) -> Target {
    let target = &object.spec.target;
    Target {
        satellite: object.name_any(),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        labels: target.labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect(),
        annotations: target.annotations.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect(),
    }
}

fn unsupported(object: &SatelliteCluster) -> Option<Problem> {
    let what = if object.spec.namespaces.from == NamespacesFrom::Selector {
        "spec.namespaces.from: Selector; use List or All"
    } else if object.spec.target.layout == Layout::Snapshot {
        "spec.target.layout: Snapshot; use Auto or Single"
    } else {
        return None;
    };
    Some(Problem::stalled(Reason::Unsupported, format!("this version does not know {what}")))
}
