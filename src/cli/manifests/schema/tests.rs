use super::*;
use std::collections::BTreeSet;

#[test]
fn every_rule_and_pattern_of_the_crd_is_understood() {
    let mut rules_seen = 0;
    each(&SCHEMA, &mut |schema| {
        for rule in rules(schema) {
            assert!(RULES[rule].is_some(), "src/cli/manifests/cel.rs cannot read the rule {rule}");
            rules_seen += 1;
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            assert!(PATTERNS.contains_key(pattern), "{pattern}");
        }
    });
    assert!(rules_seen > 5);
}

/// A word of the schema that the walk does not know would be a rule that is forgotten.
#[test]
fn every_word_of_the_crd_is_understood() {
    let known = BTreeSet::from([
        "additionalProperties",
        "anyOf",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ]);
    each(&SCHEMA["properties"]["spec"], &mut |schema| {
        for word in schema.as_object().into_iter().flat_map(Map::keys) {
            assert!(known.contains(word.as_str()), "src/cli/manifests/schema.rs does not know {word}");
        }
    });
}
