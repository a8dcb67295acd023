//! The start: everything that is visible on the volume is made durable, read and hashed.

use super::disk::Disk;
use super::token::InPlace;
use super::volume::{Error, Volume};
use crate::identity::{Digest, ObjectKey};
use crate::render::read_back;
use rustix::io::Errno;
use std::sync::Arc;

/// A file that was found on the volume.
#[derive(Debug)]
pub struct Found {
    /// The resource that its path belongs to.
    pub key: ObjectKey,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its content. `None` if the operator did not write it: it has no header of ours.
    pub content: Option<InPlace>,
}

impl<D: Disk> Volume<D> {
    /// Reads every `.conf` file below `objects.d`. Memory: the content of all of them, packed.
    ///
    /// The sync comes first: what a crash left renamed and not synced is durable before anybody relies on it.
    ///
    /// # Errors
    /// If the volume cannot be synced, or a directory or file cannot be read. Nothing may be removed or published then.
    pub fn scan(&self) -> Result<Vec<Found>, Error> {
        let disk = self.disk();
        disk.sync_all().map_err(Error::io("sync it"))?;
        let mut found = Vec::new();
        for namespace in disk.namespaces().map_err(Error::io("list objects.d"))? {
            let opened = disk.open_directory(&namespace);
            if opened.as_ref().is_err_and(is_no_directory) {
                continue;
            }
            let opened = opened.map_err(Error::io(format!("open objects.d/{namespace}")))?;
            let Some(directory) = opened else { continue };
            let names = disk.files(&directory).map_err(Error::io(format!("list objects.d/{namespace}")))?;
            for name in names {
                if let Some(stem) = name.strip_suffix(".conf") {
                    found.extend(self.read(&directory, ObjectKey::new(&namespace, stem))?);
                }
            }
        }
        Ok(found)
    }

    /// Reads the files of these resources again: a commit that panicked did not say what it left. A resource without a file
    /// is not among them.
    ///
    /// # Errors
    /// As [`Volume::scan`].
    pub(crate) fn look(&self, keys: &[ObjectKey]) -> Result<Vec<Found>, Error> {
        let disk = self.disk();
        disk.sync_all().map_err(Error::io("sync it"))?;
        let mut found = Vec::new();
        for key in keys {
            let namespace = key.namespace();
            let opened =
                disk.open_directory(namespace).map_err(Error::io(format!("open objects.d/{namespace}")))?;
            let Some(directory) = opened else { continue };
            let names = disk.files(&directory).map_err(Error::io(format!("list objects.d/{namespace}")))?;
            if names.binary_search(&format!("{}.conf", key.name())).is_ok() {
                found.extend(self.read(&directory, key.clone())?);
            }
        }
        Ok(found)
    }

    /// Reads one file. `None` if it is no regular file, which is not ours.
    fn read(&self, directory: &D::Directory, key: ObjectKey) -> Result<Option<Found>, Error> {
        let name = format!("{}.conf", key.name());
        let bytes = self.disk().read(directory, &name).map_err(Error::io(format!("read {}", key.path())))?;
        Ok(bytes.map(|bytes| {
            let digest = Digest::of(&bytes);
            let content = read_back(&key, bytes).map(|content| InPlace::new(Arc::new(content)));
            Found { key, digest, content }
        }))
    }
}

/// A file or a symlink among the directories is not ours. Any other failure hides files: it must not count as none.
fn is_no_directory(error: &std::io::Error) -> bool {
    [Errno::NOTDIR, Errno::LOOP].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
