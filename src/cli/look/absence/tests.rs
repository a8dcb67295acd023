use super::*;
use kube::api::DynamicObject;
use serde_json::json;

const SETTLE: Duration = Duration::from_secs(90);

fn digest(word: &str) -> Digest {
    Digest::of(word.as_bytes())
}

/// A satellite that holds, as the operator says, the set `acked` and should hold `desired`.
fn satellite(name: &str, spec: Value, desired: &str, acked: &str) -> DynamicObject {
    let is_synced = desired == acked && spec["suspend"] != json!(true);
    let condition = |kind: &str, status: bool, reason: &str| {
        json!({ "type": kind, "status": if status { "True" } else { "False" }, "observedGeneration": 1,
            "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" })
    };
    serde_json::from_value(json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
        "metadata": { "name": name, "generation": 1 }, "spec": spec,
        "status": {
            "desired": { "revision": "1.2", "digest": digest(desired).to_string() },
            "acked": { "revision": "1.2", "digest": digest(acked).to_string() },
            "conditions": [
                condition("Ready", true, "Connected"),
                condition("Synced", is_synced, "Pending"),
            ],
        },
    }))
    .unwrap()
}

fn set(word: &str, has: bool) -> Held {
    Held::Set { digest: Some(digest(word)), has }
}

/// A look `seconds` after the first one, at which the Lease was renewed.
fn look(seconds: u64, satellites: &[(DynamicObject, Held)]) -> Look<'_> {
    Look {
        now: Duration::from_secs(seconds),
        namespace: "team-a",
        labels: None,
        on_volume: None,
        satellites: satellites.iter().map(|(object, held)| (Observed(object), held.clone())).collect(),
        renewed: Ok(Some(format!("at {seconds}"))),
    }
}

fn judged(memory: &mut Memory, seconds: u64, satellites: &[(DynamicObject, Held)]) -> Verdict {
    memory.judge(&look(seconds, satellites), SETTLE)
}

#[track_caller]
fn waits(verdict: Verdict, words: &[&str]) {
    let Verdict::Waiting(why) = verdict else { panic!("{verdict:?}") };
    words.iter().for_each(|word| assert!(why.contains(word), "{word:?} is not in {why:?}"));
}

fn gone(notes: &[&str]) -> Verdict {
    Verdict::Gone(notes.iter().map(|note| (*note).to_owned()).collect())
}

#[test]
fn one_that_was_seen_to_leave_every_satellite_is_gone_at_once() {
    let mut memory = Memory::default();
    let of = |name: &str, set: Held| (satellite(name, json!({}), "s2", "s2"), set);
    let before = [
        (satellite("a", json!({}), "s1", "s1"), set("s1", true)),
        (satellite("b", json!({}), "s1", "s1"), set("s1", true)),
    ];
    waits(judged(&mut memory, 0, &before), &["a still has it", "b still has it"]);
    let between = [of("a", set("s2", false)), (satellite("b", json!({}), "s2", "s1"), set("s1", true))];
    waits(judged(&mut memory, 1, &between), &["b still has it: Pending"]);
    let after = [of("a", set("s2", false)), of("b", set("s2", false))];
    assert_eq!(judged(&mut memory, 2, &after), gone(&[]));
}

#[test]
fn a_satellite_that_cannot_be_read_may_still_have_it() {
    let mut memory = Memory::default();
    let a = || (satellite("a", json!({}), "s1", "s1"), set("s1", true));
    let gone_from_a = || (satellite("a", json!({}), "s2", "s2"), set("s2", false));
    // However well the operator speaks of it.
    let b = |held| (satellite("b", json!({}), "s2", "s2"), held);
    judged(&mut memory, 0, &[a(), b(set("s1", true))]);
    let unknown = || Held::Unknown("no answer".into());
    for seconds in [1, 1000] {
        let verdict = judged(&mut memory, seconds, &[gone_from_a(), b(unknown())]);
        waits(verdict, &["b may still have it: no answer"]);
    }
    waits(judged(&mut memory, 1001, &[gone_from_a(), b(Held::Nothing)]), &["b holds no set"]);
    assert_eq!(judged(&mut memory, 1002, &[gone_from_a(), b(set("s2", false))]), gone(&[]));
}

