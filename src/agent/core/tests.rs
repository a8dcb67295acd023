//! The agent against a model of disk, source and Icinga.

mod world;

use super::facts::*;
use super::*;
use crate::api::agent_report::HeldContent;
use world::{Faith, Random, World, loaded, map};

#[test]
fn icinga_may_start_only_once_a_validated_tree_is_in_place() {
    let mut world = World::new();
    world.restart_agent();
    world.pass(60);
    assert!(!world.agent.has_tree());
    assert_eq!(world.result(), AgentResult::Waiting);
    world.publish(&[("a.x.conf", "1")]);
    world.pass(1);
    assert!(world.agent.has_tree());
    assert_ne!(world.result(), AgentResult::Loaded, "nobody has proved anything");
    world.pass(3600);
    assert_eq!(world.result(), AgentResult::Unproved);
    world.start_icinga();
    world.pass(2);
    assert_eq!(world.result(), AgentResult::Loaded);
    assert_eq!(world.report().running.unwrap().revision, "1.1");
}

#[test]
fn a_change_is_loaded_and_of_several_only_the_newest() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.publish(&[("a.x.conf", "2")]);
    world.pass(5);
    assert_eq!((world.runs(), world.result()), (map(&[("a.x.conf", "2")]), AgentResult::Loaded));
    let reloads = world.reloads;
    for text in ["3", "4", "5"] {
        world.publish(&[("a.x.conf", text)]);
    }
    world.pass(60);
    assert_eq!(world.runs(), map(&[("a.x.conf", "5")]));
    assert_eq!(world.reloads, reloads + 1);
    // The previous tree stays for a person; older ones go.
    assert_eq!(world.trees.len(), 2);
}

#[test]
fn nothing_is_loaded_again_while_nothing_changes_whoever_restarts() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    let (validations, reloads) = (world.validations, world.reloads);
    world.restart_agent();
    world.pass(3600);
    world.revision += 1;
    let same = Wanted::Set(world.wanted_set());
    world.agent.want(same, world.now);
    world.pass(3600);
    assert_eq!((world.validations, world.reloads), (validations, reloads));
    // The same content at a newer revision is loaded already.
    assert_eq!(world.report().running.unwrap().revision, "1.2");
    assert_eq!(world.result(), AgentResult::Loaded);
}

#[test]
fn a_refused_object_keeps_its_bytes_and_the_others_are_loaded() {
    let mut world = loaded(&[("a.x.conf", "1"), ("a.y.conf", "1")]);
    world.bad.insert(("a.x.conf".into(), "2".into()));
    world.bad.insert(("a.z.conf".into(), "2".into()));
    world.publish(&[("a.x.conf", "2"), ("a.y.conf", "2"), ("a.z.conf", "2")]);
    world.pass(5);
    assert_eq!(world.runs(), map(&[("a.x.conf", "1"), ("a.y.conf", "2")]));
    let report = world.report();
    assert_eq!(report.result, AgentResult::LoadedInPart);
    let held: Vec<_> = report.held.iter().map(|held| (held.object.as_str(), held.content)).collect();
    assert_eq!(held, [("a/x", HeldContent::Previous), ("a/z", HeldContent::LeftOut)]);
    // A restart forgets none of it.
    world.restart_agent();
    world.pass(60);
    assert_eq!(world.report().held.len(), 2);
    // A good revision heals everything.
    world.publish(&[("a.x.conf", "3"), ("a.y.conf", "2"), ("a.z.conf", "3")]);
    world.pass(60);
    assert_eq!((world.result(), world.report().held.len()), (AgentResult::Loaded, 0));
}

#[test]
fn a_set_on_which_the_validator_crashes_is_not_loaded_and_tried_again_seldom() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.faith = Faith::Crash;
    world.publish(&[("a.x.conf", "fault")]);
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Rejected, map(&[("a.x.conf", "1")])));
    let before = world.validations;
    world.pass(3600);
    assert!((before + 2..before + 8).contains(&world.validations), "{} {before}", world.validations);
    // The cause was somebody else's file, and is gone. An agent that restarts tries it again, too.
    world.restart_agent();
    world.faith = Faith::Fine;
    world.pass(3700);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "fault")])));
}

