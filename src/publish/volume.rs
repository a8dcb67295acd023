//! The volume: ownership mark, lock, and staging.

use super::disk::Disk;
use super::linux::{LinuxDisk, OBJECTS, STAGING, make_directory, open_beneath, open_directory, sync};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, statat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) const OWN: &str = ".groundlink";
const LOCK: &str = ".groundlink/lock";
const MARK: &str = ".groundlink/volume-id";

/// Why the volume cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be opened.
    #[error("volume {path}: cannot open it: {source}; mount it, or correct --volume")]
    Open {
        /// As given.
        path: PathBuf,
        /// The system's error.
        source: Errno,
    },
    /// `--require-mount`, and nothing is mounted there.
    #[error("volume {0}: nothing is mounted there; mount the claim, or leave out --require-mount")]
    NotMounted(PathBuf),
    /// Someone else's configuration.
    #[error(
        "volume {0}: it holds an objects.d that Groundlink did not make (no .groundlink/volume-id); empty it, or use another volume"
    )]
    NotOurs(PathBuf),
    /// Another process publishes into it.
    #[error("volume {0}: another process holds .groundlink/lock; stop it first")]
    Locked(PathBuf),
    /// The process ends before the volume has answered.
    #[error(
        "volume: it did not finish a commit within {seconds} s of the stop, which is abandoned ({files} files, for example {first}); the \
         next start finds what it left"
    )]
    Abandoned {
        /// How many files.
        files: usize,
        /// One of their resources.
        first: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// An operation on the volume failed.
    #[error("volume: cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    fn errno(action: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let io = Self::io(action);
        move |source| io(source.into())
    }
}

/// A volume that this process alone publishes into, for as long as the value lives.
pub struct Volume<D = LinuxDisk> {
    disk: D,
    pub(super) next_temp: AtomicU64,
    /// Namespaces whose directory was there when `objects.d` was synced.
    durable_directories: Mutex<BTreeSet<String>>,
    /// A sync failed: what it did not write may be lost, and the next one succeeds all the same.
    pub(super) sync_failed: AtomicBool,
    id: String,
    _lock: Option<OwnedFd>,
}

impl<D> Volume<D> {
    pub(super) fn disk(&self) -> &D {
        &self.disk
    }

    pub(super) fn durable_directories(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.durable_directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the identity of the volume, which was made when it was first used.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns a volume on a model of a disk.
    #[cfg(test)]
    pub(crate) fn on(disk: D) -> Self {
        Self {
            disk,
            next_temp: AtomicU64::new(0),
            durable_directories: Mutex::default(),
            sync_failed: AtomicBool::new(false),
            id: "model".into(),
            _lock: None,
        }
    }
}

impl Volume {
    /// Opens a volume, marks a new one as ours, takes the lock, and removes what an interrupted run left in staging.
    ///
    /// # Errors
    /// [`Error`]; nothing was changed if the volume is not ours or is locked.
    pub fn open(path: &Path, require_mount: bool) -> Result<Self, Error> {
        if require_mount && !is_mount_point(path) {
            return Err(Error::NotMounted(path.to_owned()));
        }
        let root =
            rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
                .map_err(|source| Error::Open { path: path.to_owned(), source })?;
        let exists = |name: &str| statat(&root, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if exists(OBJECTS) && !exists(MARK) {
            return Err(Error::NotOurs(path.to_owned()));
        }
        let make =
            |path: &str| make_directory(root.as_fd(), path).map_err(Error::errno(format!("create {path}")));
        make(OWN)?;
        let lock = open_beneath(root.as_fd(), LOCK, OFlags::RDWR | OFlags::CREATE, 0o600)
            .map_err(Error::errno("open the lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Locked(path.to_owned()))?;
        let id = read_or_make_id(&root)?;
        make(STAGING)?;
        make(OBJECTS)?;
        sync(root.as_fd()).map_err(Error::errno("sync the volume's directory"))?;
        let disk = LinuxDisk::new(root).map_err(Error::errno("open .groundlink/staging"))?;
        for name in disk.temps().map_err(Error::io("list .groundlink/staging"))? {
            disk.remove_temp(&name)
                .map_err(Error::io(format!("remove the leftover .groundlink/staging/{name}")))?;
        }
        Ok(Self {
            disk,
            next_temp: AtomicU64::new(0),
            durable_directories: Mutex::default(),
            sync_failed: AtomicBool::new(false),
            id,
            _lock: Some(lock),
        })
    }
}

/// Whether something is mounted exactly at `path`.
fn is_mount_point(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let Ok(table) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    // Field 5 is the mount point, with blanks and the like as octal escapes.
    let wanted = path.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    table.lines().filter_map(|line| line.split(' ').nth(4)).any(|mount| mount == wanted)
}

fn read_or_make_id(root: &OwnedFd) -> Result<String, Error> {
    if let Ok(file) = open_beneath(root.as_fd(), MARK, OFlags::RDONLY, 0) {
        let mut id = String::new();
        File::from(file)
            .take(128)
            .read_to_string(&mut id)
            .map_err(|source| Error::Io { action: format!("read {MARK}"), source })?;
        if !id.trim().is_empty() {
            return Ok(id.trim().to_owned());
        }
    }
    let id = format!("{:032x}", rand::random::<u128>());
    let file = open_beneath(root.as_fd(), MARK, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC, 0o644)
        .map_err(Error::errno(format!("create {MARK}")))?;
    let mut file = File::from(file);
    let write = writeln!(file, "{id}").and_then(|()| Ok(sync(file.as_fd())?));
    write.map_err(|source| Error::Io { action: format!("write {MARK}"), source })?;
    let own = open_directory(root.as_fd(), OWN).map_err(Error::errno("open .groundlink"))?;
    sync(own.as_fd()).map_err(Error::errno("sync .groundlink"))?;
    Ok(id)
}
