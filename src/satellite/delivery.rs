//! One step of an actor that delivers: what the satellite should hold, whether it may be written, the pass, and what can wait
//! until the set is there.

use super::actor::Actor;
use super::breaker::Event;
use super::connection::Renewal;
use super::credential::warning;
use super::problem::{Contact, Problem};
use super::registry::Config;
use super::remote::Acked;
use super::report::Drifted;
use crate::api::satellite_cluster::{AckLevel, BreakerState, DriftPolicy, NamespacesFrom, Stats};
use crate::api::{Reason, SatelliteCluster};
use crate::identity::Revision;
use crate::snapshot::{Acceptance, View};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a quiet satellite's pointer is read, to find what someone changed and the watch did not tell.
const VERIFY_EVERY: Duration = Duration::from_secs(30);
/// How often a cause that needs a person is looked at again all the same.
pub(super) const RECHECK: Duration = Duration::from_secs(30);
/// Longest wait for the answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest pass. What was done is not done again in the next one.
const PASS_TIMEOUT: Duration = Duration::from_secs(60);
/// A pass that took some time is followed by this many times of rest, so that a burst costs a satellite's API server a share
/// of its time and not all of it.
const REST: u32 = 3;
/// Longest rest.
const REST_MAX: Duration = Duration::from_secs(2);
/// Shards that nothing names any more are deleted in a quiet moment, or when there are more than these.
const GARBAGE: usize = 64;

impl Actor {
    /// Delivers what the satellite should hold, and says how long to wait for the next look.
    pub(super) async fn deliver(&mut self, object: &SatelliteCluster) -> Result<Duration, Problem> {
        // What a satellite lacks is told also of one that cannot be asked.
        let desired = self.desired().await;
        self.connect(object).await?;
        let wanted = desired.as_ref().ok().and_then(Option::as_ref);
        let nothing_new = wanted.is_none_or(|(revision, view)| self.last == Some((*revision, view.digest)));
        self.probe(nothing_new).await?;
        let delivered = self.write(object, desired, nothing_new).await;
        // Whatever came of it: a credential ends all the same. One that does not answer would not answer to this.
        if !delivered.as_ref().is_err_and(|problem| problem.contact == Contact::Silent) {
            self.keep_credential(object).await;
        }
        delivered
    }

    /// Writes what differs, if it may be written.
    async fn write(
        &mut self,
        object: &SatelliteCluster,
        desired: Result<Option<(Revision, Arc<View>)>, Problem>,
        nothing_new: bool,
    ) -> Result<Duration, Problem> {
        if let Some(connection) = self.connection.as_mut() {
            connection.remote.watch();
        }
        if let Some((revision, view)) = desired? {
            // A newer snapshot may be the same for this satellite.
            let is_same = self.last.is_some_and(|(_, digest)| digest == view.digest);
            if let Some(pause) = self.hold_back(object, &view, is_same).await? {
                self.breaker_after(Event::Answered);
                return Ok(pause);
            }
            self.pass(object, revision, view, is_same).await?;
        }
        self.breaker_after(Event::Passed);
        self.tidy(object, nothing_new).await?;
        Ok(VERIFY_EVERY.mul_f64(rand::random_range(0.8..1.2)))
    }

    /// Reads the pointer where it is not known, or was not read for a while, or nothing else would be asked.
    async fn probe(&mut self, is_wanted: bool) -> Result<(), Problem> {
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let state = self.breaker.state();
        let is_open = state == BreakerState::Open;
        let is_old = self.contacted.is_none_or(|contacted| contacted.elapsed() > VERIFY_EVERY);
        if state == BreakerState::Closed && !is_wanted && !is_old && connection.remote.knows_pointer() {
            return Ok(());
        }
        let limit = if is_open { PROBE_TIMEOUT } else { PASS_TIMEOUT };
        let silent = format!("no answer to a probe within {} s", limit.as_secs());
        let read = tokio::time::timeout(limit, connection.remote.read()).await;
        read.unwrap_or_else(|_| Err(Problem::silent(Reason::Unreachable, silent)))?;
        connection.is_proven = true;
        self.contacted = Some(Instant::now());
        let holds = self.report.acked.is_none_or(|(_, digest)| connection.remote.says(digest));
        if !holds {
            self.not_held();
        }
        if state != BreakerState::Closed {
            self.breaker_after(Event::Answered);
        }
        Ok(())
    }

    /// What it acknowledged is not there any more, or not known to be.
    pub(super) fn not_held(&mut self) {
        (self.report.written, self.report.acked) = (None, None);
        self.context.fleet.send_if_modified(|fleet| {
            fleet.satellites.get_mut(&self.name).is_some_and(|held| held.acked.take().is_some())
        });
    }

