mod model;

use super::*;
use crate::api::Reason;
use crate::api::marks::HUB;
use crate::snapshot::pointer::{LAYOUT, MANAGED_BY};
use k8s_openapi::api::core::v1::ConfigMap;
use model::{World, refused, target, wanted};

const POINTER: &str = "groundlink";

fn set(counter: u64, word: &str) -> super::super::order::Wanted {
    wanted(counter, &[("a", word), ("b", "same")])
}

/// The shard that the pointer names.
fn shard(world: &World) -> String {
    let held = pointer(world).shards;
    assert_eq!(held.len(), 1, "{held:?}");
    held.into_iter().next().unwrap()
}

fn pointer(world: &World) -> crate::snapshot::pointer::FoundPointer {
    crate::snapshot::pointer::read(&world.server.objects[POINTER], &target())
}

#[test]
fn r3_every_shard_is_stored_before_the_pointer_and_nothing_is_written_twice() {
    let mut world = World::sharded();
    // Enough for several shards: each is at most 512 KiB.
    let long = "x".repeat(60_000);
    let names: Vec<String> = (0..60).map(|n| format!("host-{n}")).collect();
    let objects: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let writes = world.deliver(&wanted(1, &objects));
    assert!(writes.len() > 5, "{writes:?}");
    assert_eq!(writes.last().unwrap(), "create groundlink");
    assert!(writes[..writes.len() - 1].iter().all(|write| write.starts_with("create groundlink-")));
    assert!((2..=PARALLEL).contains(&world.most), "{} at once", world.most);
    assert!(world.deliver(&wanted(1, &objects)).is_empty());
    assert!(world.server.requests.is_empty(), "requests for known facts: {:?}", world.server.requests);
    // One that begins reads everything, and writes nothing either.
    let mut next = World::sharded();
    std::mem::swap(&mut next.server, &mut world.server);
    next.list();
    assert!(next.deliver(&wanted(2, &objects)).is_empty());
    assert_eq!(next.server.requests.len(), writes.len());
}

#[test]
fn a_change_writes_one_shard_and_the_pointer_and_keeps_the_shard_before() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let first = shard(&world);
    let writes = world.deliver(&set(2, "two"));
    let second = shard(&world);
    assert_eq!(writes, [format!("create {second}"), "replace groundlink".into()]);
    assert_eq!(pointer(&world).previous, [first.clone()].into());
    assert_eq!(world.delivery.facts().garbage, 0, "the previous pointer's shards are kept");
    world.deliver(&set(3, "three"));
    assert_eq!(world.delivery.facts().garbage, 1);
    assert_eq!(world.run(Job::Collect, None), Ok(Outcome::Collected));
    let mut kept = vec![second, shard(&world)];
    kept.sort();
    assert_eq!(world.server.shards(), kept, "R3: current and previous stay, {first} is deleted");
    assert_eq!(world.delivery.facts().garbage, 0);
}

#[test]
fn a_shard_that_a_newer_revision_wants_is_no_garbage() {
    let mut world = World::sharded();
    let sets: Vec<_> = (1..=3).map(|n| set(n, &format!("word {n}"))).collect();
    world.deliver(&sets[0]);
    let first = shard(&world);
    world.deliver(&sets[1]);
    world.deliver(&sets[2]);
    // Another operator prepares the first set again, at a newer revision.
    world.server.edit(&first, |shard| {
        shard.metadata.annotations.as_mut().unwrap().insert("groundlink.dev/revision".into(), "1.9".into());
    });
    world.hear();
    assert_eq!(world.delivery.facts().garbage, 0);
    // Or for the pointer's own revision: the acceptance of the satellite changed.
    world.server.edit(&first, |shard| {
        shard.metadata.annotations.as_mut().unwrap().insert("groundlink.dev/revision".into(), "1.3".into());
    });
    world.hear();
    assert_eq!(world.delivery.facts().garbage, 0);
    // Nor is what belongs to a pointer of another name.
    world.server.edit(&first, |shard| {
        shard.metadata.annotations.as_mut().unwrap().insert("groundlink.dev/revision".into(), "1.1".into());
    });
    world.hear();
    assert_eq!(world.delivery.facts().garbage, 1);
    world.server.delete(&first);
    let mut other =
        crate::snapshot::pointer::shard(&target(), sets[0].revision, &sets[0].view.shards(0)[0]).unwrap();
    other.metadata.name = Some("other-0123456789abcdef0123456789abcdef".into());
    world.server.put(other);
    world.hear();
    assert_eq!(world.delivery.facts().garbage, 0);
}

