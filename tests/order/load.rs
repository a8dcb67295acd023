//! A random load, and a model of the result.
//!
//! Groups, templates and hosts that others name never change their own references. So the model
//! knows from the resources alone which of them can be published, whatever order the operator saw
//! the changes in. Objects that no other names change in any way.

use super::evidence::{History, story};
use crate::support::{GENEROUS, Installation, OPERATOR, condition_of, digest, eventually};
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject, Reason};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

/// Namespaces of the load.
pub const NAMESPACES: [&str; 3] = ["team-a", "team-b", "team-c"];
/// Keeps the directory of each namespace in place; never changed by the load.
const ANCHOR: &str = "anchor";

/// The validity of a resource, by the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Valid,
    Invalid,
    /// A command outside the operator's namespace.
    NotAllowed,
}

/// The last declaration of a resource.
#[derive(Clone, Debug)]
struct Declared {
    spec: Value,
    /// The number in its display name. It grows with every content of any resource.
    marker: u64,
    validity: Validity,
    provides: Vec<String>,
    uses: Vec<String>,
    /// True if it shares its Icinga name with others; the oldest wins.
    contested: bool,
}

/// Kinds of resources in the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Group,
    Template,
    Host,
    Leaf,
    Service,
    Rule,
    Twin,
    Command,
}

/// Most resources of each kind.
const POOL: [(Kind, usize); 8] = [
    (Kind::Group, 6),
    (Kind::Template, 2),
    (Kind::Host, 12),
    (Kind::Leaf, 8),
    (Kind::Service, 12),
    (Kind::Rule, 4),
    (Kind::Twin, 3),
    (Kind::Command, 1),
];

/// The load: draws operations, carries them out, and remembers the declarations.
pub struct Load {
    rng: StdRng,
    declared: BTreeMap<(String, String), Declared>,
    markers: u64,
    /// Creates, changes, deletes.
    pub operations: [usize; 3],
}

