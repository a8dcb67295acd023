use super::*;
use crate::references::{Step, order};
use crate::render::read_back;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// A content as a published file has it; only its header matters here.
fn content(
    key: &str,
    provides: &[&str],
    uses: &[&str],
    mutual: &[&str],
    zone: Option<&str>,
) -> Arc<Rendered> {
    content_with(key, provides, &[], uses, mutual, zone, None)
}

/// The same, with names that it shares, and one that it passes on for another.
fn content_with(
    key: &str,
    provides: &[&str],
    shares: &[&str],
    uses: &[&str],
    mutual: &[&str],
    zone: Option<&str>,
    relay: Option<(String, String)>,
) -> Arc<Rendered> {
    let (namespace, name) = key.split_once('/').unwrap();
    let alternatives = |names: &[&str]| names.iter().map(|name| vec![name.to_string()]).collect::<Vec<_>>();
    let header = serde_json::json!({
        "provides": provides, "shares": shares, "uses": alternatives(uses), "mutual": alternatives(mutual), "zone": zone,
        "relays": relay.iter().map(|(name, given)| serde_json::json!({ "name": name, "given": [[given]] })).collect::<Vec<_>>(),
    });
    let text = format!("// file\n// groundlink: {header}\n");
    Arc::new(read_back(&ObjectKey::new(namespace, name), text.into_bytes()).unwrap())
}

fn key(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ObjectKey::new(namespace, name)
}

fn visible(index: &Index) -> Vec<String> {
    let mut keys: Vec<_> = index.all_visible().map(|content| content.key().to_string()).collect();
    keys.sort();
    keys
}

fn upsert(index: &mut Index, age: i64, content: Arc<Rendered>) {
    let uid = Uid::new(&content.key().to_string());
    index.upsert(age, &uid, content);
    index.resolve();
}

#[test]
fn held_until_everything_appears_and_withdrawn_together() {
    let mut index = Index::default();
    upsert(&mut index, 1, content("a/h", &["Host!h"], &["CheckCommand!c", "template Host!t"], &[], None));
    let waiting = index.waiting(&key("a/h")).unwrap();
    assert_eq!(waiting.reason, Reason::UnresolvedReference);
    assert!(waiting.message.contains("CheckCommand \"c\" is missing"), "{}", waiting.message);
    assert!(waiting.message.contains("template Host \"t\" is missing"), "{}", waiting.message);
    upsert(&mut index, 2, content("a/c", &["CheckCommand!c"], &[], &[], None));
    assert_eq!(visible(&index), ["a/c"]);
    upsert(&mut index, 3, content("a/t", &["template Host!t"], &[], &[], None));
    assert_eq!(visible(&index), ["a/c", "a/h", "a/t"]);
    index.take_changed();
    index.remove(&key("a/t"));
    index.resolve();
    assert_eq!(visible(&index), ["a/c"]);
    assert!(index.take_changed().contains(&key("a/h")));
}

#[test]
fn a_change_that_names_something_missing_keeps_the_last_good_state() {
    let mut index = Index::default();
    let good = content("a/h", &["Host!h"], &[], &[], None);
    upsert(&mut index, 1, good.clone());
    upsert(&mut index, 1, content("a/h", &["Host!h"], &["HostGroup!g"], &[], None));
    assert_eq!(index.visible(&key("a/h")), Some(&good));
    assert!(index.waiting(&key("a/h")).is_some());
    upsert(&mut index, 1, good.clone());
    assert!(index.waiting(&key("a/h")).is_none());
}

#[test]
fn the_oldest_keeps_a_name_and_the_next_takes_over() {
    let mut index = Index::default();
    upsert(&mut index, 5, content("b/x", &["Host!h"], &[], &[], None));
    upsert(&mut index, 7, content("c/x", &["Host!h"], &[], &[], None));
    assert!(index.waiting(&key("c/x")).unwrap().message.contains("b/x"));
    upsert(&mut index, 1, content("a/x", &["Host!h"], &[], &[], None));
    assert_eq!(visible(&index), ["a/x"]);
    index.remove(&key("a/x"));
    index.resolve();
    assert_eq!(visible(&index), ["b/x"]);
}

#[test]
fn an_object_and_a_template_of_one_type_cannot_share_a_name() {
    let mut index = Index::new([Name::from_header("template CheckCommand!ping-common")].into());
    upsert(&mut index, 1, content("a/t", &["template Host!x"], &[], &[], None));
    upsert(&mut index, 2, content("b/h", &["Host!x"], &[], &[], None));
    upsert(&mut index, 3, content("b/c", &["CheckCommand!ping-common"], &[], &[], None));
    assert_eq!(visible(&index), ["a/t"]);
    assert_eq!(index.waiting(&key("b/c")).unwrap().reason, Reason::NameConflict);
    index.remove(&key("a/t"));
    index.resolve();
    assert_eq!(visible(&index), ["b/h"]);
}