#[test]
fn garbage_that_is_wanted_again_is_marked_first_and_a_late_deletion_of_it_fails() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let first = shard(&world);
    world.deliver(&set(2, "two"));
    world.deliver(&set(3, "three"));
    let seen = world.server.objects[&first].metadata.clone();
    let writes = world.deliver(&set(4, "one"));
    assert_eq!(writes, [format!("mark {first}"), "replace groundlink".into()]);
    assert_ne!(world.server.objects[&first].metadata.resource_version, seen.resource_version);
    // The mark fails because another process deleted the shard at that moment: it is created.
    world.deliver(&set(5, "five"));
    world.deliver(&set(6, "six"));
    let name = first.clone();
    world.fault = Some(Box::new(move |server, request| {
        if matches!(request, Request::MarkShard { .. }) {
            server.delete(&name);
        }
        None
    }));
    let writes = world.deliver(&set(7, "one"));
    assert_eq!(writes, [format!("create {first}"), "replace groundlink".into()]);
}

#[test]
fn a_shard_that_was_deleted_while_the_watch_reports_it_is_created_again() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let name = shard(&world);
    world.server.delete(&name);
    world.hear();
    assert!(world.delivery.take_disturbance(true));
    assert!(!world.delivery.take_disturbance(true), "one event is one disturbance");
    world.delivery.forget_pointer();
    assert_eq!(world.deliver(&set(1, "one")), [format!("create {name}")]);
}

#[test]
fn a_shard_that_was_deleted_while_nobody_watched_is_created_again() {
    // Cut off, and found by the next list.
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let name = shard(&world);
    world.observe(Event::Failed(Problem::silent(Reason::Unreachable, "cut off")));
    world.server.delete(&name);
    world.list();
    assert!(world.delivery.take_disturbance(true));
    assert_eq!(world.deliver(&set(1, "one")), [format!("create {name}")]);
    // Cut off, and nothing may be listed since.
    world.is_watched = false;
    world.sleep(1);
    world.observe(Event::Failed(Problem::silent(Reason::Unreachable, "cut off")));
    world.server.delete(&name);
    world.sleep(1);
    assert_eq!(world.deliver(&set(1, "one")), [format!("create {name}")]);
    // Where the Role has no `list`, what was seen counts for a while, and no longer.
    world.observe(Event::Failed(Problem::stalled(Reason::Forbidden, "403").answered()));
    world.server.delete(&name);
    world.sleep(299);
    assert!(world.deliver(&set(1, "one")).is_empty());
    world.sleep(2);
    assert_eq!(world.deliver(&set(1, "one")), [format!("create {name}")]);
}

#[test]
fn a_shard_that_is_deleted_during_the_delivery_keeps_the_pointer_back() {
    let mut world = World::sharded();
    let long = "x".repeat(60_000);
    let names: Vec<String> = (0..40).map(|n| format!("host-{n}")).collect();
    let objects: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let mut first: Option<String> = None;
    world.fault = Some(Box::new(move |server, request| {
        match (&first, request) {
            (None, Request::CreateShard { name, .. }) => first = Some(name.clone()),
            (Some(name), Request::CreateShard { .. }) if server.objects.contains_key(name) => {
                server.delete(name);
                first = Some("done".into());
            }
            _ => {}
        }
        None
    }));
    let writes = world.deliver(&wanted(1, &objects));
    let named = pointer(&world).shards;
    assert!(named.iter().all(|name| world.server.objects.contains_key(name)), "{writes:?}");
}

