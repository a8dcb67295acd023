//! Every field of the API occurs in a golden case, so that a new attribute without one fails here.

use crate::case::Case;
use crate::declared::member;
use crate::schema;
use std::collections::BTreeSet;

#[test]
fn every_field_occurs_in_a_golden_case() {
    let schema = schema::spec();
    let (mut wanted, mut found) = (BTreeSet::new(), BTreeSet::new());
    schema::fields_of_schema(&schema, "spec", &mut wanted);
    for document in Case::all().iter().flat_map(Case::published) {
        member(&document);
        schema::fields_of_value(&document["spec"], &schema, "spec", &mut found);
    }
    assert!(wanted.len() > 80, "the schema has only {} fields", wanted.len());
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(
        missing.is_empty(),
        "no golden case sets {missing:#?}: add them to an input.yaml below tests/golden/cases, and run \
         UPDATE_GOLDEN=1 cargo test --test golden"
    );
}
