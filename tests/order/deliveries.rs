//! What was sent to the satellites, in both layouts: pointers with their files, and shards.

use super::evidence::{Fate, key_of_data};
use crate::support::reader::{digest_of_shard, untar};
use crate::support::{Exchange, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

const MANIFEST: &str = "manifest.json";
const ARCHIVE: &str = "files.tar.gz";

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub(super) text: Arc<str>,
    pub(super) digest: String,
}

/// Files that were sent in one ConfigMap, by `<namespace>/<name>`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub(super) files: BTreeMap<String, File>,
    /// Keys that belong to no object, and what is wrong with an archive.
    pub(super) foreign: Vec<String>,
}

impl Part {
    fn add(&mut self, key: &str, text: &[u8]) {
        match (key_of_data(key), std::str::from_utf8(text)) {
            (Some(key), Ok(text)) => {
                self.files.insert(key, File { text: text.into(), digest: digest(text.as_bytes()) });
            }
            _ => self.foreign.push(key.to_owned()),
        }
    }

    /// Reads a shard. Its name must be that of its content.
    fn shard(name: &str, body: &Value) -> Self {
        let mut part = Self::default();
        let archive = body["binaryData"][ARCHIVE].as_str().unwrap_or_default();
        let archive = BASE64_STANDARD.decode(archive).unwrap_or_default();
        match untar(&archive) {
            Ok(files) => {
                files.iter().for_each(|(key, bytes)| part.add(key, bytes));
                let sum = digest_of_shard(&files);
                let sum = sum.trim_start_matches("sha256:");
                if name.rsplit_once('-').map(|(_, hash)| hash) != sum.get(..32) {
                    part.foreign.push(format!("{name}, whose content has the digest {sum}"));
                }
            }
            Err(why) => part.foreign.push(format!("{name}: {why}")),
        }
        part
    }
}

/// One write of a satellite's pointer.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(super) satellite: String,
    pub(super) start: u64,
    pub(super) started: Instant,
    pub(super) answered: Option<Instant>,
    pub(super) fate: Fate,
    pub(super) revision: Option<(u64, u64)>,
    /// By the name of the shard; in layout Single one, without a name.
    pub(super) parts: BTreeMap<String, Arc<Part>>,
    /// Shards that it names and that nobody ever sent.
    pub(super) unknown: BTreeSet<String>,
    /// Shards that only the previous revision names.
    pub(super) previous: BTreeSet<String>,
}

impl Delivery {
    pub(super) fn files(&self) -> impl Iterator<Item = (&String, &File)> {
        self.parts.values().flat_map(|part| &part.files)
    }

    pub(super) fn get(&self, key: &str) -> Option<&File> {
        self.parts.values().find_map(|part| part.files.get(key))
    }

    pub(super) fn count(&self) -> usize {
        self.parts.values().map(|part| part.files.len()).sum()
    }

    /// True if it must not be deleted while this is the current pointer.
    pub(super) fn names(&self, shard: &str) -> bool {
        self.previous.contains(shard) || (!shard.is_empty() && self.parts.contains_key(shard))
    }

    /// Returns the files that differ from those of `before`, and the keys that only `before` has.
    pub(super) fn changes<'d>(
        &'d self,
        before: Option<&'d Self>,
    ) -> (Vec<(&'d str, &'d File)>, Vec<&'d str>) {
        let is_in = |other: Option<&Self>, name: &str, part: &Arc<Part>| {
            other.is_some_and(|other| other.parts.get(name).is_some_and(|same| Arc::ptr_eq(same, part)))
        };
        let of = |delivery: Option<&'d Self>, other: Option<&Self>| -> HashMap<&'d str, &'d File> {
            let parts = delivery.into_iter().flat_map(|delivery| &delivery.parts);
            let differ = parts.filter(|(name, part)| !is_in(other, name, part));
            differ.flat_map(|(_, part)| &part.files).map(|(key, file)| (key.as_str(), file)).collect()
        };
        let (old, new) = (of(before, Some(self)), of(Some(self), before));
        let changed = new.iter().filter(|(key, file)| old.get(*key).is_none_or(|o| o.digest != file.digest));
        let gone = old.keys().filter(|key| !new.contains_key(*key)).copied().collect();
        (changed.map(|(key, file)| (*key, *file)).collect(), gone)
    }
}

