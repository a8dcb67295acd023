//! The group commit: write all temp files, one sync for all, rename all in order, sync each touched directory once, and
//! only then say which are published. (Lost nothing and tore nothing in power-cut runs on ext4 and XFS; each step left out
//! did.) Synchronous: callers run it on a blocking thread, one at a time.

use super::volume::{OBJECTS, Volume, open_beneath, open_directory};
use crate::identity::{ObjectKey, Uid};
use crate::references::{Step, order};
use crate::render::Rendered;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fsync, mkdirat, renameat, syncfs, unlinkat};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A file that is in place and durable: renamed, and its directory synced. Only [`Volume::commit`] makes one, it cannot be
/// copied, and it stands for one generation of one object, so `Ready` cannot be written for anything else.
///
/// ```compile_fail
/// // Nobody can claim that something is published.
/// use groundlink::{identity::Uid, publish::Published, render::Rendered};
/// fn forge(content: std::sync::Arc<Rendered>, uid: Uid) -> Published {
///     Published { content, uid, generation: 1 }
/// }
/// ```
/// ```compile_fail
/// fn twice(published: groundlink::publish::Published) -> [groundlink::publish::Published; 2] {
///     [published.clone(), published]
/// }
/// ```
#[derive(Debug)]
pub struct Published {
    content: Arc<Rendered>,
    uid: Uid,
    generation: i64,
}

impl Published {
    /// What is in the file.
    pub fn content(&self) -> &Arc<Rendered> {
        &self.content
    }

    /// UID of the resource that it was rendered from.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// Generation that it was rendered from.
    pub fn generation(&self) -> i64 {
        self.generation
    }
}

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
        /// What the volume holds, if it is known.
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

/// Up to this many files are synced one by one: syncfs also waits for everybody else's dirty pages.
const FSYNC_EACH_UP_TO: usize = 4;

impl Volume {
    /// Carries out a batch. Every change has exactly one outcome; a failure of one leaves the others alone, but for those
    /// that depend on it. `permitted` is asked before the first write and before each rename: it is the leader's claim.
    pub fn commit(&self, batch: Vec<Change>, permitted: &dyn Fn() -> bool) -> Vec<Outcome> {
        let mut commit =
            Commit { volume: self, directories: HashMap::new(), outcomes: Vec::with_capacity(batch.len()) };
        commit.run(batch, permitted);
        commit.outcomes
    }
}

struct Commit<'a> {
    volume: &'a Volume,
    /// Open descriptor of each touched namespace's directory.
    directories: HashMap<String, OwnedFd>,
    outcomes: Vec<Outcome>,
}

struct Staged {
    change: Change,
    temp: Option<(String, File)>,
}

