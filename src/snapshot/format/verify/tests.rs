use super::*;
use crate::identity::ObjectKey;
use crate::render::read_back;
use crate::snapshot::pointer::{Destination, PREVIOUS, REVISION, shard, sharded, single};
use crate::snapshot::testing::view_of;
use crate::snapshot::{View, archive};
use k8s_openapi::ByteString;
use std::sync::Arc;

const REVISION_NOW: Revision = Revision { term: 7, counter: 42 };

/// The ConfigMaps of a satellite, to be damaged.
struct Maps {
    pointer: ConfigMap,
    shards: BTreeMap<String, ConfigMap>,
    inventory: BTreeMap<String, Option<Revision>>,
}

impl Maps {
    fn report(&self) -> Report {
        verify(&Found {
            pointer: &self.pointer,
            shards: &self.shards,
            inventory: Some(&self.inventory),
            held: None,
        })
    }

    /// Returns the faults and their messages, by ConfigMap.
    fn faults(&self) -> Vec<(Fault, String)> {
        let problems = self.report().problems.into_iter();
        problems
            .map(|problem| (problem.fault, format!("{} {}", problem.config_map, problem.message)))
            .collect()
    }

    #[track_caller]
    fn has_only(&self, fault: Fault, word: &str) {
        let faults = self.faults();
        assert!(!faults.is_empty() && faults.iter().all(|(found, _)| *found == fault), "{faults:?}");
        assert!(faults.iter().any(|(_, text)| text.contains(word)), "{word:?} is not in {faults:?}");
        assert_eq!(self.report().is_whole(), fault == Fault::PreviousMissing);
    }

    fn annotations(&mut self) -> &mut BTreeMap<String, String> {
        self.pointer.metadata.annotations.as_mut().unwrap()
    }

    fn manifest(&self) -> Manifest {
        Manifest::parse(&self.pointer.data.as_ref().unwrap()[manifest::KEY]).unwrap()
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Manifest)) {
        let mut manifest = self.manifest();
        edit(&mut manifest);
        self.pointer.data = Some([(manifest::KEY.to_owned(), manifest.text())].into());
    }

    fn first(&mut self) -> (String, &mut ConfigMap) {
        self.shards.iter_mut().next().map(|(name, shard)| (name.clone(), shard)).unwrap()
    }

    fn files_of(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        unpack(&self.shards[name].binary_data.as_ref().unwrap()[ARCHIVE].0).unwrap()
    }

    /// A shard with other files, under the name that they give, and a pointer that names it.
    fn forge(&mut self, old: &str, files: &BTreeMap<String, Vec<u8>>) -> String {
        let contents: BTreeMap<String, Content> = files
            .iter()
            .map(|(key, bytes)| (key.clone(), Content { digest: Digest::of(bytes), bytes: bytes.clone() }))
            .collect();
        let digest = listing::digest_of(lines(&contents));
        let name = shard_name("groundlink", &digest);
        let mut shard = self.shards.remove(old).unwrap();
        shard.metadata.name = Some(name.clone());
        let packed = archive::pack(files.iter().map(|(key, bytes)| (&**key, bytes.clone()))).unwrap();
        shard.binary_data = Some([(ARCHIVE.to_owned(), ByteString(packed))].into());
        self.shards.insert(name.clone(), shard);
        self.inventory.remove(old);
        self.inventory.insert(name.clone(), Some(REVISION_NOW));
        self.edit(|manifest| {
            let reference = manifest.shards.iter_mut().find(|shard| shard.name == old).unwrap();
            *reference = ShardReference {
                name: name.clone(),
                digest: digest.to_string(),
                objects: files.len(),
                bytes: contents.iter().map(size).sum(),
            };
        });
        // The sum, so that nothing but the place of a file is wrong.
        let all: BTreeMap<String, Content> = self
            .shards
            .keys()
            .flat_map(|name| self.files_of(name))
            .map(|(key, bytes)| (key, Content { digest: Digest::of(&bytes), bytes }))
            .collect();
        let digest = listing::digest_of_set(lines(&all)).to_string();
        self.annotations().insert(pointer::DIGEST.into(), digest.clone());
        self.annotations().insert(pointer::OBJECTS.into(), all.len().to_string());
        self.edit(|manifest| {
            manifest.digest = digest;
            manifest.objects = all.len();
            manifest.bytes = all.iter().map(size).sum();
        });
        name
    }
}