/// What is known when a history begins in the middle of a run: the state that the history before
/// it ended with.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// Digests that are acknowledged and in place, by `<namespace>/<name>`.
    pub(super) acknowledged: HashMap<String, String>,
    /// The last accepted write of each pointer.
    pub(super) pointers: BTreeMap<String, Delivery>,
    /// Shards of a satellite, by name.
    pub(super) shards: BTreeMap<String, BTreeSet<String>>,
    /// The content of each of these shards.
    pub(super) parts: HashMap<String, Arc<Part>>,
}

/// What is known of one shard of one satellite.
#[derive(Clone, Debug, Default)]
pub(super) struct Shard {
    /// Requests after whose end it existed.
    seen: Vec<u64>,
    /// Deletions by us: their start and end.
    deleted: Vec<(u64, u64)>,
}

impl Shard {
    /// True if it existed before this place in the order, and we have not deleted it since.
    pub(super) fn exists(&self, before: u64) -> bool {
        let Some(seen) = self.seen.iter().filter(|end| **end < before).max() else { return false };
        !self.deleted.iter().any(|(start, end)| start > seen && *end < before)
    }
}

/// Everything that was sent to satellites.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// In the order of their starts.
    pub(super) deliveries: Vec<Delivery>,
    /// By satellite and name.
    pub(super) shards: BTreeMap<(String, String), Shard>,
    /// Deletions that may have been carried out: start, satellite, name.
    pub(super) deletions: Vec<(u64, String, String)>,
    parts: HashMap<String, Arc<Part>>,
}

impl Sent {
    pub(super) fn read(exchanges: &[Exchange], base: &Base) -> Self {
        let mut sent = Self { parts: base.parts.clone(), ..Self::default() };
        for (satellite, names) in &base.shards {
            for name in names {
                let shard = Shard { seen: vec![0], deleted: Vec::new() };
                sent.shards.insert((satellite.clone(), name.clone()), shard);
            }
        }
        for exchange in exchanges.iter().filter(|exchange| exchange.server != "hub") {
            if let Some((satellite, name)) = place(exchange) {
                sent.take(exchange, satellite, name);
            }
        }
        sent
    }

    fn take(&mut self, exchange: &Exchange, satellite: String, name: &str) {
        let (fate, end) = (Fate::of(exchange), exchange.seq_end);
        let key = (satellite.clone(), name.to_owned());
        if exchange.method == Method::GET {
            // A LIST or one ConfigMap: whatever it shows exists.
            let answer = if exchange.is_acknowledged() { exchange.response_json() } else { Value::Null };
            let items = answer["items"].as_array().cloned().unwrap_or_else(|| vec![answer]);
            for found in items.iter().filter_map(|item| item["metadata"]["name"].as_str()) {
                let shard = self.shards.entry((satellite.clone(), found.to_owned())).or_default();
                shard.seen.extend(end);
            }
        } else if exchange.method == Method::DELETE {
            if fate != Fate::Refused {
                self.deletions.push((exchange.seq_start, satellite, name.to_owned()));
                let end = if let Fate::Acknowledged(end) = fate { end } else { u64::MAX };
                self.shards.entry(key).or_default().deleted.push((exchange.seq_start, end));
            }
        } else {
            let body = exchange.request_json();
            let is_shard = body["binaryData"].is_object();
            if is_shard && !self.parts.contains_key(body["metadata"]["name"].as_str().unwrap_or(name)) {
                let name = body["metadata"]["name"].as_str().unwrap_or(name);
                self.parts.insert(name.to_owned(), Arc::new(Part::shard(name, &body)));
            }
            let name = body["metadata"]["name"].as_str().unwrap_or(name).to_owned();
            if is_shard || exchange.method == Method::PATCH {
                if let Fate::Acknowledged(end) = fate {
                    self.shards.entry((satellite, name)).or_default().seen.push(end);
                }
            } else {
                self.deliveries.push(self.pointer(exchange, satellite, &body));
            }
        }
    }