impl Commit<'_> {
    fn run(&mut self, batch: Vec<Change>, permitted: &dyn Fn() -> bool) {
        if !permitted() {
            return batch
                .iter()
                .for_each(|change| self.fail(change.key(), "this process is not the leader any more"));
        }
        let mut broken: HashSet<ObjectKey> = HashSet::new();
        let mut staged: HashMap<ObjectKey, Staged> = HashMap::new();
        let steps: Vec<_> = batch.iter().map(Change::step).collect();
        let keys: Vec<ObjectKey> = batch.iter().map(|change| change.key().clone()).collect();
        let mut to_sync = Vec::new();
        let mut confirms = false;
        for change in batch {
            let key = change.key().clone();
            let mut temp = None;
            if let (true, Change::Publish { new, .. }) = (change.is_write(), &change) {
                match self.stage(new) {
                    Ok(made) => {
                        temp = Some(made);
                        to_sync.push(key.clone());
                    }
                    Err(error) => {
                        self.fail(&key, &explain("write the temp file", &error));
                        broken.insert(key);
                        continue;
                    }
                }
            } else {
                confirms |= matches!(change, Change::Publish { .. });
            }
            staged.insert(key, Staged { change, temp });
        }
        self.sync(&to_sync, confirms, &mut staged, &mut broken);
        // Renames and removals, so that what is named is there at every instant.
        let ordered = order(steps, &keys);
        let mut done = Vec::new();
        for (key, after) in ordered {
            let Some(Staged { change, temp }) = staged.remove(&key) else { continue };
            let blocker = after.iter().find(|other| broken.contains(*other));
            let result = match blocker {
                Some(other) => Err(format!("waits for {other}, which could not be written")),
                None if !permitted() => Err("this process is not the leader any more".into()),
                None => self.apply(&change, temp.as_ref().map(|(name, _)| name.as_str())).map_err(|error| {
                    explain(
                        if change.is_write() { "rename it into place" } else { "remove the file" },
                        &error.into(),
                    )
                }),
            };
            match result {
                Ok(()) => done.push(change),
                Err(message) => {
                    if let Some((name, _)) = temp {
                        // Best effort: a leftover is removed at the next start.
                        let _ = unlinkat(&self.volume.staging, &name, AtFlags::empty());
                    }
                    self.fail(&key, &message);
                    broken.insert(key);
                }
            }
        }
        self.finish(done);
    }

    fn fail(&mut self, key: &ObjectKey, message: &str) {
        self.outcomes.push(Outcome::Failed(Failure {
            key: key.clone(),
            message: message.into(),
            visible: false,
        }));
    }

    /// A new temp file with the content. The name never ends in `.conf`, which is what Icinga includes.
    fn stage(&self, content: &Rendered) -> std::io::Result<(String, File)> {
        let name = format!("{}.tmp", self.volume.next_temp.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(open_beneath(self.volume.staging.as_fd(), &name, flags, 0o644)?);
        // Icinga runs as another user, whatever this process's umask.
        let written =
            file.write_all(&content.bytes()).and_then(|()| Ok(fchmod(&file, Mode::from_raw_mode(0o644))?));
        if let Err(error) = written {
            let _ = unlinkat(&self.volume.staging, &name, AtFlags::empty());
            return Err(error);
        }
        Ok((name, file))
    }

    /// Makes the temp files' content durable. After a failed sync the pages may be lost and the next sync say nothing, so
    /// the file is thrown away and written anew another time.
    fn sync(
        &mut self,
        keys: &[ObjectKey],
        confirms: bool,
        staged: &mut HashMap<ObjectKey, Staged>,
        broken: &mut HashSet<ObjectKey>,
    ) {
        let mut failed: Vec<(ObjectKey, Errno)> = Vec::new();
        if confirms || keys.len() > FSYNC_EACH_UP_TO {
            if let Err(error) = syncfs(&self.volume.root) {
                failed = staged.keys().map(|key| (key.clone(), error)).collect();
            }
        } else {
            for key in keys {
                if let Some(Staged { temp: Some((_, file)), .. }) = staged.get(key)
                    && let Err(error) = fsync(file)
                {
                    failed.push((key.clone(), error));
                }
            }
        }
        for (key, error) in failed {
            if let Some(Staged { temp: Some((name, _)), .. }) = staged.remove(&key) {
                let _ = unlinkat(&self.volume.staging, &name, AtFlags::empty());
            }
            self.fail(&key, &explain("sync the temp file", &error.into()));
            broken.insert(key);
        }
    }

    fn apply(&mut self, change: &Change, temp: Option<&str>) -> Result<(), Errno> {
        let key = change.key();
        let file = format!("{}.conf", key.name());
        let volume = self.volume;
        match (change, temp) {
            (Change::Publish { .. }, Some(temp)) => {
                let directory = self.directory(key.namespace(), true)?;
                if let Some(directory) = directory {
                    renameat(&volume.staging, temp, directory, &file)?;
                }
                Ok(())
            }
            (Change::Publish { .. }, None) => self.directory(key.namespace(), true).map(|_| ()),
            (Change::Remove { .. }, _) => match self.directory(key.namespace(), false)? {
                None => Ok(()),
                Some(directory) => match unlinkat(directory, &file, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => Ok(()),
                    Err(error) => Err(error),
                },
            },
        }
    }

    /// The namespace's directory; made if wanted, nothing if it is not there.
    fn directory(&mut self, namespace: &str, make: bool) -> Result<Option<&OwnedFd>, Errno> {
        if !self.directories.contains_key(namespace) {
            let path = format!("{OBJECTS}/{namespace}");
            let opened = match open_directory(self.volume.root.as_fd(), &path) {
                Err(Errno::NOENT) if make => {
                    match mkdirat(&self.volume.root, &path, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error),
                    }
                    fsync(open_directory(self.volume.root.as_fd(), OBJECTS)?)?;
                    open_directory(self.volume.root.as_fd(), &path)?
                }
                Err(Errno::NOENT) => return Ok(None),
                other => other?,
            };
            self.directories.insert(namespace.to_owned(), opened);
        }
        Ok(self.directories.get(namespace))
    }

    /// Syncs each touched directory once. Where that fails the new state is visible and may not survive: nobody is told
    /// that it is published, and it is written again.
    fn finish(&mut self, done: Vec<Change>) {
        let mut failed: HashMap<String, String> = HashMap::new();
        for (namespace, directory) in &self.directories {
            if let Err(error) = fsync(directory) {
                failed.insert(namespace.clone(), explain("sync the directory", &error.into()));
            }
        }
        let removed: HashSet<String> = done
            .iter()
            .filter(|change| matches!(change, Change::Remove { .. }))
            .map(|change| change.key().namespace().to_owned())
            .collect();
        for change in done {
            if let Some(message) = failed.get(change.key().namespace()) {
                let key = change.key().clone();
                self.outcomes.push(Outcome::Failed(Failure { key, message: message.clone(), visible: true }));
                continue;
            }
            self.outcomes.push(match change {
                Change::Publish { new, uid, generation, .. } => {
                    Outcome::Published(Published { content: new, uid, generation })
                }
                Change::Remove { key, .. } => Outcome::Removed(key),
            });
        }
        for namespace in removed {
            // Fails while files are left, which is what is wanted.
            let _ = unlinkat(&self.volume.root, format!("{OBJECTS}/{namespace}"), AtFlags::REMOVEDIR);
        }
    }
}

/// A failure for a person.
fn explain(action: &str, error: &std::io::Error) -> String {
    let remedy = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "; the volume is full: enlarge it or free space",
        Some(Errno::ROFS) => "; the volume is read-only: make it writable",
        Some(Errno::ACCESS | Errno::PERM) => "; let the operator's user write to the volume (fsGroup)",
        Some(Errno::IO) => "; the storage has a fault",
        _ => "",
    };
    format!("cannot {action}: {error}{remedy}; the previous file is kept, and it is tried again")
}
