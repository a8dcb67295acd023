use super::*;
use crate::identity::{Digest, ObjectKey, Revision};
use crate::render::read_back;
use crate::snapshot::archive::unpack;
use crate::snapshot::format::bucket_of;
use crate::snapshot::pointer::{self, Destination};
use crate::snapshot::testing::view_of;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A view of `count` objects of about `size` bytes each.
fn set(count: usize, size: usize) -> Arc<View> {
    let objects = (0..count).map(|n| (format!("host-{n}"), "x".repeat(size)));
    of(objects)
}

fn of(objects: impl Iterator<Item = (String, String)>) -> Arc<View> {
    let files: Vec<_> = objects
        .map(|(name, filling)| {
            let header = serde_json::json!({ "provides": [format!("Host!{name}")] });
            let text = format!("// file\n// groundlink: {header}\n// {filling}\n");
            Arc::new(read_back(&ObjectKey::new("n", &name), text.into_bytes()).unwrap())
        })
        .collect();
    view_of(&files)
}

fn sharded(bits: u8) -> Form {
    Form::Sharded { bits }
}

fn auto(present: Option<Form>, view: &View) -> Form {
    choose(Layout::Auto, present, view).unwrap()
}

#[test]
fn auto_changes_its_form_at_700_kib_and_back_at_500() {
    let (small, middle, large) = (set(80, 6_000), set(100, 6_000), set(130, 6_000));
    assert!(small.bytes < SINGLE_AGAIN && middle.bytes > SINGLE_AGAIN && middle.bytes < SINGLE_MAX);
    assert!(large.bytes > SINGLE_MAX);
    for present in [None, Some(Form::Single)] {
        assert_eq!(auto(present, &small), Form::Single);
        assert_eq!(auto(present, &middle), Form::Single);
        assert!(matches!(auto(present, &large), Form::Sharded { .. }));
    }
    assert_eq!(auto(Some(sharded(1)), &middle), sharded(1), "near the limit nothing changes");
    assert_eq!(auto(Some(sharded(1)), &small), Form::Single);
    assert_eq!(choose(Layout::Snapshot, None, &set(0, 0)), Ok(sharded(0)));
    let why = choose(Layout::Single, None, &large).unwrap_err();
    assert!(why.contains("716800") && why.contains("130 files"), "{why}");
}

/// The largest set that is promised, with files twice as large as a usual host: there is a form
/// for it, every file is in one shard, and pointer and shards fit into ConfigMaps.
#[test]
fn a_hundred_thousand_objects_fit() {
    let large = set(100_000, 1_000);
    let Form::Sharded { bits } = auto(None, &large) else { panic!("one ConfigMap") };
    let shards = large.shards(bits);
    assert!(bits < MAX_BITS && shards.iter().all(|shard| shard.bytes() <= SHARD_MAX), "{bits} bits");
    assert_eq!(shards.iter().map(|shard| shard.len()).sum::<usize>(), 100_000);
    let target =
        Destination { namespace: "icinga".into(), name: "groundlink".into(), ..Destination::default() };
    let before: BTreeSet<String> =
        shards.iter().map(|shard| format!("{}x", shard.name("groundlink"))).collect();
    // All shards of the previous set are kept, too.
    let pointer = pointer::sharded(&target, Revision { term: 1, counter: 1 }, &large, bits, &shards, &before);
    let bytes = serde_json::to_vec(&pointer).unwrap().len();
    assert!(bytes < 512 * 1024, "a pointer of {bytes} bytes");
}

#[test]
fn buckets_become_more_when_one_is_full_and_fewer_when_all_would_be_far_from_it() {
    let large = set(1_000, 4_000);
    let Form::Sharded { bits } = auto(None, &large) else { panic!("one ConfigMap") };
    assert!(large.shards(bits).iter().all(|shard| shard.bytes() <= SHARD_MAX));
    assert!(
        bits > 0 && large.shards(bits - 1).iter().any(|shard| shard.bytes() > SHARD_MAX),
        "no more than needed"
    );
    // Superfluous buckets stay until fewer would be far from full.
    assert_eq!(auto(Some(sharded(bits + 1)), &large), sharded(bits + 1));
    let much_smaller = set(200, 4_000);
    let Form::Sharded { bits: fewer } = auto(Some(sharded(MAX_BITS)), &much_smaller) else {
        panic!("one ConfigMap")
    };
    assert!(fewer < MAX_BITS);
    assert!(much_smaller.shards(fewer).iter().all(|shard| shard.bytes() <= SHARD_AGAIN));
    // The chosen form is kept.
    assert_eq!(auto(Some(sharded(fewer)), &much_smaller), sharded(fewer));
}

#[test]
fn a_set_that_fits_in_no_number_of_buckets_is_refused_with_figures() {
    // The largest file has 256 KiB, so three of them in one bucket do not fit.
    let crowd = (0..).map(|n| format!("h{n}")).filter(|name| bucket_of(&format!("n/{name}")) == 7).take(3);
    let crowd = of(crowd.map(|name| (name, "x".repeat(200 * 1024))));
    let why = choose(Layout::Snapshot, None, &crowd).unwrap_err();
    assert!(why.contains("1024 buckets") && why.contains("3 files") && why.contains("524288"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_file_is_in_exactly_one_shard_and_a_change_touches_one(count in 1_usize..300, bits in 0_u8..=MAX_BITS, changed in 0_usize..300) {
        let before = set(count, 20);
        let shards = before.shards(bits);
        let mut seen = BTreeMap::new();
        for shard in shards.iter() {
            let files = unpack(&shard.archive().unwrap()).unwrap();
            prop_assert_eq!(files.len(), shard.len());
            for (key, bytes) in files {
                prop_assert!(seen.insert(key, Digest::of(&bytes)).is_none());
            }
        }
        let expected: BTreeMap<_, _> = before.files().map(|file| (file.key().file_key().to_string(), file.digest())).collect();
        prop_assert_eq!(seen, expected);
        let changed = changed % count;
        let after = of((0..count).map(|n| (format!("host-{n}"), if n == changed { "y".into() } else { "x".repeat(20) })));
        let names = |view: &View| view.shards(bits).iter().map(|shard| shard.name("p")).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(names(&before).difference(&names(&after)).count(), 1);
        prop_assert_eq!(names(&after).difference(&names(&before)).count(), 1);
    }
}

/// Changing this rewrites every satellite once.
#[test]
fn the_names_of_shards_are_what_they_always_were() {
    let view = set(3, 1);
    let names: Vec<_> = view.shards(1).iter().map(|shard| shard.name("groundlink")).collect();
    assert_eq!(names, ["groundlink-6b6438c432f4989a25ad69c56a238519"]);
}
