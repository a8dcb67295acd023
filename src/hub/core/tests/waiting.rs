//! Statuses of objects that wait: true, few writes, and an end.

use super::*;
use crate::hub::core::graces::GRACE;
use crate::hub::core::refresh::RATE;

const WELL: Health = Health::Well;
const SILENT: Health = Health::Failing { reason: Reason::Unreachable, is_overdue: false };
const OVERDUE: Health = Health::Failing { reason: Reason::Unreachable, is_overdue: true };
const FORBIDDEN: Health = Health::Failing { reason: Reason::Forbidden, is_overdue: false };

/// A satellite that delivered this revision, in this process.
fn edge(acked: Option<Revision>, health: Health) -> Satellite {
    let acceptance = Some(Acceptance::default());
    Satellite { acceptance, acked, held_before: acked, health, ..Satellite::default() }
}

impl Hub {
    fn edges(&mut self, satellites: &[Satellite]) {
        let names = (0..).map(|number| format!("edge-{number}"));
        let satellites = names.zip(satellites.iter().cloned()).collect();
        self.tell(Input::FleetChanged(Fleet { listed: true, satellites }));
    }

    /// Time goes by, second by second, and every write is answered.
    fn live(&mut self, seconds: u64) {
        for _ in 0..seconds * 20 {
            self.watch();
            self.answer_all();
            self.pass(50 * MILLISECOND);
        }
        self.answer_all();
    }

    fn message(&self, name: &str, kind: ConditionType) -> String {
        let status = self.api.objects[&key(name)].status.as_ref().unwrap();
        status.conditions.iter().find(|condition| condition.r#type == kind).unwrap().message.clone()
    }

    fn synced(&self, name: &str) -> String {
        self.message(name, ConditionType::Synced)
    }

    /// Returns whether the object waits, and whether a person must act.
    fn waits(&self, name: &str) -> (bool, bool) {
        let is = |kind| self.condition(name, kind).unwrap().0 == ConditionStatus::True;
        (is(ConditionType::Reconciling), is(ConditionType::Stalled))
    }

    fn status_writes(&self) -> u64 {
        self.api.status_writes
    }
}

#[test]
fn who_has_it_is_not_named_and_who_lacks_it_is_with_the_cause() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.edges(&[edge(None, WELL), edge(None, SILENT)]);
    hub.live(1);
    hub.edges(&[edge(Some(revision), WELL), edge(None, SILENT)]);
    hub.live(12);
    let words = "1 of 2 satellites have acknowledged; waiting for edge-1 (Unreachable)";
    assert!(hub.synced("h0").starts_with(words), "{}", hub.synced("h0"));
    assert!(hub.message("h0", ConditionType::Reconciling).starts_with(words));
    assert_eq!(hub.condition("h0", ConditionType::Synced), not_ready(Reason::SatelliteUnreachable));
    let writes = hub.status_writes();
    hub.live(60);
    assert_eq!(hub.status_writes(), writes, "nothing changed");
    hub.edges(&[edge(Some(revision), WELL), edge(None, FORBIDDEN)]);
    hub.live(45);
    assert!(hub.synced("h0").contains("edge-1 (Forbidden)"), "{}", hub.synced("h0"));
    hub.edges(&[edge(Some(revision), WELL), edge(Some(revision), WELL)]);
    hub.live(1);
    assert_eq!(hub.condition("h0", ConditionType::Synced).unwrap().0, ConditionStatus::True);
}

#[test]
fn a_failure_of_a_moment_and_a_delivery_that_is_under_way_cost_no_write() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.edges(&[edge(None, WELL), edge(None, WELL)]);
    hub.live(2);
    let writes = hub.status_writes();
    hub.edges(&[edge(Some(revision), WELL), edge(None, SILENT)]);
    hub.live(2);
    hub.edges(&[edge(Some(revision), WELL), edge(None, WELL)]);
    hub.live(3);
    hub.edges(&[edge(Some(revision), WELL), edge(Some(revision), WELL)]);
    hub.live(60);
    assert_eq!(hub.status_writes() - writes, 1, "Synced");
}

