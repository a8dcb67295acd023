//! The files of one satellite, in buckets and shards that successive views share.

use super::archive::pack;
use super::listing::digest_of;
use super::naming::{BUCKETS, MAX_BITS, bucket_of, shard_name};
use crate::identity::{Digest, ObjectKey};
use crate::render::Rendered;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// Returns the number of bytes of a file and its key.
pub fn size(file: &Rendered) -> usize {
    file.key().file_key().size() + file.size()
}

/// The files whose keys have the same [`bucket_of`]. Snapshots and views share a bucket until it
/// changes.
#[derive(Clone, Default)]
pub struct Bucket {
    /// Sorted by key in a ConfigMap.
    files: Vec<Arc<Rendered>>,
    bytes: usize,
}

impl Bucket {
    /// Returns the number of the bucket in which an object belongs.
    pub fn number(key: &ObjectKey) -> usize {
        usize::from(bucket_of(key.as_str()))
    }

    /// Returns a bucket with those of its files that pass `keep`.
    pub fn filtered(&self, keep: impl Fn(&Rendered) -> bool) -> Self {
        let files: Vec<_> = self.files.iter().filter(|file| keep(file)).cloned().collect();
        Self { bytes: files.iter().map(|file| size(file)).sum(), files }
    }

    /// Returns the files, sorted by key in a ConfigMap.
    pub fn files(&self) -> &[Arc<Rendered>] {
        &self.files
    }

    /// Returns the file of an object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.files.get(self.place(key).ok()?)
    }

    /// Puts a file in, or removes it with `None`. Returns the file that was there.
    pub fn set(&mut self, key: &ObjectKey, file: Option<Arc<Rendered>>) -> Option<Arc<Rendered>> {
        let (place, old) = match self.place(key) {
            Ok(place) => (place, Some(self.files.remove(place))),
            Err(place) => (place, None),
        };
        self.bytes -= old.as_deref().map_or(0, size);
        if let Some(file) = file {
            self.bytes += size(&file);
            // Grow by one, not to twice the size: there are a thousand buckets.
            self.files.reserve_exact(1);
            self.files.insert(place, file);
        }
        old
    }

    fn place(&self, key: &ObjectKey) -> Result<usize, usize> {
        self.files.binary_search_by(|file| file.key().file_key().cmp(&key.file_key()))
    }

    /// Compares two buckets of the same number. Calls `found` with the old and the new file of
    /// each object that differs.
    pub fn differences(
        old: &Self,
        new: &Self,
        mut found: impl FnMut(Option<&Arc<Rendered>>, Option<&Arc<Rendered>>),
    ) {
        let (mut old, mut new) = (old.files.iter().peekable(), new.files.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(one), Some(other)) if Arc::ptr_eq(one, other) => std::cmp::Ordering::Equal,
                (Some(one), Some(other)) => one.key().file_key().cmp(&other.key().file_key()),
            };
            let old = if order.is_le() { old.next() } else { None };
            let new = if order.is_ge() { new.next() } else { None };
            if !matches!((old, new), (Some(old), Some(new)) if Arc::ptr_eq(old, new)) {
                found(old, new);
            }
        }
    }
}

/// The files of one satellite at one revision. Satellites that accept the same share it.
pub struct View {
    /// Accepted objects that are left out because they name an object that the satellite does not
    /// have. With them, Icinga would not load the set.
    pub left_out: Arc<BTreeSet<ObjectKey>>,
    /// Digest of the set. It does not depend on the layout.
    pub digest: Digest,
    /// Bytes of all files and keys.
    pub bytes: usize,
    objects: usize,
    buckets: Box<[Arc<Bucket>]>,
    /// Shards for each number of bits, computed at the first use.
    shards: [OnceLock<Arc<[Shard]>>; MAX_BITS as usize + 1],
}

impl View {
    /// Returns a view of these [`BUCKETS`] buckets, whose files together have this digest. Shards
    /// of buckets that did not change since `before` are shared, so they are not hashed again.
    pub(in crate::snapshot) fn new(
        before: Option<&Self>,
        buckets: &[Arc<Bucket>],
        left_out: Arc<BTreeSet<ObjectKey>>,
        digest: Digest,
    ) -> Self {
        debug_assert_eq!(buckets.len(), BUCKETS);
        let view = Self {
            left_out,
            digest,
            bytes: buckets.iter().map(|bucket| bucket.bytes).sum(),
            objects: buckets.iter().map(|bucket| bucket.files.len()).sum(),
            buckets: buckets.into(),
            shards: Default::default(),
        };
        for (bits, shards) in before.iter().flat_map(|before| before.shards.iter().enumerate()) {
            if let Some(shards) = shards.get() {
                view.shards[bits].get_or_init(|| view.divide(bits as u8, shards));
            }
        }
        view
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.objects
    }

