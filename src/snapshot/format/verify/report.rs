//! The findings about a set: what is wrong with it, and its files.

use crate::identity::{Digest, Revision};
use crate::snapshot::format::held::HeldFile;
use crate::snapshot::format::layout::Form;
use crate::snapshot::format::listing;
use serde::Serialize;
use std::collections::BTreeMap;

/// A kind of problem, in one word that programs may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Fault {
    /// A label that marks a ConfigMap as the operator's is missing or different.
    Labels,
    /// An annotation of the pointer is missing, or contradicts its content.
    Annotation,
    /// A ConfigMap has a key that does not belong there, or lacks one.
    Data,
    /// The manifest cannot be read.
    Manifest,
    /// The name of a shard does not follow from its digest.
    Name,
    /// The pointer names a shard that does not exist.
    ShardMissing,
    /// A shard is not immutable, so anybody could change it in place.
    NotImmutable,
    /// A shard cannot be unpacked.
    Archive,
    /// The content has a different digest.
    Digest,
    /// The number of files differs from the stated one.
    Objects,
    /// The number of bytes differs from the stated one.
    Bytes,
    /// A file is in the shard of another bucket.
    Bucket,
    /// A file, or a shard, is there twice.
    Twice,
    /// The content has more bytes than the format allows.
    TooLarge,
    /// A shard of the previous revision is missing. The set itself is whole.
    PreviousMissing,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Name of the ConfigMap.
    pub config_map: String,
    /// Its kind.
    pub fault: Fault,
    /// For a person.
    pub message: String,
}

/// One file of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

/// The result of [`verify`](super::verify).
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The form of the content. None if the manifest cannot be read.
    pub form: Option<Form>,
    /// Revision in the pointer.
    pub revision: Option<Revision>,
    /// Digest in the pointer.
    pub digest: Option<Digest>,
    /// Shards that the pointer names.
    pub shards: Vec<String>,
    /// Shards of the previous revision, which are kept.
    pub previous: Vec<String>,
    /// The files of the shards that have their digest and an allowed size, by key.
    pub files: BTreeMap<String, Content>,
    /// The files of the shards that were not read, because the reader holds them, by key.
    pub held: BTreeMap<String, HeldFile>,
    /// All problems.
    pub problems: Vec<Problem>,
    /// Facts that are worth knowing and no problem.
    pub notes: Vec<String>,
}

impl Report {
    /// True if `files` are exactly the set that the pointer names.
    pub fn is_whole(&self) -> bool {
        self.problems.iter().all(|problem| problem.fault == Fault::PreviousMissing)
    }

    /// Returns a line `<sha256>  <key>` for each file, sorted by key.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        self.files.iter().for_each(|(key, content)| listing::line(&mut text, &content.digest, key));
        text
    }

    /// Returns the digest of the files that were read.
    pub fn digest_of_files(&self) -> Digest {
        let held = self.held.iter().map(|(key, file)| (file.digest, key));
        listing::digest_of_set(lines(&self.files).chain(held))
    }

    /// Bytes of all files and keys.
    pub fn bytes(&self) -> usize {
        let held: usize = self.held.iter().map(|(key, file)| key.len() + file.size).sum();
        self.files.iter().map(size).sum::<usize>() + held
    }
}

pub(super) fn lines(files: &BTreeMap<String, Content>) -> impl Iterator<Item = (Digest, &String)> {
    files.iter().map(|(key, content)| (content.digest, key))
}

pub(super) fn size((key, content): (&String, &Content)) -> usize {
    key.len() + content.bytes.len()
}
