//! The bucket of a file and the name of a shard. Both follow from content alone, so writer and
//! readers need not agree on them.

use crate::identity::Digest;
use sha2::{Digest as _, Sha256};

/// The largest number of buckets is 2 to the power of this.
pub const MAX_BITS: u8 = 10;
/// The largest number of buckets.
pub const BUCKETS: usize = 1 << MAX_BITS;
/// Hexadecimal digits of the digest at the end of a shard's name. 128 bits: nobody can find two
/// contents with the same name.
const NAME_DIGITS: usize = 32;

/// Returns the bucket, among [`BUCKETS`], of the object with this key (`<namespace>/<name>`). With
/// fewer bits, the bucket is the first bits of this number.
pub fn bucket_of(key: &str) -> u16 {
    let hash = Sha256::digest(key.as_bytes());
    u16::from_be_bytes([hash[0], hash[1]]) >> (16 - MAX_BITS)
}

/// Returns the name of the ConfigMap of a shard with this digest.
pub fn shard_name(pointer: &str, digest: &Digest) -> String {
    format!("{pointer}-{}", &digest.hex()[..NAME_DIGITS])
}

/// True if a shard of this pointer could have this name.
pub fn is_shard_name(pointer: &str, name: &str) -> bool {
    let digits = name.strip_prefix(pointer).and_then(|rest| rest.strip_prefix('-'));
    let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    digits.is_some_and(|digits| digits.len() == NAME_DIGITS && digits.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_name_is_one_of_its_own_pointer_alone() {
        let name = shard_name("groundlink", &Digest::of(b"files"));
        assert!(is_shard_name("groundlink", &name));
        for other in ["groundlink-2", "ground", ""] {
            assert!(!is_shard_name(other, &name), "{other}");
        }
        for wrong in [name.to_uppercase(), format!("{name}0"), name.replace('-', "_"), "groundlink-".into()] {
            assert!(!is_shard_name("groundlink", &wrong), "{wrong}");
        }
    }
}