#[test]
fn a_satellite_that_was_emptied_or_restored_is_read_from_the_beginning() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let backup = world.server.objects.clone();
    world.deliver(&set(2, "two"));
    let (name, watch) = (shard(&world), world.delivery.watching());
    // Put back as it was, without any event.
    world.is_watched = false;
    world.server.objects = backup;
    assert_eq!(world.run(Job::Read, None), Ok(Outcome::Read));
    assert_ne!(world.delivery.watching(), watch, "everything is listed again");
    world.list();
    let writes = world.deliver(&set(2, "two"));
    assert_eq!(writes, [format!("create {name}"), "replace groundlink".into()]);
    // Emptied.
    world.server.objects.clear();
    assert_eq!(world.run(Job::Read, None), Ok(Outcome::Read));
    world.list();
    let writes = world.deliver(&set(2, "two"));
    assert_eq!(writes, [format!("create {name}"), "create groundlink".into()]);
}

#[test]
fn two_operators_at_once_write_one_pointer_after_the_other() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    // Another process writes revision 1.3 between the reading and the writing of this one.
    let other = set(3, "three");
    let mut is_first = true;
    world.fault = Some(Box::new(move |server, request| {
        if matches!(request, Request::WritePointer(_)) && std::mem::take(&mut is_first) {
            let shards = other.view.shards(0);
            server.put(crate::snapshot::pointer::shard(&target(), other.revision, &shards[0]).unwrap());
            let previous = Default::default();
            let theirs = crate::snapshot::pointer::sharded(
                &target(),
                other.revision,
                &other.view,
                0,
                &shards,
                &previous,
            );
            server.edit(POINTER, |object| {
                let uid = object.metadata.uid.clone();
                *object = theirs;
                object.metadata.uid = uid;
            });
        }
        None
    }));
    // R4: the write fails, the pointer is read again, and the higher revision stays.
    let problem = world.refuse(&set(2, "two"));
    assert_eq!(problem.reason, Reason::Conflict);
    assert!(problem.message.contains("1.3") && problem.message.contains("1.2"), "{}", problem.message);
    assert_eq!(pointer(&world).revision.unwrap().counter, 3);
    assert!(!world.server.writes.iter().any(|write| write.ends_with(" groundlink")));
    // Once this process has a higher revision, it writes.
    world.deliver(&set(4, "two"));
    assert_eq!(pointer(&world).revision.unwrap().counter, 4);
}

#[test]
fn r4_a_revision_that_nobody_can_have_had_stops_no_delivery() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    world.server.edit(POINTER, |pointer| {
        let annotations = pointer.metadata.annotations.as_mut().unwrap();
        annotations.insert("groundlink.dev/revision".into(), "999.1".into());
    });
    world.hear();
    assert_eq!(world.deliver(&set(2, "two")).last().unwrap(), "replace groundlink");
    assert_eq!(pointer(&world).revision.unwrap().term, 1);
}

#[test]
fn conflicts_that_do_not_end_end_the_delivery_after_four_attempts() {
    for what in ["pointer", "shard"] {
        let mut world = World::sharded();
        world.deliver(&set(1, "one"));
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = count.clone();
        world.fault = Some(Box::new(move |_, request| {
            let hits = match request {
                Request::WritePointer(_) => what == "pointer",
                Request::CreateShard { .. } => what == "shard",
                _ => false,
            };
            counted.set(counted.get() + u32::from(hits));
            hits.then(|| refused(409))
        }));
        assert_eq!(world.refuse(&set(2, "two")).reason, Reason::Conflict, "{what}");
        assert_eq!(count.get(), 4, "{what}");
        assert!(!world.delivery.facts().knows_pointer, "{what}: it is read again");
        world.fault = None;
        world.deliver(&set(2, "two"));
    }
}

#[test]
fn an_immutable_pointer_is_replaced_by_a_new_one() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    world.server.edit(POINTER, |pointer| pointer.immutable = Some(true));
    world.hear();
    let writes = world.deliver(&set(2, "two"));
    let name = shard(&world);
    assert_eq!(writes, [format!("create {name}"), "delete groundlink".into(), "create groundlink".into()]);
    assert_eq!(pointer(&world).previous.len(), 1, "the shards of the old pointer are kept");
}