#[test]
fn a_name_is_given_up_before_its_twin_takes_it_and_sharers_wait_for_nobody() {
    let steps = |old: &[Arc<Rendered>], new: &[Arc<Rendered>]| {
        let gone = old
            .iter()
            .map(|old| (old.key().clone(), Step { old: Some(old.clone()), new: None, is_unread: false }));
        let made = new
            .iter()
            .map(|new| (new.key().clone(), Step { old: None, new: Some(new.clone()), is_unread: false }));
        let (keys, steps): (Vec<_>, Vec<_>) = gone.chain(made).unzip();
        order(steps, &keys)
    };
    let ordered = steps(
        &[content("z/old", &["Host!h"], &[], &[], None)],
        &[content("a/new", &["template Host!h"], &[], &[], None)],
    );
    assert_eq!(ordered, [(key("z/old"), vec![]), (key("a/new"), vec![key("z/old")])]);
    let sharer = |key: &str| content_with(key, &[], &["Service!!ping"], &[], &[], None, None);
    let ordered = steps(&[sharer("z/old")], &[sharer("a/new")]);
    assert_eq!(ordered, [(key("a/new"), vec![]), (key("z/old"), vec![])]);
    let rule = content("a/rule", &["Service!!ping"], &[], &[], None);
    assert_eq!(steps(&[sharer("z/old")], &[rule])[0].0, key("z/old"));
}

#[test]
fn rules_and_single_objects_share_a_name_beside_external_ones() {
    let external = crate::validate::Settings::new(
        &[],
        &["Service!web!disk c".to_owned(), "Endpoint!e".to_owned()],
        crate::api::IcingaVersion::default(),
    );
    let mut index = Index::new(external.unwrap().external_objects.into_iter().collect());
    let rule = |key: &str| content_with(key, &[], &["Service!!disk c"], &[], &[], None, None);
    let single =
        |key: &str, name: &str| content_with(key, &[name], &["Service!!disk c"], &[], &[], None, None);
    upsert(&mut index, 1, rule("a/rule"));
    upsert(&mut index, 2, rule("a/rule-too"));
    upsert(&mut index, 3, single("a/single", "Service!db!disk c"));
    assert_eq!(visible(&index), ["a/rule", "a/rule-too", "a/single"]);
    // Two single objects of one full name are ambiguous, and so is one beside an external object.
    upsert(&mut index, 4, single("a/single-too", "Service!db!disk c"));
    upsert(&mut index, 4, single("a/external", "Service!web!disk c"));
    assert_eq!(index.waiting(&key("a/single-too")).unwrap().reason, Reason::NameConflict);
    assert_eq!(index.waiting(&key("a/external")).unwrap().reason, Reason::NameConflict);
    // Its zone is declared where it is.
    upsert(
        &mut index,
        4,
        content("a/zone", &["Zone!z", "=a Zone that lists Endpoint \"e\""], &[], &[], None),
    );
    assert_eq!(index.waiting(&key("a/zone")).unwrap().reason, Reason::NameConflict);
}

#[test]
fn a_zone_and_its_endpoint_come_together() {
    let mut index = Index::default();
    upsert(&mut index, 1, content("a/e", &["Endpoint!e"], &[], &["=listed e"], None));
    assert!(visible(&index).is_empty());
    upsert(&mut index, 2, content("a/z", &["Zone!z", "=listed e"], &["Endpoint!e"], &[], None));
    assert_eq!(visible(&index), ["a/e", "a/z"]);
    index.remove(&key("a/z"));
    index.resolve();
    assert!(visible(&index).is_empty());
}

#[test]
fn circles_are_never_published() {
    let mut index = Index::default();
    upsert(&mut index, 1, content("a/a", &["template Host!a"], &["template Host!b"], &[], None));
    upsert(&mut index, 2, content("a/b", &["template Host!b"], &["template Host!a"], &[], None));
    assert!(visible(&index).is_empty());
    upsert(&mut index, 1, content("a/a", &["template Host!a"], &[], &[], None));
    assert_eq!(visible(&index), ["a/a", "a/b"]);
    upsert(&mut index, 1, content("a/a", &["template Host!a"], &["template Host!b"], &[], None));
    assert_eq!(visible(&index), ["a/a", "a/b"]);
    assert!(index.waiting(&key("a/a")).unwrap().message.contains("names itself"));
    upsert(&mut index, 1, content("a/s", &["template Host!s"], &["template Host!s"], &[], None));
    assert_eq!(visible(&index), ["a/a", "a/b"]);
}

