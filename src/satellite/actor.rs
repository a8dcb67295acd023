//! The actor of one satellite: does what [`Actor`] decides. It has the clients, the clock and the
//! channels, and decides nothing.

use super::connection::{Connection, read_secret, release, set_finalizer};
use super::context::{Context, Latest};
use super::core::actor::{Actor, Effect, Input, Log, Opened, Source, Task, Wait, Woken};
use super::core::agents::Heard;
use super::core::config::Config;
use super::core::delivery::{Ended, Job};
use super::core::order::Wanted;
use super::core::tell::tell;
use super::core::times::Moment;
use super::credential::Credential;
use super::problem::Problem;
use super::remote::AgentWatch;
use super::status_writer::{self, Letter};
use crate::api::Reason;
use crate::identity::Revision;
use crate::metrics::WriteCounts;
use crate::snapshot::Acceptance;
use kube::api::Api;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most snapshots that are remembered until the agents have loaded them.
const LOADING: usize = 64;

/// Runs one actor.
pub struct Driver {
    actor: Actor,
    context: Context,
    name: String,
    config: watch::Receiver<Arc<Config>>,
    snapshots: watch::Receiver<Option<Latest>>,
    removals_held: watch::Receiver<Option<String>>,
    secret_changed: Arc<Notify>,
    stop: CancellationToken,
    connection: Option<Connection>,
    /// Watches the Leases of the agents through the connection in use.
    agents: Option<AgentWatch>,
    /// A connection that was opened and is not in use yet.
    opening: Option<Connection>,
    /// The credential that was read last, until it is used.
    read: Option<Credential>,
    written: Arc<WriteCounts>,
    statuses: watch::Sender<Letter>,
    /// The monotonic times of the decisions count from here.
    started: Instant,
    /// When the latest snapshot was cut.
    cut: Option<Instant>,
    /// The snapshots whose sets were written and that the agents have not all loaded, with the
    /// times when they were cut. At most [`LOADING`].
    loading: VecDeque<(Revision, Instant)>,
}

impl Driver {
    /// Returns the driver of one SatelliteCluster's actor. The hub knows of the satellite when
    /// this returns.
    pub fn new(
        context: Context,
        name: String,
        mut config: watch::Receiver<Arc<Config>>,
        secret_changed: Arc<Notify>,
        stop: CancellationToken,
    ) -> Self {
        let (statuses, mailbox) = watch::channel(None);
        let api = Api::namespaced(context.hub.clone(), &context.namespace);
        tokio::spawn(status_writer::write(api, context.clone(), mailbox));
        let first = config.borrow_and_update().clone();
        let mut driver = Self {
            actor: Actor::new(first, context.hub_id.clone()),
            snapshots: context.snapshots.clone(),
            removals_held: context.removals_held.clone(),
            context,
            name,
            config,
            secret_changed,
            stop,
            connection: None,
            agents: None,
            opening: None,
            read: None,
            written: Arc::default(),
            statuses,
            started: Instant::now(),
            cut: None,
            loading: VecDeque::new(),
        };
        driver.apply_effects();
        let object = driver.actor.object();
        driver.context.board.post(object, object.status.as_ref());
        driver
    }

