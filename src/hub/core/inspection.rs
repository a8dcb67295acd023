//! Files that cannot be read, and directories that cannot be listed. Each is the problem of its objects alone; but what is in
//! it may name anything, so until it is known again no name goes.

use super::entry::OnVolume;
use super::{Command, Core, Part};
use crate::backoff::Backoff;
use crate::identity::{ObjectKey, Uid};
use crate::publish::{Content, Found, Scan};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Pauses between attempts to read what cannot be read.
const LOOK_AGAIN: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };
/// Files that are read at once. A commit waits for them.
const AT_ONCE: usize = 100;

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// What could not be read.
    Inspect,
    /// What somebody may have changed.
    Check,
}

/// What is to be read again.
#[derive(Default)]
pub(super) struct Inspection {
    /// Namespaces whose directory cannot be read, and why.
    unread: BTreeMap<String, String>,
    /// Objects whose file cannot be read. Some may have been replaced since.
    unreadable: BTreeSet<ObjectKey>,
    under_way: Option<Work>,
    attempts: u32,
    next: Option<Duration>,
}

impl Inspection {
    /// The file of this object cannot be read.
    pub fn unreadable(&mut self, key: &ObjectKey) {
        self.unreadable.insert(key.clone());
    }

    /// The directories of these namespaces cannot be read.
    pub fn unread(&mut self, unread: BTreeMap<String, String>) {
        self.unread = unread;
    }

    /// Files are being read. No commit may begin: what is read would not be what it leaves.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    pub fn begin(&mut self, work: Work) {
        self.under_way = Some(work);
    }

    pub fn end(&mut self) {
        self.under_way = None;
    }

    /// Returns when something is to be read again.
    pub fn due(&self) -> Option<Duration> {
        let is_needed = !self.unread.is_empty() || !self.unreadable.is_empty();
        self.next.filter(|_| is_needed && self.under_way.is_none())
    }
}

impl Core {
    /// Reads again what could not be read, if that is due and no commit is under way.
    pub(super) fn inspect(&mut self) {
        let now = self.now.elapsed;
        let objects = &self.objects;
        let inspection = &mut self.inspection;
        inspection.unreadable.retain(|key| objects.unreadable(key).is_some());
        if inspection.unread.is_empty() && inspection.unreadable.is_empty() {
            (inspection.attempts, inspection.next) = (0, None);
            return;
        }
        if inspection.next.is_none() {
            inspection.attempts = 1;
            inspection.next = Some(now + LOOK_AGAIN.pause(1, self.retries.random()));
        }
        let is_due = inspection.due().is_some_and(|due| due <= now);
        if !is_due || !self.files.committing.is_empty() || self.now.term.is_none() {
            return;
        }
        inspection.begin(Work::Inspect);
        let namespaces: Vec<_> = inspection.unread.keys().cloned().collect();
        let is_apart = |key: &&ObjectKey| !inspection.unread.contains_key(key.namespace());
        let keys = inspection.unreadable.iter().filter(is_apart).take(AT_ONCE).cloned().collect();
        self.command(Command::Inspect { namespaces, keys });
    }

    /// Files were read again.
    pub(super) fn inspected(&mut self, result: Result<Scan, String>) {
        self.inspection.end();
        self.inspection.attempts += 1;
        let pause = LOOK_AGAIN.pause(self.inspection.attempts, self.retries.random());
        self.inspection.next = Some(self.now.elapsed + pause);
        let scan = match result {
            Ok(scan) => scan,
            Err(why) => {
                tracing::warn!(%why, "files cannot be read again");
                return;
            }
        };
        let is_read = |namespace: &String| !scan.unread.contains_key(namespace);
        let read: BTreeSet<String> = self.inspection.unread.keys().filter(|n| is_read(n)).cloned().collect();
        self.inspection.unread = scan.unread;
        let found: BTreeSet<ObjectKey> = scan.files.iter().map(|file| file.key.clone()).collect();
        for Found { key, content } in scan.files {
            self.seen(key, content);
        }
        // The directory can be read, and they are not in it.
        let is_gone = |key: &&ObjectKey| read.contains(key.namespace()) && !found.contains(*key);
        let gone: Vec<_> = self.inspection.unreadable.iter().filter(is_gone).cloned().collect();
        gone.into_iter().for_each(|key| self.seen(key, Content::Absent));
        self.keep_again();
        self.say_unread();
    }