#[test]
fn what_the_server_stored_decides_not_what_was_sent() {
    let mut world = World::new(Layout::Single, AdoptionPolicy::Never);
    // A webhook adds a key to what is written.
    let webhook = |object: &mut ConfigMap| {
        object.data.get_or_insert_default().insert("added".into(), "x".into());
    };
    world.fault = Some(Box::new(move |_, request| {
        let Request::WritePointer(write) = request else { return None };
        let mut stored = write.object().clone();
        webhook(&mut stored);
        stored.metadata.uid = Some("u".into());
        Some(Answer::PointerStored(Box::new(stored)))
    }));
    let problem = world.refuse(&set(1, "one"));
    assert_eq!(problem.reason, Reason::Rejected);
    assert!(problem.message.contains("webhook"), "{}", problem.message);
    let mut world = World::sharded();
    world.fault = Some(Box::new(|_, request| {
        let Request::CreateShard { name, .. } = request else { return None };
        Some(Answer::ShardStored { uid: Some(name.clone()), version: None, is_as_sent: false })
    }));
    assert_eq!(world.refuse(&set(1, "one")).reason, Reason::Rejected);
    assert!(world.server.writes.is_empty(), "no pointer: {:?}", world.server.writes);
}

#[test]
fn a_shard_with_other_content_is_replaced_and_one_without_labels_is_ours_if_the_pointer_names_it() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let name = shard(&world);
    let mut begins = World::sharded();
    std::mem::swap(&mut begins.server, &mut world.server);
    begins.server.edit(&name, |shard| shard.binary_data = None);
    begins.list();
    assert_eq!(begins.deliver(&set(1, "one")), [format!("delete {name}"), format!("create {name}")]);
    begins.server.edit(&name, |shard| shard.metadata.labels = None);
    let mut again = World::sharded();
    std::mem::swap(&mut again.server, &mut begins.server);
    again.list();
    assert_eq!(again.deliver(&set(1, "one")), [format!("mark {name}")]);
}

#[test]
fn what_is_not_ours_is_touched_only_if_it_may_be_adopted() {
    let foreign =
        |object: &mut ConfigMap| drop(object.metadata.labels.as_mut().unwrap().remove(MANAGED_BY.0));
    for (adoption, word, may) in [
        (AdoptionPolicy::Never, "one", false),
        (AdoptionPolicy::IfIdentical, "one", true),
        (AdoptionPolicy::IfIdentical, "two", false),
        (AdoptionPolicy::Always, "two", true),
    ] {
        for layout in [Layout::Single, Layout::Snapshot] {
            let mut first = World::new(layout, AdoptionPolicy::Never);
            first.deliver(&set(1, "one"));
            let names: Vec<String> = first.server.objects.keys().cloned().collect();
            names.iter().for_each(|name| first.server.edit(name, foreign));
            let mut world = World::new(layout, adoption);
            std::mem::swap(&mut world.server, &mut first.server);
            world.list();
            let before = world.server.objects.clone();
            let what = format!("{adoption:?} {layout:?} {word}");
            if may {
                assert!(!world.deliver(&set(2, word)).is_empty(), "{what}");
                assert!(world.delivery.facts().holds_ours, "{what}");
            } else {
                let problem = world.refuse(&set(2, word));
                assert_eq!((problem.reason, problem.transient), (Reason::Conflict, false), "{what}");
                assert!(problem.message.contains("spec.adoptionPolicy"), "{}", problem.message);
                assert_eq!(world.server.objects, before, "{what}");
            }
        }
    }
}

