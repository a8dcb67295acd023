//! What one satellite gets of a snapshot.

use super::Snapshot;
use super::layout::{MAX_BITS, Shard, bucket_of};
use crate::api::IcingaVersion;
use crate::identity::{Digest, ObjectKey};
use crate::references::MAX_RELAYED;
use crate::render::Rendered;
use crate::validate::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

/// What a satellite accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acceptance {
    /// Zones, beside everything without one.
    pub zones: BTreeSet<String>,
    /// Namespaces; nothing for all.
    pub namespaces: Option<BTreeSet<String>>,
    /// Version of its Icinga; nothing for the hub's.
    pub icinga_version: Option<IcingaVersion>,
}

impl Acceptance {
    /// Whether the satellite should hold an object.
    pub fn accepts(&self, content: &Rendered) -> bool {
        content.zone().is_none_or(|zone| self.zones.contains(zone))
            && self.namespaces.as_ref().is_none_or(|names| names.contains(content.key().namespace()))
    }
}

/// The files of one satellite at one revision. Shared by the satellites that accept the same.
pub struct View {
    /// Files, sorted by their key in a ConfigMap.
    pub files: Vec<Arc<Rendered>>,
    /// Accepted objects that name something which the satellite does not have, and are left out: the set must load.
    pub left_out: BTreeSet<ObjectKey>,
    /// Digest over the sorted lines `<sha256>  <key>`, as `sha256sum` prints them.
    pub digest: Digest,
    /// Bytes of all files and keys.
    pub bytes: usize,
    /// Bucket of each file among the most that there can be; known when it is asked for.
    buckets: OnceLock<Vec<u16>>,
    /// Shards by bits; made when they are asked for.
    shards: [OnceLock<Arc<[Shard]>>; MAX_BITS as usize + 1],
}

impl View {
    fn new(files: Vec<Arc<Rendered>>, left_out: BTreeSet<ObjectKey>) -> Self {
        let (digest, bytes) = (listing_digest(&files), files.iter().map(size).sum());
        Self { files, left_out, digest, bytes, buckets: OnceLock::new(), shards: Default::default() }
    }

    fn buckets(&self) -> &[u16] {
        let place = |file: &Arc<Rendered>| bucket_of(&file.key().to_string());
        self.buckets.get_or_init(|| self.files.iter().map(place).collect())
    }

    /// Bytes of keys and files in each of the most buckets that there can be.
    pub fn bucket_bytes(&self) -> Vec<usize> {
        let mut sizes = vec![0; 1 << MAX_BITS];
        for (bucket, file) in self.buckets().iter().zip(&self.files) {
            sizes[usize::from(*bucket)] += size(file);
        }
        sizes
    }

    /// The set in shards, one for each of 2^bits buckets that is not empty; `bits` is at most [`MAX_BITS`].
    pub fn shards(&self, bits: u8) -> Arc<[Shard]> {
        let bits = bits.min(MAX_BITS);
        let divide = || {
            let mut parts = vec![Vec::new(); 1 << bits];
            for (bucket, file) in self.buckets().iter().zip(&self.files) {
                parts[usize::from(bucket >> (MAX_BITS - bits))].push(file.clone());
            }
            parts.into_iter().filter(|part| !part.is_empty()).map(Shard::new).collect()
        };
        self.shards[usize::from(bits)].get_or_init(divide).clone()
    }
}

/// Bytes of a file and its key.
pub fn size(file: &Arc<Rendered>) -> usize {
    file.key().file_key().size() + file.size()
}

/// Digest over the sorted lines `<sha256>  <key>` of files that are sorted by key.
pub fn listing_digest(files: &[Arc<Rendered>]) -> Digest {
    let mut listing = String::with_capacity(files.len() * 100);
    for file in files {
        let _ = writeln!(listing, "{}  {}", file.digest().hex(), file.key().file_key());
    }
    Digest::of(listing.as_bytes())
}

/// Chooses what a satellite gets. Closed: where an accepted object names one that is not accepted, it is left out. `reserved` has the
/// names that exist there without any object; nothing if they are the hub's.
pub fn view(snapshot: &Snapshot, acceptance: &Acceptance, reserved: Option<&HashSet<Name>>) -> View {
    let mut accepted: BTreeMap<&ObjectKey, &Arc<Rendered>> =
        snapshot.files().filter(|file| acceptance.accepts(file)).map(|file| (file.key(), file)).collect();
    let mut left_out = BTreeSet::new();
    if let Some(reserved) = reserved {
        let clashes =
            |file: &&Arc<Rendered>| file.provides().iter().any(|provided| provided.is_taken(reserved));
        left_out = accepted.values().copied().filter(clashes).map(|file| file.key().clone()).collect();
        accepted.retain(|key, _| !left_out.contains(*key));
    }
    if acceptance.namespaces.is_some() || reserved.is_some() {
        close(snapshot, reserved, &mut accepted, &mut left_out);
    }
    let mut files: Vec<Arc<Rendered>> = accepted.into_values().map(Arc::clone).collect();
    // Nearly in order already.
    files.sort_by(|a, b| a.key().file_key().cmp(&b.key().file_key()));
    View::new(files, left_out)
}

