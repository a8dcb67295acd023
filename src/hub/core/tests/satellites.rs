//! From snapshots to Synced, and the order of the writes.

use super::*;

fn synced(hub: &Hub, name: &str) -> Option<(ConditionStatus, Reason)> {
    hub.condition(name, ConditionType::Synced)
}

/// Returns a fleet whose satellite delivered this revision without h0, which it cannot hold.
fn leaves_out(revision: Revision) -> Input {
    let satellite = Satellite {
        acceptance: Some(Acceptance::default()),
        acked: Some(revision),
        left_out: std::sync::Arc::new([key("h0")].into()),
        ..Satellite::default()
    };
    let satellites = BTreeMap::from([("edge-0".to_owned(), satellite)]);
    Input::FleetChanged(Fleet { listed: true, satellites })
}

#[test]
fn synced_is_written_only_after_every_satellite_delivered_it() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    let earlier = Revision { counter: revision.counter - 1, ..revision };
    hub.pass(MINUTE);
    assert_eq!(synced(&hub, "h0"), not_ready(Reason::Pending), "the satellites are not known");
    hub.fleet(&[None, Some(revision)]);
    hub.fleet(&[Some(earlier), Some(revision)]);
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
    hub.fleet(&[Some(revision), Some(revision)]);
    assert_eq!(hub.kind_of("h0"), Kind::Synced);
    hub.answer("h0");
    assert_eq!(synced(&hub, "h0"), Some((ConditionStatus::True, Reason::AllSatellites)));
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty(), "one write for Synced");
}

#[test]
fn where_no_satellite_should_hold_it_ready_carries_synced() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.fleet(&[]);
    hub.list();
    hub.commit();
    hub.answer("h0");
    assert_eq!(synced(&hub, "h0"), Some((ConditionStatus::True, Reason::NoSatellites)));
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
}

#[test]
fn an_object_that_a_satellite_leaves_out_says_so_and_is_synced_later() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.tell(leaves_out(revision));
    hub.answer("h0");
    assert_eq!(synced(&hub, "h0"), not_ready(Reason::Rejected));
    hub.fleet(&[Some(revision)]);
    hub.settle();
    assert_eq!(synced(&hub, "h0"), Some((ConditionStatus::True, Reason::AllSatellites)));
}

/// Returns a fleet whose satellite delivered this revision, and whose agent refused these objects
/// as of `of`.
fn refuses(acked: Revision, of: Revision, names: &[(&str, &str)]) -> Input {
    let rejection = |message: &str| crate::satellite::Rejection {
        agent: "one".into(),
        message: message.into(),
        revision: of,
    };
    let rejected = names.iter().map(|(name, message)| (key(name), rejection(message))).collect();
    let satellite = Satellite {
        acceptance: Some(Acceptance::default()),
        acked: Some(acked),
        rejected: std::sync::Arc::new(rejected),
        ..Satellite::default()
    };
    Input::FleetChanged(Fleet { listed: true, satellites: [("edge-0".to_owned(), satellite)].into() })
}

#[test]
fn exactly_the_objects_that_an_icinga_refused_say_so_and_heal() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN), ("h2", PLAIN)]);
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    hub.settle();
    assert!(["h0", "h1", "h2"].iter().all(|name| synced(&hub, name).unwrap().0 == ConditionStatus::True));
    hub.tell(refuses(revision, revision, &[("h1", "no such command")]));
    assert_eq!(hub.written(), ["h1"], "it was Synced before");
    hub.settle();
    assert_eq!(synced(&hub, "h1"), not_ready(Reason::Rejected));
    let stalled = hub.condition("h1", ConditionType::Stalled);
    assert_eq!(stalled, Some((ConditionStatus::True, Reason::Rejected)));
    // The same once more is no news, other words are.
    hub.tell(refuses(revision, revision, &[("h1", "no such command")]));
    assert!(hub.writes.is_empty());
    hub.tell(refuses(revision, revision, &[("h1", "no such user"), ("h2", "no such user")]));
    let mut written = hub.written();
    written.sort();
    assert_eq!(written, ["h1", "h2"]);
    hub.settle();
    hub.tell(refuses(revision, revision, &[("h2", "no such user")]));
    assert_eq!(hub.written(), ["h1"]);
    hub.settle();
    assert_eq!(synced(&hub, "h1"), Some((ConditionStatus::True, Reason::AllSatellites)));
}

