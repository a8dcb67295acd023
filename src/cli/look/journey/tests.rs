use super::*;
use kube::api::DynamicObject;
use serde_json::json;

fn dynamic(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

/// An object of namespace `team-a`, whose set is not known yet.
fn object(status: Value) -> DynamicObject {
    dynamic(json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "name": "web", "namespace": "team-a", "generation": 3 },
        "spec": {}, "status": status,
    }))
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "observedGeneration": 3, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z" })
}

fn published(more: Value) -> DynamicObject {
    let mut status = json!({
        "observedGeneration": 3, "path": "objects.d/team-a/web.conf", "publishedDigest": "sha256:ab",
        "conditions": [condition("Ready", "True", "Published", "")],
    });
    for (key, value) in more.as_object().unwrap() {
        status[key] = value.clone();
    }
    object(status)
}

fn satellite(name: &str, spec: Value, status: Value) -> DynamicObject {
    dynamic(json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
        "metadata": { "name": name, "generation": 1 }, "spec": spec, "status": status,
    }))
}

fn journey(object: &DynamicObject, satellites: &[DynamicObject]) -> Journey {
    let all: Vec<_> = satellites.iter().map(Observed).collect();
    Journey::of(Observed(object), &all, None)
}

#[test]
fn an_object_that_nobody_looked_at_stops_before_the_hub() {
    let mut old = object(json!({ "observedGeneration": 2,
        "conditions": [condition("Ready", "True", "Published", "")] }));
    for status in [json!(null), old.data["status"].take()] {
        let journey = journey(&object(status), &[]);
        assert!(!journey.has_arrived());
        assert!(journey.stop().unwrap().contains("has not decided about generation 3"), "{journey:?}");
    }
}

#[test]
fn a_refused_object_stops_with_its_reason() {
    let refused = object(json!({ "observedGeneration": 3,
        "conditions": [condition("Ready", "False", "Invalid", "spec.host.address: is empty; set it")] }));
    let journey = journey(&refused, &[]);
    assert_eq!(journey.stop().unwrap(), "published: Invalid: spec.host.address: is empty; set it");
    assert!(!journey.has_arrived());
}

#[test]
fn a_satellite_has_the_object_from_its_revision_on() {
    let object = published(json!({ "revision": "7.42" }));
    let at = |name: &str, acked: &str| {
        let status = json!({ "acked": { "revision": acked, "digest": "d", "time": "t" },
            "conditions": [condition("Ready", "False", "Unreachable", "no answer within 10 s")] });
        satellite(name, json!({}), status)
    };
    let journey = journey(&object, &[at("edge-a", "7.42"), at("edge-b", "7.41"), at("edge-c", "8.1")]);
    let delivered: Vec<_> = journey.satellites.iter().map(|leg| leg.delivered).collect();
    assert_eq!(delivered, [Taken::Yes, Taken::No, Taken::Yes]);
    assert_eq!(journey.stop().unwrap(), "edge-b: Unreachable: no answer within 10 s");
    assert!(!journey.has_arrived());
}

#[test]
fn a_satellite_that_is_pending_lacks_it_and_another_is_known_only_if_all_are_named() {
    let there =
        |name: &str| satellite(name, json!({}), json!({ "acked": { "revision": "7.1", "digest": "d" } }));
    let delivered = |count: u32| {
        let object = published(json!({ "pendingSatellites": { "count": count, "names": ["edge-b"] } }));
        let journey = journey(&object, &[there("edge-a"), there("edge-b")]);
        journey.satellites.iter().map(|leg| leg.delivered).collect::<Vec<_>>()
    };
    assert_eq!(delivered(1), [Taken::Yes, Taken::No]);
    assert_eq!(delivered(2), [Taken::Unknown, Taken::No]);
}

#[test]
fn delivered_is_not_loaded() {
    let object = published(json!({ "revision": "7.42" }));
    let with = |loaded: Value| {
        let mut status = json!({ "acked": { "revision": "7.50", "digest": "d" }, "agents": [{ "name": "a" }],
            "conditions": [condition("Loaded", "False", "Rejected", "Icinga refuses the set")] });
        if !loaded.is_null() {
            status["loaded"] = json!({ "revision": loaded, "digest": "d" });
        }
        journey(&object, &[satellite("edge-a", json!({}), status)])
    };
    let old = with(json!("7.41"));
    assert!(old.satellites[0].delivered == Taken::Yes && !old.has_arrived());
    assert_eq!(old.stop().unwrap(), "edge-a: Rejected: Icinga refuses the set");
    assert!(!with(Value::Null).has_arrived());
    let new = with(json!("7.42"));
    assert!(new.has_arrived() && new.has_agents() && new.stop().is_none());
}

