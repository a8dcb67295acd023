//! The hub's API server in memory: MonitoringObjects with uid, generation and resourceVersion, a
//! log of events, and status writes that test their preconditions.

use crate::api::{MonitoringObject, MonitoringObjectSpec, MonitoringObjectStatus};
use crate::identity::{Digest, ObjectKey, Uid};
use crate::render;
use crate::validate::Settings;
use crate::watch::{Event, Received};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::BTreeMap;

/// The spec of a resource of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spec {
    /// Number of the host group that a host is in. `None` for a host without one.
    pub group: Option<usize>,
    /// Written into `notes`, so that another number is another content.
    pub text: u32,
    pub is_valid: bool,
    pub is_suspended: bool,
}

/// A resource as the server stores it.
#[derive(Clone, Debug)]
pub struct Stored {
    pub key: ObjectKey,
    pub uid: String,
    pub generation: i64,
    pub version: u64,
    pub created: i64,
    pub spec: Spec,
    pub status: Option<MonitoringObjectStatus>,
    /// Digest of the rendered file. `None` if the spec is not valid.
    pub digest: Option<Digest>,
}

/// What happened to a resource.
#[derive(Clone, Debug)]
pub enum Logged {
    Put(Box<Stored>),
    Deleted(Box<Stored>),
}

/// The answer to a status write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Stored(u64),
    Stale,
    Gone,
}

/// The server.
#[derive(Default)]
pub struct HubApi {
    pub objects: BTreeMap<ObjectKey, Stored>,
    /// Everything that happened, in order. A watch resumes at an index.
    pub log: Vec<Logged>,
    version: u64,
    uids: u64,
    /// Number of status writes that changed something.
    pub status_writes: u64,
    settings: Settings,
    contents: BTreeMap<(ObjectKey, Spec), (MonitoringObjectSpec, Option<Digest>)>,
}

/// True if a resource of the model is a host group. A name with `p` is that of a time period, and
/// one with `r` that of a rule that sets the period from a variable. All others are hosts.
pub fn is_group(key: &ObjectKey) -> bool {
    key.name().starts_with('g')
}

/// Returns the key of a host group.
pub fn group(number: usize) -> ObjectKey {
    ObjectKey::new("a", &format!("g{number}"))
}

/// Returns the key of a host.
pub fn host(number: usize) -> ObjectKey {
    ObjectKey::new(["a", "b"][number % 2], &format!("h{number}"))
}

impl HubApi {
    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn content(&mut self, key: &ObjectKey, spec: Spec) -> (MonitoringObjectSpec, Option<Digest>) {
        let settings = &self.settings;
        let make = || {
            let notes = format!("text {}", spec.text);
            let json = if is_group(key) {
                serde_json::json!({ "hostGroup": { "displayName": format!("group {}", spec.text), "notes": notes } })
            } else if key.name().starts_with('p') {
                serde_json::json!({ "timePeriod": { "ranges": { "monday": "00:00-24:00" } } })
            } else if key.name().starts_with('r') {
                // All rules make the same service.
                let set = serde_json::json!([{ "checkPeriod": "host.vars.period" }]);
                let apply = serde_json::json!({ "assignWhere": ["true"], "set": set });
                serde_json::json!({ "name": "rule", "service": { "checkCommand": "hostalive", "notes": notes, "apply": apply } })
            } else {
                let groups: Vec<_> = spec.group.iter().map(|number| format!("g{number}")).collect();
                let vars = serde_json::json!({ "period": format!("p{}", spec.text) });
                serde_json::json!({ "host": { "checkCommand": "hostalive", "groups": groups, "notes": notes, "vars": vars } })
            };
            #[allow(clippy::unwrap_used, reason = "a test's own resource")]
            let mut parsed: MonitoringObjectSpec = serde_json::from_value(json).unwrap();
            parsed.suspend = spec.is_suspended;
            let object = MonitoringObject {
                metadata: metadata(key, "uid", 1, 1, 1),
                spec: parsed.clone(),
                status: None,
            };
            let content = render::content(key, &object, settings).ok().filter(|_| spec.is_valid);
            (parsed, content.map(|content| content.digest()))
        };
        self.contents.entry((key.clone(), spec)).or_insert_with(make).clone()
    }

