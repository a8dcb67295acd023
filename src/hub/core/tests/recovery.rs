//! The start: what the volume and the statuses say is brought together before the first snapshot.

use super::*;

/// Returns a hub that starts where the status of each of these was wiped meanwhile, and that has listed.
fn without_status(mut before: Hub, names: &[&str]) -> Hub {
    names.iter().for_each(|name| before.api.edit_status(&key(name), None));
    let mut hub = before.restarted();
    hub.list();
    hub
}

#[test]
fn the_first_snapshot_waits_for_every_object_that_had_a_file() {
    let hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let mut hub = without_status(hub, &["h1"]);
    hub.pass(MINUTE);
    assert!(hub.snapshots.is_empty());
    hub.commit();
    hub.pass(MINUTE);
    assert!(hub.snapshots.is_empty(), "the file is confirmed, its Ready is not stored");
    hub.answer("h1");
    assert_eq!((hub.delivered("h0"), hub.delivered("h1")), (hub.wanted("h0"), hub.wanted("h1")));
}

#[test]
fn the_first_snapshot_waits_for_a_file_that_was_lost() {
    let hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let mut hub = Hub::on(hub.api, ModelDisk::default(), None, 2);
    hub.list();
    hub.pass(MINUTE);
    assert!(hub.snapshots.is_empty());
    hub.settle();
    assert_eq!(hub.snapshots[0].files().count(), 2);
}

#[test]
fn the_first_snapshot_does_not_wait_for_new_objects() {
    let mut hub = Hub::with(&[("h0", PLAIN)]).restarted();
    hub.apply("h1", PLAIN);
    hub.list();
    assert_eq!((hub.delivered("h0"), hub.delivered("h1")), (hub.wanted("h0"), None));
}

#[test]
fn the_first_snapshot_waits_for_what_an_object_of_before_now_names() {
    let hub = Hub::with(&[("h0", PLAIN)]);
    let mut hub = without_status(hub, &[]);
    assert_eq!(hub.snapshots.len(), 1, "nothing is missing");

    let mut before = Hub::with(&[("h0", PLAIN)]);
    before.apply("g0", PLAIN);
    before.apply("h0", IN_GROUP);
    hub = without_status(before, &["h0"]);
    hub.commit();
    hub.answer("h0");
    hub.pass(MINUTE);
    assert!(hub.snapshots.is_empty(), "h0 is decided, and what it names is not acknowledged");
    assert!(hub.missing(Part::Recovery).contains("a/h0"));
    hub.answer("g0");
    assert_eq!(hub.snapshots.len(), 1);
    assert_eq!((hub.delivered("h0"), hub.delivered("g0")), (hub.wanted("h0"), hub.wanted("g0")));
    assert_eq!(hub.missing(Part::Recovery), "");
}

#[test]
fn acknowledged_bytes_of_the_start_stay_beside_a_newer_content_that_is_published_first() {
    let mut before = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let acknowledged = before.wanted("h0");
    before.apply("g0", PLAIN);
    before.apply("h0", IN_GROUP);
    // h1 keeps the first snapshot back until h0's new file is in place and acknowledged.
    let mut hub = without_status(before, &["h1"]);
    hub.commit();
    assert_eq!(hub.on_disk("h0"), hub.wanted("h0"));
    hub.answer("h0");
    assert!(hub.snapshots.is_empty());
    hub.answer("h1");
    assert_eq!(hub.snapshots.len(), 1, "the Ready of g0 is not stored, and delays nobody");
    assert_eq!(hub.delivered("h0"), acknowledged);
    hub.pass(SECOND);
    hub.answer("g0");
    assert_eq!((hub.delivered("h0"), hub.delivered("g0")), (hub.wanted("h0"), hub.wanted("g0")));
}

#[test]
fn a_found_file_that_is_overtaken_before_its_ready_counts_once_a_refusal_names_it() {
    // The process ended before the Ready was sent.
    let mut hub = Hub::committed(&[("h0", PLAIN)]).restarted();
    let found = hub.wanted("h0");
    hub.term = None;
    hub.list();
    hub.change("h0", INVALID);
    hub.leads(Some(2));
    hub.pass(MINUTE);
    assert_eq!((hub.kind_of("h0"), hub.snapshots.len()), (Kind::Refusal, 0));
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.observed("h0")), (not_ready(Reason::Invalid), Some(2)));
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (found, found));
}

#[test]
fn a_found_file_of_unknown_generation_is_never_ready_by_itself() {
    let mut before = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    let found = before.wanted("h0");
    before.apply("h0", INVALID);
    let mut hub = before.restarted();
    hub.list();
    hub.settle();
    // It leaves with its group, and is written again with it, as the content of an unknown generation.
    hub.delete("g0");
    hub.settle();
    assert_eq!(hub.on_disk("h0"), None);
    hub.change("g0", PLAIN);
    hub.commit();
    assert_eq!(hub.on_disk("h0"), found);
    assert_eq!(hub.kind_of("h0"), Kind::Refusal);
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.observed("h0")), (not_ready(Reason::Invalid), Some(2)));
    assert_eq!(hub.delivered("h0"), found, "a status that names it is stored");
}

#[test]
fn a_file_of_before_with_a_foreign_header_is_written_anew() {
    use crate::publish::Disk as _;
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    let directory = "a".to_owned();
    hub.disk.make_directory(&directory).unwrap();
    hub.disk.write_temp("x.tmp", b"object Host \"x\" {}\n").unwrap();
    hub.disk.rename("x.tmp", &directory, "h0.conf").unwrap();
    let mut hub = hub.restarted();
    hub.list();
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.ready("h0")), (hub.wanted("h0"), READY));
    assert_eq!(hub.snapshots[0].files().count(), 1, "no snapshot before that");
}
