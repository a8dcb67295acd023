//! The volume as Linux shows it.
//!
//! Every path is opened below the volume's own descriptor with `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`, so neither
//! a name nor a planted symlink leads anywhere else.

use super::disk::{Disk, Entry};
use crate::render::MAX_FILE_BYTES;
use rustix::fs::inotify::{self, WatchFlags};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fchmod, fstat, fsync, mkdirat, openat2,
    renameat, statat, syncfs, unlinkat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) const OBJECTS: &str = "objects.d";
pub(super) const STAGING: &str = ".groundlink/staging";

/// Attempts of a call that a signal interrupts each time.
const ATTEMPTS: usize = 1_000;

/// Repeats a call that a signal interrupted. It says nothing of the volume.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..ATTEMPTS {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
    call()
}

/// The open directory of a namespace.
pub struct Namespace {
    name: String,
    descriptor: OwnedFd,
}

/// An opened volume.
pub struct LinuxDisk {
    root: OwnedFd,
    staging: OwnedFd,
    /// The inode of each file that this process renamed into place last. About 100 bytes for each.
    renamed: Mutex<HashMap<(String, String), u64>>,
}

impl LinuxDisk {
    /// Uses the directory `root`, which has `objects.d` and the staging directory.
    pub(super) fn new(root: OwnedFd) -> Result<Self, Errno> {
        let staging = open_directory(root.as_fd(), STAGING)?;
        Ok(Self { root, staging, renamed: Mutex::default() })
    }

    fn renamed(&self) -> MutexGuard<'_, HashMap<(String, String), u64>> {
        self.renamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a file is the one that this process renamed to its place last.
    pub(super) fn is_of_a_rename(&self, namespace: &str, file: &str) -> bool {
        let path = format!("{}/{file}", below_objects(namespace));
        let stat = uninterrupted(|| statat(&self.root, &path, AtFlags::SYMLINK_NOFOLLOW));
        let renamed = self.renamed().get(&(namespace.to_owned(), file.to_owned())).copied();
        stat.is_ok_and(|stat| renamed == Some(stat.st_ino))
    }

    /// Watches `objects.d`, or the directory of a namespace in it.
    pub(super) fn add_watch(
        &self,
        inotify: &OwnedFd,
        namespace: Option<&str>,
        flags: WatchFlags,
    ) -> Result<i32, Errno> {
        let path = namespace.map_or(OBJECTS.to_owned(), below_objects);
        let directory = open_directory(self.root.as_fd(), &path)?;
        // Through the descriptor, so that no symlink in the path is followed.
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        inotify::add_watch(inotify, path, flags)
    }

    /// Lists the entries of `objects.d`, sorted.
    pub(super) fn namespace_names(&self) -> Result<Vec<String>, Errno> {
        entries(open_directory(self.root.as_fd(), OBJECTS)?.as_fd())
    }

    /// Lists the entries of a namespace's directory, sorted.
    pub(super) fn file_names(&self, namespace: &str) -> Result<Vec<String>, Errno> {
        entries(open_directory(self.root.as_fd(), &below_objects(namespace))?.as_fd())
    }

    /// The volume's directory.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Lists the temp files that an interrupted run left.
    pub(super) fn temps(&self) -> io::Result<Vec<String>> {
        Ok(entries(self.staging.as_fd())?)
    }
}

fn below_objects(namespace: &str) -> String {
    format!("{OBJECTS}/{namespace}")
}

impl Disk for LinuxDisk {
    type Temp = File;
    type Directory = Namespace;

    fn write_temp(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(open_beneath(self.staging.as_fd(), name, flags, 0o644)?);
        file.write_all(bytes)?;
        // Icinga runs as another user, whatever this process's umask.
        uninterrupted(|| fchmod(&file, Mode::from_raw_mode(0o644)))?;
        Ok(file)
    }

    fn sync_temp(&self, temp: &File) -> io::Result<()> {
        Ok(uninterrupted(|| fsync(temp))?)
    }