#[test]
fn r4_the_set_of_another_hub_is_adopted_only_under_a_higher_revision() {
    let of_another_hub = |object: &mut ConfigMap| {
        object.metadata.labels.as_mut().unwrap().insert(HUB.into(), "another".into());
    };
    for (counter, may) in [(1, false), (3, false), (4, true)] {
        let mut world = World::new(Layout::Snapshot, AdoptionPolicy::Always);
        world.deliver(&set(3, "one"));
        world.server.edit(POINTER, of_another_hub);
        world.hear();
        if may {
            world.deliver(&set(counter, "one"));
        } else {
            let problem = world.refuse(&set(counter, "one"));
            assert_eq!((problem.reason, problem.transient), (Reason::Conflict, true));
            assert!(problem.message.contains("takes a newer term"), "{}", problem.message);
        }
        assert_eq!(pointer(&world).revision.unwrap().counter, counter.max(3));
    }
}

#[test]
fn what_others_changed_is_found_without_a_write_and_then_corrected() {
    for layout in [Layout::Single, Layout::Snapshot] {
        let mut world = World::new(layout, AdoptionPolicy::Never);
        world.deliver(&set(1, "one"));
        assert!(world.compare(&set(1, "one")).is_empty());
        world.server.edit(POINTER, |pointer| {
            pointer.metadata.annotations.as_mut().unwrap().remove(LAYOUT);
        });
        let shards = world.server.shards();
        shards.iter().for_each(|name| world.server.delete(name));
        world.hear();
        world.server.writes.clear();
        let mut wrong = vec![POINTER.to_owned()];
        wrong.extend(shards.clone());
        assert_eq!(world.compare(&set(1, "one")), wrong, "{layout:?}");
        assert!(world.server.writes.is_empty());
        let mut expected: Vec<_> = shards.iter().map(|name| format!("create {name}")).collect();
        expected.push("replace groundlink".into());
        assert_eq!(world.deliver(&set(1, "one")), expected, "{layout:?}");
        assert!(world.compare(&set(1, "one")).is_empty());
    }
}

#[test]
fn a_pointer_that_is_written_again_at_the_same_set_keeps_what_it_kept() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let first = shard(&world);
    world.deliver(&set(2, "two"));
    world.server.edit(POINTER, |pointer| {
        pointer.metadata.annotations.as_mut().unwrap().remove(LAYOUT);
    });
    world.hear();
    assert_eq!(world.deliver(&set(2, "two")), ["replace groundlink"]);
    assert_eq!(pointer(&world).previous, [first].into());
}

#[test]
fn a_pointer_that_cannot_be_read_keeps_every_shard() {
    let mut world = World::sharded();
    world.deliver(&set(1, "one"));
    let first = shard(&world);
    world.server.edit(POINTER, |pointer| {
        pointer.data.as_mut().unwrap().insert("manifest.json".into(), "{".into());
    });
    world.hear();
    assert_eq!(world.delivery.facts().garbage, 0);
    world.deliver(&set(2, "two"));
    assert_eq!(pointer(&world).previous, [first].into());
}

#[test]
fn room_is_made_by_deleting_what_nobody_needs_and_nothing_else() {
    let mut world = World::sharded();
    for counter in 1..=4 {
        world.deliver(&set(counter, &format!("word {counter}")));
    }
    let held = pointer(&world);
    assert_eq!(world.run(Job::MakeRoom, None), Ok(Outcome::Collected));
    assert_eq!(world.server.requests.last().unwrap(), "read groundlink");
    let kept: BTreeSet<String> = world.server.shards().into_iter().collect();
    assert_eq!(kept, held.shards.union(&held.previous).cloned().collect());
}

#[test]
fn garbage_that_changed_since_it_was_seen_stays() {
    let mut world = World::sharded();
    for counter in 1..=3 {
        world.deliver(&set(counter, &format!("word {counter}")));
    }
    assert_eq!(world.delivery.facts().garbage, 1);
    world.is_watched = false;
    let shards = world.server.shards();
    // Somebody wants all of them, and the event is late.
    shards.iter().for_each(|name| world.server.edit(name, |_| {}));
    assert_eq!(world.run(Job::Collect, None), Ok(Outcome::Collected));
    assert_eq!(world.server.shards(), shards);
}

