//! Under which CRD the volume was published. A CRD that is deleted takes every resource with it; one with another UID shows
//! that this happened, also while no operator ran.

use super::linux::{LinuxDisk, open_beneath, open_directory, sync, uninterrupted};
use super::volume::{OWN, Volume};
use crate::identity::Uid;
use rustix::fs::{OFlags, renameat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

const MARK: &str = ".groundlink/crd-uid";
const TEMP: &str = ".groundlink/staging/crd-uid";
/// A UID has 36 characters.
const LONGEST: u64 = 128;

impl Volume<LinuxDisk> {
    /// Returns the UID of the CRD under which the volume was published. `None` if nobody recorded it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn crd(&self) -> io::Result<Option<Uid>> {
        let file = match open_beneath(self.disk().root(), MARK, OFlags::RDONLY | OFlags::NONBLOCK, 0) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = String::new();
        File::from(file).take(LONGEST).read_to_string(&mut text)?;
        Ok(Some(text.trim()).filter(|uid| !uid.is_empty()).map(Uid::new))
    }

    /// Records the UID of the CRD, durably.
    ///
    /// # Errors
    /// If it cannot be written; the earlier one stays.
    pub fn remember_crd(&self, uid: &Uid) -> io::Result<()> {
        let root = self.disk().root();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let mut file = File::from(open_beneath(root, TEMP, flags, 0o644)?);
        writeln!(file, "{uid}")?;
        file.sync_all()?;
        uninterrupted(|| renameat(root, TEMP, root, MARK))?;
        Ok(sync(open_directory(root, OWN)?.as_fd())?)
    }
}
