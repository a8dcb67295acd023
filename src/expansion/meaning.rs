//! What the differences of two configurations mean for those who run the checks: what comes and
//! goes, by which resource, and who is notified.

use super::compare::{Changed, Comparison};
use super::objects::{Id, Objects, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Objects of one type that come or go for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Type of the objects.
    pub kind: String,
    /// The file that declares them, or the rule that makes them.
    pub file: String,
    /// Full names, sorted.
    pub names: Vec<String>,
    /// Number of hosts that they belong to. 0 if they are of a type that belongs to none.
    pub hosts: usize,
}

/// A value that changes in the same way in objects of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Type of the objects.
    pub kind: String,
    /// The attribute, and the entry in it.
    pub path: String,
    /// The value before, as JSON. None if it is not set.
    pub old: Option<String>,
    /// The value after, as JSON. None if it is not set.
    pub new: Option<String>,
    /// The file that sets the new value; the old one if there is no new one.
    pub file: String,
    /// Full names, sorted.
    pub names: Vec<String>,
    /// True if the value decides when a check warns.
    pub is_threshold: bool,
}

/// The differences, grouped, the largest group first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// Objects that come.
    pub added: Vec<Group>,
    /// Objects that go.
    pub removed: Vec<Group>,
    /// Values that change; thresholds first.
    pub changed: Vec<Change>,
    /// Hosts and services of both sides of whose problems somebody was notified, and now nobody is.
    pub silenced: Vec<String>,
    /// New hosts and services of whose problems nobody is notified.
    pub silent: Vec<String>,
    /// Hosts and services of both sides that were checked, and now are not.
    pub unchecked: Vec<String>,
}

/// Groups the differences of two sides.
pub fn meaning(old: &Objects, new: &Objects, comparison: &Comparison) -> Meaning {
    let (before, after) = (Audience::of(old), Audience::of(new));
    let is_checkable = |id: &&Id| matches!(id.kind.as_str(), "Host" | "Service");
    let both: Vec<&Id> = new.ids().filter(is_checkable).filter(|id| old.contains(id)).collect();
    let come = comparison.only_new.iter().map(|(id, _)| id).filter(is_checkable);
    let names = |ids: &mut dyn Iterator<Item = &Id>| ids.map(|id| id.name.clone()).collect::<Vec<_>>();
    let is_off = |changed: &&Changed| {
        let off = |path: &str, new: &Option<String>| {
            path == "enable_active_checks" && new.as_deref() == Some("false")
        };
        changed.differences.iter().any(|one| off(&one.path, &one.new.value))
    };
    Meaning {
        added: groups(&comparison.only_new),
        removed: groups(&comparison.only_old),
        changed: changes(&comparison.changed),
        silenced: names(&mut both.into_iter().filter(|id| before.is_notified(id) && !after.is_notified(id))),
        silent: names(&mut come.filter(|id| !after.is_notified(id))),
        unchecked: names(&mut comparison.changed.iter().filter(is_off).map(|changed| &changed.id)),
    }
}

fn groups(objects: &[(Id, Place)]) -> Vec<Group> {
    let mut found: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (id, place) in objects {
        found.entry((&id.kind, &place.file)).or_default().push(&id.name);
    }
    let group = |((kind, file), names): ((&str, &str), Vec<&str>)| {
        let hosts: BTreeSet<_> = names.iter().filter_map(|name| Some(name.split_once('!')?.0)).collect();
        let hosts = hosts.len();
        let names = names.into_iter().map(str::to_owned).collect();
        Group { kind: kind.to_owned(), file: file.to_owned(), names, hosts }
    };
    let mut groups: Vec<_> = found.into_iter().map(group).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.names.len()));
    groups
}

fn changes(changed: &[Changed]) -> Vec<Change> {
    type Same<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, &'a str);
    let mut found: BTreeMap<Same<'_>, Vec<&str>> = BTreeMap::new();
    for object in changed {
        for one in &object.differences {
            let (old, new) = (one.old.value.as_deref(), one.new.value.as_deref());
            let file = if new.is_some() { &one.new.place.file } else { &one.old.place.file };
            let same = (&*object.id.kind, &*one.path, old, new, file.as_str());
            found.entry(same).or_default().push(&object.id.name);
        }
    }
    let change = |((kind, path, old, new, file), names): (Same<'_>, Vec<&str>)| Change {
        kind: kind.to_owned(),
        path: path.to_owned(),
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
        file: file.to_owned(),
        names: names.into_iter().map(str::to_owned).collect(),
        is_threshold: is_threshold(path),
    };
    let mut changes: Vec<_> = found.into_iter().map(change).collect();
    changes.sort_by_key(|change| std::cmp::Reverse((change.is_threshold, change.names.len())));
    changes
}

/// True if a value of this path decides when a check warns, by the names that the library and most
/// plugins use: `disk_wfree`, `load_cwarn`, `vars.disks["/"].warn`.
fn is_threshold(path: &str) -> bool {
    let Some(path) = path.strip_prefix("vars") else { return false };
    let path = path.to_ascii_lowercase();
    let parts = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let words = ["warn", "crit", "threshold"];
    let short = ["w", "c", "wfree", "cfree", "wrta", "crta", "wpl", "cpl", "wload1", "cload1"];
    parts.into_iter().any(|part| words.iter().any(|word| part.contains(word)) || short.contains(&part))
}

