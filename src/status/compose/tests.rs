use super::*;
use crate::api::{ConditionType, IcingaType, Kind};
use crate::identity::ObjectKey;
use crate::ownership::Claim;
use crate::publish::InPlace;
use crate::render::read_back;

#[test]
fn every_condition_type_of_an_object_is_composed() {
    let is_of_object = |kind: &ConditionType| kind.kinds().contains(&Kind::MonitoringObject);
    let wanted: Vec<_> = ConditionType::ALL.iter().copied().filter(is_of_object).collect();
    let mut composed = [&TYPES[..], &[ConditionType::ValuesTaken]].concat();
    composed.sort();
    assert_eq!(composed, wanted);
}

fn facts<'a>(key: &'a ObjectKey, state: State<'a>) -> Facts<'a> {
    static CLAIM: std::sync::LazyLock<Claim> = std::sync::LazyLock::new(Claim::default);
    let (claim, kind) = (&CLAIM, Some(IcingaType::Host));
    Facts { key, generation: 3, kind, revision: None, claim, state, loaded: None, values: None }
}

fn lacks(satellite: &str, reason: Reason) -> Lacking {
    Lacking { satellite: satellite.into(), reason, is_overdue: false }
}

fn pending(expected: usize, lacking: Vec<Lacking>) -> Sync {
    Sync::Pending { expected, lacking, without: Vec::new(), is_known: true, is_sure: true }
}

fn all(expected: usize) -> Sync {
    Sync::All { expected, without: Vec::new() }
}

fn published(sync: Sync) -> MonitoringObjectStatus {
    let key = ObjectKey::new("a", "b");
    compose(&facts(&key, State::Published { in_place: &in_place(), sync }), &Recorded::default(), 100)
}

