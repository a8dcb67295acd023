//! Panics of what the core commanded, and publications that are overtaken while they wait for their turn.

use super::*;
use crate::metrics::Work;
use crate::publish::{After, Content, Failure, Outcome};

/// Objects whose status writes take every place. Their names come before all others.
fn fillers() -> Vec<String> {
    (0..WRITES).map(|number| format!("f{number:02}")).collect()
}

#[test]
fn a_status_write_that_panics_frees_its_place_and_its_publication_comes_again() {
    let mut hub = Hub::new();
    fillers().iter().for_each(|name| hub.apply(name, PLAIN));
    hub.apply("h0", PLAIN);
    hub.list();
    hub.commit();
    assert!(!hub.written().contains(&"h0".to_owned()), "there is no place");
    drop(hub.take_write("f00"));
    hub.tell(Input::StatusPanicked(key("f00")));
    assert_eq!(hub.panics(), [Work::Status]);
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
    assert!(
        matches!(&hub.commits[0][..], [Change::Publish { old: Some(old), is_known: true, new, .. }]
            if new.key() == &key("f00") && old.digest() == new.digest()),
        "the file is confirmed, not written"
    );
    hub.commit();
    hub.answer("h0");
    assert_eq!(hub.kind_of("f00"), Kind::Ready);
    hub.settle();
    assert_eq!((hub.ready("f00"), hub.delivered("f00")), (READY, hub.wanted("f00")));
}

#[test]
fn a_refusal_whose_write_panics_is_written_again() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.change("h0", INVALID);
    drop(hub.take_write("h0"));
    hub.tell(Input::StatusPanicked(key("h0")));
    hub.pass(SECOND);
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), not_ready(Reason::Invalid));
}

#[test]
fn after_a_commit_that_panicked_files_are_as_they_are_found() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.apply("h0", OTHER);
    hub.apply("h1", OTHER);
    hub.change("h2", PLAIN);
    let batch = hub.take_commit();
    let changed: Vec<_> = batch.iter().map(|change| change.key().clone()).collect();
    // It panics after one of its renames.
    let only_h0 = batch.into_iter().filter(|change| change.key().name() == "h0").collect();
    hub.volume.commit(only_h0, &|| true);
    let found = hub.volume.scan_again(&[], &changed).unwrap().files;
    hub.tell(Input::CommitPanicked(found));
    assert_eq!(hub.panics(), [Work::Commit]);
    assert!(hub.commits.is_empty() && hub.writes.is_empty());
    hub.pass(10 * SECOND);
    let confirms = |change: &Change| matches!(change, Change::Publish { old: Some(old), is_known: true, new, .. } if old.digest() == new.digest());
    let is_first = |change: &Change| matches!(change, Change::Publish { old: None, is_known: true, .. });
    assert_eq!(keys(&hub.commits[0]), ["h0", "h1", "h2"]);
    assert_eq!(hub.commits[0].iter().map(confirms).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(hub.commits[0].iter().map(is_first).collect::<Vec<_>>(), [false, false, true]);
    hub.settle();
    for name in ["h0", "h1", "h2"] {
        assert_eq!((hub.ready(name), hub.delivered(name)), (READY, hub.wanted(name)), "{name}");
    }
}

#[test]
fn an_orphan_that_a_panicked_commit_removed_leaves_the_set() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.delete("h0");
    let batch = hub.take_commit();
    hub.volume.commit(batch, &|| true);
    let found = hub.volume.scan_again(&[], &[key("h0")]).unwrap().files;
    hub.tell(Input::CommitPanicked(found));
    assert_eq!(hub.delivered("h0"), None);
    hub.pass(MINUTE);
    hub.settle();
}

/// The resource was deleted and created again, and is not valid now: only the removal is left of it.
#[test]
fn a_file_that_a_panicked_commit_removed_leaves_the_set_also_if_its_resource_is_back() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.delete("h0");
    hub.apply("h0", INVALID);
    hub.watch();
    let batch = hub.take_commit();
    hub.volume.commit(batch, &|| true);
    let found = hub.volume.scan_again(&[], &[key("h0")]).unwrap().files;
    assert!(matches!(found[0].content, Content::Absent));
    hub.tell(Input::CommitPanicked(found));
    hub.pass(MINUTE);
    hub.settle();
    assert_eq!(hub.delivered("h0"), None);
}

