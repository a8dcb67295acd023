//! The proof that resources say the same as the configuration that they were made of.

use super::compare::{Comparison, Difference, compare};
use super::objects::{Id, Objects, Place};
use super::run::Configuration;
use crate::api::IcingaType;
use crate::render::quoting;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The result of a proof.
#[derive(Debug, Default)]
pub struct Proof {
    /// The differences of the objects that were imported.
    pub comparison: Comparison,
    /// Objects of the original that stay there, each with its place: nothing is proved about their
    /// resources, because there are none.
    pub left_out: Vec<(Id, Place)>,
    /// The differences of these: both sides have them from the same text.
    pub left_out_comparison: Comparison,
    /// Objects of a global zone of the original, equal otherwise, whose resources have no zone:
    /// those go to every satellite.
    pub from_global_zones: usize,
    /// Zones and endpoints of a zone's directory, equal otherwise, which are everywhere as resources.
    pub from_zones: usize,
    /// Dependencies of an object on itself, which resources never make: Icinga 2.14 and later
    /// refuse them.
    pub on_themselves: usize,
    /// Number of objects of types that are no resources, such as `ApiListener`, by type.
    pub other_types: BTreeMap<String, usize>,
}

/// Returns a configuration that is a user's own: the absolute path of its `icinga2.conf`. A
/// `zones.d` beside it is loaded as Icinga would load it.
pub fn original(main: &Path, defines: BTreeMap<String, String>) -> Configuration {
    let mut path = String::new();
    quoting::string(&mut path, &main.to_string_lossy());
    let zones = main.parent().map(|directory| directory.join("zones.d")).filter(|zones| zones.is_dir());
    Configuration { main: format!("include {path}\n"), files: Vec::new(), zones, defines }
}

/// Returns the configuration of rendered files beside what is left of the original: its files, and
/// the text that includes them.
pub fn result(
    rendered: impl Iterator<Item = (String, Vec<u8>)>,
    main: &str,
    mut files: Vec<(String, Vec<u8>)>,
    defines: BTreeMap<String, String>,
) -> Configuration {
    files.extend(rendered);
    Configuration { main: format!("{main}include_recursive \"objects.d\"\n"), files, zones: None, defines }
}

/// Compares both sides. `stays` decides by the place of an object in the original whether it was
/// left out.
pub fn proof(old: &Objects, new: &Objects, stays: impl Fn(&Place) -> bool) -> Proof {
    let mut proof = Proof::default();
    let mut skipped = BTreeSet::new();
    let mut staying = BTreeSet::new();
    for id in old.ids() {
        if old.is_shipped(id) {
            skipped.insert(id);
        } else if IcingaType::named(&id.kind).is_none() {
            *proof.other_types.entry(id.kind.clone()).or_default() += 1;
        } else {
            let place = old.place(id).unwrap_or_default();
            if stays(&place) {
                proof.left_out.push((id.clone(), place));
                staying.insert(id);
            }
        }
    }
    let is_wanted = |id: &Id| {
        IcingaType::named(&id.kind).is_some()
            && !skipped.contains(id)
            && !staying.contains(id)
            && (old.contains(id) || !new.is_shipped(id))
    };
    proof.comparison = compare(old, new, is_wanted);
    proof.left_out_comparison = compare(old, new, |id| staying.contains(id));
    proof.from_global_zones = accept_global_zones(old, &mut proof.comparison);
    proof.from_zones = accept(&mut proof.comparison, |id, one| {
        let is_everywhere = IcingaType::named(&id.kind).is_some_and(IcingaType::is_everywhere);
        is_everywhere && one.path == "zone" && has_no_zone(one)
    });
    let before = proof.comparison.only_old.len();
    proof.comparison.only_old.retain(|(id, _)| !is_on_itself(old, id));
    proof.on_themselves = before - proof.comparison.only_old.len();
    proof
}

fn has_no_zone(one: &Difference) -> bool {
    one.new.value.as_deref().is_none_or(|zone| zone == "\"\"")
}

/// True for a dependency whose parent is its child.
fn is_on_itself(objects: &Objects, id: &Id) -> bool {
    let Some(dependency) = objects.get(id).filter(|_| id.kind == "Dependency") else { return false };
    let name = |attribute: &str| match dependency.attributes.get(attribute) {
        Some(serde_json::Value::String(name)) => name.clone(),
        _ => String::new(),
    };
    name("child_host_name") == name("parent_host_name")
        && name("child_service_name") == name("parent_service_name")
}