fn of(status: &MonitoringObjectStatus, kind: ConditionType) -> Condition {
    status.conditions.iter().find(|c| c.r#type == kind).unwrap().clone()
}

fn in_place() -> InPlace {
    let text = b"// file\n// groundlink: {}\n".to_vec();
    InPlace::forged(&std::sync::Arc::new(read_back(&ObjectKey::new("a", "b"), text).unwrap()))
}

#[test]
fn a_waiter_never_sees_done_before_it_is() {
    let key = ObjectKey::new("a", "b");
    let pending = pending(2, vec![lacks("edge-a", Reason::Pending)]);
    let status = compose(
        &facts(&key, State::Published { in_place: &in_place(), sync: pending }),
        &Recorded::default(),
        100,
    );
    let condition = |kind| status.conditions.iter().find(|c| c.r#type == kind).unwrap();
    assert_eq!(condition(ConditionType::Ready).status, ConditionStatus::True);
    assert_eq!(condition(ConditionType::Reconciling).status, ConditionStatus::True);
    assert_eq!(condition(ConditionType::Synced).status, ConditionStatus::False);
    assert!(
        condition(ConditionType::Synced).message.contains("1 of 2") && status.pending_satellites.is_some()
    );
    assert!(status.conditions.iter().all(|c| c.observed_generation == Some(3)));
}

#[test]
fn forty_satellites_that_are_away_are_counted_and_five_are_named() {
    let key = ObjectKey::new("a", "b");
    let lacking = (10..50).map(|n| lacks(&format!("edge-{n}"), Reason::Unreachable)).collect();
    let away = pending(60, lacking);
    let status = compose(
        &facts(&key, State::Published { in_place: &in_place(), sync: away }),
        &Recorded::default(),
        100,
    );
    let synced = status.conditions.iter().find(|c| c.r#type == ConditionType::Synced).unwrap();
    assert_eq!(
        (synced.status, synced.reason.known()),
        (ConditionStatus::False, Some(Reason::SatelliteUnreachable))
    );
    assert!(synced.message.contains("20 of 60"), "{}", synced.message);
    let pending = status.pending_satellites.unwrap();
    assert_eq!((pending.count, pending.names.len()), (40, 5));
}

#[test]
fn who_is_left_out_by_a_satellite_waits_for_a_person() {
    let key = ObjectKey::new("a", "b");
    let left_out = Sync::LeftOut { expected: 2, by: vec!["edge-a".into()] };
    let status = compose(
        &facts(&key, State::Published { in_place: &in_place(), sync: left_out }),
        &Recorded::default(),
        100,
    );
    let is = |kind| status.conditions.iter().find(|c| c.r#type == kind).unwrap().status;
    use ConditionType::{Ready, Reconciling, Stalled, Synced};
    assert_eq!([Ready, Stalled].map(is), [ConditionStatus::True; 2]);
    assert_eq!([Synced, Reconciling].map(is), [ConditionStatus::False; 2]);
}

#[test]
fn recorded_compares_all_but_times_and_keeps_transitions() {
    let key = ObjectKey::new("a", "b");
    let in_place = in_place();
    let facts = |state| facts(&key, state);
    let synced = facts(State::Published { in_place: &in_place, sync: all(1) });
    let first = compose(&synced, &Recorded::default(), 100);
    let recorded = Recorded::of(&first);
    assert!(recorded.says(&synced) && compose(&synced, &recorded, 999) == first);
    let message = "spec.host.notes is bad".into();
    let refused = facts(State::Refused { reason: Reason::Invalid, message, kept: Some(&in_place) });
    let changed = compose(&refused, &recorded, 999);
    assert!(!recorded.says(&refused));
    assert!(changed.conditions[0].message.contains("kept"));
    assert_ne!(changed.conditions[0].last_transition_time, first.conditions[0].last_transition_time);
}

#[test]
fn who_lacks_it_and_why_is_said_where_helm_and_flux_look() {
    let lacking = vec![lacks("edge-b", Reason::Unreachable), lacks("edge-a", Reason::Pending)];
    let status = published(pending(3, lacking.clone()));
    let words = "1 of 3 satellites have acknowledged; waiting for edge-b (Unreachable), edge-a (Pending)";
    for kind in [ConditionType::Synced, ConditionType::Reconciling] {
        let condition = of(&status, kind);
        assert!(condition.message.starts_with(words), "{condition:?}");
        assert_eq!(condition.reason, Reason::SatelliteUnreachable);
    }
    assert_eq!(
        (status.satellites.as_deref(), status.reason.as_deref()),
        (Some("1/3"), Some("SatelliteUnreachable"))
    );
    assert_eq!(status.r#type.as_deref(), Some("Host"));
    let refuses = published(pending(2, vec![lacks("edge-b", Reason::Forbidden)]));
    assert_eq!(of(&refuses, ConditionType::Synced).reason, Reason::SatelliteFailing);
}

#[test]
fn a_wait_ends_when_nobody_that_lacks_it_is_expected_soon() {
    let overdue = |name: &str| Lacking { is_overdue: true, ..lacks(name, Reason::Unreachable) };
    let conditions = |lacking| {
        let status = published(pending(3, lacking));
        [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled]
            .map(|kind| of(&status, kind).status)
    };
    use ConditionStatus::{False, True};
    assert_eq!(conditions(vec![overdue("a"), lacks("b", Reason::Pending)]), [True, True, False]);
    assert_eq!(conditions(vec![overdue("a"), overdue("b")]), [True, False, True]);
    let stalled = of(&published(pending(1, vec![overdue("a")])), ConditionType::Stalled);
    assert!(stalled.message.contains("a (Unreachable); repair them, or set spec.suspend"), "{stalled:?}");
}

#[test]
fn who_is_not_waited_for_is_named_also_when_it_is_synced() {
    let without = vec![lacks("edge-c", Reason::Suspended)];
    let status = published(Sync::All { expected: 2, without });
    let synced = of(&status, ConditionType::Synced);
    assert_eq!((synced.status, synced.reason.known()), (ConditionStatus::True, Some(Reason::AllSatellites)));
    assert!(synced.message.ends_with("; not waiting for edge-c (Suspended)"), "{synced:?}");
    assert_eq!((status.satellites.as_deref(), status.pending_satellites.unwrap().count), (Some("2/2"), 1));
}

#[test]
fn a_suspended_generation_that_is_not_published_ends_a_wait() {
    let (key, in_place) = (ObjectKey::new("a", "b"), in_place());
    let suspended = |candidate, recorded: &Recorded| {
        let state = State::Suspended { candidate, kept: Some(&in_place) };
        let status = compose(&facts(&key, state), recorded, 100);
        [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled]
            .map(|kind| of(&status, kind).status)
    };
    use ConditionStatus::{False, True};
    assert_eq!(suspended(None, &Recorded::default()), [False, False, True]);
    let recorded = Recorded { published: Some(in_place.digest()), ..Recorded::default() };
    assert_eq!(suspended(Some(in_place.digest()), &recorded), [True, False, False], "nothing is lacking");
}

#[test]
fn what_is_missing_may_come_for_a_while() {
    let key = ObjectKey::new("a", "b");
    let state = State::Unresolved { message: "not published: Host \"c\" is missing".into(), kept: None };
    let status = compose(&facts(&key, state), &Recorded::default(), 100);
    let reconciling = of(&status, ConditionType::Reconciling);
    assert_eq!(
        (reconciling.status, reconciling.reason.known()),
        (ConditionStatus::True, Some(Reason::UnresolvedReference))
    );
    assert!(reconciling.message.contains("Host \"c\""), "{reconciling:?}");
    assert_eq!(of(&status, ConditionType::Stalled).status, ConditionStatus::False);
    let recorded = Recorded::of(&status);
    assert!(recorded.unresolved && !recorded.stalled && !recorded.ready);
}

#[test]
fn a_status_with_words_of_another_version_is_read() {
    let status = published(all(1));
    let mut value = serde_json::to_value(&status).unwrap();
    value["conditions"][1]["reason"] = "QuantumDecay".into();
    let more = serde_json::json!({
        "type": "Entangled", "status": "True", "reason": "Spooky", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    value["conditions"].as_array_mut().unwrap().push(more);
    let read: MonitoringObjectStatus = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), value);
    let recorded = Recorded::of(&read);
    assert!(recorded.ready && recorded.synced && recorded != Recorded::of(&status), "it is another status");
}