/// Satellites still have the content of `h0` that names the group, and the index does not know that content any more.
fn assert_group_stays(hub: &Hub) {
    assert!(hub.delivered("g0").is_some() && hub.on_disk("g0").is_none());
    assert_ne!(hub.delivered("h0"), hub.on_disk("h0"));
}

#[test]
fn a_group_stays_in_the_set_while_a_file_that_no_longer_names_it_is_not_durable() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.change("h0", PLAIN);
    let not_durable = |batch: &[Change]| match batch.iter().find(|change| change.key() == &key("h0")) {
        Some(Change::Publish { new, .. }) => Outcome::Failed(Failure {
            key: key("h0"),
            message: "cannot sync the directory".into(),
            after: After::NotDurable(Some(new.clone())),
        }),
        other => panic!("{other:?}"),
    };
    let batch = hub.take_commit();
    let outcomes = vec![not_durable(&batch)];
    hub.volume.commit(batch, &|| true);
    hub.delete("g0");
    hub.tell(Input::Committed { outcomes, took: MILLISECOND });
    let batch = hub.take_commit();
    let outcomes = vec![not_durable(&batch), Outcome::Removed(key("g0"))];
    hub.volume.commit(batch, &|| true);
    hub.tell(Input::Committed { outcomes, took: MILLISECOND });
    hub.pass(SECOND);
    assert_group_stays(&hub);
    hub.pass(MINUTE);
    hub.settle();
    assert_eq!((hub.delivered("g0"), hub.delivered("h0")), (None, hub.wanted("h0")));
}

#[test]
fn a_group_stays_in_the_set_after_a_panic_until_what_named_it_is_replaced() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.change("h0", PLAIN);
    hub.change("h0", INVALID);
    let batch = hub.take_commit();
    hub.volume.commit(batch, &|| true);
    let found = hub.volume.scan_again(&[], &[key("h0")]).unwrap().files;
    hub.tell(Input::CommitPanicked(found));
    hub.delete("g0");
    hub.commit();
    hub.pass(SECOND);
    assert_group_stays(&hub);
    hub.settle();
    assert_eq!((hub.delivered("g0"), hub.delivered("h0")), (None, hub.on_disk("h0")));
}

#[test]
fn a_queued_ready_that_is_overtaken_is_written_before_the_refusal() {
    let mut hub = Hub::new();
    fillers().iter().for_each(|name| hub.apply(name, PLAIN));
    hub.apply("h0", PLAIN);
    hub.list();
    hub.commit();
    assert_eq!(hub.written(), fillers(), "h0 waits for a place");
    hub.change("h0", INVALID);
    hub.answer("f00");
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.observed("h0")), (READY, Some(1)));
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.observed("h0")), (not_ready(Reason::Invalid), Some(2)));
}

#[test]
fn a_queued_ready_whose_file_was_withdrawn_becomes_the_refusal() {
    let mut hub = Hub::new();
    fillers().iter().for_each(|name| hub.apply(name, PLAIN));
    hub.apply("g0", PLAIN);
    hub.apply("h0", IN_GROUP);
    hub.list();
    hub.commit();
    assert_eq!(hub.written(), fillers(), "the others wait for a place");
    hub.delete("g0");
    hub.commit();
    assert_eq!(hub.on_disk("h0"), None);
    hub.answer("f00");
    assert_eq!(hub.kind_of("h0"), Kind::Refusal);
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), not_ready(Reason::UnresolvedReference));
}

#[test]
fn a_queued_ready_whose_file_was_withdrawn_is_decided_if_its_refusal_is_said_already() {
    let mut before = Hub::new();
    before.apply("h0", IN_GROUP);
    before.list();
    before.settle();
    before.pass(MINUTE);
    before.settle();
    assert_eq!(before.ready("h0"), not_ready(Reason::UnresolvedReference));
    // Its file is published, and the process ends before its Ready is sent.
    before.change("g0", PLAIN);
    before.commit();
    let mut hub = before.restarted();
    fillers().iter().for_each(|name| hub.apply(name, PLAIN));
    hub.list();
    hub.commit();
    assert_eq!(hub.written(), fillers(), "h0 waits for a place");
    hub.delete("g0");
    hub.commit();
    hub.answer("f00");
    assert!(!hub.written().contains(&"h0".to_owned()), "it is said already");
    assert_eq!(hub.missing(Part::Recovery), "");
    assert_eq!(hub.snapshots.len(), 1);
}
