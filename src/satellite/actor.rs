//! The actor of one satellite: waits for something to do, does one step, tells what came of it.

use super::apply::{Acked, Remote};
use super::breaker::{Breaker, Event};
use super::connection::{Connection, credential};
use super::context::{Context, Latest};
use super::credential::{Schedule, warning};
use super::drift::Corrections;
use super::problem::{Contact, Problem};
use super::registry::Config;
use super::report::{self, Drifted, Report};
use super::watermark::Held;
use crate::api::satellite_cluster::{AckLevel, BreakerState, DriftPolicy, NamespacesFrom, Stats};
use crate::api::{Reason, SatelliteCluster, SatelliteClusterStatus};
use crate::identity::{Digest, Revision};
use crate::metrics::Written;
use crate::snapshot::{Acceptance, View};
use kube::api::Api;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a quiet satellite's pointer is read, to find what someone changed and the watch did not tell.
const VERIFY_EVERY: Duration = Duration::from_secs(30);
/// Longest wait for the answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest pass. What was done is not done again in the next one.
const PASS_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a process that is not the leader looks whether it has become one.
const FOLLOW: Duration = Duration::from_millis(100);
/// A pass that took some time is followed by this many times of rest, so that a burst costs a satellite's API server a share
/// of its time and not all of it.
const REST: u32 = 3;
/// Longest rest.
const REST_MAX: Duration = Duration::from_secs(2);
/// How often a cause that needs a person is looked at again all the same.
const RECHECK: Duration = Duration::from_secs(30);
/// The first time that a refused set is tried again.
const REFUSED: Duration = Duration::from_secs(5);
/// Shards that nothing names any more are deleted in a quiet moment, or when there are more than these.
const GARBAGE: usize = 64;

/// The actor.
pub struct Actor {
    pub(super) context: Context,
    pub(super) name: String,
    config: watch::Receiver<Arc<Config>>,
    snapshots: watch::Receiver<Option<Latest>>,
    secret_changed: Arc<Notify>,
    stop: CancellationToken,
    pub(super) connection: Option<Connection>,
    /// The Secret, or the resource, may say something new.
    reload: bool,
    /// The resource does.
    is_changed: bool,
    /// When to look again at a Secret whose credential does not work, while an older one does.
    reload_at: Option<Instant>,
    written: Arc<Written>,
    renewals: Schedule,
    breaker: Breaker,
    corrections: Corrections,
    attempts: u32,
    report: Report,
    /// What was acknowledged last: the snapshot's revision and the content's digest.
    last: Option<(Revision, Digest)>,
    statuses: watch::Sender<Option<(Arc<SatelliteCluster>, SatelliteClusterStatus)>>,
    started: Instant,
    pub(super) deleting_since: Option<Instant>,
    /// No pass before this time.
    rested: Instant,
}

