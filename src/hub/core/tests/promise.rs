//! The promise step by step: each begins only after the answer to the one before it.

use super::*;

#[test]
fn nothing_is_written_before_the_first_complete_list() {
    let mut before = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    before.api.delete(&key("h1"));
    let mut hub = before.restarted();
    hub.apply("h0", OTHER);
    hub.apply("h2", INVALID);
    let page = hub.first_page();
    hub.tell(Input::Watched(page));
    hub.pass(MINUTE);
    assert!(hub.commits.is_empty() && hub.writes.is_empty() && hub.snapshots.is_empty());
    hub.tell(Input::Watched(vec![Event::ListComplete]));
    assert!(hub.commits.is_empty(), "before anything is removed the hub asks");
    hub.probed(INSTALLED);
    assert_eq!(keys(&hub.commits[0]), ["h0", "h1"]);
    assert!(matches!(hub.commits[0][1], Change::Remove { .. }), "no resource claims its file");
}

#[test]
fn a_list_that_broke_off_is_not_complete() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    let page = hub.first_page();
    hub.tell(Input::Watched(page));
    hub.tell(Input::Watched(vec![Event::Broken("the stream ended".into())]));
    hub.pass(10 * MINUTE);
    assert!(hub.commits.is_empty() && hub.missing(Part::MonitoringObjects).contains("the stream ended"));
}

#[test]
fn no_status_before_the_outcome_of_the_commit() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.list();
    hub.pass(MINUTE);
    assert_eq!((hub.commits.len(), hub.writes.len()), (1, 0));
    hub.commit();
    assert_eq!((hub.written(), hub.kind_of("h0")), (vec!["h0".to_owned()], Kind::Ready));
    assert_eq!(hub.on_disk("h0"), hub.wanted("h0"));
}

#[test]
fn no_snapshot_holds_an_object_before_its_ready_is_stored() {
    let mut hub = Hub::committed(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.answer("h1");
    hub.pass(MINUTE);
    assert_eq!((hub.delivered("h0"), hub.delivered("h1")), (None, hub.wanted("h1")));
    hub.answer("h0");
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
    assert_eq!(hub.ready("h0"), READY);
}

#[test]
fn a_status_of_unknown_outcome_leaves_the_previous_bytes_in_the_snapshot_and_delays_nobody() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let previous = hub.wanted("h0");
    hub.apply("h0", OTHER);
    hub.change("h1", OTHER);
    hub.commit();
    hub.answer_with("h0", Error::Unknown("no answer".into()));
    hub.answer("h1");
    assert_ne!(hub.on_disk("h0"), previous);
    assert_eq!((hub.delivered("h0"), hub.delivered("h1")), (previous, hub.wanted("h1")));
    hub.pass(MINUTE);
    hub.answer("h0");
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
}

#[test]
fn without_the_leadership_there_is_no_commit_no_status_and_no_snapshot() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.term = None;
    hub.list();
    hub.pass(MINUTE);
    assert!(hub.commits.is_empty());
    hub.leads(Some(1));
    assert_eq!(hub.commits.len(), 1);

    hub.term = None;
    hub.commit();
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
    hub.leads(Some(2));
    assert_eq!(hub.written(), ["h0"]);

    let snapshots = hub.snapshots.len();
    hub.term = None;
    hub.answer("h0");
    hub.pass(MINUTE);
    assert_eq!(hub.snapshots.len(), snapshots);
    hub.leads(Some(3));
    assert_eq!((hub.revision(), hub.delivered("h0")), (Revision { term: 3, counter: 1 }, hub.wanted("h0")));
}

#[test]
fn one_commit_and_sixteen_writes_are_under_way_at_most() {
    let mut hub = Hub::new();
    let names: Vec<_> = (0..WRITES + 4).map(|number| format!("h{number:02}")).collect();
    names.iter().for_each(|name| hub.apply(name, PLAIN));
    hub.list();
    hub.change("h99", PLAIN);
    assert_eq!(hub.commits.len(), 1, "what changes meanwhile gathers");
    hub.commit();
    assert_eq!((hub.commits.len(), keys(&hub.commits[0])), (1, vec!["h99"]));
    assert_eq!(hub.writes.len(), WRITES);
    let first = hub.written().remove(0);
    hub.answer(&first);
    assert_eq!(hub.writes.len(), WRITES);
    hub.settle();
    assert!(names.iter().all(|name| hub.ready(name) == READY));
}