/// Takes out the differences that `is_accepted` names. Returns how many objects are equal without
/// them.
fn accept(comparison: &mut Comparison, is_accepted: impl Fn(&Id, &Difference) -> bool) -> usize {
    let before = comparison.changed.len();
    for changed in &mut comparison.changed {
        changed.differences.retain(|one| !is_accepted(&changed.id, one));
    }
    comparison.changed.retain(|changed| !changed.differences.is_empty() || changed.more > 0);
    let accepted = before - comparison.changed.len();
    comparison.equal += accepted;
    accepted
}

/// Takes out the differences between a global zone and none. Returns how many objects are equal
/// without them.
fn accept_global_zones(old: &Objects, comparison: &mut Comparison) -> usize {
    let is_global = |zone: &super::objects::Effective| zone.attributes.get("global") == Some(&true.into());
    let global: BTreeSet<String> = old
        .of_kind("Zone")
        .filter(|(_, zone)| is_global(zone))
        .map(|(id, _)| serde_json::Value::from(id.name.as_str()).to_string())
        .collect();
    accept(comparison, |_, one| {
        let was_global = one.old.value.as_ref().is_some_and(|zone| global.contains(zone));
        one.path == "zone" && was_global && has_no_zone(one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::compare::tests::{objects, record};
    use serde_json::json;

    #[test]
    fn what_was_left_out_is_not_counted_as_proved() {
        let host =
            |name: &str, line, interval| record("Host", name, json!({ "check_interval": interval }), line);
        let other = record("ApiListener", "api", json!({}), 9);
        let old = objects(&[host("a", 1, 60), host("b", 2, 60), host("b2", 2, 60), host("c", 3, 60), other]);
        let new = objects(&[host("a", 7, 60), host("b", 8, 60), host("c", 9, 61)]);
        let proof = proof(&old, &new, |place| place.line == 2);
        assert_eq!(proof.left_out.iter().map(|(id, _)| id.name.as_str()).collect::<Vec<_>>(), ["b", "b2"]);
        assert_eq!(proof.left_out_comparison.only_old[0].0.name, "b2");
        assert_eq!(proof.other_types["ApiListener"], 1);
        assert_eq!((proof.comparison.equal, proof.comparison.changed.len()), (1, 1));
    }

    #[test]
    fn only_a_global_zone_may_become_none() {
        let zone = |name: &str, global: bool| record("Zone", name, json!({ "global": global }), 1);
        let period = |name: &str, zone: &str, other: u32| {
            record("TimePeriod", name, json!({ "zone": zone, "other": other }), 2)
        };
        let zones = [zone("all", true), zone("dmz", false)];
        let side = |periods: [String; 3]| objects(&[zones.as_slice(), &periods].concat());
        let old = side([period("a", "all", 1), period("b", "dmz", 1), period("c", "all", 1)]);
        let new = side([period("a", "", 1), period("b", "", 1), period("c", "", 2)]);
        let proof = proof(&old, &new, |_| false);
        assert_eq!((proof.from_global_zones, proof.comparison.equal), (1, 3));
        let changed = proof.comparison.changed.iter();
        let paths: Vec<_> =
            changed.map(|one| (one.id.name.as_str(), one.differences[0].path.as_str())).collect();
        assert_eq!(paths, [("b", "zone"), ("c", "other")]);
    }

    #[test]
    fn only_a_dependency_on_itself_may_be_missing() {
        let dependency = |name: &str, parent: &str, service: &str| {
            let attributes = json!({
                "child_host_name": "h", "child_service_name": "s",
                "parent_host_name": parent, "parent_service_name": service,
            });
            record("Dependency", name, attributes, 1)
        };
        let old = objects(&[
            dependency("itself", "h", "s"),
            dependency("other service", "h", "t"),
            dependency("other host", "i", "s"),
        ]);
        let proof = proof(&old, &objects(&[]), |_| false);
        let missing: Vec<_> = proof.comparison.only_old.iter().map(|(id, _)| id.name.as_str()).collect();
        assert_eq!((proof.on_themselves, missing), (1, vec!["other host", "other service"]));
    }

    #[test]
    fn only_zones_and_endpoints_may_lose_their_zone() {
        let of = |kind: &str, zone: &str| record(kind, "x", json!({ "zone": zone, "other": 1 }), 1);
        let kinds = ["Zone", "Endpoint", "User"];
        let old = objects(&kinds.map(|kind| of(kind, "satellite")));
        let new = objects(&kinds.map(|kind| of(kind, "")));
        let proof = proof(&old, &new, |_| false);
        let changed: Vec<_> = proof.comparison.changed.iter().map(|one| one.id.kind.as_str()).collect();
        assert_eq!((proof.from_zones, proof.comparison.equal, changed), (2, 2, vec!["User"]));
    }
}
