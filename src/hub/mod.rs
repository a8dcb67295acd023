//! The hub loop: the promise on one screen.
//!
//! ```text
//! watch -> validate -> render -> [index: what may be published] -> commit (temp, sync, rename, sync)
//!       -> status Ready acknowledged -> [catalog: what satellites may have] -> snapshot
//!       -> acknowledgements of satellites -> status Synced
//! ```
//! *Flush when idle, gather while busy*: one commit runs at a time on its own thread; while it runs, changes gather, and the
//! next takes them all. Statuses are written concurrently beside it. One task owns all state, so nothing here is locked.

mod departures;
mod entry;
mod publishing;
mod recovery;
mod snapshots;
mod statuses;

use crate::api::Reason;
use crate::identity::{ObjectKey, Revision, Uid};
use crate::lease::Claim;
use crate::metrics::Metrics;
use crate::publish::{Published, Volume};
use crate::readiness::{Interruption, Readiness};
use crate::references::Index;
use crate::render::{self, Rendered};
use crate::satellite::{Fleet, Latest};
use crate::snapshot::Catalog;
use crate::status::{Queue, Recorded, Writer};
use crate::validate::{Refusal, Settings};
use crate::watch::{Crd, Event, Received};
use departures::Departures;
use entry::Entry;
use kube::Client;
use publishing::Committed;
use recovery::Recovery;
use statuses::Written;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Status writes under way at once. More does not help: the API server is what saturates.
const STATUS_WRITES: usize = 16;
/// While Ready writes come, one Synced write is under way at a time: whoever waits for a Ready shares the API server with it.
/// One that is not answered for so long keeps the others back no longer.
const SYNCED_ALONE: Duration = Duration::from_millis(200);
/// So long after a Ready write the next is expected.
const READY_EXPECTED: Duration = Duration::from_millis(50);
/// Events taken at once between looks at everything else.
const EVENTS_AT_ONCE: usize = 512;
/// After a snapshot the next one waits this long, so that a burst is a few snapshots and not thousands.
const SNAPSHOT_WINDOW: Duration = Duration::from_millis(100);
/// Failed work is tried again after this, doubling with jitter up to the cap.
const RETRY_BASE: Duration = Duration::from_millis(250);
const RETRY_CAP: Duration = Duration::from_secs(30);
/// How often the loop looks around without a cause: the claim may have come, and the gauges are counted.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// What the loop works with.
pub struct Parts {
    /// What may be published.
    pub settings: Settings,
    /// Who names whom, with the names that exist without a resource.
    pub index: Index,
    /// The volume, which this process alone publishes into.
    pub volume: Arc<Volume>,
    /// Writes statuses.
    pub writer: Writer,
    /// The right to write.
    pub claim: Claim,
    /// The hub's API server.
    pub client: Client,
    /// Events of the watch.
    pub events: mpsc::Receiver<Event>,
    /// Where snapshots go.
    pub snapshots: watch::Sender<Option<Latest>>,
    /// What satellites acknowledged.
    pub fleet: watch::Receiver<Fleet>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` says.
    pub readiness: Readiness,
}

struct Hub {
    parts: Parts,
    /// Boxed: a table has up to twice the places that it needs.
    entries: HashMap<ObjectKey, Box<Entry>>,
    /// Files on the volume whose resource is gone.
    orphans: BTreeMap<ObjectKey, Option<Arc<Rendered>>>,
    /// Objects whose file or status may have to change.
    dirty: BTreeSet<ObjectKey>,
    committing: BTreeSet<ObjectKey>,
    queue: Queue,
    /// The latest status that was seen of an object while a write of it was under way.
    seen_in_flight: BTreeMap<ObjectKey, (u64, Recorded)>,
    /// When a Ready write, and one for Synced, was started last.
    last_ready: Option<Instant>,
    last_synced: Option<Instant>,
    catalog: Catalog,
    /// The catalog may admit more than it has.
    unsettled: bool,
    fleet: Fleet,
    /// Objects that are not Synced yet, or that a satellite leaves out, by the revision at which they entered the snapshots.
    awaiting: BTreeMap<Revision, BTreeSet<ObjectKey>>,
    retries: BTreeMap<(Instant, u64), Retry>,
    /// Objects with a [`Retry::Commit`].
    recommits: BTreeSet<ObjectKey>,
    /// Objects with a [`Retry::Status`], and which.
    rewrites: HashMap<ObjectKey, (Instant, u64)>,
    retry_number: u64,
    recovery: Recovery,
    departures: Departures,
    /// Revision of the latest snapshot.
    revision: Revision,
    last_cut: Option<Instant>,
    /// When the watch failed last; it says nothing when it works again.
    broken: Option<Interruption>,
    counted: Instant,
}

/// Work that failed and is due again.
enum Retry {
    Commit(ObjectKey),
    Status { key: ObjectKey, uid: Uid, generation: i64, published: Option<Published> },
}

/// Runs the loop until `stop`; what is being committed then is finished.
///
/// # Errors
/// When the volume cannot be read at the start.
pub async fn run(parts: Parts, stop: CancellationToken) -> Result<(), crate::publish::Error> {
    let volume = parts.volume.clone();
    let scan = tokio::task::spawn_blocking(move || volume.scan());
    let found = scan.await.map_err(|error| crate::publish::Error::Io {
        action: "scan it".into(),
        source: std::io::Error::other(error),
    })??;
    let fleet = parts.fleet.borrow().clone();
    let mut hub = Hub {
        recovery: Recovery::new(found),
        fleet,
        parts,
        entries: HashMap::new(),
        orphans: BTreeMap::new(),
        dirty: BTreeSet::new(),
        committing: BTreeSet::new(),
        queue: Queue::default(),
        last_ready: None,
        last_synced: None,
        catalog: Catalog::default(),
        unsettled: true,
        awaiting: BTreeMap::new(),
        retries: BTreeMap::new(),
        recommits: BTreeSet::new(),
        seen_in_flight: BTreeMap::new(),
        rewrites: HashMap::new(),
        retry_number: 0,
        departures: Departures::default(),
        revision: Revision::default(),
        last_cut: None,
        broken: None,
        counted: Instant::now(),
    };
    let mut commits: JoinSet<Committed> = JoinSet::new();
    let mut writes: JoinSet<Written> = JoinSet::new();
    let mut checks: JoinSet<Crd> = JoinSet::new();
    let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
    loop {
        hub.decide();
        if commits.is_empty()
            && let Some(batch) = hub.next_batch()
        {
            let (volume, claim) = (hub.parts.volume.clone(), hub.parts.claim.clone());
            commits.spawn_blocking(move || {
                let started = Instant::now();
                let outcomes = volume.commit(batch, &|| claim.is_current());
                (outcomes, started.elapsed())
            });
        }
        hub.write_statuses(&mut writes);
        hub.check_departures(&mut checks);
        hub.cut_snapshot();
        let wake = hub.next_wake();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(done) = commits.join_next() => hub.committed(done),
            Some(done) = writes.join_next() => {
                hub.written(done);
                while let Some(done) = writes.try_join_next() {
                    hub.written(done);
                }
            }
            Some(answer) = checks.join_next() => hub.departures_checked(answer),
            count = hub.parts.events.recv_many(&mut events, EVENTS_AT_ONCE) => {
                if count == 0 {
                    break;
                }
                events.drain(..).for_each(|event| hub.event(event));
            }
            Ok(()) = hub.parts.fleet.changed() => hub.fleet_changed(),
            () = tokio::time::sleep_until(wake) => hub.retry(),
        }
    }
    // A commit is not interrupted half way. Status writes are: they are taken up again after the next start.
    while commits.join_next().await.is_some() {}
    Ok(())
}

impl Hub {
    fn event(&mut self, event: Event) {
        match event {
            Event::ListBegins => self.entries.values_mut().for_each(|entry| entry.listed = false),
            Event::Object(received) => self.object(*received),
            Event::Deleted { namespace, name, uid } => {
                let key = ObjectKey::new(&namespace, &name);
                if let Some(entry) = self.entries.get(&key).filter(|entry| entry.uid == Uid::new(&uid)) {
                    self.departures.insert(key, entry.uid.clone());
                }
            }
            Event::ListComplete => self.list_complete(),
            Event::Broken(why) => {
                self.broken = Some(Interruption::again(self.broken, Instant::now()));
                self.parts.readiness.set("monitoringobjects", Some(why));
            }
        }
    }

    /// What a complete LIST did not name is gone: deletes that a broken watch missed are found here.
    fn list_complete(&mut self) {
        for (key, entry) in self.entries.iter().filter(|(_, entry)| !entry.listed) {
            self.departures.insert(key.clone(), entry.uid.clone());
        }
        self.parts.readiness.set("monitoringobjects", None);
        if !self.recovery.listed {
            self.recover();
        }
    }

    fn object(&mut self, received: Received) {
        let metadata = &received.object.metadata;
        let (Some(namespace), Some(name), Some(uid)) = (&metadata.namespace, &metadata.name, &metadata.uid)
        else {
            return;
        };
        // While the volume's files are known by their keys, each key is kept once.
        let key = ObjectKey::new(namespace, name);
        let (key, uid) = (self.recovery.known(&key).unwrap_or(key), Uid::new(uid));
        let generation = metadata.generation.unwrap_or(0);
        let version = metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        let recorded = received.object.status.as_ref().map(Recorded::of).unwrap_or_default();
        if self.entries.get(&key).is_some_and(|entry| entry.uid != uid) {
            // Deleted and made again while nobody looked. What waited for the old one waits for the new one.
            let is_awaited = self.recovery.unconfirmed.contains(&key);
            self.gone(&key);
            if is_awaited {
                self.recovery.unconfirmed.insert(key.clone());
            }
        }
        self.departures.cancel(&key);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.listed = true;
            // Never back to an older spec, whatever a stale server says.
            if generation < entry.generation {
                return;
            }
            if generation == entry.generation {
                self.status_seen(&key, version, recorded);
                return;
            }
        }
        // Before the first snapshot: the Lease may have been made anew, and our term must be above every one that was used.
        let is_before = self.revision == Revision::default();
        let is_ahead = |term: u64| self.parts.claim.term().is_none_or(|ours| term >= ours);
        if let Some(revision) = recorded.revision.filter(|revision| is_before && is_ahead(revision.term)) {
            let is_known = self.parts.claim.raise_above(revision.term);
            if !is_known {
                tracing::warn!(object = %key, %revision, "status.revision was written by somebody else, and moves no term");
            }
        }
        let earlier = self.queue.forget(&key).or_else(|| self.cancel_rewrite(&key));
        let created = metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
        let entry =
            self.entries.entry(key.clone()).or_insert_with(|| Box::new(Entry::new(uid, created, recorded)));
        let visible = self.parts.index.visible(&key).map(|content| content.digest());
        if visible.is_some() && visible == entry.candidate && !entry.suspended {
            entry.kept_generation = entry.generation;
        }
        entry.generation = generation;
        entry.version = entry.version.max(version);
        entry.suspended = received.object.spec.suspend;
        (entry.published, entry.failing, entry.attempts) = (false, None, 0);
        entry.keep_earlier(earlier);
        let content = content(&key, &received, &self.parts.settings);
        entry.candidate = content.as_ref().ok().map(|content| content.digest());
        match content {
            Ok(content) if !entry.suspended => {
                entry.refused = None;
                if self.recovery.listed {
                    self.parts.index.upsert(created, &entry.uid, content);
                } else {
                    self.recovery.candidate(content);
                }
            }
            // Suspended, or not valid: what is published stays.
            other => {
                entry.refused = other.err().map(Box::new);
                self.parts.index.keep(&key);
                self.recovery.no_candidate(&key);
            }
        }
        self.dirty.insert(key);
    }

    /// An event of a generation that is known: our own write comes back, or someone changed the status by hand.
    pub(super) fn status_seen(&mut self, key: &ObjectKey, version: u64, recorded: Recorded) {
        if self.queue.is_in_flight(key) {
            // Ours or another's: the answer will tell.
            self.seen_in_flight.insert(key.clone(), (version, recorded));
            return;
        }
        let busy = self.queue.has_ready(key);
        let Some(entry) = self.entries.get_mut(key).filter(|entry| version > entry.version && !busy) else {
            return;
        };
        entry.version = version;
        if entry.recorded != recorded {
            // Ours is written again, after the file was confirmed again.
            entry.recorded = recorded;
            entry.published = false;
            self.dirty.insert(key.clone());
        }
    }

    fn gone(&mut self, key: &ObjectKey) {
        self.queue.forget(key);
        self.parts.index.remove(key);
        self.recovery.no_candidate(key);
        if let Some(entry) = self.entries.remove(key)
            && (entry.on_volume.is_some() || entry.unknown)
        {
            self.orphans.insert(key.clone(), entry.on_volume);
        }
        self.confirmed(key);
        self.dirty.insert(key.clone());
    }

    /// Asks the index again about everything that changed.
    fn decide(&mut self) {
        if self.recovery.listed {
            self.parts.index.resolve();
            self.dirty.extend(self.parts.index.take_changed());
        }
    }

    fn retry_in(&mut self, pause: Duration, retry: Retry) -> (Instant, u64) {
        self.retry_number += 1;
        let due = (Instant::now() + pause, self.retry_number);
        self.retries.insert(due, retry);
        due
    }

    fn next_wake(&self) -> Instant {
        let mut wake = Instant::now() + LOOK_AROUND;
        if let Some(((due, _), _)) = self.retries.first_key_value() {
            wake = wake.min(*due);
        }
        if let Some(due) = self.departures_due() {
            wake = wake.min(due);
        }
        if self.queue.lengths().1 > 0 {
            wake = self.synced_alone_until().map_or(wake, |until| wake.min(until));
        }
        if self.unsettled && self.recovery.listed && self.recovery.unconfirmed.is_empty() {
            wake = wake.min(self.snapshot_due());
        }
        wake
    }

    fn retry(&mut self) {
        while let Some(entry) = self.retries.first_entry()
            && entry.key().0 <= Instant::now()
        {
            match entry.remove() {
                Retry::Commit(key) => {
                    self.recommits.remove(&key);
                    self.dirty.insert(key);
                }
                Retry::Status { key, uid, generation, published } => {
                    self.rewrites.remove(&key);
                    self.rewrite(key, &uid, generation, published)
                }
            }
        }
        if self.recovery.listed && self.broken.is_some_and(|broken| broken.over() < Instant::now()) {
            self.broken = None;
            self.parts.readiness.set("monitoringobjects", None);
        }
        if self.counted.elapsed() > LOOK_AROUND * 4 {
            self.counted = Instant::now();
            let (mut published, mut refused, mut failing) = (0, 0, 0);
            for entry in self.entries.values() {
                published += usize::from(entry.published);
                failing += usize::from(entry.failing.is_some());
                refused += usize::from(!entry.published && entry.failing.is_none());
            }
            self.parts.metrics.objects(published, refused, failing);
        }
    }
}

/// The checked and rendered content of a resource.
fn content(key: &ObjectKey, received: &Received, settings: &Settings) -> Result<Arc<Rendered>, Refusal> {
    if let Some(why) = &received.unreadable {
        return Err(Refusal { reason: Reason::Invalid, message: format!("spec cannot be read: {why}") });
    }
    render::content(key, &received.object, settings).map(Arc::new)
}

fn backoff(attempts: u32) -> Duration {
    let ceiling = RETRY_BASE.saturating_mul(1 << attempts.min(10)).min(RETRY_CAP);
    ceiling.mul_f64(rand::random_range(0.1..1.0))
}
