//! The group commit: write all temp files, one sync for all, rename all in order, sync each touched directory once, and
//! only then say which are published. (Lost nothing and tore nothing in power-cut runs on ext4 and XFS; each step left out
//! did.) Synchronous: callers run it on a blocking thread, one at a time.

use super::disk::Disk;
use super::token::Published;
use super::volume::Volume;
use crate::identity::{ObjectKey, Uid};
use crate::references::{Step, order};
use crate::render::Rendered;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One change of a batch.
#[derive(Debug)]
pub enum Change {
    /// Make the file hold `new`. If `old` has the same bytes, they are only made durable.
    Publish {
        /// What the volume holds now.
        old: Option<Arc<Rendered>>,
        /// What it will hold.
        new: Arc<Rendered>,
        /// UID of the resource.
        uid: Uid,
        /// Generation of its spec.
        generation: i64,
    },
    /// Remove the file.
    Remove {
        /// The resource.
        key: ObjectKey,
        /// What the volume holds. `None` if that is not known.
        old: Option<Arc<Rendered>>,
    },
}

impl Change {
    /// The resource.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Publish { new, .. } => new.key(),
            Self::Remove { key, .. } => key,
        }
    }

    fn is_write(&self) -> bool {
        matches!(self, Self::Publish { old, new, .. } if old.as_ref().is_none_or(|old| old.digest() != new.digest()))
    }

    fn step(&self) -> Step {
        match self {
            Self::Publish { old, new, .. } => Step { old: old.clone(), new: Some(new.clone()) },
            Self::Remove { old, .. } => Step { old: old.clone(), new: None },
        }
    }
}

/// What became of a change.
#[derive(Debug)]
pub enum Outcome {
    /// In place and durable.
    Published(Published),
    /// The file is gone, durably.
    Removed(ObjectKey),
    /// The old file is as it was, unless `visible` says otherwise.
    Failed(Failure),
}

/// A change that failed.
#[derive(Debug)]
pub struct Failure {
    /// The resource.
    pub key: ObjectKey,
    /// What was tried, what the system said, and what to do.
    pub message: String,
    /// The new state is visible, but was not made durable: nobody may rely on either state.
    pub visible: bool,
}

/// Up to this many files are synced one by one: a sync of the whole volume also waits for everybody else's dirty pages.
const SYNC_EACH_UP_TO: usize = 4;

impl<D: Disk> Volume<D> {
    /// Carries out a batch. Every change has exactly one outcome. A failure of one leaves the others alone, except those
    /// that depend on it. `permitted` is asked before the first write and before each rename: it is the leadership.
    pub(crate) fn commit(&self, batch: Vec<Change>, permitted: &dyn Fn() -> bool) -> Vec<Outcome> {
        let mut commit =
            Commit { volume: self, directories: BTreeMap::new(), outcomes: Vec::with_capacity(batch.len()) };
        commit.run(batch, permitted);
        commit.outcomes
    }
}

struct Commit<'a, D: Disk> {
    volume: &'a Volume<D>,
    /// Each touched namespace's directory.
    directories: BTreeMap<String, D::Directory>,
    outcomes: Vec<Outcome>,
}

struct Staged<T> {
    change: Change,
    temp: Option<(String, T)>,
}