#[test]
fn a_second_snapshot_waits_for_its_window() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.change("h0", OTHER);
    hub.commit();
    hub.answer("h0");
    let first = hub.revision();
    hub.change("h1", PLAIN);
    hub.commit();
    hub.answer("h1");
    assert_eq!(hub.revision(), first);
    assert!(hub.core.next_wake() <= hub.elapsed + 100 * MILLISECOND);
    hub.pass(100 * MILLISECOND);
    assert_eq!(hub.revision(), Revision { counter: first.counter + 1, ..first });
}

/// A delivery costs the more the larger the set is, and takes it from the burst that fills the set.
#[test]
fn a_burst_has_few_snapshots_and_its_last_one_follows_at_once() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.pass(MINUTE);
    let first = hub.revision().counter;
    hub.change("b0000", PLAIN);
    for number in 1..1_000 {
        // Something is always under way, also while a slow disk lets nothing be acknowledged.
        hub.commit();
        hub.pass(if number % 100 == 0 { 200 * MILLISECOND } else { 8 * MILLISECOND });
        hub.change(&format!("b{number:04}"), PLAIN);
        hub.answer(&format!("b{:04}", number - 1));
    }
    hub.commit();
    hub.answer("b0999");
    let cut = hub.revision().counter - first;
    assert!((10..=20).contains(&cut), "{cut} snapshots in 10 s");
    hub.pass(50 * MILLISECOND);
    assert!(hub.delivered("b0999").is_some(), "a burst that is over keeps its last change back");
    hub.pass(MINUTE);
    let before = hub.revision().counter;
    hub.change("h0", OTHER);
    hub.commit();
    hub.answer("h0");
    assert_eq!(hub.revision().counter, before + 1, "a change after a quiet time waits");
}

#[test]
fn before_the_first_snapshot_the_term_rises_above_every_recorded_one() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let recorded = hub.revision();
    // Its revision is written with the next status.
    hub.fleet(&[Some(recorded)]);
    hub.settle();
    let mut hub = hub.restarted();
    hub.term = Some(recorded.term);
    hub.list();
    assert_eq!(hub.raised, [recorded]);
}

/// With a term that was used already every status would be written, and again with the next.
#[test]
fn after_the_lease_was_lost_the_first_snapshot_waits_for_a_term_that_was_never_used() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.fleet(&[Some(hub.revision())]);
    hub.settle();
    let used = hub.api.objects[&key("h0")].status.as_ref().and_then(|status| status.revision.clone());
    let mut hub = hub.restarted();
    hub.term = Some(1);
    hub.fleet(&[None]);
    hub.list();
    hub.pass(MINUTE);
    assert!(hub.snapshots.is_empty() && hub.writes.is_empty() && !hub.raised.is_empty());
    assert!(hub.core.next_wake() > hub.elapsed, "nothing is to be done before the term changes");
    hub.leads(Some(7));
    assert_eq!(hub.revision(), Revision { term: 7, counter: 1 });
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
    let revision = hub.api.objects[&key("h0")].status.as_ref().and_then(|status| status.revision.clone());
    assert_eq!(revision, used);
}

#[test]
fn a_process_that_does_not_lead_sleeps() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.fleet(&[]);
    hub.settle();
    let mut hub = hub.restarted();
    hub.term = None;
    hub.list();
    hub.pass(MINUTE);
    assert!(hub.core.next_wake() > hub.elapsed);
}

#[test]
fn a_restart_with_nothing_changed_writes_nothing() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP), ("h1", INVALID)]);
    hub.fleet(&[]);
    hub.settle();
    let mut hub = hub.restarted();
    hub.fleet(&[]);
    hub.list();
    hub.pass(MINUTE);
    assert!(hub.commits.is_empty() && hub.writes.is_empty());
    assert_eq!(hub.snapshots.len(), 1);
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
}