#[test]
fn a_set_without_it_does_not_count_while_another_one_is_to_come() {
    let mut memory = Memory::default();
    judged(&mut memory, 0, &[(satellite("a", json!({}), "s1", "s1"), set("s1", true))]);
    let mut look_at = |seconds, desired: &str, acked: &str, held: &str| {
        let one = [(satellite("a", json!({}), desired, acked), set(held, false))];
        judged(&mut memory, seconds, &one)
    };
    waits(look_at(1, "s3", "s2", "s2"), &["a lacks it, but does not hold the set that it should"]);
    waits(look_at(2, "s3", "s3", "s2"), &["a lacks it, but does not hold"]);
    assert_eq!(look_at(3, "s3", "s3", "s3"), gone(&[]));
}

#[test]
fn one_that_was_never_seen_is_gone_when_no_delivery_can_bring_it_and_the_operator_works() {
    let one = || [(satellite("a", json!({}), "s1", "s1"), set("s1", false))];
    let mut memory = Memory::default();
    waits(judged(&mut memory, 10, &one()), &["nothing has it", "90 s more", "a was not seen with it"]);
    waits(judged(&mut memory, 99, &one()), &["1 s more"]);
    assert_eq!(judged(&mut memory, 100, &one()), gone(&[]));

    // Something was seen meanwhile: the time begins again.
    let mut memory = Memory::default();
    judged(&mut memory, 10, &one());
    waits(
        judged(&mut memory, 60, &[(satellite("a", json!({}), "s2", "s1"), set("s1", false))]),
        &["does not hold the set that it should"],
    );
    waits(judged(&mut memory, 100, &one()), &["90 s more"]);

    // Nobody leads: the volume may keep the file, and a later leader may deliver it.
    let objects = one();
    let silent = |seconds| Look { renewed: Ok(Some("once".into())), ..look(seconds, &objects) };
    let mut memory = Memory::default();
    memory.judge(&silent(0), SETTLE);
    waits(memory.judge(&silent(1000), SETTLE), &["until the operator is seen to renew its Lease"]);
    let forbidden = Look { renewed: Err("cannot read Lease".into()), ..look(1000, &objects) };
    waits(memory.judge(&forbidden, SETTLE), &["cannot read Lease"]);
}

#[test]
fn a_satellite_of_another_zone_needs_no_time() {
    let zoned = |name: &str, zone: &str, desired: &str, held| {
        (satellite(name, json!({ "zones": [zone] }), desired, desired), held)
    };
    let all = |a: Held, desired| [zoned("a", "eu", desired, a), zoned("b", "us", "s0", set("s0", false))];
    let mut memory = Memory { zone: Some(Some("eu".into())), ..Memory::default() };
    judged(&mut memory, 0, &all(set("s1", true), "s1"));
    assert_eq!(judged(&mut memory, 1, &all(set("s2", false), "s2")), gone(&[]));
    // It would be one of its own, if the object had no zone.
    memory.zone = Some(None);
    waits(judged(&mut memory, 2, &all(set("s2", false), "s2")), &["b was not seen with it"]);
}

#[test]
fn removals_that_are_held_may_be_its_own() {
    let mut held = satellite("a", json!({}), "s1", "s1");
    let condition = json!({ "type": "RemovalsHeld", "status": "True", "reason": "ManyRemovals",
        "message": "40 of 50 objects would be removed" });
    held.data["status"]["conditions"].as_array_mut().unwrap().push(condition);
    let mut memory = Memory::default();
    for seconds in [0, 1000] {
        let verdict = judged(&mut memory, seconds, &[(held.clone(), set("s1", false))]);
        waits(verdict, &["removals that are held", "40 of 50 objects"]);
    }
    waits(judged(&mut memory, 1001, &[(held.clone(), set("s1", true))]), &["a still has it", "40 of 50"]);
    // It was seen to leave, so others are held.
    assert_eq!(judged(&mut memory, 1002, &[(held, set("s1", false))]), gone(&[]));
}

