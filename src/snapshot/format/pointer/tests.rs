use super::*;
use crate::identity::ObjectKey;
use crate::render::read_back;
use crate::snapshot::testing::view_of;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
use std::sync::Arc;

fn destination() -> Destination {
    Destination {
        hub: "hub-1".into(),
        satellite: "edge".into(),
        namespace: "icinga".into(),
        name: "groundlink".into(),
        labels: [("team".to_owned(), "sre".to_owned())].into(),
        annotations: BTreeMap::new(),
    }
}

fn set(names: &[&str]) -> Arc<View> {
    let file = |name: &&str| {
        let header = serde_json::json!({ "provides": [format!("Host!{name}")] });
        let text = format!("// file\n// groundlink: {header}\n");
        Arc::new(read_back(&ObjectKey::new("n", name), text.into_bytes()).unwrap())
    };
    let files: Vec<_> = names.iter().map(file).collect();
    view_of(&files)
}

const REVISION_7: Revision = Revision { term: 7, counter: 42 };
const SHARDED: Form = Form::Sharded { bits: 2 };

fn both(view: &View) -> [(Form, ConfigMap); 2] {
    let previous = ["groundlink-old".to_owned()].into();
    [
        (Form::Single, single(&destination(), REVISION_7, view, &previous)),
        (SHARDED, sharded(&destination(), REVISION_7, view, 2, &view.shards(2), &previous)),
    ]
}

#[test]
fn what_is_written_is_read_again_in_both_layouts() {
    let view = set(&["a", "b", "c", "d", "e"]);
    for (form, written) in both(&view) {
        let found = read(&written, &destination());
        assert!(found.is(&destination(), &view, form), "{found:?}");
        assert_eq!(found.revision, Some(REVISION_7));
        assert!(found.keeps("groundlink-old") && !found.keeps("groundlink-other"));
        let other = if form == SHARDED { Form::Single } else { SHARDED };
        assert!(!found.is(&destination(), &view, other));
        assert!(!found.is(&destination(), &set(&["a"]), form));
    }
}

#[test]
fn nothing_that_someone_changes_counts_as_what_was_written() {
    let view = set(&["a", "b", "c", "d", "e"]);
    type Change = fn(&mut ConfigMap);
    let changes: [(&str, Change); 11] = [
        ("label of the target", |p| drop(p.metadata.labels.as_mut().unwrap().remove("team"))),
        ("managed-by", |p| drop(p.metadata.labels.as_mut().unwrap().remove(MANAGED_BY.0))),
        ("another satellite", |p| {
            drop(p.metadata.labels.as_mut().unwrap().insert(SATELLITE.into(), "x".into()))
        }),
        ("another hub", |p| drop(p.metadata.labels.as_mut().unwrap().insert(HUB.into(), "x".into()))),
        ("layout", |p| drop(p.metadata.annotations.as_mut().unwrap().remove(LAYOUT))),
        ("digest", |p| {
            drop(p.metadata.annotations.as_mut().unwrap().insert(DIGEST.into(), "sha256:0".into()))
        }),
        ("objects", |p| drop(p.metadata.annotations.as_mut().unwrap().remove(OBJECTS))),
        ("another key", |p| drop(p.data.as_mut().unwrap().insert("x".into(), "y".into()))),
        ("binary data", |p| p.binary_data = Some([("x".to_owned(), ByteString(vec![1]))].into())),
        ("content", |p| p.data.as_mut().unwrap().values_mut().next().unwrap().push(' ')),
        ("nothing in it", |p| p.data = None),
    ];
    for (form, written) in both(&view) {
        for (what, change) in changes {
            let mut changed = written.clone();
            change(&mut changed);
            assert!(!read(&changed, &destination()).is(&destination(), &view, form), "{what} in {form:?}");
        }
    }
    let [_, (_, mut older)] = both(&view);
    older.metadata.annotations.as_mut().unwrap().insert(REVISION.into(), "7.41".into());
    assert!(
        !read(&older, &destination()).is(&destination(), &view, SHARDED),
        "its manifest has another revision"
    );
    // An editor who changes a figure may also write the manifest in our form, with matching
    // annotations.
    type Edit = fn(&mut Manifest);
    let edits: [(&str, Edit); 5] = [
        ("bytes", |m| m.bytes += 1),
        ("bits", |m| m.bits += 1),
        ("objects of a shard", |m| m.shards[0].objects += 1),
        ("bytes of a shard", |m| m.shards[0].bytes += 1),
        ("a shard twice", |m| m.shards.push(m.shards[0].clone())),
    ];
    for (what, edit) in edits {
        let [_, (_, mut edited)] = both(&view);
        let text = edited.data.as_mut().unwrap().get_mut(manifest::KEY).unwrap();
        let mut manifest = Manifest::parse(text).unwrap();
        edit(&mut manifest);
        *text = manifest.text();
        assert!(!read(&edited, &destination()).is(&destination(), &view, SHARDED), "{what}");
    }
}

#[test]
fn a_shard_is_what_it_holds_and_cannot_be_edited() {
    let view = set(&["a", "b", "c", "d", "e"]);
    let shards = view.shards(1);
    let written = shard(&destination(), REVISION_7, &shards[0]).unwrap();
    assert_eq!(written.immutable, Some(true));
    assert!(destination().owns(written.metadata.labels.as_ref()));
    assert!(holds(&written, &shards[0]) && !holds(&written, &shards[1]));
    let changed = |change: fn(&mut ConfigMap)| {
        let mut changed = written.clone();
        change(&mut changed);
        holds(&changed, &shards[0])
    };
    assert!(!changed(|s| s.immutable = None));
    assert!(!changed(|s| s.binary_data = None));
    assert!(!changed(|s| s.data = Some([("x".to_owned(), String::new())].into())));
    assert!(!changed(|s| s.binary_data.as_mut().unwrap().values_mut().next().unwrap().0.truncate(20)));
    assert!(changed(|s| s.metadata.labels = None), "what it holds does not depend on labels");
}

#[test]
fn who_changed_it_is_named_and_nobody_by_us() {
    let mut pointer = single(&destination(), REVISION_7, &set(&["a"]), &BTreeSet::new());
    let entry = |manager: &str, second: i64| ManagedFieldsEntry {
        manager: Some(manager.into()),
        time: Some(Time(jiff::Timestamp::from_second(second).unwrap())),
        ..ManagedFieldsEntry::default()
    };
    assert_eq!(read(&pointer, &destination()).changed_by, None);
    pointer.metadata.managed_fields = Some(vec![entry("groundlink", 10), entry("kubectl-edit\n", 20)]);
    assert_eq!(read(&pointer, &destination()).changed_by.as_deref(), Some("kubectl-edit "));
    pointer.metadata.managed_fields = Some(vec![entry("groundlink", 30), entry("kubectl-edit", 20)]);
    assert_eq!(read(&pointer, &destination()).changed_by, None);
}
