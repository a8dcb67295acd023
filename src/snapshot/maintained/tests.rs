use super::*;
use crate::identity::Revision;
use crate::render::read_back;
use crate::snapshot::Catalog;
use crate::snapshot::format::listing::digest_of_set;
use crate::snapshot::format::naming::{MAX_BITS, bucket_of, shard_name};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn content(key: &ObjectKey, text: &str, header: &Value) -> Arc<Rendered> {
    let text = format!("// {text}\n// groundlink: {header}\n");
    Arc::new(read_back(key, text.into_bytes()).unwrap())
}

fn named(name: &str, header: Value) -> Arc<Rendered> {
    content(&ObjectKey::new("n", name), "file", &header)
}

fn snapshot_of(files: &[Arc<Rendered>]) -> Snapshot {
    Catalog::of(files).cut(Revision { term: 1, counter: 1 }).0
}

/// The oracle: computes the view from scratch, by passes over the whole set.
struct FromNothing {
    files: BTreeMap<String, Arc<Rendered>>,
    left_out: BTreeSet<ObjectKey>,
}

impl FromNothing {
    fn new(snapshot: &Snapshot, acceptance: &Acceptance, reserved: Option<&HashSet<Name>>) -> Self {
        let mut providers: HashMap<&Name, Vec<&Arc<Rendered>>> = HashMap::new();
        for file in snapshot.files() {
            file.names().for_each(|(name, _)| providers.entry(name).or_default().push(file));
        }
        let mut accepted: BTreeMap<&ObjectKey, &Arc<Rendered>> =
            snapshot.files().filter(|file| acceptance.accepts(file)).map(|file| (file.key(), file)).collect();
        let all: BTreeSet<ObjectKey> = accepted.keys().copied().cloned().collect();
        if acceptance.may_leave_out() {
            accepted.retain(|_, file| {
                !reserved.is_some_and(|reserved| {
                    file.provides().iter().any(|provided| provided.is_taken(reserved))
                })
            });
            loop {
                let before = accepted.len();
                let now = accepted.clone();
                accepted.retain(|_, file| {
                    let has = |name: &Name| Self::has(&providers, &now, reserved, name, 0);
                    file.uses().iter().all(|needed| needed.any_of.iter().any(has))
                });
                if accepted.len() == before {
                    break;
                }
            }
        }
        let left_out = all.into_iter().filter(|key| !accepted.contains_key(key)).collect();
        let files = accepted.into_values().map(|file| (file.key().file_key().to_string(), file.clone()));
        Self { files: files.collect(), left_out }
    }

    fn has(
        providers: &HashMap<&Name, Vec<&Arc<Rendered>>>,
        accepted: &BTreeMap<&ObjectKey, &Arc<Rendered>>,
        reserved: Option<&HashSet<Name>>,
        name: &Name,
        relayed: usize,
    ) -> bool {
        let Some(files) = providers.get(name) else {
            return reserved.is_none_or(|reserved| reserved.contains(name));
        };
        let given =
            |given: &Name| relayed < 20 && Self::has(providers, accepted, reserved, given, relayed + 1);
        files.iter().any(|file| accepted.contains_key(file.key()) && file.gives(name, &given))
    }

    fn shards(&self, bits: u8) -> Vec<(String, usize, usize)> {
        let mut parts: BTreeMap<u16, Vec<(&String, &Arc<Rendered>)>> = BTreeMap::new();
        for (key, file) in &self.files {
            let bucket = bucket_of(&file.key().to_string()) >> (MAX_BITS - bits);
            parts.entry(bucket).or_default().push((key, file));
        }
        let shard = |files: Vec<(&String, &Arc<Rendered>)>| {
            let digest = digest_of(files.iter().map(|(key, file)| (file.digest(), key)));
            let bytes = files.iter().map(|(key, file)| key.len() + file.size()).sum();
            (shard_name("p", &digest), files.len(), bytes)
        };
        parts.into_values().map(shard).collect()
    }