    fn remove_temp(&self, name: &str) -> io::Result<()> {
        Ok(uninterrupted(|| unlinkat(&self.staging, name, AtFlags::empty()))?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(uninterrupted(|| syncfs(&self.root))?)
    }

    fn open_directory(&self, namespace: &str) -> io::Result<Option<Namespace>> {
        match open_directory(self.root.as_fd(), &below_objects(namespace)) {
            Ok(descriptor) => Ok(Some(Namespace { name: namespace.to_owned(), descriptor })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn make_directory(&self, namespace: &str) -> io::Result<()> {
        Ok(make_directory(self.root.as_fd(), &below_objects(namespace))?)
    }

    fn remove_directory(&self, namespace: &str) -> io::Result<()> {
        Ok(uninterrupted(|| unlinkat(&self.root, below_objects(namespace), AtFlags::REMOVEDIR))?)
    }

    fn sync_objects(&self) -> io::Result<()> {
        Ok(sync_entries(open_directory(self.root.as_fd(), OBJECTS)?.as_fd())?)
    }

    fn rename(&self, temp: &str, directory: &Namespace, file: &str) -> io::Result<()> {
        let inode = uninterrupted(|| statat(&self.staging, temp, AtFlags::SYMLINK_NOFOLLOW))?.st_ino;
        // Before: a watcher sees the rename at once.
        self.renamed().insert((directory.name.clone(), file.to_owned()), inode);
        Ok(uninterrupted(|| renameat(&self.staging, temp, &directory.descriptor, file))?)
    }

    fn remove(&self, directory: &Namespace, file: &str) -> io::Result<()> {
        self.renamed().remove(&(directory.name.clone(), file.to_owned()));
        match uninterrupted(|| unlinkat(&directory.descriptor, file, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn sync_directory(&self, directory: &Namespace) -> io::Result<()> {
        Ok(sync_entries(directory.descriptor.as_fd())?)
    }

    fn namespaces(&self) -> io::Result<Vec<String>> {
        Ok(self.namespace_names()?)
    }

    fn files(&self, directory: &Namespace) -> io::Result<Vec<String>> {
        Ok(entries(directory.descriptor.as_fd())?)
    }

    /// A file that is larger than any of ours is read as far as that shows.
    fn read(&self, directory: &Namespace, file: &str) -> io::Result<Entry> {
        let directory = &directory.descriptor;
        let stat = match uninterrupted(|| statat(directory, file, AtFlags::SYMLINK_NOFOLLOW)) {
            Err(Errno::NOENT) => return Ok(Entry::Absent),
            stat => stat?,
        };
        if let Some(what) = no_file(&stat) {
            return Ok(Entry::Other(what));
        }
        // Not blocking, because it may have become a FIFO since.
        let file = match open_beneath(directory.as_fd(), file, OFlags::RDONLY | OFlags::NONBLOCK, 0) {
            Err(Errno::NOENT) => return Ok(Entry::Absent),
            file => file?,
        };
        if let Some(what) = no_file(&uninterrupted(|| fstat(&file))?) {
            return Ok(Entry::Other(what));
        }
        let mut bytes = Vec::new();
        File::from(file).take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Entry::File(bytes))
    }
}

/// Returns what it is, unless it is a regular file.
fn no_file(stat: &Stat) -> Option<&'static str> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Symlink => Some("a symlink"),
        FileType::Fifo => Some("a FIFO"),
        _ => Some("a socket or device"),
    }
}

pub(super) fn sync(descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    uninterrupted(|| fsync(descriptor))
}

/// Makes the entries of a directory durable. XFS that has shut down (its log could not be written) has forgotten what it was to
/// write, and its fsync of a directory says that all is well; its fstat does not.
fn sync_entries(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    sync(directory)?;
    uninterrupted(|| fstat(directory)).map(drop)
}

/// Creates a directory. Succeeds if it exists.
pub(super) fn make_directory(at: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    match uninterrupted(|| mkdirat(at, path, Mode::from_raw_mode(0o755))) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn open_beneath(
    at: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // The kernel refuses a mode without CREATE.
    let mode = Mode::from_raw_mode(if flags.contains(OFlags::CREATE) { mode } else { 0 });
    uninterrupted(|| openat2(at, path, flags, mode, resolve))
}

pub(super) fn open_directory(at: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    open_beneath(at, path, OFlags::DIRECTORY | OFlags::RDONLY, 0)
}

/// Lists a directory, sorted. Names that are not UTF-8 are not ours. After an interruption it begins again: half a list would
/// say that the other files are not there.
fn entries(directory: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    uninterrupted(|| {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory)? {
            if let Ok(name) = entry?.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    })
}
