//! From events of the watch to contents: each object is validated and rendered here, and what it was before is kept until
//! that is published.

use super::entry::{Entry, OnVolume};
use super::{Command, Core, Measurement};
use crate::api::{MonitoringObject, Reason};
use crate::identity::{ObjectKey, Revision, Uid};
use crate::metrics::Work;
use crate::render::Rendered;
use crate::status::Recorded;
use crate::text::clean;
use crate::validate::{Refusal, Settings};
use crate::watch::{Event, Place, Received};
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Validates and renders a resource: [`crate::render::content`], but in tests.
pub(super) type Render = fn(&ObjectKey, &MonitoringObject, &Settings) -> Result<Rendered, Refusal>;

/// Returns the refusal of an object at which this program panicked.
fn panicked(key: &ObjectKey, panic: &dyn Any) -> Refusal {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let why = clean(text, 300);
    tracing::error!(object = %key, %why, "validating or rendering it panicked");
    let message = format!(
        "Groundlink has a fault that this object shows ({why}); report it with the object, and change what you added last. What \
         was published of it stays"
    );
    Refusal { reason: Reason::Invalid, message }
}

/// The resources, and files without one.
#[derive(Default)]
pub(super) struct Objects {
    /// Boxed: a table has up to twice the places that it needs.
    pub entries: HashMap<ObjectKey, Box<Entry>>,
    /// Files on the volume whose resource is gone. Never absent.
    pub orphans: BTreeMap<ObjectKey, OnVolume>,
}

impl Objects {
    /// Returns why the file of an object, or one without a resource, cannot be read. `None` if it can.
    pub fn unreadable(&self, key: &ObjectKey) -> Option<&str> {
        let entry = self.entries.get(key).and_then(|entry| entry.on_volume.unreadable());
        entry.or_else(|| self.orphans.get(key)?.unreadable())
    }
}

impl Core {
    /// Takes what the watch of this place saw.
    pub(super) fn watched(&mut self, place: Place, event: Event) {
        match event {
            Event::ListBegins => self.list_begins(place.as_deref()),
            Event::Object(received) => self.received(&received),
            Event::Deleted { namespace, name, uid } => {
                let key = ObjectKey::new(&namespace, &name);
                self.ownership.others.gone(&key);
                if let Some(entry) = self.objects.entries.get(&key).filter(|e| e.uid == Uid::new(&uid)) {
                    self.departures.insert_deleted(key, entry.uid.clone(), self.now.elapsed);
                }
            }
            Event::ListComplete => self.list_complete(place),
            Event::Broken(why) => self.watch_fails(place, why),
        }
    }

