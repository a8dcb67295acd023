//! Writes the files of a set into a directory: all of them or none. They are written beside it and
//! appear with one rename.

use crate::snapshot::archive::is_file_key;
use crate::snapshot::verify::Content;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A directory that is new or empty.
pub struct Directory {
    path: PathBuf,
    /// Where the files are until all of them are written.
    staging: PathBuf,
}

impl Directory {
    /// Checks the path. Creates nothing.
    ///
    /// # Errors
    /// If the path is anything but a new or empty directory, or its parent does not exist.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let name = path
            .file_name()
            .with_context(|| format!("--unpack {shown}: name a directory by its own name"))?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            bail!("--unpack {shown}: {} is not a directory; create it first", parent.display());
        }
        // Without a trailing slash, which would follow a link.
        let path = parent.join(name);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("--unpack {shown} cannot be inspected")),
            Ok(found) if !found.is_dir() => {
                bail!("--unpack {shown} exists and is not a directory; name another")
            }
            Ok(_) => {
                let mut entries =
                    std::fs::read_dir(&path).with_context(|| format!("--unpack {shown} cannot be listed"))?;
                if entries.next().is_some() {
                    bail!("--unpack {shown} is not empty; name a new or empty directory");
                }
            }
        }
        let staging = parent.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        Ok(Self { path, staging })
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the files.
    ///
    /// # Errors
    /// If a name could leave the directory, or something cannot be written. Then nothing is left
    /// behind.
    pub fn fill(&self, files: &BTreeMap<String, Content>) -> anyhow::Result<()> {
        std::fs::create_dir(&self.staging)
            .with_context(|| format!("cannot create directory {}", self.staging.display()))?;
        let filled = self.write(files);
        if filled.is_err() {
            // We just created it. A failed cleanup matters less than the error that caused it, so
            // it is ignored.
            let _ = std::fs::remove_dir_all(&self.staging);
        }
        filled
    }

    fn write(&self, files: &BTreeMap<String, Content>) -> anyhow::Result<()> {
        for (key, content) in files {
            if !is_file_key(key) {
                bail!("{key:?} is not the name of a file");
            }
            let path = self.staging.join(key);
            // create_new: a link of this name is an error, it is not followed.
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            file.and_then(|mut file| file.write_all(&content.bytes))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // The rename replaces an empty directory or none. The kernel refuses anything else,
        // whatever was there when the path was checked.
        std::fs::rename(&self.staging, &self.path)
            .with_context(|| format!("{} is no longer an empty directory", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Digest;

    fn files(keys: &[&str]) -> BTreeMap<String, Content> {
        let content =
            |key: &str| Content { bytes: key.as_bytes().to_vec(), digest: Digest::of(key.as_bytes()) };
        keys.iter().map(|key| ((*key).to_owned(), content(key))).collect()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_and_an_empty_directory_are_filled_and_nothing_is_left_beside_it() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("empty")).unwrap();
        for name in ["new", "empty"] {
            let path = scratch.path().join(name);
            Directory::new(&path).unwrap().fill(&files(&["a.b.conf", "a.c.conf"])).unwrap();
            assert_eq!(names(&path), ["a.b.conf", "a.c.conf"]);
            assert_eq!(std::fs::read(path.join("a.c.conf")).unwrap(), b"a.c.conf");
        }
        assert_eq!(names(scratch.path()), ["empty", "new"]);
    }

    #[test]
    fn what_is_there_is_never_changed_and_no_link_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        std::fs::create_dir(path("target")).unwrap();
        std::fs::create_dir(path("full")).unwrap();
        std::fs::write(path("full/mine"), "x").unwrap();
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink(path("target"), path("link")).unwrap();
        for name in ["full", "file", "link", "link/", "no/such", ".."] {
            assert!(Directory::new(&path(name)).is_err(), "{name}");
        }
        // It was empty when it was checked.
        let late = Directory::new(&path("late")).unwrap();
        std::os::unix::fs::symlink(path("target"), path("late")).unwrap();
        assert!(late.fill(&files(&["a.b.conf"])).is_err());
        let filled = Directory::new(&path("target")).unwrap();
        std::fs::write(path("target/other"), "x").unwrap();
        assert!(filled.fill(&files(&["a.b.conf"])).is_err());
        assert_eq!(names(&path("target")), ["other"]);
        assert!(Directory::new(&path("out")).unwrap().fill(&files(&["../a.b.conf"])).is_err());
        assert_eq!(names(scratch.path()), ["file", "full", "late", "link", "target"]);
    }
}
