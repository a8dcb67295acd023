//! Answers of status writes, retries, metrics and readiness.

use super::*;
use crate::status::WriteResult;

/// Returns the results of the status writes that were measured, in their order.
fn results(hub: &Hub) -> Vec<(Kind, WriteResult)> {
    let results = hub.measured.iter().filter_map(|measured| match measured {
        Measurement::StatusWritten { kind, result } => Some((*kind, *result)),
        _ => None,
    });
    results.collect()
}

#[test]
fn a_write_of_unknown_outcome_is_repeated_with_its_publication() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.answer_with("h0", Error::Unknown("no answer".into()));
    assert!(hub.writes.is_empty() && hub.snapshots.iter().all(|set| set.get(&key("h0")).is_none()));
    hub.pass(SECOND);
    assert!(hub.commits.is_empty(), "the file needs no second commit");
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.delivered("h0")), (READY, hub.wanted("h0")));
}

#[test]
fn a_write_that_the_server_refuses_is_repeated() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.answer_with("h0", Error::Refused("403".into()));
    assert!(hub.writes.is_empty());
    hub.pass(SECOND);
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
}

#[test]
fn a_stale_write_waits_for_the_watch_and_then_repeats() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.answer_with("h0", Error::Stale);
    hub.pass(2 * SECOND);
    assert!(hub.writes.is_empty(), "the watch brings the newer object");
    hub.pass(28 * SECOND);
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
}

#[test]
fn a_stale_write_is_overtaken_by_the_generation_that_the_watch_brings() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.apply("h0", OTHER);
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.snapshots.last().and_then(|set| set.get(&key("h0")))), (None, None));
    hub.watch();
    hub.commit();
    hub.answer("h0");
    assert_eq!((hub.observed("h0"), hub.ready("h0")), (Some(2), READY));
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty(), "nothing repeats the first one");
}

#[test]
fn a_write_of_an_object_that_is_gone_is_not_repeated() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.answer_with("h0", Error::Gone);
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
}

#[test]
fn pauses_between_writes_grow_to_thirty_seconds() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    let mut pauses = Vec::new();
    for _ in 0..30 {
        hub.answer_with("h0", Error::Unknown("no answer".into()));
        let began = hub.elapsed;
        while hub.writes.is_empty() {
            hub.pass(100 * MILLISECOND);
        }
        pauses.push(hub.elapsed - began);
    }
    assert!(pauses[0] <= 300 * MILLISECOND, "{pauses:?}");
    let longest = pauses.iter().max().unwrap();
    assert!(*longest > 10 * SECOND && *longest <= 31 * SECOND, "{pauses:?}");
    hub.answer("h0");
    // The next write of the same generation is Synced.
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    hub.answer_with("h0", Error::Unknown("no answer".into()));
    hub.pass(300 * MILLISECOND);
    assert_eq!(hub.writes.len(), 1, "success begins anew");
}

#[test]
fn a_failed_commit_pauses_says_why_and_is_repeated() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.list();
    hub.commit_fails_after(0);
    assert!(hub.commits.is_empty());
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), not_ready(Reason::PublishFailed));
    assert!(hub.core.next_wake() <= hub.elapsed + 250 * MILLISECOND);
    hub.pass(250 * MILLISECOND);
    hub.commit();
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), READY);
}

#[test]
fn a_file_that_may_not_survive_is_not_ready_and_is_written_again() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let previous = hub.wanted("h0");
    hub.change("h0", OTHER);
    // The temp file is written and synced, the directory opened, the file renamed; then the sync of the directory fails.
    hub.commit_fails_after(4);
    assert_eq!(hub.on_disk("h0"), hub.wanted("h0"));
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), not_ready(Reason::PublishFailed));
    let status = hub.api.objects[&key("h0")].status.as_ref().unwrap();
    assert_eq!(status.published_digest, None, "neither state may be relied on");
    assert_eq!(hub.delivered("h0"), previous);
    hub.pass(SECOND);
    assert!(matches!(hub.commits[0][..], [Change::Publish { old: Some(_), is_known: false, .. }]));
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.delivered("h0")), (READY, hub.wanted("h0")));
}

#[test]
fn a_status_that_somebody_changed_is_written_again() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.api.edit_status(&key("h0"), None);
    hub.watch();
    hub.commit();
    hub.answer("h0");
    assert_eq!(hub.ready("h0"), READY);
}

