//! A type that the CRD has is known to every list that a new type needs. `tests/corpus` says the
//! same of the vocabulary and the generator, `fields.rs` of the golden cases, `example.rs` of the
//! examples, and `pages.rs` of the reference.

use crate::schema;
use crate::vocabulary::MEMBERS;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn every_type_of_the_crd_is_in_every_list() {
    let text =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (objects, icinga) = (text("docs/objects.md"), text("tests/golden/icinga.rs"));
    let types: BTreeMap<_, _> = MEMBERS.into_iter().collect();
    let spec = schema::spec();
    let mut wrong = Vec::new();
    for (member, _) in schema::members(&spec) {
        let link = format!("reference/{member}.md");
        if !objects.contains(&link) {
            wrong.push(format!("docs/objects.md lacks a row with a link to {link}"));
        }
        match types.get(member) {
            None => wrong.push(format!("fuzz/oracles/vocabulary.rs (MEMBERS) lacks {member}")),
            Some(icinga_type) if !icinga.contains(&format!("object {icinga_type} \\\"")) => {
                wrong.push(format!(
                    "tests/golden/icinga.rs (Icinga::start) lacks a reference object of {icinga_type}"
                ));
            }
            Some(_) => {}
        }
    }
    assert!(schema::members(&spec).count() >= 15, "the walk sees too few types");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