#[test]
fn a_circle_that_is_broken_far_away_releases_who_waits_for_it() {
    let mut index = Index::default();
    let [a, b, c] = ["template Host!a", "template Host!b", "template Host!c"];
    upsert(&mut index, 1, content("a/a", &[a], &[], &[], None));
    upsert(&mut index, 2, content("a/c", &[c], &[a], &[], None));
    upsert(&mut index, 3, content("a/b", &[b], &[c], &[], None));
    let closing = content("a/a", &[a], &[b], &[], None);
    upsert(&mut index, 1, closing.clone());
    assert!(index.waiting(&key("a/a")).unwrap().message.contains("names itself"));
    index.take_changed();
    upsert(&mut index, 2, content("a/c", &[c], &[], &[], None));
    assert_eq!(index.visible(&key("a/a")), Some(&closing));
    assert!(index.take_changed().contains(&key("a/a")));
}

#[test]
fn chains_and_webs_of_one_type_are_bounded_from_either_end() {
    let template = |number: usize| format!("template Host!{number:02}");
    let content = |number: usize, below: &[usize]| {
        let below: Vec<_> = below.iter().map(|number| template(*number)).collect();
        let below: Vec<_> = below.iter().map(String::as_str).collect();
        content(&format!("a/{number:02}"), &[&template(number)], &below, &[], None)
    };
    // A chain that grows at its upper end.
    let mut index = Index::default();
    upsert(&mut index, 0, content(0, &[]));
    (1..25).for_each(|number| upsert(&mut index, 1, content(number, &[number - 1])));
    assert_eq!(visible(&index).len(), 20);
    assert!(index.waiting(&key("a/20")).unwrap().message.contains("chain of more than 20"));
    // A chain that grows at its lower end: the previous content stays.
    upsert(&mut index, 1, content(30, &[]));
    upsert(&mut index, 0, content(0, &[30]));
    assert!(index.waiting(&key("a/00")).unwrap().message.contains("chain of more than 20"));
    assert_eq!(visible(&index).len(), 21);
    // The chain becomes shorter, and the waiting content is admitted.
    upsert(&mut index, 1, content(10, &[]));
    assert_eq!(visible(&index).len(), 26);
    // A web: each imports the two below it.
    let mut index = Index::default();
    (0..2).for_each(|number| upsert(&mut index, 1, content(number, &[])));
    (2..20).for_each(|number| upsert(&mut index, 1, content(number, &[number - 1, number - 2])));
    assert!(index.waiting(&key("a/16")).unwrap().message.contains("1000 paths"));
    assert!(visible(&index).len() > 10);
}

#[test]
fn a_template_passes_on_what_it_imports() {
    let mut index = Index::default();
    let template = |name: &str, below: &str| {
        let relay = (format!("=sets {name}"), format!("=sets {below}"));
        content_with(
            &format!("a/{name}"),
            &[&format!("template Host!{name}")],
            &[],
            &[],
            &[],
            None,
            Some(relay),
        )
    };
    upsert(&mut index, 1, content("a/h", &["Host!h"], &["=sets upper"], &[], None));
    upsert(&mut index, 1, template("upper", "middle"));
    upsert(&mut index, 1, template("middle", "lower"));
    assert_eq!(visible(&index), ["a/middle", "a/upper"]);
    upsert(&mut index, 1, content("a/lower", &["template Host!lower", "=sets lower"], &[], &[], None));
    assert_eq!(visible(&index), ["a/h", "a/lower", "a/middle", "a/upper"]);
    index.take_changed();
    upsert(&mut index, 1, template("middle", "nothing"));
    assert_eq!(visible(&index), ["a/lower", "a/middle", "a/upper"]);
    assert!(index.take_changed().contains(&key("a/h")));
}

#[test]
fn an_object_of_a_zone_is_seen_from_that_zone_alone() {
    let mut index = Index::default();
    upsert(&mut index, 1, content("a/g", &["HostGroup!g"], &[], &[], Some("eu")));
    upsert(&mut index, 2, content("a/h", &["Host!h"], &["HostGroup!g"], &[], None));
    upsert(&mut index, 3, content("a/i", &["Host!i"], &["HostGroup!g"], &[], Some("eu")));
    assert_eq!(visible(&index), ["a/g", "a/i"]);
    assert!(index.waiting(&key("a/h")).unwrap().message.contains("is in zone \"eu\""));
}

