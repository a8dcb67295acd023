//! Carries out the commands of the core, and reports what happened. It decides nothing.

use super::announcer::Announcer;
use super::core::{Command, Consent, Core, HubIcinga, Input, Measurement, Now, Part, RemovalGuard, Start};
use super::questions::{self, Question};
use super::watcher;
use crate::backoff::Backoff;
use crate::crd_probe::CrdProbe;
use crate::identity::{ObjectKey, Uid};
use crate::lease::{Leadership, Seen};
use crate::metrics::{EventResult, Metrics};
use crate::ownership::Claim;
use crate::publish::{Change, Error, Scan, Touched, Volume};
use crate::readiness::Readiness;
use crate::references::Index;
use crate::satellite::{Events, Fleet, Latest};
use crate::status::{Answer, Writer};
use crate::validate::Settings;
use crate::watch::{Crd, Listed, Lister, Scope, Seen as Watched};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events taken at once between looks at everything else.
const EVENTS_AT_ONCE: usize = 512;
/// Longest wait for a commit that is under way when the process ends. A sync of a volume that is gone does not return.
const COMMIT_ENDS: Duration = Duration::from_secs(5);
/// Longest time for a check of files: a commit waits for it.
const CHECK_ENDS: Duration = Duration::from_millis(500);
/// Reports of touched files that wait. A full queue holds the watcher, and the system counts what it loses.
const TOUCHES: usize = 16;
/// Pauses between attempts to read the volume at the start.
const SCAN_AGAIN: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(10) };
/// Pauses between attempts to read the files of a commit that panicked.
const LOOK_AGAIN: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(5) };

/// What the loop works with.
pub struct Parts {
    /// What may be published.
    pub settings: Settings,
    /// Which removals wait for a person.
    pub guard: RemovalGuard,
    /// Which contents may be published, with the names that exist without a resource.
    pub index: Index,
    /// The volume, which this process alone publishes into.
    pub volume: Arc<Volume>,
    /// Writes statuses.
    pub writer: Writer,
    /// Publishes events.
    pub announcements: Events,
    /// The name of this operator.
    pub claim: Claim,
    /// The right to write.
    pub leadership: Leadership,
    /// Asks for the CRD.
    pub crd: CrdProbe,
    /// Lists the resources a second time.
    pub lister: Lister,
    /// Tells everybody who should know that removals wait for a person.
    pub held: watch::Sender<Option<String>>,
    /// The namespaces that are watched.
    pub scope: Scope,
    /// What the watches saw.
    pub events: mpsc::Receiver<Watched>,
    /// Where snapshots go.
    pub snapshots: watch::Sender<Option<Latest>>,
    /// What satellites accept and hold.
    pub fleet: watch::Receiver<Fleet>,
    /// What somebody wants to know of the objects.
    pub questions: mpsc::Receiver<Question>,
    /// What the agent of the hub's own Icinga 2 reports. `None` if none is followed.
    pub icinga: Option<watch::Receiver<HubIcinga>>,
    /// Where measurements go.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` says.
    pub readiness: Readiness,
}

/// Runs the loop until `stop`. A commit that is under way then is finished, unless that takes too long; status writes are not:
/// they are taken up again after the next start.
///
/// # Errors
/// If a commit was abandoned, or if nobody can say what a commit that panicked left on the volume.
pub async fn run(parts: Parts, stop: CancellationToken) -> Result<(), Error> {
    let found = scan(&parts.volume, &parts.readiness, &stop).await;
    let Some((scan, crd)) = found else { return Ok(()) };
    let fleet = parts.fleet.borrow().clone();
    let icinga = parts.icinga.as_ref().map(|icinga| icinga.borrow().clone());
    let start = Start { scan, crd, fleet, claim: parts.claim, icinga, seed: rand::random() };
    let core = Core::new(parts.settings, parts.guard, parts.index, start).watching(parts.scope);
    let (touches, touched) = mpsc::channel(TOUCHES);
    watcher::start(parts.volume.clone(), touches, stop.clone())
        .map_err(|source| Error::Io { action: "start its watcher".into(), source })?;
    let driver = Driver {
        core,
        started: Instant::now(),
        stop: stop.clone(),
        tasks: Tasks::default(),
        volume: parts.volume,
        writer: parts.writer,
        leadership: parts.leadership,
        crd: parts.crd,
        lister: parts.lister,
        held: parts.held,
        snapshots: parts.snapshots,
        announcer: Announcer::start(parts.announcements, parts.metrics.clone(), stop.clone()),
        metrics: parts.metrics,
        readiness: parts.readiness,
    };
    driver.run(parts.events, (parts.fleet, parts.icinga), touched, parts.questions, stop).await
}

