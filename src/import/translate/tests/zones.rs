//! Zones of directories, and the node's own.

use super::imported_files;
use crate::import::report::Imported;
use crate::import::yaml;

const ZONES: &str = "object Zone \"a\" { }\nobject Zone \"b\" { }\nobject Zone \"all\" { global = true }";
const HOST: &str = "object Host \"h\" { import \"t\" }";

/// Returns the zone of the manifest of a block. None if it has none.
fn zone(imported: &Imported, name: &str) -> Option<String> {
    let found = imported.manifests.iter().find(|manifest| manifest.subject.name.as_deref() == Some(name));
    let text = yaml::write(&found.unwrap_or_else(|| panic!("{name}")).document);
    text.lines().find_map(|line| line.strip_prefix("  zone: ").map(str::to_owned))
}

#[test]
fn a_template_has_a_zone_only_if_all_who_inherit_it_are_there() {
    let template =
        "template Host \"base\" { check_command = \"dummy\" }\ntemplate Host \"t\" { import \"base\" }";
    for (zone_of_host, expected) in
        [(Some("a"), Some("a")), (Some("b"), None), (None, None), (Some("all"), None)]
    {
        let imported = imported_files(&[
            ("zones.conf", None, ZONES),
            ("t.conf", Some("a"), template),
            ("h.conf", zone_of_host, HOST),
        ]);
        for name in ["t", "base"] {
            assert_eq!(zone(&imported, name).as_deref(), expected, "{zone_of_host:?} {name}");
        }
        let remarks = imported.notes.iter().filter(|note| note.message.contains("stands in zone"));
        assert_eq!(remarks.count(), if expected.is_some() { 0 } else { 2 });
    }
}

#[test]
fn a_rule_has_a_zone_only_if_all_hosts_are_there() {
    let rule = "apply Service \"s\" { check_command = \"dummy\"\n  assign where true\n}";
    let host = "object Host \"h\" { check_command = \"dummy\" }";
    for (zone_of_host, expected) in [(Some("a"), Some("a")), (Some("b"), None), (None, None)] {
        let imported = imported_files(&[
            ("zones.conf", None, ZONES),
            ("r.conf", Some("a"), rule),
            ("h.conf", zone_of_host, host),
        ]);
        assert_eq!(zone(&imported, "s").as_deref(), expected, "{zone_of_host:?}");
        assert_eq!(imported.notes.len(), usize::from(expected.is_none()));
    }
}

#[test]
fn a_zone_that_lists_the_own_endpoint_stays_outside() {
    for endpoints in ["[ NodeName ]", "[ \"other\", NodeName ]", "[ \"hub\" ]"] {
        let text = format!(
            "const NodeName = \"hub\"\nobject Endpoint NodeName {{ }}\nobject Endpoint \"other\" {{ }}\nobject Zone \"master\" {{ endpoints = {endpoints} }}\nobject Zone \"z\" {{ endpoints = [ \"other\" ] }}"
        );
        let imported = imported_files(&[("z.conf", None, &text)]);
        let outside: Vec<_> = imported.outside.iter().map(|left| left.subject.name.as_deref()).collect();
        assert_eq!(outside, [Some("hub"), Some("master")], "{endpoints}");
        assert_eq!(imported.manifests.len(), 2);
    }
}
