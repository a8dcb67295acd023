//! Files that cannot be read: each is the problem of its object, and no name goes that it may need.

use super::*;
use crate::publish::Content;

/// Returns a hub that starts while these operations fail, after its first LIST.
fn started_while(refused: &[&'static str], before: Hub) -> Hub {
    before.disk.refuse(refused, false);
    let mut hub = before.restarted();
    hub.disk.refuse(&[], false);
    hub.list();
    hub
}

#[test]
fn a_valid_object_is_written_anew_and_ready_again() {
    let before = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let mut hub = started_while(&["read"], before);
    assert!(hub.snapshots.is_empty());
    hub.settle();
    for name in ["h0", "h1"] {
        assert_eq!((hub.ready(name), hub.delivered(name)), (READY, hub.wanted(name)), "{name}");
    }
    assert!(hub.inspections.is_empty(), "nothing is left to read");
}

#[test]
fn what_is_kept_stays_where_it_is_until_it_can_be_read() {
    for refused in ["read", "files", "open_directory"] {
        let mut before = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP), ("h1", PLAIN)]);
        let (group, host) = (before.on_disk("g0"), before.on_disk("h0"));
        before.apply("g0", INVALID);
        let mut hub = started_while(&[refused], before);
        let revisions = hub.snapshots.len();
        for _ in 0..3 {
            if !hub.commits.is_empty() {
                hub.commit();
            }
            hub.answer_all();
            hub.pass(MILLISECOND);
        }
        assert_eq!((hub.on_disk("g0"), hub.on_disk("h0")), (group, host), "{refused}");
        assert_eq!(hub.ready("g0"), not_ready(Reason::PublishFailed), "{refused}");
        assert_eq!(hub.snapshots.len(), revisions, "satellites keep what they have");
        if refused != "read" {
            assert!(hub.missing(Part::Volume).contains("cannot"), "{refused}");
        }
        // It can be read again.
        hub.pass(MINUTE);
        hub.inspect();
        hub.settle();
        assert_eq!((hub.on_disk("g0"), hub.on_disk("h0")), (group, host), "{refused}");
        assert_eq!((hub.delivered("g0"), hub.delivered("h0")), (group, host), "{refused}");
        assert_eq!((hub.ready("g0"), hub.ready("h0")), (not_ready(Reason::Invalid), READY), "{refused}");
        assert_eq!(hub.missing(Part::Volume), "");
    }
}

#[test]
fn no_name_goes_while_a_file_that_may_need_it_cannot_be_read() {
    let mut before = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP), ("h1", PLAIN)]);
    let (group, host) = (before.on_disk("g0"), before.on_disk("h0"));
    // The file of h0 names the group, its resource is not valid any more, and the group is deleted.
    before.apply("h0", INVALID);
    before.api.delete(&key("g0"));
    let mut hub = started_while(&["read"], before);
    for _ in 0..3 {
        if !hub.commits.is_empty() {
            hub.commit();
        }
        hub.answer_all();
        hub.pass(MILLISECOND);
    }
    assert_eq!((hub.on_disk("g0"), hub.on_disk("h0")), (group, host));
    hub.pass(MINUTE);
    hub.inspect();
    hub.settle();
    hub.pass(MINUTE);
    hub.settle();
    assert_eq!((hub.on_disk("g0"), hub.on_disk("h0")), (None, None));
    assert!(hub.on_disk("h1").is_some());
}

#[test]
fn a_file_that_can_be_read_again_stays_beside_a_content_that_waits() {
    let mut before = Hub::with(&[("h0", PLAIN)]);
    let kept = before.on_disk("h0");
    before.apply("h0", IN_GROUP);
    let mut hub = started_while(&["read"], before);
    hub.pass(MINUTE);
    hub.inspect();
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (kept, kept));
    assert_eq!(hub.ready("h0"), not_ready(Reason::UnresolvedReference));
    hub.change("g0", PLAIN);
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.ready("h0")), (hub.wanted("h0"), READY));
}