impl Load {
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), declared: BTreeMap::new(), markers: 0, operations: [0; 3] }
    }

    /// Creates namespaces and anchors. Returns when the anchors are published.
    pub async fn prepare(&mut self, installation: &Installation) {
        for namespace in NAMESPACES {
            installation.namespace(namespace).await;
            self.markers += 1;
            let declared = Declared {
                spec: json!({ "hostGroup": { "displayName": format!("v{}", self.markers) } }),
                marker: self.markers,
                validity: Validity::Valid,
                provides: vec![],
                uses: vec![],
                contested: false,
            };
            let name = format!("{ANCHOR}-{namespace}");
            installation.put(namespace, &name, declared.spec.clone()).await;
            installation.published(namespace, &name).await;
            self.declared.insert((namespace.to_owned(), name), declared);
        }
    }

    /// Carries out one random operation.
    pub async fn step(&mut self, installation: &Installation) {
        let total: usize = POOL.iter().map(|(_, count)| count).sum();
        let mut at = self.rng.random_range(0..total);
        let (kind, index) = POOL
            .iter()
            .find_map(|(kind, count)| {
                let found = (at < *count).then_some((*kind, at));
                at = at.wrapping_sub(*count);
                found
            })
            .unwrap();
        let (namespace, name) = place(kind, index);
        let key = (namespace.to_owned(), name.clone());
        let exists = self.declared.contains_key(&key);
        // A resource that others name is deleted and recreated more often than it is changed.
        let is_named = matches!(kind, Kind::Group | Kind::Template | Kind::Host);
        if exists && self.rng.random_bool(if is_named { 0.5 } else { 0.35 }) {
            installation.delete(namespace, &name).await;
            self.declared.remove(&key);
            self.operations[2] += 1;
            return;
        }
        let declared = self.declare(kind, index, self.declared.get(&key).cloned());
        installation.put(namespace, &name, declared.spec.clone()).await;
        self.declared.insert(key, declared);
        self.operations[usize::from(exists)] += 1;
    }

    /// Draws the pause before the next operation.
    pub fn pause(&mut self, milliseconds: std::ops::Range<u64>) -> std::time::Duration {
        std::time::Duration::from_millis(self.rng.random_range(milliseconds))
    }

    fn declare(&mut self, kind: Kind, index: usize, old: Option<Declared>) -> Declared {
        self.markers += 1;
        let marker = self.markers;
        let display = format!("v{marker}");
        let (name, rng) = (place(kind, index).1, &mut self.rng);
        let mut declared = Declared {
            spec: Value::Null,
            marker,
            validity: Validity::Valid,
            provides: vec![],
            uses: vec![],
            contested: false,
        };
        if let Some(mut old) = old.filter(|_| matches!(kind, Kind::Group | Kind::Template | Kind::Host)) {
            let member =
                ["hostGroup", "host"].into_iter().find(|member| old.spec.get(member).is_some()).unwrap();
            old.spec[member]["displayName"] = json!(display);
            old.marker = marker;
            return old;
        }
        match kind {
            Kind::Group => {
                let mut group = json!({ "displayName": display });
                if let Some(parent) = index.checked_sub(4) {
                    group["groups"] = json!([format!("group-{parent}")]);
                    declared.uses.push(format!("HostGroup group-{parent}"));
                }
                declared.provides.push(format!("HostGroup {name}"));
                declared.spec = json!({ "hostGroup": group });
            }
            Kind::Template => {
                declared.provides.push(format!("template {name}"));
                declared.spec = json!({ "template": true, "host": { "displayName": display, "checkCommand": "hostalive" } });
            }
            Kind::Host | Kind::Leaf => {
                let mut host = json!({ "displayName": display, "address": format!("192.0.2.{index}") });
                if rng.random_bool(0.3) {
                    let template = rng.random_range(0..2);
                    host["imports"] = json!([format!("template-{template}")]);
                    declared.uses.push(format!("template template-{template}"));
                } else {
                    host["checkCommand"] = json!("hostalive");
                }
                let groups: BTreeSet<usize> =
                    (0..rng.random_range(0..3)).map(|_| rng.random_range(0..6)).collect();
                host["groups"] = groups.iter().map(|group| json!(format!("group-{group}"))).collect();
                declared.uses.extend(groups.iter().map(|group| format!("HostGroup group-{group}")));
                if kind == Kind::Host {
                    declared.provides.push(format!("Host {name}"));
                } else {
                    match rng.random_range(0..10) {
                        0 | 1 => {
                            host["vars"] = json!({ "broken": "$unbalanced" });
                            declared.validity = Validity::Invalid;
                        }
                        2 => {
                            host["checkCommand"] = json!("no-such-command");
                            declared.uses.push("CheckCommand no-such-command".into());
                        }
                        _ => {}
                    }
                }
                declared.spec = json!({ "host": host });
            }
            Kind::Service => {
                let mut service = json!({ "displayName": display, "checkCommand": "ping4" });
                if rng.random_bool(0.12) {
                    declared.validity = Validity::Invalid;
                } else {
                    let host = rng.random_range(0..12);
                    service["hostName"] = json!(format!("host-{host}"));
                    declared.uses.push(format!("Host host-{host}"));
                }
                declared.spec = json!({ "service": service });
            }
            Kind::Rule => {
                let invalid = rng.random_bool(0.2);
                let rule = if invalid {
                    "host.vars.os =="
                } else {
                    "host.vars.os == \"Linux\" && host.name != \"x\""
                };
                if invalid {
                    declared.validity = Validity::Invalid;
                }
                declared.spec = json!({ "service": {
                    "displayName": display, "checkCommand": "ping4", "apply": { "assignWhere": [rule] },
                } });
            }
            Kind::Twin => {
                declared.contested = true;
                declared.spec = json!({ "name": "the twin", "host": { "displayName": display, "checkCommand": "hostalive" } });
            }
            Kind::Command => {
                declared.validity = Validity::NotAllowed;
                declared.spec =
                    json!({ "checkCommand": { "command": ["/bin/true"], "vars": { "marker": display } } });
            }
        }
        declared
    }

    /// Returns the number of declared resources, and of those that can be published.
    pub fn size(&self) -> (usize, usize) {
        (self.declared.len(), self.visible(&BTreeMap::new()).len())
    }

    /// Returns the resources that can be published: valid, the oldest of their name, and with every
    /// reference among them.
    fn visible(&self, ages: &BTreeMap<(String, String), (i64, String)>) -> BTreeSet<&(String, String)> {
        let winner = self.declared.iter().filter(|(_, d)| d.contested).min_by_key(|(key, _)| ages.get(*key));
        let mut visible = BTreeSet::new();
        loop {
            let provided: BTreeSet<&String> =
                visible.iter().flat_map(|key| &self.declared[*key].provides).collect();
            let more: Vec<_> = self
                .declared
                .iter()
                .filter(|(key, declared)| {
                    !visible.contains(key)
                        && declared.validity == Validity::Valid
                        && (!declared.contested || winner.is_some_and(|(winner, _)| winner == *key))
                        && declared.uses.iter().all(|name| provided.contains(name))
                })
                .map(|(key, _)| key)
                .collect();
            if more.is_empty() {
                return visible;
            }
            visible.extend(more);
        }
    }

    /// Waits until hub, volume and satellites equal the model.
    ///
    /// # Panics
    /// If they do not in time, with the history of each object that differs.
    pub async fn settled(
        &self,
        installation: &Installation,
        satellites: &[&str],
        history: impl Fn() -> History,
    ) {
        let end = Instant::now() + GENEROUS;
        let settled = eventually(GENEROUS * 2, "everything equals the model", async || {
            match self.compare(installation, satellites).await {
                Ok(()) => Ok(None),
                Err(wrong) if Instant::now() > end => Ok(Some(wrong)),
                Err(wrong) => Err(wrong),
            }
        });
        let Some(wrong) = settled.await else { return };
        let history = history();
        let stories: Vec<_> = self
            .declared
            .keys()
            .filter(|(_, name)| {
                wrong.contains(&format!("{name}:")) || wrong.contains(&format!("{name}.conf"))
            })
            .map(|(namespace, name)| story(&history, &format!("{namespace}/{name}")))
            .collect();
        panic!("different from the model:\n{wrong}\n{}", stories.join("\n"));
    }

    /// Compares hub, volume and both satellites with the model.
    ///
    /// # Errors
    /// If they differ, with each difference.
    pub async fn compare(&self, installation: &Installation, satellites: &[&str]) -> Result<(), String> {
        let mut wrong = String::new();
        let listed = Api::<MonitoringObject>::all(installation.hub.clone())
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let objects: BTreeMap<_, _> = listed
            .items
            .iter()
            .filter(|object| object.namespace().as_deref() != Some(OPERATOR))
            .map(|object| ((object.namespace().unwrap(), object.name_any()), object))
            .collect();
        let ages = objects
            .iter()
            .map(|(key, object)| {
                let created = object.creation_timestamp().map_or(0, |time| time.0.as_second());
                (key.clone(), (created, object.uid().unwrap()))
            })
            .collect();
        let visible = self.visible(&ages);
        assert!(
            objects.keys().eq(self.declared.keys()),
            "the model and the API server have different resources"
        );
        let mut files = installation.files();
        for (key, declared) in &self.declared {
            let file = files.remove(&format!("{}.{}.conf", key.0, key.1));
            let expected = if visible.contains(key) { None } else { Some(self.reason(declared)) };
            if let Err(why) = judge(objects[key], declared, expected, file.as_deref(), satellites.len()) {
                let _ = writeln!(wrong, "{}/{}: {why}", key.0, key.1);
            }
        }
        for key in files.keys() {
            let _ = writeln!(wrong, "{key} is on the volume, but no resource declares it");
        }
        let files = installation.files();
        for satellite in satellites {
            let held =
                installation.pointer(satellite).await.and_then(|pointer| pointer.data).unwrap_or_default();
            for key in files.keys().chain(held.keys()).collect::<BTreeSet<_>>() {
                match (files.get(key), held.get(key)) {
                    (file, text) if file == text => {}
                    (Some(_), None) => drop(writeln!(wrong, "{key} is not on {satellite}")),
                    (None, Some(_)) => drop(writeln!(wrong, "{key} is still on {satellite}")),
                    _ => drop(writeln!(wrong, "{key} on {satellite} differs from the volume")),
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn reason(&self, declared: &Declared) -> Reason {
        match declared.validity {
            Validity::Invalid => Reason::Invalid,
            Validity::NotAllowed => Reason::NotAllowed,
            Validity::Valid if declared.contested => Reason::NameConflict,
            Validity::Valid => Reason::UnresolvedReference,
        }
    }
}

/// Returns the namespace and name of a resource. References cross namespaces.
fn place(kind: Kind, index: usize) -> (&'static str, String) {
    let word = match kind {
        Kind::Group => "group",
        Kind::Template => "template",
        Kind::Host => "host",
        Kind::Leaf => "leaf",
        Kind::Service => "service",
        Kind::Rule => "rule",
        Kind::Twin => "twin",
        Kind::Command => "command",
    };
    (NAMESPACES[(index + kind as usize) % NAMESPACES.len()], format!("{word}-{index}"))
}

/// Compares one object's status and file with the model. `refused` is the expected reason, or
/// `None` if it must be Ready.
fn judge(
    object: &MonitoringObject,
    declared: &Declared,
    refused: Option<Reason>,
    file: Option<&str>,
    satellites: usize,
) -> Result<(), String> {
    use ConditionStatus::{False, True};
    let of = |kind| condition_of(object, kind).map(|(status, reason, _)| (status, reason));
    let expect = |kind, wanted| {
        let found = of(kind);
        if found == Some(wanted) { Ok(()) } else { Err(format!("{kind:?} is {found:?}, not {wanted:?}")) }
    };
    let status = object.status.as_ref().ok_or("no status")?;
    if status.published_digest != file.map(|text| digest(text.as_bytes())) {
        return Err(format!("says {:?} is published, and the file is {file:?}", status.published_digest));
    }
    let Some(reason) = refused else {
        expect(ConditionType::Ready, (True, Reason::Published))?;
        expect(
            ConditionType::Synced,
            (True, if satellites == 0 { Reason::NoSatellites } else { Reason::AllSatellites }),
        )?;
        expect(ConditionType::Reconciling, (False, Reason::Complete))?;
        expect(ConditionType::Stalled, (False, Reason::Complete))?;
        let marker = file.and_then(marker_of);
        return if marker == Some(declared.marker) {
            Ok(())
        } else {
            Err(format!("the file has marker {marker:?}, not {}", declared.marker))
        };
    };
    expect(ConditionType::Ready, (False, reason))?;
    expect(ConditionType::Synced, (False, reason))?;
    expect(ConditionType::Stalled, (True, reason))
}

/// Returns the marker in the display name of a file's object.
pub fn marker_of(text: &str) -> Option<u64> {
    text.split_once("display_name = \"v")?.1.split_once('"')?.0.parse().ok()
}