#[test]
fn an_outage_with_many_waiting_objects_has_few_writes_a_second_and_one_for_each_object() {
    let names: Vec<_> = (0..1_000).map(|number| format!("h{number:04}")).collect();
    let objects: Vec<_> = names.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let mut hub = Hub::with(&objects);
    let revision = hub.revision();
    hub.edges(&[edge(None, WELL), edge(None, WELL), edge(None, SILENT)]);
    hub.live(1);
    let before = hub.status_writes();
    hub.edges(&[edge(Some(revision), WELL), edge(Some(revision), WELL), edge(None, SILENT)]);
    let mut seconds = Vec::new();
    for _ in 0..60 {
        let at = hub.status_writes();
        hub.live(1);
        seconds.push(hub.status_writes() - at);
    }
    let most: u64 = seconds.windows(10).map(|ten| ten.iter().sum()).max().unwrap();
    assert_eq!(hub.status_writes() - before, 1_000, "one for each");
    assert!(most <= 10 * u64::from(RATE) + 100, "{most} in ten seconds");
    assert!(names.iter().all(|name| hub.synced(name).contains("waiting for edge-2 (Unreachable)")));
    // What moves elsewhere concerns them not.
    let writes = hub.status_writes();
    for counter in 1..=30 {
        let next = Revision { counter: revision.counter + counter, ..revision };
        hub.edges(&[edge(Some(next), WELL), edge(Some(next), WELL), edge(None, SILENT)]);
        hub.live(1);
    }
    assert_eq!(hub.status_writes(), writes);
}

#[test]
fn a_change_that_concerns_many_leaves_the_first_word_to_ready_and_synced() {
    let names: Vec<_> = (0..300).map(|number| format!("h{number:04}")).collect();
    let objects: Vec<_> = names.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let mut hub = Hub::with(&objects);
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL), edge(None, SILENT)]);
    hub.live(8);
    hub.change("new", PLAIN);
    hub.commit();
    assert!(hub.written().contains(&"new".to_owned()), "it waits for no rewrite: {:?}", hub.written());
}

#[test]
fn what_is_not_told_again_is_not_taken_back_after_a_restart() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL), edge(Some(revision), WELL)]);
    hub.settle();
    hub.change("h1", OTHER);
    hub.commit();
    hub.answer("h1");
    let newer = hub.revision();
    hub.edges(&[edge(Some(newer), WELL), edge(Some(revision), SILENT)]);
    hub.live(30);
    assert!(hub.synced("h1").contains("waiting for edge-1 (Unreachable)"), "{}", hub.synced("h1"));
    let mut hub = hub.restarted();
    let writes = hub.status_writes();
    let before =
        |held: Revision, health| Satellite { acked: None, held_before: Some(held), ..edge(None, health) };
    hub.edges(&[before(newer, Health::Unknown), before(revision, Health::Unknown)]);
    hub.list();
    hub.live(30);
    hub.edges(&[edge(Some(newer), WELL), before(revision, Health::Unknown)]);
    hub.live(30);
    hub.edges(&[edge(Some(newer), WELL), before(revision, SILENT)]);
    hub.live(60);
    assert_eq!(hub.status_writes(), writes, "the silent one had h0, and h1 says that it lacks it");
}

#[test]
fn a_satellite_that_joins_is_named_only_if_it_fails() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL)]);
    hub.settle();
    let writes = hub.status_writes();
    hub.edges(&[edge(Some(revision), WELL), edge(None, WELL)]);
    hub.live(60);
    assert_eq!(hub.status_writes(), writes, "it gets everything in a moment");
    hub.edges(&[edge(Some(revision), WELL), edge(None, SILENT)]);
    hub.live(20);
    assert_eq!(hub.condition("h0", ConditionType::Synced), not_ready(Reason::SatelliteUnreachable));
    hub.edges(&[edge(Some(revision), WELL)]);
    hub.live(1);
    assert_eq!(
        hub.condition("h0", ConditionType::Synced).unwrap().0,
        ConditionStatus::True,
        "it was removed"
    );
}

#[test]
fn a_suspended_or_optional_satellite_is_not_waited_for_and_named() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL), edge(None, SILENT)]);
    hub.live(20);
    let exempt = |exempt, health| Satellite { exempt: Some(exempt), ..edge(None, health) };
    hub.edges(&[edge(Some(revision), WELL), exempt(Exempt::Suspended, WELL)]);
    hub.live(1);
    assert_eq!(hub.condition("h0", ConditionType::Synced).unwrap().0, ConditionStatus::True);
    assert!(hub.synced("h0").ends_with("not waiting for edge-1 (Suspended)"), "{}", hub.synced("h0"));
    assert_eq!(hub.waits("h0"), (false, false));
    // It has the object now: it is not named any more.
    hub.edges(&[edge(Some(revision), WELL), edge(Some(revision), WELL)]);
    hub.live(10);
    assert!(!hub.synced("h0").contains("edge-1"), "{}", hub.synced("h0"));
    let optional = [edge(Some(revision), WELL), exempt(Exempt::Optional, SILENT)];
    hub.edges(&optional);
    hub.live(20);
    assert!(hub.synced("h0").ends_with("not waiting for edge-1 (Unreachable)"), "{}", hub.synced("h0"));
    let writes = hub.status_writes();
    hub.live(60);
    assert_eq!(hub.status_writes(), writes);
}

