//! What the hub hears of a satellite that gets nothing, and which one no object waits for.

use super::*;

fn healths(stage: &Stage) -> Vec<crate::satellite::fleet::Health> {
    let health = |effect: &Effect| match effect {
        Effect::Health(health) => Some(*health),
        _ => None,
    };
    stage.effects.iter().filter_map(health).collect()
}

#[test]
fn the_hub_hears_why_a_satellite_gets_nothing_and_when_its_time_is_over() {
    let failing = |is_overdue| Health::Failing { reason: Reason::Unreachable, is_overdue };
    let mut stage = Stage::new(json!({ "syncTimeout": "1m" }));
    stage.step(Woken::Time);
    assert_eq!(healths(&stage), [Health::Well]);
    stage.set = Some(wanted(2, "two"));
    for (after, told) in [(0, vec![failing(false)]), (58, vec![]), (2, vec![failing(true)])] {
        stage.now += Duration::from_secs(after);
        stage.instead.clear();
        ["read", "deliver"].into_iter().for_each(|job| stage.fail(job, silent()));
        stage.step(Woken::Time);
        assert_eq!(healths(&stage), told, "{after} s later");
    }
    stage.instead.clear();
    stage.step(Woken::Time);
    assert_eq!(healths(&stage).last(), Some(&Health::Well));
}

#[test]
fn a_restart_ends_the_time_of_a_satellite_that_failed_before() {
    let mut metadata = config(json!({}), kept());
    let object = Arc::make_mut(&mut Arc::make_mut(&mut metadata).object);
    object.status = Some(
        serde_json::from_value(json!({ "observedGeneration": 1, "conditions": [{
            "type": "Ready", "status": "False", "reason": "Unreachable", "message": "",
            "lastTransitionTime": "2026-11-29T12:00:00Z",
        }] }))
        .unwrap(),
    );
    let mut stage = Stage::of(metadata.clone());
    stage.fail("open", silent());
    stage.step(Woken::Time);
    assert_eq!(healths(&stage), [Health::Failing { reason: Reason::Unreachable, is_overdue: true }]);
    let mut stage = Stage::of(metadata);
    stage.step(Woken::Time);
    assert_eq!(healths(&stage), [Health::Well], "it works again");
}

#[test]
fn no_object_waits_for_a_satellite_that_is_suspended_optional_or_leaves() {
    use crate::satellite::fleet::Exempt::{Optional, Suspended};
    let cases = [
        (json!({}), kept(), None),
        (json!({ "suspend": true }), kept(), Some(Suspended)),
        (json!({ "syncPolicy": "Optional" }), kept(), Some(Optional)),
        (json!({}), deleted(), Some(Optional)),
    ];
    for (spec, metadata, expected) in cases {
        let mut actor = Actor::new(config(spec, metadata), "hub-1".into());
        let effects = actor.take_effects();
        let exempt = effects.iter().find_map(|effect| match effect {
            Effect::Accepts(_, exempt) => Some(*exempt),
            _ => None,
        });
        assert_eq!(exempt, Some(expected), "{effects:?}");
    }
}
