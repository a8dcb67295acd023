//! Random sets of resources of every type that name each other, and random streams of changes:
//! after every step what is published is closed and has every name once, by a model that reads the
//! manifests alone; and, in samples, Icinga loads it as exactly the declared objects, and would
//! refuse it with one of the objects that wait in it.

mod dice;

use crate::declared::{Declared, member};
use crate::icinga::{self, Icinga};
use dice::Dice;
use groundlink::api::{IcingaVersion, MonitoringObject};
use groundlink::identity::{ObjectKey, Uid};
use groundlink::references::{Index, itl};
use groundlink::render::render;
use groundlink::validate::{Settings, validate};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const STREAMS: u64 = 8;
const STEPS: usize = 40;
/// A load takes a tenth of a second, so not every step has one.
const SAMPLE: usize = 8;
/// A number, to repeat a failure.
const SEED: &str = "GROUNDLINK_CLOSURE_SEED";

/// Type and name of what a manifest declares; a template's type is another. Nothing for a rule.
fn declares(document: &Value) -> Option<(String, String)> {
    let (field, kind) = member(document);
    let (spec, name) = (&document["spec"][field], document["spec"]["name"].as_str().unwrap());
    if document["spec"]["template"] == json!(true) {
        return Some((format!("template {kind}"), name.to_owned()));
    }
    if !spec["apply"].is_null() {
        return None;
    }
    let place =
        ["hostName", "childHostName", "serviceName", "childServiceName"].map(|field| spec[field].as_str());
    let full: Vec<_> = place.into_iter().flatten().chain([name]).collect();
    Some((kind.to_owned(), full.join("!")))
}

/// Type and name of what a manifest names.
fn names(document: &Value) -> Vec<(String, String)> {
    const FIELDS: [(&str, &str); 19] = [
        ("checkCommand", "CheckCommand"),
        ("checkPeriod", "TimePeriod"),
        ("eventCommand", "EventCommand"),
        ("period", "TimePeriod"),
        ("command", "NotificationCommand"),
        ("users", "User"),
        ("userGroups", "UserGroup"),
        ("hostName", "Host"),
        ("childHostName", "Host"),
        ("parentHostName", "Host"),
        ("includes", "TimePeriod"),
        ("excludes", "TimePeriod"),
        ("endpoints", "Endpoint"),
        ("parent", "Zone"),
        ("commandEndpoint", "Endpoint"),
        ("groups", ""),
        ("addGroups", ""),
        ("imports", ""),
        ("zone", "Zone"),
    ];
    let (field, kind) = member(document);
    let spec = &document["spec"][field];
    let group = if kind.ends_with("Group") { kind.to_owned() } else { format!("{kind}Group") };
    let mut found = Vec::new();
    for (name, kind_named) in FIELDS {
        let kind_named = match name {
            "groups" | "addGroups" => group.clone(),
            // A command imports commands, too.
            "imports" if kind.ends_with("Command") => format!("imported {kind}"),
            "imports" => format!("template {kind}"),
            _ => kind_named.to_owned(),
        };
        // The command of a command is no name.
        let value = if name == "command" && kind != "Notification" { &Value::Null } else { &spec[name] };
        let texts = value
            .as_str()
            .into_iter()
            .chain(value.as_array().into_iter().flatten().filter_map(Value::as_str));
        found.extend(texts.map(|text| (kind_named.clone(), text.to_owned())));
    }
    found.extend(document["spec"]["zone"].as_str().map(|zone| ("Zone".to_owned(), zone.to_owned())));
    for [host, service] in [
        ["hostName", "serviceName"],
        ["childHostName", "childServiceName"],
        ["parentHostName", "parentServiceName"],
    ] {
        if let (Some(host), Some(service)) = (spec[host].as_str(), spec[service].as_str()) {
            found.push(("Service".to_owned(), format!("{host}!{service}")));
        }
    }
    found
}

struct World {
    index: Index,
    settings: Settings,
    documents: BTreeMap<String, Value>,
    /// The manifest of what is published: an older one than the newest, where that waits or is
    /// refused.
    contents: BTreeMap<String, Vec<(String, Value)>>,
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("random", name)
}

impl World {
    fn new() -> Self {
        let version = IcingaVersion::default();
        let settings = Settings::new(&["random".into()], &[], version).unwrap();
        Self {
            index: Index::new(itl(version)),
            settings,
            documents: BTreeMap::new(),
            contents: BTreeMap::new(),
        }
    }