fn files(count: usize) -> Arc<View> {
    let file = |i: usize| {
        let text = format!("// file {i}\n// groundlink: {{\"provides\":[\"Host!h{i}\"]}}\n");
        Arc::new(read_back(&ObjectKey::new("team-a", &format!("h{i}.x")), text.into_bytes()).unwrap())
    };
    let files: Vec<_> = (0..count).map(file).collect();
    view_of(&files)
}

fn destination() -> Destination {
    let (hub, satellite) = ("hub-1".into(), "edge".into());
    let (namespace, name) = ("icinga".into(), "groundlink".into());
    Destination { hub, satellite, namespace, name, ..Destination::default() }
}

fn old_shard(digit: char) -> String {
    format!("groundlink-{}", digit.to_string().repeat(32))
}

fn in_shards() -> Maps {
    let view = files(40);
    let shards = view.shards(2);
    let previous = old_shard('a');
    let pointer = sharded(&destination(), REVISION_NOW, &view, 2, &shards, &[previous.clone()].into());
    let shards: BTreeMap<String, ConfigMap> = shards
        .iter()
        .map(|part| (part.name("groundlink"), shard(&destination(), REVISION_NOW, part).unwrap()))
        .collect();
    let mut inventory: BTreeMap<_, _> =
        shards.keys().map(|name| (name.clone(), Some(REVISION_NOW))).collect();
    inventory.insert(previous, Some(Revision { term: 7, counter: 41 }));
    assert_eq!(wanted(&pointer), shards.keys().cloned().collect());
    Maps { pointer, shards, inventory }
}

fn in_one() -> Maps {
    let previous: BTreeSet<String> = [old_shard('b')].into();
    let pointer = single(&destination(), REVISION_NOW, &files(3), &previous);
    let inventory = previous.into_iter().map(|name| (name, None)).collect();
    Maps { pointer, shards: BTreeMap::new(), inventory }
}

#[test]
fn what_the_operator_writes_is_whole_in_both_layouts() {
    for (held, count, form) in [(in_one(), 3, Form::Single), (in_shards(), 40, Form::Sharded { bits: 2 })] {
        let report = held.report();
        assert_eq!((&report.problems, &report.notes), (&vec![], &vec![]));
        assert!(report.is_whole());
        assert_eq!((report.files.len(), report.form), (count, Some(form)));
        assert_eq!(report.revision, Some(REVISION_NOW));
        assert_eq!(report.digest, Some(report.digest_of_files()));
        assert_eq!(report.listing().lines().count(), count);
        assert_eq!(report.digest, Some(files(count).digest));
        assert_eq!(report.bytes(), files(count).bytes);
        assert_eq!(report.previous.len(), 1);
        assert_eq!(
            report.files["team-a.h1.x.conf"].bytes.split(|c| *c == b'\n').next(),
            Some(&b"// file 1"[..])
        );
    }
    assert_eq!(in_shards().report().shards.len(), 4);
    // An empty set is a set like any other.
    let empty = files(0);
    for pointer in [
        single(&destination(), REVISION_NOW, &empty, &BTreeSet::new()),
        sharded(&destination(), REVISION_NOW, &empty, 0, &[], &BTreeSet::new()),
    ] {
        let held = Maps { pointer, shards: BTreeMap::new(), inventory: BTreeMap::new() };
        assert_eq!(held.faults(), []);
    }
}