fn close<'a>(
    snapshot: &'a Snapshot,
    reserved: Option<&HashSet<Name>>,
    accepted: &mut BTreeMap<&'a ObjectKey, &'a Arc<Rendered>>,
    left_out: &mut BTreeSet<ObjectKey>,
) {
    // A name that nothing in the whole snapshot provides exists without a resource (template library, external objects), unless
    // other names are reserved there.
    let mut providers: HashMap<&Name, BTreeSet<&ObjectKey>> = HashMap::new();
    for file in snapshot.files() {
        for (name, _) in file.names() {
            providers.entry(name).or_default().insert(file.key());
        }
    }
    loop {
        let parts = Parts { providers: &providers, accepted, reserved };
        let is_open = |file: &&&Arc<Rendered>| {
            !file.uses().iter().all(|needed| needed.any_of.iter().any(|name| parts.has(name, 0)))
        };
        let open: Vec<&ObjectKey> = accepted.values().filter(is_open).map(|file| file.key()).collect();
        if open.is_empty() {
            return;
        }
        for key in open {
            accepted.remove(key);
            left_out.insert(key.clone());
        }
    }
}

/// What can be part of a view.
struct Parts<'a> {
    providers: &'a HashMap<&'a Name, BTreeSet<&'a ObjectKey>>,
    accepted: &'a BTreeMap<&'a ObjectKey, &'a Arc<Rendered>>,
    reserved: Option<&'a HashSet<Name>>,
}

impl Parts<'_> {
    fn has(&self, name: &Name, relayed: usize) -> bool {
        let relays = |given: &Name| relayed < MAX_RELAYED && self.has(given, relayed + 1);
        let Some(keys) = self.providers.get(name) else {
            return self.reserved.is_none_or(|reserved| reserved.contains(name));
        };
        keys.iter().any(|key| self.accepted.get(key).is_some_and(|file| file.gives(name, &relays)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::read_back;
    use crate::snapshot::Catalog;

    fn content(name: &str, header: serde_json::Value) -> Arc<Rendered> {
        let text = format!("// file\n// groundlink: {header}\n");
        Arc::new(read_back(&ObjectKey::new("n", name), text.into_bytes()).unwrap())
    }

    #[test]
    fn what_an_older_or_newer_icinga_cannot_load_is_left_out_with_what_needs_it() {
        let files = [
            content(
                "new",
                serde_json::json!({ "provides": ["Dependency!h!new"], "uses": [["=Icinga 2.14 or later"]] }),
            ),
            content("own", serde_json::json!({ "provides": ["CheckCommand!own"] })),
            content(
                "by-own",
                serde_json::json!({ "provides": ["Host!by-own"], "uses": [["CheckCommand!own"]] }),
            ),
            content(
                "plain",
                serde_json::json!({ "provides": ["Host!plain"], "uses": [["CheckCommand!dummy"]] }),
            ),
        ];
        let snapshot = Catalog::of(&files).cut(crate::identity::Revision { term: 1, counter: 1 }).0;
        let left_out = |names: &[&str]| {
            let reserved: HashSet<Name> = names.iter().map(|name| Name::from_header(name)).collect();
            let view = view(&snapshot, &Acceptance::default(), Some(&reserved));
            assert_eq!(view.files.len() + view.left_out.len(), files.len());
            view.left_out.into_iter().map(|key| key.name().to_owned()).collect::<Vec<_>>()
        };
        let all = ["CheckCommand!dummy", "=Icinga 2.13 or later", "=Icinga 2.14 or later"];
        assert!(left_out(&all).is_empty());
        assert_eq!(left_out(&all[..2]), ["new"]);
        assert_eq!(left_out(&["=Icinga 2.14 or later"]), ["plain"]);
        assert_eq!(left_out(&[&all[..], &["template CheckCommand!own"]].concat()), ["by-own", "own"]);
        assert!(view(&snapshot, &Acceptance::default(), None).left_out.is_empty());
    }
}