#[test]
fn a_satellite_that_does_not_take_the_object_is_not_waited_for() {
    let object = published(json!({ "revision": "7.42" }));
    let spec = |namespaces: Value| satellite("edge-a", json!({ "namespaces": namespaces }), json!(null));
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    for (namespaces, takes) in [
        (json!({ "from": "List", "names": ["team-b"] }), false),
        (json!({ "from": "List", "names": ["team-a"] }), true),
        (json!({ "from": "Selector", "selector": { "team": "b" } }), false),
        (json!({ "from": "Selector", "selector": { "team": "a" } }), true),
        (json!({ "from": "All" }), true),
    ] {
        let satellite = spec(namespaces.clone());
        let journey = Journey::of(Observed(&object), &[Observed(&satellite)], Some(&labels));
        assert_eq!(journey.satellites[0].delivered != Taken::NotAsked, takes, "{namespaces}");
        assert_eq!(journey.has_arrived(), !takes, "{namespaces}");
    }
}

#[test]
fn a_suspended_or_optional_satellite_is_shown_and_not_waited_for() {
    let object = published(json!({ "revision": "7.42" }));
    let away = json!({ "acked": { "revision": "7.1", "digest": "d" }, "agents": [{ "name": "a" }] });
    for (spec, is_waited_for) in
        [(json!({ "suspend": true }), false), (json!({ "syncPolicy": "Optional" }), false), (json!({}), true)]
    {
        let journey = journey(&object, &[satellite("edge-a", spec.clone(), away.clone())]);
        assert_eq!(journey.satellites[0].delivered, Taken::No, "{spec}");
        assert_eq!(journey.has_arrived(), !is_waited_for, "{spec}");
        assert_eq!(journey.stop().is_some(), is_waited_for, "{spec}");
        assert_eq!(journey.has_agents(), is_waited_for, "{spec}");
    }
}

#[test]
fn an_unknown_satellite_is_a_place_to_stop() {
    let object = published(json!({}));
    let journey = journey(&object, &[satellite("edge-a", json!({}), json!(null))]);
    assert!(!journey.has_arrived() && journey.stop().is_some());
}

#[test]
fn waiting_is_in_vain_for_a_refused_object_and_not_for_a_satellite_that_fails() {
    let stalled = |generation: i64, reason: &str| {
        object(json!({ "observedGeneration": generation,
            "conditions": [condition("Stalled", "True", reason, "text")] }))
    };
    let is = |object: &DynamicObject| hopeless(Observed(object));
    assert_eq!(is(&stalled(3, "Invalid")).as_deref(), Some("Invalid: text"));
    assert!(is(&stalled(3, "Rejected")).is_some());
    assert!(is(&stalled(3, "SatelliteUnreachable")).is_none());
    assert!(is(&stalled(3, "SatelliteFailing")).is_none());
    assert!(is(&stalled(2, "Invalid")).is_none(), "of an earlier generation");
}

#[test]
fn the_hubs_own_icinga_is_a_step_if_its_agent_is_followed() {
    let with = |status: &str, reason: &str, message: &str| {
        let conditions = json!([
            condition("Ready", "True", "Published", ""),
            condition("Synced", "True", "NoSatellites", ""),
            condition("Loaded", status, reason, message),
        ]);
        published(json!({ "revision": "1.2", "conditions": conditions }))
    };
    let loaded = journey(&with("True", "Loaded", ""), &[]);
    assert!(loaded.has_arrived() && loaded.has_agents(), "{loaded:?}");
    let refused = journey(&with("False", "Rejected", "no such command"), &[]);
    assert!(!refused.has_arrived());
    assert_eq!(refused.stop().unwrap(), "loaded on the hub: Rejected: no such command");
    assert!(!journey(&with("Unknown", "AwaitingAgent", "silent"), &[]).has_arrived());
    let without = journey(&published(json!({ "revision": "1.2" })), &[]);
    assert!(without.has_arrived() && !without.has_agents());
}
