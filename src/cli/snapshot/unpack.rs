//! The files of a set in a directory: all of them, or nothing. They are written beside it and appear with one rename.

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
    /// Where the files are until they are all there.
    staging: PathBuf,
}

impl Directory {
    /// Looks at the place; makes nothing.
    ///
    /// # Errors
    /// When it is anything but a new or empty directory, or its parent is not there.
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
            bail!("--unpack {shown}: {} is not a directory; make it first", parent.display());
        }
        // Without a slash at the end, by which a link would be followed.
        let path = parent.join(name);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("--unpack {shown} cannot be looked at")),
            Ok(found) if !found.is_dir() => {
                bail!("--unpack {shown} is there and is not a directory; name another")
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

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the files.
    ///
    /// # Errors
    /// When a name could leave the directory, or something cannot be written; then nothing is left.
    pub fn fill(&self, files: &BTreeMap<String, Content>) -> anyhow::Result<()> {
        std::fs::create_dir(&self.staging)
            .with_context(|| format!("cannot create directory {}", self.staging.display()))?;
        let filled = self.write(files);
        if filled.is_err() {
            // It is ours: it was made a moment ago. That it cannot be removed is less than why it is.
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
            // A new file: a link of this name is not followed, it is an error.
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            file.and_then(|mut file| file.write_all(&content.bytes))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // Over an empty directory, or nothing: the kernel refuses anything else, whatever was there when it was looked at.
        std::fs::rename(&self.staging, &self.path)
            .with_context(|| format!("{} is not empty any more, or no directory", self.path.display()))
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
        // It was fine when it was looked at.
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