/// Who is notified of problems.
struct Audience {
    /// Full names of the hosts and services of whose problems at least one user is notified.
    notified: BTreeSet<String>,
}

impl Audience {
    fn of(objects: &Objects) -> Self {
        let mut users = BTreeSet::new();
        let mut groups = BTreeSet::new();
        for (id, user) in objects.of_kind("User").filter(|(_, user)| hears_of_problems(user)) {
            users.insert(id.name.clone());
            groups.extend(user.texts("groups").map(str::to_owned));
        }
        let mut notified = BTreeSet::new();
        for (_, notification) in objects.of_kind("Notification") {
            let somebody = notification.texts("users").any(|user| users.contains(user))
                || notification.texts("user_groups").any(|group| groups.contains(group));
            if !somebody || !hears_of_problems(&notification) {
                continue;
            }
            let (host, service) = (notification.text("host_name"), notification.text("service_name"));
            let (kind, name) = match service {
                "" => ("Host", host.to_owned()),
                service => ("Service", format!("{host}!{service}")),
            };
            let id = Id { kind: kind.to_owned(), name };
            if objects.get(&id).is_some_and(|object| object.is_on("enable_notifications")) {
                notified.insert(id.name);
            }
        }
        Self { notified }
    }

    fn is_notified(&self, id: &Id) -> bool {
        self.notified.contains(&id.name)
    }
}

/// True if a user or a notification is not switched off, by its filters either.
fn hears_of_problems(object: &super::objects::Effective) -> bool {
    let list = |name: &str| object.attributes.get(name).and_then(serde_json::Value::as_array);
    object.is_on("enable_notifications")
        && list("states").is_none_or(|states| !states.is_empty())
        && list("types")
            .is_none_or(|types| types.iter().any(|one| one.as_str().is_none_or(|one| one == "Problem")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::compare;
    use crate::expansion::compare::tests::{objects, record};
    use serde_json::json;

    fn notification(host: &str, more: serde_json::Value) -> String {
        let mut attributes = json!({ "host_name": host, "service_name": "" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record("Notification", &format!("{host}!mail"), attributes, 1)
    }

    fn silenced(old: &[String], new: &[String]) -> Vec<String> {
        let (old, new) = (objects(old), objects(new));
        meaning(&old, &new, &compare(&old, &new, |_| true)).silenced
    }

    #[test]
    fn who_is_notified_by_nobody_any_more_is_found() {
        let host = |name: &str| record("Host", name, json!({}), 1);
        let user = |more| record("User", "u", more, 1);
        let by_user = json!({ "users": ["u"] });
        let before = [host("h"), user(json!({ "groups": ["ops"] })), notification("h", by_user.clone())];
        let is = |new: &[String]| silenced(&before, new) == ["h"];
        assert!(!is(&before));
        assert!(!is(&[
            host("h"),
            user(json!({ "groups": ["ops"] })),
            notification("h", json!({ "user_groups": ["ops"] }))
        ]));
        assert!(is(&[host("h"), user(json!({}))]));
        assert!(is(&[
            host("h"),
            user(json!({ "groups": [] })),
            notification("h", json!({ "user_groups": ["ops"] }))
        ]));
        assert!(is(&[
            host("h"),
            user(json!({ "enable_notifications": false })),
            notification("h", by_user.clone())
        ]));
        assert!(is(&[
            host("h"),
            user(json!({})),
            notification("h", json!({ "users": ["u"], "types": ["Recovery"] }))
        ]));
        assert!(is(&[host("h"), user(json!({ "states": [] })), notification("h", by_user.clone())]));
        let off = record("Host", "h", json!({ "enable_notifications": false }), 1);
        assert!(is(&[off, user(json!({})), notification("h", by_user)]));
        // A removed host is reported by itself.
        assert!(!is(&[user(json!({}))]));
    }

    #[test]
    fn changes_are_grouped_and_thresholds_come_first() {
        let host = |name: &str, warn: u32, interval: u32| {
            record("Host", name, json!({ "check_interval": interval, "vars": { "load_wload1": warn } }), 1)
        };
        let old = objects(&[host("a", 5, 60), host("b", 5, 60), record("Service", "a!s", json!({}), 1)]);
        let new = objects(&[host("a", 6, 30), host("b", 5, 30), record("Host", "c", json!({}), 1)]);
        let found = meaning(&old, &new, &compare(&old, &new, |_| true));
        let changes: Vec<_> = found.changed.iter().map(|one| (one.path.as_str(), one.names.len())).collect();
        assert_eq!(changes, [("vars.load_wload1", 1), ("check_interval", 2)]);
        assert_eq!((found.removed[0].kind.as_str(), found.removed[0].hosts), ("Service", 1));
        assert_eq!(found.silent, ["c"]);
    }

    #[test]
    fn thresholds_are_known_by_their_names() {
        for path in ["vars.disk_wfree", "vars.disks[\"/\"].warn", "vars.http_critical", "vars.x.w"] {
            assert!(is_threshold(path), "{path}");
        }
        for path in ["vars.os", "check_interval", "vars.wiki", "arguments[\"-w\"]"] {
            assert!(!is_threshold(path), "{path}");
        }
    }
}
