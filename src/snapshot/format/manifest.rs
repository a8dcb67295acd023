//! The manifest of a sharded set: its figures, and the shards that hold it.

use super::naming::MAX_BITS;
use super::view::Shard;
use crate::identity::{Digest, Revision};
use serde::{Deserialize, Serialize};

/// The only version that is written and read.
pub const VERSION: u32 = 1;
/// Key of the pointer's `data`.
pub const KEY: &str = "manifest.json";

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always 1. A reader refuses any other version.
    pub version: u32,
    /// Revision of the set, `<term>.<counter>`.
    pub revision: String,
    /// Digest of the set, the same in every layout.
    pub digest: String,
    /// Number of files.
    pub objects: usize,
    /// Bytes of all files and keys.
    pub bytes: usize,
    /// Number of bits that choose the shard of a file: the first `bits` bits of the sha256 of
    /// `<namespace>/<name>`.
    pub bits: u8,
    /// The shards that hold the set.
    pub shards: Vec<ShardReference>,
    /// Shards of the previous revision that this one does not use. They are kept for readers that
    /// still read the previous pointer.
    pub previous: Vec<String>,
}

/// One shard, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardReference {
    /// Name of its ConfigMap.
    pub name: String,
    /// Digest of the sorted lines `<sha256>  <key>` of its files.
    pub digest: String,
    /// Number of files.
    pub objects: usize,
    /// Bytes of its files and keys.
    pub bytes: usize,
}

impl ShardReference {
    /// Returns a reference to a shard of the pointer `pointer`.
    pub fn to(pointer: &str, shard: &Shard) -> Self {
        Self {
            name: shard.name(pointer),
            digest: shard.digest().to_string(),
            objects: shard.len(),
            bytes: shard.bytes(),
        }
    }
}

impl Manifest {
    /// Returns the text. Equal manifests have equal texts.
    pub fn text(&self) -> String {
        // Serializing plain strings and numbers cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a manifest, which anybody may have changed.
    ///
    /// # Errors
    /// If it is not JSON of this version, or a value in it cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(text).map_err(|error| format!("{KEY}: {error}"))?;
        if version != VERSION {
            return Err(format!("{KEY} has version {version}; this program knows {VERSION}"));
        }
        let manifest: Self = serde_json::from_str(text).map_err(|error| format!("{KEY}: {error}"))?;
        let readable = manifest.revision.parse::<Revision>().is_ok()
            && manifest.digest.parse::<Digest>().is_ok()
            && manifest.shards.iter().all(|shard| shard.digest.parse::<Digest>().is_ok());
        if manifest.bits > MAX_BITS {
            return Err(format!("{KEY}: bits is {}; at most {MAX_BITS} are used", manifest.bits));
        }
        if readable { Ok(manifest) } else { Err(format!("{KEY}: a revision or a digest cannot be read")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_written_and_a_newer_one_is_refused_by_its_version() {
        let digest = Digest::of(b"").to_string();
        let shard = ShardReference { name: "p-1".into(), digest: digest.clone(), objects: 1, bytes: 2 };
        let manifest = Manifest {
            version: VERSION,
            revision: "7.42".into(),
            digest,
            objects: 1,
            bytes: 2,
            bits: 0,
            shards: vec![shard],
            previous: vec!["p-0".into()],
        };
        assert_eq!(Manifest::parse(&manifest.text()), Ok(manifest.clone()));
        let newer = manifest.text().replace("\"version\": 1", "\"version\": 2, \"more\": 3");
        assert!(Manifest::parse(&newer).unwrap_err().contains("version 2"));
        for (from, to) in [
            ("7.42", "7"),
            ("sha256:", "md5:"),
            ("\"objects\"", "\"count\""),
            ("\"bits\": 0", "\"bits\": 11"),
        ] {
            assert!(Manifest::parse(&manifest.text().replace(from, to)).is_err(), "{to}");
        }
        assert!(Manifest::parse("").is_err());
    }
}
