//! How a set is divided: one ConfigMap while it is small, else shards, each a bucket of objects.
//!
//! An object's bucket depends on its key alone, so a change of one object changes one shard. The number of buckets is a power of
//! two: growing divides every bucket in two.

use super::archive::pack;
use super::view::{View, listing_digest, size};
use crate::api::satellite_cluster::Layout;
use crate::identity::Digest;
use crate::render::Rendered;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, OnceLock};

/// Largest set in layout Single, in bytes of keys and files.
pub const SINGLE_MAX: usize = 700 * 1024;
/// Layout Auto goes back to Single at this size: well below, so that a set near the limit does not change its form all the time.
pub const SINGLE_AGAIN: usize = 500 * 1024;
/// Largest shard, in bytes of keys and files. A ConfigMap holds 1 MiB; the archive is smaller than its files, or hardly larger.
pub const SHARD_MAX: usize = 512 * 1024;
/// There are fewer buckets again once each of them would have at most this.
const SHARD_AGAIN: usize = 192 * 1024;
/// Most buckets: 2 to the power of this.
pub const MAX_BITS: u8 = 10;

/// The form of a delivered set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The pointer carries the files.
    Single,
    /// The pointer names shards: one for each of 2^bits buckets that is not empty.
    Sharded {
        /// How many bits of the hash choose the bucket.
        bits: u8,
    },
}

/// The form that a set gets. `present` is what the satellite has now: it is kept while it fits, so that nothing is rewritten
/// without need.
///
/// # Errors
/// When the set is too large; with the figures.
pub fn choose(layout: Layout, present: Option<Form>, view: &View) -> Result<Form, String> {
    let sharded = matches!(present, Some(Form::Sharded { .. }));
    let single = match layout {
        Layout::Single if view.bytes > SINGLE_MAX => {
            return Err(format!(
                "the set has {} bytes in {} files; layout Single holds {SINGLE_MAX}: set spec.target.layout to Auto, or restrict \
                 spec.zones or spec.namespaces",
                view.bytes,
                view.files.len()
            ));
        }
        Layout::Single => true,
        Layout::Snapshot => false,
        Layout::Auto => view.bytes <= if sharded { SINGLE_AGAIN } else { SINGLE_MAX },
    };
    if single {
        return Ok(Form::Single);
    }
    let sizes = view.bucket_bytes();
    let largest = |bits: u8| sizes.chunks(1 << (MAX_BITS - bits)).map(|part| part.iter().sum()).max();
    let fits = |bits: u8, limit: usize| largest(bits).unwrap_or(0) <= limit;
    let Some(needed) = (0..=MAX_BITS).find(|bits| fits(*bits, SHARD_MAX)) else {
        return Err(format!(
            "the set has {} bytes in {} files, and one of {} buckets has {}; a shard holds {SHARD_MAX}: restrict spec.zones or \
             spec.namespaces",
            view.bytes,
            view.files.len(),
            1 << MAX_BITS,
            largest(MAX_BITS).unwrap_or(0)
        ));
    };
    let bits = match present {
        Some(Form::Sharded { bits }) if bits > needed => {
            (needed..bits).find(|fewer| fits(*fewer, SHARD_AGAIN)).unwrap_or(bits)
        }
        _ => needed,
    };
    Ok(Form::Sharded { bits })
}

/// Bucket of an object among 2^[`MAX_BITS`]; among fewer it is the first bits of this.
pub fn bucket_of(key: &str) -> u16 {
    let hash = Sha256::digest(key.as_bytes());
    u16::from_be_bytes([hash[0], hash[1]]) >> (16 - MAX_BITS)
}

/// The files of one bucket.
pub struct Shard {
    /// Files, sorted by their key in a ConfigMap.
    pub files: Vec<Arc<Rendered>>,
    /// Digest of the sorted lines `<sha256>  <key>`.
    pub digest: Digest,
    /// Bytes of keys and files.
    pub bytes: usize,
    archive: OnceLock<Arc<[u8]>>,
}

impl Shard {
    /// A shard of these files, which are sorted by key.
    pub fn new(files: Vec<Arc<Rendered>>) -> Self {
        let (digest, bytes) = (listing_digest(&files), files.iter().map(size).sum());
        Self { files, digest, bytes, archive: OnceLock::new() }
    }

    /// Name of its ConfigMap. 128 bits of the digest: nobody finds two contents with one name.
    pub fn name(&self, pointer: &str) -> String {
        format!("{pointer}-{}", &self.digest.hex()[..32])
    }

    /// The archive; packed when it is asked for first, and shared by all satellites that get this shard.
    ///
    /// # Errors
    /// As [`pack`].
    pub fn archive(&self) -> std::io::Result<Arc<[u8]>> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive.clone());
        }
        let packed = pack(self.files.iter().map(|file| (file.key().file_key().to_string(), file.bytes())))?;
        Ok(self.archive.get_or_init(|| packed.into()).clone())
    }
}

#[cfg(test)]
mod tests;