/// What to wait for after a step.
pub(super) enum Next {
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
        config: watch::Receiver<Arc<Config>>,
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
            connection: None,
            reload: true,
            is_changed: true,
            reload_at: None,
            written: Arc::default(),
            renewals: Schedule::default(),
            breaker: Breaker::default(),
            corrections: Corrections::default(),
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
                changed = self.config.changed() => {
                    if changed.is_err() { break }
                    self.configured();
                }
                () = self.secret_changed.notified() => self.reload = true,
                () = tokio::time::sleep_until(self.rested) => {}
            }
            let stop = self.stop.clone();
            let next = tokio::select! {
                () = stop.cancelled() => break,
                next = self.step() => next,
            };
            let Next::Wait(pause) = next else { break };
            self.context.metrics.satellite_wrote(&self.name, &self.written);
            self.tell();
            tokio::select! {
                () = self.stop.cancelled() => break,
                // A new snapshot resets the backoff of a satellite that did not answer, not the breaker: an open one waits for its
                // probe. One that refused is not asked more often because there is more to refuse.
                changed = self.snapshots.changed(), if self.breaker.state() != BreakerState::Open && !self.is_refused() => {
                    if changed.is_err() { break }
                    self.attempts = 0;
                }
                changed = self.config.changed() => {
                    if changed.is_err() { break }
                    self.configured();
                }
                () = self.secret_changed.notified() => {
                    self.reload = true;
                    self.attempts = 0;
                }
                () = disturbed(&mut self.connection) => self.forget(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn is_refused(&self) -> bool {
        // One that holds what it should, and refuses something else (a watch), gets what is new at once.
        let holds_all =
            self.report.acked.map(|acked| acked.1) == self.report.desired.map(|desired| desired.1);
        !holds_all && self.report.problem.as_ref().is_some_and(|problem| problem.contact == Contact::Answered)
    }

    fn object(&self) -> Arc<SatelliteCluster> {
        self.config.borrow().object.clone()
    }

    /// The resource is new or changed: what it accepts and where it goes may be different.
    fn configured(&mut self) {
        self.config.mark_unchanged();
        self.reload = true;
        self.is_changed = true;
        self.attempts = 0;
        self.last = None;
        let acceptance = acceptance(&self.config.borrow()).ok();
        let unreachable = self.breaker.state() == BreakerState::Open;
        let entry = Held { acceptance, acked: None, left_out: Arc::default(), unreachable };
        self.context.fleet.send_modify(|fleet| {
            fleet.satellites.insert(self.name.clone(), entry);
        });
    }

    fn forget(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.remote.forget();
        }
    }

    async fn step(&mut self) -> Next {
        if !self.context.claim.is_current() {
            return Next::Wait(FOLLOW);
        }
        let object = self.object();
        self.report.suspended = object.spec.suspend;
        if object.metadata.deletion_timestamp.is_some() {
            return self.clean_up(&object).await;
        }
        let result = match self.keep_finalizer(&object).await {
            Ok(()) => self.deliver(&object).await,
            Err(problem) => Err(problem),
        };
        match result {
            Ok(pause) => {
                self.recovered(&object);
                self.attempts = 0;
                Next::Wait(pause)
            }
            Err(problem) => self.failed(problem),
        }
    }

    fn recovered(&mut self, object: &Arc<SatelliteCluster>) {
        if self.report.problem.take().is_some_and(|problem| problem.contact != Contact::None) {
            let (events, object) = (self.context.events.clone(), object.clone());
            tokio::spawn(async move {
                events.normal(&object, Reason::Connected, "the satellite works again").await
            });
        }
    }

    pub(super) fn failed(&mut self, problem: Problem) -> Next {
        let is_new = self.report.problem.as_ref().is_none_or(|old| old.reason != problem.reason);
        if self.report.problem.as_ref() != Some(&problem) {
            tracing::warn!(satellite = %self.name, reason = ?problem.reason, why = %problem.message, "satellite has a problem");
        }
        if is_new && problem.reason != Reason::Pending {
            let (events, object, said) = (self.context.events.clone(), self.object(), problem.clone());
            tokio::spawn(async move { events.warning(&object, said.reason, &said.message).await });
        }
        self.context.metrics.satellite_failed(&self.name, problem.reason);
        self.attempts += 1;
        match problem.contact {
            Contact::Silent => self.breaker_after(Event::Silent),
            Contact::Answered => self.breaker_after(Event::Answered),
            Contact::None => {}
        }
        if problem.reason == Reason::Unauthorized {
            // The Secret is read again at once.
            self.reload = true;
        }
        let (transient, retry_after) = (problem.transient, problem.retry_after);
        self.report.problem = Some(problem);
        if self.breaker.state() == BreakerState::Open
            && let Some(connection) = &mut self.connection
        {
            connection.remote.stop_watching();
        }
        if !transient && self.is_refused() && self.attempts == 1 {
            // What was refused may be refused for what was in it: the next snapshot is tried soon.
            return Next::Wait(REFUSED);
        }
        if !transient {
            return Next::Wait(RECHECK.mul_f64(rand::random_range(0.8..1.2)));
        }
        let pause = self.breaker.pause(self.attempts, rand::random()).max(retry_after.unwrap_or_default());
        self.report.next_probe = jiff::Timestamp::now().as_second() + pause.as_secs() as i64;
        Next::Wait(pause)
    }

    fn breaker_after(&mut self, event: Event) {
        self.breaker = self.breaker.after(event, self.started.elapsed());
        let state = self.breaker.state();
        let unreachable = state == BreakerState::Open;
        self.context.fleet.send_if_modified(|fleet| match fleet.satellites.get_mut(&self.name) {
            Some(held) if held.unreachable != unreachable => {
                held.unreachable = unreachable;
                true
            }
            _ => false,
        });
        self.context.metrics.satellite_breaker(&self.name, state);
    }

    /// Has a connection that is made of what the Secret and the resource say now. A connection that works stays in use until the new
    /// one has worked.
    pub(super) async fn connect(&mut self, object: &SatelliteCluster) -> Result<(), Problem> {
        let is_due = self.reload_at.is_some_and(|at| at <= Instant::now());
        if self.connection.is_some() && !self.reload && !is_due {
            return Ok(());
        }
        let is_proven = self.connection.as_ref().is_some_and(|connection| connection.is_proven);
        let read = credential(&self.context, object).await;
        if let (Some(present), Ok(new)) = (&self.connection, &read)
            && present.credential.same_as(new)
            && !self.is_changed
        {
            self.settled();
            return Ok(());
        }
        let opened = match read {
            Ok(credential) => Connection::open(&self.context, object, credential, &self.written).await,
            Err(problem) => Err(problem),
        };
        let tried = match opened {
            Ok(mut new) if is_proven => {
                let has_changed =
                    self.connection.as_ref().is_some_and(|old| !old.credential.same_as(&new.credential));
                match has_changed {
                    true => new.remote.read().await.map(|()| new.proven()),
                    false => Ok(new.proven()),
                }
            }
            other => other,
        };
        match tried {
            Ok(connection) => {
                self.context.metrics.satellite_credential_expiry(&self.name, connection.credential.expiry());
                self.connection = Some(connection);
                self.settled();
                Ok(())
            }
            Err(problem) if is_proven => {
                self.reload = false;
                self.reload_at = Some(Instant::now() + RECHECK);
                if self.is_changed
                    && let Some(present) = &self.connection
                {
                    // The resource changed too: with the credential that works.
                    let credential = present.credential.clone();
                    let again = Connection::open(&self.context, object, credential, &self.written).await?;
                    self.connection = Some(again.proven());
                    self.is_changed = false;
                }
                self.report.credential = Some(problem);
                Ok(())
            }
            Err(problem) => Err(problem),
        }
    }

    fn settled(&mut self) {
        (self.reload, self.reload_at) = (false, None);
        self.is_changed = false;
        self.report.credential = None;
    }

    async fn deliver(&mut self, object: &SatelliteCluster) -> Result<Duration, Problem> {
        self.connect(object).await?;
        let latest = self.snapshots.borrow_and_update().clone();
        let acceptance = acceptance(&self.config.borrow())?;
        let desired = match latest {
            Some(latest) => Some(self.desired(&latest, acceptance).await?),
            None => None,
        };
        let Some(connection) = self.connection.as_mut() else { return Ok(RECHECK) };
        let remote = &mut connection.remote;
        let is_open = self.breaker.state() == BreakerState::Open;
        let nothing_new =
            desired.as_ref().is_none_or(|(revision, view)| self.last == Some((*revision, view.digest)));
        if is_open || nothing_new || object.spec.suspend || !remote.knows_pointer() {
            let limit = if is_open { PROBE_TIMEOUT } else { PASS_TIMEOUT };
            let silent = format!("no answer to a probe within {} s", limit.as_secs());
            let read = tokio::time::timeout(limit, remote.read()).await;
            read.unwrap_or_else(|_| Err(Problem::silent(Reason::Unreachable, silent)))?;
            connection.is_proven = true;
            if is_open {
                self.breaker_after(Event::Answered);
            }
        }
        let Some(connection) = self.connection.as_mut() else { return Ok(RECHECK) };
        connection.remote.watch();
        if let Some((revision, view)) = desired {
            if let Some(pause) = self.hold_back(object, &view, nothing_new).await? {
                self.breaker_after(Event::Answered);
                return Ok(pause);
            }
            self.pass(object, revision, view, nothing_new).await?;
        }
        self.breaker_after(Event::Passed);
        self.maintain(object, nothing_new).await?;
        Ok(VERIFY_EVERY.mul_f64(rand::random_range(0.8..1.2)))
    }

    /// What the satellite should hold.
    async fn desired(
        &mut self,
        latest: &Latest,
        acceptance: Acceptance,
    ) -> Result<(Revision, Arc<View>), Problem> {
        let snapshot = &latest.snapshot;
        let (context, version) = (self.context.clone(), acceptance.icinga_version);
        let reserved = move || version.map(|version| context.reserved(version));
        let view = self.context.views.get(snapshot, &acceptance, reserved).await;
        let view = view.map_err(|error| {
            Problem::transient(Reason::Pending, format!("cannot choose what the satellite gets: {error}"))
        })?;
        self.report.desired = Some((snapshot.revision(), view.digest));
        self.report.left_out = view.left_out.len();
        self.report.left_out_example = view.left_out.first().map(ToString::to_string);
        let shards = self.report.stats.as_ref().map_or(0, |stats| stats.shards);
        self.report.stats =
            Some(Stats { objects: view.files.len() as u32, bytes: view.bytes as u64, shards });
        if self.last.map(|(_, digest)| digest) != Some(view.digest) {
            self.context.metrics.satellite_behind(&self.name, latest.cut.into_std());
        }
        Ok((snapshot.revision(), view))
    }

    /// Looks at what others changed where it is not to be written over now: how long to leave it so, or nothing if a pass may write.
    async fn hold_back(
        &mut self,
        object: &SatelliteCluster,
        view: &Arc<View>,
        nothing_new: bool,
    ) -> Result<Option<Duration>, Problem> {
        let now = self.started.elapsed();
        let fought = self.corrections.fight(now).map(str::to_owned);
        let reports = nothing_new && object.spec.drift_policy == DriftPolicy::Report;
        if !reports && !object.spec.suspend && (fought.is_none() || !nothing_new) {
            return Ok(None);
        }
        let Some(connection) = self.connection.as_mut() else { return Ok(None) };
        let drift = connection.remote.drift(view).await?;
        if object.spec.suspend {
            return Ok(Some(RECHECK));
        }
        let was = self.report.drifted.take();
        let Some(drift) = drift else { return Ok(None) };
        // Whatever is not fought over is corrected, and then all is.
        let pauses: Option<Vec<_>> =
            drift.names.iter().map(|name| self.corrections.pause(name, now)).collect();
        let pause = match pauses {
            _ if reports => VERIFY_EVERY,
            Some(pauses) => pauses.into_iter().min().unwrap_or(VERIFY_EVERY),
            None => return Ok(None),
        };
        let told = Drifted { names: drift.names, by: drift.by, fought };
        if was.as_ref() != Some(&told) {
            let reason = if told.fought.is_some() { Reason::DriftFight } else { Reason::ContentChanged };
            let (events, object, note) = (self.context.events.clone(), self.object(), told.message());
            tokio::spawn(async move { events.warning(&object, reason, &note).await });
        }
        self.report.drifted = Some(told);
        Ok(Some(pause))
    }

    async fn pass(
        &mut self,
        object: &SatelliteCluster,
        revision: Revision,
        view: Arc<View>,
        nothing_new: bool,
    ) -> Result<(), Problem> {
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let began = Instant::now();
        let passed = tokio::time::timeout(PASS_TIMEOUT, connection.remote.pass(revision, &view)).await;
        let acked = match passed {
            Ok(acked) => acked?,
            Err(_) => {
                connection.remote.forget();
                let message = format!(
                    "the set was not written within {} s; what is there stays, and the rest follows",
                    PASS_TIMEOUT.as_secs()
                );
                // It does answer, or a single request would have ended the pass.
                return Err(Problem {
                    contact: Contact::Answered,
                    ..Problem::transient(Reason::Unreachable, message)
                });
            }
        };
        connection.is_proven = true;
        if !acked.wrote.is_empty() {
            self.rested = Instant::now() + (began.elapsed() * REST).min(REST_MAX);
        }
        let now = self.started.elapsed();
        if nothing_new {
            for name in &acked.wrote {
                tracing::warn!(satellite = %self.name, configmap = %name, "corrected what someone changed");
                self.corrections.add(name, now);
                self.context.metrics.satellite_corrected(&self.name);
            }
        }
        self.corrections.forget(now);
        // While it is fought over, it says so.
        let fought = self.corrections.fight(now).map(str::to_owned);
        self.report.drifted =
            fought.map(|name| Drifted { names: [name.clone()].into(), by: None, fought: Some(name) });
        self.acknowledged(object, revision, &acked, &view);
        Ok(())
    }

    fn acknowledged(&mut self, object: &SatelliteCluster, revision: Revision, acked: &Acked, view: &View) {
        self.last = Some((revision, acked.digest));
        self.report.written = Some((acked.pointer_revision, acked.digest));
        self.report.acked = self.report.written;
        if let Some(stats) = &mut self.report.stats {
            stats.shards = acked.shards as u32;
        }
        if !acked.wrote.is_empty() {
            tracing::info!(satellite = %self.name, %revision, digest = %acked.digest, writes = acked.wrote.len(), "delivered");
        }
        self.context.metrics.satellite_acked(&self.name, self.report.stats.as_ref());
        if object.spec.ack_level == AckLevel::Loaded {
            return;
        }
        self.context.fleet.send_if_modified(|fleet| match fleet.satellites.get_mut(&self.name) {
            Some(held) if held.acked < Some(revision) => {
                held.acked = Some(revision);
                if *held.left_out != view.left_out {
                    held.left_out = Arc::new(view.left_out.clone());
                }
                true
            }
            _ => false,
        });
    }

    /// What can wait until the set is there: a new token, what nothing names any more, and whether changes by others would be seen.
    async fn maintain(&mut self, object: &SatelliteCluster, is_quiet: bool) -> Result<(), Problem> {
        let now = jiff::Timestamp::now().as_second();
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let place = format!("Secret {}", object.spec.kubeconfig_secret_ref.name);
        let renews = object.spec.token_renewal.is_some();
        let validity = connection.credential.validity();
        self.report.expiry = validity.and_then(|validity| warning(now, validity, &place, renews));
        if let Err(problem) = connection.renew(&self.context, object, &mut self.renewals, now).await {
            tracing::warn!(satellite = %self.name, why = %problem.message, "token not renewed");
            self.report.expiry = Some(problem.message);
        }
        if object.spec.suspend {
            return Ok(());
        }
        let garbage = connection.remote.garbage_count();
        if garbage > GARBAGE || is_quiet && garbage > 0 {
            connection.remote.collect().await?;
        }
        connection.remote.watch_problem().map_or(Ok(()), Err)
    }

    fn tell(&mut self) {
        if self.report.desired.is_none() && self.report.problem.is_none() && !self.report.suspended {
            // Nothing is known yet. After a restart the recorded status is true until something else is.
            return;
        }
        let object = self.object();
        self.statuses.send_if_modified(|current| {
            // Times of a status that says the same are not news.
            let old = current.as_ref().map(|(_, status)| status.clone()).or_else(|| object.status.clone());
            let next = report::compose(&object, old.unwrap_or_default(), &self.report, &self.breaker);
            if current.as_ref().is_some_and(|(_, status)| *status == next) {
                return false;
            }
            *current = Some((object.clone(), next));
            true
        });
    }
}

/// Waits until someone changed what is on the satellite.
async fn disturbed(connection: &mut Option<Connection>) {
    match connection {
        Some(connection) => Remote::disturbed(&mut connection.remote).await,
        None => std::future::pending().await,
    }
}

/// What a SatelliteCluster accepts.
fn acceptance(config: &Config) -> Result<Acceptance, Problem> {
    let spec = &config.object.spec;
    let namespaces = match spec.namespaces.from {
        NamespacesFrom::All => None,
        NamespacesFrom::List => Some(spec.namespaces.names.iter().cloned().collect()),
        NamespacesFrom::Selector => match &config.selected {
            Ok(selected) => Some(selected.clone()),
            Err(why) => {
                let message = format!("spec.namespaces: the hub's namespaces are not known: {why}");
                return Err(Problem::transient(Reason::Pending, message));
            }
        },
    };
    Ok(Acceptance {
        zones: spec.zones.iter().map(|zone| zone.as_str().to_owned()).collect(),
        namespaces,
        icinga_version: spec.icinga_version,
    })
}
