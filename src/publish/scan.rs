//! The start: everything that is visible on the volume is made durable, read and hashed.

use super::disk::Disk;
use super::token::InPlace;
use super::volume::{Error, Volume};
use crate::identity::{Digest, ObjectKey};
use crate::render::read_back;
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
            // A file among the directories is not ours.
            let Ok(Some(directory)) = disk.open_directory(&namespace) else { continue };
            let names = disk.files(&directory).map_err(Error::io(format!("list objects.d/{namespace}")))?;
            for name in names {
                let Some(stem) = name.strip_suffix(".conf") else { continue };
                let bytes = disk
                    .read(&directory, &name)
                    .map_err(Error::io(format!("read objects.d/{namespace}/{name}")))?;
                let Some(bytes) = bytes else { continue };
                let key = ObjectKey::new(&namespace, stem);
                let digest = Digest::of(&bytes);
                let content = read_back(&key, bytes).map(|content| InPlace::new(Arc::new(content)));
                found.push(Found { key, digest, content });
            }
        }
        Ok(found)
    }
}