    /// Applies a resource for a person: creates it, or changes its spec.
    pub fn apply(&mut self, key: &ObjectKey, spec: Spec) {
        let (_, digest) = self.content(key, spec);
        let version = self.next_version();
        let stored = match self.objects.get(key) {
            Some(old) if old.spec == spec => return,
            Some(old) => Stored { generation: old.generation + 1, version, spec, digest, ..old.clone() },
            None => {
                self.uids += 1;
                let uid = format!("{:08x}-0000-4000-8000-000000000000", self.uids);
                let created = self.version as i64;
                let (generation, status) = (1, None);
                Stored { key: key.clone(), uid, generation, version, created, spec, status, digest }
            }
        };
        self.put(stored);
    }

    fn put(&mut self, stored: Stored) {
        self.objects.insert(stored.key.clone(), stored.clone());
        self.log.push(Logged::Put(Box::new(stored)));
    }

    /// Deletes a resource.
    pub fn delete(&mut self, key: &ObjectKey) {
        if let Some(mut gone) = self.objects.remove(key) {
            gone.version = self.next_version();
            self.log.push(Logged::Deleted(Box::new(gone)));
        }
    }

    /// Writes a status by hand.
    pub fn edit_status(&mut self, key: &ObjectKey, status: Option<MonitoringObjectStatus>) {
        let version = self.next_version();
        if let Some(old) = self.objects.get(key) {
            self.put(Stored { status, version, ..old.clone() });
        }
    }

    /// Takes a status write of the operator.
    pub fn write_status(
        &mut self,
        key: &ObjectKey,
        uid: &Uid,
        generation: i64,
        status: &MonitoringObjectStatus,
        claimed: Option<Option<&str>>,
        tests: bool,
    ) -> Written {
        let Some(old) = self.objects.get(key) else { return Written::Gone };
        if tests && (Uid::new(&old.uid) != *uid || old.generation != generation) {
            return Written::Stale;
        }
        let named = old.status.as_ref().and_then(|status| status.operator.as_deref());
        if tests && claimed.is_some_and(|claimed| claimed != named) {
            return Written::Stale;
        }
        if old.status.as_ref() == Some(status) {
            return Written::Stored(old.version);
        }
        self.status_writes += 1;
        let old = old.clone();
        let version = self.next_version();
        self.put(Stored { status: Some(status.clone()), version, ..old });
        Written::Stored(version)
    }

    /// Returns the event that a watch reports for an entry of the log.
    pub fn event(&mut self, logged: &Logged) -> Event {
        match logged {
            Logged::Put(stored) => Event::Object(Box::new(self.received(stored))),
            Logged::Deleted(stored) => Event::Deleted {
                namespace: stored.key.namespace().into(),
                name: stored.key.name().into(),
                uid: stored.uid.clone(),
            },
        }
    }

    /// Returns a resource as the watch reads it.
    pub fn received(&mut self, stored: &Stored) -> Received {
        let (spec, _) = self.content(&stored.key, stored.spec);
        let metadata = metadata(&stored.key, &stored.uid, stored.generation, stored.version, stored.created);
        let object = MonitoringObject { metadata, spec, status: stored.status.clone() };
        Received { object, unreadable: (!stored.spec.is_valid).then(|| "a field of another type".into()) }
    }
}

fn metadata(key: &ObjectKey, uid: &str, generation: i64, version: u64, created: i64) -> ObjectMeta {
    ObjectMeta {
        name: Some(key.name().into()),
        namespace: Some(key.namespace().into()),
        uid: Some(uid.into()),
        generation: Some(generation),
        resource_version: Some(version.to_string()),
        creation_timestamp: jiff::Timestamp::from_second(created).ok().map(Time),
        ..ObjectMeta::default()
    }
}
