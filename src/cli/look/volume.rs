//! The operator's volume, where it is mounted.

use crate::cli::usage::WrongUsage;
use crate::identity::ObjectKey;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// A directory that is the operator's volume, or was when it was opened.
#[derive(Debug)]
pub(super) struct Volume(PathBuf);

impl Volume {
    /// Opens the directory of `--volume`.
    ///
    /// # Errors
    /// [`WrongUsage`] if it is no volume of an operator.
    pub(super) fn open(path: &Path) -> Result<Self, WrongUsage> {
        if path.join("objects.d").is_dir() {
            return Ok(Self(path.to_owned()));
        }
        let message =
            format!("--volume {}: has no directory objects.d; name the operator's volume", path.display());
        Err(WrongUsage(message.into()))
    }

    /// Reads an object's file. None if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or the volume is not there any more.
    pub(super) fn file(&self, key: &ObjectKey) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.0.join(key.path());
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            // An unmounted volume has no file of any object.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::open(&self.0)?;
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}
