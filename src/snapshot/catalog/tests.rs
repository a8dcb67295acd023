use super::*;
use crate::identity::Uid;
use crate::render::read_back;
use proptest::prelude::*;
use std::collections::HashSet;

fn content(key: &str, body: u8, provides: &[String], uses: &[String]) -> Arc<Rendered> {
    let (namespace, name) = key.split_once('/').unwrap();
    let uses: Vec<_> = uses.iter().map(|name| vec![name]).collect();
    let header = serde_json::json!({ "provides": provides, "uses": uses });
    let text = format!("// {body}\n// groundlink: {header}\n");
    Arc::new(read_back(&ObjectKey::new(namespace, name), text.into_bytes()).unwrap())
}

/// A content with any header.
fn with_header(key: &str, header: serde_json::Value) -> Arc<Rendered> {
    let (namespace, name) = key.split_once('/').unwrap();
    let text = format!("// file\n// groundlink: {header}\n");
    Arc::new(read_back(&ObjectKey::new(namespace, name), text.into_bytes()).unwrap())
}

/// Returns an index and a catalog with all of these, acknowledged.
fn settled(contents: &[Arc<Rendered>]) -> (Index, Catalog) {
    let (mut index, mut catalog) = (Index::default(), Catalog::default());
    for content in contents {
        index.upsert(1, &Uid::new(&content.key().to_string()), content.clone());
    }
    index.resolve();
    contents.iter().for_each(|content| catalog.offer(acknowledged(content)));
    catalog.settle(&index);
    assert_eq!(admitted(&catalog).len(), contents.len());
    (index, catalog)
}

/// Two changes on the volume, of which the first must not reach satellites alone.
fn only_together(before: &[Arc<Rendered>], first: &Arc<Rendered>, second: &Arc<Rendered>) {
    let (mut index, mut catalog) = settled(before);
    let known = admitted(&catalog);
    for content in [second, first] {
        index.upsert(1, &Uid::new(&content.key().to_string()), content.clone());
        index.resolve();
        assert_eq!(index.visible(content.key()), Some(content), "{:?}", index.waiting(content.key()));
        catalog.publishing(content.key());
    }
    catalog.offer(acknowledged(first));
    catalog.settle(&index);
    assert_eq!(admitted(&catalog), known, "the first alone");
    catalog.offer(acknowledged(second));
    catalog.settle(&index);
    for content in [first, second] {
        assert_eq!(catalog.admitted(content.key()), Some(content));
    }
}

#[test]
fn what_a_template_passes_on_stays_until_nobody_needs_it() {
    let lower = |fact: &[&str]| {
        let names = [&["template Host!lower"], fact].concat();
        with_header("a/lower", serde_json::json!({ "provides": names }))
    };
    let relay = serde_json::json!({ "name": "=sets upper", "given": [["=sets lower"]] });
    let upper = with_header(
        "a/upper",
        serde_json::json!({ "provides": ["template Host!upper"], "uses": [["template Host!lower"]], "relays": [relay] }),
    );
    let host =
        |uses: &[[&str; 1]]| with_header("a/h", serde_json::json!({ "provides": ["Host!h"], "uses": uses }));
    only_together(&[lower(&["=sets lower"]), upper, host(&[["=sets upper"]])], &lower(&[]), &host(&[]));
}

#[test]
fn a_dependency_that_would_close_a_circle_waits_for_the_other_to_leave() {
    let dependency = |key: &str, child: &str, parent: &str| {
        let child = crate::validate::Checkable { host: child.to_owned(), service: None };
        let facts = [crate::validate::facts::dependency(), crate::validate::facts::dependency_of(&child)];
        let link = serde_json::json!({ "child": { "one": child }, "parentHost": parent });
        let header =
            serde_json::json!({ "provides": [format!("Dependency!{key}")], "shares": facts, "edge": link });
        with_header(key, header)
    };
    let gone = dependency("a/1", "x", "z");
    only_together(
        &[dependency("a/1", "x", "y"), dependency("a/2", "y", "z")],
        &dependency("a/2", "y", "x"),
        &gone,
    );
}