#[test]
fn a_file_that_is_gone_when_it_can_be_read_again_is_forgotten() {
    let mut before = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    before.apply("h0", INVALID);
    let mut hub = started_while(&["files"], before);
    hub.disk.meddle("a", "h0.conf", None);
    hub.commit();
    hub.pass(MINUTE);
    hub.inspect();
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.ready("h1")), (not_ready(Reason::Invalid), READY));
    assert_eq!(hub.snapshots.last().map(|snapshot| snapshot.files().count()), Some(1));
}

#[test]
fn an_inspection_and_a_commit_exclude_each_other_and_a_failed_one_is_repeated() {
    let mut before = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    before.apply("h0", INVALID);
    let mut hub = started_while(&["read"], before);
    assert_eq!(keys(&hub.commits[0]), ["h1"]);
    hub.pass(MINUTE);
    assert!(hub.inspections.is_empty(), "a commit is under way");
    hub.commit();
    assert_eq!(hub.inspections.len(), 1);
    hub.change("h1", OTHER);
    assert!(hub.commits.is_empty(), "files are being read");
    hub.inspections.clear();
    hub.tell(Input::Inspected(Err("cannot sync it".into())));
    hub.commit();
    assert!(hub.inspections.is_empty(), "not at once");
    hub.pass(MINUTE);
    hub.inspect();
    hub.settle();
    assert_eq!(hub.ready("h1"), READY);
}

#[test]
fn a_confirmation_whose_sync_failed_is_written_anew() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.api.edit_status(&key("h0"), None);
    hub.watch();
    hub.disk.refuse(&["sync_all"], false);
    hub.commit();
    hub.disk.refuse(&[], false);
    let writes = hub.disk.writes();
    hub.pass(MINUTE);
    hub.settle();
    assert!(hub.ready("h0") == READY && hub.disk.writes() > writes);
}

#[test]
fn after_a_rename_with_an_unknown_outcome_no_name_goes_that_the_file_may_need() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.change("h0", PLAIN);
    hub.disk.refuse(&["rename", "read"], false);
    hub.commit();
    assert!(hub.on_disk("h0") != hub.wanted("h0"));
    hub.disk.refuse(&["write_temp"], false);
    hub.delete("g0");
    hub.commit();
    assert!(hub.on_disk("g0").is_some(), "the file of h0 names it, and could not be replaced");
    hub.disk.refuse(&[], false);
    hub.pass(MINUTE);
    hub.settle();
    hub.pass(MINUTE);
    hub.settle();
    assert_eq!((hub.on_disk("g0"), hub.ready("h0")), (None, READY));
}

/// Nobody knows what it names, so not even the name of an object goes that the index knows to be free.
#[test]
fn a_name_waits_for_the_file_of_another_object() {
    let mut before = Hub::with(&[("g0", PLAIN), ("h0", PLAIN), ("h1", PLAIN)]);
    before.apply("h1", INVALID);
    let mut hub = before.restarted();
    let mut scan = hub.volume.scan().unwrap();
    for file in scan.files.iter_mut().filter(|file| file.key == key("h1")) {
        file.content = Content::Unreadable("cannot read it".into());
    }
    hub.start_with(scan);
    hub.list();
    let group = hub.on_disk("g0");
    hub.delete("g0");
    assert_eq!(hub.inspections.len(), 1);
    hub.inspections.clear();
    hub.tell(Input::Inspected(Err("it cannot be read".into())));
    assert!(hub.commits.is_empty() && group.is_some() && hub.on_disk("g0") == group);
    hub.pass(MINUTE);
    hub.inspect();
    hub.settle();
    hub.pass(MINUTE);
    hub.settle();
    assert_eq!(hub.on_disk("g0"), None, "it goes once the file was read");
    assert!(hub.on_disk("h1").is_some());
}