#[test]
fn whoever_keeps_changing_a_status_makes_little_work() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let (writes, began) = (hub.api.status_writes, hub.elapsed);
    for _ in 0..400 {
        hub.api.edit_status(&key("h0"), None);
        hub.settle();
    }
    // At once six times, and then every five minutes.
    let most = 7 + (hub.elapsed - began).as_secs() / 300;
    let written = hub.api.status_writes - writes;
    assert!((6..=most).contains(&written), "{written} writes, at most {most}");
    hub.change("h0", OTHER);
    hub.change("h1", OTHER);
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.ready("h1")), (READY, READY), "a new spec waits for nothing");
    hub.api.edit_status(&key("h0"), None);
    hub.settle();
    assert_eq!(hub.ready("h0"), None);
    hub.pass(6 * MINUTE);
    hub.settle();
    assert_eq!(hub.ready("h0"), READY);
}

#[test]
fn a_status_that_somebody_changed_during_our_write_is_written_over() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.api.edit_status(&key("h0"), None);
    hub.watch();
    let write = hub.take_write("h0");
    // Stored before the change that the watch reported.
    hub.tell(Input::StatusAnswered(write.stored_by_model(1)));
    hub.settle();
    assert_eq!(hub.ready("h0"), READY);
}

#[test]
fn the_metrics_tell_ready_refusal_and_synced_apart() {
    let mut hub = Hub::committed(&[("h0", PLAIN), ("h1", INVALID)]);
    hub.answer("h1");
    hub.answer("h0");
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    hub.pass(SECOND);
    hub.answer_with("h0", Error::Unknown("no answer".into()));
    let kinds = [
        (Kind::Refusal, WriteResult::Ok),
        (Kind::Ready, WriteResult::Ok),
        (Kind::Synced, WriteResult::Unknown),
    ];
    assert_eq!(results(&hub), kinds);
    assert_eq!(Kind::ALL.map(Kind::label), ["ready", "refusal", "synced"]);
}

#[test]
fn the_metrics_count_commits_and_objects() {
    let mut hub = Hub::committed(&[("h0", PLAIN), ("h1", PLAIN), ("h2", INVALID)]);
    let committed = Measurement::Committed { took: MILLISECOND, published: 2, removed: 0, failed: 0 };
    assert!(hub.measured.contains(&committed));
    hub.settle();
    hub.change("h1", OTHER);
    hub.commit_fails();
    hub.pass(2 * SECOND);
    let objects = hub.measured.iter().rfind(|measured| matches!(measured, Measurement::Objects { .. }));
    assert_eq!(objects, Some(&Measurement::Objects { published: 1, refused: 1, suspended: 0, failing: 1 }));
}

#[test]
fn readiness_tells_the_watch_and_the_recovery() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.api.edit_status(&key("h0"), None);
    let mut hub = hub.restarted();
    hub.list();
    assert_eq!(hub.missing(Part::MonitoringObjects), "");
    assert!(hub.missing(Part::Recovery).contains("for example a/h0"), "{:?}", hub.readiness);
    hub.settle();
    assert_eq!(hub.missing(Part::Recovery), "");
    hub.tell(Input::Watched(vec![Event::Broken("the stream ended".into())]));
    hub.pass(30 * SECOND);
    assert_eq!(hub.missing(Part::MonitoringObjects), "the stream ended");
    hub.pass(2 * SECOND);
    assert_eq!(hub.missing(Part::MonitoringObjects), "", "it has not failed again");
}

/// An older server reports the object as it was. What was seen before is not forgotten.
#[test]
fn an_older_status_that_is_seen_while_a_write_is_under_way_changes_nothing() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    let write = hub.take_write("h0");
    let before = hub.api.objects[&key("h0")].clone();
    hub.api.write_status(&key("h0"), write.uid(), write.generation(), write.body(), write.claimed(), true);
    hub.watch();
    let older = hub.api.received(&before);
    hub.tell(Input::Watched(vec![Event::Object(Box::new(older))]));
    hub.tell(Input::StatusAnswered(write.refused_by_model(Error::Unknown("no answer".into()))));
    hub.settle();
    hub.pass(SECOND);
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.delivered("h0")), (READY, hub.wanted("h0")));
}