#[test]
fn a_set_whose_validator_somebody_kills_is_not_refused_and_tried_again_soon() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.faith = Faith::Killed(3);
    world.publish(&[("a.x.conf", "2")]);
    let is_said = (0..40).any(|_| {
        world.pass(1);
        let report = world.report();
        report.result == AgentResult::Loading && report.message.contains("signal 9; the set is not why")
    });
    assert!(is_said, "{:?}", world.report());
    world.pass(40);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
    assert_eq!((world.memory.refused.clone(), world.report().message), (None, String::new()));

    // Nobody gets through in the end: then it rests, and says why.
    world.faith = Faith::Killed(1_000);
    world.publish(&[("a.x.conf", "3")]);
    let before = world.validations;
    world.pass(200);
    assert_eq!((world.result(), world.validations - before), (AgentResult::Rejected, MOST_KILLS as usize));
    assert!(world.report().message.contains("5 times in a row"), "{:?}", world.report());
    world.faith = Faith::Fine;
    world.pass(3700);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "3")])));
}

#[test]
fn one_crash_of_the_validator_refuses_no_set() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.faith = Faith::Crash;
    world.publish(&[("a.x.conf", "fault")]);
    let before = world.validations;
    world.run_from(Input::Woken);
    for _ in 0..100 {
        if world.validations > before {
            break;
        }
        world.now += Duration::from_millis(100);
        world.run_from(Input::Woken);
    }
    assert_eq!((world.validations - before, world.memory.refused.clone()), (1, None));
    world.faith = Faith::Fine;
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "fault")])));
}

#[test]
fn why_a_newer_set_fails_is_reported_also_while_the_loaded_one_is_proved_again() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.failing_builds = usize::MAX;
    world.publish(&[("a.x.conf", "2")]);
    world.pass(10);
    for _ in 0..60 {
        world.pass(1);
        assert!(world.report().message.contains("no space"), "{:?}", world.report());
    }
    world.failing_builds = 0;
    world.pass(60);
    assert_eq!((world.result(), world.report().message), (AgentResult::Loaded, String::new()));
}

#[test]
fn an_agent_whose_refused_set_is_not_wanted_any_more_sleeps() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.faith = Faith::Crash;
    world.publish(&[("a.x.conf", "fault")]);
    world.pass(60);
    assert_eq!(world.result(), AgentResult::Rejected);
    world.publish(&[("a.x.conf", "1")]);
    world.pass(7200);
    assert_eq!(world.result(), AgentResult::Loaded);
}

#[test]
fn a_fault_that_shows_only_when_icinga_runs_brings_the_last_good_set_back() {
    for faith in [Faith::DiesAtRun, Faith::NotLoaded] {
        let mut world = loaded(&[("a.x.conf", "1")]);
        world.faith = faith;
        world.publish(&[("a.x.conf", "fault")]);
        world.pass(60);
        let active = world.active.clone().unwrap();
        assert_eq!(world.trees[&active].files.len(), 1);
        assert!(!world.is_at_fault(&active), "{faith:?}");
        assert_eq!(world.result(), AgentResult::Rejected, "{faith:?}");
        // Somebody starts it again: it has the last good set.
        world.start_icinga();
        world.pass(30);
        assert_eq!(world.runs(), map(&[("a.x.conf", "1")]), "{faith:?}");
        assert_eq!(world.report().running.unwrap().revision, "1.1");
        // Also after a restart the set is not tried at once.
        let validations = world.validations;
        world.restart_agent();
        world.pass(60);
        assert_eq!(world.validations, validations);
        world.publish(&[("a.x.conf", "2")]);
        world.pass(60);
        assert_eq!(world.result(), AgentResult::Loaded);
    }
}

#[test]
fn an_icinga_that_was_killed_just_before_a_change_is_no_fault_of_the_set() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    (world.is_up, world.running) = (false, None);
    world.publish(&[("a.x.conf", "2")]);
    world.pass(120);
    assert_eq!(world.result(), AgentResult::Unproved);
    assert_eq!(world.memory.refused, None);
    world.start_icinga();
    world.pass(10);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
}

