//! How a set is divided: one ConfigMap while it is small, otherwise shards. Each shard is a bucket
//! of objects.
//!
//! The bucket of an object depends on its key alone, so a change of one object changes one shard.
//! The number of buckets is a power of two: doubling it splits every bucket in two.

use super::naming::MAX_BITS;
use super::view::View;
use crate::api::satellite_cluster::Layout;

/// Largest set in layout Single, in bytes of keys and files.
pub const SINGLE_MAX: usize = 700 * 1024;
/// Layout Auto returns to Single at this size. It is well below [`SINGLE_MAX`], so that a set near
/// the limit does not change its form with every object.
pub const SINGLE_AGAIN: usize = 500 * 1024;
/// Largest shard, in bytes of keys and files. A ConfigMap holds 1 MiB, and the archive is smaller
/// than its files, or hardly larger.
pub const SHARD_MAX: usize = 512 * 1024;
/// The number of buckets is halved once each of them would have at most this.
const SHARD_AGAIN: usize = 192 * 1024;

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

/// Chooses the form of a set. `present` is the form on the satellite. It is kept while the set
/// fits, so that nothing is rewritten without need.
///
/// # Errors
/// If the set is too large for the layout. The message has the figures.
pub fn choose(layout: Layout, present: Option<Form>, view: &View) -> Result<Form, String> {
    let sharded = matches!(present, Some(Form::Sharded { .. }));
    let single = match layout {
        Layout::Single if view.bytes > SINGLE_MAX => {
            return Err(format!(
                "the set has {} bytes in {} files; layout Single holds {SINGLE_MAX}: set spec.target.layout to Auto, or restrict \
                 spec.zones or spec.namespaces",
                view.bytes,
                view.len()
            ));
        }
        Layout::Single => true,
        Layout::Snapshot => false,
        Layout::Auto => view.bytes <= if sharded { SINGLE_AGAIN } else { SINGLE_MAX },
    };
    if single {
        return Ok(Form::Single);
    }
    let sizes: Vec<usize> = view.bucket_bytes().collect();
    let largest = |bits: u8| sizes.chunks(1 << (MAX_BITS - bits)).map(|part| part.iter().sum()).max();
    let fits = |bits: u8, limit: usize| largest(bits).unwrap_or(0) <= limit;
    let Some(needed) = (0..=MAX_BITS).find(|bits| fits(*bits, SHARD_MAX)) else {
        return Err(format!(
            "the set has {} bytes in {} files, and one of {} buckets has {}; a shard holds {SHARD_MAX}: restrict spec.zones or \
             spec.namespaces",
            view.bytes,
            view.len(),
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

#[cfg(test)]
mod tests;
