//! What is on the volume: all of it at the start, and some files again later. What cannot be read is reported as that, and
//! hides nothing else.

use super::disk::{Disk, Entry};
use super::explain::remedy;
use super::token::InPlace;
use super::volume::{Error, Volume};
use crate::identity::ObjectKey;
use crate::render::{MAX_FILE_BYTES, Rendered, read_back};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What was found on the volume.
#[derive(Debug, Default)]
pub struct Scan {
    /// The files, of which each resource has at most one.
    pub files: Vec<Found>,
    /// Namespaces whose directory cannot be read, and why: nobody knows which files are in it.
    pub unread: BTreeMap<String, String>,
}

/// What was found under the path of a resource.
#[derive(Debug)]
pub struct Found {
    /// The resource.
    pub key: ObjectKey,
    /// What is there.
    pub content: Content,
}

/// What is under the path of a resource.
#[derive(Debug)]
pub enum Content {
    /// Nothing.
    Absent,
    /// A file that the operator wrote, durably.
    InPlace(InPlace),
    /// A file that the operator wrote. Nobody knows whether it survives.
    Visible(Arc<Rendered>),
    /// A file that the operator did not write: it has no header of ours, or is larger than any of ours.
    Foreign,
    /// No file: what it is.
    NoFile(&'static str),
    /// It cannot be read: why, and what to do. It may be a file of ours.
    Unreadable(String),
}

impl Content {
    /// Returns the proof, if it is a file that the operator wrote, durably.
    pub fn into_in_place(self) -> Option<InPlace> {
        match self {
            Self::InPlace(in_place) => Some(in_place),
            _ => None,
        }
    }
}

impl<D: Disk> Volume<D> {
    /// Reads every `.conf` file below `objects.d`. Memory: the content of all of them, packed.
    ///
    /// The sync comes first: what a crash left renamed and not synced is durable before anybody relies on it. If a sync fails
    /// and a later one does not, nothing that is found counts as durable: the failed one may have dropped what it did not
    /// write.
    ///
    /// # Errors
    /// If the volume cannot be synced, or its namespaces cannot be listed. Nothing may be removed or published then.
    pub fn scan(&self) -> Result<Scan, Error> {
        let is_durable = self.sync_before_reading()?;
        let namespaces = self.disk().namespaces().map_err(Error::io("list objects.d"))?;
        self.durable_directories().extend(namespaces.iter().cloned());
        let mut scan = Scan::default();
        for namespace in namespaces {
            self.scan_namespace(&namespace, is_durable, &mut scan);
        }
        Ok(scan)
    }

    /// Reads these namespaces again, and the files of these resources.
    ///
    /// # Errors
    /// If the volume cannot be synced.
    pub(crate) fn scan_again(&self, namespaces: &[String], keys: &[ObjectKey]) -> Result<Scan, Error> {
        let is_durable = self.sync_before_reading()?;
        let mut scan = Scan::default();
        for namespace in namespaces {
            self.scan_namespace(namespace, is_durable, &mut scan);
        }
        scan.files.extend(keys.iter().map(|key| self.look(key, is_durable)));
        Ok(scan)
    }

    /// Syncs the volume. Returns whether what is read after that is durable.
    fn sync_before_reading(&self) -> Result<bool, Error> {
        if let Err(error) = self.disk().sync_all() {
            self.sync_failed.store(true, Ordering::Relaxed);
            return Err(Error::io("sync it")(error));
        }
        Ok(!self.sync_failed.swap(false, Ordering::Relaxed))
    }

    fn scan_namespace(&self, namespace: &str, is_durable: bool, scan: &mut Scan) {
        let disk = self.disk();
        let mut unread = |action: &str, error: &io::Error| {
            let why = format!("cannot {action} objects.d/{namespace}: {error}{}", remedy(error));
            scan.unread.insert(namespace.to_owned(), why);
        };
        let directory = match disk.open_directory(namespace) {
            // A file or a symlink among the directories is not ours.
            Err(error) if is_no_directory(&error) => return,
            Err(error) => return unread("open", &error),
            Ok(None) => return,
            Ok(Some(directory)) => directory,
        };
        let names = match disk.files(&directory) {
            Err(error) => return unread("list", &error),
            Ok(names) => names,
        };
        for name in names {
            if let Some(stem) = name.strip_suffix(".conf") {
                let found = self.read(&directory, ObjectKey::new(namespace, stem), is_durable);
                scan.files.push(found);
            }
        }
    }

    /// Looks at the file of a resource.
    pub(crate) fn look(&self, key: &ObjectKey, is_durable: bool) -> Found {
        match self.disk().open_directory(key.namespace()) {
            Ok(Some(directory)) => self.read(&directory, key.clone(), is_durable),
            Ok(None) => Found { key: key.clone(), content: Content::Absent },
            Err(error) if is_no_directory(&error) => Found { key: key.clone(), content: Content::Absent },
            Err(error) => Found { key: key.clone(), content: unreadable(key, &error) },
        }
    }

    fn read(&self, directory: &D::Directory, key: ObjectKey, is_durable: bool) -> Found {
        let content = match self.disk().read(directory, &format!("{}.conf", key.name())) {
            Ok(Entry::Absent) => Content::Absent,
            Ok(Entry::Other(what)) => Content::NoFile(what),
            Ok(Entry::File(bytes)) => match ours(&key, bytes) {
                Some(content) if is_durable => Content::InPlace(InPlace::new(content)),
                Some(content) => Content::Visible(content),
                None => Content::Foreign,
            },
            Err(error) => unreadable(&key, &error),
        };
        Found { key, content }
    }
}

fn unreadable(key: &ObjectKey, error: &io::Error) -> Content {
    Content::Unreadable(format!("cannot read {}: {error}{}", key.path(), remedy(error)))
}

/// Returns the content of a file that the operator wrote.
pub(super) fn ours(key: &ObjectKey, bytes: Vec<u8>) -> Option<Arc<Rendered>> {
    let is_possible = bytes.len() <= MAX_FILE_BYTES;
    is_possible.then(|| read_back(key, bytes)).flatten().map(Arc::new)
}

fn is_no_directory(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::NOTDIR, Errno::LOOP].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