#[test]
fn a_pointer_that_says_anything_else_than_it_holds_is_told() {
    for whole in [in_one, in_shards] {
        for name in [pointer::LAYOUT, pointer::OBJECTS, pointer::DIGEST, REVISION] {
            let mut held = whole();
            held.annotations().remove(name);
            held.has_only(Fault::Annotation, name);
        }
        let mut held = whole();
        held.annotations().insert(REVISION.into(), "seven".into());
        held.has_only(Fault::Annotation, "seven");
        for (name, value) in [(pointer::MANAGED_BY.0, "helm"), (pointer::PART, "shard")] {
            let mut held = whole();
            held.pointer.metadata.labels.as_mut().unwrap().insert(name.into(), value.into());
            held.has_only(Fault::Labels, value);
        }
        let mut held = whole();
        held.pointer.metadata.labels.as_mut().unwrap().remove(pointer::SATELLITE);
        held.has_only(Fault::Labels, "groundlink.dev/satellite is missing");
        let mut held = whole();
        held.pointer.binary_data = Some([("x".to_owned(), ByteString(vec![0]))].into());
        held.has_only(Fault::Data, "binaryData");
    }
    let mut held = in_shards();
    held.annotations().insert(REVISION.into(), "7.41".into());
    held.has_only(Fault::Annotation, "says 7.42");
    held = in_shards();
    held.annotations().insert(pointer::OBJECTS.into(), "41".into());
    held.has_only(Fault::Annotation, "\"41\"");
}

#[test]
fn a_changed_file_in_layout_single_is_another_digest() {
    let data = |held: &mut Maps| held.pointer.data.clone().unwrap();
    let mut held = in_one();
    let mut files = data(&mut held);
    files.insert("team-a.h1.x.conf".into(), "object Host \"evil\" {}".into());
    held.pointer.data = Some(files.clone());
    held.has_only(Fault::Digest, "what it holds says sha256:");
    files.remove("team-a.h1.x.conf");
    held.pointer.data = Some(files.clone());
    assert_eq!(
        held.faults().iter().map(|(fault, _)| *fault).collect::<Vec<_>>(),
        [Fault::Digest, Fault::Objects]
    );
    for name in ["../x.y.conf", "README", ".a.b.conf"] {
        let mut held = in_one();
        held.pointer.data.as_mut().unwrap().insert(name.into(), String::new());
        held.has_only(Fault::Data, name);
    }
    held = in_one();
    held.pointer.data.as_mut().unwrap().insert("a.b.conf".into(), "x".repeat(SINGLE_MAX));
    assert!(held.faults().iter().any(|(fault, _)| *fault == Fault::TooLarge));
}

#[test]
fn a_manifest_that_was_edited_is_told() {
    let mut held = in_shards();
    held.edit(|manifest| manifest.objects += 1);
    let faults = held.faults();
    assert_eq!(
        faults.iter().map(|(fault, _)| *fault).collect::<Vec<_>>(),
        [Fault::Annotation, Fault::Objects]
    );
    held = in_shards();
    held.edit(|manifest| manifest.bytes -= 1);
    held.has_only(Fault::Bytes, "manifest.json says");
    held = in_shards();
    let other = Digest::of(b"other").to_string();
    held.edit(|manifest| manifest.digest = other.clone());
    held.annotations().insert(pointer::DIGEST.into(), other);
    held.has_only(Fault::Digest, "its shards hold");
    held = in_shards();
    held.edit(|manifest| manifest.shards[1].objects += 1);
    held.has_only(Fault::Objects, "the pointer says");
    held = in_shards();
    held.edit(|manifest| manifest.shards[1].bytes += 1);
    held.has_only(Fault::Bytes, "the pointer says");
    held = in_shards();
    held.edit(|manifest| manifest.shards.push(manifest.shards[0].clone()));
    held.has_only(Fault::Twice, "names shard groundlink-");
    held = in_shards();
    held.pointer.data.as_mut().unwrap().insert("a.b.conf".into(), String::new());
    held.has_only(Fault::Data, "more than manifest.json");
    for (from, to) in [("\"version\": 1", "\"version\": 2"), ("\"bits\": 2", "\"bits\": 11"), ("{", "[")] {
        let mut held = in_shards();
        let text = held.manifest().text().replacen(from, to, 1);
        held.pointer.data = Some([(manifest::KEY.to_owned(), text)].into());
        held.has_only(Fault::Manifest, "manifest.json");
    }
    // With other bits the same files would be in other shards.
    let mut held = in_shards();
    held.edit(|manifest| manifest.bits = 3);
    held.has_only(Fault::Bucket, "bucket");
}