    /// True if there is no file.
    pub fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// Returns the files, in no useful order.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Rendered>> {
        self.buckets.iter().flat_map(|bucket| &bucket.files)
    }

    /// Returns the file of an object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Rendered>> {
        self.buckets.get(Bucket::number(key))?.get(key)
    }

    /// Returns the bytes of keys and files in each bucket.
    pub fn bucket_bytes(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().map(|bucket| bucket.bytes)
    }

    /// Returns the set in shards: one for each of 2^bits buckets that is not empty. `bits` is at
    /// most [`MAX_BITS`].
    pub fn shards(&self, bits: u8) -> Arc<[Shard]> {
        let bits = bits.min(MAX_BITS);
        self.shards[usize::from(bits)].get_or_init(|| self.divide(bits, &[])).clone()
    }

    /// Divides the set. Takes over the shards of unchanged buckets from `before`, but not their
    /// archives: an archive is kept only as long as the view that wrote it.
    fn divide(&self, bits: u8, before: &[Shard]) -> Arc<[Shard]> {
        let mut before = before.iter().peekable();
        let mut shards = Vec::new();
        for (number, buckets) in self.buckets.chunks(1 << (MAX_BITS - bits)).enumerate() {
            while before.next_if(|shard| shard.number < number).is_some() {}
            if buckets.iter().all(|bucket| bucket.files.is_empty()) {
                continue;
            }
            let same = before.peek().filter(|shard| shard.number == number && shard.is_of(buckets));
            let part = match same {
                Some(shard) => shard.part.clone(),
                None => Arc::new(Part { buckets: buckets.into(), digest: OnceLock::new() }),
            };
            shards.push(Shard { number, part, archive: OnceLock::new() });
        }
        shards.into()
    }
}

/// The content of one ConfigMap: the files of one bucket, or of several adjacent ones.
pub struct Shard {
    /// Its number among the 2^bits.
    number: usize,
    part: Arc<Part>,
    archive: OnceLock<Arc<[u8]>>,
}

struct Part {
    buckets: Box<[Arc<Bucket>]>,
    digest: OnceLock<Digest>,
}

impl Shard {
    fn is_of(&self, buckets: &[Arc<Bucket>]) -> bool {
        self.part.buckets.iter().zip(buckets).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// Returns the files, sorted by key in a ConfigMap.
    pub fn files(&self) -> Vec<&Arc<Rendered>> {
        let mut files: Vec<_> = self.part.buckets.iter().flat_map(|bucket| &bucket.files).collect();
        files.sort_by(|one, other| one.key().file_key().cmp(&other.key().file_key()));
        files
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.part.buckets.iter().map(|bucket| bucket.files.len()).sum()
    }

    /// True if there is no file. An empty shard is never written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of keys and files.
    pub fn bytes(&self) -> usize {
        self.part.buckets.iter().map(|bucket| bucket.bytes).sum()
    }

    /// Returns the digest over the lines `<sha256>  <key>`, sorted by key.
    pub fn digest(&self) -> Digest {
        let listed =
            || digest_of(self.files().into_iter().map(|file| (file.digest(), file.key().file_key())));
        *self.part.digest.get_or_init(listed)
    }

    /// Returns the name of its ConfigMap.
    pub fn name(&self, pointer: &str) -> String {
        shard_name(pointer, &self.digest())
    }

    /// Returns the archive. The first call packs it, and all satellites that get this shard share
    /// it.
    ///
    /// # Errors
    /// If [`pack`] fails.
    pub fn archive(&self) -> std::io::Result<Arc<[u8]>> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive.clone());
        }
        let files = self.files().into_iter();
        let packed = pack(files.map(|file| (file.key().file_key().to_string(), file.bytes())))?;
        Ok(self.archive.get_or_init(|| packed.into()).clone())
    }
}
