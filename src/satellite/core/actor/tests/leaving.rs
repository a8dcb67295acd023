//! The end of a satellite: finalizer and cleanup.

use super::*;

#[test]
fn a_deleted_resource_is_kept_until_the_satellite_is_clean() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.actor.configured(config(json!({}), deleted()));
    assert!(stage.step(Woken::Time).is_none());
    assert_eq!(stage.said[stage.said.len() - 2..], ["cleanup", "release"], "{:?}", stage.said);
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::StopFollowing)));
    // Without the finalizer, or where the ConfigMaps stay, nothing is asked of the satellite.
    let mut metadata = deleted();
    metadata["finalizers"] = json!([]);
    let mut stage = Stage::of(config(json!({}), metadata));
    assert!(stage.step(Woken::Time).is_none() && stage.said.is_empty());
    let mut stage = Stage::of(config(json!({ "deletion": { "cleanup": "Orphan" } }), deleted()));
    assert!(stage.step(Woken::Time).is_none());
    assert_eq!(stage.said, ["release"]);
}

#[test]
fn the_finalizer_is_there_if_the_configmaps_are_to_be_deleted_and_only_then() {
    let mut stage = Stage::of(config(json!({ "deletion": { "cleanup": "Orphan" } }), kept()));
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said[0], "finalizer false");
    let mut stage = Stage::of(config(json!({}), json!({})));
    stage.fail("finalizer", Problem::transient(Reason::Pending, "409"));
    let wait = stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said, ["finalizer true"], "nothing is delivered that nobody would delete");
    assert!(wait.pause <= Duration::from_millis(250));
}

#[test]
fn a_cleanup_has_its_time_and_not_a_moment_more() {
    let spec = || json!({ "deletion": { "timeout": "20s" } });
    let mut stage = Stage::of(config(spec(), deleted()));
    stage.random = 1.0;
    let began = stage.now;
    let mut waits = Vec::new();
    loop {
        stage.fail("cleanup", silent());
        let Some(wait) = stage.step(Woken::Time) else { break };
        waits.push(wait.pause);
        stage.now += wait.pause;
    }
    assert!(waits.len() > 4, "{waits:?}");
    assert_eq!(stage.said.last().unwrap(), "release with a warning");
    let took = stage.now - began;
    assert!(took >= s(20) && took < s(21), "{took:?}");
    // One that hangs: the driver stops it at the deadline.
    let mut stage = Stage::of(config(spec(), deleted()));
    let began = stage.now;
    let moment = Moment { now: began, unix: UNIX, random: 0.5, is_leader: true };
    let task = stage.actor.step(Input::Woken(Woken::Time), &moment, &stage.facts);
    assert!(matches!(task, Task::ReadSecret));
    assert_eq!(stage.actor.deadline(), Some(began + s(20)));
    let moment = Moment { now: began + s(20), ..moment };
    let task = stage.actor.step(Input::OutOfTime, &moment, &stage.facts);
    let Task::Release(Some((Reason::CleanupSkipped, note))) = task else { panic!("{task:?}") };
    assert!(note.contains("groundlink.dev/hub=hub-1") && note.contains("(20 s)"), "{note}");
    assert_eq!(stage.actor.deadline(), None, "the finalizer is removed however long that takes");
}

#[test]
fn a_suspended_satellite_is_not_cleaned_up() {
    let mut stage = Stage::of(config(json!({ "suspend": true }), deleted()));
    assert!(stage.step(Woken::Time).is_none());
    assert_eq!(stage.said, ["release with a warning"]);
}