    #[track_caller]
    fn is(&self, view: &View, bits: &[u8]) {
        let files: BTreeMap<_, _> =
            view.files().map(|file| (file.key().file_key().to_string(), file.clone())).collect();
        assert_eq!(files.keys().collect::<Vec<_>>(), self.files.keys().collect::<Vec<_>>());
        assert!(files.iter().all(|(key, file)| file.digest() == self.files[key].digest()));
        assert_eq!(*view.left_out, self.left_out);
        assert_eq!(view.digest, digest_of_set(files.iter().map(|(key, file)| (file.digest(), key))));
        assert_eq!((view.len(), view.is_empty()), (files.len(), files.is_empty()));
        assert_eq!(view.bytes, files.iter().map(|(key, file)| key.len() + file.size()).sum::<usize>());
        assert_eq!(view.bucket_bytes().sum::<usize>(), view.bytes);
        for bits in bits {
            let shards = view.shards(*bits);
            let found: Vec<_> =
                shards.iter().map(|shard| (shard.name("p"), shard.len(), shard.bytes())).collect();
            assert_eq!(found, self.shards(*bits), "{bits} bits");
        }
    }
}

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const ZONES: [Option<&str>; 3] = [None, Some("z1"), Some("z2")];
const OUTSIDE: [&str; 3] = ["CheckCommand!library", "CheckCommand!newer", "=Icinga 2.14 or later"];

/// What an object may declare. There are few names, so that objects meet.
#[derive(Clone, Debug)]
struct Spec {
    text: u8,
    zone: usize,
    provides: Vec<u8>,
    facts: Vec<u8>,
    uses: Vec<Vec<u8>>,
    relays: Option<(u8, Vec<u8>)>,
}

/// A name by its number: objects, facts, then names from outside.
fn name(number: u8) -> String {
    match number {
        0..10 => format!("Host!{number}"),
        10..15 => format!("=fact {number}"),
        _ => OUTSIDE[usize::from(number) % OUTSIDE.len()].to_owned(),
    }
}

impl Spec {
    fn any() -> impl Strategy<Value = Self> {
        let names = |range: std::ops::Range<u8>, most: usize| prop::collection::vec(range, 0..=most);
        let uses = prop::collection::vec(prop::collection::vec(0..18_u8, 1..3), 0..3);
        // Facts are passed on only to higher numbers: templates form no circle, and a circle would
        // be followed along every path.
        let relays = prop::option::weighted(0.5, (10..14_u8, prop::collection::vec(1..5_u8, 1..3)));
        (0..3_u8, 0..ZONES.len(), names(0..18, 2), names(10..15, 1), uses, relays).prop_map(
            |(text, zone, provides, facts, uses, relays)| Self { text, zone, provides, facts, uses, relays },
        )
    }

    fn content(&self, key: &ObjectKey) -> Arc<Rendered> {
        let names = |numbers: &[u8]| numbers.iter().copied().map(name).collect::<Vec<_>>();
        let relay = |(to, above): &(u8, Vec<u8>)| {
            let given: Vec<u8> = above.iter().map(|above| (to + above).min(14)).collect();
            json!({ "name": name(*to), "given": [names(&given)] })
        };
        let mut header = json!({
            "provides": names(&self.provides),
            "shares": names(&self.facts),
            "uses": self.uses.iter().map(|any_of| names(any_of)).collect::<Vec<_>>(),
            "relays": self.relays.iter().map(relay).collect::<Vec<_>>(),
        });
        if let Some(zone) = ZONES[self.zone] {
            header["zone"] = json!(zone);
        }
        content(key, &self.text.to_string(), &header)
    }
}

/// One object changes or is removed, and some of the satellites take the next snapshot.
#[derive(Clone, Debug)]
struct Step {
    key: (usize, u8),
    spec: Option<Spec>,
    taken_by: u8,
    bits: u8,
    goes_back: bool,
}

impl Step {
    fn any() -> impl Strategy<Value = Self> {
        let spec = prop::option::weighted(0.8, Spec::any());
        (((0..NAMESPACES.len()), 0..5_u8), spec, any::<u8>(), 0..=MAX_BITS, prop::bool::weighted(0.1))
            .prop_map(|(key, spec, taken_by, bits, goes_back)| Self { key, spec, taken_by, bits, goes_back })
    }
}