#[test]
fn what_cannot_be_beside_what_has_not_left_yet_waits() {
    let twin = with_header("a/t", serde_json::json!({ "provides": ["template Host!h"] }));
    let rule = with_header("a/r", serde_json::json!({ "provides": ["Service!!ping"] }));
    let single = serde_json::json!({ "provides": ["Service!x!ping"], "shares": ["Service!!ping"] });
    for (old, new) in [
        (with_header("a/h", serde_json::json!({ "provides": ["Host!h"] })), twin),
        (with_header("a/s", single), rule),
    ] {
        // A referrer that cannot be replaced keeps the old object in the catalog, although the
        // volume has lost it.
        let referrer = |uses: &[[&str; 1]]| {
            with_header("a/u", serde_json::json!({ "provides": ["Host!u"], "uses": uses }))
        };
        let (mut index, mut catalog) =
            settled(&[old.clone(), referrer(&[[old.provides()[0].name.as_str()]])]);
        index.remove(old.key());
        index.upsert(1, &Uid::new("a/u"), referrer(&[]));
        index.upsert(1, &Uid::new(&new.key().to_string()), new.clone());
        index.resolve();
        assert_eq!(index.visible(new.key()), Some(&new));
        catalog.publishing(referrer(&[]).key());
        catalog.withdraw(old.key());
        catalog.offer(acknowledged(&new));
        catalog.settle(&index);
        assert!(catalog.admitted(old.key()).is_some() && catalog.admitted(new.key()).is_none());
        catalog.offer(acknowledged(&referrer(&[])));
        catalog.settle(&index);
        assert!(catalog.admitted(old.key()).is_none() && catalog.admitted(new.key()).is_some());
    }
}

fn acknowledged(content: &Arc<Rendered>) -> Acknowledged {
    Acknowledged::forged(content)
}

fn admitted(catalog: &Catalog) -> BTreeMap<ObjectKey, Arc<Rendered>> {
    catalog.admitted.iter().flat_map(|bucket| bucket.files()).map(|c| (c.key().clone(), c.clone())).collect()
}

fn check(catalog: &Catalog) {
    let set = admitted(catalog);
    assert_eq!((catalog.len(), catalog.is_empty()), (set.len(), set.is_empty()));
    let mut names = HashSet::new();
    for content in set.values() {
        for provided in content.provides() {
            assert!(names.insert(provided.name.clone()), "{:?} twice", provided.name);
        }
    }
    for content in set.values() {
        for needed in content.uses() {
            assert!(needed.any_of.iter().any(|name| names.contains(name)), "{content:?} is open");
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// key, body, uses
    Upsert(u8, u8, Vec<u8>),
    Remove(u8),
    /// Deliver the n-th outstanding acknowledgement.
    Acknowledge(u8),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Random changes with acknowledgements that arrive late and in any order. The admitted set is
    /// closed at every step, and equals the published one once everything is acknowledged.
    #[test]
    fn closed_at_every_step_and_complete_at_the_end(
        events in prop::collection::vec(
            prop_oneof![
                4 => (0..8u8, any::<u8>(), prop::collection::vec(0..8u8, 0..3)).prop_map(|(k, b, u)| Event::Upsert(k, b, u)),
                1 => (0..8u8).prop_map(Event::Remove),
                5 => any::<u8>().prop_map(Event::Acknowledge),
            ],
            1..80,
        )
    ) {
        let mut index = Index::default();
        let mut catalog = Catalog::default();
        let mut volume: BTreeMap<ObjectKey, Arc<Rendered>> = BTreeMap::new();
        let mut outstanding: Vec<Arc<Rendered>> = Vec::new();
        let name = |n: &u8| format!("Host!{n}");
        for event in events.into_iter().chain((0..40).map(|_| Event::Acknowledge(0))) {
            match event {
                Event::Upsert(key, body, uses) => {
                    let uses: Vec<_> = uses.iter().filter(|u| **u != key).map(name).collect();
                    let content = content(&format!("n/{key}"), body, &[name(&key)], &uses);
                    index.upsert(i64::from(key), &Uid::new(&key.to_string()), content);
                }
                Event::Remove(key) => index.remove(&ObjectKey::new("n", &key.to_string())),
                Event::Acknowledge(n) if !outstanding.is_empty() => {
                    let content = outstanding.remove(usize::from(n) % outstanding.len());
                    catalog.offer(acknowledged(&content));
                }
                Event::Acknowledge(_) => {}
            }
            index.resolve();
            for key in index.take_changed() {
                let new = index.visible(&key).cloned();
                if volume.get(&key).map(|c| c.digest()) == new.as_ref().map(|c| c.digest()) {
                    continue;
                }
                outstanding.retain(|content| *content.key() != key);
                match new {
                    Some(new) => {
                        catalog.publishing(&key);
                        outstanding.push(new.clone());
                        volume.insert(key, new);
                    }
                    None => {
                        volume.remove(&key);
                        catalog.withdraw(&key);
                    }
                }
            }
            catalog.settle(&index);
            check(&catalog);
        }
        prop_assert!(outstanding.is_empty());
        prop_assert_eq!(admitted(&catalog), volume);
        prop_assert!(catalog.pending.is_empty() && catalog.in_transit.is_empty());
    }
}