/// Reads the volume, and under which CRD it was published, however often that takes. `None` if `stop` came first.
async fn scan(
    volume: &Arc<Volume>,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Option<(Scan, Option<Uid>)> {
    for attempts in 1.. {
        let volume = volume.clone();
        let scanned = tokio::select! {
            () = stop.cancelled() => return None,
            scanned = tokio::task::spawn_blocking(move || volume.scan().map(|scan| (scan, published_under(&volume)))) => scanned,
        };
        let why = match scanned {
            Ok(Ok(found)) => {
                readiness.set(Part::Volume.name(), None);
                return Some(found);
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        readiness.set(Part::Volume.name(), Some(why));
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(SCAN_AGAIN.pause(attempts, rand::random())) => {}
        }
    }
    None
}

/// Returns what the watches saw as an input. One watch sees all namespaces, or each sees one.
fn watched(seen: Vec<Watched>) -> Input {
    match seen.first() {
        Some((Some(_), _)) => {
            Input::WatchedIn(seen.into_iter().filter_map(|(place, event)| Some((place?, event))).collect())
        }
        _ => Input::Watched(seen.into_iter().map(|(_, event)| event).collect()),
    }
}

fn listed_again(listed: Result<Listed, String>) -> Input {
    match listed {
        Ok(listed) if !listed.unknown.is_empty() => Input::ListedInPart(listed),
        listed => Input::ListedAgain(listed.map(|listed| listed.objects)),
    }
}

/// Returns the next report of the hub's agent. Never, if none is followed.
async fn next(icinga: &mut Option<watch::Receiver<HubIcinga>>) -> HubIcinga {
    match icinga {
        Some(icinga) => match icinga.changed().await {
            Ok(()) => icinga.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn published_under(volume: &Volume) -> Option<Uid> {
    volume.crd().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read under which CRD the volume was published; the present one counts");
        None
    })
}

struct Driver {
    core: Core,
    started: Instant,
    stop: CancellationToken,
    tasks: Tasks,
    volume: Arc<Volume>,
    writer: Writer,
    leadership: Leadership,
    crd: CrdProbe,
    lister: Lister,
    held: watch::Sender<Option<String>>,
    snapshots: watch::Sender<Option<Latest>>,
    announcer: Announcer,
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

/// What is under way. At most one commit or inspection, one probe, and as many writes as the core commands.
#[derive(Default)]
struct Tasks {
    commits: JoinSet<Input>,
    /// How many files the commit under way changes, and one of them.
    batch: Option<(usize, ObjectKey)>,
    inspections: JoinSet<Input>,
    writes: JoinSet<Answer>,
    /// Whose status each write is: a write that panics does not say.
    writing: HashMap<Id, ObjectKey>,
    probes: JoinSet<Crd>,
    lists: JoinSet<Result<Listed, String>>,
}

impl Driver {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<Watched>,
        (mut fleet, mut icinga): (watch::Receiver<Fleet>, Option<watch::Receiver<HubIcinga>>),
        mut touched: mpsc::Receiver<Touched>,
        mut questions: mpsc::Receiver<Question>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let mut received = Vec::new();
        loop {
            let wake = self.started + self.core.next_wake();
            let input = tokio::select! {
                () = stop.cancelled() => break,
                Some(done) = self.tasks.commits.join_next() => done.map_err(|panic| Error::Io {
                    action: "read the files of a commit that panicked".into(),
                    source: std::io::Error::other(panic),
                })?,
                Some(done) = self.tasks.inspections.join_next() => {
                    done.unwrap_or_else(|panic| Input::Inspected(Err(panic.to_string())))
                }
                Some(done) = self.tasks.writes.join_next_with_id() => self.tasks.written(done),
                Some(done) = self.tasks.probes.join_next() => self.probed(done),
                Some(done) = self.tasks.lists.join_next() => {
                    listed_again(done.unwrap_or_else(|panic| Err(panic.to_string())))
                }
                count = events.recv_many(&mut received, EVENTS_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    watched(std::mem::take(&mut received))
                }
                Some(touched) = touched.recv() => Input::Touched(match touched {
                    Touched::Files(keys) => Some(keys),
                    Touched::Some => None,
                }),
                Some(question) = questions.recv() => {
                    questions::answer(&self.core, question);
                    continue;
                }
                Ok(()) = fleet.changed() => Input::FleetChanged(fleet.borrow_and_update().clone()),
                reported = next(&mut icinga) => Input::IcingaReported(reported),
                () = tokio::time::sleep_until(wake) => Input::Tick,
            };
            let now = Now {
                elapsed: self.started.elapsed(),
                unix: jiff::Timestamp::now().as_second(),
                term: self.leadership.term(),
            };
            for command in self.core.step(now, input) {
                self.carry_out(command);
            }
        }
        let Some((files, first)) = self.tasks.batch.filter(|_| !self.tasks.commits.is_empty()) else {
            return Ok(());
        };
        let ended = tokio::time::timeout(COMMIT_ENDS, self.tasks.commits.join_next()).await;
        ended.map(drop).map_err(|_| Error::Abandoned {
            files,
            first: first.to_string(),
            seconds: COMMIT_ENDS.as_secs(),
        })
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Commit(batch) => {
                let (volume, leadership) = (self.volume.clone(), self.leadership.clone());
                let stop = self.stop.clone();
                self.tasks.batch = batch.first().map(|change| (batch.len(), change.key().clone()));
                self.tasks
                    .commits
                    .spawn_blocking(move || commit(&volume, batch, &|| leadership.is_current(), &stop));
            }
            Command::Inspect { namespaces, keys } => {
                let volume = self.volume.clone();
                self.tasks.inspections.spawn_blocking(move || {
                    Input::Inspected(volume.scan_again(&namespaces, &keys).map_err(|error| error.to_string()))
                });
            }
            Command::ListFiles => {
                let volume = self.volume.clone();
                self.tasks.inspections.spawn_blocking(move || Input::FilesListed(volume.keys()));
            }
            Command::Check(keys) => {
                let volume = self.volume.clone();
                self.tasks.inspections.spawn_blocking(move || {
                    let began = Instant::now();
                    Input::Checked(volume.check(&keys, &|| began.elapsed() < CHECK_ENDS))
                });
            }
            Command::WriteStatus(write) => {
                let (writer, key) = (self.writer.clone(), write.key().clone());
                let task = self.tasks.writes.spawn(async move { writer.send(*write).await });
                self.tasks.writing.insert(task.id(), key);
            }
            Command::AskConsent => {
                let crd = self.crd.clone();
                self.tasks.probes.spawn(async move { crd.ask().await });
            }
            Command::ListAgain => {
                let lister = self.lister.clone();
                self.tasks.lists.spawn(async move { lister.list().await });
            }
            Command::RememberCrd(uid) => {
                let volume = self.volume.clone();
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = volume.remember_crd(&uid) {
                        tracing::warn!(%error, "cannot record the CRD's UID on the volume; a CRD that is lost while no operator runs is not noticed");
                    }
                });
            }
            Command::Hold(why) => {
                self.leadership.hold(Seen::Objects, why.is_some());
                self.readiness.set(Part::Ownership.name(), why);
            }
            Command::HoldRemovals(held) => {
                self.readiness.note("removals", held.as_ref().map(|held| held.why.clone()));
                self.metrics.removals_held(held.as_ref().map_or(0, |held| held.count));
                let why = held.map(|held| held.why);
                self.held.send_if_modified(|before| {
                    *before != why && {
                        *before = why;
                        true
                    }
                });
            }
            Command::Deliver(snapshot) => {
                self.snapshots.send_replace(Some(Latest { snapshot, cut: Instant::now() }));
            }
            Command::RaiseTerm { key, revision } => {
                if !self.leadership.raise_above(revision.term) {
                    tracing::warn!(object = %key, %revision, "status.revision was written by somebody else, and moves no term");
                }
            }
            Command::Announce(announcement) => self.announcer.announce(announcement),
            Command::Readiness { part, missing } => self.readiness.set(part.name(), missing),
            Command::Measure(measurement) => record(&self.metrics, measurement),
        }
    }

    fn probed(&self, done: Result<Crd, JoinError>) -> Input {
        let crd = done.unwrap_or_else(|panic| Crd::Unknown(panic.to_string()));
        Input::ConsentAnswered(Consent { crd, allowed_until: self.leadership.removals_allowed_until() })
    }
}