#[test]
fn a_cleanup_deletes_the_pointer_first_and_says_what_is_left() {
    let mut world = World::sharded();
    for counter in 1..=6 {
        world.deliver(&set(counter, &format!("word {counter}")));
    }
    let mut theirs = world.server.objects[POINTER].clone();
    theirs.metadata.name = Some("theirs".into());
    theirs.metadata.labels = None;
    world.server.put(theirs);
    world.server.writes.clear();
    assert_eq!(world.run(Job::CleanUp, None), Ok(Outcome::CleanedUp));
    assert_eq!(world.server.writes[0], "delete groundlink");
    assert_eq!(world.server.shards(), ["theirs"]);
    // Something keeps one there.
    world.server.objects.clear();
    world.deliver(&set(7, "seven"));
    let name = shard(&world);
    let kept = name.clone();
    world.fault = Some(Box::new(move |_, request| match request {
        Request::Delete(identity) if identity.name == kept => Some(refused(409)),
        _ => None,
    }));
    let Err(Ended::Failed(problem)) = world.run(Job::CleanUp, None) else { panic!("it is not clean") };
    assert!(problem.message.contains(&name), "{}", problem.message);
    assert_eq!(world.server.objects.keys().collect::<Vec<_>>(), [&name]);
}

#[test]
fn the_first_list_is_waited_for_unless_it_is_refused() {
    let begin = |event: Option<Event>| {
        let mut world = World::sharded();
        world.delivery = Delivery::new(target(), Layout::Snapshot, AdoptionPolicy::Never);
        world.delivery.follow();
        world.is_watched = false;
        let began = world.now;
        if let Some(event) = event {
            world.observe(event);
        }
        world.deliver(&set(1, "one"));
        world.now - began
    };
    assert!(begin(None) > Duration::from_secs(5));
    assert!(
        begin(Some(Event::Failed(Problem::silent(Reason::Unreachable, "later")))) > Duration::from_secs(5)
    );
    let refusal = Problem::stalled(Reason::Forbidden, "403").answered();
    assert!(begin(Some(Event::Failed(refusal))) < Duration::from_secs(1));
}

#[test]
fn a_job_that_is_cut_off_goes_on_where_it_was() {
    let mut world = World::sharded();
    let long = "x".repeat(60_000);
    let names: Vec<String> = (0..60).map(|n| format!("host-{n}")).collect();
    let objects: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let set = wanted(1, &objects);
    // Each request takes a millisecond, and six of them are not enough.
    let limit = Some(Duration::from_millis(6));
    assert_eq!(world.run(Job::Deliver(set.clone()), limit), Err(Ended::OutOfTime));
    let first = world.server.writes.clone();
    assert!(first.len() >= 2 && !first.contains(&"create groundlink".to_owned()), "{first:?}");
    let writes = world.deliver(&set);
    assert!(first.iter().all(|write| !writes.contains(write)), "{first:?} then {writes:?}");
}

#[test]
fn a_late_answer_and_a_late_event_count_for_nothing() {
    let mut world = World::sharded();
    world.delivery.begin(Job::Read, None, world.now);
    let late = world.delivery.next(world.now);
    world.deliver(&set(1, "one"));
    for command in late {
        world.delivery.answered(command.id, Answer::Pointer(None), world.now);
    }
    assert!(world.delivery.facts().holds_ours);
    let old = world.delivery.watching().unwrap();
    world.delivery.stop_following(world.now);
    world.delivery.follow();
    let items = Default::default();
    world.delivery.observed(old, Event::Listed { began: world.now, items }, world.now);
    assert!(!world.delivery.take_disturbance(true), "the event is of another watch");
}

#[test]
fn the_event_of_our_own_write_is_no_disturbance() {
    let mut world = World::sharded();
    world.is_watched = false;
    world.deliver(&set(1, "one"));
    world.deliver(&set(2, "two"));
    world.hear();
    assert!(!world.delivery.take_disturbance(true));
    world.server.edit(POINTER, |_| {});
    world.hear();
    assert!(world.delivery.take_disturbance(true));
}