    /// What the satellite should hold; nothing before the first snapshot.
    async fn desired(&mut self) -> Result<Option<(Revision, Arc<View>)>, Problem> {
        let Some(latest) = self.snapshots.borrow_and_update().clone() else { return Ok(None) };
        let acceptance = acceptance(&self.config.borrow());
        if acceptance.is_err() {
            // It may lack everything.
            self.context.metrics.satellite_behind(&self.name, latest.cut.into_std());
        }
        let acceptance = acceptance?;
        let snapshot = &latest.snapshot;
        let (context, version) = (self.context.clone(), acceptance.icinga_version);
        let reserved = move || version.map(|version| context.reserved(version));
        let view = self.context.views.get(snapshot, &acceptance, reserved).await;
        let view = view.map_err(|error| {
            Problem::transient(Reason::Pending, format!("cannot choose what the satellite gets: {error}"))
        })?;
        self.view = Some(view.clone());
        self.report.desired = Some((snapshot.revision(), view.digest));
        self.report.left_out = view.left_out.len();
        self.report.left_out_example = view.left_out.first().map(ToString::to_string);
        let recorded = self.config.borrow().object.status.as_ref().and_then(|status| status.stats.clone());
        let shards = self.report.stats.as_ref().or(recorded.as_ref()).map_or(0, |stats| stats.shards);
        self.report.stats = Some(Stats { objects: view.len() as u32, bytes: view.bytes as u64, shards });
        if self.last.map(|(_, digest)| digest) != Some(view.digest) {
            self.context.metrics.satellite_behind(&self.name, latest.cut.into_std());
        }
        Ok(Some((snapshot.revision(), view)))
    }

    /// Looks at what others changed where it is not to be written over now: how long to leave it so, or nothing if a pass may write.
    async fn hold_back(
        &mut self,
        object: &SatelliteCluster,
        view: &Arc<View>,
        is_same: bool,
    ) -> Result<Option<Duration>, Problem> {
        if object.spec.suspend {
            return Ok(Some(RECHECK));
        }
        let now = self.started.elapsed();
        let fought = self.corrections.fight(now).map(str::to_owned);
        let reports = is_same && object.spec.drift_policy == DriftPolicy::Report;
        if !reports && (fought.is_none() || !is_same) {
            return Ok(None);
        }
        let Some(connection) = self.connection.as_mut() else { return Ok(None) };
        let silent = format!("the set was not read within {} s; it is read on", PASS_TIMEOUT.as_secs());
        let drift = tokio::time::timeout(PASS_TIMEOUT, connection.remote.drift(view)).await;
        let drift = drift.unwrap_or_else(|_| Err(Problem::transient(Reason::Unreachable, silent)))?;
        let was = self.report.drifted.take();
        let Some(drift) = drift else { return Ok(None) };
        self.not_held();
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
        is_same: bool,
    ) -> Result<(), Problem> {
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let began = Instant::now();
        let passed = tokio::time::timeout(PASS_TIMEOUT, connection.remote.pass(revision, &view)).await;
        let acked = match passed {
            Ok(Ok(acked)) => acked,
            Ok(Err(problem)) => {
                if problem.reason == Reason::QuotaExceeded
                    && let Err(why) = connection.remote.make_room().await
                {
                    tracing::warn!(satellite = %self.name, why = %why.message, "cannot delete what nothing names any more");
                }
                return Err(problem);
            }
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
            self.contacted = Some(Instant::now());
            self.rested = Instant::now() + (began.elapsed() * REST).min(REST_MAX);
        }
        let now = self.started.elapsed();
        if is_same {
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
                if held.left_out != view.left_out {
                    held.left_out = view.left_out.clone();
                }
                true
            }
            _ => false,
        });
    }

    /// Says when the credential ends, and has a new token made in time where that is wanted.
    async fn keep_credential(&mut self, object: &SatelliteCluster) {
        let now = jiff::Timestamp::now().as_second();
        let Some(connection) = self.connection.as_ref() else { return };
        let place = format!("Secret {}", object.spec.kubeconfig_secret_ref.name);
        let renews = object.spec.token_renewal.is_some();
        let validity = connection.credential.validity();
        self.report.expiry = validity.and_then(|validity| warning(now, validity, &place, renews));
        if !connection.is_proven {
            return;
        }
        match connection.renew(&self.context, object, &mut self.renewals, now).await {
            Ok(Renewal::NotDue) => {}
            Ok(Renewal::Overtaken) => self.reload = true,
            Ok(Renewal::Done) => self.report.renewal = None,
            Err(problem) => {
                tracing::warn!(satellite = %self.name, why = %problem.message, "token not renewed");
                self.report.renewal = Some(problem.message);
            }
        }
    }

    /// What can wait until the set is there: what nothing names any more, and whether changes by others would be seen.
    async fn tidy(&mut self, object: &SatelliteCluster, is_quiet: bool) -> Result<(), Problem> {
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        if object.spec.suspend {
            return Ok(());
        }
        let garbage = connection.remote.garbage_count();
        if garbage > GARBAGE || is_quiet && garbage > 0 {
            connection.remote.collect().await?;
        }
        connection.remote.watch_problem().map_or(Ok(()), Err)
    }
}

/// What a SatelliteCluster accepts.
pub(super) fn acceptance(config: &Config) -> Result<Acceptance, Problem> {
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
