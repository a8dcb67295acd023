//! Digests of files by name, over the lines `<sha256>  <name>` that `sha256sum` prints.
//!
//! The digest of a set is that of a tree with two levels. All lines are sorted and fall into
//! groups by their first two digits. Each group has a digest over its lines; the digest of the set
//! is over one line for each group. A changed file changes at most two groups, so 100,000 files
//! need not be hashed again. The tree depends on the lines alone, so it is the same however the
//! files are divided into shards.

use crate::identity::Digest;
use std::fmt::{Display, Write as _};

/// Number of groups: one for each pair of hexadecimal digits.
pub const GROUPS: usize = 256;

/// Returns the group of a file whose bytes have this digest.
pub fn group_of(digest: &Digest) -> usize {
    usize::from(digest.first_byte())
}

/// Appends the line of one file.
pub fn line(text: &mut String, digest: &Digest, name: impl Display) {
    digest.write_hex(text);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {name}");
}

/// Returns the digest over the lines of these files, in the given order. For the digest of a shard
/// they must be sorted by name.
pub fn digest_of<N: Display>(files: impl IntoIterator<Item = (Digest, N)>) -> Digest {
    let files = files.into_iter();
    let mut text = String::with_capacity(files.size_hint().0 * 100);
    files.for_each(|(digest, name)| line(&mut text, &digest, name));
    Digest::of(text.as_bytes())
}

/// Returns the digest of a set from the digests of its groups, in their order. None is a group
/// without files.
pub fn digest_of_groups(groups: impl IntoIterator<Item = Option<Digest>>) -> Digest {
    let groups = groups.into_iter().enumerate();
    digest_of(groups.filter_map(|(number, digest)| Some((digest?, format!("{number:02x}")))))
}

/// Returns the digest of a set of files, in any order.
pub fn digest_of_set<N: Display + Ord>(files: impl IntoIterator<Item = (Digest, N)>) -> Digest {
    let mut groups: Vec<Vec<(Digest, N)>> = Vec::new();
    groups.resize_with(GROUPS, Vec::new);
    for (digest, name) in files {
        groups[group_of(&digest)].push((digest, name));
    }
    digest_of_groups(groups.into_iter().map(|mut group| {
        group.sort();
        (!group.is_empty()).then(|| digest_of(group))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The recipe of the documentation, over text alone.
    fn documented(mut lines: Vec<String>) -> Digest {
        lines.sort();
        let mut groups: BTreeMap<String, String> = BTreeMap::new();
        for line in lines {
            groups.entry(line[..2].to_owned()).or_default().push_str(&line);
        }
        let lines =
            groups.iter().map(|(name, text)| format!("{}  {name}\n", Digest::of(text.as_bytes()).hex()));
        Digest::of(lines.collect::<String>().as_bytes())
    }

    #[test]
    fn the_digest_of_a_set_is_that_of_the_documented_tree() {
        assert_eq!(digest_of_set::<&str>([]), Digest::of(b""));
        for count in [1, 2, 3, 700] {
            let files: Vec<_> =
                (0..count).map(|n| (Digest::of(&[n as u8, (n / 2) as u8]), format!("n.{n}.conf"))).collect();
            let lines = files.iter().map(|(digest, name)| format!("{}  {name}\n", digest.hex())).collect();
            assert_eq!(digest_of_set(files.iter().map(|(digest, name)| (*digest, name))), documented(lines));
            assert_eq!(
                digest_of_set(files.iter().rev().map(|(digest, name)| (*digest, name))),
                digest_of_set(files.clone())
            );
        }
    }

    #[test]
    fn another_content_or_another_name_is_another_digest() {
        let set = |files: &[(&[u8], &str)]| {
            digest_of_set(files.iter().map(|(bytes, name)| (Digest::of(bytes), *name)))
        };
        let one = set(&[(b"1", "a"), (b"2", "b")]);
        for other in [
            set(&[(b"1", "b"), (b"2", "a")]),
            set(&[(b"1", "a")]),
            set(&[(b"1", "a"), (b"2", "b"), (b"2", "c")]),
        ] {
            assert_ne!(one, other);
        }
    }
}