#[test]
fn suspended_and_optional_satellites_are_named_and_not_waited_for() {
    let a = |desired: &str, has| (satellite("a", json!({}), desired, desired), set(desired, has));
    let suspended = satellite("b", json!({ "suspend": true }), "s1", "s1");
    let optional = satellite("c", json!({ "syncPolicy": "Optional" }), "s2", "s1");
    let mut memory = Memory::default();
    let others = |b: Held, c: Held| [(suspended.clone(), b), (optional.clone(), c)];
    let both = others(set("s1", true), Held::Unknown("no answer".into()));
    judged(&mut memory, 0, &[&[a("s1", true)], &both[..]].concat());
    let Verdict::Gone(notes) = judged(&mut memory, 1, &[&[a("s2", false)], &both[..]].concat()) else {
        panic!("it is gone");
    };
    assert!(notes[0].starts_with("b is not waited for (Suspended), and still has it"), "{notes:?}");
    assert!(notes[1].starts_with("c is not waited for (Optional), and may still have it"), "{notes:?}");
    let neither = others(set("s1", false), set("s2", false));
    assert_eq!(judged(&mut memory, 2, &[&[a("s2", false)], &neither[..]].concat()), gone(&[]));

    // A suspended one alone shows nothing of the hub.
    let mut memory = Memory::default();
    let Verdict::Hopeless(why) = judged(&mut memory, 0, &both[..1]) else { panic!("the hub is known") };
    assert!(why.contains("--volume"), "{why}");
}

#[test]
fn without_satellites_only_the_volume_can_show_it() {
    let mut memory = Memory::default();
    let Verdict::Hopeless(why) = judged(&mut memory, 0, &[]) else { panic!("it is known") };
    assert!(why.contains("--volume"), "{why}");
    let file = |seconds, is_there| Look { on_volume: Some(is_there), ..look(seconds, &[]) };
    waits(memory.judge(&file(1, true), SETTLE), &["its file is on the hub's volume"]);
    assert_eq!(memory.judge(&file(2, false), SETTLE), gone(&[]));
    let mut memory = Memory::default();
    waits(memory.judge(&file(0, false), SETTLE), &["it was seen nowhere"]);
    assert_eq!(memory.judge(&file(90, false), SETTLE), gone(&[]));
}

#[test]
fn one_that_was_created_again_begins_anew() {
    let a = |desired: &str, has| [(satellite("a", json!({}), desired, desired), set(desired, has))];
    let mut memory = Memory::default();
    judged(&mut memory, 0, &a("s1", true));
    memory.exists(None, BTreeSet::new());
    waits(judged(&mut memory, 1, &a("s2", false)), &["a was not seen with it"]);
    // As the operator says while it exists.
    memory.exists(None, ["a".to_owned()].into());
    assert_eq!(judged(&mut memory, 2, &a("s2", false)), gone(&[]));
}

#[test]
fn an_icinga_that_has_not_loaded_the_set_is_named() {
    let mut behind = satellite("a", json!({}), "s2", "s2");
    behind.data["status"]["agents"] = json!([{ "name": "one" }]);
    behind.data["status"]["loaded"] = json!({ "revision": "1.1", "digest": digest("s1").to_string() });
    let mut memory = Memory { had: ["a".to_owned()].into(), ..Memory::default() };
    let Verdict::Gone(notes) = judged(&mut memory, 0, &[(behind, set("s2", false))]) else {
        panic!("it is gone");
    };
    assert!(notes[0].starts_with("a: its Icinga may still run it"), "{notes:?}");
}