#[test]
fn a_refused_object_that_was_changed_waits_for_the_next_word() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let before = hub.revision();
    hub.tell(refuses(before, before, &[("h0", "no such command")]));
    hub.settle();
    hub.change("h0", OTHER);
    hub.commit();
    hub.settle();
    assert!(hub.revision() > before);
    assert_eq!(synced(&hub, "h0"), not_ready(Reason::Pending), "the word is about the old content");
    hub.tell(refuses(hub.revision(), before, &[]));
    hub.settle();
    assert_eq!(synced(&hub, "h0"), Some((ConditionStatus::True, Reason::AllSatellites)));
}

/// Somebody wrote a term that no operator can have had: no later term rises above it.
#[test]
fn a_recorded_revision_of_a_higher_term_keeps_nobody_from_synced() {
    let mut hub = Hub::on(HubApi::default(), ModelDisk::default(), None, 900_000);
    hub.apply("h0", PLAIN);
    hub.list();
    hub.settle();
    hub.tell(leaves_out(hub.revision()));
    hub.settle();
    hub.disk.kill();
    let mut hub = Hub::on(hub.api, hub.disk, None, 3);
    hub.list();
    hub.settle();
    hub.fleet(&[Some(hub.revision())]);
    assert_eq!((hub.revision().term, hub.written()), (3, vec!["h0".to_owned()]));
    assert_eq!(hub.kind_of("h0"), Kind::Synced);
}

#[test]
fn after_a_restart_the_recorded_revision_stays_true() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.tell(leaves_out(revision));
    hub.answer("h0");
    let mut hub = hub.restarted();
    hub.list();
    assert!(hub.revision() > revision);
    // What the satellite delivered before the restart counts.
    hub.fleet(&[Some(revision)]);
    assert_eq!(hub.kind_of("h0"), Kind::Synced);
}

#[test]
fn synced_writes_go_after_ready_writes_and_one_at_a_time_while_those_come() {
    let old: Vec<_> = (0..3).map(|number| format!("h0{number}")).collect();
    let objects: Vec<_> = old.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let mut hub = Hub::with(&objects);
    let new: Vec<_> = (0..WRITES + 1).map(|number| format!("n{number:02}")).collect();
    new.iter().for_each(|name| hub.apply(name, PLAIN));
    hub.watch();
    hub.commit();
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    assert!(hub.writes.iter().all(|write| write.kind() == Kind::Ready));
    hub.answer("n00");
    assert_eq!((hub.kind_of("n16"), hub.writes.len()), (Kind::Ready, WRITES), "a Ready has the free place");
    hub.answer("n01");
    let synced = |hub: &Hub| hub.writes.iter().filter(|write| write.kind() == Kind::Synced).count();
    hub.answer("n02");
    assert_eq!(synced(&hub), 1, "another Ready is expected");
    hub.pass(40 * MILLISECOND);
    assert_eq!(synced(&hub), 1);
    let wake = hub.core.next_wake();
    assert!(wake <= hub.elapsed + 10 * MILLISECOND, "{wake:?} after {:?}", hub.elapsed);
    hub.pass(10 * MILLISECOND);
    assert_eq!(synced(&hub), 2, "both free places");
    hub.settle();
    assert!(old.iter().all(|name| self::synced(&hub, name).unwrap().0 == ConditionStatus::True));
}

#[test]
fn a_new_generation_is_not_synced_by_the_snapshot_of_the_one_before() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let before = hub.revision();
    hub.change("h0", OTHER);
    hub.commit();
    hub.answer("h0");
    assert!(hub.revision() > before);
    hub.fleet(&[Some(before)]);
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty() && synced(&hub, "h0") == not_ready(Reason::Pending));
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    assert_eq!(hub.kind_of("h0"), Kind::Synced);
}

/// The same bytes come back after a snapshot without them: who has that snapshot lacks them.
#[test]
fn what_left_the_set_is_not_synced_by_the_snapshot_that_held_it_before() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP), ("h1", PLAIN), ("h2", PLAIN), ("h3", PLAIN)]);
    hub.fleet(&[Some(hub.revision())]);
    hub.settle();
    hub.delete("g0");
    hub.commit();
    // Nobody can say that it is not published any more.
    hub.answer_with("h0", Error::Unknown("no answer".into()));
    assert_eq!(hub.delivered("h0"), None);
    hub.fleet(&[Some(hub.revision())]);
    hub.apply("g0", PLAIN);
    hub.settle();
    assert!(hub.delivered("h0").is_some() && hub.ready("h0") == READY);
    let synced = hub.condition("h0", ConditionType::Synced).map(|(status, _)| status);
    assert_eq!(synced, Some(ConditionStatus::False), "the satellite has the snapshot without it");
    hub.fleet(&[Some(hub.revision())]);
    hub.settle();
    let synced = hub.condition("h0", ConditionType::Synced).map(|(status, _)| status);
    assert_eq!(synced, Some(ConditionStatus::True));
}