impl Tasks {
    fn written(&mut self, done: Result<(Id, Answer), JoinError>) -> Input {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let key = self.writing.remove(&id);
        match (done, key) {
            (Ok((_, answer)), _) => Input::StatusAnswered(answer),
            (Err(_), Some(key)) => Input::StatusPanicked(key),
            // Cannot be: each task is remembered when it is started.
            (Err(_), None) => Input::Tick,
        }
    }
}

/// Commits a batch. If that panics, reads what it left, however often that takes: publishing on top of unknown files could
/// take away what others name.
fn commit(
    volume: &Volume,
    batch: Vec<Change>,
    permitted: &dyn Fn() -> bool,
    stop: &CancellationToken,
) -> Input {
    let began = Instant::now();
    let keys: Vec<_> = batch.iter().map(|change| change.key().clone()).collect();
    if let Ok(outcomes) = catch_unwind(AssertUnwindSafe(|| volume.commit(batch, permitted))) {
        return Input::Committed { outcomes, took: began.elapsed() };
    }
    for attempts in 1.. {
        match volume.scan_again(&[], &keys) {
            Ok(scan) => return Input::CommitPanicked(scan.files),
            Err(error) if stop.is_cancelled() => {
                tracing::warn!(%error, "a commit panicked, and its files were not read again");
                break;
            }
            Err(error) => {
                tracing::error!(%error, "a commit panicked, and its files cannot be read");
                std::thread::sleep(LOOK_AGAIN.pause(attempts, rand::random()));
            }
        }
    }
    Input::Tick
}

fn record(metrics: &Metrics, measurement: Measurement) {
    match measurement {
        Measurement::Objects { published, refused, suspended, failing } => {
            metrics.objects(published, refused, suspended, failing);
        }
        Measurement::Committed { took, published, removed, failed } => {
            metrics.committed(took, published, removed, failed);
        }
        Measurement::StatusWritten { kind, result } => metrics.status_written(kind, result),
        Measurement::StatusQueued { ready, synced } => metrics.status_queued(ready, synced),
        Measurement::Snapshot { revision, objects } => {
            metrics.snapshot(revision.term, revision.counter, objects);
        }
        Measurement::Undecided(count) => metrics.unconfirmed(count),
        Measurement::OfAnotherOperator(count) => metrics.of_another_operator("MonitoringObject", count),
        Measurement::EventLeftOut => metrics.event(EventResult::LeftOut),
        Measurement::Panicked(work) => metrics.panicked(work),
        Measurement::Corrected(what) => metrics.volume_corrected(what),
    }
}
