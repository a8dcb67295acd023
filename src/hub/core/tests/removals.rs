//! Many objects leave at once: a second LIST must agree, and a person must allow it. In these tests that is more than half
//! of the set, and at least three.

use super::*;

const ALL: [(&str, Spec); 5] = [("g0", PLAIN), ("h0", PLAIN), ("h1", PLAIN), ("h2", PLAIN), ("h3", PLAIN)];

/// Returns a hub where these were deleted, and the API server says that the CRD is there.
fn without(names: &[&str]) -> Hub {
    let mut hub = Hub::with(&ALL);
    names.iter().for_each(|name| hub.api.delete(&key(name)));
    hub.watch();
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub
}

/// As `kubectl delete --all` does it.
#[test]
fn deletions_that_come_one_by_one_are_seen_as_many() {
    let mut hub = Hub::with(&ALL);
    for name in ["h0", "h1", "h2"] {
        hub.api.delete(&key(name));
        hub.watch();
        hub.pass(900 * MILLISECOND);
    }
    assert_eq!(hub.probes, 0);
    hub.pass(100 * MILLISECOND);
    hub.probed(INSTALLED);
    hub.listed_again();
    assert!(hub.held.is_some() && is_all_there(&hub));
}

#[test]
fn deletions_gather_for_half_a_minute_at_most() {
    let mut hub = Hub::with(&ALL);
    hub.change("h8", PLAIN);
    hub.change("h9", PLAIN);
    for _ in 0..40 {
        hub.settle();
        hub.api.delete(&key("h0"));
        hub.apply("h0", PLAIN);
        hub.api.delete(&key("h0"));
        hub.watch();
        hub.pass(700 * MILLISECOND);
        if hub.probes > 0 {
            return;
        }
        hub.apply("h0", PLAIN);
    }
    panic!("nobody asks");
}

fn is_all_there(hub: &Hub) -> bool {
    ALL.iter().all(|(name, _)| hub.on_disk(name).is_some() && hub.delivered(name).is_some())
}

#[test]
fn half_of_the_set_leaves_without_a_question() {
    let hub = without(&["h0", "h1"]);
    assert_eq!((hub.lists, keys(&hub.commits[0])), (0, vec!["h0", "h1"]));
}

#[test]
fn more_is_held_until_a_person_allows_it() {
    let mut hub = without(&["h0", "h1", "h2"]);
    assert!(hub.commits.is_empty() && hub.held.is_none(), "first a second LIST");
    hub.listed_again();
    let held = hub.held.clone().unwrap();
    assert_eq!(held.count, 3);
    assert!(held.why.contains("3 of 5 objects") && held.why.contains("a/h0"), "{}", held.why);
    assert!(held.why.contains("groundlink removals allow"), "{}", held.why);
    for _ in 0..100 {
        hub.pass(MINUTE);
        hub.probed(INSTALLED);
    }
    assert!(
        hub.lists == 0 && is_all_there(&hub),
        "nobody allowed it, and nothing is listed again for nothing"
    );
    hub.allowed_until = hub.elapsed.as_secs() as i64 + 60;
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.listed_again();
    assert_eq!((keys(&hub.commits[0]), hub.held.clone()), (vec!["h0", "h1", "h2"], None));
    hub.settle();
    assert_eq!(hub.on_disk("h0"), None);
    // What was allowed does not count against the next.
    hub.allowed_until = 0;
    hub.delete("h3");
    assert_eq!(keys(&hub.commits[0]), ["h3"]);
}

#[test]
fn what_is_held_does_not_keep_the_others_back() {
    let mut hub = without(&["h0", "h1", "h2"]);
    hub.listed_again();
    hub.change("h3", OTHER);
    hub.change("h4", PLAIN);
    hub.settle();
    assert!(hub.held.is_some());
    assert_eq!((hub.delivered("h3"), hub.delivered("h4")), (hub.wanted("h3"), hub.wanted("h4")));
    assert!(is_all_there(&hub));
}

#[test]
fn what_a_second_list_names_did_not_leave() {
    let mut hub = Hub::with(&ALL);
    // An API server that was restored, or lies.
    hub.tell(Input::Watched(vec![Event::ListBegins, Event::ListComplete]));
    hub.probed(INSTALLED);
    hub.listed_again();
    assert!(hub.held.is_none() && is_all_there(&hub));
    hub.pass(MINUTE);
    assert_eq!(hub.probes, 0, "nobody is leaving");
}