    fn received(&mut self, received: &Received) {
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
        let known = self.objects.entries.get_mut(&key).filter(|entry| entry.uid == uid);
        if known.as_ref().is_none_or(|entry| version >= entry.version) {
            // Also while a write waits or is under way, and of a new generation: the next write tests it.
            if let Some(entry) = known {
                entry.recorded.written_by(&recorded);
            }
            self.ownership.seen(&key, received.object.status.as_ref());
        }
        if self.objects.entries.get(&key).is_some_and(|entry| entry.uid != uid) {
            // Deleted and created again while nobody looked. What waited for the old one waits for the new one.
            let is_awaited = self.recovery.undecided.contains(&key);
            self.gone(&key);
            if is_awaited {
                self.recovery.undecided.insert(key.clone());
            }
        }
        self.departures.cancel(&key);
        if let Some(entry) = self.objects.entries.get_mut(&key) {
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
        self.learn_term(&key, recorded.revision);
        let created = metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
        let entry = Entry::new(uid, created, recorded);
        self.new_generation(key, entry, generation, version, received);
    }

    /// Before the first snapshot: the Lease may have been created anew, and our term must be above every one that was used.
    fn learn_term(&mut self, key: &ObjectKey, revision: Option<Revision>) {
        let is_ahead = |revision: &Revision| self.now.term.is_none_or(|ours| revision.term >= ours);
        if !self.snapshots.is_any_cut()
            && let Some(revision) = revision.filter(is_ahead)
        {
            self.snapshots.recorded(revision.term);
            self.command(Command::RaiseTerm { key: key.clone(), revision });
        }
    }

    /// The resource is new, or has a new spec: what it says from now on.
    fn new_generation(
        &mut self,
        key: ObjectKey,
        new: Entry,
        generation: i64,
        version: u64,
        received: &Received,
    ) {
        let content = self.content(&key, received);
        let earlier = self.statuses.queue.forget(&key).or_else(|| self.retries.cancel_status(&key));
        self.graces.forget(&key);
        let created = new.created;
        let entry = self.objects.entries.entry(key.clone()).or_insert_with(|| Box::new(new));
        let visible = self.index.visible(&key).map(|content| content.digest());
        if let Some(visible) = visible.filter(|visible| entry.candidate == Some(*visible) && !entry.suspended)
        {
            entry.held_before = Some((visible, entry.generation));
        }
        entry.generation = generation;
        entry.kind = match received.unreadable {
            None => received.object.spec.members().first().map(|member| member.icinga_type()),
            Some(_) => None,
        };
        entry.version = entry.version.max(version);
        entry.suspended = received.object.spec.suspend;
        (entry.published, entry.failing, entry.attempts) = (false, None, 0);
        entry.keep_earlier(earlier);
        entry.candidate = content.as_ref().ok().map(|content| content.digest());
        match content {
            Ok(content) if !entry.suspended => {
                entry.refused = None;
                if self.recovery.is_listed {
                    self.index.upsert(created, &entry.uid, content);
                } else {
                    self.recovery.candidate(content);
                }
            }
            // Suspended, or not valid: what is published stays.
            other => {
                entry.refused = other.err().map(Box::new);
                self.index.keep(&key);
                // It is not visible while something that it names cannot be read.
                if let (Some(content), None) = (entry.on_volume.visible(), self.index.visible(&key)) {
                    self.index.upsert(created, &entry.uid, content.clone());
                }
                self.recovery.no_candidate(&key);
            }
        }
        self.files.dirty.insert(key);
    }

    /// Validates and renders a resource. A panic is a fault of this program, and no other object must wait for its mending.
    fn content(&mut self, key: &ObjectKey, received: &Received) -> Result<Arc<Rendered>, Refusal> {
        if let Some(why) = &received.unreadable {
            return Err(Refusal { reason: Reason::Invalid, message: format!("spec cannot be read: {why}") });
        }
        let render = AssertUnwindSafe(|| (self.render)(key, &received.object, &self.settings));
        match catch_unwind(render) {
            Ok(content) => content.map(Arc::new),
            Err(panic) => {
                self.measure(Measurement::Panicked(Work::Object));
                Err(panicked(key, &*panic))
            }
        }
    }

    /// An event of a generation that is known: our own write comes back, or someone changed the status by hand.
    pub(super) fn status_seen(&mut self, key: &ObjectKey, version: u64, recorded: Recorded) {
        if self.statuses.queue.is_in_flight(key) {
            // Ours or another's: the answer will tell.
            let seen = self.statuses.seen_in_flight.entry(key.clone()).or_default();
            if version > seen.0 {
                *seen = (version, recorded);
            }
            return;
        }
        let is_busy = self.statuses.queue.has_ready(key);
        let Some(entry) =
            self.objects.entries.get_mut(key).filter(|entry| version > entry.version && !is_busy)
        else {
            return;
        };
        entry.version = version;
        if entry.recorded != recorded {
            // Ours is written again, after the file was confirmed again. Another program may answer each of our writes
            // with one of its own.
            entry.recorded = recorded;
            entry.published = false;
            if self.correct_status(key) {
                tracing::warn!(object = %key, "somebody keeps changing its status, which is written again every few minutes only; find out who");
            }
        }
    }

    /// The resource is gone, and its file becomes an orphan.
    pub(super) fn gone(&mut self, key: &ObjectKey) {
        self.statuses.queue.forget(key);
        self.graces.forget(key);
        self.index.remove(key);
        self.recovery.no_candidate(key);
        if let Some(entry) = self.objects.entries.remove(key)
            && !entry.on_volume.is_absent()
        {
            self.objects.orphans.insert(key.clone(), entry.on_volume);
        }
        self.decided(key);
        self.mark_dirty(key);
    }
}
