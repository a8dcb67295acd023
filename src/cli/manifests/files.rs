//! The files with manifests that a path stands for.

use anyhow::{Context as _, bail};
use std::io::Read as _;
use std::path::Path;

/// A text with manifests; or why it cannot be read.
pub(in crate::cli) struct Source {
    /// Its path, or `standard input`.
    pub(in crate::cli) name: String,
    pub(in crate::cli) bytes: anyhow::Result<Vec<u8>>,
}

impl Source {
    fn new(name: &str, bytes: anyhow::Result<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), bytes }
    }
}

/// Reads a file, the manifests in a directory and those below it, or standard input for `-`.
///
/// Links to files are followed below a directory, and links to directories are not, as kubectl does
/// it. Directories whose name begins with `..` are left out: a mounted ConfigMap keeps the targets
/// of its links there.
pub(in crate::cli) fn read(path: &Path) -> Vec<Source> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input");
        return vec![Source::new("standard input", read.map(|_| bytes))];
    }
    let mut found = Vec::new();
    if path.is_dir() {
        directory(path, &mut found);
    } else {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"));
        found.push(Source::new(&name, bytes));
    }
    found
}

fn directory(path: &Path, found: &mut Vec<Source>) {
    let name = path.display().to_string();
    let listed = std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = match listed {
        Ok(entries) => entries,
        Err(error) => {
            let error = Err(error).with_context(|| format!("cannot list {name}"));
            return found.push(Source::new(&name, error));
        }
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Of the entry itself: false for a link to a directory.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !entry.file_name().as_encoded_bytes().starts_with(b"..") {
                directory(&path, found);
            }
        } else if is_manifest(&path) && !path.is_dir() {
            found.push(Source::new(&path.display().to_string(), regular(&path)));
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

/// Reads a file that nobody named, so it must be one: to open a FIFO could wait for ever.
fn regular(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {name}"))?;
    if !metadata.is_file() {
        bail!("cannot read {name}: is no regular file; remove it, or name it itself with -f");
    }
    std::fs::read(path).with_context(|| format!("cannot read {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    #[test]
    fn a_directory_is_read_once_and_one_bad_file_hides_no_other() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        // As a mounted ConfigMap, with a link in a circle beside it.
        std::fs::create_dir_all(at("..2026_01_01")).unwrap();
        std::fs::write(at("..2026_01_01/a.yaml"), "a").unwrap();
        symlink("..2026_01_01", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        symlink(root.path(), at("circle.yaml")).unwrap();
        symlink("nowhere", at("b.yaml")).unwrap();
        std::fs::create_dir(at("below")).unwrap();
        std::fs::write(at("below/c.json"), "c").unwrap();
        std::fs::write(at("below/readme.txt"), "no").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("d.yml"), 0o600.into()).unwrap();

        let read: Vec<_> = read(root.path())
            .into_iter()
            .map(|Source { name, bytes }| {
                let name = PathBuf::from(name).strip_prefix(root.path()).unwrap().display().to_string();
                (name, bytes.map_err(|error| format!("{error:#}")))
            })
            .collect();
        let names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.yaml", "b.yaml", "below/c.json", "d.yml"]);
        assert_eq!(read[0].1, Ok(b"a".to_vec()));
        assert!(read[1].1.as_ref().unwrap_err().contains("No such file"), "{:?}", read[1]);
        assert_eq!(read[2].1, Ok(b"c".to_vec()));
        assert!(read[3].1.as_ref().unwrap_err().contains("is no regular file"), "{:?}", read[3]);
    }
}