#[test]
fn a_second_list_that_fails_holds_everything_and_is_repeated() {
    let mut hub = without(&["h0", "h1", "h2"]);
    hub.lists = 0;
    hub.tell(Input::ListedAgain(Err("503".into())));
    assert!(hub.held.as_ref().is_some_and(|held| held.why.contains("503")) && is_all_there(&hub));
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.listed_again();
    assert!(hub.held.as_ref().is_some_and(|held| held.why.contains("removals allow")));
}

#[test]
fn what_names_the_deleted_counts_too() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP), ("h1", IN_GROUP), ("h2", PLAIN)]);
    hub.delete("g0");
    hub.listed_again();
    assert!(hub.held.as_ref().is_some_and(|held| held.count == 3), "{:?}", hub.held);
    assert!(hub.on_disk("h0").is_some() && hub.ready("h0") == READY);
}

#[test]
fn many_small_removals_within_ten_minutes_count_as_one() {
    let mut hub = Hub::with(&ALL);
    for name in ["h0", "h1"] {
        hub.delete(name);
        hub.settle();
        hub.pass(4 * MINUTE);
    }
    hub.delete("h2");
    hub.listed_again();
    assert!(hub.held.is_some());
    // The first is more than ten minutes ago, and what is held waits for a person all the same.
    hub.pass(3 * MINUTE);
    hub.probed(INSTALLED);
    hub.settle();
    assert!(hub.held.is_some() && hub.on_disk("h2").is_some());
}

/// Somebody applies them again, one after the other: the share of the rest falls, and it must not go for that.
#[test]
fn what_was_held_is_let_go_by_a_person_alone() {
    let mut hub = without(&["h0", "h1", "h2"]);
    hub.listed_again();
    hub.change("h0", PLAIN);
    for _ in 0..5 {
        hub.settle();
        hub.pass(SECOND);
        hub.probed(INSTALLED);
    }
    assert!(hub.commits.is_empty() && hub.held.is_some() && is_all_there(&hub), "{:?}", hub.held);
    hub.pass(10 * SECOND);
    hub.probed(INSTALLED);
    assert_eq!(hub.held.as_ref().map(|held| held.count), Some(2));
    hub.allowed_until = hub.elapsed.as_secs() as i64 + 60;
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.listed_again();
    assert_eq!(keys(&hub.commits[0]), ["h1", "h2"]);
}

#[test]
fn a_permission_for_more_than_an_hour_is_none() {
    let mut hub = without(&["h0", "h1", "h2"]);
    hub.listed_again();
    hub.allowed_until = hub.elapsed.as_secs() as i64 + 7_200;
    hub.pass(10 * SECOND);
    hub.probed(INSTALLED);
    let held = hub.held.clone().unwrap();
    assert!(held.why.contains("removals-allowed-until does not count"), "{}", held.why);
    assert!(is_all_there(&hub));
}

#[test]
fn what_is_applied_again_is_held_no_longer() {
    let mut hub = without(&["h0", "h1", "h2"]);
    hub.listed_again();
    for name in ["h0", "h1", "h2"] {
        hub.change(name, PLAIN);
    }
    hub.settle();
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    assert_eq!(hub.held, None);
    assert!(is_all_there(&hub));
}

#[test]
fn files_without_resources_after_a_restart_are_held_and_satellites_keep_what_they_have() {
    let mut hub = Hub::with(&ALL);
    for name in ["h0", "h1", "h2"] {
        hub.api.delete(&key(name));
    }
    let mut hub = hub.restarted();
    hub.list();
    hub.listed_again();
    assert!(hub.held.as_ref().is_some_and(|held| held.count == 3));
    hub.change("h3", OTHER);
    for _ in 0..10 {
        hub.settle();
    }
    assert!(hub.snapshots.is_empty(), "without them no snapshot is whole");
    assert_eq!((hub.ready("h3"), hub.on_disk("h3")), (READY, hub.wanted("h3")));
    assert!(["h0", "h1", "h2"].iter().all(|name| hub.on_disk(name).is_some()));
    hub.allowed_until = hub.elapsed.as_secs() as i64 + 60;
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (None, None));
    assert_eq!(hub.delivered("h3"), hub.wanted("h3"));
}

