//! Values that name things across the whole pipeline: which resource, which bytes, which revision.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Namespace and name of a MonitoringObject. The path of its file depends on this alone, so no change of spec moves a
/// file. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// A key from its parts. Both come from the API server, which admits no `/` in them.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }

    /// Returns the key as text: `<namespace>/<name>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.0.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The name of the resource.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// Path of the file, relative to the volume: `objects.d/<namespace>/<name>.conf`.
    pub fn path(&self) -> String {
        format!("objects.d/{}/{}.conf", self.namespace(), self.name())
    }

    /// True if Icinga 2 reads this file first on the hub: it reads directories by name, and the files of each by name. So
    /// `disk-linux.conf` goes before `disk.conf`, because a hyphen goes before a dot.
    pub fn goes_before(&self, other: &Self) -> bool {
        let file = |key: &Self| format!("{}.conf", key.name());
        self.namespace().cmp(other.namespace()).then_with(|| file(self).cmp(&file(other))).is_lt()
    }

    /// Key of the file in a ConfigMap: `<namespace>.<name>.conf`. A namespace has no dot, so the first dot splits it
    /// again, and no two resources share a key.
    pub fn file_key(&self) -> FileKey<'_> {
        FileKey(self)
    }
}

/// Key of a file in a ConfigMap, ordered as its text is. Made when it is wanted: a set of 100,000 does not keep their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKey<'a>(&'a ObjectKey);

impl FileKey<'_> {
    const SUFFIX: &'static str = ".conf";

    /// Bytes of its text.
    pub fn size(&self) -> usize {
        self.0.0.len() + Self::SUFFIX.len()
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        // The one slash is between namespace and name.
        self.0.0.bytes().map(|byte| if byte == b'/' { b'.' } else { byte }).chain(Self::SUFFIX.bytes())
    }
}

impl Ord for FileKey<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for FileKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for FileKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.0.namespace(), self.0.name(), Self::SUFFIX)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// UID of a resource. In 16 bytes if it is a UUID as API servers write them, which it always was; the text of any other is
/// kept, because a UID is opaque. Ordered as its text is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(UidForm);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum UidForm {
    Uuid([u8; 16]),
    Other(Arc<str>),
}

const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

impl Uid {
    /// A UID from its text.
    pub fn new(text: &str) -> Self {
        Self(uuid(text).map_or_else(|| UidForm::Other(text.into()), UidForm::Uuid))
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 || UUID_DASHES.iter().any(|at| text.as_bytes()[*at] != b'-') {
        return None;
    }
    let mut digits =
        text.bytes().enumerate().filter(|(at, _)| !UUID_DASHES.contains(at)).map(|(_, byte)| nibble(byte));
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    Some(bytes)
}

/// The value of a lower-case hexadecimal digit.
fn nibble(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).filter(|_| !digit.is_ascii_uppercase()).map(|value| value as u8)
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            UidForm::Other(text) => f.write_str(text),
            UidForm::Uuid(bytes) => bytes.iter().enumerate().try_for_each(|(at, byte)| {
                let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
                write!(f, "{dash}{byte:02x}")
            }),
        }
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// SHA-256 of some bytes, written `sha256:<hex>`, so that anyone can check it with `sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hex part alone.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        self.write_hex(&mut hex);
        hex
    }

    /// Appends the hex part.
    pub fn write_hex(&self, text: &mut String) {
        let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
        text.extend(self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    }

    /// Returns the first 16 bytes, as a number.
    pub(crate) fn start(&self) -> u128 {
        let mut start = [0; 16];
        start.copy_from_slice(&self.0[..16]);
        u128::from_be_bytes(start)
    }

    /// Returns the first byte: the first two digits of the hex part.
    pub fn first_byte(&self) -> u8 {
        self.0[0]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let hex = text.strip_prefix("sha256:").ok_or(())?.as_bytes();
        if hex.len() != 64 {
            return Err(());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0]).ok_or(())? << 4 | nibble(pair[1]).ok_or(())?;
        }
        Ok(Self(bytes))
    }
}

/// Revision of the published set: `<term>.<counter>`, compared as a pair. The term grows with every acquisition of the
/// leader lease, the counter within it; no clock is involved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Which acquisition of the lease.
    pub term: u64,
    /// Which snapshot within the term, from 1.
    pub counter: u64,
}

/// Highest term: a Lease counts its acquisitions in 32 bits.
const MAX_TERM: u64 = i32::MAX as u64;

/// Highest accepted distance of a term that was read elsewhere from the first term of this process.
const MAX_LEAP: u64 = 100_000;

/// Returns whether an operator can have had a term that was read elsewhere. A term is one acquisition of the Lease, and no
/// operator has missed so many. Without this limit, whoever may edit one ConfigMap on one satellite could use up all terms.
/// `first` is the first term of this process: many small steps are a leap, too.
pub fn may_have_been(term: u64, first: u64) -> bool {
    term.saturating_sub(first) <= MAX_LEAP
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.counter)
    }
}

impl FromStr for Revision {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (term, counter) = text.split_once('.').ok_or(())?;
        let (term, counter) = (term.parse().map_err(|_| ())?, counter.parse().map_err(|_| ())?);
        if term > MAX_TERM {
            return Err(());
        }
        Ok(Self { term, counter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_round_trips_and_is_what_sha256sum_prints() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("sha256:E3".parse::<Digest>().is_err());
    }

    #[test]
    fn a_file_key_is_ordered_and_as_long_as_its_text() {
        let keys: Vec<_> = ["a/x", "a/x-y", "a/x.y", "a/xy", "a-b/x", "ab/x", "a/conf", "a/x.conf"]
            .map(|key| key.split_once('/').unwrap())
            .map(|(namespace, name)| ObjectKey::new(namespace, name))
            .into();
        for one in &keys {
            assert_eq!(one.file_key().size(), one.file_key().to_string().len());
            for other in &keys {
                let texts = (one.file_key().to_string(), other.file_key().to_string());
                assert_eq!(one.file_key().cmp(&other.file_key()), texts.0.cmp(&texts.1), "{texts:?}");
            }
        }
    }

    #[test]
    fn a_uid_is_its_text_whatever_it_looks_like() {
        let uuid = "ad19ab3e-0140-43c0-9841-2cadc9359e83";
        let upper = uuid.to_uppercase();
        for text in [
            uuid,
            &upper,
            "",
            "7",
            "ad19ab3e-0140-43c0-9841-2cadc9359e8g",
            "ad19ab3e00140-43c0-9841-2cadc9359e83",
        ] {
            assert_eq!(Uid::new(text).to_string(), text);
        }
        assert!(Uid::new(uuid) < Uid::new("ad19ab3e-0140-43c0-9841-2cadc9359e84"));
        assert_ne!(Uid::new(uuid), Uid::new(&upper));
    }

    #[test]
    fn revisions_compare_as_pairs() {
        let revision = |text: &str| text.parse::<Revision>().unwrap();
        assert!(revision("10.1") > revision("9.99"));
        assert!(revision("9.10") > revision("9.9"));
        assert!("9".parse::<Revision>().is_err());
    }

    #[test]
    fn file_keys_are_injective() {
        assert_ne!(ObjectKey::new("a", "b.c").file_key(), ObjectKey::new("a-b", "c").file_key());
        assert_eq!(ObjectKey::new("team-a", "web.01").path(), "objects.d/team-a/web.01.conf");
    }
}