#[test]
fn nobody_decides_how_much_a_reader_holds() {
    // More shards than buckets: none is asked for, and none is read.
    let mut held = in_shards();
    held.edit(|manifest| manifest.bits = 1);
    assert_eq!(wanted(&held.pointer), BTreeSet::new());
    held.has_only(Fault::Manifest, "names 4 shards; with bits 1 there are at most 2");
    assert!(held.report().files.is_empty());
    let mut held = in_shards();
    held.edit(|manifest| {
        manifest.bits = MAX_BITS;
        for i in 0..=1024 {
            let digest = Digest::of(format!("{i}").as_bytes());
            let (name, digest) = (shard_name("groundlink", &digest), digest.to_string());
            manifest.shards.push(ShardReference { name, digest, objects: 0, bytes: 0 });
        }
    });
    assert_eq!(wanted(&held.pointer), BTreeSet::new());
    held.has_only(Fault::Manifest, "names 1029 shards; with bits 10 there are at most 1024");

    // A shard that is too large, or has another digest, is not kept.
    let name = in_shards().first().0;
    let mut held = in_shards();
    let mut files = held.files_of(&name);
    let others = 40 - files.len();
    *files.values_mut().next().unwrap() = vec![b' '; SHARD_MAX];
    held.forge(&name, &files);
    held.has_only(Fault::TooLarge, "a shard has at most");
    assert_eq!(held.report().files.len(), others);
    let mut held = in_shards();
    held.edit(|manifest| manifest.shards[0].bytes += 1);
    assert_eq!(held.report().files.len(), 40, "a wrong count harms no file");
    let mut held = in_shards();
    let packed = archive::pack(files.iter().map(|(key, bytes)| (&**key, bytes.clone()))).unwrap();
    held.first().1.binary_data = Some([(ARCHIVE.to_owned(), ByteString(packed))].into());
    held.has_only(Fault::Digest, "the pointer says");
    assert_eq!(held.report().files.len(), others);
}

#[test]
fn a_manifest_makes_nobody_ask_for_anything_but_its_shards() {
    let mut held = in_shards();
    for name in ["../secrets/groundlink-token", "kube-root-ca.crt", &old_shard('c')] {
        held.edit(|manifest| manifest.shards[0].name = name.to_owned());
        assert_eq!(wanted(&held.pointer).len(), 3);
        let faults = held.faults();
        assert!(
            faults.iter().any(|(fault, text)| *fault == Fault::Name && text.contains(name)),
            "{faults:?}"
        );
    }
    held = in_shards();
    held.edit(|manifest| manifest.previous.push("../x".into()));
    held.has_only(Fault::Name, "../x");
    assert_eq!(wanted(&in_one().pointer), BTreeSet::new());
}

#[test]
fn a_shard_that_is_not_as_it_was_written_is_named() {
    let mut held = in_shards();
    let name = held.first().0;
    held.shards.remove(&name);
    held.has_only(Fault::ShardMissing, &name);
    assert!(held.report().files.len() < 40);

    held = in_shards();
    held.first().1.immutable = Some(false);
    held.has_only(Fault::NotImmutable, &name);

    held = in_shards();
    held.first().1.data = Some([("note".to_owned(), String::new())].into());
    held.has_only(Fault::Data, "note");
    held.first().1.data = None;
    held.first().1.binary_data = None;
    held.has_only(Fault::Data, "has no files.tar.gz");

    held = in_shards();
    held.first().1.binary_data = Some([(ARCHIVE.to_owned(), ByteString(b"garbage".to_vec()))].into());
    held.has_only(Fault::Archive, "no tar.gz");

    held = in_shards();
    held.first().1.metadata.labels.as_mut().unwrap().insert(pointer::HUB.into(), "hub-2".into());
    held.has_only(Fault::Labels, "hub-2");

    // Another content under the name of this one.
    held = in_shards();
    let mut files = held.files_of(&name);
    files.values_mut().next().unwrap()[3] = b'F';
    let packed = archive::pack(files.into_iter().collect::<Vec<_>>().iter().map(|(k, v)| (&**k, v.clone())));
    held.first().1.binary_data = Some([(ARCHIVE.to_owned(), ByteString(packed.unwrap()))].into());
    let report = held.report();
    let problems: Vec<_> = report.problems.iter().map(|p| (p.config_map.as_str(), p.fault)).collect();
    assert_eq!(problems, [(name.as_str(), Fault::Digest)]);

    // No reader uses this annotation.
    held = in_shards();
    held.first().1.metadata.annotations.as_mut().unwrap().remove(pointer::DIGEST);
    assert_eq!(held.faults(), []);
    assert!(held.report().notes[0].contains(&name));
}

