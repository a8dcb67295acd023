//! The group commit: write all temp files, one sync for all, rename all in order, sync each touched directory once, and
//! only then say which are published. (Lost nothing and tore nothing in power-cut runs on ext4 and XFS; each step left out
//! did.) Synchronous: callers run it on a blocking thread, one at a time.

use super::batch::{After, Change, Failure, Outcome};
use super::disk::{Disk, Entry};
use super::explain::{NOT_LEADER, State, explain};
use super::scan::ours;
use super::token::Published;
use super::volume::Volume;
use crate::identity::{Digest, ObjectKey};
use crate::references::order;
use crate::render::Rendered;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::atomic::Ordering;

/// Up to this many files are synced one by one: a sync of the whole volume also waits for everybody else's dirty pages.
const SYNC_EACH_UP_TO: usize = 4;
/// Directories that are open at once. Descriptors are few: connections need them, too.
const OPEN_DIRECTORIES: usize = 16;

impl<D: Disk> Volume<D> {
    /// Carries out a batch. Every change has exactly one outcome. A failure of one leaves the others alone, except those
    /// that depend on it. `permitted` is asked before the first write and before each rename: it is the leadership.
    pub(crate) fn commit(&self, batch: Vec<Change>, permitted: &dyn Fn() -> bool) -> Vec<Outcome> {
        let mut commit = Commit {
            volume: self,
            touched: BTreeSet::new(),
            open: BTreeMap::new(),
            outcomes: Vec::with_capacity(batch.len()),
        };
        commit.run(batch, permitted);
        commit.outcomes
    }
}

struct Commit<'a, D: Disk> {
    volume: &'a Volume<D>,
    /// Namespaces in whose directory something was done.
    touched: BTreeSet<String>,
    /// Some open directories.
    open: BTreeMap<String, D::Directory>,
    outcomes: Vec<Outcome>,
}

struct Staged<T> {
    change: Change,
    temp: Option<StagedTemp<T>>,
}

/// A temp file.
struct StagedTemp<T> {
    name: String,
    /// `None` unless it is synced by itself: one sync of the whole volume needs no descriptor of each file.
    open: Option<T>,
}

/// Why a change was not carried out, and what the volume holds.
type Fault = (String, After);

impl<T> Staged<T> {
    /// Returns whether the change only makes durable what is there.
    fn is_confirmed(&self) -> bool {
        self.temp.is_none() && matches!(self.change, Change::Publish { .. })
    }