    fn put(&mut self, name: &str, spec: Value) {
        let document = json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "namespace": "random", "name": name }, "spec": spec,
        });
        // Name and type of a resource are immutable: another one takes its place.
        let identity = |document: &Value| {
            (member(document).0, document["spec"]["name"].clone(), document["spec"]["template"].clone())
        };
        if self.documents.get(name).is_some_and(|old| identity(old) != identity(&document)) {
            self.remove(name);
        }
        let object: MonitoringObject = serde_json::from_value(document.clone()).unwrap();
        match validate(&object, &self.settings) {
            Ok(declaration) => {
                let content = Arc::new(render(&key(name), &declaration));
                let digest = content.digest().to_string();
                self.contents.entry(name.to_owned()).or_default().push((digest, document.clone()));
                self.index.upsert(1, &Uid::new(name), content);
            }
            Err(_) => self.index.keep(&key(name)),
        }
        self.documents.insert(name.to_owned(), document);
    }

    fn remove(&mut self, name: &str) {
        self.index.remove(&key(name));
        self.documents.remove(name);
        self.contents.remove(name);
    }

    /// The manifests of what is published.
    fn published(&self) -> Vec<Value> {
        let manifest = |content: &Arc<groundlink::render::Rendered>| {
            let digest = content.digest().to_string();
            let known = &self.contents[content.key().name()];
            known.iter().rev().find(|(of, _)| *of == digest).unwrap().1.clone()
        };
        self.index.all_visible().map(manifest).collect()
    }

    fn configuration(&self) -> String {
        self.index.all_visible().map(|content| content.text()).collect()
    }

    fn check(&self, library: &BTreeSet<(String, String)>) {
        let published = self.published();
        let mut there = BTreeSet::new();
        for declared in published.iter().filter_map(declares) {
            assert!(there.insert(declared.clone()), "{declared:?} is published twice");
        }
        for document in &published {
            for named in names(document) {
                let is_there = |named: &(String, String)| there.contains(named) || library.contains(named);
                let exists = match named.0.strip_prefix("imported ") {
                    Some(kind) => [kind.to_owned(), format!("template {kind}")]
                        .map(|kind| (kind, named.1.clone()))
                        .iter()
                        .any(is_there),
                    None => is_there(&named),
                };
                assert!(exists, "{document:#} is published, and {named:?} is not");
            }
        }
    }

    /// Icinga loads what is published as exactly the declared objects.
    fn check_with(&self, icinga: &Icinga) -> Result<(), String> {
        let configuration = self.configuration();
        let understood = icinga.load(&configuration, "").map_err(|why| format!("{why}\n{configuration}"))?;
        Declared::of(&self.published()).compare(icinga, &understood, None)
    }

    /// Icinga refuses it with this object, which waits for something, in it. True if that was a
    /// question.
    fn check_waiting(&self, icinga: &Icinga, name: &str) -> Result<bool, String> {
        let Some(waiting) = self.index.waiting(&key(name)) else { return Ok(false) };
        // Icinga looks at templates only where they are imported, and into rules only where they
        // match.
        if declares(&self.documents[name]).is_none_or(|(kind, _)| kind.starts_with("template")) {
            return Ok(false);
        }
        // What only satellites could not bear, what rules might do to each other, and what Icinga
        // makes nothing good of (groups in a circle, commands without a command), is held though
        // this Icinga would load it.
        const CAUTIOUS: [&str; 8] = [
            "is in zone",
            "of any host",
            "ignoreWhere",
            "is declared by",
            "exists already",
            "chain of more",
            "it names itself",
            "a command in ",
        ];
        let is_cautious = CAUTIOUS.iter().any(|words| waiting.message.contains(words));
        if is_cautious {
            return Ok(false);
        }
        let others = self.index.all_visible().filter(|content| content.key().name() != name);
        let mut configuration: String = others.map(|content| content.text()).collect();
        let object: MonitoringObject = serde_json::from_value(self.documents[name].clone()).unwrap();
        // The present content may be invalid, and then what waits is an earlier one that was kept.
        let Ok(declaration) = validate(&object, &self.settings) else { return Ok(false) };
        configuration.push_str(&render(&key(name), &declaration).text());
        match icinga.load(&configuration, "") {
            Ok(_) => {
                Err(format!("{name} waits ({}), and Icinga would load it:\n{configuration}", waiting.message))
            }
            Err(_) => Ok(true),
        }
    }
}

#[test]
fn published_sets_are_closed_and_loaded_and_nothing_waits_in_vain() {
    let generations = icinga::generations();
    let first: u64 = std::env::var(SEED).map_or_else(|_| rand::random(), |text| text.parse().unwrap());
    println!("{SEED}={first}");
    let library: BTreeSet<(String, String)> = itl(IcingaVersion::default())
        .iter()
        .filter_map(|name| name.as_str().split_once('!'))
        .map(|(kind, name)| (kind.to_owned(), name.to_owned()))
        .collect();
    // 2.13 accepts circles of dependencies, so it cannot tell whether something waits in vain. The
    // others are newer.
    let strict = generations.iter().rfind(|icinga| icinga.generation.is_some());
    if strict.is_none() {
        icinga::say_aloud(
            "SKIPPED: icinga2 2.14 or later is not here, so nothing shows that what waits would be refused",
        );
    }
    let (mut loads, mut refusals, mut most) = (0, 0, 0);
    for stream in 0..STREAMS {
        let mut dice = Dice(first.wrapping_add(stream).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut world = World::new();
        for step in 0..STEPS {
            for _ in 0..1 + dice.roll(16) {
                if dice.roll(8) == 0 && !world.documents.is_empty() {
                    let names: Vec<_> = world.documents.keys().cloned().collect();
                    world.remove(&names[dice.roll(names.len())]);
                } else {
                    let (name, spec) = dice.resource();
                    world.put(&name, spec);
                }
            }
            world.index.resolve();
            world.check(&library);
            most = most.max(world.published().len());
            if step % SAMPLE != SAMPLE - 1 || generations.is_empty() {
                continue;
            }
            let icinga = generations[dice.roll(generations.len())];
            if let Err(why) = world.check_with(icinga) {
                panic!("{SEED}={first}, stream {stream}, step {step}, {:?}: {why}", icinga.generation);
            }
            loads += 1;
            let Some(strict) = strict else { continue };
            let names: Vec<_> = world.documents.keys().cloned().collect();
            for name in (0..6).map(|_| &names[dice.roll(names.len())]) {
                match world.check_waiting(strict, name) {
                    Ok(asked) => refusals += usize::from(asked),
                    Err(why) => panic!("{SEED}={first}, stream {stream}, step {step}: {why}"),
                }
            }
        }
    }
    println!("{loads} sets of up to {most} objects were loaded; with one that waits {refusals} were refused");
    assert!(most > 15, "hardly anything is published");
    assert!(loads > 0 || generations.is_empty(), "nothing was loaded");
    assert!(refusals > 0 || strict.is_none(), "nothing that waits was asked about");
}