#[test]
fn a_file_in_the_wrong_shard_or_in_two_is_told_even_if_every_digest_is_right() {
    let names: Vec<_> = in_shards().shards.into_keys().collect();
    let mut held = in_shards();
    let mut files = held.files_of(&names[0]);
    let (moved, bytes) = held.files_of(&names[1]).into_iter().next_back().unwrap();
    files.insert(moved.clone(), bytes);
    held.forge(&names[0].clone(), &files);
    let mut faults: Vec<_> = held.faults().into_iter().map(|(fault, _)| fault).collect();
    faults.sort_unstable();
    faults.dedup();
    // The file is counted once, because the sum is over the files.
    assert_eq!(faults, [Fault::Bucket, Fault::Twice]);
    let mut rest = held.files_of(&names[1]);
    rest.remove(&moved);
    held.forge(&names[1].clone(), &rest);
    held.has_only(Fault::Bucket, "");

    held = in_shards();
    let mut files = held.files_of(&names[0]);
    let padding = vec![b' '; SHARD_MAX];
    *files.values_mut().next().unwrap() = padding;
    held.forge(&names[0].clone(), &files);
    held.has_only(Fault::TooLarge, "a shard has at most");
}

#[test]
fn what_is_kept_must_be_there_and_what_is_left_over_is_a_note() {
    for whole in [in_one, in_shards] {
        let mut held = whole();
        held.inventory.retain(|name, _| held.shards.contains_key(name));
        held.has_only(Fault::PreviousMissing, "previous revision");
        let mut held = whole();
        held.inventory.insert(old_shard('d'), Some(Revision { term: 7, counter: 40 }));
        held.inventory.insert(old_shard('e'), Some(Revision { term: 7, counter: 43 }));
        let report = held.report();
        assert_eq!(report.problems, []);
        assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
        assert!(
            report.notes[0].contains("left over") && report.notes[1].contains("7.43, which is being written")
        );
        // An agent that may not list does not judge left-over shards.
        let found = Found { pointer: &held.pointer, shards: &held.shards, inventory: None, held: None };
        assert_eq!((verify(&found).problems, verify(&found).notes), (vec![], vec![]));
    }
    let mut held = in_one();
    held.annotations().insert(PREVIOUS.into(), "secrets".into());
    assert!(held.faults().iter().any(|(fault, _)| *fault == Fault::Name));
}

/// The files of a report, as a reader holds them that has unpacked them.
fn held_after(report: &Report) -> BTreeMap<String, HeldFile> {
    let files = report.files.iter();
    files
        .map(|(key, content)| (key.clone(), HeldFile { digest: content.digest, size: content.bytes.len() }))
        .collect()
}

#[test]
fn a_reader_fetches_only_the_shards_whose_files_it_does_not_hold() {
    let whole = in_shards();
    let mut held = held_after(&whole.report());
    assert_eq!(missing(&whole.pointer, &held), BTreeSet::new());
    assert_eq!(missing(&whole.pointer, &BTreeMap::new()), wanted(&whole.pointer));

    // One other file, one more, one less: three shards, or fewer if they share one.
    let keys: Vec<String> = held.keys().cloned().collect();
    held.insert(keys[0].clone(), HeldFile { digest: Digest::of(b"other"), size: 5 });
    let names = missing(&whole.pointer, &held);
    assert_eq!(names.len(), 1);
    let read: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), whole.shards[name].clone())).collect();
    let found = Found { pointer: &whole.pointer, shards: &read, inventory: None, held: Some(&held) };
    let report = verify(&found);
    assert_eq!(report.problems, []);
    assert_eq!(report.files.len() + report.held.len(), 40);
    assert!(report.files.contains_key(&keys[0]) && !report.held.contains_key(&keys[0]));
    assert_eq!(Some(report.digest_of_files()), report.digest);
    assert_eq!(report.bytes(), whole.report().bytes());

    // Without the shard that it lacks, the set is not whole.
    let nothing = BTreeMap::new();
    let found = Found { shards: &nothing, ..found };
    assert_eq!(verify(&found).problems[0].fault, Fault::ShardMissing);
}