    fn pointer(&self, exchange: &Exchange, satellite: String, body: &Value) -> Delivery {
        let annotations = &body["metadata"]["annotations"];
        let revision = annotations["groundlink.dev/revision"].as_str().and_then(|text| {
            let (term, counter) = text.split_once('.')?;
            Some((term.parse().ok()?, counter.parse().ok()?))
        });
        let mut delivery = Delivery {
            satellite,
            start: exchange.seq_start,
            started: exchange.started,
            answered: exchange.answered,
            fate: Fate::of(exchange),
            revision,
            parts: BTreeMap::new(),
            unknown: BTreeSet::new(),
            previous: BTreeSet::new(),
        };
        let manifest = body["data"][MANIFEST].as_str().and_then(|text| serde_json::from_str(text).ok());
        let Some(manifest): Option<Value> = manifest else {
            let mut part = Part::default();
            for (key, text) in body["data"].as_object().into_iter().flatten() {
                part.add(key, text.as_str().unwrap_or_default().as_bytes());
            }
            delivery.parts.insert(String::new(), Arc::new(part));
            let previous = annotations["groundlink.dev/previous-shards"].as_str().unwrap_or_default();
            delivery.previous =
                previous.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            return delivery;
        };
        let names = |field: &Value| -> Vec<String> {
            let all = field.as_array().into_iter().flatten();
            all.filter_map(|one| one["name"].as_str().or(one.as_str()).map(str::to_owned)).collect()
        };
        for name in names(&manifest["shards"]) {
            match self.parts.get(&name) {
                Some(part) => drop(delivery.parts.insert(name, part.clone())),
                None => drop(delivery.unknown.insert(name)),
            }
        }
        delivery.previous = names(&manifest["previous"]).into_iter().collect();
        delivery
    }

    /// Returns what a history that follows has to know of the satellites.
    pub(super) fn into_base(
        self,
        mut pointers: BTreeMap<String, Delivery>,
        acknowledged: HashMap<String, String>,
    ) -> Base {
        for delivery in self.deliveries.into_iter().filter(|d| matches!(d.fate, Fate::Acknowledged(_))) {
            pointers.insert(delivery.satellite.clone(), delivery);
        }
        let mut shards = BTreeMap::<String, BTreeSet<String>>::new();
        for ((satellite, name), shard) in self.shards {
            if self.parts.contains_key(&name) && shard.exists(u64::MAX) {
                shards.entry(satellite).or_default().insert(name);
            }
        }
        // A shard whose write has no answer may be named later, after it was found.
        let mut parts = self.parts;
        let deleted: BTreeSet<_> = self.deletions.into_iter().map(|(_, _, name)| name).collect();
        parts.retain(|name, _| !deleted.contains(name) || shards.values().any(|names| names.contains(name)));
        Base { acknowledged, pointers, shards, parts }
    }
}

/// Returns satellite and ConfigMap of a request; the name is empty for a LIST or POST. A satellite
/// with a server of its own has the server's name, others that of their namespace.
fn place(exchange: &Exchange) -> Option<(String, &str)> {
    if exchange.is_watch() {
        return None;
    }
    let rest = exchange.path.strip_prefix("/api/v1/namespaces/")?;
    let (namespace, rest) = rest.split_once("/configmaps")?;
    let satellite = if namespace == "icinga" { exchange.server.clone() } else { namespace.to_owned() };
    Some((satellite, rest.trim_start_matches('/')))
}