    /// Runs until it is stopped or its resource may be deleted.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let mut input = Input::Woken(Woken::Time);
        loop {
            let facts = self.connection.as_ref().map(|connection| connection.remote.facts());
            let task = self.actor.step(input, &self.moment(), &facts.unwrap_or_default());
            self.apply_effects();
            input = match task {
                Task::Finish => return,
                Task::Wait(wait) => {
                    self.context.metrics.satellite_wrote(&self.name, &self.written);
                    self.report();
                    match self.wait(wait).await {
                        Some(woken) => Input::Woken(woken),
                        None => return,
                    }
                }
                task => match self.actor.deadline().map(|deadline| self.started + deadline) {
                    None => self.execute(task).await,
                    Some(deadline) => tokio::time::timeout_at(deadline, self.execute(task))
                        .await
                        .unwrap_or(Input::OutOfTime),
                },
            };
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.started.elapsed(),
            unix: jiff::Timestamp::now().as_second(),
            random: rand::random(),
            is_leader: self.context.is_current(),
        }
    }

    /// Waits, then takes the present resource. None if the registry is gone.
    async fn wait(&mut self, wait: Wait) -> Option<Woken> {
        let woken = self.woken(wait).await?;
        let is_changed = self.config.has_changed().ok()?;
        let config = self.config.borrow_and_update().clone();
        if is_changed {
            return Some(Woken::Config(config));
        }
        self.actor.refresh(config);
        Some(woken)
    }

    async fn woken(&mut self, wait: Wait) -> Option<Woken> {
        let until = Instant::now() + wait.pause;
        loop {
            let look = self.actor.agents_wake(&self.moment()).map(|at| self.started + at);
            tokio::select! {
                (at, heard) = next_heard(&mut self.agents) => {
                    self.actor.heard(at, heard, &self.moment());
                    self.apply_effects();
                    self.report();
                }
                () = tokio::time::sleep_until(look.unwrap_or(until)), if look.is_some() => {
                    self.actor.look_at_agents(&self.moment());
                    self.apply_effects();
                    self.report();
                }
                changed = self.removals_held.changed() => {
                    changed.ok()?;
                    self.tell_removals_held();
                }
                changed = self.snapshots.changed(), if wait.is_for_snapshots => {
                    return changed.ok().map(|()| Woken::Snapshot);
                }
                changed = self.config.changed() => {
                    changed.ok()?;
                    return Some(Woken::Config(self.config.borrow_and_update().clone()));
                }
                () = self.secret_changed.notified() => return Some(Woken::Secret),
                () = disturbed(&mut self.connection, wait.is_well), if wait.is_for_disturbances => {
                    return Some(Woken::Disturbed);
                }
                () = tokio::time::sleep_until(until) => return Some(Woken::Time),
            }
        }
    }

    /// Says, beside everything else, that removals wait for a person, or that they do not any more.
    fn tell_removals_held(&mut self) {
        let held = self.removals_held.borrow_and_update().clone();
        self.actor.removals_held(held);
        self.apply_effects();
        self.report();
    }

    async fn execute(&mut self, task: Task) -> Input {
        let object = self.actor.object().clone();
        match task {
            // The caller's.
            Task::Wait(_) | Task::Finish => Input::Woken(Woken::Time),
            Task::SetFinalizer(wanted) => {
                Input::FinalizerSet(set_finalizer(&self.context, &object, wanted).await)
            }
            Task::ChooseSet(acceptance) => Input::Chosen(self.choose(acceptance).await),
            Task::ReadSecret => Input::SecretRead(self.read_secret().await),
            Task::Open(source) => Input::Opened(self.open(source).await),
            Task::TryOpened => Input::Tried(self.try_opened().await),
            Task::UseOpened => {
                self.connection = self.opening.take();
                // Its credential or its place may be another.
                self.agents = None;
                Input::Used
            }
            Task::Do(job, limit) => Input::Job(match &mut self.connection {
                Some(connection) => connection.remote.run(job, limit).await,
                None => Err(Ended::Failed(no_connection())),
            }),
            Task::RenewToken(renewal) => Input::TokenRenewed(match &self.connection {
                Some(connection) => connection.renew(&self.context, &object, &renewal).await,
                None => Err(no_connection()),
            }),
            Task::Release(warning) => Input::Released(release(&self.context, &object, warning).await),
        }
    }

    /// Chooses what the satellite should hold. None before the first snapshot.
    async fn choose(&mut self, acceptance: Result<Acceptance, Problem>) -> Result<Option<Wanted>, Problem> {
        let Some(Latest { snapshot, cut }) = self.snapshots.borrow_and_update().clone() else {
            return Ok(None);
        };
        self.cut = Some(cut);
        let acceptance = acceptance?;
        let (context, version) = (self.context.clone(), acceptance.icinga_version);
        let reserved = move || version.map(|version| context.reserved(version));
        let view = self.context.views.get(&snapshot, &acceptance, reserved).await;
        let view = view.map_err(|error| {
            Problem::transient(Reason::Pending, format!("cannot choose what the satellite gets: {error}"))
        })?;
        Ok(Some(Wanted { revision: snapshot.revision(), view }))
    }

    /// Reads the credential. True if it is the one in use.
    async fn read_secret(&mut self) -> Result<bool, Problem> {
        let (_, credential) = read_secret(&self.context, self.actor.object()).await?;
        let in_use = self.connection.as_ref();
        let is_same = in_use.is_some_and(|connection| connection.credential.same_as(&credential));
        self.read = Some(credential);
        Ok(is_same)
    }

    async fn open(&mut self, source: Source) -> Result<Opened, Problem> {
        let in_use = self.connection.as_ref().map(|connection| &connection.credential);
        let credential = match source {
            Source::Secret => self.read.take(),
            Source::InUse => in_use.cloned(),
        };
        let credential = credential.ok_or_else(no_connection)?;
        let is_elsewhere = in_use.is_some_and(|in_use| !in_use.same_server(&credential));
        let validity = credential.validity();
        let target = self.config.borrow().target(&self.context.hub_id);
        let object = self.actor.object();
        let opened = Connection::open(&self.context, object, target, credential, &self.written).await?;
        let place = opened.remote.facts().place;
        self.opening = Some(opened);
        Ok(Opened { place, is_elsewhere, validity })
    }

    async fn try_opened(&mut self) -> Result<(), Problem> {
        let mut opened = self.opening.take().ok_or_else(no_connection)?;
        match opened.remote.run(Job::Read, None).await {
            Ok(_) => {
                self.opening = Some(opened);
                Ok(())
            }
            Err(Ended::Failed(problem)) => Err(problem),
            // It has no limit.
            Err(Ended::OutOfTime) => Err(Problem::silent(Reason::Unreachable, "no answer")),
        }
    }

    /// Reports the status if it is known and has changed.
    fn report(&mut self) {
        let (actor, unix) = (&self.actor, jiff::Timestamp::now().as_second());
        self.statuses.send_if_modified(|current| {
            let old = current.as_ref().map(|(_, status)| status);
            let Some(mut next) = actor.status(old, unix) else { return false };
            next.operator = Some(self.context.claim.name().to_owned());
            if Some(&next) == old {
                return false;
            }
            self.context.board.post(actor.object(), Some(&next));
            *current = Some((actor.object().clone(), next));
            true
        });
    }

    fn apply_effects(&mut self) {
        for effect in self.actor.take_effects() {
            self.apply(effect);
        }
    }

    fn apply(&mut self, effect: Effect) {
        let (mut is_for_hub, recorded) = (false, self.actor.recorded_revision());
        self.context.fleet.send_if_modified(|fleet| {
            let told = tell(fleet, &self.name, &effect, recorded);
            is_for_hub = told.is_some();
            told.unwrap_or(false)
        });
        if is_for_hub {
            return;
        }
        let (name, metrics) = (&self.name, &self.context.metrics);
        match effect {
            Effect::Breaker(state) => metrics.satellite_breaker(name, state),
            Effect::Event { is_warning, reason, note } => {
                let (events, object) = (self.context.events.clone(), self.actor.object().clone());
                tokio::spawn(async move {
                    match is_warning {
                        true => events.warning(&object, reason, &note).await,
                        false => events.normal(&object, reason, &note).await,
                    }
                });
            }
            Effect::Log(line) => log(name, line),
            Effect::Behind => {
                if let Some(cut) = self.cut {
                    metrics.satellite_behind(name, cut.into_std());
                }
            }
            Effect::Delivered(stats) => metrics.satellite_acked(name, stats.as_ref()),
            Effect::Loading(revision) => {
                let cut = self.cut.unwrap_or_else(Instant::now);
                self.loading.push_back((revision, cut));
                if self.loading.len() > LOADING {
                    self.loading.pop_front();
                }
            }
            Effect::Loaded(revision) => {
                // From the first of them, which the agents lacked for longest.
                if let Some((first, cut)) =
                    self.loading.front().copied().filter(|(first, _)| *first <= revision)
                {
                    tracing::info!(satellite = %name, %revision, "loaded by the agents");
                    metrics.satellite_loaded(name, cut.into_std());
                    self.loading.retain(|(other, _)| *other > revision.max(first));
                }
            }
            Effect::Agents(counts) => metrics.satellite_agents(name, &counts),
            Effect::Corrected(configmap) => {
                tracing::warn!(satellite = %name, %configmap, "corrected what someone changed");
                metrics.satellite_corrected(name);
            }
            Effect::Failed(reason) => metrics.satellite_failed(name, reason),
            Effect::Expiry(expiry) => metrics.satellite_credential_expiry(name, expiry),
            Effect::Follow => {
                self.on_connection(|connection| connection.remote.follow());
                if !self.agents.as_ref().is_some_and(AgentWatch::is_alive) {
                    let connection = self.connection.as_ref();
                    self.agents = connection.map(|connection| connection.remote.watch_agents(self.started));
                }
            }
            Effect::StopFollowing => {
                self.on_connection(|connection| connection.remote.stop_following());
                self.agents = None;
            }
            Effect::ForgetPointer => self.on_connection(|connection| connection.remote.forget_pointer()),
            // The hub's, and applied above.
            Effect::Accepts(..)
            | Effect::NotHeld
            | Effect::Lost
            | Effect::Health(_)
            | Effect::Holds(..)
            | Effect::Rejects(_) => {}
        }
    }

    fn on_connection(&mut self, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = &mut self.connection {
            change(connection);
        }
    }
}

/// Returns what the watch of the agents sees next, and when it saw it.
async fn next_heard(agents: &mut Option<AgentWatch>) -> (Duration, Heard) {
    match agents {
        Some(agents) => agents.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until someone else changed something on the satellite.
async fn disturbed(connection: &mut Option<Connection>, is_well: bool) {
    match connection {
        Some(connection) => connection.remote.disturbed(is_well).await,
        None => std::future::pending().await,
    }
}

fn no_connection() -> Problem {
    Problem::transient(Reason::Pending, "there is no connection to the satellite")
}

fn log(satellite: &str, line: Log) {
    match line {
        Log::Problem(Problem { reason, message, .. }) => {
            tracing::warn!(satellite, ?reason, why = %message, "satellite has a problem");
        }
        Log::Recovered => tracing::info!(satellite, "satellite works again"),
        Log::Delivered(revision, digest, writes) => {
            tracing::info!(satellite, %revision, %digest, writes, "delivered");
        }
        Log::Warning(what, why) => tracing::warn!(satellite, %why, "{what}"),
        Log::Over(what) => tracing::info!(satellite, "over: {what}"),
    }
}
