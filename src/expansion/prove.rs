//! The proof that resources say the same as the configuration that they were made of.

use super::compare::{Comparison, compare};
use super::objects::{Id, Objects, Place};
use super::run::{Configuration, Expansion};
use crate::api::IcingaType;
use crate::render::quoting;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The parts of Icinga's library, and the constant that each needs. An original without that
/// constant does not have the part, or would not load.
const LIBRARY: [(&str, &str); 6] = [
    ("itl", "NodeName"),
    ("plugins", "PluginDir"),
    ("plugins-contrib", "PluginContribDir"),
    ("manubulon", "ManubulonPluginDir"),
    ("windows-plugins", "PluginDir"),
    ("nscp", "PluginDir"),
];
/// Constants that Icinga sets itself and a configuration may replace.
const REPLACED: [&str; 2] = ["NodeName", "ZoneName"];

/// The result of a proof.
#[derive(Debug, Default)]
pub struct Proof {
    /// The differences of the objects that were imported.
    pub comparison: Comparison,
    /// Objects of the original that were left out: nothing is proved about them.
    pub left_out: Vec<(Id, Place)>,
    /// Number of objects of types that are no resources, such as `ApiListener`, by type.
    pub other_types: BTreeMap<String, usize>,
}

/// Returns a configuration that is a user's own: the absolute path of its `icinga2.conf`. A
/// `zones.d` beside it is loaded as Icinga would load it.
pub fn original(main: &Path) -> Configuration {
    let mut path = String::new();
    quoting::string(&mut path, &main.to_string_lossy());
    let zones = main.parent().map(|directory| directory.join("zones.d")).filter(|zones| zones.is_dir());
    Configuration { main: format!("include {path}\n"), files: Vec::new(), zones }
}

/// Returns the configuration of rendered files, with the constants of the original. `outside` is
/// the text of what was left out, without which the rest may not load.
pub fn result(original: &Expansion, rendered: Vec<(String, Vec<u8>)>, outside: &str) -> Configuration {
    let mut main = String::new();
    for (name, value) in &original.constants {
        let mut literal = String::new();
        match value {
            Value::String(text) => quoting::string(&mut literal, text),
            Value::Number(_) | Value::Bool(_) => literal = value.to_string(),
            _ => continue,
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        if REPLACED.contains(&name.as_str()) {
            main.push_str(&format!("const {name} = {literal}\n"));
        } else if !declares(outside, name) {
            // Most are Icinga's own, which must not be set again.
            main.push_str(&format!("if (!globals.contains(\"{name}\")) {{ globals.{name} = {literal} }}\n"));
        }
    }
    for (part, _) in LIBRARY.iter().filter(|(_, needed)| original.constants.contains_key(*needed)) {
        main.push_str(&format!("include <{part}>\n"));
    }
    main.push_str("include \"outside.conf\"\ninclude_recursive \"objects.d\"\n");
    let mut files = rendered;
    files.push(("outside.conf".into(), outside.as_bytes().to_vec()));
    Configuration { main, files, zones: None }
}

/// True if a text declares a constant of this name.
fn declares(text: &str, name: &str) -> bool {
    text.lines().filter_map(|line| line.trim_start().strip_prefix("const ")).any(|rest| {
        rest.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    })
}

/// Compares both sides. `is_left_out` decides by the place of an object in the original.
pub fn proof(old: &Objects, new: &Objects, is_left_out: impl Fn(&Place) -> bool) -> Proof {
    let mut proof = Proof::default();
    let mut skipped = BTreeSet::new();
    for id in old.ids() {
        let Some(object) = old.get(id) else { continue };
        if old.is_library(id) {
            skipped.insert(id);
        } else if IcingaType::named(&id.kind).is_none() {
            *proof.other_types.entry(id.kind.clone()).or_default() += 1;
        } else if is_left_out(&object.place) {
            proof.left_out.push((id.clone(), object.place));
            skipped.insert(id);
        }
    }
    let is_wanted = |id: &Id| {
        IcingaType::named(&id.kind).is_some()
            && !skipped.contains(id)
            && (old.contains(id) || !new.is_library(id))
    };
    proof.comparison = compare(old, new, is_wanted);
    proof
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::compare::tests::{objects, record};
    use serde_json::json;

    #[test]
    fn constants_of_the_original_are_taken_over() {
        let constants = [
            ("NodeName", json!("n\"1")),
            ("PluginDir", json!("/p")),
            ("Own", json!("x")),
            ("Limit", json!(5)),
            ("a.b", json!("no name")),
        ];
        let constants = constants.map(|(name, value)| (name.to_owned(), value)).into();
        let expansion = Expansion { constants, ..Expansion::default() };
        let main = result(&expansion, Vec::new(), "  const Own = {}\n").main;
        assert!(main.contains("const NodeName = \"n\\\"1\"\n"), "{main}");
        assert!(
            main.contains("if (!globals.contains(\"PluginDir\")) { globals.PluginDir = \"/p\" }\n"),
            "{main}"
        );
        assert!(main.contains("globals.Limit = 5 "), "{main}");
        assert!(!main.contains("Own") && !main.contains("no name"), "{main}");
    }

    #[test]
    fn what_was_left_out_is_not_counted_as_proved() {
        let host =
            |name: &str, line, interval| record("Host", name, json!({ "check_interval": interval }), line);
        let other = record("ApiListener", "api", json!({}), 9);
        let old = objects(&[host("a", 1, 60), host("b", 2, 60), host("c", 3, 60), other]);
        let new = objects(&[host("a", 7, 60), host("b", 8, 60), host("c", 9, 61)]);
        let proof = proof(&old, &new, |place| place.line == 2);
        assert_eq!(proof.left_out.iter().map(|(id, _)| id.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(proof.other_types["ApiListener"], 1);
        assert_eq!((proof.comparison.equal, proof.comparison.changed.len()), (1, 1));
    }
}
