//! What one satellite gets of a snapshot.

use super::Snapshot;
use crate::identity::{Digest, ObjectKey};
use crate::references::MAX_RELAYED;
use crate::render::Rendered;
use crate::validate::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

/// What a satellite accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// Zones, beside everything without one.
    pub zones: BTreeSet<String>,
    /// Namespaces; nothing for all.
    pub namespaces: Option<BTreeSet<String>>,
}

impl Acceptance {
    /// Whether the satellite should hold an object.
    pub fn accepts(&self, content: &Rendered) -> bool {
        content.zone().is_none_or(|zone| self.zones.contains(zone))
            && self.namespaces.as_ref().is_none_or(|names| names.contains(content.key().namespace()))
    }
}

/// The files of one satellite at one revision.
#[derive(Clone, Debug)]
pub struct View {
    /// Files by their key in a ConfigMap.
    pub files: BTreeMap<String, Arc<Rendered>>,
    /// Accepted objects that name something which the satellite does not accept, and are left out: the set must load.
    pub left_out: BTreeSet<ObjectKey>,
    /// Digest over the sorted lines `<sha256>  <key>`, as `sha256sum` prints them.
    pub digest: Digest,
    /// Bytes of all files and keys.
    pub bytes: usize,
}

/// Chooses what a satellite gets. Closed: where an accepted object names one that is not accepted, it is left out.
pub fn view(snapshot: &Snapshot, acceptance: &Acceptance) -> View {
    let mut accepted: BTreeMap<&ObjectKey, &Arc<Rendered>> =
        snapshot.files().filter(|file| acceptance.accepts(file)).map(|file| (file.key(), file)).collect();
    let mut left_out = BTreeSet::new();
    if acceptance.namespaces.is_some() {
        close(snapshot, &mut accepted, &mut left_out);
    }
    let files: BTreeMap<String, Arc<Rendered>> =
        accepted.values().map(|file| (file.key().file_key(), Arc::clone(file))).collect();
    let mut listing = String::with_capacity(files.len() * 100);
    for (key, file) in &files {
        let _ = writeln!(listing, "{}  {key}", file.digest().hex());
    }
    let bytes = files.iter().map(|(key, file)| key.len() + file.size()).sum();
    View { digest: Digest::of(listing.as_bytes()), files, left_out, bytes }
}

fn close<'a>(
    snapshot: &'a Snapshot,
    accepted: &mut BTreeMap<&'a ObjectKey, &'a Arc<Rendered>>,
    left_out: &mut BTreeSet<ObjectKey>,
) {
    // A name that nothing in the whole snapshot provides exists without a resource (template library, external objects).
    let mut providers: HashMap<&Name, BTreeSet<&ObjectKey>> = HashMap::new();
    for file in snapshot.files() {
        for (name, _) in file.claims() {
            providers.entry(name).or_default().insert(file.key());
        }
    }
    loop {
        let is_open = |file: &&&Arc<Rendered>| {
            !file
                .uses()
                .iter()
                .all(|needed| needed.any_of.iter().any(|name| has(&providers, accepted, name, 0)))
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

fn has(
    providers: &HashMap<&Name, BTreeSet<&ObjectKey>>,
    accepted: &BTreeMap<&ObjectKey, &Arc<Rendered>>,
    name: &Name,
    relayed: usize,
) -> bool {
    let relays = |given: &Name| relayed < MAX_RELAYED && has(providers, accepted, given, relayed + 1);
    providers.get(name).is_none_or(|keys| {
        keys.iter().any(|key| accepted.get(key).is_some_and(|file| file.gives(name, &relays)))
    })
}
