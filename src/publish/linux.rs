//! The volume as Linux shows it.
//!
//! Every path is opened below the volume's own descriptor with `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`, so neither
//! a name nor a planted symlink leads anywhere else.

use super::disk::Disk;
use crate::render::MAX_FILE_BYTES;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fchmod, fsync, mkdirat, openat2, renameat, statat,
    syncfs, unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) const OBJECTS: &str = "objects.d";
pub(super) const STAGING: &str = ".groundlink/staging";

/// An opened volume.
pub struct LinuxDisk {
    root: OwnedFd,
    staging: OwnedFd,
}

impl LinuxDisk {
    /// Uses the directory `root`, which has `objects.d` and the staging directory.
    pub(super) fn new(root: OwnedFd) -> Result<Self, Errno> {
        let staging = open_directory(root.as_fd(), STAGING)?;
        Ok(Self { root, staging })
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
    type Directory = OwnedFd;

    fn write_temp(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(open_beneath(self.staging.as_fd(), name, flags, 0o644)?);
        file.write_all(bytes)?;
        // Icinga runs as another user, whatever this process's umask.
        fchmod(&file, Mode::from_raw_mode(0o644))?;
        Ok(file)
    }

    fn sync_temp(&self, temp: &File) -> io::Result<()> {
        Ok(fsync(temp)?)
    }

    fn remove_temp(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.staging, name, AtFlags::empty())?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(syncfs(&self.root)?)
    }

    fn open_directory(&self, namespace: &str) -> io::Result<Option<OwnedFd>> {
        match open_directory(self.root.as_fd(), &below_objects(namespace)) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn make_directory(&self, namespace: &str) -> io::Result<()> {
        match mkdirat(&self.root, below_objects(namespace), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn remove_directory(&self, namespace: &str) -> io::Result<()> {
        Ok(unlinkat(&self.root, below_objects(namespace), AtFlags::REMOVEDIR)?)
    }

    fn sync_objects(&self) -> io::Result<()> {
        Ok(fsync(open_directory(self.root.as_fd(), OBJECTS)?)?)
    }

    fn rename(&self, temp: &str, directory: &OwnedFd, file: &str) -> io::Result<()> {
        Ok(renameat(&self.staging, temp, directory, file)?)
    }

    fn remove(&self, directory: &OwnedFd, file: &str) -> io::Result<()> {
        match unlinkat(directory, file, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn sync_directory(&self, directory: &OwnedFd) -> io::Result<()> {
        Ok(fsync(directory)?)
    }

    fn namespaces(&self) -> io::Result<Vec<String>> {
        Ok(entries(open_directory(self.root.as_fd(), OBJECTS)?.as_fd())?)
    }

    fn files(&self, directory: &OwnedFd) -> io::Result<Vec<String>> {
        Ok(entries(directory.as_fd())?)
    }

    /// A FIFO would hang the reader, so only regular files are opened. A file that is larger than any of ours is read as
    /// far as that shows.
    fn read(&self, directory: &OwnedFd, file: &str) -> io::Result<Option<Vec<u8>>> {
        let stat = statat(directory, file, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let file = open_beneath(directory.as_fd(), file, OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
        let mut bytes = Vec::new();
        File::from(file).take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
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
    openat2(at, path, flags, mode, resolve)
}

pub(super) fn open_directory(at: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    open_beneath(at, path, OFlags::DIRECTORY | OFlags::RDONLY, 0)
}

/// Lists a directory, sorted. Names that are not UTF-8 are not ours.
fn entries(directory: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
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
}