#[test]
fn reserved_names_satisfy_and_cannot_be_taken() {
    let mut index = Index::new([Name::from_header("CheckCommand!dummy")].into());
    upsert(&mut index, 1, content("a/h", &["Host!h"], &["CheckCommand!dummy"], &[], None));
    upsert(&mut index, 1, content("a/c", &["CheckCommand!dummy"], &[], &[], None));
    assert_eq!(visible(&index), ["a/h"]);
    assert_eq!(index.waiting(&key("a/c")).unwrap().reason, Reason::NameConflict);
}

/// A name for many objects: a rule takes it exclusively, single objects share it.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Whole,
    Shared,
}

const PLACE: &str = "Service!!s";

/// The fact that only one resource can have, or pass on from one with a higher number.
#[derive(Clone, Debug)]
enum Own {
    Nothing,
    Has,
    PassesOn(u8),
    Needs(u8),
}

fn own() -> impl Strategy<Value = Own> {
    prop_oneof![
        4 => Just(Own::Nothing),
        1 => Just(Own::Has),
        2 => (1..4u8).prop_map(Own::PassesOn),
        2 => (1..9u8).prop_map(Own::Needs),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Upsert {
        key: u8,
        fact: Option<u8>,
        place: Option<Place>,
        own: Own,
        uses: Vec<u8>,
        needs: Option<u8>,
        mutual: Option<u8>,
    },
    Keep(u8),
    Remove(u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        6 => (
            0..12u8,
            prop::option::weighted(0.3, 0..3u8),
            prop::option::weighted(0.4, prop_oneof![1 => Just(Place::Whole), 3 => Just(Place::Shared)]),
            own(),
            prop::collection::vec(0..10u8, 0..3),
            prop::option::weighted(0.2, 0..3u8),
            prop::option::weighted(0.2, 0..3u8),
        )
            .prop_map(|(key, fact, place, own, uses, needs, mutual)| Change::Upsert { key, fact, place, own, uses, needs, mutual }),
        1 => (0..12u8).prop_map(Change::Keep),
        2 => (0..12u8).prop_map(Change::Remove),
    ];
    prop::collection::vec(change, 1..60)
}

fn names_held(set: &BTreeMap<ObjectKey, Arc<Rendered>>, referrer: &Rendered, mutual: bool) -> bool {
    let others = || set.values().filter(|content| content.key() != referrer.key());
    let mut names: HashSet<&Name> =
        others().flat_map(|c| c.provides()).map(|provided| &provided.name).collect();
    // Collects what is passed on, until nothing is added.
    loop {
        let relays = others().flat_map(|content| content.relays());
        let given =
            relays.filter(|relay| relay.given.iter().all(|any| any.iter().any(|name| names.contains(name))));
        let given: Vec<_> = given.map(|relay| &relay.name).filter(|name| !names.contains(name)).collect();
        if given.is_empty() {
            break;
        }
        names.extend(given);
    }
    let needed = referrer.uses().iter().filter(|needed| mutual || !needed.mutual);
    needed.into_iter().all(|needed| needed.any_of.iter().any(|name| names.contains(name)))
}

/// Returns the part of a set whose needs are met, step by step.
fn grounded(set: &BTreeMap<ObjectKey, Arc<Rendered>>) -> BTreeMap<ObjectKey, Arc<Rendered>> {
    let mut grounded = BTreeMap::new();
    loop {
        let is_next = |c: &&Arc<Rendered>| !grounded.contains_key(c.key()) && names_held(&grounded, c, false);
        let next: Vec<_> = set.values().filter(is_next).cloned().collect();
        if next.is_empty() {
            return grounded;
        }
        grounded.extend(next.into_iter().map(|c| (c.key().clone(), c)));
    }
}

/// The slow model of the rules after every step: the set is closed, every name is provided once,
/// and no waiting content could be added.
fn check(index: &Index) {
    let set: BTreeMap<_, _> = index.all_visible().map(|c| (c.key().clone(), c.clone())).collect();
    let mut names: HashMap<Name, bool> = HashMap::new();
    for content in set.values() {
        assert!(names_held(&set, content, true), "{content:?} uses something that is not there");
        for provided in content.provides() {
            let other = names.insert(provided.name.clone(), provided.exclusive);
            assert!(
                other.is_none_or(|other| !other && !provided.exclusive),
                "{:?} is there twice",
                provided.name
            );
        }
    }
    // Each need is met by an earlier step: there are no circles except mutual needs.
    assert_eq!(grounded(&set).len(), set.len(), "a circle is visible");
    // The set is as large as possible: no one or two waiting contents own their names and could be
    // added.
    let waiting: Vec<_> = index.slots.values().filter_map(|slot| slot.waiting.as_ref()).collect();
    for (i, one) in waiting.iter().enumerate() {
        assert!(index.waiting(one.key()).is_some());
        for other in &waiting[i..] {
            let mut larger = set.clone();
            larger.extend([one, other].map(|content| (content.key().clone(), Arc::clone(content))));
            let own_names = [one, other].iter().all(|content| index.owns_names(content));
            let is_closed = || larger.values().all(|content| names_held(&larger, content, true));
            if own_names && is_closed() && grounded(&larger).len() == larger.len() {
                panic!("{one:?} and {other:?} could be published beside {set:?}");
            }
        }
    }
    // Names that no resource has are forgotten.
    assert!(!index.names.keeps_unused());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn closed_unique_and_largest_after_every_step(changes in changes(), batch in 1..4usize) {
        let mut index = Index::default();
        let mut volume: BTreeMap<ObjectKey, Arc<Rendered>> = BTreeMap::new();
        let mut told: BTreeMap<ObjectKey, Waiting> = BTreeMap::new();
        for group in changes.chunks(batch) {
            for change in group {
                match change {
                    Change::Upsert { key, fact, place, own, uses, needs, mutual } => {
                        // Name and type of a resource are immutable; the facts that it provides
                        // are not.
                        let fact_name = |fact: &u8| format!("=fact {fact}");
                        let own_fact = |of: u8| format!("=own fact of {}", of % 10);
                        let mut provides = vec![format!("Host!{}", key % 10)];
                        provides.extend(fact.as_ref().map(fact_name));
                        provides.extend((*place == Some(Place::Whole)).then(|| PLACE.to_owned()));
                        let shares = Vec::from_iter((*place == Some(Place::Shared)).then_some(PLACE));
                        let mut uses: Vec<_> = uses.iter().map(|u| format!("Host!{u}")).collect();
                        uses.extend(needs.as_ref().map(fact_name));
                        let mut mutual: Vec<_> = mutual.iter().map(fact_name).collect();
                        let mut relay = None;
                        match own {
                            Own::Nothing => {}
                            Own::Needs(more) => uses.push(own_fact(key + more)),
                            // A content that passes on names is numbered below all that may need
                            // them, as templates are.
                            Own::Has => (uses, mutual, provides) = (vec![], vec![], [provides, vec![own_fact(*key)]].concat()),
                            Own::PassesOn(more) if key % 10 + more < 10 => {
                                (uses, mutual) = (vec![], vec![]);
                                relay = Some((own_fact(*key), own_fact(key + more)));
                            }
                            Own::PassesOn(_) => {}
                        }
                        let [provides, uses, mutual] =
                            [&provides, &uses, &mutual].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
                        let content = content_with(&format!("n/{key}"), &provides, &shares, &uses, &mutual, None, relay);
                        let uid = Uid::new(&key.to_string());
                        index.upsert(i64::from(*key), &uid, content);
                    }
                    Change::Keep(key) => index.keep(&self::key(&format!("n/{key}"))),
                    Change::Remove(key) => index.remove(&self::key(&format!("n/{key}"))),
                }
            }
            index.resolve();
            check(&index);
            let changed = index.take_changed();
            // A waiting resource is reported again when its reason changes, so its status never
            // names a missing object that exists by now.
            let keys = (0..12).map(|key| self::key(&format!("n/{key}")));
            let waiting: BTreeMap<_, _> =
                keys.filter_map(|key| index.waiting(&key).map(|waiting| (key, waiting))).collect();
            for (key, why) in &waiting {
                prop_assert!(
                    changed.contains(key) || told.get(key) == Some(why),
                    "{} waits because of {:?}, and its last report says {:?}", key, why, told.get(key)
                );
            }
            told = waiting;
            // The order of a batch: replayed step by step, it ends at the visible set.
            let steps: BTreeMap<_, _> = changed
                .into_iter()
                .map(|key| (key.clone(), Step { old: volume.get(&key).cloned(), new: index.visible(&key).cloned(), is_unread: false }))
                .filter(|(_, step)| step.old != step.new)
                .collect();
            let keys: Vec<_> = steps.keys().cloned().collect();
            let ordered = order(steps.values().cloned().collect(), &keys);
            prop_assert_eq!(ordered.len(), steps.len());
            for (key, _) in ordered {
                match &steps[&key].new {
                    Some(new) => volume.insert(key, new.clone()),
                    None => volume.remove(&key),
                };
            }
            let target: BTreeMap<_, _> = index.all_visible().map(|c| (c.key().clone(), c.clone())).collect();
            prop_assert_eq!(&volume, &target);
        }
    }
}
