//! Objects that left: nothing is removed before the CRD was asked for.

use super::*;

/// Returns a hub whose only object was deleted, and the probe is under way.
fn left() -> Hub {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.api.delete(&key("h0"));
    hub.watch();
    assert_eq!((hub.probes, hub.commits.len()), (0, 0), "others may follow");
    hub.pass(SECOND);
    assert_eq!((hub.probes, hub.commits.len()), (1, 0), "the file waits for the probe");
    hub
}

#[test]
fn a_deleted_object_leaves_after_the_probe() {
    let mut hub = left();
    hub.pass(MINUTE);
    assert_eq!((hub.probes, hub.commits.len()), (1, 0), "one probe, and nothing before its answer");
    hub.probed(INSTALLED);
    assert!(hub.delivered("h0").is_some(), "it leaves the set after its file");
    hub.commit();
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (None, None));
    assert!(hub.on_disk("h1").is_some() && hub.delivered("h1").is_some());
}

#[test]
fn an_object_that_a_complete_list_does_not_name_has_left() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.api.delete(&key("h0"));
    let page = hub.first_page();
    hub.tell(Input::Watched(page));
    hub.tell(Input::Watched(vec![Event::Broken("the stream ended".into())]));
    hub.pass(MINUTE);
    assert_eq!(hub.probes, 0, "a LIST that broke off names nobody as gone");
    hub.list();
    hub.commit();
    assert_eq!((hub.on_disk("h0"), hub.on_disk("h1")), (None, hub.wanted("h1")));
}

#[test]
fn a_lost_crd_keeps_everything() {
    let mut hub = left();
    hub.probed(Crd::Lost);
    assert!(hub.missing(Part::Crd).contains("1 objects with it"), "{:?}", hub.readiness);
    for _ in 0..20 {
        hub.pass(MINUTE);
        hub.probed(Crd::Lost);
    }
    assert!(hub.commits.is_empty() && hub.on_disk("h0").is_some() && hub.delivered("h0").is_some());
}

#[test]
fn after_the_return_of_the_crd_objects_have_ten_minutes_to_return() {
    let mut hub = left();
    hub.probed(Crd::Lost);
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.pass(10 * MINUTE);
    hub.probed(INSTALLED);
    assert!(hub.commits.is_empty(), "the grace is not over");
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    assert_eq!(hub.missing(Part::Crd), "");
    hub.commit();
    assert_eq!(hub.on_disk("h0"), None);
}

#[test]
fn an_object_that_returns_with_the_crd_keeps_its_file() {
    let mut hub = left();
    let kept = hub.on_disk("h0");
    hub.probed(Crd::Lost);
    hub.change("h0", PLAIN);
    hub.settle();
    hub.pass(11 * MINUTE);
    hub.probed(INSTALLED);
    assert!(hub.commits.is_empty() && hub.missing(Part::Crd).is_empty(), "nobody is leaving");
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0"), hub.ready("h0")), (kept, kept, READY));
}

#[test]
fn without_an_answer_about_the_crd_deletions_wait_for_the_next() {
    let mut hub = left();
    hub.probed(Crd::Unknown("no answer".into()));
    assert_eq!((hub.probes, hub.commits.len()), (0, 0));
    assert!(hub.core.next_wake() <= hub.elapsed + SECOND);
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    assert_eq!(keys(&hub.commits[0]), ["h0"]);
}

#[test]
fn what_leaves_during_a_probe_waits_for_the_next() {
    let mut hub = left();
    hub.api.delete(&key("h1"));
    hub.watch();
    hub.probed(INSTALLED);
    assert_eq!(keys(&hub.commits[0]), ["h0"]);
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.commit();
    assert_eq!(keys(&hub.commits[0]), ["h1"]);
}

#[test]
fn a_deleted_group_takes_its_hosts_out_of_the_set_and_they_say_so() {
    let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
    hub.delete("g0");
    hub.disk.take_seen();
    hub.commit();
    let order: Vec<_> = hub.disk.take_seen().into_iter().map(|((_, file), _)| file).collect();
    assert_eq!(order, ["h0.conf", "g0.conf"], "first the one that names the other");
    hub.settle();
    assert_eq!(hub.ready("h0"), not_ready(Reason::UnresolvedReference));
    assert_eq!((hub.delivered("h0"), hub.delivered("g0")), (None, None));
}

/// The change that waited was never in place, and what is published again beside it is older.
#[test]
fn what_the_volume_still_has_is_not_published_as_a_generation_that_was_never_in_place() {
    let in_g1 = Spec { group: Some(1), ..PLAIN };
    let others = ["g0", "g1", "h1", "h2", "h3"];
    let all: Vec<_> = others.iter().map(|name| (*name, PLAIN)).chain([("h0", in_g1)]).collect();
    let mut hub = Hub::committed(&all);
    others.iter().for_each(|name| hub.answer(name));
    hub.answer_with("h0", Error::Unknown("no answer".into()));
    let first = hub.wanted("h0");
    hub.change("h1", OTHER);
    // This one waits for the commit that is under way, and what it names goes before.
    hub.change("h0", IN_GROUP);
    hub.change("h0", INVALID);
    hub.delete("g0");
    hub.commit();
    hub.change("h0", Spec { text: 1, ..INVALID });
    let removed = hub.take_commit();
    assert!(keys(&removed).contains(&"h0"), "{removed:?}");
    let outcomes = hub.volume.commit(removed, &|| true);
    hub.tell(Input::Committed { outcomes, took: MILLISECOND });
    hub.commit();
    assert_eq!(hub.on_disk("h0"), first);
    let write = hub.writes.iter().find(|write| *write.key() == key("h0")).unwrap();
    assert_eq!(write.body().observed_generation, 1, "the second generation was never in place");
    hub.settle();
    assert_eq!((hub.observed("h0"), hub.delivered("h0")), (Some(4), first));
}