impl<D: Disk> Commit<'_, D> {
    fn run(&mut self, batch: Vec<Change>, permitted: &dyn Fn() -> bool) {
        if !permitted() {
            return batch.iter().for_each(|change| self.fail(change.key(), NOT_LEADER));
        }
        let steps: Vec<_> = batch.iter().map(Change::step).collect();
        let keys: Vec<ObjectKey> = batch.iter().map(|change| change.key().clone()).collect();
        let mut broken = HashSet::new();
        let mut staged = self.write_temps(batch, &mut broken);
        self.sync_temps(&keys, &mut staged, &mut broken);
        // Renames and removals, so that what is named is there at every instant.
        let mut done = Vec::new();
        for (key, after) in order(steps, &keys) {
            let Some(Staged { change, temp }) = staged.remove(&key) else { continue };
            let blocker = after.iter().find(|other| broken.contains(*other));
            let temp = temp.as_ref().map(|(name, _)| name.as_str());
            let result = match blocker {
                Some(other) => Err(format!("waits for {other}, which could not be written")),
                None if !permitted() => Err(NOT_LEADER.into()),
                None => self.apply(&change, temp).map_err(|error| {
                    let action = if temp.is_some() { "rename it into place" } else { "remove the file" };
                    explain(action, &error)
                }),
            };
            match result {
                Ok(()) => done.push(change),
                Err(message) => {
                    if let Some(name) = temp {
                        self.discard(name);
                    }
                    self.fail(&key, &message);
                    broken.insert(key);
                }
            }
        }
        self.sync_directories(done);
    }

    fn fail(&mut self, key: &ObjectKey, message: &str) {
        self.outcomes.push(Outcome::Failed(Failure {
            key: key.clone(),
            message: message.into(),
            visible: false,
        }));
    }

    /// Removes a temp file that is not needed. A failure leaves a leftover, which the next start removes.
    fn discard(&self, temp: &str) {
        let _ = self.volume.disk().remove_temp(temp);
    }

    fn write_temps(
        &mut self,
        batch: Vec<Change>,
        broken: &mut HashSet<ObjectKey>,
    ) -> HashMap<ObjectKey, Staged<D::Temp>> {
        let mut staged = HashMap::new();
        for change in batch {
            let key = change.key().clone();
            let mut temp = None;
            if let (true, Change::Publish { new, .. }) = (change.is_write(), &change) {
                match self.write_temp(new) {
                    Ok(written) => temp = Some(written),
                    Err(error) => {
                        self.fail(&key, &explain("write the temp file", &error));
                        broken.insert(key);
                        continue;
                    }
                }
            }
            staged.insert(key, Staged { change, temp });
        }
        staged
    }

    /// Writes a new temp file. Its name never ends in `.conf`, which is what Icinga includes.
    fn write_temp(&self, content: &Rendered) -> io::Result<(String, D::Temp)> {
        let name = format!("{}.tmp", self.volume.next_temp.fetch_add(1, Ordering::Relaxed));
        match self.volume.disk().write_temp(&name, &content.bytes()) {
            Ok(temp) => Ok((name, temp)),
            Err(error) => {
                self.discard(&name);
                Err(error)
            }
        }
    }

    /// Makes the temp files' content durable, and what is only confirmed. After a failed sync the pages may be lost and the
    /// next sync may succeed all the same, so what was to be synced is written anew another time.
    fn sync_temps(
        &mut self,
        keys: &[ObjectKey],
        staged: &mut HashMap<ObjectKey, Staged<D::Temp>>,
        broken: &mut HashSet<ObjectKey>,
    ) {
        let is_confirmed = |staged: &Staged<D::Temp>| {
            staged.temp.is_none() && matches!(staged.change, Change::Publish { .. })
        };
        let confirms = staged.values().any(is_confirmed);
        let temps = staged.values().filter(|staged| staged.temp.is_some()).count();
        let mut failed: Vec<(&ObjectKey, String)> = Vec::new();
        let disk = self.volume.disk();
        if confirms || temps > SYNC_EACH_UP_TO {
            if let Err(error) = disk.sync_all() {
                let message = explain("sync the temp file", &error);
                failed = keys
                    .iter()
                    .filter(|key| staged.get(*key).is_some_and(|s| s.temp.is_some() || is_confirmed(s)))
                    .map(|key| (key, message.clone()))
                    .collect();
            }
        } else {
            for key in keys {
                if let Some(Staged { temp: Some((_, temp)), .. }) = staged.get(key)
                    && let Err(error) = disk.sync_temp(temp)
                {
                    failed.push((key, explain("sync the temp file", &error)));
                }
            }
        }
        for (key, message) in failed {
            let Some(Staged { temp, .. }) = staged.remove(key) else { continue };
            // Of a file that was only to be confirmed, the pages in memory may not be what the disk has.
            let visible = temp.is_none();
            if let Some((name, _)) = temp {
                self.discard(&name);
            }
            self.outcomes.push(Outcome::Failed(Failure { key: key.clone(), message, visible }));
            broken.insert(key.clone());
        }
    }

    fn apply(&mut self, change: &Change, temp: Option<&str>) -> io::Result<()> {
        let key = change.key();
        let file = format!("{}.conf", key.name());
        let disk = self.volume.disk();
        match (change, temp) {
            (Change::Publish { .. }, Some(temp)) => match self.directory(key.namespace(), true)? {
                Some(directory) => disk.rename(temp, directory, &file),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            (Change::Publish { .. }, None) => self.directory(key.namespace(), true).map(|_| ()),
            (Change::Remove { .. }, _) => match self.directory(key.namespace(), false)? {
                None => Ok(()),
                Some(directory) => disk.remove(directory, &file),
            },
        }
    }

    /// Opens a namespace's directory, and creates it if `create`. `None` if it does not exist.
    fn directory(&mut self, namespace: &str, create: bool) -> io::Result<Option<&D::Directory>> {
        if !self.directories.contains_key(namespace) {
            let disk = self.volume.disk();
            let mut opened = disk.open_directory(namespace)?;
            if opened.is_none() && create {
                self.volume.objects_unsynced.store(true, Ordering::Relaxed);
                disk.make_directory(namespace)?;
                opened = disk.open_directory(namespace)?;
            }
            // Also if another attempt created it and could not sync: a directory that a crash can take takes its files along.
            if create && self.volume.objects_unsynced.load(Ordering::Relaxed) {
                disk.sync_objects()?;
                self.volume.objects_unsynced.store(false, Ordering::Relaxed);
            }
            let Some(opened) = opened else { return Ok(None) };
            self.directories.insert(namespace.to_owned(), opened);
        }
        Ok(self.directories.get(namespace))
    }

    /// Syncs each touched directory once. Where that fails the new state is visible and may not survive a crash: it is not
    /// published, and is written again.
    fn sync_directories(&mut self, done: Vec<Change>) {
        let disk = self.volume.disk();
        let mut failed: HashMap<&str, String> = HashMap::new();
        for (namespace, directory) in &self.directories {
            if let Err(error) = disk.sync_directory(directory) {
                failed.insert(namespace, explain("sync the directory", &error));
            }
        }
        let removed: BTreeSet<String> = done
            .iter()
            .filter(|change| matches!(change, Change::Remove { .. }))
            .map(|change| change.key().namespace().to_owned())
            .collect();
        for change in done {
            let outcome = match (failed.get(change.key().namespace()), change) {
                (Some(message), change) => Outcome::Failed(Failure {
                    key: change.key().clone(),
                    message: message.clone(),
                    visible: true,
                }),
                (None, Change::Publish { new, uid, generation, .. }) => {
                    Outcome::Published(Published::new(new, uid, generation))
                }
                (None, Change::Remove { key, .. }) => Outcome::Removed(key),
            };
            self.outcomes.push(outcome);
        }
        for namespace in removed {
            // Fails while files are left, which is what is wanted.
            let _ = disk.remove_directory(&namespace);
        }
    }
}

const NOT_LEADER: &str = "this process is not the leader any more";

/// Explains a failure to a person.
fn explain(action: &str, error: &io::Error) -> String {
    let remedy = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "; the volume is full: enlarge it or free space",
        Some(Errno::ROFS) => "; the volume is read-only: make it writable",
        Some(Errno::ACCESS | Errno::PERM) => "; let the operator's user write to the volume (fsGroup)",
        Some(Errno::IO) => "; the storage has a fault",
        _ => "",
    };
    format!("cannot {action}: {error}{remedy}; the previous file is kept, and it is tried again")
}