#[test]
fn another_crd_after_a_restart_gives_its_objects_ten_minutes() {
    let crd = |number: &str| Crd::Installed(Some(Uid::new(number)));
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.api.delete(&key("h0"));
    hub.crd = Some(Uid::new("1"));
    let mut hub = hub.restarted();
    hub.list_only();
    hub.probed(crd("2"));
    assert!(hub.missing(Part::Crd).contains("1 objects with it"), "{:?}", hub.readiness);
    hub.pass(10 * MINUTE);
    hub.probed(crd("2"));
    assert!(hub.commits.is_empty() && hub.on_disk("h0").is_some());
    assert_eq!(hub.crd, Some(Uid::new("1")), "a restart now would give them ten minutes again");
    hub.pass(SECOND);
    hub.probed(crd("2"));
    assert_eq!((keys(&hub.commits[0]), hub.crd.clone()), (vec!["h0"], Some(Uid::new("2"))));
}

#[test]
fn a_file_whose_resource_was_deleted_while_no_operator_ran_leaves_after_the_probe() {
    let mut hub = Hub::with(&ALL);
    hub.api.delete(&key("h0"));
    let mut hub = hub.restarted();
    hub.list_only();
    assert!(hub.commits.is_empty() && hub.probes == 1, "the file waits for the probe");
    hub.probed(INSTALLED);
    assert_eq!(keys(&hub.commits[0]), ["h0"]);
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.delivered("h1")), (None, hub.wanted("h1")));
}

#[test]
fn an_object_that_takes_the_place_of_a_deleted_one_says_nothing_untrue_meanwhile() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.api.delete(&key("g0"));
    let mut hub = hub.restarted();
    hub.list_only();
    assert!(hub.writes.is_empty() && hub.commits.is_empty(), "nothing is said before the answer");
    hub.change("g0", PLAIN);
    hub.probed(INSTALLED);
    hub.settle();
    assert_eq!((hub.ready("g0"), hub.ready("h0")), (READY, READY));
}

/// In the status first, or a crash in between would leave satellites without an object that says Ready.
#[test]
fn the_first_snapshot_waits_for_what_is_said_of_those_that_named_a_deleted_object() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP), ("h1", PLAIN), ("h2", PLAIN), ("h3", PLAIN)]);
    hub.api.delete(&key("g0"));
    let mut hub = hub.restarted();
    hub.list();
    hub.commit();
    assert_eq!((hub.on_disk("h0"), hub.on_disk("g0")), (None, None));
    hub.pass(SECOND);
    assert!(hub.snapshots.is_empty());
    hub.answer("h0");
    hub.pass(SECOND);
    assert_eq!((hub.snapshots.len(), hub.delivered("h0")), (1, None));
}

/// Somebody copies a file of ours: the copy declares the same host, and it is the copy that goes.
#[test]
fn a_copy_of_a_file_takes_no_name_from_the_resource_that_has_it() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let bytes = hub.disk.all_visible()[&("a".to_owned(), "h0.conf".to_owned())].clone();
    hub.disk.meddle("a", "copy.conf", Some(&bytes));
    let kept = hub.on_disk("h0");
    let is_well =
        |hub: &Hub| hub.on_disk("h0") == kept && hub.delivered("h0") == kept && hub.ready("h0") == READY;
    let found = hub.volume.check(&[key("copy")], &|| true);
    hub.tell(Input::Touched(Some(vec![key("copy")])));
    hub.tell(Input::Checked(found));
    assert!(hub.commits.iter().all(|batch| keys(batch) == ["copy"]) && is_well(&hub));
    hub.settle();
    assert!(hub.on_disk("copy").is_none() && is_well(&hub));
    // The same while no operator runs.
    hub.disk.meddle("a", "copy.conf", Some(&bytes));
    let mut hub = hub.restarted();
    hub.list_only();
    assert!(hub.commits.is_empty() && hub.writes.is_empty());
    hub.probed(INSTALLED);
    hub.settle();
    assert!(hub.on_disk("copy").is_none() && is_well(&hub));
}