#[test]
fn an_icinga_that_cannot_start_with_a_set_starts_with_the_last_good_one() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    (world.is_up, world.running, world.faith) = (false, None, Faith::DiesAtRun);
    world.publish(&[("a.x.conf", "fault")]);
    // Somebody starts it again and again.
    for _ in 0..40 {
        world.pass(30);
        if !world.is_up {
            world.start_icinga();
        }
    }
    world.pass(60);
    // With an Icinga that answers, the set was tried once more, and refused by name.
    assert_eq!(world.result(), AgentResult::Rejected, "{:?}", world.log);
    assert_eq!(world.runs(), map(&[("a.x.conf", "1")]));
}

#[test]
fn an_agent_that_cannot_read_its_disk_looks_again_and_removes_nothing() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    let (validations, reloads) = (world.validations, world.reloads);
    world.failing_looks = 5;
    world.restart_agent();
    world.pass(600);
    assert_eq!((world.validations, world.reloads), (validations, reloads));
    assert_eq!((world.result(), world.trees.len()), (AgentResult::Loaded, 1));
}

#[test]
fn after_a_switch_that_failed_the_agent_finds_out_which_tree_is_active() {
    for is_done in [false, true] {
        let mut world = loaded(&[("a.x.conf", "1")]);
        (world.failing_switch, world.failing_looks) = (Some(is_done), 2);
        world.publish(&[("a.x.conf", "2")]);
        world.pass(300);
        assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
    }
}

#[test]
fn an_icinga_that_loads_a_large_tree_again_is_waited_for() {
    let keys: Vec<String> = (0..30_000).map(|n| format!("a.h{n}.conf")).collect();
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), "1")).collect();
    let mut world = loaded(&all);
    let reloads = world.reloads;
    (world.load_time, world.running) = (Duration::from_secs(25), None);
    world.pass(60);
    assert_eq!((world.result(), world.reloads), (AgentResult::Loaded, reloads + 1));
}

#[test]
fn an_agent_that_cannot_follow_its_source_any_more_reports_why() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.agent.source_trouble(Some("cannot follow ConfigMap groundlink: 403".into()));
    assert_eq!(world.result(), AgentResult::Loaded);
    assert!(world.report().message.contains("403"), "{}", world.report().message);
}

#[test]
fn a_damaged_tree_is_replaced_by_the_last_good_one_and_built_again() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.publish(&[("a.x.conf", "2")]);
    world.pass(60);
    let active = world.active.take().unwrap();
    world.memory.good = world.memory.previous.clone();
    world.trees.remove(&active);
    world.restart_agent();
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
}

#[test]
fn a_lost_reload_is_repeated_and_a_foreign_configuration_replaced() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.lost_reloads = 1;
    world.publish(&[("a.x.conf", "2")]);
    world.pass(60);
    assert_eq!(world.result(), AgentResult::Loaded);
    // Somebody removed the include and reloaded.
    world.running = None;
    let is_noticed = (0..12).any(|_| {
        world.pass(1);
        world.result() == AgentResult::Unproved
    });
    assert!(is_noticed);
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
}

#[test]
fn a_set_that_removes_most_objects_waits_for_a_person() {
    let keys: Vec<String> = (0..30).map(|n| format!("a.h{n}.conf")).collect();
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), "1")).collect();
    let mut world = loaded(&all);
    world.publish(&all[..5]);
    world.pass(3600);
    assert_eq!((world.result(), world.runs().len()), (AgentResult::Held, 30));
    assert!(world.report().message.contains("25 of 30"), "{}", world.report().message);
    world.confirmed = Some(world.wanted_set().digest);
    let confirmed = Wanted::Set(world.wanted_set());
    world.agent.want(confirmed, world.now);
    world.run_from(Input::Woken);
    world.pass(60);
    assert_eq!((world.result(), world.runs().len()), (AgentResult::Loaded, 5));
}

#[test]
fn without_a_pointer_the_set_stays_for_an_hour() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.agent.want(Wanted::Gone, world.now);
    world.run_from(Input::Woken);
    world.pass(3500);
    assert_eq!((world.result(), world.runs().len()), (AgentResult::Waiting, 1));
    assert!(world.report().message.contains("60 minutes"));
    world.pass(200);
    assert_eq!(world.runs().len(), 0);
}