    /// Returns whether the sync of the whole volume is the one that it needs.
    fn is_synced_with_all(&self) -> bool {
        self.is_confirmed() || self.temp.as_ref().is_some_and(|temp| temp.open.is_none())
    }
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
        let unusable = self.prepare_directories(&staged);
        // Renames and removals, so that what is named is there at every instant.
        let mut done = Vec::new();
        // What cannot be read may name anything, so it is replaced before any name goes.
        let mut unread =
            keys.iter().zip(&steps).filter(|(key, step)| step.is_unread && broken.contains(*key));
        let mut unread: Option<ObjectKey> = unread.next().map(|(key, _)| key.clone());
        for (key, after) in order(steps, &keys) {
            let Some(Staged { change, temp }) = staged.remove(&key) else { continue };
            let blocker = after.iter().find(|other| broken.contains(*other));
            let blocker = blocker.or(unread.as_ref().filter(|_| change.takes_away()));
            let temp = temp.as_ref().map(|temp| temp.name.as_str());
            let kept = |message: String| Err((message, After::Unchanged));
            let result = match (blocker, unusable.get(key.namespace())) {
                (Some(other), _) => kept(format!("waits for {other}, which could not be written")),
                (None, Some(why)) if matches!(change, Change::Publish { .. }) => kept(why.clone()),
                (None, _) if !permitted() => kept(NOT_LEADER.into()),
                (None, _) => self.apply(&change, temp),
            };
            match result {
                Ok(()) => done.push(change),
                Err((message, after)) => {
                    if let Some(name) = temp {
                        self.discard(name);
                    }
                    if change.is_unread() {
                        unread = unread.or(Some(key.clone()));
                    }
                    self.outcomes.push(Outcome::Failed(Failure { key: key.clone(), message, after }));
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
            after: After::Unchanged,
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
        let writes = |change: &Change| change.is_write() || !self.is_there(change);
        let writes: Vec<bool> = batch.iter().map(writes).collect();
        let is_confirmed = |(change, writes): (&Change, &bool)| change.is_confirmation() && !writes;
        let is_few = writes.iter().filter(|writes| **writes).count() <= SYNC_EACH_UP_TO;
        let sync_each = is_few && !batch.iter().zip(&writes).any(is_confirmed);
        for (change, is_written) in batch.into_iter().zip(writes) {
            let key = change.key().clone();
            let mut temp = None;
            if let (true, Change::Publish { new, .. }) = (is_written, &change) {
                match self.write_temp(new) {
                    Ok((name, open)) => temp = Some(StagedTemp { name, open: sync_each.then_some(open) }),
                    Err(error) => {
                        self.fail(&key, &explain("write the temp file", &error, State::Kept));
                        broken.insert(key);
                        continue;
                    }
                }
            }
            staged.insert(key, Staged { change, temp });
        }
        staged
    }

    /// Returns whether a file that is only to be confirmed is still what it was. Somebody may have edited or removed it.
    fn is_there(&self, change: &Change) -> bool {
        if !change.is_confirmation() {
            return true;
        }
        let Ok(Some(directory)) = self.volume.disk().open_directory(change.key().namespace()) else {
            return false;
        };
        let entry = self.volume.disk().read(&directory, &file_of(change.key()));
        matches!(entry, Ok(Entry::File(bytes)) if Some(Digest::of(&bytes)) == change.old())
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
        let mut failed: Vec<(&ObjectKey, io::Error)> = Vec::new();
        let disk = self.volume.disk();
        if staged.values().any(Staged::is_synced_with_all)
            && let Err(error) = disk.sync_all()
        {
            let of_all = |key: &&ObjectKey| staged.get(*key).is_some_and(Staged::is_synced_with_all);
            failed.extend(keys.iter().filter(of_all).map(|key| (key, again(&error))));
        }
        for key in keys {
            let Some(Staged { temp: Some(temp), .. }) = staged.get_mut(key) else { continue };
            // It is closed here: whoever watches the directory would take a later close for a change by somebody else.
            let Some(open) = temp.open.take() else { continue };
            if let Err(error) = disk.sync_temp(&open) {
                failed.push((key, error));
            }
        }
        for (key, error) in failed {
            let Some(Staged { change, temp }) = staged.remove(key) else { continue };
            let (state, after) = match (temp, change) {
                (Some(temp), _) => {
                    self.discard(&temp.name);
                    (State::Kept, After::Unchanged)
                }
                // What was only to be confirmed: the pages in memory may not be what the disk has.
                (None, Change::Publish { new, .. }) => (State::InPlace, After::NotDurable(Some(new))),
                // Nothing of a removal is synced here.
                (None, Change::Remove { .. }) => (State::Kept, After::Unchanged),
            };
            let message = explain("sync the file", &error, state);
            self.outcomes.push(Outcome::Failed(Failure { key: key.clone(), message, after }));
            broken.insert(key.clone());
        }
    }

    /// Creates the namespaces' directories that are missing, and makes durable that each is there: a directory that a crash
    /// can take takes its files along. Returns why one cannot be used.
    fn prepare_directories(
        &mut self,
        staged: &HashMap<ObjectKey, Staged<D::Temp>>,
    ) -> HashMap<String, String> {
        let is_publish = |staged: &&Staged<D::Temp>| matches!(staged.change, Change::Publish { .. });
        let wanted: BTreeSet<&str> =
            staged.values().filter(is_publish).map(|staged| staged.change.key().namespace()).collect();
        let (mut unusable, mut unsynced) = (HashMap::new(), Vec::new());
        for namespace in wanted {
            let existed = match self.open_or_create(namespace) {
                Ok(existed) => existed,
                Err(error) => {
                    let why = explain(&format!("open objects.d/{namespace}"), &error, State::Kept);
                    unusable.insert(namespace.to_owned(), why);
                    continue;
                }
            };
            // Whoever created it may not have synced it, and so may an earlier attempt.
            let mut durable = self.volume.durable_directories();
            if !existed {
                durable.remove(namespace);
            }
            if !durable.contains(namespace) {
                unsynced.push(namespace.to_owned());
            }
        }
        if unsynced.is_empty() {
            return unusable;
        }
        match self.volume.disk().sync_objects() {
            Ok(()) => self.volume.durable_directories().extend(unsynced),
            Err(error) => {
                let why = explain("sync objects.d", &error, State::Kept);
                unusable.extend(unsynced.into_iter().map(|namespace| (namespace, why.clone())));
            }
        }
        unusable
    }

    /// Opens a namespace's directory, which is created if it is missing. Returns whether it existed.
    fn open_or_create(&mut self, namespace: &str) -> io::Result<bool> {
        if self.directory(namespace)?.is_some() {
            return Ok(true);
        }
        self.volume.disk().make_directory(namespace)?;
        match self.directory(namespace)? {
            Some(_) => Ok(false),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Opens a namespace's directory. `None` if it does not exist.
    fn directory(&mut self, namespace: &str) -> io::Result<Option<&D::Directory>> {
        if !self.open.contains_key(namespace) {
            let Some(opened) = self.volume.disk().open_directory(namespace)? else { return Ok(None) };
            if self.open.len() >= OPEN_DIRECTORIES {
                self.open.clear();
            }
            self.open.insert(namespace.to_owned(), opened);
        }
        Ok(self.open.get(namespace))
    }

    /// Renames the temp file into place, or removes the file.
    fn apply(&mut self, change: &Change, temp: Option<&str>) -> Result<(), Fault> {
        let key = change.key();
        let namespace = key.namespace();
        let disk = self.volume.disk();
        let kept = |error: io::Error| {
            let why = explain(&format!("open objects.d/{namespace}"), &error, State::Kept);
            (why, After::Unchanged)
        };
        let is_removal = matches!(change, Change::Remove { .. });
        let result = match (self.directory(namespace).map_err(kept)?, temp) {
            (None, _) if is_removal => return Ok(()),
            (None, _) => return Err(kept(io::ErrorKind::NotFound.into())),
            (Some(directory), Some(temp)) => disk.rename(temp, directory, &file_of(key)),
            (Some(directory), None) if is_removal => disk.remove(directory, &file_of(key)),
            (Some(_), None) => Ok(()),
        };
        self.touched.insert(namespace.to_owned());
        let Err(error) = result else { return Ok(()) };
        let (action, state, after) = match self.really(change, temp) {
            None => return Ok(()),
            Some((state, after)) if is_removal => ("remove the file", state, after),
            Some((state, after)) => ("rename it into place", state, after),
        };
        Err((explain(action, &error, state), after))
    }

    /// Returns what the volume holds after a rename or a removal that failed: the answer alone may be lost, as it happens on
    /// NFS. `None` if the change was carried out.
    fn really(&mut self, change: &Change, temp: Option<&str>) -> Option<(State, After)> {
        let key = change.key();
        let new = match change {
            Change::Publish { new, .. } => Some(new),
            Change::Remove { .. } => None,
        };
        // Opened anew: a stale descriptor sees nothing.
        self.open.remove(key.namespace());
        let disk = self.volume.disk();
        let entry = match self.directory(key.namespace()) {
            Ok(Some(directory)) => disk.read(directory, &file_of(key)),
            Ok(None) => Ok(Entry::Absent),
            Err(error) => Err(error),
        };
        let bytes = match entry {
            Err(_) => {
                // A file that may still be there needs what it names; whoever names it is gone before it.
                let old = match change {
                    Change::Remove { old, .. } => After::NotDurable(old.clone()),
                    Change::Publish { .. } => After::Unknown,
                };
                return Some((State::Unknown, old));
            }
            Ok(Entry::Absent) => None,
            // Nothing of ours, and no rename of ours puts it there.
            Ok(Entry::Other(_)) => return Some((State::Foreign, After::NotDurable(None))),
            Ok(Entry::File(bytes)) => Some(bytes),
        };
        let (there, wanted) = (bytes.as_deref().map(Digest::of), new.map(|new| new.digest()));
        let is_gone =
            |temp| disk.remove_temp(temp).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if there == wanted && temp.is_none_or(is_gone) {
            return None;
        }
        if there == change.old() {
            return Some((State::Kept, After::Unchanged));
        }
        let content = bytes.and_then(|bytes| ours(key, bytes));
        let state = if there == wanted { State::InPlace } else { State::Unknown };
        Some((state, After::NotDurable(content)))
    }

    fn sync_directory(&mut self, namespace: &str) -> io::Result<()> {
        let disk = self.volume.disk();
        match self.directory(namespace)? {
            Some(directory) => disk.sync_directory(directory),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Syncs each touched directory once. Where that fails the new state is visible and may not survive a crash: it is not
    /// published, and is written again.
    fn sync_directories(&mut self, done: Vec<Change>) {
        let mut failed: HashMap<String, io::Error> = HashMap::new();
        for namespace in std::mem::take(&mut self.touched) {
            if let Err(error) = self.sync_directory(&namespace) {
                failed.insert(namespace, error);
            }
        }
        let removed: BTreeSet<String> = done
            .iter()
            .filter(|change| matches!(change, Change::Remove { .. }))
            .map(|change| change.key().namespace().to_owned())
            .collect();
        for change in done {
            let error = failed.get(change.key().namespace());
            let explained = |state| error.map(|error| explain("sync the directory", error, state));
            let outcome = match change {
                Change::Publish { new, uid, generation, .. } => match explained(State::InPlace) {
                    Some(message) => Outcome::Failed(Failure {
                        key: new.key().clone(),
                        message,
                        after: After::NotDurable(Some(new)),
                    }),
                    None => Outcome::Published(Published::new(new, uid, generation)),
                },
                Change::Remove { key, .. } => match explained(State::Removed) {
                    Some(message) => {
                        Outcome::Failed(Failure { key, message, after: After::NotDurable(None) })
                    }
                    None => Outcome::Removed(key),
                },
            };
            self.outcomes.push(outcome);
        }
        self.open.clear();
        for namespace in removed {
            // Fails while files are left, which is what is wanted.
            if self.volume.disk().remove_directory(&namespace).is_ok() {
                self.volume.durable_directories().remove(&namespace);
            }
        }
    }
}

/// Returns the name of an object's file in its namespace's directory.
fn file_of(key: &ObjectKey) -> String {
    format!("{}.conf", key.name())
}

/// Returns the same error once more, for another change.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
