//! Writes the manifests. Files that an import did not write, or that somebody changed since, stay as
//! they are.

use crate::cli::output::write_file;
use crate::import::Imported;
use crate::import::report::Manifest;
use crate::import::yaml;
use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Records what an import wrote.
const RECORD: &str = ".groundlink-import";

/// Writes one file for each source file, and removes those of an earlier import that are none any
/// more. Returns the files in order.
///
/// # Errors
/// If a file cannot be written, or is there and not as an import wrote it.
pub(super) fn write(directory: &Path, imported: &Imported) -> anyhow::Result<Vec<PathBuf>> {
    let files = files(&imported.manifests);
    let record = read_record(directory)?;
    // First everything is looked at, so that a refusal leaves all as it was.
    for path in files.keys().chain(record.keys()) {
        let full = directory.join(path);
        let there = match std::fs::read(&full) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", full.display())),
        };
        let is_same = files.get(path).is_some_and(|text| text.as_bytes() == there);
        if !is_same && record.get(path) != Some(&digest(&there)) {
            bail!(
                "{}: was changed or was not written by an import; move it away, or choose another --out",
                full.display()
            );
        }
    }
    for (path, text) in &files {
        let full = directory.join(path);
        if std::fs::read(&full).ok().as_deref() != Some(text.as_bytes()) {
            write_file(&full, text.as_bytes())?;
        }
    }
    for path in record.keys().filter(|path| !files.contains_key(*path)) {
        let full = directory.join(path);
        match std::fs::remove_file(&full) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", full.display()));
            }
            _ => {}
        }
    }
    let record: BTreeMap<&String, String> =
        files.iter().map(|(path, text)| (path, digest(text.as_bytes()))).collect();
    write_file(
        &directory.join(RECORD),
        format!("{:#}\n", serde_json::json!({ "files": record })).as_bytes(),
    )?;
    Ok(files.keys().map(|path| directory.join(path)).collect())
}

/// Returns the digests of the files that the last import wrote, by path. Paths that lead out of the
/// directory are no paths of an import.
fn read_record(directory: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = directory.join(RECORD);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let record: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| format!("{}: is no record of an import; choose another --out", path.display()))?;
    let entries = record["files"].as_object().into_iter().flatten();
    let inside =
        |path: &str| Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    Ok(entries
        .filter(|(path, _)| inside(path))
        .map(|(path, digest)| (path.clone(), digest.as_str().unwrap_or_default().to_owned()))
        .collect())
}

/// Returns the content of each file, by its path below the directory.
fn files(manifests: &[Manifest]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for manifest in manifests {
        let source = &manifest.origin.file;
        let path = format!("{}.yaml", source.strip_suffix(".conf").unwrap_or(source));
        let text = files.entry(path).or_insert_with(|| {
            format!("# Imported from {} by groundlink import.\n", crate::text::clean(source, 200))
        });
        text.push_str("---\n");
        for line in &manifest.comments {
            let _ = writeln!(text, "{}", format!("# {line}").trim_end());
        }
        text.push_str(&yaml::write(&manifest.document));
    }
    files
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tree::{Content, SourceFile, Tree};
    use crate::import::{Options, import, language};

    fn imported(source: &str) -> Imported {
        let content = Content::Configuration(language::parse(source).unwrap());
        let tree = Tree {
            files: vec![SourceFile { path: "a/hosts.conf".into(), zone: None, content }],
            ..Tree::default()
        };
        import(&tree, &Options { namespace: "n".into(), ..Options::default() })
    }

    #[test]
    fn files_are_written_once_and_never_over_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/hosts.yaml");
        let first = imported("// The web server.\nobject Host \"h\" { check_command = \"dummy\" }");
        assert_eq!(write(directory.path(), &first).unwrap(), std::slice::from_ref(&path));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("---\n# The web server.\napiVersion: "), "{text}");
        write(directory.path(), &first).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        // Changed configuration replaces what an import wrote.
        write(directory.path(), &imported("object Host \"i\" { check_command = \"dummy\" }")).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("name: i"));
        // But not what a person wrote.
        std::fs::write(&path, "mine").unwrap();
        let error = write(directory.path(), &first).unwrap_err().to_string();
        assert!(error.contains("hosts.yaml: was changed"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
        write(directory.path(), &first).unwrap();
        write(directory.path(), &Imported::default()).unwrap();
        assert!(!path.exists());
    }
}
