//! The actor of one satellite: waits for something to do, does one step, tells what came of it.

use super::breaker::{Breaker, Event, PROBE_EVERY};
use super::connection::Connection;
use super::context::{Context, Latest};
use super::credential::Schedule;
use super::delivery::{RECHECK, acceptance};
use super::drift::Corrections;
use super::problem::{Contact, Problem};
use super::registry::Config;
use super::remote::Remote;
use super::report::{self, Report};
use super::watermark::Held;
use crate::api::satellite_cluster::BreakerState;
use crate::api::{Reason, SatelliteCluster, SatelliteClusterStatus};
use crate::identity::{Digest, Revision};
use crate::metrics::WriteCounts;
use crate::snapshot::View;
use kube::api::Api;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a process that is not the leader looks whether it has become one.
const FOLLOW: Duration = Duration::from_millis(100);
/// The first time that a refused set is tried again.
const REFUSED: Duration = Duration::from_secs(5);

/// The actor.
pub struct Actor {
    pub(super) context: Context,
    pub(super) name: String,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) snapshots: watch::Receiver<Option<Latest>>,
    secret_changed: Arc<Notify>,
    stop: CancellationToken,
    pub(super) connection: Option<Connection>,
    /// The Secret, or the resource, may say something new.
    pub(super) reload: bool,
    /// The resource does.
    pub(super) is_changed: bool,
    /// When to look again at a Secret whose credential does not work, while an older one does.
    pub(super) reload_at: Option<Instant>,
    pub(super) written: Arc<WriteCounts>,
    pub(super) renewals: Schedule,
    pub(super) breaker: Breaker,
    pub(super) corrections: Corrections,
    attempts: u32,
    pub(super) report: Report,
    /// What the satellite should hold. Kept for the next look, and so for all who accept the same.
    pub(super) view: Option<Arc<View>>,
    /// What was acknowledged last: the snapshot's revision and the content's digest.
    pub(super) last: Option<(Revision, Digest)>,
    statuses: watch::Sender<Option<(Arc<SatelliteCluster>, SatelliteClusterStatus)>>,
    pub(super) started: Instant,
    pub(super) deleting_since: Option<Instant>,
    /// When the satellite answered last.
    pub(super) contacted: Option<Instant>,
    /// No pass before this time.
    pub(super) rested: Instant,
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
            view: None,
            last: None,
            statuses,
            started: Instant::now(),
            deleting_since: None,
            contacted: None,
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
                () = disturbed(&mut self.connection, self.report.problem.is_none()) => self.forget(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn is_refused(&self) -> bool {
        // One that holds what it should, and refuses something else (a watch), gets what is new at once.
        let holds_all =
            self.report.acked.map(|acked| acked.1) == self.report.desired.map(|desired| desired.1);
        // Nor does one without a usable credential: its Secret tells when there is a new one.
        let refuses = |problem: &Problem| {
            problem.contact == Contact::Answered
                || matches!(problem.reason, Reason::CredentialMissing | Reason::CredentialRefused)
        };
        !holds_all && self.report.problem.as_ref().is_some_and(refuses)
    }

    pub(super) fn object(&self) -> Arc<SatelliteCluster> {
        self.config.borrow().object.clone()
    }

    /// The resource is new or changed: what it accepts and where it goes may be different.
    fn configured(&mut self) {
        self.config.mark_unchanged();
        self.reload = true;
        self.is_changed = true;
        self.attempts = 0;
        // It may be about another place.
        self.last = None;
        self.not_held();
        // Whoever changed it may have mended why a token was not renewed.
        self.renewals = Schedule::default();
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

    pub(super) fn failed(&mut self, mut problem: Problem) -> Next {
        if problem.reason == Reason::Unauthorized && self.attempts == 0 {
            // A new token may be in the Secret already, which is read again at once.
            problem.transient = true;
        }
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
        let (reason, transient, retry_after) = (problem.reason, problem.transient, problem.retry_after);
        let is_unauthorized = reason == Reason::Unauthorized;
        if is_unauthorized {
            self.reload = true;
        }
        self.report.problem = Some(problem);
        if self.breaker.state() == BreakerState::Open
            && let Some(connection) = &mut self.connection
        {
            connection.remote.stop_watching();
        }
        if is_unauthorized && self.attempts == 1 {
            return Next::Wait(self.breaker.pause(1, rand::random()));
        }
        if !transient && self.is_refused() && self.attempts == 1 {
            // What was refused may be refused for what was in it: the next snapshot is tried soon.
            return Next::Wait(REFUSED);
        }
        if !transient {
            // Whoever mends a Role, a quota or a namespace waits no longer than for a probe. What is too large or rejected is sent to be
            // refused again, which costs more than a look.
            let every = match reason {
                Reason::TooLarge | Reason::Rejected => RECHECK,
                _ => PROBE_EVERY,
            };
            return Next::Wait(every.mul_f64(rand::random_range(0.8..1.2)));
        }
        let pause = self.breaker.pause(self.attempts, rand::random()).max(retry_after.unwrap_or_default());
        self.report.next_probe = jiff::Timestamp::now().as_second() + pause.as_secs() as i64;
        Next::Wait(pause)
    }

    pub(super) fn breaker_after(&mut self, event: Event) {
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

    fn tell(&mut self) {
        let is_told = self.statuses.borrow().is_some();
        if !is_told
            && self.report.desired.is_none()
            && self.report.problem.is_none()
            && !self.report.suspended
        {
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
async fn disturbed(connection: &mut Option<Connection>, is_well: bool) {
    match connection {
        Some(connection) => Remote::disturbed(&mut connection.remote, is_well).await,
        None => std::future::pending().await,
    }
}
