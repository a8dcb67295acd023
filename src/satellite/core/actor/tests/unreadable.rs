//! A SatelliteCluster whose spec this version cannot read.

use super::*;
use crate::api::ConditionStatus::{self, False, True, Unknown};
use crate::api::ConditionType;

fn unreadable(spec: Value, metadata: Value) -> Arc<Config> {
    let object = config(spec, metadata).object.clone();
    let why = "unknown variant `Mirror`".into();
    Arc::new(Config { object, selected: Ok(Default::default()), unreadable: Some(why) })
}

fn condition(stage: &Stage, kind: ConditionType) -> (ConditionStatus, Reason, String) {
    let status = stage.actor.status(None, UNIX).unwrap();
    let found = status.conditions.into_iter().find(|condition| condition.r#type == kind).unwrap();
    (found.status, found.reason.known().unwrap(), found.message)
}

#[test]
fn nothing_is_done_for_a_spec_that_cannot_be_read_and_its_status_says_why() {
    // Also if it is deleted, or was suspended: the place and the policy of its cleanup are unknown.
    for (spec, metadata) in
        [(json!({}), kept()), (json!({}), deleted()), (json!({ "suspend": true }), kept())]
    {
        let mut stage = Stage::new(json!({})).in_sync();
        let wait = stage.step(Woken::Config(unreadable(spec, metadata))).unwrap();
        assert!(stage.said.is_empty(), "{:?}", stage.said);
        assert!(
            matches!(&stage.effects[..2], [Effect::Accepts(None, _), Effect::NotHeld]),
            "{:?}",
            stage.effects
        );
        assert!(wait.pause > s(1), "{wait:?}");
        let (ready, reason, message) = condition(&stage, ConditionType::Ready);
        assert_eq!((ready, reason), (False, Reason::Unsupported));
        assert!(message.contains("Mirror") && message.contains("run the version"), "{message}");
        assert_eq!(condition(&stage, ConditionType::Synced).0, False);
        assert_eq!(condition(&stage, ConditionType::Stalled).0, True);
        assert_eq!(condition(&stage, ConditionType::Reachable).0, Unknown);
        assert_eq!(condition(&stage, ConditionType::CredentialsValid).0, Unknown);
    }
}

#[test]
fn delivery_goes_on_when_the_spec_can_be_read_again() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.step(Woken::Config(unreadable(json!({}), kept())));
    stage.step(Woken::Config(config(json!({}), kept()))).unwrap();
    assert!(stage.said.iter().any(|word| word.starts_with("deliver")), "{:?}", stage.said);
    assert_eq!(condition(&stage, ConditionType::Synced).0, True);
}