    /// The path of an object whose file could not be read was looked at.
    fn seen(&mut self, key: ObjectKey, content: Content) {
        if self.objects.orphans.get(&key).is_some_and(|orphan| orphan.unreadable().is_some()) {
            if matches!(content, Content::Absent) {
                return self.file_removed(&key);
            }
            self.objects.orphans.remove(&key);
            return self.unclaimed(key, content);
        }
        let Some(entry) = self.objects.entries.get_mut(&key) else { return self.unclaimed(key, content) };
        if entry.on_volume.is_absent() {
            // Of an earlier resource of this name: it is replaced, or goes.
            return self.unclaimed(key, content);
        }
        if entry.on_volume.unreadable().is_none() {
            return;
        }
        entry.on_volume = content.into();
        if entry.on_volume.unreadable().is_none() {
            tracing::info!(object = %key, "its file can be read again");
        }
        self.mark_dirty(&key);
    }

    /// Keeps what is on the volume beside a generation that is not valid, waits, or is not processed: also what could not be
    /// kept, because it names something that could not be read.
    fn keep_again(&mut self) {
        let mut waiting = Vec::new();
        for (key, entry) in &self.objects.entries {
            if let (Some(content), None) = (entry.on_volume.visible(), self.index.visible(key)) {
                waiting.extend(
                    self.index.waiting_content(key).map(|w| (entry.created, entry.uid.clone(), w.clone())),
                );
                self.index.upsert(entry.created, &entry.uid, content.clone());
            }
        }
        self.index.resolve();
        waiting.into_iter().for_each(|(created, uid, content)| self.index.upsert(created, &uid, content));
    }

    /// A path that no resource claims holds this. A file goes; anything else is not ours.
    pub(super) fn unclaimed(&mut self, key: ObjectKey, content: Content) {
        let is_known = self.objects.orphans.get(&key).is_some_and(|orphan| orphan.unreadable().is_none());
        if is_known || matches!(content, Content::Absent | Content::NoFile(_)) {
            return;
        }
        let orphan = OnVolume::from(content);
        if orphan.unreadable().is_some() {
            self.inspection.unreadable(&key);
        } else if !self.objects.entries.contains_key(&key) {
            // Until it is decided that its resource was deleted, it is published. But a name belongs to a resource that has
            // it: the file may be a copy that somebody made of another.
            if let Some(content) = orphan.visible() {
                self.index.upsert(i64::MAX, &Uid::new(""), content.clone());
            }
            if !self.snapshots.is_any_cut() {
                self.recovery.undecided.insert(key.clone());
            }
            self.departures.insert_file(key.clone());
        }
        self.mark_dirty(&key);
        self.objects.orphans.insert(key, orphan);
    }

    /// Returns why something on the volume is not known that this batch does not replace. Until then no name goes: a file that
    /// cannot be read may need it.
    pub(super) fn unread(&self) -> Option<String> {
        let directory = self.inspection.unread.values().next();
        let is_replaced = |key: &&ObjectKey| self.index.visible(key).is_some();
        let mut kept = self.inspection.unreadable.iter().filter(|key| !is_replaced(key));
        let file = || kept.find_map(|key| self.objects.unreadable(key));
        directory.map(String::as_str).or_else(file).map(str::to_owned)
    }

    /// Reports directories that cannot be read, and files without a resource: no status says so. A file of an object that is
    /// kept is said in its status.
    pub(super) fn say_unread(&mut self) {
        let orphans = self.inspection.unreadable.iter().filter(|key| !self.objects.entries.contains_key(key));
        let orphans = orphans.filter_map(|key| self.objects.orphans.get(key)?.unreadable());
        let mut all = self.inspection.unread.values().map(String::as_str).chain(orphans);
        let missing = all.next().map(|why| {
            let more = all.count();
            let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
            format!("{why}{more}; until then no file that it may name is removed")
        });
        self.readiness(Part::Volume, missing);
    }
}
