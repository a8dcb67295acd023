use super::*;
use crate::api::IcingaType;
use crate::identity::ObjectKey;
use crate::page::{Objects, Operator, Satellites};
use std::collections::BTreeMap;

const ALL: Rights = Rights { objects: Scope::All, satellites: true };
const ONE: Rights = Rights { objects: Scope::Namespace, satellites: false };

fn waiting(namespace: &str, name: &str, state: Step, reason: Reason) -> Waiting {
    Waiting {
        key: ObjectKey::new(namespace, name),
        kind: Some(IcingaType::Host),
        state,
        reason,
        message: format!("spec.host: no Zone!{name}"),
        since: 7,
    }
}

fn state() -> State {
    let rows = vec![
        waiting("b", "two", Step::Waiting, Reason::Pending),
        waiting("a", "three", Step::Suspended, Reason::Suspended),
        waiting("b", "one", Step::Refused, Reason::Invalid),
        waiting("a", "four", Step::Waiting, Reason::SatelliteUnreachable),
    ];
    let mut namespaces: BTreeMap<String, Counts> = BTreeMap::new();
    for row in &rows {
        namespaces.entry(row.key.namespace().to_owned()).or_default().add(row.state);
    }
    namespaces.entry("a".into()).or_default().done = 10;
    let satellite = |name: &str, stage, why| Satellite {
        name: name.to_owned(),
        stage,
        desired: Some("3.7".into()),
        delivered: Some("3.6".into()),
        delivered_at: Some(5),
        loaded: None,
        agents: 0,
        since: Some(6),
        why,
    };
    State {
        operator: Operator {
            leads: true,
            missing: vec!["volume: full of a/secret".into()],
            notes: vec!["removals: 5 objects, for example a/secret".into()],
        },
        satellites: Satellites::new(
            true,
            vec![
                satellite("z", Stage::Current, None),
                satellite("y", Stage::Failing, Some((Some(Reason::TLSError), "no trust".into()))),
                satellite("x", Stage::Current, None),
            ],
        ),
        objects: Objects::new(true, namespaces, rows),
    }
}

fn json(query: &Query, rights: Rights) -> serde_json::Value {
    serde_json::to_value(view(&state(), query, rights)).unwrap()
}

fn names(value: &serde_json::Value) -> Vec<&str> {
    value["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn of_namespace(name: &str) -> Query {
    Query { namespace: Some(name.into()), ..Query::default() }
}

#[test]
fn the_worst_come_first_with_their_remedies() {
    let seen = json(&Query::default(), ALL);
    assert_eq!(names(&seen["objects"]), ["one", "four", "two", "three"]);
    let first = &seen["objects"]["rows"][0];
    assert_eq!((&first["reason"], &first["state"]), (&"Invalid".into(), &"refused".into()));
    assert!(first["remedy"].as_str().unwrap().starts_with("Correct the field"));
    let counted = ["refused", "waiting", "suspended", "done", "total", "matching", "leftOut"];
    let counted = counted.map(|name| seen["objects"][name].as_u64().unwrap());
    assert_eq!(counted, [1, 2, 1, 10, 14, 4, 0]);
    assert_eq!(names(&seen["satellites"]), ["y", "x", "z"]);
    assert_eq!(
        (seen["satellites"]["failing"].as_u64(), seen["satellites"]["current"].as_u64()),
        (Some(1), Some(2))
    );
    assert!(seen["satellites"]["rows"][0]["remedy"].as_str().unwrap().contains("certificate authority"));
}

#[test]
fn whoever_may_list_one_namespace_sees_nothing_of_another() {
    let seen = json(&of_namespace("a"), ONE);
    assert_eq!(names(&seen["objects"]), ["four", "three"]);
    assert_eq!((&seen["objects"]["total"], &seen["objects"]["refused"]), (&12.into(), &0.into()));
    assert_eq!(seen["objects"]["namespaces"], serde_json::json!([]));
    assert!(seen["satellites"].is_null() && !seen.to_string().contains("secret"));
    // No namespace: the rights are those of nothing, and so is what they show.
    let seen = json(&Query::default(), ONE);
    assert_eq!((names(&seen["objects"]), &seen["objects"]["total"]), (vec![], &0.into()));
}

#[test]
fn what_may_not_be_listed_is_absent_and_not_empty() {
    let seen = json(&Query::default(), Rights { objects: Scope::Nothing, satellites: true });
    assert!(seen["objects"].is_null() && seen["satellites"]["total"] == 3);
    // The lines of /readyz name objects, too.
    assert_eq!(seen["operator"]["missing"], serde_json::json!([]));
    assert_eq!(seen["operator"]["ready"], false);
    assert_eq!(json(&Query::default(), ALL)["operator"]["missing"][0], "volume: full of a/secret");
}

#[test]
fn filters_meet_names_types_reasons_and_messages() {
    let find = |filter: &str| {
        let query = Query { filter: filter.into(), ..Query::default() };
        names(&json(&query, ALL)["objects"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(find("b/t"), ["two"]);
    assert_eq!(find("unreachable"), ["four"]);
    assert_eq!(find("zone!one"), ["one"]);
    assert_eq!(find("host").len(), 4);
    let query = Query { state: Some(Step::Waiting), ..of_namespace("b") };
    let seen = json(&query, ALL);
    assert_eq!((names(&seen["objects"]), &seen["objects"]["total"]), (vec!["two"], &2.into()));
}

#[test]
fn a_page_is_short_and_the_counts_are_whole() {
    let many = 2 * super::super::KEPT;
    let rows = (0..many).map(|n| waiting("a", &format!("n{n:05}"), Step::Waiting, Reason::Pending)).collect();
    let counts = Counts { waiting: many, done: 3, ..Counts::default() };
    let state = State {
        objects: Objects::new(true, BTreeMap::from([("a".into(), counts)]), rows),
        ..State::default()
    };
    let query = Query { page: usize::MAX, ..Query::default() };
    let seen = serde_json::to_value(view(&state, &query, ALL)).unwrap();
    let objects = &seen["objects"];
    assert_eq!(names(objects).len(), PAGE);
    assert_eq!(names(objects).last(), Some(&"n19999"));
    assert_eq!(
        (&objects["total"], &objects["leftOut"], &objects["page"]),
        (&40_003.into(), &20_000.into(), &199.into())
    );
}