#[test]
fn a_wait_for_what_does_not_answer_ends_and_heals() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL), edge(None, SILENT)]);
    hub.live(20);
    assert_eq!(hub.waits("h0"), (true, false));
    hub.edges(&[edge(Some(revision), WELL), edge(None, OVERDUE)]);
    hub.live(10);
    assert_eq!(hub.waits("h0"), (false, true));
    assert_eq!(hub.condition("h0", ConditionType::Stalled).unwrap().1, Reason::SatelliteUnreachable);
    // An object that is applied now says so in its first status.
    hub.change("h1", PLAIN);
    hub.commit();
    hub.answer("h1");
    hub.edges(&[edge(Some(hub.revision()), WELL), edge(None, OVERDUE)]);
    hub.live(10);
    assert_eq!(hub.waits("h1"), (false, true));
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL), edge(Some(revision), WELL)]);
    hub.live(1);
    assert_eq!((hub.waits("h0"), hub.waits("h1")), ((false, false), (false, false)));
}

#[test]
fn what_an_object_names_may_come_for_a_while() {
    let mut hub = Hub::committed(&[("h0", IN_GROUP), ("h1", PLAIN)]);
    hub.answer_all();
    assert_eq!(hub.ready("h0"), not_ready(Reason::UnresolvedReference));
    assert_eq!(hub.waits("h0"), (true, false));
    let wake = hub.core.next_wake();
    assert!(wake <= hub.elapsed + GRACE);
    hub.pass(GRACE + SECOND);
    hub.answer_all();
    assert_eq!(hub.waits("h0"), (false, true), "a person must act");
    hub.change("g0", PLAIN);
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.waits("h0").1), (READY, false));
}

#[test]
fn a_service_that_comes_before_its_host_is_never_stalled() {
    let mut hub = Hub::new();
    hub.list();
    hub.change("h0", IN_GROUP);
    hub.live(5);
    hub.change("g0", PLAIN);
    hub.live(1);
    while !hub.commits.is_empty() {
        hub.commit();
        hub.live(1);
    }
    let stalled = |status: &crate::api::MonitoringObjectStatus| {
        status
            .conditions
            .iter()
            .any(|c| c.r#type == ConditionType::Stalled && c.status == ConditionStatus::True)
    };
    assert_eq!(hub.ready("h0"), READY);
    let statuses = hub.api.log.iter().filter_map(|logged| match logged {
        crate::simulation::hub_api::Logged::Put(stored) => stored.status.clone(),
        crate::simulation::hub_api::Logged::Deleted(_) => None,
    });
    assert!(!statuses.into_iter().any(|status| stalled(&status)));
}

#[test]
fn a_restart_ends_a_grace_and_never_begins_it_again() {
    let mut hub = Hub::committed(&[("h0", IN_GROUP), ("h1", PLAIN)]);
    hub.answer_all();
    assert_eq!(hub.waits("h0"), (true, false));
    let mut hub = hub.restarted();
    hub.list();
    hub.settle();
    assert_eq!(hub.waits("h0"), (false, true));
    let writes = hub.status_writes();
    let mut hub = hub.restarted();
    hub.list();
    hub.live(60);
    assert_eq!(
        (hub.status_writes(), hub.waits("h0")),
        (writes, (false, true)),
        "the next one changes nothing"
    );
}

#[test]
fn a_status_of_an_earlier_version_gets_the_new_fields_slowly() {
    let names: Vec<_> = (0..200).map(|number| format!("h{number:04}")).collect();
    let objects: Vec<_> = names.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let mut hub = Hub::with(&objects);
    let revision = hub.revision();
    hub.edges(&[edge(Some(revision), WELL)]);
    hub.settle();
    for name in &names {
        let mut status = hub.api.objects[&key(name)].status.clone().unwrap();
        (status.r#type, status.reason, status.satellites) = (None, None, None);
        hub.api.edit_status(&key(name), Some(status));
    }
    let mut hub = hub.restarted();
    hub.list();
    hub.edges(&[edge(Some(revision), WELL)]);
    let writes = hub.status_writes();
    hub.live(1);
    assert!(hub.status_writes() - writes <= u64::from(RATE) + 100);
    hub.live(20);
    assert_eq!(hub.status_writes() - writes, 200);
    let status = hub.api.objects[&key("h0000")].status.clone().unwrap();
    assert_eq!((status.r#type.as_deref(), status.satellites.as_deref()), (Some("Host"), Some("1/1")));
}