#[test]
fn an_older_revision_and_an_impossible_one_are_not_loaded() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.revision = 5;
    world.publish(&[("a.x.conf", "2")]);
    world.pass(60);
    for revision in [Revision { term: 1, counter: 3 }, Revision { term: 1_000_000, counter: 1 }] {
        let set = WantedSet { revision, digest: Digest::of(b"forged"), ..world.wanted_set() };
        world.agent.want(Wanted::Set(set), world.now);
        world.run_from(Input::Woken);
        world.pass(60);
        assert_eq!((world.result(), world.runs()), (AgentResult::Rejected, map(&[("a.x.conf", "2")])));
    }
}

/// Kills the agent before and after every task, with every kind of change on its way.
#[test]
fn an_agent_that_is_killed_at_any_task_leaves_a_whole_tree_and_goes_on() {
    for kill_at in 0..60 {
        for is_after in [false, true] {
            let mut world = loaded(&[("a.x.conf", "1"), ("a.y.conf", "1")]);
            world.bad.insert(("a.x.conf".into(), "2".into()));
            world.publish(&[("a.x.conf", "2"), ("a.y.conf", "2")]);
            let mut task = world.step(Input::Woken);
            for _ in 0..kill_at {
                match world.execute(task) {
                    Some(input) => task = world.step(input),
                    None => {
                        world.now += Duration::from_millis(100);
                        task = world.step(Input::Woken);
                    }
                }
            }
            if is_after {
                let _ = world.execute(task);
            }
            // Whatever happens now, Icinga may start: the include file names a validated tree.
            world.start_icinga();
            world.restart_agent();
            world.pass(120);
            assert_eq!(world.result(), AgentResult::LoadedInPart, "{kill_at} {is_after}");
            assert_eq!(world.runs(), map(&[("a.x.conf", "1"), ("a.y.conf", "2")]));
        }
    }
}

/// A random life: sets that are good, bad, fatal or small, kills, outages, lost reloads, a pointer
/// that is gone. After it, with a good set and an Icinga that runs, all is loaded.
#[test]
fn whatever_happened_a_good_set_is_loaded_in_the_end() {
    for seed in 0..400 {
        let mut random = Random(seed * 7919 + 1);
        let mut world = loaded(&[("a.x.conf", "1"), ("a.y.conf", "1")]);
        world.bad.insert(("a.x.conf".into(), "bad".into()));
        world.bad.insert(("a.z.conf".into(), "bad".into()));
        let mut tries = Vec::new();
        for _ in 0..25 {
            let what = random.below(12);
            tries.push(what);
            match what {
                0..=3 => {
                    let mut text = || ["1", "2", "3", "bad", "fault"][random.below(5)];
                    let (x, y, z) = (text(), text(), text());
                    let files = [("a.x.conf", x), ("a.y.conf", y), ("a.z.conf", z)];
                    let count = 1 + random.below(3);
                    world.publish(&files[..count]);
                }
                4 => {
                    world.faith =
                        [Faith::Fine, Faith::Crash, Faith::DiesAtRun, Faith::NotLoaded, Faith::Killed(9)]
                            [random.below(5)];
                }
                5 => (world.is_up, world.running) = (false, None),
                6 => world.start_icinga(),
                7 => world.lost_reloads = random.below(3),
                8 => {
                    world.restart_agent();
                    continue;
                }
                9 => {
                    world.agent.want(Wanted::Gone, world.now);
                    world.run_from(Input::Woken);
                    world.pass(random.below(7200) as u64);
                    let back = Wanted::Set(world.wanted_set());
                    world.agent.want(back, world.now);
                }
                _ => {}
            }
            world.run_from(Input::Woken);
            world.pass(random.below(600) as u64);
        }
        world.faith = Faith::Fine;
        world.lost_reloads = 0;
        world.publish(&[("a.x.conf", "last"), ("a.y.conf", "last")]);
        world.run_from(Input::Woken);
        world.pass(60);
        if !world.is_up {
            world.start_icinga();
        }
        world.pass(900);
        let wanted = map(&[("a.x.conf", "last"), ("a.y.conf", "last")]);
        assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, wanted), "seed {seed}: {tries:?}");
        assert!(world.trees.len() <= 3, "seed {seed}: {:?}", world.trees.keys());
    }
}
