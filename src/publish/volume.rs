//! The volume: ownership mark, lock, staging, and what is on it.
//!
//! Every path is opened below the volume's own descriptor with `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`, so neither a
//! name nor a planted symlink leads anywhere else.

use crate::identity::{Digest, ObjectKey};
use crate::render::{MAX_FILE_BYTES, Rendered, read_back};
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags, flock, fsync, mkdirat, openat2,
    statat, unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub(super) const OBJECTS: &str = "objects.d";
pub(super) const STAGING: &str = ".groundlink/staging";
const OWN: &str = ".groundlink";
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
        /// The system's word.
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
    /// A system call failed.
    #[error("volume: cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's word.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source: source.into() }
    }
}

/// A volume that this process alone publishes into, for as long as the value lives.
pub struct Volume {
    pub(super) root: OwnedFd,
    pub(super) staging: OwnedFd,
    pub(super) next_temp: AtomicU64,
    id: String,
    _lock: OwnedFd,
}

/// A file that was found on the volume.
#[derive(Debug)]
pub struct OnDisk {
    /// The resource that its path belongs to.
    pub key: ObjectKey,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its content, if it is one of ours.
    pub content: Option<Arc<Rendered>>,
}

impl Volume {
    /// Opens a volume, marks a new one as ours, takes the lock, and removes what an interrupted run left in staging.
    ///
    /// # Errors
    /// [`Error`]; nothing was changed if the volume is not ours or not free.
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
        make_directory(&root, OWN)?;
        let lock = open_beneath(root.as_fd(), LOCK, OFlags::RDWR | OFlags::CREATE, 0o600)
            .map_err(Error::io("open the lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Locked(path.to_owned()))?;
        let id = read_or_make_id(&root)?;
        make_directory(&root, STAGING)?;
        make_directory(&root, OBJECTS)?;
        let staging = open_directory(root.as_fd(), STAGING).map_err(Error::io("open .groundlink/staging"))?;
        let volume = Self { root, staging, next_temp: AtomicU64::new(0), id, _lock: lock };
        volume.clear_staging()?;
        fsync(&volume.root).map_err(Error::io("sync the volume's directory"))?;
        Ok(volume)
    }

    /// Identity of the volume, made when it was first used.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn clear_staging(&self) -> Result<(), Error> {
        for name in entries(self.staging.as_fd()).map_err(Error::io("list .groundlink/staging"))? {
            unlinkat(&self.staging, &name, AtFlags::empty())
                .map_err(Error::io(format!("remove the leftover .groundlink/staging/{name}")))?;
        }
        Ok(())
    }

    /// Every `.conf` file below `objects.d`, read and hashed. Memory: the bytes of all of them.
    ///
    /// # Errors
    /// When a directory or a file cannot be read; nothing may be removed or published then.
    pub fn scan(&self) -> Result<Vec<OnDisk>, Error> {
        let objects = open_directory(self.root.as_fd(), OBJECTS).map_err(Error::io("open objects.d"))?;
        let mut found = Vec::new();
        for namespace in entries(objects.as_fd()).map_err(Error::io("list objects.d"))? {
            let Ok(directory) = open_directory(objects.as_fd(), &namespace) else { continue };
            let listing =
                entries(directory.as_fd()).map_err(Error::io(format!("list objects.d/{namespace}")))?;
            for name in listing {
                let Some(stem) = name.strip_suffix(".conf") else { continue };
                let Some(bytes) = read_file(directory.as_fd(), &name).map_err(|source| Error::Io {
                    action: format!("read objects.d/{namespace}/{name}"),
                    source,
                })?
                else {
                    continue;
                };
                let key = ObjectKey::new(&namespace, stem);
                let digest = Digest::of(&bytes);
                let content = read_back(&key, bytes).map(Arc::new);
                found.push(OnDisk { key, digest, content });
            }
        }
        Ok(found)
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
        .map_err(Error::io(format!("create {MARK}")))?;
    let mut file = File::from(file);
    let write = writeln!(file, "{id}").and_then(|()| file.sync_all());
    write.map_err(|source| Error::Io { action: format!("write {MARK}"), source })?;
    let own = open_directory(root.as_fd(), OWN).map_err(Error::io("open .groundlink"))?;
    fsync(own).map_err(Error::io("sync .groundlink"))?;
    Ok(id)
}

pub(super) fn open_beneath(
    at: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat2(
        at,
        path,
        flags,
        Mode::from_raw_mode(if flags.contains(OFlags::CREATE) { mode } else { 0 }),
        resolve,
    )
}

pub(super) fn open_directory(at: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    open_beneath(at, path, OFlags::DIRECTORY | OFlags::RDONLY, 0)
}

fn make_directory(root: &OwnedFd, path: &str) -> Result<(), Error> {
    match mkdirat(root, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(source) => Err(Error::io(format!("create {path}"))(source)),
    }
}

fn entries(directory: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        // Names that are not UTF-8 are not ours.
        if let Ok(name) = entry?.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Bytes of a regular file; nothing for anything else (a FIFO would hang the reader). A file larger than any of ours is
/// read as far as that shows.
fn read_file(directory: BorrowedFd<'_>, name: &str) -> std::io::Result<Option<Vec<u8>>> {
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let file = open_beneath(directory, name, OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
    let mut bytes = Vec::new();
    File::from(file).take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
