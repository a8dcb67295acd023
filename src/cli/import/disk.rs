//! Files of this machine.

use crate::import::tree::{Found, MAX_FILE, Source};
use std::io::Read as _;

/// The file system.
pub(super) struct Disk;

impl Source for Disk {
    fn found(&self, path: &str) -> Found {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Found::Directory,
            // A pipe or device could block, or never end. Reading what may not be looked at says why.
            Ok(metadata) if metadata.is_file() => Found::File,
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Found::File,
            _ => Found::Nothing,
        }
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let limit = MAX_FILE as u64 + 1;
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(path).map_err(|error| error.to_string())?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| error.to_string())?.file_name();
            names.push(name.into_string().map_err(|name| format!("{name:?} is not UTF-8"))?);
        }
        names.sort();
        Ok(names)
    }
}
