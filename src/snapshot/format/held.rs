//! Files that a reader holds already. A shard whose files it holds need not be fetched: which they
//! are follows from their keys, and whether they are the same from the digest of the shard.

use super::listing;
use super::naming::{MAX_BITS, bucket_of};
use crate::identity::Digest;
use std::collections::BTreeMap;

/// A file that was read and verified before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldFile {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Number of its bytes.
    pub size: usize,
}

/// Returns the bucket of a file with this key, among 2 to the power of `bits`.
pub(super) fn bucket_of_key(key: &str, bits: u8) -> u16 {
    let stem = key.strip_suffix(".conf").unwrap_or(key);
    // A namespace has no dot, so the first dot ends it.
    bucket_of(&stem.replacen('.', "/", 1)) >> (MAX_BITS - bits)
}

/// Returns the keys of the shards that these files are, by the digest of the shard.
pub(super) fn shards_of(held: &BTreeMap<String, HeldFile>, bits: u8) -> BTreeMap<Digest, Vec<&String>> {
    let mut buckets: BTreeMap<u16, Vec<&String>> = BTreeMap::new();
    for key in held.keys() {
        buckets.entry(bucket_of_key(key, bits)).or_default().push(key);
    }
    let digest = |keys: &Vec<&String>| {
        listing::digest_of(keys.iter().filter_map(|key| Some((held.get(*key)?.digest, *key))))
    };
    buckets.into_values().map(|keys| (digest(&keys), keys)).collect()
}

/// Returns the digest of a set of these files.
pub fn digest_of_files(files: &BTreeMap<String, HeldFile>) -> Digest {
    listing::digest_of_set(files.iter().map(|(key, file)| (file.digest, key)))
}