/// Acceptances of every kind, with the names that are reserved on such a satellite.
fn acceptances() -> Vec<(Acceptance, Option<HashSet<Name>>)> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let reserved = |names: &[&str]| Some(names.iter().map(|name| Name::from_header(name)).collect());
    let version = Some(IcingaVersion::default());
    let all = Acceptance { zones: set(&["z1", "z2"]), ..Acceptance::default() };
    vec![
        (all.clone(), None),
        (Acceptance { zones: set(&["z1"]), ..all.clone() }, None),
        (Acceptance { namespaces: Some(set(&["a", "b"])), ..all.clone() }, None),
        (Acceptance { namespaces: Some(set(&["a"])), zones: set(&["z2"]), ..all.clone() }, None),
        (Acceptance { namespaces: Some(set(&[])), ..all.clone() }, None),
        (Acceptance { icinga_version: version, ..all.clone() }, reserved(&OUTSIDE)),
        (Acceptance { icinga_version: version, ..all.clone() }, reserved(&OUTSIDE[..1])),
        (
            Acceptance { icinga_version: version, namespaces: Some(set(&["b", "c"])), ..all },
            reserved(&OUTSIDE[..2]),
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever changes, in any order, and whichever snapshots a satellite misses or sees again,
    /// the view equals the one that is computed from scratch.
    #[test]
    fn a_maintained_view_is_the_one_from_nothing(steps in prop::collection::vec(Step::any(), 1..50)) {
        let mut catalog = Catalog::default();
        let mut names = SnapshotNames::default();
        let mut views: Vec<_> = acceptances()
            .into_iter()
            .map(|(acceptance, reserved)| {
                (Maintained::new(acceptance.clone(), reserved.clone()), acceptance, reserved)
            })
            .collect();
        let mut earlier = Snapshot::empty();
        for (counter, step) in steps.into_iter().enumerate() {
            let key = ObjectKey::new(NAMESPACES[step.key.0], &step.key.1.to_string());
            catalog.admit(&key, step.spec.map(|spec| spec.content(&key)));
            let now = catalog.cut(Revision { term: 1, counter: counter as u64 + 1 }).0;
            let snapshot = if step.goes_back { &earlier } else { &now };
            for (number, (view, acceptance, reserved)) in views.iter_mut().enumerate() {
                if step.taken_by & (1 << number) != 0 {
                    view.update(snapshot, &mut names);
                    prop_assert!(view.is_at(snapshot));
                    let expected = FromNothing::new(snapshot, acceptance, reserved.as_ref());
                    expected.is(view.latest(), &[step.bits]);
                }
            }
            earlier = now;
        }
        names.move_to(&Snapshot::empty());
        prop_assert!(names.is_empty());
    }
}

#[test]
fn an_object_that_an_older_or_newer_icinga_cannot_load_is_left_out_with_its_referrers() {
    let files = [
        named("new", json!({ "provides": ["Dependency!h!new"], "uses": [["=Icinga 2.14 or later"]] })),
        named("own", json!({ "provides": ["CheckCommand!own"] })),
        named("by-own", json!({ "provides": ["Host!by-own"], "uses": [["CheckCommand!own"]] })),
        named("plain", json!({ "provides": ["Host!plain"], "uses": [["CheckCommand!dummy"]] })),
    ];
    let snapshot = snapshot_of(&files);
    let left_out = |reserved: Option<&[&str]>| {
        let version = reserved.map(|_| IcingaVersion::default());
        let acceptance = Acceptance { icinga_version: version, ..Acceptance::default() };
        let reserved = reserved.map(|names| names.iter().map(|name| Name::from_header(name)).collect());
        let view = Maintained::new(acceptance, reserved).update(&snapshot, &mut SnapshotNames::default());
        assert_eq!(view.len() + view.left_out.len(), files.len());
        view.left_out.iter().map(|key| key.name().to_owned()).collect::<Vec<_>>()
    };
    let all = ["CheckCommand!dummy", "=Icinga 2.13 or later", "=Icinga 2.14 or later"];
    assert!(left_out(Some(&all)).is_empty());
    assert_eq!(left_out(Some(&all[..2])), ["new"]);
    assert_eq!(left_out(Some(&["=Icinga 2.14 or later"])), ["plain"]);
    assert_eq!(left_out(Some(&[&all[..], &["template CheckCommand!own"]].concat())), ["by-own", "own"]);
    assert!(left_out(None).is_empty());
}

#[test]
fn objects_that_need_each_other_return_together() {
    let key = ObjectKey::new("b", "base");
    let base = |provides: &str| content(&key, "file", &json!({ "provides": [provides] }));
    let pair = |name: &str, other: &str| {
        let uses = [[format!("Zone!{other}")], ["Zone!base".into()]];
        content(
            &ObjectKey::new("a", name),
            "file",
            &json!({ "provides": [format!("Zone!{name}")], "uses": uses }),
        )
    };
    let accepted = Some(["a".to_owned()].into());
    let mut view = Maintained::new(Acceptance { namespaces: accepted, ..Acceptance::default() }, None);
    let mut names = SnapshotNames::default();
    let mut catalog = Catalog::of(&[base("Zone!base"), pair("x", "y"), pair("y", "x")]);
    let mut look = |catalog: &mut Catalog| {
        let view = view.update(&catalog.cut(Revision::default()).0, &mut names);
        (view.len(), view.left_out.len())
    };
    assert_eq!(look(&mut catalog), (0, 2));
    // No object of the snapshot provides the name any more, so every Icinga has it.
    catalog.admit(&key, Some(base("Zone!other")));
    assert_eq!(look(&mut catalog), (2, 0));
    catalog.admit(&key, Some(base("Zone!base")));
    assert_eq!(look(&mut catalog), (0, 2));
}

#[test]
fn one_change_shares_everything_that_it_does_not_touch() {
    let host = |number: usize, text: &str| {
        let zone = if number == 0 { json!("elsewhere") } else { Value::Null };
        let mut header = json!({ "provides": [format!("Host!{number}")] });
        if !zone.is_null() {
            header["zone"] = zone;
        }
        content(&ObjectKey::new("n", &number.to_string()), text, &header)
    };
    let files: Vec<_> = (0..3_000).map(|number| host(number, "first")).collect();
    let mut catalog = Catalog::of(&files);
    let mut view = Maintained::new(Acceptance::default(), None);
    let mut names = SnapshotNames::default();
    let first = catalog.cut(Revision { term: 1, counter: 1 }).0;
    let before = view.update(&first, &mut names);
    assert_eq!(before.len(), 2_999);
    assert!(names.is_empty(), "nothing is left out, so no names are needed");
    let shards = before.shards(5);

    let changed = |number: usize| host(number, "second");
    catalog.admit(changed(7).key(), Some(changed(7)));
    let second = catalog.cut(Revision { term: 1, counter: 2 }).0;
    assert_eq!(second.changed_buckets(&first).len(), 1);
    let after = view.update(&second, &mut names);
    assert_ne!(after.digest, before.digest);
    let names_of =
        |shards: &[crate::snapshot::Shard]| shards.iter().map(|s| s.name("p")).collect::<BTreeSet<_>>();
    assert_eq!(names_of(&after.shards(5)).difference(&names_of(&shards)).count(), 1);
    let packed = |view: &View, number: usize| view.shards(5)[number].archive().unwrap().as_ptr();
    assert_eq!(packed(&after, 3), packed(&after, 3), "an archive is packed once for all satellites");
    let groups = view.groups.groups.iter().filter(|group| !group.files.is_empty()).count();
    assert!(groups > 200, "{groups} groups");

    // A change of an object that the satellite does not accept does not change its view.
    catalog.admit(changed(0).key(), Some(changed(0)));
    let third = catalog.cut(Revision { term: 1, counter: 3 }).0;
    assert!(Arc::ptr_eq(&view.update(&third, &mut names), &after));
    assert!(view.is_at(&third) && !view.is_at(&second));
}
