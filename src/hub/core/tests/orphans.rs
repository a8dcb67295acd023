//! Files whose resource is gone, and resources that are created again while theirs is.

use super::*;

/// Returns a hub where a host and its group were deleted, and the commit that removes their files is under way.
fn removing() -> Hub {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.api.delete(&key("g0"));
    hub.delete("h0");
    assert_eq!(keys(&hub.commits[0]), ["g0", "h0"]);
    hub.disk.take_seen();
    hub
}

fn removed(hub: &Hub) -> Vec<String> {
    hub.disk.take_seen().into_iter().map(|((_, file), _)| file).collect()
}

#[test]
fn a_removal_that_failed_is_repeated_after_its_referrers() {
    let mut hub = removing();
    hub.commit_fails();
    assert!(hub.on_disk("g0").is_some() && hub.commits.is_empty());
    hub.pass(10 * SECOND);
    hub.commit();
    assert_eq!(removed(&hub), ["h0.conf", "g0.conf"]);
}

#[test]
fn a_removal_that_may_not_survive_is_repeated() {
    let mut hub = removing();
    // The directory opens, both are removed, and the sync of the directory fails.
    hub.commit_fails_after(3);
    assert_eq!((removed(&hub).len(), hub.on_disk("h0")), (2, None));
    assert!(hub.delivered("h0").is_some(), "it is in the set until the removal is durable");
    hub.pass(10 * SECOND);
    hub.commit();
    assert_eq!((hub.delivered("h0"), hub.delivered("g0")), (None, None));
}

#[test]
fn a_status_that_answers_for_an_earlier_resource_does_not_hide_the_present_one() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    let write = hub.take_write("h0");
    hub.delete("h0");
    hub.commit();
    // What is true of the new one cannot be written while the write of the old one is under way.
    hub.change("h0", INVALID);
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
    hub.tell(Input::StatusAnswered(write.refused_by_model(Error::Stale)));
    assert_eq!(hub.kind_of("h0"), Kind::Refusal);
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), not_ready(Reason::Invalid));
}

#[test]
fn a_resource_that_was_created_again_unseen_begins_anew() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.api.delete(&key("h0"));
    hub.apply("h0", OTHER);
    hub.list();
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.observed("h0")), (READY, Some(1)));
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (hub.wanted("h0"), hub.wanted("h0")));
}

#[test]
fn a_commit_for_a_resource_that_was_deleted_meanwhile_acknowledges_nothing() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.list();
    hub.delete("h0");
    hub.commit();
    assert!(hub.writes.is_empty());
    assert!(matches!(hub.commits[0][..], [Change::Remove { old: Some(_), .. }]), "the next batch removes it");
    hub.commit();
    assert_eq!(hub.on_disk("h0"), None);
}

#[test]
fn a_commit_for_an_earlier_resource_of_the_name_says_nothing_of_the_present_one() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.list();
    hub.delete("h0");
    hub.change("h0", INVALID);
    hub.commit();
    assert!(hub.on_disk("h0").is_some());
    hub.commit();
    assert_eq!((hub.on_disk("h0"), hub.kind_of("h0")), (None, Kind::Refusal));
    hub.answer("h0");
    let status = hub.api.objects[&key("h0")].status.as_ref().unwrap();
    assert_eq!(status.published_digest, None);
}

#[test]
fn a_publication_of_an_earlier_resource_is_not_the_ready_of_one_with_the_same_content() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.list();
    hub.delete("h0");
    hub.change("h0", PLAIN);
    hub.commit();
    assert!(hub.writes.is_empty());
    hub.commit();
    hub.pass(SECOND);
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.delivered("h0")), (READY, hub.wanted("h0")));
}

#[test]
fn a_group_stays_in_the_set_no_shorter_than_a_host_that_names_it() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.change("h0", PLAIN);
    hub.commit();
    // The new file of h0 does not name the group, and its Ready is not stored.
    hub.delete("g0");
    hub.commit();
    hub.pass(SECOND);
    assert!(hub.delivered("h0").is_some() && hub.delivered("g0").is_some());
    hub.answer("h0");
    assert_eq!((hub.delivered("h0"), hub.delivered("g0")), (hub.wanted("h0"), None));
}

#[test]
fn an_object_that_is_wanted_again_after_its_removal_failed_is_ready_again() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.delete("g0");
    hub.commit_fails();
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), not_ready(Reason::PublishFailed));
    // Before the removal is tried again.
    hub.change("g0", PLAIN);
    hub.settle();
    assert_eq!((hub.ready("g0"), hub.ready("h0")), (READY, READY));
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
}
